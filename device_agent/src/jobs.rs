//! The jobs of an agent: the queue, what is known of each, and who waits for news of it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use op_catalog::Milliseconds;
use op_catalog::wire::row::Outcome;
use op_catalog::wire::status::CanaryPoint;
use op_catalog::wire::{
    DeviceInfo, Job, JobId, JobOutcome, JobState, JobStatus, Problem, ProblemCode, Progress, Row,
};
use tokio::sync::{Notify, watch};

use crate::availability;
use crate::limits::Limits;
use crate::runner::Observer;
use crate::schedule::Schedule;
use crate::spool::{LogLine, Spool, Stored};

/// All jobs that this agent knows.
pub(crate) struct Jobs {
    pub(crate) spool: Spool,
    pub(crate) device: DeviceInfo,
    pub(crate) limits: Limits,
    inner: Mutex<Inner>,
    queued: Notify,
}

struct Inner {
    jobs: HashMap<JobId, Entry>,
    queue: VecDeque<JobId>,
}

struct Entry {
    status: JobStatus,
    rows: Vec<String>,
    changed: watch::Sender<()>,
    cancelled: watch::Sender<Stopping>,
}

/// Whether a job is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopping {
    /// It goes on.
    No,
    /// It stops as soon as it can.
    Yes,
}

/// Whether a submission began something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Submission {
    /// A new job, or one that goes on.
    Accepted,
    /// A job that was known and needs nothing.
    Known,
}

/// A look at a job: its status and its rows from some row on.
pub(crate) struct View {
    pub(crate) status: JobStatus,
    pub(crate) rows: Vec<String>,
    pub(crate) changed: watch::Receiver<()>,
}

impl Jobs {
    /// All that the spool holds; jobs that were not over are queued again.
    pub(crate) fn open(
        spool: Spool,
        device: DeviceInfo,
        limits: Limits,
    ) -> anyhow::Result<Arc<Self>> {
        let mut inner = Inner { jobs: HashMap::new(), queue: VecDeque::new() };
        for stored in spool.jobs()? {
            let id = stored.job.id().clone();
            if stored.outcome.is_none() {
                inner.queue.push_back(id.clone());
            }
            inner.jobs.insert(id, Entry::restored(stored));
        }
        let queued = Notify::new();
        queued.notify_one();
        Ok(Arc::new(Self { spool, device, limits, inner: Mutex::new(inner), queued }))
    }

    /// Takes a job in, once it is known that this agent can measure it.
    pub(crate) fn submit(&self, job: &Job) -> Result<(Submission, JobStatus), Problem> {
        self.limits.check(job)?;
        availability::check(job, &self.device)?;
        let mut inner = self.lock();
        let known = inner.jobs.get(job.id()).map(|entry| &entry.status);
        if let Some(status) = known
            && (status.state.is_live() || status.outcome == Some(JobOutcome::Completed))
        {
            return Ok((Submission::Known, status.clone()));
        }
        let is_new = known.is_none();
        if inner.queue.len() >= self.limits.queue
            || (is_new && inner.jobs.len() >= self.limits.jobs)
        {
            return Err(queue_full(inner.queue.len(), inner.jobs.len()));
        }
        let id = job.id().clone();
        if is_new {
            self.spool.create(job).map_err(|error| internal(&error))?;
        } else {
            self.spool.set_outcome(&id, None).map_err(|error| internal(&error))?;
        }
        let entry = inner.jobs.entry(id.clone()).or_insert_with(|| Entry::new(job));
        entry.status.state = JobState::Queued;
        entry.status.outcome = None;
        entry.status.message = None;
        entry.cancelled.send_replace(Stopping::No);
        let status = entry.status.clone();
        inner.queue.push_back(id);
        self.queued.notify_one();
        Ok((Submission::Accepted, status))
    }

    /// All statuses, by id.
    pub(crate) fn statuses(&self) -> Vec<JobStatus> {
        let inner = self.lock();
        let mut statuses: Vec<JobStatus> =
            inner.jobs.values().map(|entry| entry.status.clone()).collect();
        statuses.sort_by(|a, b| a.id.cmp(&b.id));
        statuses
    }

    /// A look at a job, with its rows after the first `skip`.
    pub(crate) fn view(&self, id: &JobId, skip: usize) -> Option<View> {
        let inner = self.lock();
        let entry = inner.jobs.get(id)?;
        let rows = entry.rows.iter().skip(skip).cloned().collect();
        Some(View { status: entry.status.clone(), rows, changed: entry.changed.subscribe() })
    }

    /// Whether a measurement is under way.
    pub(crate) fn is_measuring(&self) -> bool {
        self.lock().jobs.values().any(|entry| entry.status.state == JobState::Running)
    }

    /// Stops a job; what it has measured stays. One that is over stays as it is.
    pub(crate) fn cancel(&self, id: &JobId) -> Result<Option<JobStatus>, Problem> {
        let mut inner = self.lock();
        let Some(entry) = inner.jobs.get_mut(id) else { return Ok(None) };
        if entry.status.state == JobState::Queued {
            self.spool
                .set_outcome(id, Some(JobOutcome::Cancelled))
                .map_err(|error| internal(&error))?;
            entry.end(JobOutcome::Cancelled, None);
        }
        entry.cancelled.send_replace(Stopping::Yes);
        let status = entry.status.clone();
        inner.queue.retain(|queued| queued != id);
        Ok(Some(status))
    }

    /// Stops a job and forgets it. `false` where it is not known.
    pub(crate) fn forget(&self, id: &JobId) -> Result<bool, Problem> {
        let mut inner = self.lock();
        inner.queue.retain(|queued| queued != id);
        let Some(entry) = inner.jobs.remove(id) else { return Ok(false) };
        entry.cancelled.send_replace(Stopping::Yes);
        self.spool.remove(id).map_err(|error| internal(&error))?;
        Ok(true)
    }

    /// Waits for the next job and marks it as running.
    pub(crate) async fn next(&self) -> (JobId, watch::Receiver<Stopping>) {
        loop {
            if let Some(next) = self.start_next() {
                return next;
            }
            self.queued.notified().await;
        }
    }

    fn start_next(&self) -> Option<(JobId, watch::Receiver<Stopping>)> {
        let mut inner = self.lock();
        let id = inner.queue.pop_front()?;
        let entry = inner.jobs.get_mut(&id)?;
        entry.status.state = JobState::Running;
        entry.changed.send_replace(());
        let stopping = entry.cancelled.subscribe();
        Some((id, stopping))
    }

    /// Ends a job, on disk first.
    pub(crate) fn end(&self, id: &JobId, outcome: JobOutcome, message: Option<String>) {
        let mut inner = self.lock();
        // A job that was forgotten meanwhile, and perhaps asked for again, is not this one's to end.
        let Some(entry) =
            inner.jobs.get_mut(id).filter(|entry| entry.status.state == JobState::Running)
        else {
            return;
        };
        if let Err(error) = self.spool.set_outcome(id, Some(outcome)) {
            tracing::error!("job {id}: {error:#}");
        }
        entry.end(outcome, message);
    }

    fn update(&self, id: &JobId, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.lock().jobs.get_mut(id) {
            change(entry);
            entry.changed.send_replace(());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that holds the lock leaves the jobs half-changed, so a panic elsewhere is no reason to stop.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn new(job: &Job) -> Self {
        let request = job.request();
        let progress = Progress {
            items: request.items.len() as u64,
            rows: 0,
            failed: 0,
            rounds: 0,
            visits: 0,
            visits_left: request.items.len() as u64 * u64::from(request.protocol.instantiations),
            elapsed: Milliseconds(0.0),
            remaining: None,
        };
        let status = JobStatus {
            id: job.id().clone(),
            label: request.label.clone(),
            state: JobState::Queued,
            outcome: None,
            progress,
            canary: Vec::new(),
            core: None,
            message: None,
        };
        Self {
            status,
            rows: Vec::new(),
            changed: watch::Sender::new(()),
            cancelled: watch::Sender::new(Stopping::No),
        }
    }

    fn restored(stored: Stored) -> Self {
        let mut entry = Self::new(&stored.job);
        for line in stored.log {
            match line {
                LogLine::Canary(point) => {
                    entry.status.progress.elapsed = point.at;
                    entry.status.canary.push(point);
                }
                LogLine::Round => entry.status.progress.rounds += 1,
                LogLine::Visit { .. } => entry.status.progress.visits += 1,
            }
        }
        for (line, row) in stored.rows {
            entry.add_row(&row, line);
        }
        if let Some(outcome) = stored.outcome {
            entry.end(outcome, None);
        }
        entry
    }

    fn add_row(&mut self, row: &Row, line: String) {
        self.rows.push(line);
        self.status.progress.rows += 1;
        self.status.progress.failed += u64::from(matches!(row.outcome, Outcome::Failed(_)));
    }

    fn end(&mut self, outcome: JobOutcome, message: Option<String>) {
        self.status.state = JobState::Done;
        self.status.outcome = Some(outcome);
        self.status.message = message;
        self.status.progress.remaining = None;
        if outcome == JobOutcome::Completed {
            self.status.progress.visits_left = 0;
        }
        self.changed.send_replace(());
    }
}

/// Tells the jobs of one job's progress.
pub(crate) struct JobObserver {
    pub(crate) jobs: Arc<Jobs>,
    pub(crate) id: JobId,
}

impl Observer for JobObserver {
    fn row(&self, row: &Row, line: &str) {
        self.jobs.update(&self.id, |entry| entry.add_row(row, line.to_owned()));
    }

    fn canary(&self, point: &CanaryPoint) {
        self.jobs.update(&self.id, |entry| entry.status.canary.push(point.clone()));
    }

    fn moved(&self, schedule: &Schedule, elapsed: Milliseconds) {
        self.jobs.update(&self.id, |entry| {
            let progress = &mut entry.status.progress;
            progress.rounds = schedule.rounds();
            progress.visits = schedule.visit_count();
            progress.visits_left = schedule.visits_left();
            progress.elapsed = elapsed;
            progress.remaining = schedule.remaining(elapsed);
        });
    }

    fn started_on(&self, core: Option<u32>) {
        self.jobs.update(&self.id, |entry| entry.status.core = core);
    }
}

fn queue_full(queued: usize, stored: usize) -> Problem {
    Problem::new(
        ProblemCode::QueueFull,
        format!("the queue is full: {queued} jobs wait, {stored} are stored"),
    )
    .hint("come back after the time in Retry-After, or delete jobs that are done")
}

fn internal(error: &anyhow::Error) -> Problem {
    tracing::error!("{error:#}");
    Problem::new(
        ProblemCode::Internal,
        format!("the agent could not write to its spool: {error:#}"),
    )
    .hint("look at the agent's log, and whether its disk is full")
}
