//! Metrics against R, against their definitions written out, and under permutation.

mod concordance;
mod curves;
mod r_survival;
