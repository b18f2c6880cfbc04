//! A training's settings: as options on the command line and in a TOML file, and as resolved from both.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;
use command_line::hint::WithHint;
use datasets::{Dataset, HeldOut, Recipe};
use serde::{Deserialize, Serialize};

use crate::{ExecutionName, ResidualStart, settings};

/// What a user says of a training. What is not said on the command line is taken from the file of `--config`,
/// and what is not there either has a default.
#[derive(Clone, Debug, Default, Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainOptions {
    /// The images: a folder (docs/data.md), or `synthetic`
    #[arg(long, value_name = "DATA")]
    pub data: Option<String>,
    /// Seed of everything that is drawn [default: 1]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Threads that compute [default: the cores of this machine]
    #[arg(long)]
    pub threads: Option<NonZeroU32>,
    /// How the network is run [default: fastest]
    #[arg(long)]
    pub execution: Option<ExecutionName>,
    /// Images in a step [default: 64]
    #[arg(long)]
    pub batch: Option<NonZeroU32>,
    /// Epochs [default: 20]
    #[arg(long)]
    pub epochs: Option<u32>,
    /// Steps in an epoch [default: all training images]
    #[arg(long, value_name = "STEPS")]
    pub steps_per_epoch: Option<NonZeroU32>,
    /// What blocks that add their input begin as, where weights are random [default: identity]
    #[arg(long, value_name = "START")]
    pub residual_start: Option<ResidualStart>,
    /// Learning rate, from which a cosine falls [default: 0.2]
    #[arg(long, value_name = "RATE")]
    pub learning_rate: Option<f64>,
    /// L2 penalty [default: 4e-5]
    #[arg(long, value_name = "DECAY")]
    pub weight_decay: Option<f64>,
    /// Share of the target that goes to all classes alike [default: 0.1]
    #[arg(long, value_name = "SHARE")]
    pub label_smoothing: Option<f64>,
    /// Share of the features before the classifier that a step leaves out [default: 0]
    #[arg(long, value_name = "SHARE")]
    pub dropout: Option<f64>,
    /// Share of the training images that are not trained on, and by which the network is judged in place of the test
    /// images, as for a choice between networks or settings [default: none]
    #[arg(long, value_name = "SHARE")]
    pub held_out: Option<f64>,
    /// The run of a search whose weights are to be trained on [default: random weights]
    #[arg(long, value_name = "RUN")]
    pub supernet: Option<PathBuf>,
    /// Steps between two checkpoints [default: 200]
    #[arg(long, value_name = "STEPS")]
    pub checkpoint_every: Option<NonZeroU32>,
    /// What is done to images [default: what suits the data]
    #[arg(skip)]
    pub recipe: Option<Recipe>,
}

/// A training's settings, all of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each field is the option of its name")]
pub struct TrainConfig {
    pub data: String,
    pub seed: u64,
    pub threads: NonZeroU32,
    pub execution: ExecutionName,
    pub batch: NonZeroU32,
    pub epochs: u32,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub steps_per_epoch: Option<NonZeroU32>,
    #[serde(default)]
    pub residual_start: ResidualStart,
    pub learning_rate: f64,
    pub weight_decay: f64,
    pub label_smoothing: f64,
    pub dropout: f64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub held_out: Option<f64>,
    /// What draws the images that are held out, where it is not `seed`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub held_out_seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub supernet: Option<PathBuf>,
    pub checkpoint_every: NonZeroU32,
    pub recipe: Recipe,
}

impl TrainOptions {
    /// These options, and those of a file where they say nothing.
    ///
    /// # Errors
    /// A file that cannot be read, or has a key that is none.
    pub fn with_file(self, path: Option<&Path>) -> anyhow::Result<Self> {
        match path {
            Some(path) => settings::overlaid(self, path, "host train"),
            None => Ok(self),
        }
    }

    /// All settings, given what suits the images.
    ///
    /// # Errors
    /// No data, and numbers that a training is not defined for, by their names.
    pub fn resolve(self, suited: Recipe) -> anyhow::Result<TrainConfig> {
        let number = |given: Option<NonZeroU32>, default: u32| {
            given.or(NonZeroU32::new(default)).unwrap_or(NonZeroU32::MIN)
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as u32;
        let config = TrainConfig {
            data: self.data.context("there are no images").hint("name them with --data")?,
            seed: self.seed.unwrap_or(1),
            threads: number(self.threads, cores),
            execution: self.execution.unwrap_or(ExecutionName::Fastest),
            batch: number(self.batch, 64),
            epochs: self.epochs.unwrap_or(20),
            steps_per_epoch: self.steps_per_epoch,
            residual_start: self.residual_start.unwrap_or(ResidualStart::Identity),
            learning_rate: self.learning_rate.unwrap_or(0.2),
            weight_decay: self.weight_decay.unwrap_or(4e-5),
            label_smoothing: self.label_smoothing.unwrap_or(0.1),
            dropout: self.dropout.unwrap_or(0.0),
            held_out: self.held_out,
            held_out_seed: None,
            supernet: self.supernet,
            checkpoint_every: number(self.checkpoint_every, 200),
            recipe: self.recipe.unwrap_or(suited),
        };
        config.check()?;
        Ok(config)
    }
}

impl TrainConfig {
    /// What draws the images that are held out, if any are.
    pub fn held_out_seed(&self) -> u64 {
        self.held_out_seed.unwrap_or(self.seed)
    }

    /// Those of a run.
    ///
    /// # Errors
    /// A file that cannot be read or holds something else.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let config: Self = settings::read(path)?;
        config.check()?;
        Ok(config)
    }

    /// Refuses images of which so large a part cannot be held out.
    ///
    /// # Errors
    /// As [`Dataset::held_out`].
    pub fn check_images(&self, dataset: &Dataset) -> anyhow::Result<()> {
        if let Some(share) = self.held_out {
            dataset.held_out(HeldOut::Share(share), self.held_out_seed())?;
        }
        Ok(())
    }

    fn check(&self) -> anyhow::Result<()> {
        let rate = self.learning_rate;
        ensure!(rate.is_finite() && rate > 0.0, "learning_rate is {rate}, but must be above 0");
        ensure!(self.epochs > 0, "epochs is 0, but a training has at least one");
        if let Some(share) = self.held_out {
            let is_share = 0.0 < share && share < 1.0;
            ensure!(is_share, "held_out is {share}, but must be above 0 and below 1");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use datasets::ImageShape;

    use super::*;

    #[test]
    fn settings_that_say_nothing_of_how_blocks_begin_are_of_trainings_in_which_they_began_at_random()
     {
        let shape = ImageShape::new(3, 32, 32);
        let said = TrainOptions { data: Some("images".to_owned()), ..TrainOptions::default() };
        let config = said.resolve(Recipe::for_small_images(shape, shape)).unwrap();
        assert_eq!(config.residual_start, ResidualStart::Identity);
        let text = toml::to_string(&config).unwrap();
        let before = text.replace("residual_start = \"identity\"\n", "");
        assert_ne!(before, text);
        let read: TrainConfig = toml::from_str(&before).unwrap();
        assert_eq!(read.residual_start, ResidualStart::Random);
        assert_eq!(toml::from_str::<TrainConfig>(&text).unwrap(), config);
    }
}
