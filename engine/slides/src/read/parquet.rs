//! Parquet: a row per tile, a column per value. Columns that number themselves from 0 (`feature_0`, `feature_1`, ...)
//! are the embedding; others, such as coordinates, are left out.

use std::collections::BTreeMap;
use std::path::Path;

use osteon_table::{Cells, ReadOptions};

use crate::error::SlidesError;

/// Reads the embedding as `[T, D]` in memory: a file of columns cannot be read row by row.
pub(super) fn read(path: &Path) -> Result<(usize, usize, Vec<f64>), SlidesError> {
    let table = osteon_table::read(path, &ReadOptions::default())?;
    let mut families: BTreeMap<&str, BTreeMap<usize, &[Option<f64>]>> = BTreeMap::new();
    for column in table.columns() {
        let stem = column.name.trim_end_matches(|c: char| c.is_ascii_digit());
        let Ok(number) = column.name[stem.len()..].parse() else { continue };
        if let Cells::Float(values) = &column.cells {
            families.entry(stem).or_default().insert(number, values);
        }
    }
    let whole = |family: &BTreeMap<usize, _>| family.keys().copied().eq(0..family.len());
    let mut found: Vec<_> = families.into_iter().filter(|(_, family)| whole(family)).collect();
    found.sort_by_key(|(_, family)| family.len());
    let Some((stem, family)) = found.pop() else {
        let text = "no columns of floating-point numbers are numbered from 0 (feature_0, feature_1, ...)";
        return Err(SlidesError::format(path, text));
    };
    let (rows, columns) = (table.rows(), family.len());
    let mut values = vec![0.0; rows * columns];
    for (j, column) in family.values().enumerate() {
        for (i, value) in column.iter().enumerate() {
            let missing =
                || SlidesError::format(path, format!("column \"{stem}{j}\" has no value in row {}", i + 1));
            values[i * columns + j] = value.ok_or_else(missing)?;
        }
    }
    Ok((rows, columns, values))
}
