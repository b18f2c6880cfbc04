//! A residual start is what the blocks of a network that add their input are before its training.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// What blocks that add their input begin as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResidualStart {
    /// The identity: the scale of their last normalisation is 0 (Goyal et al., arXiv:1706.02677, section 5.1)
    Identity,
    /// What their random weights make of them, as published
    // What trainings had whose settings say nothing of it.
    #[default]
    Random,
}
