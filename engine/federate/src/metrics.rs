//! Losses and pair counts of the sites, known to every rank.

use serde::Serialize;

use crate::message::Kind;
use crate::{Comm, FederateError};

/// Pairs of patients of one site whose order of events is known, by whether the risk score agrees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Pairs {
    /// Higher risk, earlier event.
    pub concordant: u64,
    /// Higher risk, later event.
    pub discordant: u64,
    /// Equal risk.
    pub tied: u64,
}

/// What one site reports about one problem after a round.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SiteMetrics {
    /// Index of the site.
    pub site: usize,
    /// Index of the problem.
    pub group: usize,
    /// Loss of the site's last local epoch on its training rows; `None` before it took part.
    pub loss: Option<f64>,
    /// Patients evaluated.
    pub patients: u64,
    /// Events among them.
    pub events: u64,
    /// Comparable pairs within the site.
    pub pairs: Pairs,
}

/// Words per site and problem: presence, loss, patients, events and three pair counts.
const WORDS: usize = 7;

/// Gives every rank the metrics of all sites, in order of site and problem, and the sum of `spent_us` over ranks.
/// Each holder fills its own slots of one vector of `K * G * 7 + 2` words; the rest stays zero.
///
/// # Errors
/// If `mine` is an error on any rank, all end with it.
pub fn exchange(
    comm: &Comm,
    (sites, groups): (usize, usize),
    mine: Result<Vec<SiteMetrics>, FederateError>,
    spent_us: u64,
) -> Result<(Vec<SiteMetrics>, u64), FederateError> {
    let slots = sites * groups * WORDS;
    let mut words = vec![0u64; slots + 2];
    words[slots] = spent_us;
    words[slots + 1] = u64::from(mine.is_err());
    for m in mine.iter().flatten() {
        let loss = m.loss.unwrap_or(f64::NAN).to_bits();
        let Pairs { concordant, discordant, tied } = m.pairs;
        let row = [1, loss, m.patients, m.events, concordant, discordant, tied];
        words[(m.site * groups + m.group) * WORDS..][..WORDS].copy_from_slice(&row);
    }
    comm.sum(Kind::Metric, &mut words)?;
    if words[slots + 1] > 0 {
        return Err(comm.share_fault(mine.err())?);
    }
    let rows = words[..slots].chunks_exact(WORDS).enumerate().filter(|(_, w)| w[0] > 0);
    let all = rows.map(|(at, w)| SiteMetrics {
        site: at / groups,
        group: at % groups,
        loss: Some(f64::from_bits(w[1])).filter(|x| x.is_finite()),
        patients: w[2],
        events: w[3],
        pairs: Pairs { concordant: w[4], discordant: w[5], tied: w[6] },
    });
    Ok((all.collect(), words[slots]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comm::threads;

    fn row(site: usize, group: usize) -> SiteMetrics {
        SiteMetrics {
            site,
            group,
            loss: (site != 2).then_some(-0.1 * site as f64 - 1e-17),
            patients: 30,
            events: 7,
            pairs: Pairs { concordant: 9, discordant: 4, tied: group as u64 },
        }
    }

    #[test]
    fn every_rank_sees_all_sites_bit_for_bit() {
        let seen = threads::spawn(3, |comm| {
            let rows = (0..4).filter(|k| k % 2 == comm.rank());
            let mine = rows.flat_map(|k| [row(k, 0), row(k, 1)]).collect();
            exchange(&comm, (4, 2), Ok(mine), 10).expect("no fault")
        });
        let expected: Vec<_> = (0..4).flat_map(|k| [row(k, 0), row(k, 1)]).collect();
        assert!(seen.iter().all(|(rows, us)| *rows == expected && *us == 30));
    }
}
