//! A course is a race from its first network to its last: rounds of short trainings, and its finals.
//!
//! What a round has proposed is in the race's folder before it is trained: a race that goes on trains those networks, whatever
//! the program would propose by now.

use std::num::NonZeroU32;
use std::path::PathBuf;

use anyhow::{Context, anyhow, ensure};
use architecture_search::{Round, Trial, TrialLength, TrialModel, proposals};
use command_line::hint::WithHint;
use command_line::resolve;
use op_catalog::Architecture;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use runs::{RaceConfig, RaceFolder, RaceResult, Raced, TrainResult};

use super::finals::Finals;
use super::trainings::{Training, Trainings};
use crate::found_run::FoundRun;

/// A network that was trained, with how well it did: nothing where that diverged.
struct Tried {
    architecture: Architecture,
    score: Option<f64>,
}

/// A race under way.
pub(super) struct Course<'a> {
    pub(super) config: &'a RaceConfig,
    pub(super) run: &'a FoundRun,
    pub(super) place: &'a RaceFolder,
    /// The trials of races before.
    pub(super) taught: &'a [Trial],
    pub(super) at_once: NonZeroU32,
}

impl Course<'_> {
    /// What comes of it.
    ///
    /// # Errors
    /// A window that has no network, and trainings that fail.
    pub(super) fn result(&self) -> anyhow::Result<RaceResult> {
        let epochs = [self.config.training.epochs, self.config.final_epochs];
        let mut trainings = Trainings::new(self.at_once, self.config.all_epochs());
        let model = TrialModel::new(&self.run.space, &self.run.found.logits)?;
        let mut tried: Vec<Tried> = Vec::new();
        let mut judged = None;
        while let Some(round) = self.round(&model, &tried)? {
            let results = trainings.run(&round)?;
            let last = results.iter().flatten().last();
            judged = last.map(|last| (last.data.clone(), last.last.images)).or(judged);
            tried.extend(self.tried(&round, &results)?);
        }
        let Some((data, images)) = judged else { return self.nothing(&tried) };
        let short = trials(&tried);
        let mut networks = self.raced(&tried, &self.expected(&model, &short)?)?;
        networks.sort_by(|a, b| b.expected_accuracy.total_cmp(&a.expected_accuracy));
        Finals { course: self, model: &model, short: &short }
            .hold(&mut trainings, &mut networks)?;
        trainings.finish();
        let space = self.run.space.name().to_owned();
        let is_diverged = |(_, one): &(usize, &Tried)| one.score.is_none();
        let diverged =
            tried.iter().enumerate().filter(is_diverged).map(|(number, _)| number).collect();
        Ok(RaceResult { space, data, images, epochs, diverged, networks })
    }

    /// Why there is no result.
    fn nothing(&self, tried: &[Tried]) -> anyhow::Result<RaceResult> {
        let [least, most] = self.config.window_ms;
        ensure!(
            !tried.is_empty(),
            "no network is predicted to take from {least:.3} to {most:.3} ms"
        );
        let rate = self.config.training.learning_rate;
        Err(anyhow!("a loss of each of {} trainings was not finite", tried.len()))
            .hint(format!("begin again with --restart and a --learning-rate below {rate}"))
    }

    /// The trainings of the next round: those that are in the folder already, and then those that are proposed. None once there
    /// are as many as were asked for, or nothing else to propose.
    fn round(&self, model: &TrialModel, tried: &[Tried]) -> anyhow::Result<Option<Vec<Training>>> {
        let start = tried.len();
        let left = self.config.networks.get() as usize - start;
        let count = left.min(self.config.round.get() as usize);
        let there = |number: &usize| self.place.trial(*number).is_dir();
        let mut networks: Vec<Architecture> = (start..start + count)
            .take_while(there)
            .map(|number| self.in_folder(number))
            .collect::<anyhow::Result<_>>()?;
        if networks.len() < count {
            let proposed = self.proposed(model, tried, count)?;
            let others = proposed.into_iter().filter(|one| !networks.contains(one));
            let others: Vec<Architecture> = others.take(count - networks.len()).collect();
            networks.extend(others);
        }
        let asked = networks.iter().zip(start..);
        let asked = asked.map(|(one, number)| {
            let training = self.training(number, self.place.trial(number), one)?;
            training.make()?;
            Ok(training)
        });
        let round: Vec<Training> = asked.collect::<anyhow::Result<_>>()?;
        Ok((!round.is_empty()).then_some(round))
    }

    fn proposed(
        &self,
        model: &TrialModel,
        tried: &[Tried],
        count: usize,
    ) -> anyhow::Result<Vec<Architecture>> {
        let mut random = ChaCha8Rng::seed_from_u64(self.config.training.seed);
        random.set_stream(tried.len() as u64);
        let seen: Vec<Architecture> = tried.iter().map(|one| one.architecture.clone()).collect();
        let [least, most] = self.config.window_ms;
        let round = Round { count, of: self.config.networks.get() as usize };
        let own = trials(tried);
        let posterior = model.after(&self.with_taught(&own))?;
        Ok(proposals(&posterior, &self.run.cost, (least, most), round, &seen, &mut random)?)
    }

    /// What each of these trials is expected to come to if it is made once more, by them and by those of races before.
    pub(super) fn expected(&self, model: &TrialModel, own: &[Trial]) -> anyhow::Result<Vec<f64>> {
        let mut expected = model.after(&self.with_taught(own))?.expected_scores();
        expected.truncate(own.len());
        Ok(expected)
    }

    /// These trials and then those of races before. A network that two races have trained was trained in the same way and did
    /// as well, which tells nothing twice.
    fn with_taught(&self, own: &[Trial]) -> Vec<Trial> {
        let mut all = own.to_vec();
        for one in self.taught {
            if !all.contains(one) {
                all.push(one.clone());
            }
        }
        all
    }

    /// The network that a trial's folder is for.
    fn in_folder(&self, number: usize) -> anyhow::Result<Architecture> {
        let path = self.place.trial(number).join("network.json");
        let space = &self.run.space;
        let network = resolve::network(&path.to_string_lossy(), Some(space))?.network;
        space
            .architecture_of(&network)
            .with_context(|| format!("{} is no network of `{}`", path.display(), space.name()))
    }

    pub(super) fn training(
        &self,
        number: usize,
        folder: PathBuf,
        architecture: &Architecture,
    ) -> anyhow::Result<Training> {
        let network = self.run.space.network(architecture)?;
        Ok(Training { number, folder, network, config: self.config.training.clone() })
    }

    fn tried(
        &self,
        round: &[Training],
        results: &[Option<TrainResult>],
    ) -> anyhow::Result<Vec<Tried>> {
        let of = |(training, result): (&Training, &Option<TrainResult>)| {
            let architecture = self.run.space.architecture_of(&training.network);
            let architecture = architecture.context("a network of the race is not of its space")?;
            Ok(Tried { architecture, score: result.as_ref().map(|result| result.last.top1) })
        };
        round.iter().zip(results).map(of).collect()
    }

    /// Those that did not diverge, with what is expected of each.
    fn raced(&self, tried: &[Tried], expected: &[f64]) -> anyhow::Result<Vec<Raced>> {
        let scored = tried.iter().enumerate().filter_map(|(number, one)| {
            one.score.map(|accuracy| (number, &one.architecture, accuracy))
        });
        let of = |((number, architecture, accuracy), expected): ((_, &Architecture, _), &f64)| {
            Ok(Raced {
                number,
                choices: architecture.choices().to_vec(),
                predicted_ms: self.run.prediction(architecture)?.latency.0,
                accuracy,
                expected_accuracy: *expected,
                final_accuracy: None,
                other_seeds: Vec::new(),
                expected_final_accuracy: None,
            })
        };
        scored.zip(expected).map(of).collect()
    }
}

/// The short trainings that did not diverge.
fn trials(tried: &[Tried]) -> Vec<Trial> {
    let of = |one: &Tried| {
        let architecture = one.architecture.clone();
        Some(Trial { architecture, length: TrialLength::Short, score: one.score? })
    };
    tried.iter().filter_map(of).collect()
}
