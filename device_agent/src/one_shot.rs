//! One-shot measuring: a request in, rows out, no network.

use std::cell::Cell;
use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use op_catalog::Milliseconds;
use op_catalog::wire::status::CanaryPoint;
use op_catalog::wire::{Job, Row};

use crate::availability;
use crate::backend::Offer;
use crate::cli::Measure;
use crate::clock::SystemClock;
use crate::device::{allowed_cores, device_info};
use crate::engine::{keep_off, measuring_cores};
use crate::measuring::assessment::HeadlineRule;
use crate::runner::{Observer, Runner};
use crate::schedule::Schedule;
use crate::spool::Spool;

/// Measures the request and prints its rows.
pub(crate) async fn run(options: &Measure, offers: &[Offer]) -> anyhow::Result<ExitCode> {
    let job = Job::parse(&read(options.request.as_deref())?)?;
    let request = job.request().clone();
    let cores_allowed = allowed_cores();
    availability::check(&job, &device_info(&cores_allowed, offers))?;
    let kept;
    let folder = if let Some(folder) = &options.spool {
        folder.as_path()
    } else {
        kept = TemporaryFolder::new()?;
        kept.0.as_path()
    };
    let spool = Spool::open(folder)?;
    if spool.job(job.id()).is_err() {
        spool.create(&job)?;
    }
    let stored = spool.job(job.id())?;
    let printer = Printer { failed: Cell::new(0) };
    for (line, row) in &stored.rows {
        printer.row(row, line);
    }
    let cores = measuring_cores(&request, &cores_allowed);
    keep_off(&cores, &cores_allowed);
    let rule = HeadlineRule::for_job(&request, SystemClock::thread_cpu_ns().is_some());
    Runner::new(stored, spool.open_job(job.id())?, cores, rule, &printer).run().await?;
    spool.remove(job.id())?;
    Ok(if printer.failed.get() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(file: Option<&Path>) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match file {
        Some(file) => {
            bytes = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
        }
        None => {
            std::io::stdin()
                .read_to_end(&mut bytes)
                .context("reading the request from standard input")?;
        }
    }
    Ok(bytes)
}

/// A folder of this process's own, removed at the end.
struct TemporaryFolder(std::path::PathBuf);

impl TemporaryFolder {
    fn new() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("device_agent-{}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Prints rows to standard output.
struct Printer {
    failed: Cell<u32>,
}

impl Observer for Printer {
    fn row(&self, row: &Row, line: &str) {
        self.failed.set(self.failed.get() + u32::from(row.measurement().is_none()));
        let mut output = std::io::stdout().lock();
        // Whoever stopped reading stopped the program that he asked.
        if writeln!(output, "{line}").and_then(|()| output.flush()).is_err() {
            tracing::warn!("nobody reads the rows");
        }
    }

    fn canary(&self, point: &CanaryPoint) {
        tracing::debug!("canary {}", point.time);
    }

    fn moved(&self, schedule: &Schedule, elapsed: Milliseconds) {
        tracing::debug!(
            "round {}, {} visits, {elapsed:.0}",
            schedule.rounds(),
            schedule.visit_count()
        );
    }

    fn started_on(&self, core: Option<u32>) {
        tracing::debug!("a child on core {core:?}");
    }
}
