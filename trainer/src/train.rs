//! A training trains one network, in a run's folder, and goes on where it was.

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, ensure};
use architecture_search::CosineSchedule;
use command_line::hint::WithHint;
use command_line::output;
use datasets::{HeldOut, Split};
use op_catalog::{FeatureMap, Network, NetworkFile};
use runs::{
    Checkpoints, Metric, MetricsFile, ResidualStart, RunFolder, TrainConfig, TrainResult, pictures,
};
use serde::{Deserialize, Serialize};
use supernet::{Dropout, LabelSmoothing, Sgd, SgdSettings, SingleNetwork, WeightStep};

use crate::evaluation::evaluate;
use crate::images::Feed;
use crate::normalised_set::NormalisedSet;
use crate::progress::Progress;
use crate::randomness::{Purpose, stream};
use crate::{checkpoint_files, execution, extraction, tensor_file};

/// All but the tensors that the next step depends on.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct State {
    /// Steps that were made.
    steps: u64,
    /// The best epoch so far, from 1, and its share of right classes.
    best: Option<(u32, f64)>,
    /// The last epoch's result.
    last: Option<runs::Accuracy>,
    /// Bytes of metrics behind it.
    metrics_bytes: u64,
}

/// A training under way.
struct Training {
    folder: RunFolder,
    config: TrainConfig,
    network: SingleNetwork,
    images: NormalisedSet,
    feed: Feed,
    step: WeightStep,
    state: State,
    metrics: MetricsFile,
    checkpoints: Checkpoints,
    start: Instant,
}

/// Runs or goes on with the training that a folder's settings say.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let folder = RunFolder::resume(root)?;
    let mut config = TrainConfig::read(&folder.config())?;
    config.execution = execution::resolved(config.execution)?;
    folder.write_config(&config)?;
    tch::set_num_threads(i32::try_from(config.threads.get()).context("the number of threads")?);
    let mut training = Training::prepare(folder, config)?;
    training.go_on()?;
    training.finish()
}

/// The network of a run's folder.
pub(crate) fn network(folder: &RunFolder) -> anyhow::Result<(String, Network)> {
    let path = folder.network();
    let cannot = || format!("cannot read {}", path.display());
    let text = fs::read_to_string(&path).with_context(cannot)?;
    match NetworkFile::parse(&text).with_context(cannot)? {
        NetworkFile::Network { name, network } => Ok((name, network)),
        NetworkFile::Architecture { .. } => {
            anyhow::bail!("{} is an architecture, and not a network on its own", path.display())
        }
    }
}

/// What is trained on, and what the network is judged by.
fn images(config: &TrainConfig, input: FeatureMap, classes: u32) -> anyhow::Result<NormalisedSet> {
    let all = NormalisedSet::open(&config.data, input, classes, config.seed)?;
    match config.held_out {
        Some(share) => all.held_out(HeldOut::Share(share), config.held_out_seed()),
        None => Ok(all),
    }
}

fn begun(network: SingleNetwork, start: ResidualStart) -> anyhow::Result<SingleNetwork> {
    Ok(match start {
        ResidualStart::Identity => network.beginning_as_identity()?,
        ResidualStart::Random => network,
    })
}

impl Training {
    fn prepare(folder: RunFolder, config: TrainConfig) -> anyhow::Result<Self> {
        let (_, network) = network(&folder)?;
        let input = network.input();
        let classes = network.output().channels();
        let images = images(&config, input, classes)?;
        let feed = images.feed(&config.recipe, config.batch.get(), config.seed)?;
        let mut random = stream(config.seed, Purpose::Start, 0);
        let execution = execution::of(config.execution)?;
        let network = match &config.supernet {
            Some(search) => extraction::from_search(search, &network, execution)?,
            None => begun(
                SingleNetwork::random(network, execution, &mut random)?,
                config.residual_start,
            )?,
        };
        let network = network.with_dropout(Dropout::new(config.dropout)?);
        let settings = SgdSettings { weight_decay: config.weight_decay, ..SgdSettings::PUBLISHED };
        let checkpoints = Checkpoints::new(folder.checkpoints());
        let (state, optimizer) = match checkpoints.latest()? {
            Some(found) => {
                found.damaged.iter().for_each(|damage| output::note(damage));
                output::note(&format!("going on after step {}", found.step));
                checkpoint_files::load(&found.folder, network.variables(), settings)?
            }
            None => (State::default(), Sgd::new(settings)?),
        };
        Ok(Self {
            metrics: MetricsFile::after(folder.metrics(), state.metrics_bytes)?,
            step: WeightStep { optimizer, smoothing: LabelSmoothing::new(config.label_smoothing)? },
            start: Instant::now(),
            folder,
            config,
            network,
            images,
            feed,
            state,
            checkpoints,
        })
    }

    fn steps_per_epoch(&self) -> u64 {
        let all = self.feed.steps_per_epoch();
        u64::from(self.config.steps_per_epoch.map_or(all, std::num::NonZeroU32::get))
    }

    fn go_on(&mut self) -> anyhow::Result<()> {
        let per_epoch = self.steps_per_epoch();
        ensure!(per_epoch > 0, "there are fewer images than a batch has, {}", self.config.batch);
        let all = per_epoch * u64::from(self.config.epochs);
        let rate = CosineSchedule::new(self.config.learning_rate, all)?;
        let mut progress = Progress::new(self.state.steps, all);
        while self.state.steps < all {
            let number = self.state.steps;
            self.make(number, rate.rate(number), &mut progress)
                .with_context(|| format!("step {number} of the training"))
                .hint(format!(
                    "`host train --resume {}` goes on from the last checkpoint; where a loss was not finite, a \
                     smaller learning_rate in its config.toml may help",
                    self.folder.root().display()
                ))?;
            if self.state.steps.is_multiple_of(per_epoch) {
                self.end_epoch((self.state.steps / per_epoch) as u32, &mut progress)?;
            }
            let every = u64::from(self.config.checkpoint_every.get());
            if self.state.steps.is_multiple_of(every) || self.state.steps == all {
                self.save()?;
            }
        }
        progress.finish();
        Ok(())
    }

    fn make(&mut self, number: u64, rate: f64, progress: &mut Progress) -> anyhow::Result<()> {
        // Dropout draws from libtorch's generator: a run that goes on draws what it would have drawn.
        tch::manual_seed(self.config.seed.wrapping_add(number).cast_signed());
        let batch = self.feed.batch(number)?;
        let score = self.step.run_alone(&self.network, &batch, rate)?;
        let metric = Metric::Weights {
            step: number,
            phase: None,
            loss: score.loss,
            accuracy: score.accuracy,
            learning_rate: rate,
        };
        self.state.steps = number + 1;
        progress.weights(&metric);
        self.metrics.append(&metric)
    }

    fn end_epoch(&mut self, epoch: u32, progress: &mut Progress) -> anyhow::Result<()> {
        let found = evaluate(&self.network, &self.images, Split::Test, &self.config.recipe)?;
        let metric = Metric::Epoch {
            step: self.state.steps,
            phase: None,
            epoch,
            accuracy: found.top1,
            top5: Some(found.top5),
            probabilities: None,
            most_likely: None,
            seconds: self.start.elapsed().as_secs_f64(),
        };
        progress.epoch(&metric);
        self.metrics.append(&metric)?;
        self.state.last = Some(found);
        if self.state.best.is_none_or(|(_, best)| best < found.top1) {
            self.state.best = Some((epoch, found.top1));
            self.write_weights("best.safetensors")?;
        }
        Ok(())
    }

    /// Writes the weights in one piece.
    fn write_weights(&self, name: &str) -> anyhow::Result<()> {
        let path = self.folder.root().join(name);
        let half = self.folder.root().join(format!(".{name}"));
        tensor_file::write_variables(&half, self.network.variables())?;
        fs::rename(&half, &path).with_context(|| format!("cannot write {}", path.display()))
    }

    fn save(&mut self) -> anyhow::Result<()> {
        self.state.metrics_bytes = self.metrics.bytes();
        self.checkpoints.save(self.state.steps, |folder| {
            let (weights, optimizer) = (self.network.variables(), &self.step.optimizer);
            checkpoint_files::save(folder, &self.state, weights, optimizer)
        })
    }

    fn finish(&self) -> anyhow::Result<()> {
        self.write_weights("weights.safetensors")?;
        let last = self.state.last.context("no epoch has ended")?;
        let (best_epoch, best_top1) = self.state.best.unwrap_or_default();
        let data = self.images.name().to_owned();
        let epochs = self.config.epochs;
        let result = TrainResult { data, epochs, last, best_epoch, best_top1 };
        self.folder.write(&self.folder.result(), &serde_json::to_string_pretty(&result)?)?;
        let title = format!("Training on {}", result.data);
        command_line::picture::tell(&pictures::draw_training(&self.folder, &title)?);
        let what = if self.config.held_out.is_some() { "images" } else { "test images" };
        output::note(&format!(
            "{}: top-1 {:.2} %, top-5 {:.2} % of {} {what}",
            result.data,
            100.0 * last.top1,
            100.0 * last.top5,
            last.images
        ));
        output::data(&self.folder.root().display().to_string())
    }
}
