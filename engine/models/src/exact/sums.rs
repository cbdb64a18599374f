//! Risk sets and tied events, summed over all sites.

use osteon_core::{ExactSum, Reduce};

use crate::cox::CoxError;
use crate::cox::risk_sets::RiskSets;
use crate::cox::sums::RiskSums;
use osteon_kernels::ops::cox_nll::Ties;

/// What the patients held here bring to the sums of one model. Arrays follow [`RiskSets::rows`].
#[derive(Debug, Clone, Copy)]
pub struct Part<'p> {
    /// The patients held here among the shared event times `[K]`.
    pub sets: &'p RiskSets,
    /// Case weights `[N]`; 0 is absent.
    pub weight: &'p [f64],
    /// Features `[N, F]`; none for a network, whose gradient needs no sums of features.
    pub x: &'p [f64],
    /// Number of features `F`.
    pub features: usize,
    /// Log-risk `[N]`.
    pub log_risk: &'p [f64],
    /// `weight * exp(log_risk - shift)` `[N]`.
    pub risk: &'p [f64],
    /// The greatest log-risk of all patients of all sites.
    pub shift: f64,
}

/// Accumulators of one part: per event time `s0, s1 [F]`, under Efron also `e0, e1 [F]`, with case
/// weights also `w`; then `event_log_risk` and `event_x [F]`.
struct Plan {
    times: usize,
    features: usize,
    efron: bool,
    weighted: bool,
}

impl Plan {
    fn per_time(&self) -> usize {
        (1 + self.features) * if self.efron { 2 } else { 1 } + usize::from(self.weighted)
    }

    fn len(&self) -> usize {
        self.times * self.per_time() + 1 + self.features
    }

    fn add(&self, part: &Part<'_>, sums: &mut [ExactSum], counts: &mut [u64]) {
        let (f, stride, sets) = (self.features, self.per_time(), part.sets);
        let tail = self.times * stride;
        for p in (0..sets.rows.len()).filter(|&p| part.weight[p] > 0.0) {
            let (x, risk) = (&part.x[p * f..][..f], part.risk[p]);
            let own = sets.to[p] as usize - 1;
            add(&mut sums[own * stride..], risk, x);
            if let Some(before) = (sets.from[p] as usize).checked_sub(1).filter(|&k| !sets.last[k]) {
                add(&mut sums[before * stride..], -risk, x);
            }
            if sets.event[p] {
                if self.efron {
                    add(&mut sums[own * stride + 1 + f..], risk, x);
                }
                if self.weighted {
                    sums[own * stride + stride - 1].add(part.weight[p]);
                }
                counts[own] += 1;
                sums[tail].add(part.weight[p] * part.log_risk[p]);
                for (sum, x) in sums[tail + 1..].iter_mut().zip(x) {
                    sum.add(part.weight[p] * x);
                }
            }
        }
    }

    fn totals(&self, part: &Part<'_>, sums: &[ExactSum], counts: &[u64]) -> Result<RiskSums, CoxError> {
        let (f, stride) = (self.features, self.per_time());
        let value = |sum: &ExactSum| {
            sum.value().filter(|v| v.is_finite()).ok_or(CoxError::Numerical("a sum over risk sets overflows"))
        };
        let values = |sums: &[ExactSum]| sums.iter().map(value).collect::<Result<Vec<f64>, _>>();
        let mut totals = RiskSums {
            features: f,
            shift: part.shift,
            s0: vec![0.0; self.times],
            s1: vec![0.0; self.times * f],
            e0: vec![0.0; self.times],
            e1: vec![0.0; self.times * f],
            d: counts.iter().map(|&d| u32::try_from(d).unwrap_or(u32::MAX)).collect(),
            w: counts.iter().map(|&d| d as f64).collect(),
            event_log_risk: value(&sums[self.times * stride])?,
            event_x: values(&sums[self.times * stride + 1..])?,
        };
        // A risk set is all that leave it at its time or later: exact, also where late entries are
        // taken away again.
        let mut running = vec![ExactSum::new(); 1 + f];
        for k in (0..self.times).rev() {
            let here = &sums[k * stride..][..stride];
            if part.sets.last[k] {
                running.fill(ExactSum::new());
            }
            running.iter_mut().zip(here).for_each(|(sum, here)| sum.merge(here));
            totals.s0[k] = value(&running[0])?;
            totals.s1[k * f..][..f].copy_from_slice(&values(&running[1..])?);
            if self.efron {
                totals.e0[k] = value(&here[1 + f])?;
                totals.e1[k * f..][..f].copy_from_slice(&values(&here[2 + f..2 + 2 * f])?);
            }
            if self.weighted {
                totals.w[k] = value(&here[stride - 1])?;
            }
        }
        Ok(totals)
    }
}

fn add(sums: &mut [ExactSum], risk: f64, x: &[f64]) {
    sums[0].add(risk);
    for (sum, x) in sums[1..].iter_mut().zip(x) {
        sum.add(risk * x);
    }
}

/// The sums of each part over all participants, in one collective of sums and one of counts. All
/// parts have the same shared event times; `weighted` says whether any patient anywhere has another
/// weight than 0 or 1.
///
/// # Errors
/// On all participants: a risk that is not a finite number; a participant is lost.
pub fn risk_sums(
    parts: &[Part<'_>],
    ties: Ties,
    weighted: bool,
    reduce: &dyn Reduce,
) -> Result<Vec<RiskSums>, CoxError> {
    let plans: Vec<Plan> = parts
        .iter()
        .map(|p| Plan {
            times: p.sets.times.len(),
            features: p.features,
            efron: ties == Ties::Efron,
            weighted,
        })
        .collect();
    let mut sums = vec![ExactSum::new(); plans.iter().map(Plan::len).sum()];
    let mut counts = vec![0u64; plans.iter().map(|p| p.times).sum()];
    let (mut at, mut place) = (0, 0);
    for (part, plan) in parts.iter().zip(&plans) {
        plan.add(part, &mut sums[at..at + plan.len()], &mut counts[place..place + plan.times]);
        (at, place) = (at + plan.len(), place + plan.times);
    }
    reduce.sum(&mut sums)?;
    reduce.count(&mut counts)?;
    let (mut at, mut place) = (0, 0);
    let mut totals = Vec::with_capacity(parts.len());
    for (part, plan) in parts.iter().zip(&plans) {
        totals.push(plan.totals(part, &sums[at..at + plan.len()], &counts[place..place + plan.times])?);
        (at, place) = (at + plan.len(), place + plan.times);
    }
    Ok(totals)
}

/// `weight * exp(log_risk - shift)` of each row, by an exponential that is the same on every machine.
pub(crate) fn risks(weight: &[f64], log_risk: &[f64], shift: f64) -> Vec<f64> {
    weight.iter().zip(log_risk).map(|(w, h)| w * libm::exp(h - shift)).collect()
}
