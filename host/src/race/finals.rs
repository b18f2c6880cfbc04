//! Finals are the longer trainings of a race: one of each finalist, and further ones, with other seeds, of those that may be the
//! best.
//!
//! What a seed makes of a training is about as much as good networks differ by, and so the better half of the finalists
//! may be trained once more, and then the better half of those.

use architecture_search::{Trial, TrialLength, TrialModel};
use op_catalog::Architecture;
use runs::{Raced, TrainConfig};

use super::course::Course;
use super::trainings::{Training, Trainings};

/// The finals of a race, after all its short trainings.
pub(super) struct Finals<'a> {
    pub(super) course: &'a Course<'a>,
    pub(super) model: &'a TrialModel,
    pub(super) short: &'a [Trial],
}

impl Finals<'_> {
    /// Trains the first of these networks for longer, and any that an earlier end of the race had trained so, and puts those
    /// before the others, the best one first.
    pub(super) fn hold(
        &self,
        trainings: &mut Trainings,
        networks: &mut [Raced],
    ) -> anyhow::Result<()> {
        let config = self.course.config;
        let first = config.finalists as usize;
        self.train(trainings, networks, |rank, raced| rank < first || self.is_there(raced))?;
        for half in config.halves() {
            let is_better =
                |rank, raced: &Raced| rank < half as usize && 0 < raced.longer().count();
            self.train(trainings, networks, is_better)?;
        }
        let is_left = |raced: &Raced| 0 < raced.longer().count() && self.is_there(raced);
        while networks.iter().any(is_left) {
            self.train(trainings, networks, |_, raced| is_left(raced))?;
        }
        Ok(())
    }

    /// Trains those of these ranks for longer, with a seed with which they were not trained so yet, and ranks all anew.
    fn train(
        &self,
        trainings: &mut Trainings,
        networks: &mut [Raced],
        is_one: impl Fn(usize, &Raced) -> bool,
    ) -> anyhow::Result<()> {
        let all = networks.iter_mut().enumerate();
        let mut ones: Vec<&mut Raced> =
            all.filter_map(|(rank, raced)| is_one(rank, raced).then_some(raced)).collect();
        let asked = ones.iter().map(|raced| self.next(raced));
        let asked = asked.collect::<anyhow::Result<Vec<_>>>()?;
        for (raced, result) in ones.iter_mut().zip(trainings.run(&asked)?) {
            raced.add_longer(result.map(|result| result.last.top1));
        }
        self.rank(networks)
    }

    /// The next longer training of a network, whose folder is made.
    fn next(&self, raced: &Raced) -> anyhow::Result<Training> {
        let Course { config, place, .. } = self.course;
        let before = raced.longer().count();
        let folder = place.last(raced.number, config.final_epochs, before);
        let architecture = Architecture::new(raced.choices.clone());
        let training = self.course.training(raced.number, folder, &architecture)?;
        let config = TrainConfig {
            epochs: config.final_epochs,
            seed: training.config.seed.wrapping_add(before as u64),
            ..training.config
        };
        let training = Training { config, ..training };
        training.make()?;
        Ok(training)
    }

    /// Whether an earlier end of the race had begun a network's next longer training.
    fn is_there(&self, raced: &Raced) -> bool {
        let Course { config, place, .. } = self.course;
        place.last(raced.number, config.final_epochs, raced.longer().count()).is_dir()
    }

    /// Puts those that were trained for longer, by what is expected of that after all trials, before the others in their
    /// order.
    fn rank(&self, networks: &mut [Raced]) -> anyhow::Result<()> {
        // In an order that is not that in which they were trained, so that a race that goes on comes to the same.
        let mut by_number: Vec<&mut Raced> = networks.iter_mut().collect();
        by_number.sort_by_key(|raced| raced.number);
        let longer = by_number.iter().flat_map(|raced| trials(raced));
        let all: Vec<Trial> = self.short.iter().cloned().chain(longer).collect();
        let expected = self.course.expected(self.model, &all)?;
        let mut expected = expected.into_iter().skip(self.short.len());
        for raced in by_number {
            // All longer trainings of a network are expected to be the same if they are made once more.
            raced.expected_final_accuracy = expected.by_ref().take(raced.longer().count()).last();
        }
        // No expectation is below that of those without one, which stay in their order.
        let last = |raced: &Raced| raced.expected_final_accuracy.unwrap_or(f64::NEG_INFINITY);
        networks.sort_by(|a, b| last(b).total_cmp(&last(a)));
        Ok(())
    }
}

/// The longer trainings of a network, as trials.
pub(super) fn trials(raced: &Raced) -> impl Iterator<Item = Trial> {
    raced.longer().map(|share| trial(raced, TrialLength::Longer, share))
}

/// A training of a network, as a trial.
pub(super) fn trial(raced: &Raced, length: TrialLength, score: f64) -> Trial {
    Trial { architecture: Architecture::new(raced.choices.clone()), length, score }
}
