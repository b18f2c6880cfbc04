//! A journal is what a profile has so far, on disk: what was asked, and every row byte for byte as the
//! agent gave it. It is there until the table is.

mod kept_rows;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use latency_tables::file;
use op_catalog::wire::{JobId, JobRequest, Row};
use serde::{Deserialize, Serialize};

use command_line::hint::WithHint;
use kept_rows::{KeptRow, check, open_rows, read_rows};

/// What was asked.
const PLAN: &str = "plan.json";
/// A row a line.
const ROWS: &str = "rows.jsonl";
/// Where whole networks have journals of their own.
const NETWORKS: &str = "networks";
/// Where a local agent keeps its jobs.
const SPOOL: &str = "agent";

/// A folder beside the table-to-be; only one host at a time uses it.
pub(crate) struct Journal {
    folder: PathBuf,
    plan: Plan,
    rows: Vec<KeptRow>,
    rows_file: File,
    _lock: File,
}

/// What was asked.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Plan {
    /// The user's name of the device.
    device: String,
    /// What the device was when the first row was asked for.
    fingerprint: Option<String>,
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

    /// The folder of the journal of whole networks, within that of the operations.
    pub(crate) fn networks_folder(&self) -> PathBuf {
        self.folder.join(NETWORKS)
    }

    /// Opens a journal in a folder, or begins one. `request` has a fresh label; one that is resumed keeps
    /// its own.
    pub(crate) fn open(
        folder: &Path,
        device: &str,
        request: JobRequest,
        beginning: Beginning,
    ) -> anyhow::Result<Self> {
        let folder = folder.to_owned();
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let lock = File::create(folder.join("lock"))
            .with_context(|| format!("opening {}", folder.display()))?;
        lock.try_lock()
            .with_context(|| format!("{} is used by another host", folder.display()))
            .hint("wait for it, or choose another --out")?;
        let resumed = match beginning {
            Beginning::Restart => None,
            Beginning::Resume => resume(&folder, device, &request)?,
        };
        let (plan, rows) = if let Some(resumed) = resumed {
            resumed
        } else {
            clear(&folder)?;
            let device = device.to_owned();
            let plan = Plan {
                device,
                fingerprint: None,
                whole: request.clone(),
                current: request,
                rows_before: 0,
            };
            (plan, Vec::new())
        };
        let rows_file = open_rows(&folder.join(ROWS), &rows)?;
        let journal = Self { folder, plan, rows, rows_file, _lock: lock };
        journal.write_plan()?;
        Ok(journal)
    }

    /// Refuses a device that is another one than that of the rows so far.
    pub(crate) fn belongs_to(&mut self, fingerprint: &str) -> anyhow::Result<()> {
        match &self.plan.fingerprint {
            Some(begun) if begun != fingerprint && !self.rows.is_empty() => {
                Err(anyhow::anyhow!(
                    "{} was begun on another device or runtime: its fingerprint is {begun}, this one's {fingerprint}",
                    self.folder.display()
                ))
                .hint("measure anew with --restart, or choose another --out")
            }
            Some(begun) if begun == fingerprint => Ok(()),
            _ => {
                self.plan.fingerprint = Some(fingerprint.to_owned());
                self.write_plan()
            }
        }
    }

    /// Where a local agent keeps its jobs, so that they are found again.
    pub(crate) fn spool(&self) -> PathBuf {
        self.folder.join(SPOOL)
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
        check(&self.plan.whole, &self.rows, &row)?;
        let written = self
            .rows_file
            .write_all(format!("{line}\n").as_bytes())
            .and_then(|()| self.rows_file.sync_data());
        written.with_context(|| format!("writing to {}", self.folder.display()))?;
        self.rows.push((line, row));
        Ok(())
    }

    /// Removes the journal, once the table is there.
    pub(crate) fn remove(&self) -> anyhow::Result<()> {
        fs::remove_dir_all(&self.folder)
            .with_context(|| format!("removing {}", self.folder.display()))
    }

    fn write_plan(&self) -> anyhow::Result<()> {
        Ok(file::write_text(&self.folder.join(PLAN), &serde_json::to_string_pretty(&self.plan)?)?)
    }
}

/// What an earlier run has left in the folder, if it is of the same request. A journal of another
/// request is refused if there are rows in it, and worth nothing if not.
fn resume(
    folder: &Path,
    device: &str,
    request: &JobRequest,
) -> anyhow::Result<Option<(Plan, Vec<KeptRow>)>> {
    let path = folder.join(PLAN);
    // Rows without a plan belong to nothing.
    if !path.exists() {
        return Ok(None);
    }
    let reading = || format!("reading {}", path.display());
    let text = fs::read_to_string(&path).with_context(reading)?;
    let plan: Plan = serde_json::from_str(&text)
        .with_context(reading)
        .hint("throw it away with --restart if another release of host has written it")?;
    let rows = read_rows(&folder.join(ROWS), &plan.whole)?;
    match same_profile(&plan, device, request) {
        Err(_) if rows.is_empty() => Ok(None),
        Err(error) => Err(error)
            .with_context(|| format!("{} holds another profile", folder.display()))
            .hint("repeat the options of that profile to go on with it, or throw it away with --restart"),
        Ok(()) => Ok(Some((plan, rows))),
    }
}

/// Refuses a profile of something else, naming the first field that differs.
fn same_profile(plan: &Plan, device: &str, request: &JobRequest) -> anyhow::Result<()> {
    ensure!(plan.device == device, "it is of the device `{}`", plan.device);
    let relabelled = JobRequest { label: plan.whole.label.clone(), ..request.clone() };
    let (old, new) = (serde_json::to_value(&plan.whole)?, serde_json::to_value(&relabelled)?);
    let differing =
        old.as_object().into_iter().flatten().find(|(field, value)| new.get(field) != Some(value));
    match differing {
        None => Ok(()),
        Some((field, _)) => anyhow::bail!("its `{field}` differs from what is asked now"),
    }
}

fn clear(folder: &Path) -> anyhow::Result<()> {
    for name in [PLAN, ROWS] {
        let path = folder.join(name);
        if path.exists() {
            fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
        }
    }
    for name in [SPOOL, NETWORKS] {
        let path = folder.join(name);
        if path.exists() {
            fs::remove_dir_all(&path).with_context(|| format!("removing {}", path.display()))?;
        }
    }
    Ok(())
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

    fn folder_in(folder: &Path) -> PathBuf {
        Journal::folder_for(&folder.join("table.json"))
    }

    fn open(folder: &Path, device: &str, request: JobRequest) -> anyhow::Result<Journal> {
        Journal::open(&folder_in(folder), device, request, Beginning::Resume)
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
        let mut journal = open(folder.path(), "board", request("first", 1)).unwrap();
        let line = keep(&mut journal, KEYS[0]);
        drop(journal);
        let rows = folder_in(folder.path()).join("rows.jsonl");
        fs::write(&rows, format!("{line}\n{{\"id\":\"half")).unwrap();

        let mut journal = open(folder.path(), "board", request("second", 1)).unwrap();
        assert_eq!((journal.current().label.as_str(), journal.rows().len()), ("first", 1));
        assert_eq!(fs::read_to_string(&rows).unwrap(), format!("{line}\n"));
        assert!(!journal.is_complete());
        keep(&mut journal, KEYS[1]);
        assert!(journal.is_complete());
        journal.remove().unwrap();
        assert!(!folder_in(folder.path()).exists());
    }

    #[test]
    fn an_agent_that_has_forgotten_the_job_is_asked_for_the_rest_only() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = open(folder.path(), "board", request("first", 1)).unwrap();
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
        let mut journal = open(folder.path(), "board", request("first", 1)).unwrap();
        keep(&mut journal, KEYS[0]);
        let used = open(folder.path(), "board", request("second", 1)).err().unwrap();
        assert!(format!("{used:#}").contains("is used by another host"), "{used:#}");
        drop(journal);
        let other = open(folder.path(), "phone", request("second", 1)).err().unwrap();
        assert!(format!("{other:#}").contains("it is of the device `board`"), "{other:#}");
        let other = open(folder.path(), "board", request("second", 8)).err().unwrap();
        assert!(format!("{other:#}").contains("its `batch` differs"), "{other:#}");
        let fresh = Journal::open(
            &folder_in(folder.path()),
            "board",
            request("second", 8),
            Beginning::Restart,
        )
        .unwrap();
        assert_eq!(fresh.rows().len(), 0);
    }

    #[test]
    fn a_journal_without_rows_gives_way_to_another_profile() {
        let folder = tempfile::tempdir().unwrap();
        drop(open(folder.path(), "board", request("first", 1)).unwrap());
        let journal = open(folder.path(), "board", request("second", 8)).unwrap();
        assert_eq!(journal.whole().batch, 8);
    }

    #[test]
    fn rows_of_two_devices_never_meet_in_one_table() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = open(folder.path(), "board", request("first", 1)).unwrap();
        journal.belongs_to("aa").unwrap();
        keep(&mut journal, KEYS[0]);
        drop(journal);
        let mut journal = open(folder.path(), "board", request("second", 1)).unwrap();
        journal.belongs_to("aa").unwrap();
        let error = journal.belongs_to("bb").unwrap_err();
        assert!(error.to_string().contains("its fingerprint is aa, this one's bb"), "{error}");
    }

    #[test]
    fn a_row_that_was_not_asked_for_or_came_before_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = open(folder.path(), "board", request("first", 1)).unwrap();
        keep(&mut journal, KEYS[0]);
        let stranger = Row { id: "stranger".to_owned(), ..row(KEYS[1]) };
        let mixed_up = Row { id: KEYS[1].to_owned(), ..row(KEYS[0]) };
        for (row, complaint) in [
            (row(KEYS[0]), "came twice"),
            (stranger, "was not asked for"),
            (mixed_up, "is of other blocks"),
        ] {
            let error = journal.keep("{}".to_owned(), row).unwrap_err();
            assert!(error.to_string().contains(complaint), "{error}");
        }
        assert_eq!(journal.rows().len(), 1);
    }
}
