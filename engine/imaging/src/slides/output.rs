//! The table: a row per slide or patient, a block of columns per reduction.

use std::collections::BTreeMap;
use std::path::Path;

use osteon_slides::Level;
use osteon_table::array::{Block, write_blocks};
use osteon_table::{Column, Table};

use super::batch::{SlideFault, SlideVectors};
use super::finish::{Components, Models};
use crate::error::ImagingError;

/// Writes slide, patient, site where there is one, tiles, then the vectors. In HDF5 each reduction is a 2-D data set;
/// read as a table, and in the other formats, its columns are numbered from 0. Rows without tiles hold NaN.
///
/// # Errors
/// If the table cannot be written.
pub fn write(out: &Path, cases: &[&SlideVectors], models: &Models) -> Result<(), ImagingError> {
    let text = |name: &str, of: fn(&SlideVectors) -> &str| Column::texts(name, cases.iter().map(|c| of(c)));
    let mut columns = vec![text("slide", |c| &c.slide), text("patient", |c| &c.patient)];
    if cases.iter().any(|c| c.site.is_some()) {
        columns.push(text("site", |c| c.site.as_deref().unwrap_or_default()));
    }
    columns.push(Column::ints("tiles", cases.iter().map(|c| c.tiles as i64)));
    let blocks = blocks(cases, models);
    let hdf5 = out.extension().is_some_and(|e| e == "h5" || e == "hdf5");
    if hdf5 {
        return Ok(write_blocks(out, &columns, &blocks, &attributes(cases, models))?);
    }
    for block in &blocks {
        for j in 0..block.width {
            let values = block.values.iter().skip(j).step_by(block.width).copied();
            columns.push(Column::floats(format!("{}{j}", block.name), values));
        }
    }
    Ok(osteon_table::write(out, &Table::new(out, columns)?)?)
}

fn blocks(cases: &[&SlideVectors], models: &Models) -> Vec<Block> {
    let width = cases.iter().map(|c| c.width).max().unwrap_or(0);
    let block = |name: &str, width: usize, row: &dyn Fn(&SlideVectors) -> Vec<f64>| {
        let values = cases.iter().flat_map(|case| {
            // The files of an empty slide may not say how wide it is.
            if case.tiles == 0 { vec![f64::NAN; width] } else { row(case) }
        });
        Block { name: name.to_owned(), width, values: values.collect() }
    };
    let names = cases.first().map(|c| c.names.as_slice()).unwrap_or_default();
    let mut blocks: Vec<Block> =
        names.iter().enumerate().map(|(k, name)| block(name, width, &|c| c.vectors[k].0.clone())).collect();
    if let Some(pca) = &models.pca {
        let name = if models.whiten { "pca_whitened" } else { "pca" };
        blocks.push(block(name, pca.components.len(), &|c| pca.scores(&c.mean.0, models.whiten)));
    }
    if let Some(projection) = &models.projection {
        let k = projection.len();
        blocks.push(block("random", k, &|c| projection.apply(&c.mean.0)));
    }
    if let Some((prototypes, counts)) = &models.prototypes {
        let share = cases.iter().zip(counts).flat_map(|(case, counts)| {
            let tiles = case.tiles as f64;
            counts.iter().map(move |&n| if tiles > 0.0 { n as f64 / tiles } else { f64::NAN })
        });
        blocks.push(Block {
            name: "prototype".into(),
            width: prototypes.centres.len(),
            values: share.collect(),
        });
    }
    if let Some((_, described)) = &models.mixture {
        let mut gmm = |name: &str, of: fn(&Components) -> &Vec<f64>| {
            let width = described.iter().map(|d| of(d).len()).max().unwrap_or(0);
            let row = |(case, d): (&SlideVectors, &Components)| {
                if case.tiles > 0 { of(d).clone() } else { vec![f64::NAN; width] }
            };
            let values = cases.iter().copied().zip(described).flat_map(row).collect();
            if width > 0 {
                blocks.push(Block { name: name.into(), width, values });
            }
        };
        gmm("gmm", |d| &d.weights);
        gmm("gmm_mean", |d| &d.means);
    }
    blocks
}

fn attributes(cases: &[&SlideVectors], models: &Models) -> BTreeMap<String, String> {
    let mut all =
        BTreeMap::from([("osteon".to_owned(), format!("slides reduce {}", env!("CARGO_PKG_VERSION")))]);
    if let Some(encoder) = cases.iter().find_map(|c| c.encoder.clone()) {
        all.insert("encoder".into(), encoder);
    }
    let level = cases.first().map_or(Level::Tile, |c| c.level);
    all.insert("rows_were".into(), format!("{level:?}").to_lowercase());
    if let Some(pca) = &models.pca {
        all.insert("pca_sign_rule".into(), pca.sign_rule.clone());
    }
    all
}

/// Writes a row per case without vectors.
///
/// # Errors
/// If the table cannot be written.
pub fn write_faults(out: &Path, faults: &[SlideFault]) -> Result<(), ImagingError> {
    let column = |name: &str, of: fn(&SlideFault) -> &String| Column::texts(name, faults.iter().map(of));
    let columns = vec![
        column("slide", |f| &f.slide),
        column("patient", |f| &f.patient),
        column("error", |f| &f.error),
        column("hint", |f| &f.hint),
    ];
    Ok(osteon_table::write(out, &Table::new(out, columns)?)?)
}
