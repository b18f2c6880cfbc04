//! Metrics are what a run says of its steps: a file with a line of JSON for each.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use architecture_search::{EdgeValues, Phase};
use serde::{Deserialize, Serialize};

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Metric {
    /// A step of weights along one path.
    Weights {
        /// Steps of weights before it.
        step: u64,
        /// Where in a search; none in a training.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        phase: Option<Phase>,
        /// Mean cross-entropy of the batch in nats, with label smoothing.
        loss: f64,
        /// Share of the batch's images whose class had the highest score.
        accuracy: f64,
        /// The optimizer's learning rate.
        learning_rate: f64,
    },
    /// A step of logits.
    Architecture {
        /// Steps of weights before it.
        step: u64,
        /// Mean cross-entropy in nats along the sampled gates; of REINFORCE, over the sampled networks.
        loss: f64,
        /// Expected cost before it, in milliseconds.
        expected_ms: f64,
        /// Entropy of the distribution over architectures, in nats.
        entropy_nats: f64,
        /// What a millisecond of expected latency costs in nats, by gradient.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        nats_per_ms: Option<f64>,
        /// Mean reward, of REINFORCE.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reward: Option<f64>,
    },
    /// The end of an epoch.
    Epoch {
        /// Steps of weights before it.
        step: u64,
        /// Where in a search; none in a training.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        phase: Option<Phase>,
        /// Epochs of this phase that have ended.
        epoch: u32,
        /// Share of held-out images that are classified rightly: in a search, along its most likely path by
        /// the batch's own statistics.
        accuracy: f64,
        /// The same, the right class among the five highest scores; not in a search.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        top5: Option<f64>,
        /// Probability of each candidate, in a search.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        probabilities: Option<EdgeValues>,
        /// The most likely choice of each edge, in a search.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        most_likely: Option<Vec<usize>>,
        /// Seconds since the run or its continuation began.
        seconds: f64,
    },
}

/// The file of a run under way.
#[derive(Debug)]
pub struct MetricsFile {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl MetricsFile {
    /// Goes on after so many bytes, as a checkpoint knows them: what a run wrote after its last checkpoint it
    /// will write again. A new run goes on after 0.
    ///
    /// # Errors
    /// A file that cannot be written, or is shorter.
    pub fn after(path: PathBuf, bytes: u64) -> anyhow::Result<Self> {
        let cannot = || format!("cannot write {}", path.display());
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(cannot)?;
        let length = file.metadata().with_context(cannot)?.len();
        anyhow::ensure!(
            length >= bytes,
            "{} has {length} bytes, but its checkpoint was made after {bytes}",
            path.display()
        );
        file.set_len(bytes).with_context(cannot)?;
        drop(file);
        let file = OpenOptions::new().append(true).open(&path).with_context(cannot)?;
        Ok(Self { path, file, bytes })
    }

    /// Writes a line.
    ///
    /// # Errors
    /// A disk that is full, or another that says no.
    pub fn append(&mut self, metric: &Metric) -> anyhow::Result<()> {
        let line = serde_json::to_string(metric)? + "\n";
        self.file
            .write_all(line.as_bytes())
            .with_context(|| format!("cannot write {}", self.path.display()))?;
        self.bytes += line.len() as u64;
        Ok(())
    }

    /// Bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// The lines of a run.
///
/// # Errors
/// A file that cannot be read, or a line that is none, by its number. A last line that was cut short by the
/// end of its run is left out.
pub fn read(path: &Path) -> anyhow::Result<Vec<Metric>> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut reader = BufReader::new(file);
    let (mut metrics, mut line) = (Vec::new(), String::new());
    loop {
        line.clear();
        reader.read_line(&mut line).with_context(|| format!("cannot read {}", path.display()))?;
        if !line.ends_with('\n') {
            return Ok(metrics);
        }
        let metric = serde_json::from_str(&line)
            .with_context(|| format!("{}, line {}", path.display(), metrics.len() + 1))?;
        metrics.push(metric);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(step: u64) -> Metric {
        Metric::Weights { step, phase: None, loss: 0.1 + 0.2, accuracy: 0.5, learning_rate: 1e-3 }
    }

    #[test]
    fn a_run_that_goes_on_writes_again_what_came_after_its_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut file = MetricsFile::after(path.clone(), 0).unwrap();
        file.append(&line(0)).unwrap();
        let checkpoint = file.bytes();
        file.append(&line(1)).unwrap();
        drop(file);
        let mut file = MetricsFile::after(path.clone(), checkpoint).unwrap();
        file.append(&line(2)).unwrap();
        assert_eq!(read(&path).unwrap(), [line(0), line(2)]);
        assert!(MetricsFile::after(path, 10_000).unwrap_err().to_string().contains("10000"));
    }

    #[test]
    fn a_last_line_that_was_cut_short_is_left_out_and_another_is_refused_by_its_number() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let whole = serde_json::to_string(&line(3)).unwrap();
        std::fs::write(&path, format!("{whole}\n{}", &whole[..20])).unwrap();
        assert_eq!(read(&path).unwrap(), [line(3)]);
        std::fs::write(&path, format!("{whole}\n{}\n{whole}\n", &whole[..20])).unwrap();
        assert!(format!("{:#}", read(&path).unwrap_err()).contains("metrics.jsonl, line 2"));
    }
}
