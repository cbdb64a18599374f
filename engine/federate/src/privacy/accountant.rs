//! The Rényi accountant of the sampled Gaussian mechanism.
//!
//! - RDP of one step at an integer order: Mironov, Talwar and Zhang 2019 (arXiv:1908.10530), section 3.3;
//!   without sampling `alpha / (2 z^2)` at any order (Mironov 2017, corollary 3).
//! - From RDP to `(epsilon, delta)`: Canonne, Kamath and Steinke 2020 (arXiv:2004.00010), proposition 12, as
//!   Opacus and dp-accounting have it.
//!
//! Integer orders alone give an epsilon that is at most a little above the one over all orders: an upper bound.

/// Steps that each sample every patient with probability `sample_rate` and add Gaussian noise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Steps {
    /// Probability `q` of a patient, in `(0, 1]`.
    pub sample_rate: f64,
    /// Deviation of the noise over the sensitivity, `z > 0`.
    pub noise_multiplier: f64,
    /// How many.
    pub count: u64,
}

/// Orders with sampling; large ones serve small epsilons.
const ORDERS: [f64; 6] = [320.0, 384.0, 448.0, 512.0, 768.0, 1024.0];

/// The least epsilon at `delta` over the orders, for adding or removing one patient.
pub fn epsilon(steps: &Steps, delta: f64) -> f64 {
    let whole = (2..=256).map(f64::from).chain(ORDERS);
    // Between whole orders the closed form without sampling is a bound, since sampling costs no more.
    let between = (1..=90).map(|tenth| 1.0 + f64::from(tenth) / 10.0).filter(|order| order.fract() > 0.0);
    let between = between.map(|order| (order, rdp(1.0, steps.noise_multiplier, order)));
    let whole = whole.map(|order| (order, rdp(steps.sample_rate, steps.noise_multiplier, order)));
    let at = |(order, rdp): (f64, f64)| {
        rdp * steps.count as f64 + (-1.0 / order).ln_1p() - (delta.ln() + order.ln()) / (order - 1.0)
    };
    whole.chain(between).map(at).fold(f64::INFINITY, f64::min).max(0.0)
}

/// Rényi divergence of one step at an order; a whole one, unless `q` is 1.
fn rdp(q: f64, z: f64, order: f64) -> f64 {
    if q >= 1.0 {
        return order / (2.0 * z * z);
    }
    // log of sum_k C(a, k) (1 - q)^(a - k) q^k exp((k^2 - k) / (2 z^2))
    let terms = (0..=order as u32).map(|k| {
        let k = f64::from(k);
        log_binomial(order, k) + (order - k) * (-q).ln_1p() + k * q.ln() + (k * k - k) / (2.0 * z * z)
    });
    let terms: Vec<f64> = terms.collect();
    let largest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = terms.iter().map(|t| (t - largest).exp()).sum();
    (largest + sum.ln()) / (order - 1.0)
}

fn log_binomial(n: f64, k: f64) -> f64 {
    let log_factorial = |x: f64| (2..=x as u32).map(|i| f64::from(i).ln()).sum::<f64>();
    log_factorial(n) - log_factorial(k) - log_factorial(n - k)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9 * expected.abs().max(1.0), "{found} is not {expected}");
    }

    /// `dp_accounting.rdp.rdp_privacy_accountant` 0.6 on Poisson-sampled Gaussian events.
    #[test]
    fn one_step_costs_what_dp_accounting_says() {
        for (q, z, order, expected) in [
            (0.01, 4.0, 2.0, 6.449_425_094_202_615e-6),
            (0.01, 4.0, 32.0, 0.000_105_263_606_590_779_87),
            (0.1, 1.0, 8.0, 1.378_361_411_348_126_8),
            (0.25, 2.0, 64.0, 6.591_701_406_857_925),
        ] {
            let found = rdp(q, z, order);
            assert!((found / expected - 1.0).abs() < 1e-7, "q {q} z {z}: {found} is not {expected}");
        }
        close(rdp(1.0, 4.0, 8.0), 0.25);
    }

    /// The same accountant with the orders used here.
    #[test]
    fn a_run_costs_what_dp_accounting_says() {
        for (sample_rate, noise_multiplier, count, delta, expected) in [
            (0.01, 4.0, 10_000, 1e-5, 1.035_490_066_036_243_6),
            // 60 epochs of MNIST in batches of 256 with noise 1.1.
            (256.0 / 60_000.0, 1.1, 14_062, 1e-5, 2.596_981_178_594_881_5),
            (0.1, 2.0, 400, 1e-3, 3.954_118_085_964_839),
            (0.5, 1.0, 30, 1e-4, 18.545_266_596_119_95),
            (0.02, 0.6, 500, 1e-4, 10.831_630_417_136_324),
        ] {
            let found = epsilon(&Steps { sample_rate, noise_multiplier, count }, delta);
            assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
        }
        // Without sampling the orders between whole numbers count: its value over them, and the whole ones' above.
        let found = epsilon(&Steps { sample_rate: 1.0, noise_multiplier: 4.0, count: 50 }, 1e-2);
        assert!((found - 5.854_677_345_643_3).abs() < 1e-6, "{found}");
    }

    /// Abadi et al., CCS 2016, section 3.2: q = 0.01, sigma = 4, T = 10 000, delta = 1e-5 give 1.26 by the
    /// moments accountant, that is, by these divergences with the older conversion.
    #[test]
    fn the_published_example_of_the_moments_accountant() {
        let old = |order: f64| rdp(0.01, 4.0, order) * 10_000.0 + 1e5f64.ln() / (order - 1.0);
        let found = (2..=64).map(|a| old(f64::from(a))).fold(f64::INFINITY, f64::min);
        assert!((found - 1.26).abs() < 0.005, "{found}");
    }

    #[test]
    fn more_steps_cost_more_and_more_noise_less() {
        let of = |sample_rate, noise_multiplier, count| {
            epsilon(&Steps { sample_rate, noise_multiplier, count }, 1e-5)
        };
        assert!(of(0.1, 1.0, 200) > of(0.1, 1.0, 100));
        assert!(of(0.1, 2.0, 100) < of(0.1, 1.0, 100));
        assert!(of(0.2, 1.0, 100) > of(0.1, 1.0, 100));
        assert!(of(1.0, 1.0, 100) >= of(0.9, 1.0, 100));
    }
}
