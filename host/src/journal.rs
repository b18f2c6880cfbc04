//! A journal is what a profile has so far, on disk: what was asked, and every row byte for byte as the
//! agent gave it. It is there until the table is.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use latency_tables::file;
use op_catalog::wire::{Job, JobId, JobRequest, Row};
use serde::{Deserialize, Serialize};

use crate::hint::WithHint;

/// A folder beside the table-to-be; only one host at a time uses it.
pub(crate) struct Journal {
    folder: PathBuf,
    plan: Plan,
    rows: Vec<(String, Row)>,
    rows_file: File,
    _lock: File,
}

/// What was asked.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Plan {
    /// Everything that is to be measured.
    whole: JobRequest,
    /// The job that is under way: all of it, or what an agent that has forgotten it left to do.
    current: JobRequest,
    /// Rows that were there before the current job.
    rows_before: usize,
}

/// Whether a journal that is there is taken up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// Take up what is there.
    Resume,
    /// Throw away what is there.
    Restart,
}

impl Journal {
    /// The folder of the journal for a table.
    pub(crate) fn folder_for(table: &Path) -> PathBuf {
        let mut name = table.as_os_str().to_owned();
        name.push(".profile");
        PathBuf::from(name)
    }

    /// Opens the journal of a table, or begins one. `request` has a fresh label; one that is resumed keeps
    /// its own.
    pub(crate) fn open(
        table: &Path,
        request: JobRequest,
        beginning: Beginning,
    ) -> anyhow::Result<Self> {
        let folder = Self::folder_for(table);
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let lock = File::create(folder.join("lock"))
            .with_context(|| format!("opening {}", folder.display()))?;
        lock.try_lock()
            .with_context(|| format!("{} is used by another host", folder.display()))
            .hint("wait for it, or choose another --out")?;
        let plan_path = folder.join("plan.json");
        if beginning == Beginning::Restart {
            clear(&folder)?;
        }
        let plan = if plan_path.exists() {
            let text = fs::read_to_string(&plan_path)
                .with_context(|| format!("reading {}", plan_path.display()))?;
            let plan: Plan = serde_json::from_str(&text)
                .with_context(|| format!("reading {}", plan_path.display()))?;
            same_request(&plan.whole, &request)
                .with_context(|| format!("{} holds another profile", folder.display()))
                .hint("repeat the options of that profile to go on with it, or throw it away with --restart")?;
            plan
        } else {
            // Rows without a plan belong to nothing.
            clear(&folder)?;
            Plan { whole: request.clone(), current: request, rows_before: 0 }
        };
        let (rows_file, rows) = open_rows(&folder.join("rows.jsonl"))?;
        let journal = Self { folder, plan, rows, rows_file, _lock: lock };
        journal.write_plan()?;
        Ok(journal)
    }

    /// Where a local agent keeps its jobs, so that they are found again.
    pub(crate) fn spool(&self) -> PathBuf {
        self.folder.join("agent")
    }

    /// The rows so far.
    pub(crate) fn rows(&self) -> impl ExactSizeIterator<Item = &Row> {
        self.rows.iter().map(|(_, row)| row)
    }

    /// Everything that is to be measured.
    pub(crate) fn whole(&self) -> &JobRequest {
        &self.plan.whole
    }

    /// The job under way.
    pub(crate) fn current(&self) -> &JobRequest {
        &self.plan.current
    }

    /// Its id.
    pub(crate) fn current_id(&self) -> JobId {
        JobId::of(&self.plan.current)
    }

    /// Rows that came from the job under way.
    pub(crate) fn current_rows(&self) -> usize {
        self.rows.len() - self.plan.rows_before
    }

    /// Whether every item has its row.
    pub(crate) fn is_complete(&self) -> bool {
        self.rows.len() == self.plan.whole.items.len()
    }

    /// Begins a job of the items that have no row, for an agent that has forgotten the one under way.
    pub(crate) fn begin_rest(&mut self, label: String) -> anyhow::Result<()> {
        let done: HashSet<&str> = self.rows.iter().map(|(_, row)| row.id.as_str()).collect();
        let items =
            self.plan.whole.items.iter().filter(|item| !done.contains(item.id.as_str())).cloned();
        self.plan.current = JobRequest { label, items: items.collect(), ..self.plan.whole.clone() };
        self.plan.rows_before = self.rows.len();
        self.write_plan()
    }

    /// Keeps a row, on disk before anything else happens.
    pub(crate) fn keep(&mut self, line: String, row: Row) -> anyhow::Result<()> {
        let written = self
            .rows_file
            .write_all(format!("{line}\n").as_bytes())
            .and_then(|()| self.rows_file.sync_data());
        written.with_context(|| format!("writing to {}", self.folder.display()))?;
        self.rows.push((line, row));
        Ok(())
    }

    /// Removes the journal, once the table is there.
    pub(crate) fn remove(self) -> anyhow::Result<()> {
        fs::remove_dir_all(&self.folder)
            .with_context(|| format!("removing {}", self.folder.display()))
    }

    fn write_plan(&self) -> anyhow::Result<()> {
        Ok(file::write_text(
            &self.folder.join("plan.json"),
            &serde_json::to_string_pretty(&self.plan)?,
        )?)
    }
}

/// Refuses a request that asks for something else, naming the first field that differs.
fn same_request(old: &JobRequest, new: &JobRequest) -> anyhow::Result<()> {
    let relabelled = JobRequest { label: old.label.clone(), ..new.clone() };
    Job::new(relabelled.clone())?;
    let (old, new) = (serde_json::to_value(old)?, serde_json::to_value(&relabelled)?);
    let differing =
        old.as_object().into_iter().flatten().find(|(field, value)| new.get(field) != Some(value));
    match differing {
        None => Ok(()),
        Some((field, _)) => anyhow::bail!("its `{field}` differs from what is asked now"),
    }
}

fn clear(folder: &Path) -> anyhow::Result<()> {
    for name in ["plan.json", "rows.jsonl"] {
        let path = folder.join(name);
        if path.exists() {
            fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
        }
    }
    let spool = folder.join("agent");
    if spool.exists() {
        fs::remove_dir_all(&spool).with_context(|| format!("removing {}", spool.display()))?;
    }
    Ok(())
}

/// Opens the rows and reads the whole ones; a line that was never finished is cut off.
fn open_rows(path: &Path) -> anyhow::Result<(File, Vec<(String, Row)>)> {
    let context = || format!("reading {}", path.display());
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)
        .with_context(context)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).with_context(context)?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    file.set_len(whole as u64).with_context(context)?;
    file.seek(SeekFrom::End(0)).with_context(context)?;
    let text = std::str::from_utf8(&bytes[..whole]).with_context(context)?;
    let rows = text.lines().map(|line| Ok((line.to_owned(), serde_json::from_str(line)?)));
    let rows: Result<_, serde_json::Error> = rows.collect();
    Ok((file, rows.with_context(context)?))
}

#[cfg(test)]
mod tests {
    use op_catalog::wire::row::{Failure, FailureKind};
    use op_catalog::wire::{
        Item, MeasuringProtocol, Outcome, PROTOCOL_VERSION, Precision, Runtime,
    };

    use super::*;

    const KEYS: [&str; 2] = ["conv-k3-in8x8x3-out8x8x4-s1", "conv-k1-in8x8x4-out8x8x4-s1"];

    fn request(label: &str, batch: u32) -> JobRequest {
        let item = |key: &str| Item { id: key.to_owned(), blocks: vec![key.parse().unwrap()] };
        JobRequest {
            protocol_version: PROTOCOL_VERSION,
            label: label.to_owned(),
            runtime: Runtime::Mock,
            threads: 1,
            batch,
            precision: Precision::F32,
            weight_seed: 1,
            core: None,
            protocol: MeasuringProtocol::standard(),
            items: KEYS.map(item).to_vec(),
        }
    }

    fn row(key: &str) -> Row {
        let failure = Failure { kind: FailureKind::Runtime, message: "no".to_owned(), attempts: 1 };
        Row {
            id: key.to_owned(),
            blocks: vec![key.parse().unwrap()],
            outcome: Outcome::Failed(failure),
        }
    }

    fn keep(journal: &mut Journal, key: &str) -> String {
        let line = serde_json::to_string(&row(key)).unwrap();
        journal.keep(line.clone(), row(key)).unwrap();
        line
    }

    #[test]
    fn a_journal_is_taken_up_with_its_label_and_rows_and_without_the_half_written_line() {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("table.json");
        let mut journal = Journal::open(&table, request("first", 1), Beginning::Resume).unwrap();
        let line = keep(&mut journal, KEYS[0]);
        drop(journal);
        let rows = Journal::folder_for(&table).join("rows.jsonl");
        fs::write(&rows, format!("{line}\n{{\"id\":\"half")).unwrap();

        let mut journal = Journal::open(&table, request("second", 1), Beginning::Resume).unwrap();
        assert_eq!((journal.current().label.as_str(), journal.rows().len()), ("first", 1));
        assert_eq!(fs::read_to_string(&rows).unwrap(), format!("{line}\n"));
        assert!(!journal.is_complete());
        keep(&mut journal, KEYS[1]);
        assert!(journal.is_complete());
        journal.remove().unwrap();
        assert!(!Journal::folder_for(&table).exists());
    }

    #[test]
    fn an_agent_that_has_forgotten_the_job_is_asked_for_the_rest_only() {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("table.json");
        let mut journal = Journal::open(&table, request("first", 1), Beginning::Resume).unwrap();
        keep(&mut journal, KEYS[0]);
        journal.begin_rest("rest".to_owned()).unwrap();
        assert_eq!(
            journal.current().items.iter().map(|item| item.id.as_str()).collect::<Vec<_>>(),
            [KEYS[1]]
        );
        assert_eq!(journal.current_rows(), 0);
        assert_eq!(journal.whole().items.len(), 2);
    }

    #[test]
    fn a_journal_of_another_profile_is_refused_by_what_differs_unless_it_is_thrown_away() {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("table.json");
        let mut journal = Journal::open(&table, request("first", 1), Beginning::Resume).unwrap();
        keep(&mut journal, KEYS[0]);
        let used = Journal::open(&table, request("second", 1), Beginning::Resume).err().unwrap();
        assert!(format!("{used:#}").contains("is used by another host"), "{used:#}");
        drop(journal);
        let other = Journal::open(&table, request("second", 8), Beginning::Resume).err().unwrap();
        assert!(format!("{other:#}").contains("its `batch` differs"), "{other:#}");
        let fresh = Journal::open(&table, request("second", 8), Beginning::Restart).unwrap();
        assert_eq!(fresh.rows().len(), 0);
    }
}
