//! Floor 4: the records of a run directory, and the report made from them.
//!
//! - [`records`]: the files `summary.json`, `metrics.jsonl` and `kaplan_meier.json` as types,
//! - [`json`]: reading and writing JSON and JSON lines,
//! - [`status`]: the file `status.json`,
//! - [`scaling`]: several runs of a study on more and more cores,
//! - [`svg`]: line and step charts, [`png`](mod@png): pictures, [`sheet`]: a page of them, [`heat`]: values at places,
//! - [`html`]: the page `report.html`.
//!
//! The charts are our own: two kinds, drawn as text in one file. The plotting crates looked at
//! (plotters with its SVG backend alone) bring four more crates and no table of patients at risk.

pub mod error;
pub mod heat;
pub mod html;
pub mod json;
pub mod png;
pub mod records;
pub mod scaling;
pub mod sheet;
pub mod status;
pub mod svg;

pub use error::ReportError;
pub use heat::heat_map;
pub use json::Lines;
pub use png::Raster;
pub use records::{
    CIndex, Coefficient, ColumnSummary, Curve, KaplanMeier, Metric, Phase, RankTime, SiteMetric, SiteResult,
    Summary,
};
pub use status::{RunState, Status};
