//! The op on the harness.

use super::{Pairs, Ranking, count, device};
use crate::backend::{Device, DeviceError, Source};
use crate::ops::Op;
use crate::ops::case::{Case, Tensor, Work, integers, normal};
use crate::simd::Level;

/// `c_index` for the harness: output `pairs`.
pub struct CIndexOp;

fn columns(case: &Case) -> (Vec<f64>, Vec<bool>, Vec<f64>) {
    let event = case.input("event").to_f64().iter().map(|&e| e > 0.0).collect();
    (case.input("time").to_f64(), event, case.input("score").to_f64())
}

fn tensor(p: Pairs) -> Vec<Tensor> {
    let values = [p.concordant, p.discordant, p.tied_risk, p.tied_time].map(|x| x as f64);
    vec![Tensor::f64("pairs", &[4], values.to_vec())]
}

impl Op for CIndexOp {
    fn name(&self) -> &'static str {
        "c_index"
    }

    fn cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        for (n, times, scores, events) in [
            (0, 1, 1, 2),
            (1, 1, 1, 2),
            (40, 6, 4, 2),
            (333, 1 << 20, 1 << 20, 2),
            (2500, 90, 50, 2),
            (70, 9, 9, 1),
            (70, 9, 9, 2),
            (9000, 4000, 700, 2),
        ] {
            let score = integers(2, n, scores).iter().map(|&s| (s as f32 - 20.0) * 0.25).collect();
            cases.push(
                Case::new(format!("n{n}_times{times}_scores{scores}_events{events}"))
                    .with(Tensor::u32("time", &[n], integers(1, n, times)))
                    .with(Tensor::u32("event", &[n], integers(3, n, events)))
                    .with(Tensor::f32("score", &[n], score)),
            );
        }
        cases
    }

    fn perf_cases(&self) -> Vec<Case> {
        let n = 100_000;
        vec![
            Case::new("n1e5")
                .with(Tensor::u32("time", &[n], integers(1, n, 3000)))
                .with(Tensor::u32("event", &[n], integers(3, n, 2)))
                .with(Tensor::f32("score", &[n], normal(2, n))),
        ]
    }

    fn reference(&self, case: &Case) -> Vec<Tensor> {
        let (time, event, score) = columns(case);
        let mut p = Pairs::default();
        for i in (0..time.len()).filter(|&i| event[i]) {
            for j in (0..time.len()).filter(|&j| j != i) {
                if time[i] == time[j] && event[j] {
                    p.tied_time += u64::from(i < j);
                } else if time[i] <= time[j] {
                    p.concordant += u64::from(score[i] > score[j]);
                    p.discordant += u64::from(score[i] < score[j]);
                    p.tied_risk += u64::from(score[i] == score[j]);
                }
            }
        }
        tensor(p)
    }

    fn cpu(&self, case: &Case, _level: Level) -> Vec<Tensor> {
        let (time, event, score) = columns(case);
        tensor(count(&Ranking::new(&time, &event, &score)))
    }

    fn source(&self) -> Option<Source> {
        Some(device::SOURCE)
    }

    fn run_on(&self, device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
        let (time, event, _) = columns(case);
        let score = case.input("score").to_f32();
        let pairs = device::Times::new(&time, &event).count(device, &score)?;
        Ok(tensor(pairs.first().copied().unwrap_or_default()))
    }

    fn max_nmse(&self) -> f64 {
        0.0
    }

    fn work(&self, case: &Case) -> Work {
        let n = case.input("time").len() as f64;
        Work { bytes: 17.0 * n, flops: 0.0 }
    }
}
