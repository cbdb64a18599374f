//! `.npy`: NumPy's format, versions 1 to 3 (numpy.lib.format).

use std::fs::File;
use std::io::Read;
use std::path::Path;

use osteon_table::array::{Array, Number};

use crate::error::SlidesError;

/// Longest header that is read; NumPy writes about a hundred bytes.
const LONGEST: usize = 1 << 16;

/// Finds the numbers of a file.
pub(super) fn read(path: &Path) -> Result<Array, SlidesError> {
    let wrong = |reason: String| SlidesError::format(path, format!("not a NumPy array: {reason}"));
    let mut file = File::open(path).map_err(|e| SlidesError::io(path, e))?;
    let mut start = [0; 12];
    file.read_exact(&mut start).map_err(|_| wrong("the file is too short".into()))?;
    if &start[..6] != b"\x93NUMPY" {
        return Err(wrong("it does not begin with \\x93NUMPY".into()));
    }
    let (length, header_at) = match start[6] {
        1 => (usize::from(u16::from_le_bytes([start[8], start[9]])), 10),
        2 | 3 => (u32::from_le_bytes([start[8], start[9], start[10], start[11]]) as usize, 12),
        other => return Err(wrong(format!("version {other} is unknown"))),
    };
    if length > LONGEST {
        return Err(wrong(format!("a header of {length} bytes")));
    }
    let mut header = start[header_at..].to_vec();
    let mut rest = vec![0; (header_at + length).saturating_sub(start.len())];
    file.read_exact(&mut rest).map_err(|_| wrong("the header is cut off".into()))?;
    header.extend(rest);
    header.truncate(length);
    let header = String::from_utf8(header).map_err(|_| wrong("the header is no text".into()))?;
    let (number, shape) = parse(&header).map_err(wrong)?;
    Ok(Array::contiguous(path, "array", &shape, number, (header_at + length) as u64))
}

/// Type and shape of `{'descr': '<f2', 'fortran_order': False, 'shape': (3, 4), }`.
fn parse(header: &str) -> Result<(Number, Vec<usize>), String> {
    let value = |key: &str| {
        let quoted = format!("'{key}':");
        let at = header.find(&quoted).ok_or_else(|| format!("the header has no {key}"))?;
        Ok::<_, String>(header[at + quoted.len()..].trim_start())
    };
    let kind = value("descr")?;
    let kind = kind.strip_prefix('\'').and_then(|k| k.split('\'').next()).unwrap_or_default();
    let number = match kind {
        "<f2" => Number::F16,
        "<f4" => Number::F32,
        "<f8" => Number::F64,
        other => return Err(format!("its type is \"{other}\"; <f2, <f4 and <f8 are read")),
    };
    let shape = value("shape")?.strip_prefix('(').and_then(|s| s.split(')').next()).unwrap_or_default();
    let extents = shape.split(',').map(str::trim).filter(|e| !e.is_empty());
    let shape: Vec<usize> = extents
        .map(|e| e.parse().map_err(|_| format!("its shape is ({shape})")))
        .collect::<Result<_, _>>()?;
    if value("fortran_order")?.starts_with("True") && shape.len() > 1 {
        return Err(
            "it is stored column by column (fortran_order); save numpy.ascontiguousarray of it".into()
        );
    }
    Ok((number, shape))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        let of = |kind: &str, order: &str, shape: &str| {
            parse(&format!("{{'descr': '{kind}', 'fortran_order': {order}, 'shape': {shape}, }}  \n"))
        };
        assert_eq!(of("<f2", "False", "(3, 4)"), Ok((Number::F16, vec![3, 4])));
        assert_eq!(of("<f8", "True", "(7,)"), Ok((Number::F64, vec![7])));
        assert!(of(">f4", "False", "(3, 4)").is_err());
        assert!(of("|O", "False", "(3, 4)").is_err());
        assert!(of("<f4", "True", "(3, 4)").is_err());
        assert!(of("<f4", "False", "(3, -4)").is_err());
        assert!(parse("{}").is_err());
    }
}
