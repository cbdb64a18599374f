//! `.pt`: a ZIP archive with a pickle that describes a tensor, and its storage.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use osteon_table::array::{Array, Number};

use super::pickle::{self, Object, View};
use super::{KEYS, zip};
use crate::error::SlidesError;

/// Largest pickle that is read; that of a tensor has a few hundred bytes.
const LARGEST_PICKLE: u64 = 1 << 20;
/// Most bytes of a storage that are gathered into another order.
const LARGEST_GATHER: u64 = 1 << 34;

/// The tensor of a file.
pub(super) enum Tensor {
    /// It lies row after row.
    Plain(Array),
    /// It was a view in another order.
    Gathered { shape: Vec<usize>, number: Number, bytes: Vec<u8> },
}

/// Finds the tensor of a file: the file's one object, or the entry of a dictionary under a usual name.
pub(super) fn read(path: &Path) -> Result<Tensor, SlidesError> {
    let wrong = |reason: &str| SlidesError::format(path, format!("not a tensor: {reason}"));
    let file = File::open(path).map_err(|e| SlidesError::io(path, e))?;
    let members = zip::members(path, &file)?;
    let pickle = members.iter().find(|m| m.name == "data.pkl" || m.name.ends_with("/data.pkl"));
    let pickle = pickle.ok_or_else(|| wrong("the archive holds no data.pkl"))?;
    if pickle.bytes > LARGEST_PICKLE {
        return Err(wrong("its description has more than a megabyte"));
    }
    let mut bytes = vec![0; pickle.bytes as usize];
    file.read_exact_at(&mut bytes, pickle.at).map_err(|e| SlidesError::io(path, e))?;
    let object = pickle::parse(&bytes).map_err(|e| wrong(&e))?;
    let view = tensor(object).ok_or_else(|| {
        wrong(&format!("the file holds neither a tensor nor a dictionary with one under {}", KEYS.join(", ")))
    })?;

    let folder = pickle.name.strip_suffix("data.pkl").unwrap_or_default();
    if members.iter().any(|m| m.name == format!("{folder}byteorder") && m.bytes == 3) {
        // "big" has three letters, "little" six.
        return Err(wrong("its numbers are big-endian"));
    }
    let name = format!("{folder}data/{}", view.storage);
    let storage = members.iter().find(|m| m.name == name).ok_or_else(|| wrong("its storage is missing"))?;
    let number = view.number.bytes() as u64;
    let reach = reach(&view).ok_or_else(|| wrong("its shape overflows"))?;
    if view.size.checked_mul(number) != Some(storage.bytes) || reach > view.size {
        return Err(wrong("its shape and strides reach beyond its storage"));
    }
    let shape: Vec<usize> = view.shape.iter().map(|&e| e as usize).collect();
    if row_major(&view) {
        let at = storage.at + view.offset * number;
        return Ok(Tensor::Plain(Array::contiguous(path, "tensor", &shape, view.number, at)));
    }
    let count =
        view.shape.iter().try_fold(1u64, |n, &e| n.checked_mul(e)).and_then(|n| n.checked_mul(number));
    if count.is_none_or(|bytes| bytes > LARGEST_GATHER) || storage.bytes > LARGEST_GATHER {
        return Err(wrong("it is a view too large to be laid out anew; save tensor.contiguous()"));
    }
    let mut stored = vec![0; storage.bytes as usize];
    file.read_exact_at(&mut stored, storage.at).map_err(|e| SlidesError::io(path, e))?;
    Ok(Tensor::Gathered { bytes: gather(&view, &stored), shape, number: view.number })
}

fn tensor(object: Object) -> Option<View> {
    match object {
        Object::Tensor(view) => Some(view),
        Object::Dict(entries) => {
            let named = |key: &str| {
                let entry = entries.iter().find(|(k, _)| *k == Object::Text(key.to_owned()));
                entry.and_then(|(_, value)| tensor(value.clone()))
            };
            KEYS.iter().find_map(|key| named(key))
        }
        _ => None,
    }
}

/// Numbers of the storage up to the last one that the view shows.
fn reach(view: &View) -> Option<u64> {
    if view.shape.len() != view.strides.len() {
        return None;
    }
    if view.shape.contains(&0) {
        return Some(view.offset);
    }
    let steps = view.shape.iter().zip(&view.strides);
    let last =
        steps.into_iter().try_fold(view.offset, |at, (&e, &s)| at.checked_add((e - 1).checked_mul(s)?));
    last?.checked_add(1)
}

fn row_major(view: &View) -> bool {
    let mut step = 1;
    view.shape.iter().zip(&view.strides).rev().all(|(&extent, &stride)| {
        let fits = extent <= 1 || stride == step;
        step *= extent.max(1);
        fits
    })
}

fn gather(view: &View, stored: &[u8]) -> Vec<u8> {
    let bytes = view.number.bytes();
    let count: u64 = view.shape.iter().product();
    let mut out = Vec::with_capacity(count as usize * bytes);
    for k in 0..count {
        let (mut rest, mut at) = (k, view.offset);
        for (&extent, &stride) in view.shape.iter().zip(&view.strides).rev() {
            at += rest % extent * stride;
            rest /= extent;
        }
        out.extend_from_slice(&stored[at as usize * bytes..][..bytes]);
    }
    out
}
