//! One DICOM file as a tree of attributes, read with care: a value that is absent, empty or of
//! another type is `None`, never a default.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use dicom_core::{PrimitiveValue, Tag};
use dicom_dictionary_std::tags;
use dicom_object::file::ReadPreamble;
use dicom_object::{DefaultDicomObject, InMemDicomObject, OpenFileOptions};

use super::lengths;
use crate::error::RadiomicsError;

/// A set of attributes: a file, or an item of a sequence.
pub(crate) type Attributes = InMemDicomObject;

/// How much of a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Everything before the voxels.
    Header,
    /// The whole file.
    Whole,
}

/// Whether a file starts as DICOM files do: `DICM` after 128 bytes.
pub(crate) fn is_dicom(path: &Path) -> bool {
    let mut start = [0; 132];
    File::open(path).and_then(|mut f| f.read_exact(&mut start)).is_ok() && &start[128..] == b"DICM"
}

/// Reads a file.
pub(crate) fn open(path: &Path, extent: Extent) -> Result<DefaultDicomObject, RadiomicsError> {
    let file = File::open(path).map_err(|e| RadiomicsError::io(path, e))?;
    let mut source = BufReader::new(file);
    lengths::check(path, &mut source, extent)?;
    let options = OpenFileOptions::new().read_preamble(ReadPreamble::Always);
    let options = match extent {
        Extent::Header => options.read_until(tags::FLOAT_PIXEL_DATA),
        Extent::Whole => options.read_all(),
    };
    options.from_reader(source).map_err(|e| {
        let mut reason = format!("it cannot be read as DICOM: {e}");
        let mut cause = std::error::Error::source(&e);
        while let Some(below) = cause {
            reason = format!("{reason}: {below}");
            cause = below.source();
        }
        RadiomicsError::format(path, reason)
    })
}

/// The first text of an attribute.
pub(crate) fn text(from: &Attributes, tag: Tag) -> Option<String> {
    texts(from, tag).into_iter().next()
}

/// All texts of an attribute that are not empty.
pub(crate) fn texts(from: &Attributes, tag: Tag) -> Vec<String> {
    let parts = from.get(tag).and_then(|e| e.to_multi_str().ok().map(|t| t.to_vec())).unwrap_or_default();
    let trimmed = parts.iter().map(|t| t.trim_matches(|c: char| c.is_whitespace() || c == '\0'));
    trimmed.filter(|t| !t.is_empty()).map(ToOwned::to_owned).collect()
}

/// All numbers of an attribute.
pub(crate) fn numbers(from: &Attributes, tag: Tag) -> Option<Vec<f64>> {
    let all = from.get(tag)?.to_multi_float64().ok()?;
    (!all.is_empty() && all.iter().all(|x| x.is_finite())).then_some(all)
}

/// The only number of an attribute.
pub(crate) fn number(from: &Attributes, tag: Tag) -> Option<f64> {
    numbers(from, tag).filter(|all| all.len() == 1).map(|all| all[0])
}

/// A whole number that counts something.
pub(crate) fn count(from: &Attributes, tag: Tag) -> Option<usize> {
    number(from, tag).filter(|x| x.fract() == 0.0 && (0.0..4e9).contains(x)).map(|x| x as usize)
}

/// Exactly `N` numbers.
pub(crate) fn vector<const N: usize>(from: &Attributes, tag: Tag) -> Option<[f64; N]> {
    <[f64; N]>::try_from(numbers(from, tag)?).ok()
}

/// The items of a sequence.
pub(crate) fn items(from: &Attributes, tag: Tag) -> &[Attributes] {
    from.get(tag).and_then(|e| e.items()).unwrap_or_default()
}

/// The first item of a sequence.
pub(crate) fn item(from: &Attributes, tag: Tag) -> Option<&Attributes> {
    items(from, tag).first()
}

/// A text in a vendor's block, which is found by the name of its creator. An element whose type is
/// unknown, as all of them in implicit files, holds the bytes of its text.
pub(crate) fn private_text(from: &Attributes, group: u16, creator: &str, element: u8) -> Option<String> {
    let found = from.private_element(group, creator, element).ok()?;
    let text = match found.value().primitive()? {
        PrimitiveValue::U8(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => other.to_str().into_owned(),
    };
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    (!text.is_empty()).then(|| text.to_owned())
}

/// A number in a vendor's block.
pub(crate) fn private_number(from: &Attributes, group: u16, creator: &str, element: u8) -> Option<f64> {
    private_text(from, group, creator, element)?.parse().ok().filter(|x: &f64| x.is_finite())
}

/// A functional group of a frame: its own, or the one shared by all frames.
pub(crate) fn functional(header: &Attributes, frame: usize, group: Tag) -> Option<&Attributes> {
    let own = items(header, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).get(frame);
    own.and_then(|f| item(f, group))
        .or_else(|| item(item(header, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE)?, group))
}
