//! The op on the harness.

use super::{Row, device};
use crate::backend::{Device, DeviceError, Source};
use crate::ops::Op;
use crate::ops::case::{Case, Tensor, Work, integers, normal};
use crate::simd::Level;

/// `schedule` for the harness: outputs `losses` and `chosen` of a few steps that are replayed.
pub struct ScheduleOp;

/// Steps, problems and patients of a case.
pub(super) fn shape(case: &Case) -> [usize; 3] {
    let (loss, part) = (case.input("loss"), case.input("part"));
    [loss.shape[0], loss.shape[1], part.shape[1]]
}

/// Row `i` of `[S, B]`.
pub(super) fn row(case: &Case, i: usize) -> Row {
    Row { part: case.input("of").to_f64()[i] as u32, ..Row::default() }
}

impl ScheduleOp {
    pub(super) fn outputs(&self, case: &Case, losses: Vec<f32>, chosen: Vec<f32>) -> Vec<Tensor> {
        let [s, b, n] = shape(case);
        vec![Tensor::f32("losses", &[s, b, 2], losses), Tensor::f32("chosen", &[s, b, n], chosen)]
    }
}

impl Op for ScheduleOp {
    fn name(&self) -> &'static str {
        "schedule"
    }

    fn cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        for (s, b, n, weighted) in [(1, 1, 1, false), (3, 2, 17, true), (4, 130, 9, false), (2, 3, 300, true)]
        {
            let case = Case::new(format!("s{s}_b{b}_n{n}"))
                .with(Tensor::u32("of", &[s, b], integers(1, s * b, 4)))
                .with(Tensor::u32("part", &[b, n], integers(2, b * n, 4)))
                .with(Tensor::f32("loss", &[s, b, 2], normal(3, 2 * s * b)));
            let weight = Tensor::f32("weight", &[b, n], normal(4, b * n));
            cases.push(if weighted { case.with(weight) } else { case });
        }
        cases
    }

    fn reference(&self, case: &Case) -> Vec<Tensor> {
        let [s, b, n] = shape(case);
        let (part, weight) = (case.input("part").to_f64(), case.find("weight").map(Tensor::to_f64));
        let mut chosen = Vec::new();
        for t in 0..s {
            for e in 0..b * n {
                let here = part[e] as u32 == row(case, t * b + e / n).part;
                chosen.push(if here { weight.as_ref().map_or(1.0, |w| w[e]) } else { 0.0 });
            }
        }
        let losses = case.input("loss").to_f64();
        vec![Tensor::f64("losses", &[s, b, 2], losses), Tensor::f64("chosen", &[s, b, n], chosen)]
    }

    /// On the CPU a batch gathers its patients, so there is only the formula.
    fn cpu(&self, case: &Case, _level: Level) -> Vec<Tensor> {
        let all: Vec<Vec<f32>> = self.reference(case).iter().map(Tensor::to_f32).collect();
        self.outputs(case, all[0].clone(), all[1].clone())
    }

    fn source(&self) -> Option<Source> {
        Some(device::SOURCE)
    }

    fn run_on(&self, device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
        device::run(device, case)
    }

    fn work(&self, case: &Case) -> Work {
        let [s, b, n] = shape(case);
        Work { bytes: (12 * s * b * n) as f64, flops: 0.0 }
    }
}
