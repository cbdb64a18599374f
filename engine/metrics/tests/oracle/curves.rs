//! Kaplan-Meier, log-rank, Brier and AUC against R, closed forms and plain transcriptions.

use crate::r_survival::Cohort;
use osteon_metrics::kaplan_meier::Scale;
use osteon_metrics::{
    CensoringSurvival, MetricError, brier_score, dynamic_auc, integrated_brier_score, kaplan_meier, log_rank,
};
use proptest::prelude::*;

/// Acute myeloid leukaemia, maintained and not (Miller 1997; R `survival::aml`).
const MAINTAINED: ([f64; 11], [bool; 11]) = (
    [9., 13., 13., 18., 23., 28., 31., 34., 45., 48., 161.],
    [true, true, false, true, true, false, true, true, false, true, false],
);
const NOT_MAINTAINED: ([f64; 12], [bool; 12]) = (
    [5., 5., 8., 8., 12., 16., 23., 27., 30., 33., 43., 45.],
    [true, true, true, true, true, false, true, true, true, true, true, true],
);

fn assert_all_close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= 1e-12 * e.abs().max(1.0), "{found:?}\n{expected:?}");
    }
}

/// Values of R 3.5-3 `survfit`, `conf.type` "log" and "log-log".
#[test]
fn kaplan_meier_is_that_of_r() {
    let curve = kaplan_meier(&MAINTAINED.0, &MAINTAINED.1, None).expect("valid");
    assert_eq!(curve.time, [9., 13., 18., 23., 28., 31., 34., 45., 48., 161.]);
    assert_eq!(curve.at_risk, [11., 10., 8., 7., 6., 5., 4., 3., 2., 1.]);
    let s = [0.909090909090909, 0.818181818181818, 0.715909090909091, 0.613636363636364, 0.613636363636364];
    assert_all_close(&curve.survival[..5], &s);
    let se = [0.0866784172041448, 0.116291299830333, 0.139664970557228, 0.152632331027312];
    assert_all_close(&curve.se()[..4], &se);
    let log = curve.interval(0.95, Scale::Log).expect("level");
    let third = log[2].expect("exists");
    assert_all_close(&[third.lower, third.upper], &[0.488426287422128, 1.0]);
    let log_log = curve.interval(0.95, Scale::LogLog).expect("level")[2].expect("exists");
    assert_all_close(&[log_log.lower, log_log.upper], &[0.350190385907938, 0.899023974191053]);
    assert_eq!(curve.median(), Some(31.0));
    assert_eq!((curve.before(9.0), curve.at(9.0)), (1.0, 10.0 / 11.0));

    let other = kaplan_meier(&NOT_MAINTAINED.0, &NOT_MAINTAINED.1, None).expect("valid");
    assert_eq!(other.median(), Some(23.0));
    assert_eq!(other.survival.last(), Some(&0.0));
    assert_eq!(other.interval(0.95, Scale::Log).expect("level").last(), Some(&None));
}

#[test]
fn weights_are_multiplicities() {
    let (time, event) = (&NOT_MAINTAINED.0, &NOT_MAINTAINED.1);
    let weights: Vec<f64> = (0..12).map(|i| f64::from(i % 3)).collect();
    let rows = (0..12).flat_map(|i| vec![i; i % 3]);
    let copies: Vec<(f64, bool)> = rows.map(|i| (time[i], event[i])).collect();
    let (t, e): (Vec<f64>, Vec<bool>) = copies.into_iter().unzip();
    let literal = kaplan_meier(&t, &e, None).expect("valid");
    let weighted = kaplan_meier(time, event, Some(&weights)).expect("valid");
    for (i, t) in literal.time.iter().enumerate() {
        assert_eq!(weighted.at(*t), literal.survival[i]);
    }
    let Some(veteran) = Cohort::read("veteran") else { return };
    let number = |name| veteran.numbers(name).into_iter().map(|v| v.expect("complete")).collect::<Vec<_>>();
    let weights: Vec<f64> = (1..=137).map(|i| f64::from(1 + i % 3)).collect();
    let event: Vec<bool> = number("status").iter().map(|&s| s == 1.0).collect();
    let curve = kaplan_meier(&number("time"), &event, Some(&weights)).expect("valid");
    assert_all_close(
        &[13.0, 95.0, 340.0].map(|t| curve.at(t)),
        &[0.872727272727273, 0.444956818703458, 0.106455697480426],
    );
}

#[test]
fn median_over_a_flat_half_is_its_middle() {
    let curve = kaplan_meier(&[1.0, 2.0, 3.0, 4.0], &[true; 4], None).expect("valid");
    assert_eq!(curve.median(), Some(2.5));
    assert_eq!(kaplan_meier(&[1.0, 2.0], &[false; 2], None).expect("valid").median(), None);
}

/// Values of R 3.5-3 `survdiff`.
#[test]
fn log_rank_is_that_of_r() {
    let time = [&MAINTAINED.0[..], &NOT_MAINTAINED.0].concat();
    let event = [&MAINTAINED.1[..], &NOT_MAINTAINED.1].concat();
    let group: Vec<u32> = (0..23).map(|i| u32::from(i >= 11)).collect();
    let aml = log_rank(&time, &event, &group, None).expect("valid");
    assert_all_close(&[aml.chi2], &[3.3963886989776]);
    assert_all_close(&aml.expected, &[10.6893359923007, 7.31066400769928]);
    assert_eq!((aml.observed.as_slice(), aml.df), ([7.0, 11.0].as_slice(), 1));

    let Some(veteran) = Cohort::read("veteran") else { return };
    let number = |name| veteran.numbers(name).into_iter().map(|v| v.expect("complete")).collect::<Vec<_>>();
    let event: Vec<bool> = number("status").iter().map(|&s| s == 1.0).collect();
    let (time, cell) = (number("time"), veteran.labels("celltype"));
    let plain = log_rank(&time, &event, &cell, None).expect("valid");
    assert_all_close(&[plain.chi2, plain.p], &[25.4037003457854, 1.27124593900609e-05]);
    let stratified = log_rank(&time, &event, &cell, Some(&veteran.labels("trt"))).expect("valid");
    assert_all_close(&[stratified.chi2], &[22.7821199353378]);
    assert_eq!(stratified.df, 3);
}

#[test]
fn log_rank_needs_events_and_groups() {
    let t = [1.0, 2.0, 3.0];
    assert_eq!(log_rank(&t, &[false; 3], &[0, 1, 1], None), Err(MetricError::NoEvents));
    let one_group = log_rank(&t, &[true; 3], &[4; 3], None);
    assert!(matches!(one_group, Err(MetricError::Undefined { .. })));
    // A group that left before the first event carries no information.
    let early = log_rank(&[0.5, 1.0, 2.0, 3.0], &[false, true, true, true], &[9, 0, 1, 1], None);
    assert_eq!(early.expect("two groups remain").df, 1);
}

/// The definition, with `G` read off its own product.
fn plain_brier(time: &[f64], event: &[bool], s: &[f64], t: f64) -> f64 {
    let g = |to: f64, inclusive: bool| {
        let mut g = 1.0;
        let mut times: Vec<f64> = time.to_vec();
        times.sort_by(f64::total_cmp);
        times.dedup();
        for &u in times.iter().filter(|&&u| u < to || (inclusive && u == to)) {
            let stays = |(&x, &e): (&f64, &bool)| x > u || (x == u && !e);
            let at_risk = time.iter().zip(event).filter(|&row| stays(row)).count().max(1) as f64;
            let censored = time.iter().zip(event).filter(|&(&x, &e)| x == u && !e).count() as f64;
            g *= 1.0 - censored / at_risk;
        }
        g
    };
    let term = |i: usize| {
        if time[i] > t {
            (1.0 - s[i]).powi(2) / g(t, true)
        } else if event[i] {
            s[i].powi(2) / g(time[i], false)
        } else {
            0.0
        }
    };
    (0..time.len()).map(term).sum::<f64>() / time.len() as f64
}

fn plain_auc(time: &[f64], event: &[bool], score: &[f64], g: &CensoringSurvival, t: f64) -> Option<f64> {
    let (mut up, mut all) = (0.0, 0.0);
    for i in (0..time.len()).filter(|&i| event[i] && time[i] <= t) {
        for j in (0..time.len()).filter(|&j| time[j] > t) {
            let w = 1.0 / g.before(time[i]);
            let half = if score[i] == score[j] { 0.5 } else { 0.0 };
            up += w * if score[i] > score[j] { 1.0 } else { half };
            all += w;
        }
    }
    (all > 0.0).then(|| up / all)
}

proptest! {
    #[test]
    fn brier_and_auc_are_their_definitions(
        rows in prop::collection::vec((0u8..10, any::<bool>(), 0u8..8), 2..60)
    ) {
        let time: Vec<f64> = rows.iter().map(|r| f64::from(r.0)).collect();
        let event: Vec<bool> = rows.iter().map(|r| r.1).collect();
        let score: Vec<f64> = rows.iter().map(|r| f64::from(r.2)).collect();
        let censoring = CensoringSurvival::fit(&time, &event, None).expect("valid");
        let at = [1.5, 4.0, 7.0];
        let survival: Vec<f64> =
            score.iter().flat_map(|s| at.map(|t| (-(s + 1.0) * t / 40.0).exp())).collect();
        match brier_score(&time, &event, &survival, &censoring, &at) {
            Ok(found) => for (j, &t) in at.iter().enumerate() {
                let column: Vec<f64> = survival.iter().skip(j).step_by(3).copied().collect();
                prop_assert!((found[j] - plain_brier(&time, &event, &column, t)).abs() < 1e-12);
            },
            Err(error) => { let undefined = matches!(error, MetricError::Undefined { .. });
 prop_assert!(undefined) }
        }
        for t in at {
            let found = dynamic_auc(&time, &event, &score, &censoring, &[t]);
            match plain_auc(&time, &event, &score, &censoring, t) {
                Some(expected) => prop_assert!((found.expect("defined")[0] - expected).abs() < 1e-12),
                None => prop_assert!(found.is_err()),
            }
        }
    }
}

#[test]
fn integrated_brier_without_censoring_is_a_trapezoid() {
    let (time, event) = ([1.0, 2.0, 3.0], [true; 3]);
    let censoring = CensoringSurvival::fit(&time, &event, None).expect("valid");
    let at = [0.5, 1.5, 3.5];
    // A perfect forecast at 1.5, the coin at 0.5 and at 3.5.
    let survival = [0.5, 0.0, 0.5, 0.5, 1.0, 0.5, 0.5, 1.0, 0.5];
    assert_eq!(brier_score(&time, &event, &survival, &censoring, &at).expect("valid"), [0.25, 0.0, 0.25]);
    let found = integrated_brier_score(&time, &event, &survival, &censoring, &at).expect("valid");
    assert!((found - (0.125 + 0.25) / 3.0).abs() < 1e-15);
    assert!(integrated_brier_score(&time, &event, &survival, &censoring, &[0.5, 0.5, 1.0]).is_err());
    assert!(brier_score(&time, &event, &survival[..4], &censoring, &at).is_err());
    assert!(brier_score(&time, &event, &[1.5; 9], &censoring, &at).is_err());
}
