//! `[model]`: what is fitted.

use serde::{Deserialize, Serialize};

/// `[model]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Model {
    /// Kind of model.
    pub kind: ModelKind,
    /// Width `H` of each hidden layer.
    pub hidden: Vec<usize>,
    /// Values of the features of a tile (`abmil`).
    pub tile_features: usize,
    /// Values of each attention gate (`abmil`).
    pub attention: usize,
    /// Activation of the hidden layers.
    pub activation: Activation,
    /// Share of hidden units dropped in training, in `[0, 1)`.
    pub dropout: f64,
    /// Batch normalisation before each activation.
    pub batch_norm: bool,
    /// Weight of the squared norm of the weights in the loss.
    pub l2: f64,
    /// Which layers `l2` covers.
    pub l2_scope: L2Scope,
    /// Treatment of tied event times.
    pub ties: Ties,
    /// Ridge penalty of the linear model, on standardised columns.
    pub ridge: f64,
    /// Robust (sandwich) standard errors for the linear model.
    pub robust: bool,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            kind: ModelKind::Deepsurv,
            hidden: vec![41],
            tile_features: 512,
            attention: 256,
            activation: Activation::Selu,
            dropout: 0.1,
            batch_norm: false,
            l2: 0.0,
            l2_scope: L2Scope::All,
            ties: Ties::Efron,
            ridge: 0.0,
            robust: false,
        }
    }
}

/// Kind of model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelKind {
    /// Network with one output, the log hazard.
    Deepsurv,
    /// Linear Cox model.
    Cox,
    /// Gated attention pooling of the tiles of slides, with a linear log hazard.
    Abmil,
}

impl ModelKind {
    /// The word used in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deepsurv => "deepsurv",
            Self::Cox => "cox",
            Self::Abmil => "abmil",
        }
    }
}

/// Activation of the hidden layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `max(0, x)`.
    Relu,
    /// Hyperbolic tangent.
    Tanh,
    /// Scaled exponential linear unit.
    Selu,
}

/// Which layers the L2 penalty covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum L2Scope {
    /// The weights of every layer.
    All,
    /// The weights of the output layer.
    Output,
}

/// Treatment of tied event times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ties {
    /// Efron's approximation.
    Efron,
    /// Breslow's approximation.
    Breslow,
}
