//! The sites of a federation and what they weigh.

use serde::{Deserialize, Serialize};

use crate::message::Kind;
use crate::strategies::unknown;
use crate::{Comm, FederateError};

/// A site as the rank that holds it knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteInfo {
    /// Place among all sites of the federation.
    pub index: usize,
    /// Name.
    pub name: String,
    /// Training patients per problem, `[G]` (with multiplicity in a bootstrap).
    pub patients: Vec<u64>,
    /// Events among them, `[G]`.
    pub events: Vec<u64>,
}

/// What a site's parameters weigh in the mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weights {
    /// Its patients.
    Patients,
    /// Its events: one full-batch step then follows the gradient of the site-stratified Cox loss.
    Events,
    /// One, or nothing for a site without patients.
    Uniform,
}

impl std::str::FromStr for Weights {
    type Err = FederateError;

    fn from_str(name: &str) -> Result<Self, FederateError> {
        match name {
            "patients" => Ok(Self::Patients),
            "events" => Ok(Self::Events),
            "uniform" => Ok(Self::Uniform),
            _ => Err(unknown("value of weights", name, ["patients", "events", "uniform"].into_iter())),
        }
    }
}

impl Weights {
    /// The weight of a site in problem `group`.
    pub fn of(self, site: &SiteInfo, group: usize) -> u64 {
        match self {
            Self::Patients => site.patients[group],
            Self::Events => site.events[group],
            Self::Uniform => u64::from(site.patients[group] > 0),
        }
    }
}

/// All sites of the federation, known to every rank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    /// Sites in order of index.
    pub sites: Vec<SiteInfo>,
    /// The rank that holds each.
    pub rank_of: Vec<usize>,
}

impl Roster {
    /// Tells every rank the names and sizes of all sites. `mine` are those of this rank.
    ///
    /// # Errors
    /// On all ranks: the indices are not `0..K`, each once.
    pub fn meet(comm: &Comm, mine: &[SiteInfo], groups: usize) -> Result<Self, FederateError> {
        let names: Vec<(usize, &str)> = mine.iter().map(|s| (s.index, s.name.as_str())).collect();
        let text = serde_json::to_string(&names).map_err(|e| FederateError::Mpi(e.to_string()))?;
        let mut all: Vec<(usize, String, usize)> = Vec::new();
        for (rank, text) in comm.gather(Kind::Roster, &text)?.iter().enumerate() {
            let names: Vec<(usize, String)> = serde_json::from_str(text)
                .map_err(|e| FederateError::Lost(format!("roster of rank {rank}: {e}")))?;
            all.extend(names.into_iter().map(|(index, name)| (index, name, rank)));
        }
        all.sort();
        if let Some(k) = (0..all.len()).find(|&k| all[k].0 != k) {
            let detail = format!("site {k} of {} is missing or held twice", all.len());
            return Err(FederateError::Disagree { what: "the sites".into(), detail });
        }
        let mut counts = vec![0u64; all.len() * groups * 2];
        for site in mine {
            let slot = &mut counts[site.index * groups * 2..][..groups * 2];
            slot[..groups].copy_from_slice(&site.patients);
            slot[groups..].copy_from_slice(&site.events);
        }
        comm.sum(Kind::Roster, &mut counts)?;
        let rank_of = all.iter().map(|s| s.2).collect();
        let sites = all
            .into_iter()
            .map(|(index, name, _)| {
                let (patients, events) = counts[index * groups * 2..][..groups * 2].split_at(groups);
                SiteInfo { index, name, patients: patients.to_vec(), events: events.to_vec() }
            })
            .collect();
        Ok(Self { sites, rank_of })
    }

    /// The largest total weight of a problem: what the fixed-point scale must hold.
    pub fn total_weight(&self, weights: Weights, groups: usize) -> u64 {
        (0..groups).map(|g| self.sites.iter().map(|s| weights.of(s, g)).sum()).max().unwrap_or(0)
    }

    /// Sites with weight in any problem. The others take no part, so that their presence changes nothing.
    pub fn eligible(&self, weights: Weights, groups: usize) -> Vec<usize> {
        let weighs = |s: &&SiteInfo| (0..groups).any(|g| weights.of(s, g) > 0);
        self.sites.iter().filter(weighs).map(|s| s.index).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comm::threads;

    fn site(index: usize) -> SiteInfo {
        let n = 10 * index as u64;
        SiteInfo { index, name: format!("site {index}"), patients: vec![n, n + 1], events: vec![n / 2, 0] }
    }

    #[test]
    fn every_rank_learns_all_sites() {
        let rosters = threads::spawn(3, |comm| {
            let mine: Vec<_> = (0..5).filter(|k| k % 2 == comm.rank()).map(site).collect();
            Roster::meet(&comm, &mine, 2).expect("complete")
        });
        for roster in rosters {
            assert_eq!(roster.sites, (0..5).map(site).collect::<Vec<_>>());
            assert_eq!(roster.rank_of, [0, 1, 0, 1, 0]);
            assert_eq!(roster.total_weight(Weights::Patients, 2), 105);
            assert_eq!(roster.eligible(Weights::Events, 1), [1, 2, 3, 4]);
            assert_eq!(Weights::Uniform.of(&roster.sites[0], 0), 0);
        }
    }

    #[test]
    fn a_missing_site_is_named_on_all_ranks() {
        let ends = threads::spawn(2, |comm| Roster::meet(&comm, &[site(2 * comm.rank())], 2));
        for end in ends {
            let text = end.expect_err("site 1 is missing").to_string();
            assert!(text.contains("site 1 of 2 is missing"), "{text}");
        }
    }
}
