//! Trainings are networks that are trained by themselves, several beside each other, each in a run's folder.
//!
//! A training that has ended is not made again, and one that was interrupted goes on from its last checkpoint.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::IsTerminal;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use op_catalog::{Network, NetworkFile};
use runs::{RunFolder, TrainConfig, TrainResult};

use crate::{report, trainer};
use command_line::hint::WithHint;
use command_line::output;

/// Where a training's program says what it has to say.
const LOG: &str = "log.txt";

/// A network that is to be trained.
pub(super) struct Training {
    /// Its number in the race.
    pub(super) number: usize,
    pub(super) folder: PathBuf,
    pub(super) network: Network,
    pub(super) config: TrainConfig,
}

/// How a training ended.
#[derive(PartialEq)]
enum Trained {
    ToTheEnd,
    /// A loss was not finite.
    Diverged,
}

/// Trainings of so many at once, with what people see of them.
pub(super) struct Trainings {
    at_once: NonZeroU32,
    bar: ProgressBar,
    epochs: u64,
    done: u64,
    best: f64,
}

impl Trainings {
    /// As many at once, of so many epochs in all.
    pub(super) fn new(at_once: NonZeroU32, epochs: u64) -> Self {
        let bar = if std::io::stderr().is_terminal() {
            let style =
                ProgressStyle::with_template("{bar:32} {pos} of {len} epochs, {eta} left  {msg}");
            let bar = ProgressBar::new(epochs);
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        } else {
            ProgressBar::hidden()
        };
        Self { at_once, bar, epochs, done: 0, best: 0.0 }
    }

    /// How all of these did, in their order: nothing of one that diverged.
    ///
    /// # Errors
    /// The first that failed otherwise: no other is begun after that.
    pub(super) fn run(
        &mut self,
        trainings: &[Training],
    ) -> anyhow::Result<Vec<Option<TrainResult>>> {
        let queue: Mutex<VecDeque<usize>> = Mutex::new((0..trainings.len()).collect());
        let none: Vec<Option<anyhow::Result<_>>> = trainings.iter().map(|_| None).collect();
        let done = Mutex::new((self, none));
        let workers = done.lock().map_or(1, |state| state.0.at_once.get());
        thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    while let Some(position) = next(&queue) {
                        let training = &trainings[position];
                        let has_ended = training.has_ended();
                        let result = training.result();
                        if result.is_err() {
                            clear(&queue);
                        }
                        if let Ok(mut state) = done.lock() {
                            state.0.count(training, &result);
                            if !has_ended {
                                state.0.tell(training, &result);
                            }
                            state.1[position] = Some(result);
                        }
                    }
                });
            }
        });
        let (_, results) = done.into_inner().ok().context("a thread of the race has failed")?;
        let (right, wrong): (Vec<_>, Vec<_>) =
            results.into_iter().flatten().partition(Result::is_ok);
        if let Some(error) = wrong.into_iter().next() {
            error?;
        }
        right.into_iter().collect()
    }

    fn count(&mut self, training: &Training, result: &anyhow::Result<Option<TrainResult>>) {
        self.done += u64::from(training.config.epochs);
        // What an earlier end of the race has trained beyond what is asked for now comes on top.
        self.epochs = self.epochs.max(self.done);
        self.bar.set_length(self.epochs);
        self.bar.set_position(self.done);
        if let Ok(Some(result)) = result {
            self.best = self.best.max(result.last.top1);
        }
    }

    fn tell(&self, training: &Training, result: &anyhow::Result<Option<TrainResult>>) {
        let Ok(result) = result else { return };
        let TrainConfig { epochs, seed, .. } = training.config;
        let number = training.number;
        let Some(result) = result else {
            let log = training.folder.join(LOG);
            let line = format!("network {number} is left out, as {} says why", log.display());
            return self.bar.suspend(|| output::note(&line));
        };
        let (top1, best) = (100.0 * result.last.top1, 100.0 * self.best);
        let epochs = report::count(epochs as usize, "epoch");
        let line = format!("network {number}: {top1:.2} % after {epochs}, seed {seed}");
        if self.bar.is_hidden() {
            let (done, all) = (self.done, self.epochs);
            output::note(&format!("{line}; {done} of {all} epochs, the best has {best:.2} %"));
        } else {
            self.bar.set_message(format!("{line}; the best has {best:.2} %"));
        }
    }

    /// Removes the bar.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn next(queue: &Mutex<VecDeque<usize>>) -> Option<usize> {
    queue.lock().ok()?.pop_front()
}

fn clear(queue: &Mutex<VecDeque<usize>>) {
    if let Ok(mut queue) = queue.lock() {
        queue.clear();
    }
}

impl Training {
    /// Makes its folder, where it is not there yet.
    pub(super) fn make(&self) -> anyhow::Result<()> {
        if self.folder.is_dir() {
            return Ok(());
        }
        let name = format!("network {}", self.number);
        let file = NetworkFile::Network { name, network: self.network.clone() };
        RunFolder::create(&self.folder, |folder| {
            folder.write(&folder.network(), &file.to_json())?;
            folder.write_config(&self.config)
        })
    }

    fn has_ended(&self) -> bool {
        RunFolder::read(&self.folder).is_ok_and(|folder| folder.result().is_file())
    }

    /// How the network does, trained now or before; nothing where a loss was not finite.
    fn result(&self) -> anyhow::Result<Option<TrainResult>> {
        let folder = RunFolder::read(&self.folder)?;
        ensure!(
            TrainConfig::read(&folder.config())? == self.config,
            "{} was trained with other settings",
            self.folder.display()
        );
        if !folder.result().is_file() {
            let trained = self.train().hint(format!(
                "{} says why; the same command goes on with the race",
                self.folder.join(LOG).display()
            ))?;
            if trained == Trained::Diverged {
                return Ok(None);
            }
        }
        let result = TrainResult::read(&folder.result())?;
        // A race's weights are not asked for again.
        remove(&folder.checkpoints())?;
        Ok(Some(result))
    }

    fn train(&self) -> anyhow::Result<Trained> {
        let path = self.folder.join(LOG);
        let log =
            File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        let mut command = trainer::command("train", &[self.folder.as_os_str()])?;
        let status = command.stdout(Stdio::null()).stderr(log).status();
        let status = status.context("cannot start the trainer")?;
        if status.code() == Some(i32::from(runs::DIVERGED)) {
            return Ok(Trained::Diverged);
        }
        let last = fs::read_to_string(&path).unwrap_or_default();
        let said =
            last.lines().rfind(|line| line.starts_with("error: ")).unwrap_or("no word of why");
        ensure!(status.success(), "training network {} has failed: {said}", self.number);
        Ok(Trained::ToTheEnd)
    }
}

fn remove(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}
