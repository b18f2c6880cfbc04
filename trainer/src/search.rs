//! A search learns weights and logits by turns, in a run's folder, and goes on where it was.

pub(crate) mod plan;

use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use architecture_search::{
    Action, Alternation, CosineSchedule, Episode, Phase, Reward, SearchCost, Step,
};
use command_line::hint::WithHint;
use command_line::output;
use op_catalog::SearchSpace;
use runs::{
    Checkpoints, FoundLogits, Metric, MetricsFile, RunFolder, SearchConfig, pictures,
    searched_space,
};
use supernet::{LabelSmoothing, Sgd, SgdSettings, Supernet, WeightStep};

use crate::evaluation::look;
use crate::images::Feed;
use crate::progress::Progress;
use crate::randomness::{Purpose, stream};
use crate::search_state::{Learner, SearchState};
use crate::{checkpoint_files, execution, extraction};

/// Images that the most likely path is looked at with after an epoch.
const GLANCE_IMAGES: u64 = 1000;

/// A search under way.
struct Search {
    folder: RunFolder,
    config: SearchConfig,
    cost: SearchCost,
    net: Supernet,
    step: WeightStep,
    state: SearchState,
    rates: [CosineSchedule; 2],
    metrics: MetricsFile,
    checkpoints: Checkpoints,
    weight_images: Feed,
    architecture_images: Feed,
    start: Instant,
}

/// Runs or goes on with the search that a folder's settings say.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let folder = RunFolder::resume(root)?;
    let mut config = SearchConfig::read(&folder.config())?;
    config.execution = execution::resolved(config.execution)?;
    tch::set_num_threads(i32::try_from(config.threads.get()).context("the number of threads")?);
    let mut search = Search::prepare(folder, config)?;
    search.go_on()?;
    search.finish()
}

impl Search {
    fn prepare(folder: RunFolder, mut config: SearchConfig) -> anyhow::Result<Self> {
        let space = searched_space::of(&folder)?;
        let cost = plan::cost(&folder, &space)?;
        let (weight_images, architecture_images) = plan::feeds(&config, &space)?;
        let plan = plan::plan(&config, weight_images.steps_per_epoch())?;
        let settings = SgdSettings { weight_decay: config.weight_decay, ..SgdSettings::PUBLISHED };
        let mut random = stream(config.seed, Purpose::Start, 0);
        let rate = plan::architecture_learning_rate(plan);
        let rate = *config.architecture_learning_rate.get_or_insert(rate);
        let learner = plan::learner(&config, plan, &space, &cost, rate, &mut random)?;
        folder.write_config(&config)?;
        let net = Supernet::new(space, execution::of(config.execution)?, &mut random)?
            .beginning_as_identity()?;
        let checkpoints = Checkpoints::new(folder.checkpoints());
        let (state, optimizer) = if let Some(found) = checkpoints.latest()? {
            found.damaged.iter().for_each(|damage| output::note(damage));
            output::note(&format!("going on after step {}", found.step));
            checkpoint_files::load(&found.folder, net.variables(), settings)?
        } else {
            if let Some(search) = &config.supernet {
                extraction::take_weights(search, &net)?;
            }
            if let Some(advice) = plan::advice(&config, cost.expected(learner.logits())?.value) {
                output::note(&advice);
            }
            let alternation = Alternation::new(plan);
            let state = SearchState { alternation, learner, metrics_bytes: 0 };
            (state, Sgd::new(settings)?)
        };
        Ok(Self {
            rates: plan::rates(&config, plan)?,
            metrics: MetricsFile::after(folder.metrics(), state.metrics_bytes)?,
            step: WeightStep { optimizer, smoothing: LabelSmoothing::new(config.label_smoothing)? },
            start: Instant::now(),
            folder,
            config,
            cost: SearchCost::from(cost),
            net,
            state,
            checkpoints,
            weight_images,
            architecture_images,
        })
    }

    fn go_on(&mut self) -> anyhow::Result<()> {
        let plan = self.state.alternation.plan();
        let all = plan.weight_steps(Phase::WarmUp) + plan.weight_steps(Phase::Search);
        let mut progress = Progress::new(self.state.alternation.weight_steps(), all);
        while let Some(step) = self.state.alternation.next() {
            if let Err(error) = self.make(step, &mut progress) {
                return Err(error.context(self.place(step))).hint(self.way_on()?);
            }
        }
        progress.finish();
        self.save()
    }

    /// How to go on after an error.
    fn way_on(&self) -> anyhow::Result<String> {
        let root = self.folder.root().display();
        let after = match self.checkpoints.latest()? {
            Some(found) => format!("after step {}", found.step),
            None => "from the beginning".to_owned(),
        };
        Ok(format!(
            "`host search --resume {root}` goes on {after}; where a loss was not finite, a smaller learning_rate in \
             its config.toml may help"
        ))
    }

    fn place(&self, step: Step) -> String {
        let phase = match step.phase {
            Phase::WarmUp => "the warm-up",
            Phase::Search => "the search",
        };
        let trained = match step.action {
            Action::Weights => "weights",
            Action::Architecture => "logits",
        };
        format!(
            "step {} ({trained}, epoch {} of {phase})",
            self.state.alternation.weight_steps(),
            step.epoch + 1
        )
    }

    fn make(&mut self, step: Step, progress: &mut Progress) -> anyhow::Result<()> {
        match step.action {
            Action::Weights => self.train_weights(step, progress)?,
            Action::Architecture => {
                let metric = self.train_logits()?;
                progress.architecture(&metric);
                self.metrics.append(&metric)?;
            }
        }
        // What the logits learn after a step belongs to it, and to its checkpoint.
        if self.is_last_of_its_step() {
            self.end_step(step, progress)?;
        }
        Ok(())
    }

    fn is_last_of_its_step(&self) -> bool {
        let next = self.state.alternation.clone().next();
        next.is_none_or(|next| next.action == Action::Weights)
    }

    fn train_weights(&mut self, step: Step, progress: &mut Progress) -> anyhow::Result<()> {
        let number = self.state.alternation.weight_steps() - 1;
        let within = match step.phase {
            Phase::WarmUp => number,
            Phase::Search => number - self.state.alternation.plan().weight_steps(Phase::WarmUp),
        };
        let learning_rate = self.rates[usize::from(step.phase == Phase::Search)].rate(within);
        let batch = self.weight_images.batch(number)?;
        let mut random = stream(self.config.seed, Purpose::Path, number);
        let path = self.state.learner.logits().sample(&mut random);
        let score = self.step.run(&self.net, &batch, &path, learning_rate)?;
        let metric = Metric::Weights {
            step: number,
            phase: Some(step.phase),
            loss: score.loss,
            accuracy: score.accuracy,
            learning_rate,
        };
        progress.weights(&metric);
        self.metrics.append(&metric)
    }

    fn train_logits(&mut self) -> anyhow::Result<Metric> {
        let number = self.state.alternation.architecture_steps() - 1;
        let batch = self.architecture_images.batch(number)?;
        let logits = self.state.learner.logits();
        let (expected_ms, entropy_nats) =
            (self.cost.expected(logits)?.value, logits.entropy_nats());
        let mut random = stream(self.config.seed, Purpose::Architecture, number);
        let (loss, nats_per_ms, reward) = match &mut self.state.learner {
            Learner::Gradient(search) => {
                let gates = search.sample_gates(&mut random);
                let pass = self.net.gate_pass(&batch, &gates)?;
                let loss =
                    search.step(&gates, pass.cross_entropy, &pass.gate_gradient, &self.cost)?;
                (pass.cross_entropy, Some(loss.cost_factor), None)
            }
            Learner::Reinforce(search) => {
                let target = self.config.target.milliseconds().0;
                let reward = Reward::new(target, self.config.reward_exponent)?;
                let mut episodes = Vec::new();
                let mut losses = 0.0;
                for _ in 0..self.config.samples.get() {
                    let architecture = search.sample(&mut random);
                    let (loss, accuracy) = look(&self.net, &batch, &architecture)?;
                    let reward = reward.of(accuracy, self.cost.of(&architecture)?)?;
                    episodes.push(Episode { architecture, reward });
                    losses += loss;
                }
                search.step(&episodes, &self.cost)?;
                let count = episodes.len() as f64;
                let rewards: f64 = episodes.iter().map(|episode| episode.reward).sum();
                (losses / count, None, Some(rewards / count))
            }
        };
        let step = self.state.alternation.weight_steps();
        Ok(Metric::Architecture { step, loss, expected_ms, entropy_nats, nats_per_ms, reward })
    }

    fn end_step(&mut self, step: Step, progress: &mut Progress) -> anyhow::Result<()> {
        let steps = self.state.alternation.weight_steps();
        let per_epoch = u64::from(self.state.alternation.plan().batches_per_epoch.get());
        if steps.is_multiple_of(per_epoch) {
            let metric = self.glance(step)?;
            progress.epoch(&metric);
            self.metrics.append(&metric)?;
        }
        if steps.is_multiple_of(u64::from(self.config.checkpoint_every.get())) {
            self.save()?;
        }
        Ok(())
    }

    /// What the most likely path is worth, by the batch's own statistics as the published search looks at it.
    fn glance(&mut self, step: Step) -> anyhow::Result<Metric> {
        let logits = self.state.learner.logits().clone();
        let path = logits.most_likely();
        let images = u64::from(self.config.architecture_batch.get());
        let batches = GLANCE_IMAGES
            .div_ceil(images)
            .clamp(1, u64::from(self.architecture_images.steps_per_epoch()));
        let mut sum = 0.0;
        for number in 0..batches {
            sum += look(&self.net, &self.architecture_images.batch(number)?, &path)?.1;
        }
        Ok(Metric::Epoch {
            step: self.state.alternation.weight_steps(),
            phase: Some(step.phase),
            epoch: step.epoch + 1,
            accuracy: sum / batches as f64,
            top5: None,
            probabilities: Some(logits.probabilities()),
            most_likely: Some(path.choices().to_vec()),
            seconds: self.start.elapsed().as_secs_f64(),
        })
    }

    fn save(&mut self) -> anyhow::Result<()> {
        self.state.metrics_bytes = self.metrics.bytes();
        let steps = self.state.alternation.weight_steps();
        self.checkpoints.save(steps, |folder| {
            let (weights, optimizer) = (self.net.variables(), &self.step.optimizer);
            checkpoint_files::save(folder, &self.state, weights, optimizer)
        })
    }

    fn finish(&self) -> anyhow::Result<()> {
        let space = self.net.space();
        let logits = self.state.learner.logits().clone();
        let found = FoundLogits {
            space: space.name().to_owned(),
            steps: self.state.alternation.weight_steps(),
            logits: logits.clone(),
        };
        self.folder.write(&self.folder.logits(), &found.to_json()?)?;
        let most_likely = logits.most_likely();
        let path = self.folder.architecture("most-likely");
        self.folder.write(&path, &most_likely.to_json(space)?)?;
        let files = pictures::draw_search(&self.folder, self.config.target, names(space))?;
        output::note(&format!(
            "most likely network: {} ({:.3} ms predicted; target {})",
            path.display(),
            self.cost.of(&most_likely)?,
            self.config.target
        ));
        command_line::picture::tell(&files);
        output::data(&self.folder.root().display().to_string())
    }
}

/// The names of each edge's candidates.
fn names(space: &SearchSpace) -> Vec<Vec<String>> {
    space.edges().map(|edge| edge.iter().map(|placed| placed.op().to_string()).collect()).collect()
}
