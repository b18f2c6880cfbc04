//! The spool is where jobs survive: a folder per job with its request, its visits and its rows, each
//! line on disk before anybody is told of it.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use op_catalog::wire::status::CanaryPoint;
use op_catalog::wire::{Job, JobId, JobOutcome, Row};
use serde::{Deserialize, Serialize};

use crate::measuring::assessment::JudgedVisit;

/// The agent's folder; only one agent at a time uses it.
pub(crate) struct Spool {
    folder: PathBuf,
    _lock: File,
}

/// A line of a job's log.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogLine {
    /// An item was visited.
    Visit {
        /// Index of the item.
        item: usize,
        /// What was seen.
        judged: JudgedVisit,
    },
    /// The canary ran.
    Canary(CanaryPoint),
    /// A round begins.
    Round,
}

/// A job's folder, open for more lines.
pub(crate) struct JobFolder {
    path: PathBuf,
    log: File,
    rows: File,
}

/// What a job's folder holds.
pub(crate) struct Stored {
    pub(crate) job: Job,
    pub(crate) log: Vec<LogLine>,
    /// Each row as it was written, and as it reads.
    pub(crate) rows: Vec<(String, Row)>,
    pub(crate) outcome: Option<JobOutcome>,
}

impl Spool {
    /// Opens the folder, making it where there is none.
    ///
    /// # Errors
    /// A folder that cannot be made, or that another agent uses.
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder.join("jobs"))
            .with_context(|| format!("making the spool {}", folder.display()))?;
        let lock = File::create(folder.join("lock"))
            .with_context(|| format!("opening the spool {}", folder.display()))?;
        lock.try_lock()
            .with_context(|| format!("the spool {} is used by another agent", folder.display()))?;
        Ok(Self { folder: folder.to_owned(), _lock: lock })
    }

    /// Where the agent keeps what is its own, such as a token.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// All jobs, oldest first; a folder that cannot be read is named in the log and left alone.
    pub(crate) fn jobs(&self) -> anyhow::Result<Vec<Stored>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.folder.join("jobs")).context("reading the spool")? {
            let path = entry?.path();
            if path.extension().is_some() {
                // A job that was being made when the agent stopped: nobody was told of it.
                fs::remove_dir_all(&path)?;
                continue;
            }
            let made = fs::metadata(path.join("request.json")).and_then(|meta| meta.modified());
            match load(&path) {
                Ok(stored) => found.push((made.ok(), stored)),
                Err(error) => tracing::error!("{error:#}; the folder is left as it is"),
            }
        }
        found.sort_by_key(|(made, _)| *made);
        Ok(found.into_iter().map(|(_, stored)| stored).collect())
    }

    /// What a job's folder holds.
    pub(crate) fn job(&self, id: &JobId) -> anyhow::Result<Stored> {
        load(&self.path(id))
    }

    /// Makes the folder of a new job: it is there whole or not at all.
    pub(crate) fn create(&self, job: &Job) -> anyhow::Result<()> {
        let path = self.path(job.id());
        let unfinished = path.with_extension("new");
        fs::create_dir_all(&unfinished)?;
        write_synced(&unfinished.join("request.json"), &serde_json::to_vec(job.request())?)?;
        fs::rename(&unfinished, &path).with_context(|| format!("making {}", path.display()))?;
        sync_folder(&self.folder.join("jobs"))
    }

    /// Opens a job's folder for more lines. A half-written last line is cut off.
    pub(crate) fn open_job(&self, id: &JobId) -> anyhow::Result<JobFolder> {
        let path = self.path(id);
        let (log, rows) =
            (open_lines(&path.join("log.jsonl"))?, open_lines(&path.join("rows.jsonl"))?);
        Ok(JobFolder { path, log, rows })
    }

    /// Writes how a job ended; `None` takes it back, for a job that goes on.
    pub(crate) fn set_outcome(
        &self,
        id: &JobId,
        outcome: Option<JobOutcome>,
    ) -> anyhow::Result<()> {
        let path = self.path(id).join("outcome.json");
        match outcome {
            Some(outcome) => write_synced(&path, &serde_json::to_vec(&outcome)?),
            None if path.exists() => Ok(fs::remove_file(path)?),
            None => Ok(()),
        }
    }

    /// Forgets a job.
    pub(crate) fn remove(&self, id: &JobId) -> anyhow::Result<()> {
        let path = self.path(id);
        let doomed = path.with_extension("old");
        fs::rename(&path, &doomed).with_context(|| format!("removing {}", path.display()))?;
        Ok(fs::remove_dir_all(doomed)?)
    }

    fn path(&self, id: &JobId) -> PathBuf {
        self.folder.join("jobs").join(id.as_str())
    }
}

impl JobFolder {
    /// Appends lines to the log and waits until they are on disk.
    pub(crate) fn log(&mut self, lines: &[LogLine]) -> anyhow::Result<()> {
        let mut text = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut text, line)?;
            text.push(b'\n');
        }
        append(&mut self.log, &text).with_context(|| format!("writing to {}", self.path.display()))
    }

    /// Appends a row and waits until it is on disk. Returns its line.
    pub(crate) fn row(&mut self, row: &Row) -> anyhow::Result<String> {
        let line = serde_json::to_string(row)?;
        append(&mut self.rows, format!("{line}\n").as_bytes())
            .with_context(|| format!("writing to {}", self.path.display()))?;
        Ok(line)
    }
}

fn load(path: &Path) -> anyhow::Result<Stored> {
    let request = fs::read(path.join("request.json"))
        .with_context(|| format!("reading {}", path.display()))?;
    let job = Job::parse(&request).with_context(|| format!("reading {}", path.display()))?;
    let log = lines(&path.join("log.jsonl"))?;
    let log = log.iter().map(|line| serde_json::from_str(line)).collect::<Result<_, _>>();
    let rows = lines(&path.join("rows.jsonl"))?.into_iter().map(|line| {
        let row = serde_json::from_str(&line)?;
        Ok((line, row))
    });
    let rows: Result<_, serde_json::Error> = rows.collect();
    let outcome = fs::read(path.join("outcome.json"))
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let damaged = || format!("{} is damaged", path.display());
    Ok(Stored { job, log: log.with_context(damaged)?, rows: rows.with_context(damaged)?, outcome })
}

/// The whole lines of a file; what follows the last line feed was never finished.
fn lines(path: &Path) -> anyhow::Result<Vec<String>> {
    let Ok(file) = File::open(path) else { return Ok(Vec::new()) };
    let mut reader = BufReader::new(file);
    let mut lines = Vec::new();
    let mut line = String::new();
    while reader.read_line(&mut line).with_context(|| format!("reading {}", path.display()))? > 0 {
        if line.pop() != Some('\n') {
            break;
        }
        lines.push(std::mem::take(&mut line));
    }
    Ok(lines)
}

fn open_lines(path: &Path) -> anyhow::Result<File> {
    let whole: u64 = lines(path)?.iter().map(|line| line.len() as u64 + 1).sum();
    let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    file.set_len(whole)?;
    file.seek(SeekFrom::End(0))?;
    Ok(file)
}

/// Appends all or nothing: what a full disk left half-written is cut off again.
fn append(file: &mut File, bytes: &[u8]) -> std::io::Result<()> {
    let before = file.stream_position()?;
    let written = file.write_all(bytes).and_then(|()| file.sync_data());
    if written.is_err() {
        file.set_len(before)?;
        file.seek(SeekFrom::Start(before))?;
    }
    written
}

/// Writes a file that is there whole or not at all.
pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let unfinished = path.with_extension("tmp");
    let mut file =
        File::create(&unfinished).with_context(|| format!("writing {}", unfinished.display()))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path).with_context(|| format!("writing {}", path.display()))
}

fn sync_folder(path: &Path) -> anyhow::Result<()> {
    Ok(File::open(path)?.sync_all()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_never_finished_is_cut_off_and_the_whole_ones_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.jsonl");
        fs::write(&path, "{\"a\":1}\n{\"b\":2}\n{\"c\"").unwrap();
        assert_eq!(lines(&path).unwrap(), ["{\"a\":1}", "{\"b\":2}"]);
        let mut file = open_lines(&path).unwrap();
        append(&mut file, b"{\"d\":4}\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"a\":1}\n{\"b\":2}\n{\"d\":4}\n");
    }

    #[test]
    fn two_agents_cannot_use_one_spool() {
        let folder = tempfile::tempdir().unwrap();
        let first = Spool::open(folder.path()).unwrap();
        let error = Spool::open(folder.path()).err().unwrap();
        assert!(error.to_string().contains("is used by another agent"), "{error}");
        drop(first);
        Spool::open(folder.path()).unwrap();
    }
}
