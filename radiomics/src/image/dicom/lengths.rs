//! Lengths that a DICOM file claims, held against its size before anything is allocated: a
//! truncated file is named as such, and four wrong bytes cannot ask for gigabytes.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, uids};

use super::object::Extent;
use crate::error::RadiomicsError;

const UNDEFINED: u32 = u32::MAX;
const PREAMBLE: u64 = 132;
const BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";
const DEFLATED: &str = "1.2.840.10008.1.2.1.99";

/// Walks over the elements of a file and leaves `source` at its start.
pub(super) fn check(
    path: &Path,
    source: &mut (impl Read + Seek),
    extent: Extent,
) -> Result<(), RadiomicsError> {
    let io = |e| RadiomicsError::io(path, e);
    let end = source.seek(SeekFrom::End(0)).map_err(io)?;
    let mut walk = Walk { path, source, end, at: 0, explicit: true };
    walk.seek(0)?;
    let mut start = [0; PREAMBLE as usize];
    walk.read(&mut start)?;
    if &start[128..] != b"DICM" {
        return Err(RadiomicsError::format(path, "not a DICOM file: no DICM after 128 bytes"));
    }
    let syntax = walk.meta()?;
    walk.explicit = syntax != uids::IMPLICIT_VR_LITTLE_ENDIAN;
    // Other byte orders and packed files are refused by their name later on.
    if syntax != BIG_ENDIAN && !syntax.starts_with(DEFLATED) {
        walk.data_set(extent)?;
    }
    walk.seek(0)
}

struct Walk<'a, S> {
    path: &'a Path,
    source: &'a mut S,
    end: u64,
    at: u64,
    explicit: bool,
}

/// Header of an element.
struct Element {
    tag: Tag,
    sequence: bool,
    unknown: bool,
    length: u32,
}

impl<S: Read + Seek> Walk<'_, S> {
    fn seek(&mut self, to: u64) -> Result<(), RadiomicsError> {
        self.at = to;
        self.source.seek(SeekFrom::Start(to)).map(drop).map_err(|e| RadiomicsError::io(self.path, e))
    }

    fn read(&mut self, into: &mut [u8]) -> Result<(), RadiomicsError> {
        if self.end - self.at < into.len() as u64 {
            return Err(self.short("a header", into.len() as u64));
        }
        self.at += into.len() as u64;
        self.source.read_exact(into).map_err(|e| RadiomicsError::io(self.path, e))
    }

    fn short(&self, what: &str, wanted: u64) -> RadiomicsError {
        let left = self.end - self.at;
        let reason = format!("it is truncated: {what} at byte {} has {left} of {wanted} bytes", self.at);
        RadiomicsError::format(self.path, reason)
    }

    fn word(&mut self) -> Result<u16, RadiomicsError> {
        let mut bytes = [0; 2];
        self.read(&mut bytes)?;
        Ok(u16::from_le_bytes(bytes))
    }

    fn long(&mut self) -> Result<u32, RadiomicsError> {
        let mut bytes = [0; 4];
        self.read(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn element(&mut self) -> Result<Element, RadiomicsError> {
        let tag = Tag(self.word()?, self.word()?);
        if tag.group() == 0xFFFE {
            return Ok(Element { tag, sequence: false, unknown: false, length: self.long()? });
        }
        if !self.explicit {
            let vr = StandardDataDictionary.by_tag(tag).and_then(|e| e.vr().exact());
            return Ok(Element { tag, sequence: vr == Some(VR::SQ), unknown: false, length: self.long()? });
        }
        let mut code = [0; 2];
        self.read(&mut code)?;
        let Some(vr) = VR::from_binary(code) else {
            let reason = format!("element {tag} at byte {} has no known type", self.at - 6);
            return Err(RadiomicsError::format(self.path, reason));
        };
        let long = matches!(&code, b"OB" | b"OD" | b"OF" | b"OL" | b"OV" | b"OW" | b"SQ" | b"SV")
            || matches!(&code, b"UC" | b"UN" | b"UR" | b"UT" | b"UV");
        let length = if long {
            self.word()?;
            self.long()?
        } else {
            u32::from(self.word()?)
        };
        Ok(Element { tag, sequence: vr == VR::SQ, unknown: vr == VR::UN, length })
    }

    fn skip(&mut self, element: &Element) -> Result<(), RadiomicsError> {
        self.fits(element)?;
        self.seek(self.at + u64::from(element.length))
    }

    fn fits(&self, element: &Element) -> Result<(), RadiomicsError> {
        if u64::from(element.length) > self.end - self.at {
            return Err(self.short(&format!("element {}", element.tag), u64::from(element.length)));
        }
        Ok(())
    }

    /// The transfer syntax; stands at the data set afterwards.
    fn meta(&mut self) -> Result<String, RadiomicsError> {
        let mut syntax = String::new();
        while self.at < self.end {
            let before = self.at;
            // What follows the meta group may have another encoding.
            let group = self.word()?;
            self.seek(before)?;
            if group != 2 {
                break;
            }
            let element = self.element()?;
            self.fits(&element)?;
            if element.tag == Tag(2, 0x10) && element.length <= 64 {
                let mut bytes = vec![0; element.length as usize];
                self.read(&mut bytes)?;
                syntax = String::from_utf8_lossy(&bytes).trim_end_matches(['\0', ' ']).to_owned();
            } else {
                self.skip(&element)?;
            }
        }
        if syntax.is_empty() {
            return Err(RadiomicsError::format(self.path, "it names no transfer syntax (0002,0010)"));
        }
        Ok(syntax)
    }

    fn data_set(&mut self, extent: Extent) -> Result<(), RadiomicsError> {
        let explicit = self.explicit;
        // Open sequences of unknown length; within one of unknown type its items are implicit.
        let mut open: Vec<bool> = Vec::new();
        let mut fragments = false;
        while self.at < self.end {
            let element = self.element()?;
            match element.tag {
                Tag(0xFFFE, 0xE000) if fragments => self.skip(&element)?,
                Tag(0xFFFE, 0xE000) if element.length != UNDEFINED => self.fits(&element)?,
                Tag(0xFFFE, 0xE0DD) if fragments => fragments = false,
                Tag(0xFFFE, 0xE0DD) => {
                    open.pop();
                    self.explicit = explicit && !open.contains(&true);
                }
                Tag(0xFFFE, 0xE000 | 0xE00D) => {}
                // A reader would take it for a value of whatever length is claimed.
                Tag(0xFFFE, _) => {
                    let reason = format!("element {} at byte {} is no item", element.tag, self.at - 8);
                    return Err(RadiomicsError::format(self.path, reason));
                }
                tag if tag.group() == 0x7FE0 && open.is_empty() => {
                    if extent == Extent::Header {
                        return Ok(());
                    }
                    fragments = element.length == UNDEFINED;
                    if !fragments {
                        self.skip(&element)?;
                    }
                }
                _ if element.length == UNDEFINED => {
                    open.push(element.unknown);
                    self.explicit = explicit && !open.contains(&true);
                }
                _ if element.sequence => self.fits(&element)?,
                _ => self.skip(&element)?,
            }
        }
        if fragments || !open.is_empty() {
            return Err(RadiomicsError::format(self.path, "it is truncated: a sequence has no end"));
        }
        Ok(())
    }
}
