//! The parameters of every site on every rank, for centres that are no sums (median, trimmed mean).
//!
//! | part of a site's block | shape | unit |
//! |---|---|---|
//! | presence | `[G]` | 1, or 0 for a problem in which the site has no weight or no result |
//! | parameters | `[G, P]` | `round_ties_even(x * 2^s)`, i64 |
//!
//! Each rank sends the blocks of its sites in order of site, and a count of faults. A centre looks at sorted
//! integers, so neither the order nor the grouping of the sites can change a bit.

use osteon_kernels::ops::weighted_sum;

use super::{ParamScale, Rule};
use crate::message::Kind;
use crate::{Comm, FederateError};

/// The parameters of the sites of one round.
#[derive(Debug)]
pub struct Each {
    scale: ParamScale,
    groups: usize,
    params: usize,
    /// Blocks of the sites of this rank.
    mine: Vec<u64>,
    fault: Option<FederateError>,
}

impl Each {
    /// No site yet, of `groups` models of `params` parameters.
    pub fn new(scale: ParamScale, groups: usize, params: usize) -> Self {
        Self { scale, groups, params, mine: Vec::new(), fault: None }
    }

    fn block(&self) -> usize {
        self.groups * (1 + self.params)
    }

    /// Makes room for `sites` sites of this rank, none of which is present yet.
    pub fn clear(&mut self, sites: usize) {
        self.mine.clear();
        self.mine.resize(sites * self.block() + 1, 0);
        self.fault = None;
    }

    /// Puts in a problem of the site at `place` among those of this rank. Its values must be in the range of the
    /// scale (see [`super::ParamSum::check`]).
    ///
    /// # Panics
    /// If there is no such place or problem.
    pub fn put(&mut self, place: usize, group: usize, params: &[f32]) {
        assert!(group < self.groups && params.len() == self.params, "parameters of another model");
        let (groups, p) = (self.groups, self.params);
        let start = place * self.block();
        let block = &mut self.mine[start..start + groups * (1 + p)];
        block[group] = 1;
        let values = &mut block[groups + group * p..][..p];
        values.fill(0);
        weighted_sum::add_scaled(values, params, self.scale.factor(), 1, weighted_sum::largest(params));
    }

    /// Counts a fault of this rank, to end all ranks in [`Self::finish`].
    pub fn refuse(&mut self, fault: FederateError) {
        if let Some(count) = self.mine.last_mut() {
            *count += 1;
        }
        self.fault.get_or_insert(fault);
    }

    /// Tells every rank the blocks of all sites and gives the centre of each coordinate, `[G, P]`. `sites` are
    /// the numbers of sites per rank.
    ///
    /// # Errors
    /// On all ranks alike: a fault anywhere, or a problem without a site. Besides, a lost rank.
    pub fn finish(&mut self, comm: &Comm, sites: &[usize], rule: &Rule) -> Result<Vec<f64>, FederateError> {
        let lengths: Vec<usize> = sites.iter().map(|n| n * self.block() + 1).collect();
        let all = comm.gather_words(Kind::SiteParams, &self.mine, &lengths)?;
        let (mut blocks, mut faults, mut start) = (Vec::new(), 0, 0);
        for length in lengths {
            blocks.extend(all[start..start + length - 1].chunks_exact(self.block()));
            faults += all[start + length - 1];
            start += length;
        }
        if faults > 0 {
            return Err(comm.share_fault(self.fault.take())?);
        }
        self.centres(&blocks, rule)
    }

    fn centres(&self, blocks: &[&[u64]], rule: &Rule) -> Result<Vec<f64>, FederateError> {
        let (groups, p) = (self.groups, self.params);
        let mut centres = Vec::with_capacity(groups * p);
        let mut values: Vec<i64> = Vec::with_capacity(blocks.len());
        for group in 0..groups {
            let present: Vec<&[u64]> =
                blocks.iter().filter(|b| b[group] > 0).map(|b| &b[groups + group * p..][..p]).collect();
            if present.is_empty() {
                return Err(FederateError::ZeroWeight { group });
            }
            for i in 0..p {
                values.clear();
                values.extend(present.iter().map(|site| site[i] as i64));
                values.sort_unstable();
                centres.push(rule(&values) / self.scale.factor());
            }
        }
        Ok(centres)
    }
}
