//! A race is several networks of a search that were trained by themselves for a short time, the best of them for longer.
//!
//! Its folder is `races/NAME` in the search's:
//!
//! ```text
//! race.toml    settings as resolved; what a race that goes on reads
//! trials/      a run for each network
//! finals/      a run for each longer training of the best
//! race.json    the networks, the best one first
//! pictures/    how they did
//! ```

use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use crate::{LatencyTarget, RunFolder, TrainConfig, settings};

/// A race's settings, all of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RaceConfig {
    /// What its networks may take.
    pub target: LatencyTarget,
    /// Between which predictions they are, in milliseconds.
    pub window_ms: [f64; 2],
    /// By what share of their predictions such networks were measured to take longer, if the device was asked before the race.
    #[serde(default)]
    pub off: Option<f64>,
    /// How many.
    pub networks: NonZeroU32,
    /// How many are chosen at a time, after what was seen of those before.
    pub round: NonZeroU32,
    /// How many are trained for longer.
    pub finalists: u32,
    /// Epochs of that.
    pub final_epochs: u32,
    /// How many times the better half of those that were trained so is trained once more, with another seed.
    #[serde(default)]
    pub halvings: u32,
    /// The names of the races whose networks it learns from as well.
    #[serde(default)]
    pub after: Vec<String>,
    /// How each of them is trained.
    pub training: TrainConfig,
}

/// A network of a race.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Raced {
    /// Its number, from 0, in the order in which networks were chosen.
    pub number: usize,
    /// The candidate of each edge.
    pub choices: Vec<usize>,
    /// What it is predicted to take.
    pub predicted_ms: f64,
    /// Share of held-out images that it classifies rightly after the short training.
    pub accuracy: f64,
    /// What that is expected to be if it is trained once more, by what all of them did.
    pub expected_accuracy: f64,
    /// The share after the longer training, of those that had one.
    pub final_accuracy: Option<f64>,
    /// The shares after longer trainings that differ from that one in their seed alone.
    #[serde(default)]
    pub other_seeds: Vec<f64>,
    /// What the share is expected to be if the longer training is made once more, by all of its trainings and by what all networks did.
    pub expected_final_accuracy: Option<f64>,
}

/// What came of a race.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RaceResult {
    /// Name of the space.
    pub space: String,
    /// The images, as people call them.
    pub data: String,
    /// How many images the networks were judged by.
    pub images: u64,
    /// Epochs of the short and of the longer training.
    pub epochs: [u32; 2],
    /// The numbers of those that are not among the networks, because a loss of their training was not finite.
    #[serde(default)]
    pub diverged: Vec<usize>,
    /// The networks, the best one first: those that were trained for longer by what is expected of that, then the others by what is expected
    /// of them.
    pub networks: Vec<Raced>,
}

/// The folder of a race.
#[derive(Clone, Debug)]
pub struct RaceFolder {
    root: PathBuf,
}

impl RaceConfig {
    /// Refuses numbers that a race is not defined for.
    ///
    /// # Errors
    /// More finalists than networks, and finalists without an epoch.
    pub fn check(&self) -> anyhow::Result<()> {
        let (finalists, networks) = (self.finalists, self.networks);
        ensure!(
            finalists <= networks.get(),
            "{finalists} of {networks} networks cannot be finalists"
        );
        ensure!(
            finalists == 0 || self.final_epochs > 0,
            "finalists are trained for an epoch at least"
        );
        Ok(())
    }

    /// Whether a race of these settings goes on with what one of those has trained: with more networks, other finalists and halvings, or
    /// after other races.
    pub fn goes_on_with(&self, before: &Self) -> bool {
        let Self { networks, finalists, final_epochs, halvings, .. } = *self;
        let after = self.after.clone();
        *self == Self { networks, finalists, final_epochs, halvings, after, ..before.clone() }
    }

    /// Epochs of all its trainings.
    pub fn all_epochs(&self) -> u64 {
        let longer = self.finalists + self.halves().sum::<u32>();
        let of = |networks: u32, epochs: u32| u64::from(networks) * u64::from(epochs);
        of(self.networks.get(), self.training.epochs) + of(longer, self.final_epochs)
    }

    /// How many are trained once more at each halving: a half of the finalists, then a half of those, until one is left
    /// (sequential halving: Karnin, Koren and Somekh 2013).
    pub fn halves(&self) -> impl Iterator<Item = u32> {
        let half = |count: &u32| (1 < *count).then(|| count.div_ceil(2));
        std::iter::successors(Some(self.finalists), half).skip(1).take(self.halvings as usize)
    }
}

impl Raced {
    /// The shares after its longer trainings, in the order of their seeds.
    pub fn longer(&self) -> impl Iterator<Item = f64> {
        self.final_accuracy.into_iter().chain(self.other_seeds.iter().copied())
    }

    /// Their mean.
    pub fn longer_mean(&self) -> Option<f64> {
        let count = self.longer().count();
        (count > 0).then(|| self.longer().sum::<f64>() / count as f64)
    }

    /// Takes the share after another longer training. One that diverged, for which there is none, makes it a network that had no
    /// longer training: it is none to rely on.
    pub fn add_longer(&mut self, share: Option<f64>) {
        match (share, self.final_accuracy) {
            (None, _) => {
                self.final_accuracy = None;
                self.other_seeds.clear();
            }
            (Some(share), Some(_)) => self.other_seeds.push(share),
            (Some(share), None) => self.final_accuracy = Some(share),
        }
    }
}

impl RaceResult {
    /// That in a file.
    ///
    /// # Errors
    /// A file that cannot be read or holds something else.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("cannot read {}", path.display()))
    }
}

impl RaceFolder {
    /// That of a search's race of a name.
    ///
    /// # Errors
    /// A name that is none of a file: `restart` removes what is there.
    pub fn of(search: &RunFolder, name: &str) -> anyhow::Result<Self> {
        let is_name = Path::new(name).file_name().is_some_and(|file| file == name);
        ensure!(is_name, "`{name}` is not the name of a race: it has to be a name and not a path");
        Ok(Self { root: search.root().join("races").join(name) })
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The settings of the race that is in it, if one is.
    ///
    /// # Errors
    /// A file that cannot be read or holds something else.
    pub fn config(&self) -> anyhow::Result<Option<RaceConfig>> {
        let path = self.root.join("race.toml");
        path.is_file().then(|| settings::read(&path)).transpose()
    }

    /// Writes the settings of a race that begins, or goes on.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn begin(&self, config: &RaceConfig) -> anyhow::Result<()> {
        let text = toml::to_string_pretty(config).context("cannot write the settings as TOML")?;
        self.write("race.toml", &text)
    }

    /// Throws all of it away.
    ///
    /// # Errors
    /// A folder that cannot be removed.
    pub fn clear(&self) -> anyhow::Result<()> {
        if self.root.exists() {
            fs::remove_dir_all(&self.root)
                .with_context(|| format!("cannot remove {}", self.root.display()))?;
        }
        Ok(())
    }

    /// The run of a network's short training.
    pub fn trial(&self, number: usize) -> PathBuf {
        self.root.join("trials").join(number.to_string())
    }

    /// The run of a network's longer training: of the first one, or of the one after so many.
    pub fn last(&self, number: usize, epochs: u32, after: usize) -> PathBuf {
        let again = if after == 0 { String::new() } else { format!("-again-{after}") };
        self.root.join("finals").join(format!("{number}-{epochs}-epochs{again}"))
    }

    /// What came of it.
    pub fn result(&self) -> PathBuf {
        self.root.join("race.json")
    }

    /// A picture, without its extension.
    pub fn picture(&self) -> PathBuf {
        self.root.join("pictures").join("race")
    }

    /// Writes what came of it.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn end(&self, result: &RaceResult) -> anyhow::Result<()> {
        self.write("race.json", &serde_json::to_string_pretty(result)?)
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        fs::create_dir_all(&self.root)
            .with_context(|| format!("cannot make {}", self.root.display()))?;
        Ok(latency_tables::file::write_text(&self.root.join(name), text)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_trainings_add_up_until_one_of_them_diverges() {
        let mut raced: Raced = serde_json::from_str(
            r#"{"number": 0, "choices": [0], "predicted_ms": 1.0, "accuracy": 0.5, "expected_accuracy": 0.5,
                "final_accuracy": null, "expected_final_accuracy": null}"#,
        )
        .unwrap();
        assert_eq!(raced.longer_mean(), None);
        for (share, all, mean) in [
            (Some(0.5), vec![0.5], Some(0.5)),
            (Some(0.75), vec![0.5, 0.75], Some(0.625)),
            (None, vec![], None),
        ] {
            raced.add_longer(share);
            assert_eq!((raced.longer().collect::<Vec<_>>(), raced.longer_mean()), (all, mean));
        }
    }
}
