//! Sums over sites in one place: against the fit and the loss of pooled rows.

use osteon_core::Here;
use osteon_core::rng::{Purpose, Stream};

use super::{Cells, Grouping, fit};
use crate::baseline::BaselineHazard;
use crate::cox::{self, Cohort, Options, Ties};
use crate::exact::SharedTimes;

const F: usize = 3;

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
        let x: Vec<f64> = (0..n * F).map(|_| 3.0 + 2.0 * s.normal()).collect();
        let time: Vec<f64> =
            (0..n).map(|i| (40.0 * (1.0 - s.uniform()) * (-0.2 * x[i * F]).exp()).ceil() + 5.0).collect();
        Self {
            names: (0..F).map(|j| format!("x{j}")).collect(),
            entry: time.iter().map(|t| t - (s.uniform() * 30.0).ceil().max(1.0)).collect(),
            event: (0..n).map(|_| s.uniform() < 0.6).collect(),
            strata: (0..n).map(|_| s.below(3) as u32).collect(),
            weights: (0..n).map(|_| s.below(4) as f64 / 2.0).collect(),
            x,
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

fn close(a: &[f64], b: &[f64], relative: f64) {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() <= relative * b.abs().max(1e-3), "{a} {b}");
    }
}

#[test]
fn without_grouping_it_is_the_pooled_fit() {
    for (seed, all, ties, ridge) in [
        (1, false, Ties::Efron, 0.0),
        (2, true, Ties::Efron, 0.0),
        (3, true, Ties::Breslow, 0.0),
        (4, true, Ties::Efron, 2.5),
    ] {
        let random = Random::new(seed, 400);
        let options = Options { ties, ridge, ..Options::default() };
        let pooled = cox::fit(&random.cohort(all), &options).expect("a fit");
        let (exact, times) = fit(&random.cohort(all), &options, &Grouping::default(), &Here).expect("a fit");
        close(&exact.coefficients, &pooled.coefficients, 1e-10);
        close(&exact.covariance, &pooled.covariance, 1e-10);
        close(&[exact.log_likelihood], &[pooled.log_likelihood], 1e-13);
        close(&[exact.score.chi2, exact.wald.chi2], &[pooled.score.chi2, pooled.wald.chi2], 1e-9);
        assert_eq!((exact.n, exact.events), (pooled.n, pooled.events));

        let cohort = random.cohort(all);
        let risk = pooled.predict(&random.x).expect("risks");
        let plain = BaselineHazard::fit(&cohort.outcome(), &risk, ties).expect("a baseline");
        let summed = BaselineHazard::fit_shared(&cohort.outcome(), &risk, ties, &times, &Here).expect("too");
        for (a, b) in summed.strata.iter().zip(&plain.strata) {
            assert_eq!((a.stratum, &a.times), (b.stratum, &b.times));
            close(&a.cumulative, &b.cumulative, 1e-12);
        }
    }
}

#[test]
fn grouped_it_is_the_fit_of_grouped_times() {
    let random = Random::new(5, 500);
    let options = Options::default();
    for (all, min_count) in [(false, 0), (true, 0), (false, 25), (true, 25)] {
        let grouping = Grouping { cells: Cells::Equal(12), min_count, common: false };
        let cohort = random.cohort(all);
        let (exact, times) = fit(&cohort, &options, &grouping, &Here).expect("a fit");
        let (time, entry) = times.group(&cohort.outcome());
        let by_hand = Cohort { time: &time, entry: entry.as_deref(), ..cohort };
        close(&exact.coefficients, &cox::fit(&by_hand, &options).expect("a fit").coefficients, 1e-10);
        // Each bin holds the events that were asked for.
        let weight = |row: usize| if all { random.weights[row] } else { 1.0 };
        let stratum = |row: usize| if all { random.strata[row] } else { 0 };
        for bin in &times.times {
            let here = |row: &usize| {
                random.event[*row]
                    && weight(*row) > 0.0
                    && stratum(*row) == bin.stratum
                    && time[*row] == bin.time
            };
            let events = (0..time.len()).filter(here).count() as u64;
            assert!(events >= min_count.max(1), "{events} in {bin:?}");
        }
        assert!(times.len() <= 12 * if all { 3 } else { 1 } && times.len() > 1);
    }
    // Both groupings answer the same question, so they nearly agree; they are not the same.
    let fine = fit(&random.cohort(false), &options, &Grouping::default(), &Here).expect("a fit").0;
    let grouping = Grouping { cells: Cells::Equal(12), ..Grouping::default() };
    let coarse = fit(&random.cohort(false), &options, &grouping, &Here).expect("a fit").0;
    let moved = (fine.coefficients[0] - coarse.coefficients[0]).abs();
    assert!(moved > 1e-4 && moved < 2.0 * fine.se[0], "{moved}");
}

#[test]
fn shared_times_do_not_depend_on_absent_patients() {
    let random = Random::new(6, 60);
    let none = vec![0.0; 60];
    let absent = Cohort { weights: Some(&none), ..random.cohort(false) };
    let agreed = SharedTimes::agree(&absent.outcome(), &Grouping::default(), &Here);
    assert_eq!(agreed, Err(cox::CoxError::NoEvents));
}
