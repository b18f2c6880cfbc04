//! A search's settings: as options on the command line and in a TOML file, and as resolved from both.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, ensure};
use clap::{Args, ValueEnum};
use command_line::hint::WithHint;
use datasets::Recipe;
use serde::{Deserialize, Serialize};

use crate::{ExecutionName, LatencyTarget, settings};

/// How logits learn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Algorithm {
    /// By the gradient in gates
    Gradient,
    /// By the rewards of sampled networks
    Reinforce,
}

/// Which candidates take part in a step of logits by gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum GateModeName {
    /// Two sampled ones of each edge
    Two,
    /// All, their outputs kept
    Full,
    /// All, run one after the other
    FullV2,
}

/// How latency enters what logits learn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum ObjectiveName {
    /// A multiplier learnt so that the expected latency becomes the target
    Target,
    /// alpha CE (ln E / ln T)^beta, as published
    MulLog,
    /// CE + lambda (E - T) / T
    AddLinear,
    /// The reward's own (T / latency)^w alone, as published
    Reward,
}

/// What paths are drawn by before logits have learnt anything: in the warm-up, and as the search begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum InitialLogits {
    /// All candidates of an edge alike, as published
    #[default]
    Uniform,
    /// As widely as paths can be that take the target on average
    OnTarget,
}

/// What a user says of a search. What is not said on the command line is taken from the file of `--config`, and
/// what is not there either has a default.
#[derive(Clone, Debug, Default, Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct SearchOptions {
    /// Latency that networks shall have on the device, with its unit: 25ms
    #[arg(long)]
    pub target: Option<LatencyTarget>,
    /// The search space: a built-in name or a TOML file [default: that of the table]
    #[arg(long, value_name = "SPACE")]
    pub space: Option<String>,
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
    /// Images in a step of weights [default: 64]
    #[arg(long)]
    pub batch: Option<NonZeroU32>,
    /// Epochs of weights alone, before the search [default: 4]
    #[arg(long, value_name = "EPOCHS")]
    pub warm_up_epochs: Option<u32>,
    /// Epochs of the search [default: 12]
    #[arg(long)]
    pub epochs: Option<u32>,
    /// Weight steps in an epoch [default: all images of the part that trains weights]
    #[arg(long, value_name = "STEPS")]
    pub steps_per_epoch: Option<NonZeroU32>,
    /// Learning rate of weights, from which a cosine falls [default: 0.2]
    #[arg(long, value_name = "RATE")]
    pub learning_rate: Option<f64>,
    /// L2 penalty of weights [default: 4e-5]
    #[arg(long, value_name = "DECAY")]
    pub weight_decay: Option<f64>,
    /// Share of the target that goes to all classes alike [default: 0.1]
    #[arg(long, value_name = "SHARE")]
    pub label_smoothing: Option<f64>,
    /// How logits learn [default: gradient]
    #[arg(long)]
    pub algorithm: Option<Algorithm>,
    /// Candidates in a step of logits by gradient [default: `full_v2`]
    #[arg(long)]
    pub gates: Option<GateModeName>,
    /// How latency enters what logits learn from: `mul_log` and `add_linear` by gradient alone, `reward` by
    /// REINFORCE alone [default: target]
    #[arg(long)]
    pub objective: Option<ObjectiveName>,
    /// lambda of `add_linear` [default: 0.1]
    #[arg(long)]
    pub lambda: Option<f64>,
    /// Exponent of target / latency in the reward of REINFORCE [default: 0.1]
    #[arg(long, value_name = "EXPONENT")]
    pub reward_exponent: Option<f64>,
    /// What paths the warm-up draws and the search begins with [default: uniform]
    #[arg(long, value_name = "LOGITS")]
    pub initial_logits: Option<InitialLogits>,
    /// Learning rate of logits [default: so much that their steps are 10 together, 0.001 at least and 0.1 at most]
    #[arg(long, value_name = "RATE")]
    pub architecture_learning_rate: Option<f64>,
    /// How hard edges are made to decide in the second half of the search: at its end, in sizes of what logits
    /// learn from [default: 1; 0: not at all, as published]
    #[arg(long, value_name = "PRESSURE")]
    pub entropy_pressure: Option<f64>,
    /// Share of the training images that logits learn on [default: 0.2]
    #[arg(long, value_name = "SHARE")]
    pub architecture_share: Option<f64>,
    /// Images in a step of logits [default: as in one of weights; of REINFORCE, four times as many]
    #[arg(long, value_name = "IMAGES")]
    pub architecture_batch: Option<NonZeroU32>,
    /// Weight steps between two of logits [default: 5]
    #[arg(long, value_name = "STEPS")]
    pub architecture_every: Option<NonZeroU32>,
    /// Networks in a step of REINFORCE [default: 10]
    #[arg(long, value_name = "NETWORKS")]
    pub samples: Option<NonZeroU32>,
    /// The run of a search in the same space whose weights are to be searched on: a warm-up that serves several
    /// searches [default: random weights]
    #[arg(long, value_name = "RUN")]
    pub supernet: Option<PathBuf>,
    /// Weight steps between two checkpoints [default: 200]
    #[arg(long, value_name = "STEPS")]
    pub checkpoint_every: Option<NonZeroU32>,
    /// What is done to images [default: what suits the data]
    #[arg(skip)]
    pub recipe: Option<Recipe>,
}

/// A search's settings, all of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each field is the option of its name")]
pub struct SearchConfig {
    pub target: LatencyTarget,
    pub data: String,
    pub seed: u64,
    pub threads: NonZeroU32,
    pub execution: ExecutionName,
    pub batch: NonZeroU32,
    pub warm_up_epochs: u32,
    pub epochs: u32,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub steps_per_epoch: Option<NonZeroU32>,
    pub learning_rate: f64,
    pub weight_decay: f64,
    pub label_smoothing: f64,
    pub algorithm: Algorithm,
    pub gates: GateModeName,
    pub objective: ObjectiveName,
    pub lambda: f64,
    pub reward_exponent: f64,
    #[serde(default)]
    pub initial_logits: InitialLogits,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub architecture_learning_rate: Option<f64>,
    #[serde(default)]
    pub entropy_pressure: f64,
    pub architecture_share: f64,
    /// Seed of the images that are held out for logits, where it is that of the search whose weights are searched on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub held_out_seed: Option<u64>,
    pub architecture_batch: NonZeroU32,
    pub architecture_every: NonZeroU32,
    pub samples: NonZeroU32,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub supernet: Option<PathBuf>,
    pub checkpoint_every: NonZeroU32,
    pub recipe: Recipe,
}

impl SearchOptions {
    /// These options, and those of a file where they say nothing.
    ///
    /// # Errors
    /// A file that cannot be read, or has a key that is none.
    pub fn with_file(self, path: Option<&Path>) -> anyhow::Result<Self> {
        match path {
            Some(path) => settings::overlaid(self, path, "host search"),
            None => Ok(self),
        }
    }

    /// All settings, given what suits the images.
    ///
    /// # Errors
    /// No target or no data, and numbers that a search is not defined for, by their names.
    pub fn resolve(self, suited: Recipe) -> anyhow::Result<SearchConfig> {
        let number = |given: Option<NonZeroU32>, default: u32| {
            given.or(NonZeroU32::new(default)).unwrap_or(NonZeroU32::MIN)
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as u32;
        let algorithm = self.algorithm.unwrap_or(Algorithm::Gradient);
        let batch = number(self.batch, 64);
        let architecture_batch = match algorithm {
            Algorithm::Gradient => batch.get(),
            Algorithm::Reinforce => batch.get().saturating_mul(4),
        };
        let config = SearchConfig {
            target: self
                .target
                .context("there is no target")
                .hint("say which latency networks shall have: --target 25ms")?,
            data: self.data.context("there are no images").hint("name them with --data")?,
            seed: self.seed.unwrap_or(1),
            threads: number(self.threads, cores),
            execution: self.execution.unwrap_or(ExecutionName::Fastest),
            batch,
            warm_up_epochs: self.warm_up_epochs.unwrap_or(4),
            epochs: self.epochs.unwrap_or(12),
            steps_per_epoch: self.steps_per_epoch,
            learning_rate: self.learning_rate.unwrap_or(0.2),
            weight_decay: self.weight_decay.unwrap_or(4e-5),
            label_smoothing: self.label_smoothing.unwrap_or(0.1),
            algorithm,
            gates: self.gates.unwrap_or(GateModeName::FullV2),
            objective: self.objective.unwrap_or(ObjectiveName::Target),
            lambda: self.lambda.unwrap_or(0.1),
            reward_exponent: self.reward_exponent.unwrap_or(0.1),
            initial_logits: self.initial_logits.unwrap_or_default(),
            architecture_learning_rate: self.architecture_learning_rate,
            entropy_pressure: self.entropy_pressure.unwrap_or(1.0),
            architecture_share: self.architecture_share.unwrap_or(0.2),
            held_out_seed: None,
            architecture_batch: number(self.architecture_batch, architecture_batch),
            architecture_every: number(self.architecture_every, 5),
            samples: number(self.samples, 10),
            supernet: self.supernet,
            checkpoint_every: number(self.checkpoint_every, 200),
            recipe: self.recipe.unwrap_or(suited),
        };
        config.check()?;
        Ok(config)
    }
}

impl SearchConfig {
    /// Those of a run.
    ///
    /// # Errors
    /// A file that cannot be read or holds something else.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let config: Self = settings::read(path)?;
        config.check()?;
        Ok(config)
    }

    /// Seed of the images that are held out for logits.
    pub fn held_out_seed(&self) -> u64 {
        self.held_out_seed.unwrap_or(self.seed)
    }

    /// These settings, for a search on the weights of another: logits learn on images that those weights were not
    /// learnt on.
    ///
    /// # Errors
    /// A larger share of images for logits than the other search held out.
    pub fn on_weights_of(self, other: &Self) -> anyhow::Result<Self> {
        let (own, its) = (self.architecture_share, other.architecture_share);
        if own > its {
            let error = anyhow!(
                "architecture_share is {own}, but the weights were learnt on all images but {its}"
            );
            return Err(error).hint(format!("say --architecture-share {its}"));
        }
        Ok(Self { held_out_seed: Some(other.held_out_seed()), ..self })
    }

    fn check(&self) -> anyhow::Result<()> {
        let is_possible = match self.objective {
            ObjectiveName::Target => true,
            ObjectiveName::MulLog | ObjectiveName::AddLinear => {
                self.algorithm == Algorithm::Gradient
            }
            ObjectiveName::Reward => self.algorithm == Algorithm::Reinforce,
        };
        if !is_possible {
            let error = anyhow!("the objective does not go with the algorithm");
            return Err(error).hint(
                "`target` goes with both; `mul_log` and `add_linear` with gradient, `reward` with reinforce",
            );
        }
        let is_rate = |rate: f64| rate.is_finite() && rate > 0.0;
        for (name, value, is_right, expected) in [
            ("learning_rate", self.learning_rate, is_rate(self.learning_rate), "above 0"),
            (
                "architecture_learning_rate",
                self.architecture_learning_rate.unwrap_or(1.0),
                self.architecture_learning_rate.is_none_or(is_rate),
                "above 0",
            ),
            (
                "entropy_pressure",
                self.entropy_pressure,
                self.entropy_pressure.is_finite() && self.entropy_pressure >= 0.0,
                "0 or above",
            ),
            (
                "architecture_share",
                self.architecture_share,
                self.architecture_share > 0.0 && self.architecture_share < 1.0,
                "above 0 and below 1",
            ),
        ] {
            ensure!(is_right, "{name} is {value}, but must be {expected}");
        }
        ensure!(self.epochs > 0, "epochs is 0, but a search has at least one");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use datasets::ImageShape;

    use super::*;
    use std::fs;

    fn recipe() -> Recipe {
        let shape = ImageShape::new(3, 32, 32);
        Recipe::for_small_images(shape, shape)
    }

    fn options(text: &str) -> SearchOptions {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn the_command_line_comes_before_the_file_and_the_file_before_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("search.toml");
        fs::write(&path, "target = \"8ms\"\ndata = \"images\"\nbatch = 32\nseed = 7\n").unwrap();
        let given = SearchOptions { seed: Some(3), ..SearchOptions::default() };
        let config = given.with_file(Some(&path)).unwrap().resolve(recipe()).unwrap();
        assert_eq!((config.seed, config.batch.get(), config.epochs), (3, 32, 12));
        assert_eq!(config.target.to_string(), "8ms");
    }

    #[test]
    fn logits_learn_on_images_that_the_weights_of_another_search_have_not_seen() {
        let search = |more: &str| {
            options(&format!("target = \"8ms\"\ndata = \"images\"\n{more}"))
                .resolve(recipe())
                .unwrap()
        };
        let first = search("seed = 4");
        let second = search("seed = 5").on_weights_of(&first).unwrap();
        let third = search("seed = 6\narchitecture_share = 0.1").on_weights_of(&second).unwrap();
        let seeds = [&first, &second, &third].map(SearchConfig::held_out_seed);
        assert_eq!(seeds, [4, 4, 4]);
        let error = search("architecture_share = 0.3").on_weights_of(&first).unwrap_err();
        assert!(error.to_string().contains("architecture_share is 0.3"), "{error}");
    }

    #[test]
    fn settings_that_were_resolved_are_read_again_as_they_were() {
        let config = options("target = \"8ms\"\ndata = \"images\"").resolve(recipe()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        fs::write(&path, toml::to_string_pretty(&config).unwrap()).unwrap();
        assert_eq!(SearchConfig::read(&path).unwrap(), config);
    }

    #[test]
    fn what_is_missing_or_makes_no_sense_is_named() {
        for (text, message) in [
            ("data = \"images\"", "there is no target"),
            ("target = \"8ms\"", "there are no images"),
            (
                "target = \"8ms\"\ndata = \"a\"\narchitecture_share = 1.0",
                "architecture_share is 1, but must be above 0 and below 1",
            ),
            (
                "target = \"8ms\"\ndata = \"a\"\nentropy_pressure = -1.0",
                "entropy_pressure is -1, but must be 0 or above",
            ),
            (
                "target = \"8ms\"\ndata = \"a\"\nlearning_rate = -1.0",
                "learning_rate is -1, but must be above 0",
            ),
            (
                "target = \"8ms\"\ndata = \"a\"\nobjective = \"reward\"",
                "the objective does not go with the algorithm",
            ),
            (
                "target = \"8ms\"\ndata = \"a\"\nobjective = \"mul_log\"\nalgorithm = \"reinforce\"",
                "the objective does not go with the algorithm",
            ),
            (
                "target = \"8ms\"\ndata = \"a\"\nepochs = 0",
                "epochs is 0, but a search has at least one",
            ),
        ] {
            assert_eq!(options(text).resolve(recipe()).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_key_that_is_none_is_refused_by_file_and_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("search.toml");
        fs::write(&path, "epoch = 3\n").unwrap();
        let error = SearchOptions::default().with_file(Some(&path)).unwrap_err();
        let said = format!("{error:#}");
        assert!(said.contains("search.toml") && said.contains("epoch"), "{said}");
    }
}
