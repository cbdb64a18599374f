//! NRRD (<https://teem.sourceforge.net/nrrd/format.html>): three-dimensional scalar volumes, raw
//! or gzip, attached or detached.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use super::bytes::{self, Kind};
use super::{Geometry, Image};
use crate::error::RadiomicsError;

pub(super) fn read(path: &Path) -> Result<Image, RadiomicsError> {
    let file = fs::read(path).map_err(|e| RadiomicsError::io(path, e))?;
    let (fields, start) = header(path, &file)?;
    let wrong = |reason: String| RadiomicsError::format(path, reason);
    let field = |name: &str| fields.get(name).map(String::as_str);
    let need = |name: &str| field(name).ok_or_else(|| wrong(format!("no field \"{name}\"")));

    let kind = kind(need("type")?).ok_or_else(|| wrong(format!("voxel type \"{}\"", fields["type"])))?;
    let big_endian = match field("endian") {
        Some("big") => true,
        Some("little") => false,
        None if kind.width() == 1 => false,
        _ => return Err(wrong("no field \"endian\"".into())),
    };
    let geometry = geometry(&fields).map_err(wrong)?;
    for unsupported in ["line skip", "lineskip", "byte skip", "byteskip"] {
        if field(unsupported).is_some_and(|n| n != "0") {
            return Err(wrong(format!("\"{unsupported}\" is not supported")));
        }
    }
    let detached = match field("data file").or(field("datafile")) {
        Some(name) => {
            let other = path.with_file_name("").join(name);
            // A header from elsewhere may name a device that never ends.
            if fs::metadata(&other).is_ok_and(|m| !m.is_file()) {
                return Err(RadiomicsError::format(&other, "not a file"));
            }
            Some(fs::read(&other).map_err(|e| RadiomicsError::io(&other, e))?)
        }
        None => None,
    };
    let data = detached.as_deref().unwrap_or(&file[start..]);
    let mut source: Box<dyn std::io::Read> = match need("encoding")? {
        "raw" => Box::new(data),
        "gzip" | "gz" => bytes::unpacked(data),
        other => return Err(wrong(format!("encoding \"{other}\" is not supported"))),
    };
    let samples = bytes::voxels(path, &mut source, geometry.voxels(), kind, big_endian)?;
    Ok(Image { geometry, samples })
}

/// The fields by name, and where the voxels start.
fn header(path: &Path, file: &[u8]) -> Result<(HashMap<String, String>, usize), RadiomicsError> {
    if !file.starts_with(b"NRRD") {
        return Err(RadiomicsError::format(path, "not a NRRD file"));
    }
    let mut fields = HashMap::new();
    let mut at = 0;
    while let Some(length) = file[at..].iter().position(|&b| b == b'\n') {
        let line = String::from_utf8_lossy(&file[at..at + length]);
        let line = line.trim_end_matches('\r');
        at += length + 1;
        if line.is_empty() {
            return Ok((fields, at));
        }
        if let Some((name, value)) = line.split_once(": ").filter(|_| !line.starts_with('#')) {
            fields.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    if fields.contains_key("data file") || fields.contains_key("datafile") {
        return Ok((fields, at));
    }
    Err(RadiomicsError::format(path, "its header has no end"))
}

fn kind(name: &str) -> Option<Kind> {
    Some(match name {
        "signed char" | "int8" | "int8_t" => Kind::I8,
        "uchar" | "unsigned char" | "uint8" | "uint8_t" => Kind::U8,
        "short" | "short int" | "signed short" | "signed short int" | "int16" | "int16_t" => Kind::I16,
        "ushort" | "unsigned short" | "unsigned short int" | "uint16" | "uint16_t" => Kind::U16,
        "int" | "signed int" | "int32" | "int32_t" => Kind::I32,
        "uint" | "unsigned int" | "uint32" | "uint32_t" => Kind::U32,
        "longlong" | "long long" | "int64" | "int64_t" => Kind::I64,
        "ulonglong" | "unsigned long long" | "uint64" | "uint64_t" => Kind::U64,
        "float" => Kind::F32,
        "double" => Kind::F64,
        _ => return None,
    })
}

fn geometry(fields: &HashMap<String, String>) -> Result<Geometry, String> {
    let sizes: Option<Vec<usize>> =
        fields.get("sizes").and_then(|t| t.split_whitespace().map(|n| n.parse().ok()).collect());
    let size = match sizes.as_deref() {
        Some(&[x, y, z])
            if x > 0 && y > 0 && z > 0 && x.checked_mul(y).and_then(|n| n.checked_mul(z)).is_some() =>
        {
            [x, y, z]
        }
        _ => return Err(format!("sizes {:?}; three dimensions are expected", fields.get("sizes"))),
    };
    let mut geometry = Geometry::aligned(size, [1.0; 3]);
    if let Some(text) = fields.get("space directions") {
        let vectors: Vec<[f64; 3]> = text.split_whitespace().filter_map(vector).collect();
        let Ok(vectors) = <[[f64; 3]; 3]>::try_from(vectors) else {
            return Err(format!("space directions {text}"));
        };
        for (axis, v) in vectors.iter().enumerate() {
            let norm = v.iter().map(|c| c * c).sum::<f64>().sqrt();
            geometry.spacing[axis] = norm;
            geometry.direction[axis] = v.map(|c| c / norm);
        }
    } else if let Some(text) = fields.get("spacings") {
        let spacings: Vec<f64> = text.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        geometry.spacing = <[f64; 3]>::try_from(spacings).map_err(|_| format!("spacings {text}"))?;
    }
    if let Some(text) = fields.get("space origin") {
        geometry.origin = vector(text).ok_or_else(|| format!("space origin {text}"))?;
    }
    let signs = match fields.get("space").map(|s| s.to_ascii_lowercase()).as_deref() {
        None | Some("left-posterior-superior" | "lps") => [1.0, 1.0],
        Some("right-anterior-superior" | "ras") => [-1.0, -1.0],
        Some("left-anterior-superior" | "las") => [1.0, -1.0],
        Some(other) => return Err(format!("space \"{other}\" is not supported")),
    };
    for v in geometry.direction.iter_mut().chain(std::iter::once(&mut geometry.origin)) {
        v[0] *= signs[0];
        v[1] *= signs[1];
    }
    Ok(geometry)
}

/// `(1,0,0)` as numbers.
fn vector(text: &str) -> Option<[f64; 3]> {
    let inner = text.strip_prefix('(')?.strip_suffix(')')?;
    let numbers: Option<Vec<f64>> = inner.split(',').map(|n| n.trim().parse().ok()).collect();
    <[f64; 3]>::try_from(numbers?).ok()
}
