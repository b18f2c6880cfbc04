//! A run's folder has a place for everything that the run leaves behind.
//!
//! ```text
//! config.toml          settings as resolved; what a resumed run reads
//! space.toml           the search space
//! table.json           the latency table
//! metrics.jsonl        a line for each step
//! checkpoints/         the last two states
//! logits.json          what a search found
//! races/               networks of it that were trained by themselves
//! architectures/       what was derived from it
//! network.json         what a training trained
//! weights.safetensors  its weights
//! result.json          how well it does
//! pictures/            the metrics, drawn
//! ```

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use command_line::hint::WithHint;
use latency_tables::file;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::Serialize;

/// A process that has just been killed holds its lock until its memory is gone: how often it is tried for, and the
/// time between.
const TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// A folder that this process alone writes to, or that it only reads.
#[derive(Debug)]
pub struct RunFolder {
    root: PathBuf,
    /// Held as long as this process works in the folder.
    _lock: Option<Flock<File>>,
}

impl RunFolder {
    /// A new run, in a folder that is not there yet or is empty. `fill` writes what the run begins with; the folder
    /// gets its name after that, so that one which is there is whole.
    ///
    /// # Errors
    /// A folder with anything in it, one that cannot be made, and what `fill` says.
    pub fn create(
        root: &Path,
        fill: impl FnOnce(&Self) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let there = match fs::read_dir(root) {
            Ok(mut entries) => entries.next().is_some(),
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", root.display()));
            }
        };
        if there {
            let error = anyhow::anyhow!("{} is not empty", root.display());
            return Err(error)
                .hint("go on with it by --resume, or choose another folder with --out");
        }
        let making = || format!("cannot make {}", root.display());
        let root = std::path::absolute(root).with_context(making)?;
        let parent = root.parent().with_context(making)?;
        fs::create_dir_all(parent).with_context(making)?;
        let half =
            tempfile::Builder::new().prefix(".run").tempdir_in(parent).with_context(making)?;
        fill(&Self { root: half.path().to_owned(), _lock: None })?;
        fs::rename(half.keep(), &root).with_context(making)
    }

    /// A run that goes on.
    ///
    /// # Errors
    /// A folder without a run, or one that another process works in.
    pub fn resume(root: &Path) -> anyhow::Result<Self> {
        Self::read(root)?;
        Self::locked(root)
    }

    /// A run to read.
    ///
    /// # Errors
    /// A folder without a run.
    pub fn read(root: &Path) -> anyhow::Result<Self> {
        let folder = Self { root: root.to_owned(), _lock: None };
        if folder.config().is_file() {
            return Ok(folder);
        }
        let error = anyhow::anyhow!("{} is no run: it has no config.toml", root.display());
        Err(error).hint("`host search --out FOLDER` and `host train --out FOLDER` make runs")
    }

    fn locked(root: &Path) -> anyhow::Result<Self> {
        let path = root.join(".lock");
        let mut file =
            File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        for _ in 0..TRIES {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Ok(Self { root: root.to_owned(), _lock: Some(lock) }),
                Err((busy, Errno::EWOULDBLOCK)) => file = busy,
                Err((_, error)) => {
                    return Err(error).with_context(|| format!("cannot lock {}", path.display()));
                }
            }
            thread::sleep(BETWEEN_TRIES);
        }
        Err(anyhow::anyhow!("another process works in {}", root.display()))
            .hint("wait for its end, or stop it")
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Settings.
    pub fn config(&self) -> PathBuf {
        self.root.join("config.toml")
    }

    /// The search space.
    pub fn space(&self) -> PathBuf {
        self.root.join("space.toml")
    }

    /// The latency table.
    pub fn table(&self) -> PathBuf {
        self.root.join("table.json")
    }

    /// A line for each step.
    pub fn metrics(&self) -> PathBuf {
        self.root.join("metrics.jsonl")
    }

    /// The last states.
    pub fn checkpoints(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    /// What a search found.
    pub fn logits(&self) -> PathBuf {
        self.root.join("logits.json")
    }

    /// An architecture that was derived.
    pub fn architecture(&self, name: &str) -> PathBuf {
        self.root.join("architectures").join(format!("{name}.json"))
    }

    /// The network that a training trained.
    pub fn network(&self) -> PathBuf {
        self.root.join("network.json")
    }

    /// Trained weights.
    pub fn weights(&self) -> PathBuf {
        self.root.join("weights.safetensors")
    }

    /// How well the network that was trained does.
    pub fn result(&self) -> PathBuf {
        self.root.join("result.json")
    }

    /// A picture, without its extension.
    pub fn picture(&self, name: &str) -> PathBuf {
        self.root.join("pictures").join(name)
    }

    /// Writes a text in one piece: a reader sees the old one or the new one.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, path: &Path, text: &str) -> anyhow::Result<()> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)
                .with_context(|| format!("cannot make {}", parent.display()))?;
        }
        Ok(file::write_text(path, text)?)
    }

    /// Writes settings.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write_config(&self, config: &impl Serialize) -> anyhow::Result<()> {
        let text = toml::to_string_pretty(config).context("cannot write the settings as TOML")?;
        self.write(&self.config(), &text)
    }
}

#[cfg(test)]
mod tests {
    use command_line::hint;

    use super::*;

    fn settings(folder: &RunFolder) -> anyhow::Result<()> {
        folder.write(&folder.config(), "seed = 1\n")
    }

    #[test]
    fn a_folder_with_something_in_it_is_not_written_over() {
        let parent = tempfile::tempdir().unwrap();
        let root = parent.path().join("run");
        RunFolder::create(&root, settings).unwrap();
        let error = RunFolder::create(&root, settings).unwrap_err();
        assert!(error.to_string().ends_with("run is not empty"), "{error}");
        assert!(hint::of(&error).unwrap().contains("--resume"));
    }

    #[test]
    fn a_run_that_could_not_be_filled_is_not_there() {
        let parent = tempfile::tempdir().unwrap();
        let root = parent.path().join("run");
        let full = |folder: &RunFolder| {
            settings(folder)?;
            anyhow::bail!("the disk is full")
        };
        assert_eq!(RunFolder::create(&root, full).unwrap_err().to_string(), "the disk is full");
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
        fs::create_dir(&root).unwrap();
        RunFolder::create(&root, settings).unwrap();
        assert!(RunFolder::read(&root).is_ok());
    }

    #[test]
    fn one_process_works_in_a_run_at_a_time_and_others_may_read_it() {
        let parent = tempfile::tempdir().unwrap();
        let root = parent.path().join("run");
        RunFolder::create(&root, settings).unwrap();
        let folder = RunFolder::resume(&root).unwrap();
        let error = RunFolder::resume(&root).unwrap_err();
        assert!(error.to_string().starts_with("another process works in"), "{error}");
        assert!(RunFolder::read(&root).is_ok());
        drop(folder);
        assert!(RunFolder::resume(&root).is_ok());
    }

    #[test]
    fn a_folder_without_settings_is_no_run() {
        let parent = tempfile::tempdir().unwrap();
        let error = RunFolder::read(parent.path()).unwrap_err();
        assert!(error.to_string().contains("is no run"), "{error}");
    }
}
