use super::*;
use osteon_core::rng::{Purpose, Stream};

/// A random outcome: `days` distinct times (0: continuous), two thirds events.
struct Outcome {
    time: Vec<f64>,
    event: Vec<bool>,
    entry: Option<Vec<f64>>,
    strata: Option<Vec<u32>>,
}

impl Outcome {
    fn new(seed: u64, n: usize, days: u64) -> Self {
        let mut s = Stream::new(seed, Purpose::Synthetic, 2);
        let time =
            (0..n).map(|_| if days == 0 { 1.0 + s.uniform() } else { 1.0 + s.below(days) as f64 }).collect();
        let event = (0..n).map(|_| s.below(3) > 0).collect();
        Self { time, event, entry: None, strata: None }
    }

    fn truncated(mut self, seed: u64) -> Self {
        let mut s = Stream::new(seed, Purpose::Synthetic, 3);
        self.entry = Some(self.time.iter().map(|t| (t * s.uniform()).floor().min(t - 1.0)).collect());
        self
    }

    fn stratified(mut self, seed: u64, strata: u64) -> Self {
        let mut s = Stream::new(seed, Purpose::Synthetic, 4);
        self.strata = Some(self.time.iter().map(|_| 7 * s.below(strata) as u32).collect());
        self
    }

    fn order(&self) -> RiskOrder {
        RiskOrder::new(&self.time, &self.event, self.entry.as_deref(), self.strata.as_deref())
            .expect("a valid outcome")
    }
}

fn normal(seed: u64, n: usize, sd: f32) -> Vec<f32> {
    crate::ops::case::normal(seed, n).into_iter().map(|x| sd * x).collect()
}

/// Case weights: a quarter zero, some fractional.
fn weights(seed: u64, n: usize) -> Vec<f32> {
    crate::ops::case::integers(seed, n, 8)
        .into_iter()
        .map(|k| [0.0, 0.0, 1.0, 1.0, 2.0, 3.0, 0.25, 1.5][k as usize])
        .collect()
}

fn run(level: Level, order: &RiskOrder, ties: Ties, h: &[f32], w: Option<&[f32]>) -> (CoxLoss, Vec<f32>) {
    let mut gradient = vec![f32::NAN; h.len()];
    let loss = cox_nll_at(level, order, ties, h, w, &mut gradient, false, &mut CoxScratch::default());
    (loss, gradient)
}

fn oracle(order: &RiskOrder, ties: Ties, h: &[f32], w: Option<&[f32]>) -> (CoxLoss, Vec<f64>) {
    let wide = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
    let mut gradient = vec![0.0; h.len()];
    let w = w.map(wide);
    let loss = reference::cox_nll(order, ties, &wide(h), w.as_deref(), &mut gradient, false);
    (loss, gradient)
}

#[test]
fn debug_accuracy() {
    for (n, days) in [(1, 0), (5, 0), (17, 3), (1000, 40), (2500, 0), (3000, 2), (2100, 1)] {
        for sd in [1.0, 10.0, 40.0, 300.0] {
            for ties in [Ties::Breslow, Ties::Efron] {
                for weighted in [false, true] {
                    for variant in 0..4 {
                        let mut o = Outcome::new(n as u64, n, days);
                        if variant & 1 == 1 {
                            o = o.truncated(3);
                        }
                        if variant & 2 == 2 {
                            o = o.stratified(3, 3);
                        }
                        let order = o.order();
                        let h = normal(5, n, sd);
                        let w = weights(6, n);
                        let w = weighted.then_some(&w[..]);
                        let (l0, g0) = oracle(&order, ties, &h, w);
                        let (l1, g1) = run(Level::current(), &order, ties, &h, w);
                        let worst = g0
                            .iter()
                            .zip(&g1)
                            .map(|(a, b)| (a - f64::from(*b)).abs() / a.abs().max(1e-30))
                            .fold(0.0, f64::max);
                        let rel = (l1.nll - l0.nll).abs() / (l0.nll.abs() + l0.event_weight).max(1e-300);
                        let abs = g0
                            .iter()
                            .zip(&g1)
                            .enumerate()
                            .map(|(i, (a, b))| {
                                (a - f64::from(*b)).abs()
                                    / (1e-30
                                        + a.abs()
                                        + if order.event()[i] {
                                            w.map_or(1.0, |w| f64::from(w[i]))
                                        } else {
                                            0.0
                                        })
                            })
                            .fold(0.0, f64::max);
                        eprintln!("{n} {days} {sd} {ties:?} {weighted} {variant} {rel:e} {abs:e}");
                        let rel = (l1.nll - l0.nll).abs() / (l0.nll.abs() + l0.event_weight).max(1e-300);
                        if rel > 1e-7 || abs > 1e-6 || l0.nll.is_nan() || l1.event_weight != l0.event_weight {
                            panic!(
                                "n {n} days {days} sd {sd} {ties:?} weighted {weighted} variant {variant}: {l0:?} {l1:?} grad rel {worst:e} abs {abs:e}"
                            );
                        }
                    }
                }
            }
        }
    }
}
