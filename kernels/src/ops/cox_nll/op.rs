//! The op as the harness sees it.
//!
//! Inputs: `time` `[N]` f64, `event` `[N]` u32, optional `entry` `[N]` f64 and `strata` `[N]` u32,
//! all in original row order; `score` and optional `weight` `[B, N]` in risk order. Options:
//! `ties` (0 Breslow, 1 Efron), `normalise`. Outputs: `loss` `[B, 2]` (nll, event weight),
//! `gradient` `[B, N]`.

use super::{CoxLoss, RiskOrder, Ties, cox_nll_batch_at, device, reference};
use crate::backend::{Device, DeviceError, Source};
use crate::ops::case::{Case, Gradient, Tensor, Work, integers, normal};
use crate::ops::{Op, Values};
use crate::simd::Level;

/// Negative log partial likelihood with gradient.
pub struct CoxNll;

impl Op for CoxNll {
    fn name(&self) -> &'static str {
        "cox_nll"
    }

    fn cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        for ties in [Ties::Breslow, Ties::Efron] {
            let build = |label: &str, n: usize, b: usize| Builder::new(label, ties, n, b);
            cases.extend([
                build("random", 64, 1).case(),
                build("odd", 37, 1).case(),
                build("batch of 3", 45, 3).days(9).weighted().case(),
                build("no patients", 0, 2).case(),
                build("one patient", 1, 1).case(),
                build("all censored", 33, 1).event(|_| 0).case(),
                build("all events", 50, 1).days(12).event(|_| 1).case(),
                build("one tie of 1000", 1003, 1).days(1).event(|_| 1).case(),
                build("several blocks", 2500, 1).days(40).case(),
                build("zero weights", 61, 2).days(5).weighted().case(),
                build("strata", 90, 1).days(10).strata().weighted().case(),
                build("left truncation", 80, 1).days(10).entry().case(),
                build("left truncation, strata, weights", 80, 2).days(10).entry().strata().weighted().case(),
                build("left truncation, several blocks", 2500, 1).days(300).entry().weighted().case(),
                build("log-risk sd 40", 120, 1).days(30).sd(40.0).case(),
                build("log-risk sd 400", 120, 1).days(30).sd(400.0).case(),
                build("left truncation, sd 40", 70, 1).days(20).entry().sd(40.0).case(),
            ]);
        }
        cases
    }

    fn perf_cases(&self) -> Vec<Case> {
        [("N 1e4", 10_000, 1, 734), ("256 x 2048", 2048, 256, 734), ("N 1e6", 1_000_000, 1, 3650)]
            .map(|(label, n, b, days)| Builder::new(label, Ties::Efron, n, b).days(days).case())
            .into()
    }

    fn reference(&self, case: &Case) -> Vec<Tensor> {
        let (order, ties) = outcome(case);
        let (n, b) = (order.len(), case.size("problems"));
        let score = case.input("score").to_f64();
        let weight = case.find("weight").map(Tensor::to_f64);
        let (mut loss, mut gradient) = (Vec::new(), vec![0.0; b * n]);
        for k in 0..b {
            let rows = k * n..(k + 1) * n;
            let weight = weight.as_ref().map(|w| &w[rows.clone()]);
            let normalise = case.get("normalise") != 0.0;
            let out = &mut gradient[rows.clone()];
            let l = reference::cox_nll(&order, ties, &score[rows], weight, out, normalise);
            loss.extend([l.nll, l.event_weight]);
        }
        vec![Tensor::f64("loss", &[b, 2], loss), Tensor::f64("gradient", &[b, n], gradient)]
    }

    fn cpu(&self, case: &Case, level: Level) -> Vec<Tensor> {
        let (order, ties) = outcome(case);
        let (n, b) = (order.len(), case.size("problems"));
        let score = case.input("score").to_f32();
        let weight = case.find("weight").map(Tensor::to_f32);
        let normalise = case.get("normalise") != 0.0;
        let (mut losses, mut gradient) = (vec![CoxLoss::default(); b], vec![0.0; b * n]);
        let weight = weight.as_deref();
        cox_nll_batch_at(level, &order, ties, &score, weight, &mut gradient, normalise, &mut losses);
        let loss = losses.iter().flat_map(|l| [l.nll, l.event_weight]).collect();
        vec![Tensor::f64("loss", &[b, 2], loss), Tensor::f32("gradient", &[b, n], gradient)]
    }

    fn max_nmse(&self) -> f64 {
        1e-13
    }

    fn gradients(&self) -> Vec<Gradient> {
        vec![Gradient { of: "loss", seed: None, wrt: "score", gradient: "gradient" }]
    }

    fn source(&self) -> Option<Source> {
        Some(device::SOURCE)
    }

    fn run_on(&self, device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
        device::run(device, case)
    }

    fn max_nmse_device(&self) -> f64 {
        1e-11
    }

    /// Scores and weights read, gradient written; two exponentials of 18 operations and about ten
    /// more per row, about ten per event.
    fn work(&self, case: &Case) -> Work {
        let rows = case.input("score").len() as f64;
        let weight = case.find("weight").map_or(0, Tensor::len) as f64;
        let events: f64 = case.input("event").to_f64().iter().sum();
        let flops = 46.0 * rows + 10.0 * events * case.get("problems");
        Work { bytes: 4.0 * (2.0 * rows + weight), flops }
    }
}

/// The sorted outcome of a case.
pub(super) fn outcome(case: &Case) -> (RiskOrder, Ties) {
    let event: Vec<bool> = case.input("event").to_f64().iter().map(|&e| e != 0.0).collect();
    let entry = case.find("entry").map(Tensor::to_f64);
    let strata = case.find("strata").map(|t| match &t.values {
        Values::U32(labels) => labels.clone(),
        _ => panic!("strata are u32"),
    });
    let ties = if case.get("ties") == 0.0 { Ties::Breslow } else { Ties::Efron };
    let order = RiskOrder::new(&case.input("time").to_f64(), &event, entry.as_deref(), strata.as_deref());
    (order.unwrap_or_else(|fault| panic!("case {}: {fault}", case.label)), ties)
}

/// Puts a case together from its particulars.
struct Builder {
    label: String,
    ties: Ties,
    n: usize,
    b: usize,
    days: u64,
    sd: f32,
    event: fn(u32) -> u32,
    weighted: bool,
    entry: bool,
    strata: bool,
}

impl Builder {
    fn new(label: &str, ties: Ties, n: usize, b: usize) -> Self {
        let label = format!("{label}, {}", ties.name());
        // So many days that hardly any two rows share one.
        let days = 1 << 30;
        let event = |k| u32::from(k > 0);
        Self { label, ties, n, b, days, sd: 1.0, event, weighted: false, entry: false, strata: false }
    }

    fn days(mut self, days: u64) -> Self {
        self.days = days;
        self
    }

    fn sd(mut self, sd: f32) -> Self {
        self.sd = sd;
        self
    }

    fn event(mut self, event: fn(u32) -> u32) -> Self {
        self.event = event;
        self
    }

    /// Case weights 0, 1 and 2 by turns of chance, so that tied deaths have weight 0 too.
    fn weighted(mut self) -> Self {
        self.weighted = true;
        self
    }

    fn entry(mut self) -> Self {
        self.entry = true;
        self
    }

    fn strata(mut self) -> Self {
        self.strata = true;
        self
    }

    fn case(self) -> Case {
        let (n, b) = (self.n, self.b);
        let time: Vec<f64> = integers(1, n, self.days).into_iter().map(|d| 1.0 + f64::from(d)).collect();
        let event = integers(2, n, 3).into_iter().map(self.event).collect();
        let score = normal(3, b * n).into_iter().map(|x| self.sd * x).collect();
        let mut case = Case::new(self.label)
            .with(Tensor::u32("event", &[n], event))
            .with(Tensor::f32("score", &[b, n], score))
            .option("problems", b as f64)
            .option("ties", f64::from(u8::from(self.ties == Ties::Efron)))
            .option("normalise", 1.0);
        if self.weighted {
            let weight = integers(4, b * n, 3).into_iter().map(|k| k as f32).collect();
            case = case.with(Tensor::f32("weight", &[b, n], weight));
        }
        if self.entry {
            let stay = integers(5, n, 8);
            let entry = time.iter().zip(stay).map(|(t, s)| (t - 1.0 - f64::from(s)).max(0.0)).collect();
            case = case.with(Tensor::f64("entry", &[n], entry));
        }
        if self.strata {
            case = case.with(Tensor::u32("strata", &[n], integers(6, n, 3)));
        }
        case.with(Tensor::f64("time", &[n], time))
    }
}
