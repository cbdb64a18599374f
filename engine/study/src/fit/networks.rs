//! The networks of a study, whatever they read: columns of a table, or the tiles of slides.

use osteon_federate::TensorSpec;
use osteon_kernels::ops::attention_pool::Shape;
use osteon_models::abmil;
use osteon_models::deepsurv::{self, Batch, Layout, Problem, Tensor, Training};

use super::{Job, Prepared, network};
use crate::bags::Bags;
use crate::engine::Trainer;
use crate::{Study, StudyError};

/// Networks that are trained together.
pub(crate) enum Networks<'b> {
    /// DeepSurv, here or on a device.
    Columns(Batch, Trainer),
    /// Attention pooling of bags.
    Tiles(abmil::Batch, &'b Bags),
}

macro_rules! either {
    ($networks:expr, $batch:ident => $do:expr) => {
        match $networks {
            Networks::Columns($batch, _) => $do,
            Networks::Tiles($batch, _) => $do,
        }
    };
}

/// A problem's optimiser, as a checkpoint holds it.
pub(crate) trait Moments {
    /// Parameters that are moved, `P`.
    fn trainable(&self) -> usize;
    /// Both moments `[P]`, and the counters of steps and epochs.
    fn moments(&self, problem: usize) -> ([&[f32]; 2], [u64; 3]);
    /// Takes back what [`Self::moments`] gave.
    fn set_moments(&mut self, problem: usize, moments: [&[f32]; 2], counters: [u64; 3]);
}

impl Moments for Batch {
    fn trainable(&self) -> usize {
        self.layout().trainable()
    }

    fn moments(&self, problem: usize) -> ([&[f32]; 2], [u64; 3]) {
        self.optimizer_state(problem)
    }

    fn set_moments(&mut self, problem: usize, moments: [&[f32]; 2], counters: [u64; 3]) {
        self.set_optimizer_state(problem, moments, counters);
    }
}

impl Moments for Networks<'_> {
    fn trainable(&self) -> usize {
        match self {
            Self::Columns(batch, _) => batch.layout().trainable(),
            Self::Tiles(batch, _) => batch.layout().len(),
        }
    }

    fn moments(&self, problem: usize) -> ([&[f32]; 2], [u64; 3]) {
        either!(self, batch => batch.optimizer_state(problem))
    }

    fn set_moments(&mut self, problem: usize, moments: [&[f32]; 2], counters: [u64; 3]) {
        either!(self, batch => batch.set_optimizer_state(problem, moments, counters));
    }
}

impl<'b> Networks<'b> {
    /// The networks of a job for `inputs` columns, each with the patients of its problem.
    ///
    /// # Errors
    /// If a patient has no bag, or a device refuses.
    pub fn new(
        job: &Job<'b>,
        inputs: usize,
        training: Training,
        problems: Vec<(Problem, &Prepared)>,
    ) -> Result<Self, StudyError> {
        if let Some(bags) = job.bags {
            let problem = |(problem, rows): (Problem, &Prepared)| Ok((problem, bags.of(&rows.rows.ids)?));
            let problems = problems.into_iter().map(problem).collect::<Result<_, StudyError>>()?;
            let spec = tiles(job.study, bags.width());
            return Ok(Self::Tiles(abmil::Batch::new(spec, training, problems, bags.kept_bytes()), bags));
        }
        let problems = problems.into_iter().map(|(problem, _)| problem).collect();
        let batch = Batch::new(network::spec(job.study, inputs), training, problems);
        let trainer = job.engine.trainer(&batch)?;
        Ok(Self::Columns(batch, trainer))
    }

    /// Networks of columns changed as they are made; those of tiles are left as they are.
    #[must_use]
    pub fn map_columns(self, change: impl FnOnce(Batch) -> Batch) -> Self {
        match self {
            Self::Columns(batch, trainer) => Self::Columns(change(batch), trainer),
            tiles @ Self::Tiles(..) => tiles,
        }
    }

    /// Trains the named problems for `epochs`; gives the loss of each epoch.
    ///
    /// # Errors
    /// Of a device, or of the tiles.
    pub fn train(&mut self, which: &[usize], epochs: u64) -> Result<Vec<Vec<f64>>, StudyError> {
        match self {
            Self::Columns(batch, trainer) => Ok(trainer.train(batch, which, epochs)?),
            Self::Tiles(batch, bags) => batch.train(*bags, which, epochs),
        }
    }

    fn layout(&self) -> &[Tensor] {
        match self {
            Self::Columns(batch, _) => batch.layout().tensors(),
            Self::Tiles(batch, _) => batch.layout().tensors(),
        }
    }

    /// The tensors of one problem.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        network::tensors(self.layout())
    }

    /// Parameters and buffers of a problem.
    pub fn len(&self) -> usize {
        self.layout().last().map_or(0, |t| t.range().end)
    }

    /// Problems.
    pub fn problems(&self) -> usize {
        either!(self, batch => batch.problems().len())
    }

    /// Parameters that a seed begins with.
    pub fn initial(&self, seed: u64) -> Vec<f32> {
        match self {
            Self::Columns(batch, _) => batch.layout().initial(seed),
            Self::Tiles(batch, _) => batch.layout().initial(seed),
        }
    }

    /// Parameters of a problem.
    pub fn params(&self, problem: usize) -> &[f32] {
        either!(self, batch => batch.params(problem))
    }

    /// Parameters of all problems, one after the other.
    pub fn all_params(&self) -> Vec<f32> {
        (0..self.problems()).flat_map(|k| self.params(k).to_vec()).collect()
    }

    /// Replaces the parameters of a problem.
    pub fn set_params(&mut self, problem: usize, params: &[f32]) {
        either!(self, batch => batch.set_params(problem, params));
    }

    /// Forgets the moments of a problem's optimiser.
    pub fn reset_optimizer(&mut self, problem: usize) {
        either!(self, batch => batch.reset_optimizer(problem));
    }

    /// Places a problem at the start of an epoch.
    pub fn start_at(&mut self, problem: usize, epoch: u64) {
        either!(self, batch => batch.start_at(problem, epoch));
    }

    /// Adds to every gradient of a problem; the study refuses strategies that need it of tiles.
    pub fn correct_gradients(&mut self, problem: usize, correction: Vec<f32>) {
        if let Self::Columns(batch, _) = self {
            batch.correct_gradients(problem, correction);
        }
    }

    /// Mean gradient since then.
    pub fn mean_gradient(&self, problem: usize) -> Vec<f32> {
        match self {
            Self::Columns(batch, _) => batch.mean_gradient(problem),
            Self::Tiles(..) => Vec::new(),
        }
    }
}

/// Attention pooling as the study describes it, for embeddings of `width` values.
pub(crate) fn tiles(study: &Study, width: usize) -> abmil::Spec {
    let deepsurv::Spec { dropout, l2, l2_scope, ties, .. } = network::spec(study, width);
    let (hidden, attention) = (study.model.tile_features, study.model.attention);
    abmil::Spec { shape: Shape { inputs: width, hidden, attention }, dropout, l2, l2_scope, ties }
}

/// Where a model's tensors lie, for `inputs` columns or for bags.
pub(crate) fn layout(study: &Study, inputs: usize, bags: Option<&Bags>) -> Vec<Tensor> {
    match bags {
        Some(bags) => abmil::Layout::new(tiles(study, bags.width()).shape).tensors().to_vec(),
        None => Layout::new(&network::spec(study, inputs)).tensors().to_vec(),
    }
}

/// Log hazards of patients under the parameters of a network, `[N]`.
///
/// # Errors
/// If the tiles of a patient cannot be read.
pub(crate) fn risks(
    study: &Study,
    bags: Option<&Bags>,
    params: &[f32],
    rows: &Prepared,
) -> Result<Vec<f64>, StudyError> {
    if rows.rows.n == 0 {
        return Ok(Vec::new());
    }
    if let Some(bags) = bags {
        return abmil::predict(&tiles(study, bags.width()), params, bags, &bags.of(&rows.rows.ids)?);
    }
    let spec = network::spec(study, rows.design.p);
    Ok(deepsurv::predict(&spec, params, &rows.features()).into_iter().map(f64::from).collect())
}
