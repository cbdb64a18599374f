//! Weighted means of model parameters over sites, with the same bits for any number of ranks.
//!
//! | part of the vector | shape | unit |
//! |---|---|---|
//! | sums | `[G, P]` | `round_ties_even(x * 2^s) * n_k`, i64 added as wrapping u64 |
//! | weights | `[G]` | sum of `n_k` |
//! | faults | 1 | sites with a value that is not finite or out of range |
//!
//! `G` problems (seeds, bootstraps) of `P` parameters travel together in one allreduce per round. The
//! mean is `sum / (N * 2^s)`, formed once per element in f64 (docs/decisions/0001).

use osteon_core::ExitCode;

use osteon_kernels::ops::weighted_sum::{self, Param};

use super::ParamScale;
use crate::message::Kind;
use crate::tensors::TensorSpec;
use crate::{Comm, FederateError};

/// A weighted sum of parameters over the sites of this rank, then over all ranks.
#[derive(Debug)]
pub struct ParamSum<T: Param = f32> {
    scale: ParamScale,
    tensors: Vec<TensorSpec>,
    params: usize,
    groups: usize,
    mine: Vec<u64>,
    total: Vec<u64>,
    fault: Option<FederateError>,
    kind: Kind,
    of: std::marker::PhantomData<T>,
}

/// The means over all sites, the same bits on every rank.
#[derive(Debug)]
pub struct Mean<'s, T: Param = f32> {
    sum: &'s ParamSum<T>,
}

impl<T: Param> ParamSum<T> {
    /// An empty sum of `groups` models made of `tensors`.
    pub fn new(scale: ParamScale, tensors: &[TensorSpec], groups: usize) -> Self {
        let params = tensors.iter().map(TensorSpec::len).sum();
        let words = vec![0; groups * (params + 1) + 1];
        Self {
            scale,
            tensors: tensors.to_vec(),
            params,
            groups,
            total: words.clone(),
            mine: words,
            fault: None,
            kind: Kind::ParamSum,
            of: std::marker::PhantomData,
        }
    }

    /// The same sum under another name among the messages.
    #[must_use]
    pub fn of_kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// Words that cross per round: `G * (P + 1) + 1`.
    pub fn words(&self) -> usize {
        self.mine.len()
    }

    /// Empties the sum for the next round.
    pub fn clear(&mut self) {
        self.mine.fill(0);
        self.fault = None;
    }

    /// Adds one site's parameters (`[P]`) to problem `group`. Weight 0 means absent: the values are not
    /// looked at and no bit changes. What [`Self::check`] finds is a fault; it ends all ranks in
    /// [`Self::finish`], never before.
    ///
    /// # Panics
    /// If `group` or the length of `params` does not fit the model.
    pub fn add(&mut self, group: usize, site: &str, weight: u64, params: &[T]) {
        match self.check(group, site, weight, params) {
            Ok(largest) => self.add_checked(group, weight, params, largest),
            Err(fault) => self.refuse(fault),
        }
    }

    /// The largest size among the values of a site, as [`weighted_sum::largest`] gives it.
    ///
    /// # Errors
    /// A value that is not finite or not below the scale's limit, unless the weight is 0.
    ///
    /// # Panics
    /// As [`Self::add`].
    pub fn check(&self, group: usize, site: &str, weight: u64, params: &[T]) -> Result<u64, FederateError> {
        assert!(group < self.groups && params.len() == self.params, "parameters of another model");
        if weight == 0 {
            return Ok(0);
        }
        let largest = weighted_sum::largest(params);
        match largest < T::size_key(self.scale.limit()) {
            true => Ok(largest),
            false => Err(self.describe(group, site, params)),
        }
    }

    /// Adds what [`Self::check`] found in order; `largest` is its answer.
    pub(crate) fn add_checked(&mut self, group: usize, weight: u64, params: &[T], largest: u64) {
        if weight == 0 {
            return;
        }
        let sums = &mut self.mine[group * self.params..][..self.params];
        weighted_sum::add_scaled(sums, params, self.scale.factor(), weight, largest);
        let tail = self.groups * self.params + group;
        self.mine[tail] = self.mine[tail].wrapping_add(weight);
    }

    /// The sums of this rank, `[G, P]`, without the weights and the fault count: what masks are laid over.
    pub(crate) fn sums_mut(&mut self) -> &mut [u64] {
        &mut self.mine[..self.groups * self.params]
    }

    /// Counts a fault of this rank (training failed, say), to end all ranks in [`Self::finish`].
    pub fn refuse(&mut self, fault: FederateError) {
        if let Some(count) = self.mine.last_mut() {
            *count += 1;
        }
        self.fault.get_or_insert(fault);
    }

    /// Adds over all ranks. Every rank must call it, whatever it holds.
    ///
    /// # Errors
    /// On all ranks alike: a fault anywhere, a problem without weight, or weights above those the scale
    /// was chosen for. Besides, a lost rank.
    pub fn finish(&mut self, comm: &Comm) -> Result<Mean<'_, T>, FederateError> {
        comm.sum_into(self.kind, &self.mine, &mut self.total)?;
        if self.total.last().is_some_and(|&faults| faults > 0) {
            return Err(comm.share_fault(self.fault.take())?);
        }
        for group in 0..self.groups {
            let found = self.total_weight(group);
            if found == 0 {
                return Err(FederateError::ZeroWeight { group });
            }
            if found > self.scale.total_weight() {
                let agreed = self.scale.total_weight();
                return Err(FederateError::WeightAboveScale { group, found, agreed });
            }
        }
        Ok(Mean { sum: self })
    }

    fn total_weight(&self, group: usize) -> u64 {
        self.total[self.groups * self.params + group]
    }

    /// The first value of a site that cannot be sent.
    fn describe(&self, group: usize, site: &str, params: &[T]) -> FederateError {
        let limit = self.scale.limit();
        let at = params.iter().position(|&x| T::size_key(x.into()) >= T::size_key(limit)).unwrap_or_default();
        let tensor = self.tensors.iter().find(|t| (t.offset..t.offset + t.len()).contains(&at));
        let (name, element) = tensor.map_or(("?", at), |t| (t.name.as_str(), at - t.offset));
        let value = params[at];
        FederateError::Local {
            text: format!(
                "tensor '{name}' element {element} of site '{site}' (problem {group}) is {value:?}; parameters must \
                 be finite and below {limit} in size"
            ),
            code: ExitCode::Data,
            hint: Some("training diverged: lower learning_rate, or scale the features".into()),
        }
    }
}

impl<T: Param> Mean<'_, T> {
    /// Writes the means of all problems, `[G, P]`.
    ///
    /// # Panics
    /// If `out` has another length.
    pub fn write(&self, out: &mut [T]) {
        let s = self.sum;
        assert_eq!(out.len(), s.groups * s.params, "means of another model");
        for (group, out) in out.chunks_mut(s.params.max(1)).enumerate() {
            weighted_sum::mean(out, &s.total[group * s.params..][..s.params], self.denominator(group));
        }
    }

    /// The means of one problem in f64, in order of parameter.
    pub fn values(&self, group: usize) -> impl Iterator<Item = f64> + '_ {
        let s = self.sum;
        let denominator = self.denominator(group);
        s.total[group * s.params..][..s.params].iter().map(move |&w| w as i64 as f64 / denominator)
    }

    /// Sum of the weights of one problem.
    pub fn weight(&self, group: usize) -> u64 {
        self.sum.total_weight(group)
    }

    /// Parameters per problem, `P`.
    pub fn params(&self) -> usize {
        self.sum.params
    }

    /// Problems, `G`.
    pub fn groups(&self) -> usize {
        self.sum.groups
    }

    /// `N * 2^s`; exact but for `N` above 2^53.
    fn denominator(&self, group: usize) -> f64 {
        self.weight(group) as f64 * self.sum.scale.factor()
    }
}

#[cfg(test)]
#[path = "param_sum_tests.rs"]
mod tests;
