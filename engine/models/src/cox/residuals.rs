//! Score residuals and the sandwich covariance made of them.

use std::collections::BTreeMap;

use super::CoxError;
use super::design::{Design, Point};
use super::risk_sets::RiskSets;
use super::sums::add;

/// Weighted score residual of each row of `sets.rows`, `[N, F]` in standardised units; they sum to
/// the gradient.
///
/// `w_i e_i (x_i - mean x) - r_i sum_k (x_i - mean_k x) dH_k` over the event times of row `i`, with
/// Efron's averages at ties (Lin and Wei, JASA 84, 1989; Therneau and Grambsch 2000, section 4.2).
pub(super) fn score_residuals(design: &Design, point: &Point) -> Vec<f64> {
    let (sets, f, l) = (&design.sets, design.features(), &point.likelihood);
    let hazard = RiskSets::running(l.hazard.iter().copied());
    // Running hazard times mean features, [K + 1, F].
    let mut hazard_x = vec![0.0; f];
    for (k, here) in l.hazard_x.chunks_exact(f).enumerate() {
        let sum: Vec<f64> = hazard_x[k * f..].iter().zip(here).map(|(a, b)| a + b).collect();
        hazard_x.extend(sum);
    }
    let mut residuals = vec![0.0; design.x.len()];
    for (p, residual) in residuals.chunks_exact_mut(f).enumerate() {
        let x = &design.x[p * f..][..f];
        let (from, to) = (sets.from[p] as usize, sets.to[p] as usize);
        let risk = point.risk[p];
        add(residual, -risk * (hazard[to] - hazard[from]), x);
        add(residual, risk, &hazard_x[to * f..][..f]);
        add(residual, -risk, &hazard_x[from * f..][..f]);
        if sets.event[p] {
            let k = to - 1;
            let own = k * f..to * f;
            let (weight, share) = (sets.weight[p], sets.weight[p] / point.sums.w[k]);
            add(residual, weight + risk * l.tied_hazard[k], x);
            add(residual, -share * l.hazard[k], &point.sums.s1[own.clone()]);
            add(residual, share * l.tied_hazard[k], &point.sums.e1[own.clone()]);
            add(residual, -risk, &l.tied_hazard_x[own]);
        }
    }
    residuals
}

/// `sum_c d_c d_c'` over clusters `c` of the sums of `d_i = V residual_i`; without clusters each
/// row is its own.
pub(super) fn sandwich(
    design: &Design,
    point: &Point,
    covariance: &[f64],
    n: usize,
    cluster: Option<&[u32]>,
) -> Result<Vec<f64>, CoxError> {
    let f = design.features();
    if let Some(found) = cluster.map(<[_]>::len).filter(|&found| found != n) {
        return Err(CoxError::Length { what: "cluster", found, expected: n });
    }
    let residuals = score_residuals(design, point);
    let mut sums: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for (&row, residual) in design.sets.rows.iter().zip(residuals.chunks_exact(f)) {
        let key = cluster.map_or(row, |c| c[row as usize]);
        add(sums.entry(key).or_insert_with(|| vec![0.0; f]), 1.0, residual);
    }
    let mut result = vec![0.0; f * f];
    for residual in sums.values() {
        let d: Vec<f64> =
            covariance.chunks_exact(f).map(|v| v.iter().zip(residual).map(|(v, r)| v * r).sum()).collect();
        for (row, &d_i) in result.chunks_exact_mut(f).zip(&d) {
            add(row, d_i, &d);
        }
    }
    Ok(result)
}
