//! Columns that separate the events: their likelihood has no maximum.

use super::design::Design;

/// Columns `(index, sign)` along which the likelihood only rises: at every event time each event
/// has the greatest (`+`) or the least (`-`) value of its risk set. A rare mutation whose carriers
/// have no event, or always the next one, is the usual case. O(N F).
///
/// Combinations of columns are not looked for here; Newton's method meets them. Under left
/// truncation a row does not stay in the risk sets before its own time, so that this sweep, which
/// keeps the greatest value of all later rows, would miss some; the method meets those as well.
pub(super) fn separating_columns(design: &Design) -> Vec<(usize, char)> {
    let (sets, f) = (&design.sets, design.features());
    let mut greatest = vec![f64::NEG_INFINITY; f];
    let mut least = vec![f64::INFINITY; f];
    let mut rises = vec![true; f];
    let mut falls = vec![true; f];
    let mut end = sets.rows.len();
    while end > 0 {
        let k = sets.to[end - 1] as usize - 1;
        let start = sets.to[..end].partition_point(|&to| (to as usize) <= k);
        if sets.last[k] {
            greatest.fill(f64::NEG_INFINITY);
            least.fill(f64::INFINITY);
        }
        for x in design.x[start * f..end * f].chunks_exact(f) {
            for j in 0..f {
                greatest[j] = greatest[j].max(x[j]);
                least[j] = least[j].min(x[j]);
            }
        }
        for p in (start..end).filter(|&p| sets.event[p]) {
            for (j, &x) in design.x[p * f..][..f].iter().enumerate() {
                rises[j] &= x >= greatest[j];
                falls[j] &= x <= least[j];
            }
        }
        end = start;
    }
    let sign = |j: usize| match (rises[j], falls[j]) {
        (true, false) => Some((j, '+')),
        (false, true) => Some((j, '-')),
        // Neither; or both, which is a column constant in every risk set.
        _ => None,
    };
    (0..f).filter_map(sign).collect()
}
