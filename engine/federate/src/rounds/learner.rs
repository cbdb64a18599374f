//! What a model must be able to do to take part in a federation.

use crate::checkpoint::SiteState;
use crate::metrics::SiteMetrics;
use crate::sites::SiteInfo;
use crate::{FederateError, TensorSpec};

/// Trains and evaluates the sites this rank holds: `G` problems (seeds, bootstraps) of `P` parameters each.
pub trait Learner {
    /// The tensors of one problem, the same on all ranks. Buffers (batch-norm statistics) are among them:
    /// they are averaged like parameters.
    fn tensors(&self) -> &[TensorSpec];

    /// Problems trained together, `G`.
    fn groups(&self) -> usize;

    /// The first so many parameters of a problem are moved by gradients; the rest are buffers.
    fn trainable(&self) -> usize {
        self.tensors().iter().map(TensorSpec::len).sum()
    }

    /// The sites held here, with their places among all sites. May be empty.
    fn sites(&self) -> &[SiteInfo];

    /// Trains the sites of `job` from the global parameters (`[G, P]`) and sends an update, or a fault, for
    /// each of them once. Must not depend on which other sites are held here.
    ///
    /// # Errors
    /// Any fault that is not one site's own; the round loop ends all ranks with it.
    fn train_local(
        &mut self,
        global: &[f32],
        job: &LocalJob<'_>,
        send: &mut dyn FnMut(usize, Result<LocalUpdate<'_>, FederateError>),
    ) -> Result<(), FederateError>;

    /// Evaluates the global parameters at the sites held here: at most one row per site and problem.
    ///
    /// # Errors
    /// As [`Self::train_local`].
    fn evaluate(&mut self, global: &[f32], round: u32) -> Result<Vec<SiteMetrics>, FederateError>;

    /// Optimiser state the sites keep between rounds; none if it is reset each round.
    fn state(&self) -> Vec<SiteState> {
        Vec::new()
    }

    /// Takes back what [`Self::state`] gave, for the sites now held here.
    ///
    /// # Errors
    /// If the state is of another model.
    fn restore(&mut self, state: Vec<SiteState>) -> Result<(), FederateError> {
        match state.first() {
            None => Ok(()),
            Some(s) => Err(FederateError::Setting {
                what: "site state in the checkpoint".into(),
                value: format!("site {}", s.site),
                reason: "this model keeps none".into(),
            }),
        }
    }
}

/// What the sites of one rank do in a round.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalJob<'j> {
    /// Round, from 1.
    pub round: u32,
    /// Indices of the sites held here that take part, ascending.
    pub taking_part: Vec<usize>,
    /// `mu` of the proximal term `mu/2 |w - w_global|^2` added to the local loss; 0 for none.
    pub proximal_mu: f32,
    /// Control variates `c` of the server, `[G, P]`, if each site adds `c - c_k` to its gradients and sends
    /// what its own `c_k` change by.
    pub control: Option<&'j [f32]>,
}

/// What one site sends.
#[derive(Debug, Clone, Copy)]
pub struct LocalUpdate<'p> {
    /// Its parameters after local training: `[P]` for each of `G` problems.
    pub params: &'p [&'p [f32]],
    /// What its control variates change by, alike; empty unless the job asks for them.
    pub control: &'p [&'p [f32]],
}
