//! A training's result is how well its network does on images that it was not trained on.

use std::fs;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// What the trainer's exit status is where a loss was not finite: another network, or another learning rate, may do.
pub const DIVERGED: u8 = 3;

/// Shares of images that are classified rightly.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accuracy {
    /// The right class has the highest score.
    pub top1: f64,
    /// The right class is among the five highest scores, or among all where there are fewer classes.
    pub top5: f64,
    /// How many images.
    pub images: u64,
}

/// What a training ended with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainResult {
    /// The images, as people call them.
    pub data: String,
    /// Epochs that it was trained for.
    pub epochs: u32,
    /// After the last epoch: what networks are compared by, because no test image chose it.
    pub last: Accuracy,
    /// The best epoch by the images that it is judged by, from 1, and its share of right classes.
    pub best_epoch: u32,
    /// As said.
    pub best_top1: f64,
}

impl TrainResult {
    /// That of a run.
    ///
    /// # Errors
    /// A file that cannot be read or holds something else.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("cannot read {}", path.display()))
    }
}
