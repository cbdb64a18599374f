//! From what the sites of one rank send to the centre over all sites.

use super::LocalUpdate;
use crate::aggregate::{Centre, Each, Masks};
use crate::message::Kind;
use crate::sites::{Roster, SiteInfo, Weights};
use crate::strategies::{Shape, Strategy};
use crate::{Comm, FederateError, ParamScale, ParamSum, TensorSpec};

/// What collects the updates of a round; reused from round to round.
pub(super) struct Collector {
    weights: Weights,
    groups: usize,
    masks: Option<Masks>,
    sum: ParamSum,
    control: Option<ParamSum>,
    each: Option<Each>,
    /// The sites of this rank that take part, ascending.
    mine: Vec<usize>,
}

impl Collector {
    pub(super) fn new(
        strategy: &dyn Strategy,
        masks: Option<Masks>,
        weights: Weights,
        scale: ParamScale,
        tensors: &[TensorSpec],
        shape: Shape,
    ) -> Self {
        let sum = || ParamSum::new(scale, tensors, shape.groups);
        Self {
            weights,
            groups: shape.groups,
            masks,
            sum: sum(),
            control: strategy.control().map(|_| sum().of_kind(Kind::ControlSum)),
            each: strategy.each().map(|_| Each::new(scale, shape.groups, shape.params)),
            mine: Vec::new(),
        }
    }

    /// Empties it for a round in which the sites `mine` of this rank take part.
    pub(super) fn clear(&mut self, mine: &[usize]) {
        self.mine = mine.to_vec();
        self.sum.clear();
        if let Some(control) = &mut self.control {
            control.clear();
        }
        if let Some(each) = &mut self.each {
            each.clear(mine.len());
        }
    }

    /// Takes what a site sends: all of it, or, where any of it is at fault, nothing.
    ///
    /// # Errors
    /// A value that is not finite or out of range.
    pub(super) fn take(&mut self, site: &SiteInfo, update: &LocalUpdate<'_>) -> Result<(), FederateError> {
        let weight = |group| self.weights.of(site, group);
        let check = |sum: &ParamSum, of: &[&[f32]]| -> Result<Vec<u64>, FederateError> {
            assert_eq!(of.len(), self.groups, "problems of an update");
            (0..self.groups).map(|g| sum.check(g, &site.name, weight(g), of[g])).collect()
        };
        let largest = check(&self.sum, update.params)?;
        let largest_control = match &self.control {
            Some(control) => check(control, update.control)?,
            None => Vec::new(),
        };
        for group in 0..self.groups {
            let weight = self.weights.of(site, group);
            if let Some(each) = &mut self.each {
                let place = self.mine.iter().position(|&k| k == site.index);
                if let Some(place) = place.filter(|_| weight > 0) {
                    each.put(place, group, update.params[group]);
                }
                continue;
            }
            self.sum.add_checked(group, weight, update.params[group], largest[group]);
            if let Some(control) = &mut self.control {
                control.add_checked(group, weight, update.control[group], largest_control[group]);
            }
        }
        Ok(())
    }

    /// Counts a fault, to end all ranks in [`Self::finish`].
    pub(super) fn refuse(&mut self, fault: FederateError) {
        match &mut self.each {
            Some(each) => each.refuse(fault),
            None => self.sum.refuse(fault),
        }
    }

    /// Brings the ranks together and moves the global model (`[G, P]`).
    ///
    /// # Errors
    /// On all ranks alike: a fault anywhere, a problem without weight, too few sites for masks.
    pub(super) fn finish(
        &mut self,
        comm: &Comm,
        round: u32,
        roster: &Roster,
        taking_part: &[usize],
        strategy: &mut dyn Strategy,
        global: &mut [f32],
    ) -> Result<(), FederateError> {
        if let (Some(each), Some(rule)) = (&mut self.each, strategy.each()) {
            let mut sites = vec![0; comm.size()];
            taking_part.iter().for_each(|&k| sites[roster.rank_of[k]] += 1);
            let values = each.finish(comm, &sites, rule)?;
            strategy.step(&Centre::Values(values), global);
            return Ok(());
        }
        if let Some(masks) = &self.masks {
            masks.lay(&mut self.sum, Kind::ParamSum, round, &self.mine, taking_part)?;
            if let Some(control) = &mut self.control {
                masks.lay(control, Kind::ControlSum, round, &self.mine, taking_part)?;
            }
        }
        let mean = self.sum.finish(comm)?;
        let weights: Vec<u64> = (0..self.groups).map(|g| mean.weight(g)).collect();
        strategy.step(&Centre::Mean(mean), global);
        if let Some(control) = &mut self.control {
            let change = control.finish(comm)?;
            let all = |g: usize| -> u64 { roster.sites.iter().map(|s| self.weights.of(s, g)).sum() };
            let share: Vec<f64> =
                weights.iter().enumerate().map(|(g, &w)| w as f64 / all(g) as f64).collect();
            strategy.move_control(&change, &share);
        }
        Ok(())
    }
}
