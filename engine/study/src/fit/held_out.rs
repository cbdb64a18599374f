//! Concordance and survival curves on held-out patients.

use osteon_data::Dataset;
use osteon_metrics::kaplan_meier::kaplan_meier;
use osteon_metrics::{ConcordanceCounts, bootstrap, c_index, concordance, log_rank};
use osteon_report::records::{CIndex, Curve, KaplanMeier};

use crate::cohorts::Scope;
use crate::config::{Evaluation, Interval};

/// Counts of comparable pairs; all zero where there are none.
pub fn pairs(rows: &Dataset, risk: &[f64]) -> ConcordanceCounts {
    let counts = rows.outcome.as_ref().map(|o| c_index(&o.time, &o.event, risk));
    counts.and_then(Result::ok).unwrap_or_default()
}

/// The concordance of scores, if any pair can be compared.
pub fn concordance_of(rows: &Dataset, risk: &[f64]) -> Option<f64> {
    pairs(rows, risk).c().ok()
}

/// The mean of what is defined; `None` if nothing is.
pub fn mean(values: &[Option<f64>]) -> Option<f64> {
    let defined: Vec<f64> = values.iter().flatten().copied().collect();
    (!defined.is_empty()).then(|| defined.iter().sum::<f64>() / defined.len() as f64)
}

/// The record of a concordance: `per_seed` beside an interval from the mean risk over the seeds
/// (`risk`, absent where the patients are not all here).
pub fn record(
    per_seed: Vec<Option<f64>>,
    held_out: &Dataset,
    risk: Option<&[f64]>,
    scope: Scope,
    asked: &Evaluation,
    seed: u64,
) -> CIndex {
    let defined: Vec<f64> = per_seed.iter().flatten().copied().collect();
    let centre = mean(&per_seed);
    let sd = centre
        .filter(|_| defined.len() > 1)
        .map(|m| (defined.iter().map(|c| (c - m).powi(2)).sum::<f64>() / (defined.len() - 1) as f64).sqrt());
    let (ci95, ci_method) = match risk {
        Some(risk) => interval(held_out, risk, asked, seed),
        None => (None, "not computed: the held-out patients stay at their sites".to_owned()),
    };
    CIndex { mean: centre, sd, ci95, ci_method, per_seed, scope: scope.name().to_owned() }
}

fn interval(rows: &Dataset, risk: &[f64], asked: &Evaluation, seed: u64) -> (Option<[f64; 2]>, String) {
    let Some(outcome) = &rows.outcome else { return (None, "no outcome".to_owned()) };
    let (time, event) = (&outcome.time, &outcome.event);
    let percent = asked.level * 100.0;
    match asked.ci {
        Interval::Bootstrap => {
            let n = asked.resamples as usize;
            let made = bootstrap(time, event, risk, seed, n, asked.level).ok();
            let method = format!(
                "{percent} % percentiles over {n} bootstraps of held-out patients, mean risk over seeds"
            );
            (made.map(|b| [b.interval.lower, b.interval.upper]), method)
        }
        Interval::Normal => {
            let made = concordance(time, event, risk, None).ok().and_then(|c| c.interval(asked.level).ok());
            let method =
                format!("{percent} % normal interval, infinitesimal jackknife, mean risk over seeds");
            (made.map(|i| [i.lower, i.upper]), method)
        }
    }
}

/// Names of the risk groups, lowest first.
pub(super) const GROUPS: [&str; 3] = ["low risk", "middle risk", "high risk"];

/// Survival of the held-out patients in thirds of predicted risk; `None` with too few patients.
pub fn by_risk(rows: &Dataset, risk: &[f64]) -> Option<KaplanMeier> {
    let outcome = rows.outcome.as_ref()?;
    let n = risk.len();
    if n < GROUPS.len() {
        return None;
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| risk[a].total_cmp(&risk[b]));
    let mut group = vec![0u32; n];
    order.iter().enumerate().for_each(|(at, &row)| group[row] = (at * GROUPS.len() / n) as u32);
    let curve = |(g, name): (usize, &&str)| {
        let members: Vec<usize> = (0..n).filter(|&i| group[i] == g as u32).collect();
        let time: Vec<f64> = members.iter().map(|&i| outcome.time[i]).collect();
        let event: Vec<bool> = members.iter().map(|&i| outcome.event[i]).collect();
        let km = kaplan_meier(&time, &event, None).ok()?;
        let mut follow_up = time;
        follow_up.sort_by(f64::total_cmp);
        let n = members.len() as u64;
        Some(Curve { name: (*name).to_owned(), time: km.time, survival: km.survival, n, follow_up })
    };
    let curves = GROUPS.iter().enumerate().map(curve).collect::<Option<Vec<_>>>()?;
    let test = log_rank(&outcome.time, &outcome.event, &group, None).ok();
    Some(KaplanMeier {
        time_unit: outcome.unit.clone().unwrap_or_default(),
        grouping: "thirds of the predicted risk of the held-out patients".to_owned(),
        log_rank_p: test.map(|t| t.p),
        curves,
    })
}
