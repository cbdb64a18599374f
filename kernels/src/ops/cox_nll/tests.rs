use osteon_core::rng::{Purpose, Stream};

use super::*;
use crate::ops::case;

/// A survival outcome before it is sorted.
#[derive(Clone)]
struct Outcome {
    time: Vec<f64>,
    event: Vec<bool>,
    entry: Option<Vec<f64>>,
    strata: Option<Vec<u32>>,
}

impl Outcome {
    /// `days` distinct times (0: continuous), two thirds of them events.
    fn new(seed: u64, n: usize, days: u64) -> Self {
        let mut s = Stream::new(seed, Purpose::Synthetic, 2);
        let time =
            (0..n).map(|_| if days == 0 { 1.0 + s.uniform() } else { 1.0 + s.below(days) as f64 }).collect();
        let event = (0..n).map(|_| s.below(3) > 0).collect();
        Self { time, event, entry: None, strata: None }
    }

    fn truncated(mut self) -> Self {
        let mut s = Stream::new(3, Purpose::Synthetic, 3);
        self.entry = Some(self.time.iter().map(|t| (t * s.uniform()).floor().min(t - 1.0)).collect());
        self
    }

    fn stratified(mut self, strata: u64) -> Self {
        let mut s = Stream::new(3, Purpose::Synthetic, 4);
        self.strata = Some(self.time.iter().map(|_| 7 * s.below(strata) as u32).collect());
        self
    }

    fn variants(&self) -> [Self; 4] {
        let (a, b) = (self.clone().truncated(), self.clone().stratified(3));
        [self.clone(), a, b, self.clone().truncated().stratified(3)]
    }

    /// Only the rows that `keep` says.
    fn filter(&self, keep: impl Fn(usize) -> bool) -> Self {
        fn pick<T: Copy>(all: &[T], keep: &impl Fn(usize) -> bool) -> Vec<T> {
            (0..all.len()).filter(|&i| keep(i)).map(|i| all[i]).collect()
        }
        Self {
            time: pick(&self.time, &keep),
            event: pick(&self.event, &keep),
            entry: self.entry.as_ref().map(|e| pick(e, &keep)),
            strata: self.strata.as_ref().map(|s| pick(s, &keep)),
        }
    }

    fn order(&self) -> RiskOrder {
        RiskOrder::new(&self.time, &self.event, self.entry.as_deref(), self.strata.as_deref())
            .expect("a valid outcome")
    }
}

fn normal(seed: u64, n: usize, sd: f32) -> Vec<f32> {
    case::normal(seed, n).into_iter().map(|x| sd * x).collect()
}

/// Case weights: a quarter zero, some fractional.
fn weights(seed: u64, n: usize) -> Vec<f32> {
    let values = [0.0, 0.0, 1.0, 1.0, 2.0, 3.0, 0.25, 1.5];
    case::integers(seed, n, 8).into_iter().map(|k| values[k as usize]).collect()
}

fn run_at(level: Level, order: &RiskOrder, ties: Ties, h: &[f32], w: Option<&[f32]>) -> (CoxLoss, Vec<f32>) {
    let mut gradient = vec![f32::NAN; h.len()];
    let loss = cox_nll_at(level, order, ties, h, w, &mut gradient, false, &mut CoxScratch::default());
    (loss, gradient)
}

fn run(order: &RiskOrder, ties: Ties, h: &[f32], w: Option<&[f32]>) -> (CoxLoss, Vec<f32>) {
    run_at(Level::current(), order, ties, h, w)
}

fn wider(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

fn oracle(order: &RiskOrder, ties: Ties, h: &[f32], w: Option<&[f32]>) -> (CoxLoss, Vec<f64>) {
    let mut gradient = vec![f64::NAN; h.len()];
    let w = w.map(wider);
    let loss = reference::cox_nll(order, ties, &wider(h), w.as_deref(), &mut gradient, false);
    (loss, gradient)
}

/// Every element of the gradient, relative to the larger of its two parts, and the loss.
fn assert_close(
    order: &RiskOrder,
    w: Option<&[f32]>,
    want: &(CoxLoss, Vec<f64>),
    got: &(CoxLoss, Vec<f32>),
    what: &str,
) {
    let scale = want.0.nll.abs() + want.0.event_weight;
    assert!((want.0.nll - got.0.nll).abs() <= 1e-8 * scale, "{what}: {:?} {:?}", want.0, got.0);
    assert!((want.0.event_weight - got.0.event_weight).abs() <= 1e-12 * scale, "{what}");
    for (i, (want, got)) in want.1.iter().zip(&got.1).enumerate() {
        let died = if order.event()[i] { w.map_or(1.0, |w| f64::from(w[i])) } else { 0.0 };
        let error = (want - f64::from(*got)).abs();
        assert!(error <= 1.5e-7 * (want.abs() + died) + 1e-37, "{what}: gradient[{i}] {want} {got}");
    }
}

fn bits(x: &(CoxLoss, Vec<f32>)) -> (u64, Vec<u32>) {
    (x.0.nll.to_bits(), x.1.iter().map(|g| g.to_bits()).collect())
}

#[test]
fn three_patients_by_hand() {
    // Deaths at 1 (h = 0) and 2 (h = ln 2), one censored at 3 (h = ln 3): S = 5 at time 2, 6 at 1.
    let order = RiskOrder::new(&[1.0, 2.0, 3.0], &[true, true, false], None, None).expect("valid");
    assert_eq!((order.order(), order.event()), (&[2, 1, 0][..], &[false, true, true][..]));
    let h = [3f32.ln(), 2f32.ln(), 0.0];
    let (loss, gradient) = run(&order, Ties::Efron, &h, None);
    assert!((loss.nll - (5f64.ln() + 6f64.ln() - 2f64.ln())).abs() < 1e-7);
    let r = [11.0 / 30.0, 11.0 / 30.0, 1.0 / 6.0];
    for (g, want) in gradient.iter().zip([3.0 * r[0], 2.0 * r[1] - 1.0, r[2] - 1.0]) {
        assert!((f64::from(*g) - want).abs() < 1e-6, "{g} {want}");
    }
    // Both die at 1: Breslow 2 ln 6, Efron ln 6 + ln(6 - 3 / 2).
    let tied = RiskOrder::new(&[1.0, 1.0, 3.0], &[true, true, false], None, None).expect("valid");
    let h = [3f32.ln(), 0.0, 2f32.ln()];
    let breslow = run(&tied, Ties::Breslow, &h, None).0.nll;
    let efron = run(&tied, Ties::Efron, &h, None).0.nll;
    assert!((breslow - (36f64.ln() - 2f64.ln())).abs() < 1e-7);
    assert!((efron - (27f64.ln() - 2f64.ln())).abs() < 1e-7);
}

#[test]
fn every_path_follows_the_definition() {
    for (n, days) in [(1, 0), (5, 0), (17, 3), (1000, 40), (1500, 0), (2100, 2), (2100, 1), (2600, 90)] {
        for (sd, outcome) in [1.0, 5.0, 40.0, 400.0]
            .into_iter()
            .flat_map(|sd| Outcome::new(n as u64, n, days).variants().map(|outcome| (sd, outcome)))
        {
            let order = outcome.order();
            let (h, w) = (normal(5, n, sd), weights(6, n));
            for (ties, w) in [
                (Ties::Breslow, None),
                (Ties::Breslow, Some(&w[..])),
                (Ties::Efron, None),
                (Ties::Efron, Some(&w[..])),
            ] {
                let (want, got) = (oracle(&order, ties, &h, w), run(&order, ties, &h, w));
                let (late, strata) = (outcome.entry.is_some(), outcome.strata.is_some());
                let what = format!(
                    "{n} rows, {days} days, sd {sd}, {ties:?}, weights {}, entry {late}, strata {strata}",
                    w.is_some()
                );
                assert_close(&order, w, &want, &got, &what);
            }
        }
    }
}

/// Log-risks of sd 40 that rank like the times: what a common maximum with an epsilon gets wrong.
#[test]
fn late_risk_sets_of_low_risk_survive() {
    let n = 2000;
    let order = Outcome::new(1, n, 0).order();
    let mut h = normal(2, n, 40.0);
    for (w, descending) in [(None, false), (None, true)] {
        h.sort_by(|a, b| if descending { b.total_cmp(a) } else { a.total_cmp(b) });
        let (want, got) = (oracle(&order, Ties::Efron, &h, w), run(&order, Ties::Efron, &h, w));
        assert_close(&order, w, &want, &got, "ranked");
    }
}

#[test]
fn fast_and_wide_paths_agree_on_many_rows() {
    let n = 60_000;
    for (days, ties) in [(0, Ties::Efron), (3, Ties::Efron), (365, Ties::Efron), (365, Ties::Breslow)] {
        let order = Outcome::new(8, n, days).order();
        let (h, w) = (normal(9, n, 8.0), weights(10, n));
        for w in [None, Some(&w[..])] {
            let problem = Problem { order: &order, ties, score: &h, weight: w, normalise: false };
            let (got, mut gradient) = (run(&order, ties, &h, w), vec![0.0; n]);
            let nll = wide::solve(&problem.span(&order.strata[0]), None, 1.0, &mut gradient);
            let want = (CoxLoss { nll, ..got.0 }, wider(&gradient));
            assert_close(&order, w, &want, &got, &format!("{days} days, {ties:?}"));
        }
    }
}

#[test]
fn the_oracle_agrees_with_finite_differences() {
    let n = 40;
    for outcome in Outcome::new(4, n, 6).variants() {
        let order = outcome.order();
        let w = wider(&weights(5, n));
        for (ties, w) in [(Ties::Breslow, Some(&w[..])), (Ties::Efron, Some(&w[..])), (Ties::Efron, None)] {
            let mut h = wider(&normal(6, n, 1.0));
            let (mut gradient, mut unused) = (vec![0.0; n], vec![0.0; n]);
            reference::cox_nll(&order, ties, &h, w, &mut gradient, true);
            for i in 0..n {
                let mut at = |x: f64| {
                    let old = std::mem::replace(&mut h[i], x);
                    let nll = reference::cox_nll(&order, ties, &h, w, &mut unused, true).nll;
                    h[i] = old;
                    nll
                };
                let (step, x) = (1e-5, f64::from(normal(6, n, 1.0)[i]));
                let slope = (at(x + step) - at(x - step)) / (2.0 * step);
                assert!((slope - gradient[i]).abs() < 1e-8, "{ties:?} {i}: {slope} {}", gradient[i]);
            }
        }
    }
}

#[test]
fn bits_do_not_depend_on_level_threads_or_neighbours() {
    let n = 40_000;
    for days in [0, 1, 200] {
        for outcome in [
            Outcome::new(1, n, days),
            Outcome::new(1, n, days).stratified(2),
            Outcome::new(1, n, days).truncated(),
        ] {
            let order = outcome.order();
            // Left truncation stays on its fast path only for a narrow range.
            let sd = if outcome.entry.is_some() { 0.5 } else { 3.0 };
            let (h, w) = (normal(2, 3 * n, sd), weights(3, 3 * n));
            for (ties, w) in [(Ties::Efron, None), (Ties::Efron, Some(&w)), (Ties::Breslow, None)] {
                let part = |k: usize| w.map(|w| &w[k * n..(k + 1) * n]);
                let want: Vec<_> =
                    (0..3).map(|k| bits(&run(&order, ties, &h[k * n..(k + 1) * n], part(k)))).collect();
                for level in Level::available() {
                    let got = bits(&run_at(level, &order, ties, &h[..n], part(0)));
                    assert!(got == want[0], "{days} days, {ties:?}, {}", level.name());
                }
                for threads in [1, 2, 4] {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("pool");
                    for b in [1, 3] {
                        let (mut losses, mut gradient) = (vec![CoxLoss::default(); b], vec![0.0; b * n]);
                        let w = w.map(|w| &w[..b * n]);
                        pool.install(|| {
                            cox_nll_batch(&order, ties, &h[..b * n], w, &mut gradient, false, &mut losses)
                        });
                        for (k, (loss, gradient)) in losses.iter().zip(gradient.chunks(n)).enumerate() {
                            let got = bits(&(*loss, gradient.to_vec()));
                            assert!(got == want[k], "{days} days, {ties:?}, {threads} threads, {k} of {b}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn gradient_sums_to_nothing_and_ignores_a_common_shift() {
    let n = 3001;
    let order = Outcome::new(7, n, 100).stratified(2).order();
    let h: Vec<f32> = normal(8, n, 2.0).iter().map(|x| (x * 1024.0).round() / 1024.0).collect();
    let (loss, gradient) = run(&order, Ties::Efron, &h, None);
    let sum: f64 = wider(&gradient).iter().sum();
    assert!(sum.abs() < 1e-7 * loss.event_weight, "{sum}");
    for shift in [-300.0, 50.0, 500.0] {
        let moved: Vec<f32> = h.iter().map(|x| x + shift).collect();
        let (other, slope) = run(&order, Ties::Efron, &moved, None);
        assert!((other.nll - loss.nll).abs() < 1e-8 * loss.nll, "{shift}: {} {}", other.nll, loss.nll);
        let worst =
            gradient.iter().zip(&slope).map(|(a, b)| (a - b).abs() / (1.0 + a.abs())).fold(0.0, f32::max);
        assert!(worst < 3e-7, "{shift}: {worst}");
    }
}

#[test]
fn row_order_does_not_matter() {
    let n = 500;
    let mut outcome = Outcome::new(9, n, 60).truncated().stratified(2);
    let h = normal(10, n, 1.0);
    let sorted = |outcome: &Outcome, h: &[f32]| {
        let order = outcome.order();
        let h: Vec<f32> = order.order().iter().map(|&row| h[row as usize]).collect();
        let (loss, gradient) = run(&order, Ties::Efron, &h, None);
        let mut by_row = vec![0.0; n];
        order.order().iter().zip(&gradient).for_each(|(&row, &g)| by_row[row as usize] = f64::from(g));
        (loss.nll, by_row)
    };
    let (nll, gradient) = sorted(&outcome, &h);
    outcome.time.reverse();
    outcome.event.reverse();
    outcome.entry.iter_mut().for_each(|e| e.reverse());
    outcome.strata.iter_mut().for_each(|s| s.reverse());
    let (other, mut reversed) = sorted(&outcome, &h.iter().rev().copied().collect::<Vec<_>>());
    reversed.reverse();
    assert!((nll - other).abs() < 1e-12 * nll);
    assert!(gradient.iter().zip(&reversed).all(|(a, b)| (a - b).abs() < 1e-7 * (1.0 + a.abs())));
}

#[test]
fn efron_without_ties_is_breslow_and_copies_are_weights() {
    let n = 900;
    let order = Outcome::new(11, n, 0).order();
    let h = normal(12, n, 1.0);
    assert_eq!(bits(&run(&order, Ties::Efron, &h, None)), bits(&run(&order, Ties::Breslow, &h, None)));

    let outcome = Outcome::new(13, n, 30);
    let copies = case::integers(14, n, 4);
    let mut long = Outcome { time: vec![], event: vec![], entry: None, strata: None };
    let mut long_h = Vec::new();
    for i in (0..n).flat_map(|i| std::iter::repeat_n(i, copies[i] as usize)) {
        long.time.push(outcome.time[i]);
        long.event.push(outcome.event[i]);
        long_h.push(h[i]);
    }
    let (short, long) = (outcome.order(), long.order());
    let by = |order: &RiskOrder, x: &[f32]| order.order().iter().map(|&i| x[i as usize]).collect::<Vec<_>>();
    let w = by(&short, &copies.iter().map(|&k| k as f32).collect::<Vec<_>>());
    let (a, _) = run(&short, Ties::Breslow, &by(&short, &h), Some(&w));
    let (b, _) = run(&long, Ties::Breslow, &by(&long, &long_h), None);
    assert_eq!(a.event_weight, b.event_weight);
    assert!((a.nll - b.nll).abs() < 1e-10 * b.nll, "{} {}", a.nll, b.nll);
}

#[test]
fn weight_zero_is_absent_and_a_subset_has_its_own_risk_sets() {
    let n = 1700;
    for outcome in Outcome::new(15, n, 50).variants() {
        let order = outcome.order();
        let w: Vec<f32> = case::integers(16, n, 3).iter().map(|&k| k.min(1) as f32).collect();
        let mut h = normal(17, n, 1.0);
        // An absent row may hold anything.
        (0..n).filter(|&i| w[i] == 0.0).for_each(|i| h[i] = [f32::NAN, f32::INFINITY, 900.0][i % 3]);
        let (loss, gradient) = run(&order, Ties::Efron, &h, Some(&w));
        let kept: Vec<u32> = (0..n as u32).filter(|&i| w[i as usize] > 0.0).collect();
        let pick = |x: &[f32]| kept.iter().map(|&i| x[i as usize]).collect::<Vec<_>>();

        let subset = order.subset(&kept);
        let (alone, slope) = run(&subset, Ties::Efron, &pick(&h), None);
        assert!((loss.nll - alone.nll).abs() < 1e-10 * loss.nll, "{} {}", loss.nll, alone.nll);
        let same = pick(&gradient).iter().zip(&slope).all(|(a, b)| (a - b).abs() < 2e-7 * (1.0 + a.abs()));
        assert!(same && (0..n).all(|i| w[i] > 0.0 || gradient[i] == 0.0));

        let rows: Vec<usize> = kept.iter().map(|&p| order.order()[p as usize] as usize).collect();
        let fresh = outcome.filter(|i| rows.contains(&i)).order();
        assert_eq!(bits(&run(&fresh, Ties::Efron, &pick(&h), None)), bits(&(alone, slope)));
        assert!(subset.order().iter().zip(&rows).all(|(&a, &b)| a as usize == b));
    }
}

#[test]
fn without_events_nothing_and_without_numbers_no_number() {
    let order = |event: bool| RiskOrder::new(&[0.0; 40], &[event; 40], None, None).expect("valid");
    let h = normal(18, 40, 1.0);
    let mut gradient = vec![f32::NAN; 40];
    for normalise in [false, true] {
        let mut go = |event, w: Option<&[f32]>, h: &[f32]| {
            let scratch = &mut CoxScratch::default();
            let loss = cox_nll(&order(event), Ties::Efron, h, w, &mut gradient, normalise, scratch);
            (loss, gradient.clone())
        };
        for nothing in [go(false, None, &h), go(true, Some(&[0.0; 40]), &h)] {
            assert_eq!(nothing, (CoxLoss::default(), vec![0.0; 40]));
        }
        let broken = [&h[..17], &[f32::NAN], &h[18..]].concat();
        let (loss, slope) = go(true, None, &broken);
        assert!(loss.nll.is_nan() && slope[0].is_nan());
    }
    for outcome in Outcome::new(20, 300, 20).variants() {
        let order = outcome.order();
        let mut h = normal(21, 300, 1.0);
        // The first row of the order is at risk at the first event.
        h[0] = f32::NAN;
        for (level, ties) in
            Level::available().into_iter().flat_map(|l| [(l, Ties::Efron), (l, Ties::Breslow)])
        {
            let (loss, gradient) = run_at(level, &order, ties, &h, None);
            assert!(loss.nll.is_nan() && gradient[0].is_nan(), "{} {ties:?}", level.name());
        }
    }
    let empty = RiskOrder::new(&[], &[], None, None).expect("valid");
    let mut losses = [CoxLoss { nll: 1.0, event_weight: 1.0 }; 2];
    cox_nll_batch(&empty, Ties::Breslow, &[], None, &mut [], true, &mut losses);
    assert_eq!(
        (run(&empty, Ties::Efron, &[], None).0, losses),
        (CoxLoss::default(), [CoxLoss::default(); 2])
    );
}

#[test]
fn the_cases_of_the_op_run() {
    use crate::ops::Op;
    for case in CoxNll.cases() {
        for level in Level::available() {
            for (want, got) in CoxNll.reference(&case).iter().zip(CoxNll.cpu(&case, level)) {
                let pairs = || want.to_f64().into_iter().zip(got.to_f64());
                let error: f64 = pairs().map(|(a, b)| (a - b) * (a - b)).sum();
                let size: f64 = pairs().map(|(a, _)| a * a).sum();
                assert!(error <= CoxNll.max_nmse() * size, "{} {}: {error} {size}", case.label, want.name);
            }
        }
    }
}

#[test]
fn faults_of_an_outcome_are_named() {
    let new = |time: &[f64], event: &[bool], entry: Option<&[f64]>| RiskOrder::new(time, event, entry, None);
    let text = |r: Result<RiskOrder, CoxInputError>| r.map(|o| o.len()).expect_err("a fault").to_string();
    assert_eq!(text(new(&[1.0, f64::NAN], &[true; 2], None)), "time NaN of row 1 is not finite");
    assert_eq!(text(new(&[1.0], &[true; 2], None)), "event has 2 rows, time has 1");
    assert_eq!(text(new(&[1.0], &[true], Some(&[1.0]))), "entry 1 of row 0 is not before its time 1");
    assert!(new(&[1.0], &[true], Some(&[f64::NAN])).is_err());
    assert!(new(&[0.0], &[true], Some(&[f64::NEG_INFINITY])).is_ok());
}
