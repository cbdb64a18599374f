//! What a federation publishes besides its model, from sums over the sites: a baseline hazard,
//! survival by risk, summaries of the columns. Sites with files of their own do so only where the
//! study bins event times or accepts what single ones show (docs/exact_cox.md).

use osteon_core::reduce::key;
use osteon_core::{ExactSum, Reduce};
use osteon_data::{Dataset, FittedPreprocess, Kind, Labels};
use osteon_federate::{Comm, CommReduce, FederateError};
use osteon_metrics::{kaplan_meier_of_counts, log_rank_of_counts};
use osteon_models::baseline::BaselineHazard;
use osteon_models::cox::CoxError;
use osteon_models::cox::risk_sets::Outcome;
use osteon_models::exact::{Cells, Grouping, SharedTimes};
use osteon_report::records::{ColumnSummary, Curve, KaplanMeier};

use super::held_out::GROUPS;
use super::result::Fit;
use super::{Job, Prepared, network};
use crate::cohorts::Scope;
use crate::config::TimeBins;
use crate::{Study, StudyError};

/// The training patients held here, sites one after the other.
pub(super) struct Rows {
    /// Strata are coded alike on all ranks.
    pub prepared: Prepared,
    /// Names of the strata, by code.
    pub strata: Vec<String>,
}

impl Rows {
    /// Collects them; all ranks call it.
    ///
    /// # Errors
    /// Of any rank, on all.
    pub fn new(job: &Job, preprocess: &FittedPreprocess) -> Result<Self, StudyError> {
        let prepared = Prepared::new(job.cohorts.pooled(), preprocess).map_err(FederateError::from);
        let mut prepared = job.comm.agree(prepared)?;
        let strata = agree_on_strata(job.comm, &mut prepared.rows)?;
        Ok(Self { prepared, strata })
    }

    /// Their outcome.
    ///
    /// # Errors
    /// If the study names none.
    pub fn outcome(&self) -> Result<Outcome<'_>, StudyError> {
        let outcome = self.prepared.rows.survival()?;
        Ok(Outcome {
            time: &outcome.time,
            event: &outcome.event,
            entry: outcome.entry.as_deref(),
            strata: outcome.strata.as_ref().map(|s| s.codes.as_slice()),
            weights: outcome.weights.as_deref(),
        })
    }
}

/// Recodes the strata by the sorted names of all ranks, which it returns.
fn agree_on_strata(comm: &Comm, rows: &mut Dataset) -> Result<Vec<String>, StudyError> {
    let labels = rows.outcome.as_mut().and_then(|o| o.strata.as_mut());
    let mine = labels.as_ref().map(|l| l.names.clone()).unwrap_or_default();
    let all = comm.gather_metadata(&serde_json::to_string(&mine).unwrap_or_default())?;
    let lists = all.iter().map(|text| serde_json::from_str::<Vec<String>>(text));
    let lists: Vec<Vec<String>> = lists
        .collect::<Result<_, _>>()
        .map_err(|e| FederateError::Lost(format!("names of strata of a rank: {e}")))?;
    let mut names: Vec<String> = lists.into_iter().flatten().collect();
    names.sort();
    names.dedup();
    if let Some(labels) = labels {
        let code = |c: &u32| names.partition_point(|n| *n < labels.names[*c as usize]) as u32;
        *labels = Labels { codes: labels.codes.iter().map(code).collect(), names: names.clone() };
    }
    Ok(names)
}

/// How the study groups event times.
pub(super) fn grouping(study: &Study) -> Grouping {
    let fed = &study.federation;
    Grouping {
        cells: match &fed.time_bins {
            None => Cells::Times,
            Some(TimeBins::Number(n)) => Cells::Equal(*n),
            Some(TimeBins::Ends(ends)) => Cells::Edges(ends.clone()),
        },
        min_count: u64::from(fed.min_count),
        common: false,
    }
}

/// Completes the result of a federation with what its sites may publish; `risks` are the model's
/// for any patients. All ranks call it.
///
/// # Errors
/// Of any rank, on all.
pub(super) fn publish(
    job: &Job,
    fit: &mut Fit,
    risks: &dyn Fn(&Prepared) -> Result<Vec<f64>, StudyError>,
) -> Result<(), StudyError> {
    let study = job.study;
    if !study.may_publish() {
        return Ok(());
    }
    let reduce = CommReduce(job.comm);
    let preprocess = fit.predictor.preprocess[0].clone();
    let rows = Rows::new(job, &preprocess)?;
    let risk = job.comm.agree(risks(&rows.prepared).map_err(FederateError::from))?;
    let outcome = rows.outcome()?;
    let baseline = SharedTimes::agree(&outcome, &grouping(study), &reduce)
        .and_then(|times| BaselineHazard::fit_shared(&outcome, &risk, network::ties(study), &times, &reduce));
    fit.predictor.baseline = match baseline {
        Ok(baseline) => Some(baseline),
        // The model stands without it.
        Err(e @ (CoxError::NoEvents | CoxError::FewEvents { .. } | CoxError::Numerical(_))) => {
            job.watch.warn(&format!("no baseline hazard: {e}"));
            None
        }
        Err(e) => return Err(e.into()),
    };
    fit.predictor.strata = rows.strata.clone();
    if job.cohorts.scope == Scope::WithinSite {
        fit.kaplan_meier = by_risk(job, &preprocess, risks)?;
    }
    fit.columns = Some(columns(&rows.prepared.rows, u64::from(study.federation.min_count), &reduce)?);
    Ok(())
}

/// Survival of the patients that the sites hold out, in thirds of predicted risk over all sites;
/// `None` with too few of them.
fn by_risk(
    job: &Job,
    preprocess: &FittedPreprocess,
    risks: &dyn Fn(&Prepared) -> Result<Vec<f64>, StudyError>,
) -> Result<Option<KaplanMeier>, StudyError> {
    let reduce = CommReduce(job.comm);
    let scored = || {
        let held = Prepared::new(job.cohorts.held_out(), preprocess)?;
        let risk = if held.rows.n == 0 { Vec::new() } else { risks(&held)? };
        Ok::<_, StudyError>((held, risk))
    };
    let (held, risk) = job.comm.agree(scored().map_err(FederateError::from))?;
    let mut patients = [risk.len() as u64];
    reduce.count(&mut patients)?;
    if patients[0] < GROUPS.len() as u64 {
        return Ok(None);
    }
    let group = thirds(&risk, patients[0], &reduce)?;
    let of = held.rows.survival()?;
    let outcome =
        Outcome { time: &of.time, event: &of.event, entry: None, strata: Some(&group), weights: None };
    let grouping = Grouping { common: true, ..grouping(job.study) };
    let times = match SharedTimes::agree(&outcome, &grouping, &reduce) {
        Ok(times) => times,
        Err(CoxError::NoEvents | CoxError::FewEvents { .. }) => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    let ends: Vec<f64> = times.times.iter().filter(|t| t.stratum == 0).map(|t| t.time).collect();
    let (g, k) = (GROUPS.len(), ends.len());
    // Events and leavers `[K, G]`, then those who leave before the first event time. Whoever stays
    // beyond the last one leaves there: no curve tells the difference.
    let mut counts = vec![0u64; (2 * k + 1) * g];
    for row in 0..risk.len() {
        let exit = times.exit(group[row], of.time[row]);
        let at = ends.partition_point(|&end| end < exit);
        let at = if at < k && ends[at] > exit { at.checked_sub(1) } else { Some(at.min(k - 1)) };
        if let Some(at) = at {
            counts[at * g + group[row] as usize] += u64::from(of.event[row]);
        }
        counts[(k + at.unwrap_or(k)) * g + group[row] as usize] += 1;
    }
    reduce.count(&mut counts)?;
    let (events, leaving) = counts.split_at(k * g);
    let (leaving, early) = leaving.split_at(k * g);
    let mut at_risk = leaving.to_vec();
    for cell in (0..(k - 1) * g).rev() {
        at_risk[cell] += at_risk[cell + g];
    }
    let column = |of: &[u64], group: usize| of.iter().skip(group).step_by(g).copied().collect::<Vec<u64>>();
    let curve = |(group, name): (usize, &&str)| {
        let leaving = column(leaving, group);
        let km = kaplan_meier_of_counts(&ends, &column(events, group), &leaving).ok()?;
        let left = std::iter::once((&0.0, &early[group])).chain(ends.iter().zip(&leaving));
        let follow_up: Vec<f64> = left.flat_map(|(&t, &n)| std::iter::repeat_n(t, n as usize)).collect();
        Some(Curve {
            name: (*name).to_owned(),
            n: follow_up.len() as u64,
            follow_up,
            time: km.time,
            survival: km.survival,
        })
    };
    let Some(curves) = GROUPS.iter().enumerate().map(curve).collect() else { return Ok(None) };
    let binned = if times.grouped() { ", times binned" } else { "" };
    Ok(Some(KaplanMeier {
        time_unit: of.unit.clone().unwrap_or_default(),
        grouping: format!("thirds of the predicted risk of the patients all sites hold out{binned}"),
        log_rank_p: log_rank_of_counts(g, &at_risk, events).ok().map(|t| t.p),
        curves,
    }))
}

/// Bits of a risk that two thirds may be told apart by: enough for five digits, too few to be
/// somebody's risk.
const RISK_BITS: u32 = 28;

/// The third of each risk among those of all sites, found by counting alone.
fn thirds(risk: &[f64], patients: u64, reduce: &dyn Reduce) -> Result<Vec<u32>, StudyError> {
    let keys: Vec<u64> = risk.iter().map(|&r| key(r) >> (64 - RISK_BITS)).collect();
    let parts = GROUPS.len() as u64;
    // The least key that enough patients are not above.
    let mut cuts: Vec<(u64, u64)> = vec![(0, (1 << RISK_BITS) - 1); GROUPS.len() - 1];
    for _ in 0..RISK_BITS {
        let middle = |&(low, high): &(u64, u64)| low + (high - low) / 2;
        let below = |cut| keys.iter().filter(|&&k| k <= middle(cut)).count() as u64;
        let mut counts: Vec<u64> = cuts.iter().map(below).collect();
        reduce.count(&mut counts)?;
        for (third, (cut, count)) in cuts.iter_mut().zip(counts).enumerate() {
            let at = middle(cut);
            *cut = if count * parts >= patients * (third as u64 + 1) { (cut.0, at) } else { (at + 1, cut.1) };
        }
    }
    Ok(keys.iter().map(|&k| cuts.iter().filter(|cut| k > cut.0).count() as u32).collect())
}

/// Summaries of the columns over the patients of all sites.
fn columns(rows: &Dataset, least: u64, reduce: &dyn Reduce) -> Result<Vec<ColumnSummary>, StudyError> {
    let p = rows.features.len();
    let present = |k: usize| {
        let feature = &rows.features[k];
        feature.values.iter().zip(&feature.missing).filter(|(_, missing)| !**missing).map(|(&v, _)| v)
    };
    let mut counts: Vec<u64> = (0..p).map(|k| present(k).count() as u64).collect();
    counts.extend((0..p).map(|k| rows.features[k].missing.iter().filter(|&&m| m).count() as u64));
    reduce.count(&mut counts)?;
    let sum = |of: &dyn Fn(usize, f64) -> f64| -> Result<Vec<f64>, StudyError> {
        let mut sums = vec![ExactSum::new(); p];
        for (k, sum) in sums.iter_mut().enumerate() {
            present(k).for_each(|v| sum.add(of(k, v)));
        }
        reduce.sum(&mut sums)?;
        Ok(sums.iter().map(|s| s.value().unwrap_or(f64::NAN)).collect())
    };
    let means: Vec<f64> = sum(&|_, v| v)?.iter().zip(&counts).map(|(s, &n)| s / n as f64).collect();
    let squares = sum(&|k, v| (v - means[k]).powi(2))?;
    let summary = |k: usize| {
        let (n, missing) = (counts[k], counts[p + k]);
        let enough = n >= least.max(1);
        let number = enough && matches!(rows.features[k].spec.kind, Kind::Continuous | Kind::Binary);
        ColumnSummary {
            name: rows.features[k].spec.name.clone(),
            n: (n >= least).then_some(n),
            missing: (missing == 0 || missing >= least).then_some(missing),
            mean: number.then_some(means[k]),
            sd: (number && n > 1).then(|| (squares[k] / (n - 1) as f64).sqrt()),
        }
    };
    Ok((0..p).map(summary).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use osteon_core::Here;

    #[test]
    fn thirds_are_thirds_of_all() {
        let risk: Vec<f64> = (0..30).map(|i| f64::from((i * 7) % 30) - 15.0).collect();
        let group = thirds(&risk, 30, &Here).expect("here");
        for (risk, group) in risk.iter().zip(group) {
            assert_eq!(group, ((risk + 15.0) / 10.0) as u32, "{risk}");
        }
        // Patients of one risk stay together.
        assert_eq!(thirds(&[1.0; 5], 5, &Here).expect("here"), [0; 5]);
    }
}
