//! The likelihood against its definition, and its derivatives against differences.

use osteon_core::rng::{Purpose, Stream};
use proptest::prelude::*;

use super::design::Design;
use super::residuals::score_residuals;
use super::symmetric::Cholesky;
use super::{Cohort, Ties};

const F: usize = 3;

/// A cohort with ties, strata, weights (some 0) and late entries.
struct Random {
    x: Vec<f64>,
    names: Vec<String>,
    time: Vec<f64>,
    event: Vec<bool>,
    entry: Vec<f64>,
    strata: Vec<u32>,
    weights: Vec<f64>,
}

impl Random {
    fn new(seed: u64, n: usize) -> Self {
        let mut s = Stream::new(seed, Purpose::Synthetic, 0);
        let time: Vec<f64> = (0..n).map(|_| 1.0 + (s.uniform() * 12.0).floor()).collect();
        Self {
            x: (0..n * F).map(|_| s.normal()).collect(),
            names: (0..F).map(|j| format!("x{j}")).collect(),
            entry: time.iter().map(|t| t - (s.uniform() * 6.0).ceil().max(1.0)).collect(),
            event: (0..n).map(|_| s.uniform() < 0.7).collect(),
            strata: (0..n).map(|_| s.below(3) as u32).collect(),
            weights: (0..n).map(|_| s.below(4) as f64 / 2.0).collect(),
            time,
        }
    }

    fn cohort(&self, all: bool) -> Cohort<'_> {
        Cohort {
            x: &self.x,
            names: &self.names,
            time: &self.time,
            event: &self.event,
            entry: all.then_some(&self.entry),
            strata: all.then_some(&self.strata),
            weights: all.then_some(&self.weights),
        }
    }
}

/// The definition, O(N^2): for each event time its risk set and its ties.
fn plain_log_likelihood(c: &Cohort<'_>, beta: &[f64], ties: Ties) -> f64 {
    let n = c.time.len();
    let h = |i: usize| (0..F).map(|j| c.x[i * F + j] * beta[j]).sum::<f64>();
    let w = |i: usize| c.weights.map_or(1.0, |w| w[i]);
    let stratum = |i: usize| c.strata.map_or(0, |s| s[i]);
    let counts = |i: usize| c.event[i] && w(i) > 0.0;
    let same = |i: usize, j: usize| counts(j) && c.time[i] == c.time[j] && stratum(i) == stratum(j);
    let mut sum = 0.0;
    for i in (0..n).filter(|&i| counts(i)) {
        if (0..i).any(|j| same(i, j)) {
            continue;
        }
        let tied: Vec<usize> = (0..n).filter(|&j| same(i, j)).collect();
        let at_risk = |j: &usize| {
            stratum(*j) == stratum(i) && c.time[*j] >= c.time[i] && c.entry.is_none_or(|e| e[*j] < c.time[i])
        };
        let s0: f64 = (0..n).filter(at_risk).map(|j| w(j) * h(j).exp()).sum();
        let e0: f64 = tied.iter().map(|&j| w(j) * h(j).exp()).sum();
        let weight: f64 = tied.iter().map(|&j| w(j)).sum();
        let d = tied.len() as f64;
        for (r, &j) in tied.iter().enumerate() {
            let left = if ties == Ties::Efron { r as f64 / d * e0 } else { 0.0 };
            sum += w(j) * h(j) - weight / d * (s0 - left).ln();
        }
    }
    sum
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn likelihood_gradient_and_information(
        seed in any::<u64>(), n in 8usize..70, all in any::<bool>(), efron in any::<bool>(),
        beta in prop::collection::vec(-1.5f64..1.5, F)
    ) {
        let random = Random::new(seed, n);
        let cohort = random.cohort(all);
        let ties = if efron { Ties::Efron } else { Ties::Breslow };
        let Ok(design) = Design::new(&cohort, ties) else { return Ok(()) };
        let at = |beta: &[f64]| design.at(beta).expect("a finite likelihood");
        let point = at(&beta);

        // Centring takes a constant from each log-risk, which the likelihood does not feel.
        let raw: Vec<f64> = beta.iter().zip(&design.sd).map(|(b, sd)| b / sd).collect();
        let plain = plain_log_likelihood(&cohort, &raw, ties);
        prop_assert!((point.likelihood.value - plain).abs() < 1e-10 * (1.0 + plain.abs()));

        let info = design.information(&point, |_| 1.0);
        let step = 1e-5;
        for j in 0..F {
            let mut up = beta.clone();
            let mut down = beta.clone();
            up[j] += step;
            down[j] -= step;
            let (up, down) = (at(&up).likelihood, at(&down).likelihood);
            let slope = (up.value - down.value) / (2.0 * step);
            prop_assert!((slope - point.likelihood.gradient[j]).abs() < 1e-5 * (1.0 + slope.abs()));
            for i in 0..F {
                let curve = -(up.gradient[i] - down.gradient[i]) / (2.0 * step);
                prop_assert!((curve - info[i * F + j]).abs() < 1e-6 * (1.0 + curve.abs()));
            }
        }

        let residuals = score_residuals(&design, &point);
        for j in 0..F {
            let sum: f64 = residuals.iter().skip(j).step_by(F).sum();
            prop_assert!((sum - point.likelihood.gradient[j]).abs() < 1e-9 * n as f64);
        }
    }
}

#[test]
fn cholesky_names_the_combination() {
    // Third column = first + second; the fourth stands apart.
    let columns = [[1.0, 0.0, 1.0, 0.0], [0.0, 2.0, 2.0, 0.0], [0.0, 0.0, 0.0, 1.0], [1.0, 1.0, 2.0, 0.5]];
    let mut m = vec![0.0; 16];
    for row in columns {
        for i in 0..4 {
            for j in 0..4 {
                m[i * 4 + j] += row[i] * row[j];
            }
        }
    }
    let singular = Cholesky::new(&m, 4, 1e-9).err().expect("singular");
    assert_eq!((singular.column, singular.of), (2, vec![0, 1]));
    m[10] += 1.0;
    let factor = Cholesky::new(&m, 4, 1e-9).ok().expect("regular");
    let inverse = factor.inverse();
    for i in 0..4 {
        for j in 0..4 {
            let product: f64 = (0..4).map(|k| m[i * 4 + k] * inverse[k * 4 + j]).sum();
            assert!((product - f64::from(u8::from(i == j))).abs() < 1e-12);
        }
    }
    assert!((factor.quadratic_form(&[1.0, 0.0, 0.0, 0.0]) - inverse[0]).abs() < 1e-14);
}
