//! The part that all device sources share: constants from their one place in Rust, and the
//! elementary functions of `prelude.wgsl` and `prelude.cu`.

use std::fmt::Write;

use osteon_core::rng::{PHILOX_M, PHILOX_ROUNDS, PHILOX_W};

use super::{GROUP, PER_THREAD, Source, TABLE_WORDS};
use crate::ops::activation::{Activation, SELU_ALPHA, SELU_SCALE};
use crate::ops::batch_norm;
use crate::ops::c_index::device as c_index;
use crate::ops::cox_nll;
use crate::ops::dropout::UNITS_PER_BLOCK;
use crate::ops::gram;
use crate::ops::linear::BLOCK_ROWS;
use crate::ops::pool::{self, device as stored};
use crate::ops::schedule;

const WGSL: &str = include_str!("prelude.wgsl");
const CUDA: &str = include_str!("prelude.cu");

enum Value {
    Word(u32),
    Real(f64),
}

/// Every constant that host and devices must agree on.
fn constants() -> Vec<(String, Value)> {
    let mut all: Vec<(String, Value)> = [
        ("GROUP", Value::Word(GROUP as u32)),
        ("PER_THREAD", Value::Word(PER_THREAD as u32)),
        ("TABLE_WORDS", Value::Word(TABLE_WORDS as u32)),
        ("PHILOX_M0", Value::Word(PHILOX_M[0])),
        ("PHILOX_M1", Value::Word(PHILOX_M[1])),
        ("PHILOX_W0", Value::Word(PHILOX_W[0])),
        ("PHILOX_W1", Value::Word(PHILOX_W[1])),
        ("PHILOX_ROUNDS", Value::Word(PHILOX_ROUNDS as u32)),
        ("UNITS_PER_BLOCK", Value::Word(UNITS_PER_BLOCK as u32)),
        ("SELU_SCALE", Value::Real(SELU_SCALE)),
        ("SELU_SCALE_ALPHA", Value::Real(SELU_SCALE * SELU_ALPHA)),
        ("BATCH_NORM_EPSILON", Value::Real(batch_norm::EPSILON)),
        ("BATCH_NORM_MOMENTUM", Value::Real(batch_norm::MOMENTUM)),
        ("LINEAR_BLOCK_ROWS", Value::Word(BLOCK_ROWS as u32)),
        ("POOL_BLOCK", Value::Word(pool::BLOCK as u32)),
        ("STORED_F16", Value::Word(stored::F16)),
        ("STORED_BF16", Value::Word(stored::BF16)),
        ("STORED_F32", Value::Word(stored::F32)),
        ("GRAM_RUN", Value::Word(gram::RUN as u32)),
        ("C_INDEX_EACH", Value::Word(c_index::EACH as u32)),
        ("C_INDEX_CHUNK", Value::Word(c_index::CHUNK as u32)),
        ("COX_HEAD", Value::Word(cox_nll::HEAD)),
        ("COX_EVENT", Value::Word(cox_nll::EVENT)),
        ("COX_NO_GROUP", Value::Word(cox_nll::NO_GROUP)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    for (kind, (name, _)) in Activation::ALL.iter().enumerate() {
        all.push((name.to_uppercase(), Value::Word(kind as u32)));
    }
    for (name, place) in schedule::PLACES {
        all.push((name.to_owned(), Value::Word(place as u32)));
    }
    all
}

impl Source {
    /// The whole WGSL module.
    pub fn full_wgsl(&self) -> String {
        let mut text = String::new();
        for (name, value) in constants() {
            let _ = match value {
                Value::Word(x) => writeln!(text, "const {name}: u32 = {x}u;"),
                Value::Real(x) => writeln!(text, "const {name}: f32 = {:e}f;", x as f32),
            };
        }
        text + WGSL + self.wgsl
    }

    /// The whole CUDA translation unit.
    pub fn full_cuda(&self) -> String {
        let mut text = String::new();
        for (name, value) in constants() {
            let _ = match value {
                Value::Word(x) => writeln!(text, "#define {name} {x}u"),
                Value::Real(x) => writeln!(text, "#define {name} {:e}f", x as f32),
            };
        }
        text + CUDA + self.cuda
    }
}
