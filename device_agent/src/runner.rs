//! A runner measures one job from wherever it stands to its end: rounds of visits, a canary around each
//! visit, every visit and row on disk before anybody is told.

use std::time::Instant;

use anyhow::bail;
use op_catalog::Milliseconds;
use op_catalog::wire::row::Failure;
use op_catalog::wire::status::CanaryPoint;
use op_catalog::wire::{JobRequest, Row};

use crate::child::{Child, ChildLost};
use crate::measuring::assessment::{HeadlineRule, JudgedVisit, Steadiness};
use crate::measuring::canary::UsualSpeed;
use crate::measuring::visit::Visit;
use crate::schedule::Schedule;
use crate::spool::{JobFolder, LogLine, Stored};
use crate::worker::{Command, Orders, Reply};

/// Times that an item is tried, each time in a fresh child, before it counts as failed.
const ATTEMPTS: u32 = 2;
/// Children that may die over the canary, which is no item's fault, before the job is given up.
const CANARY_ATTEMPTS: u32 = 10;

/// Is told of a job's progress as it happens.
pub(crate) trait Observer {
    /// A row is on disk; `line` is what stands there.
    fn row(&self, row: &Row, line: &str);
    /// The canary ran.
    fn canary(&self, point: &CanaryPoint);
    /// The schedule moved on.
    fn moved(&self, schedule: &Schedule, elapsed: Milliseconds);
    /// A child was started; `core` is where it is pinned.
    fn started_on(&self, core: Option<u32>);
}

/// Measures one job.
pub(crate) struct Runner<'a, O: Observer> {
    request: JobRequest,
    cores: Vec<u32>,
    schedule: Schedule,
    folder: JobFolder,
    observer: &'a O,
    child: Option<Child>,
    last_canary: Option<CanaryPoint>,
    usual_speed: UsualSpeed,
    children: u64,
    earlier: Milliseconds,
    started: Instant,
}

impl<'a, O: Observer> Runner<'a, O> {
    /// A runner that takes up a job where its folder left it. `cores` are those to measure on.
    pub(crate) fn new(
        stored: Stored,
        folder: JobFolder,
        cores: Vec<u32>,
        rule: HeadlineRule,
        observer: &'a O,
    ) -> Self {
        let request = stored.job.request().clone();
        let mut schedule = Schedule::new(request.clone(), rule);
        let mut earlier = Milliseconds(0.0);
        let mut usual_speed = UsualSpeed::default();
        for line in stored.log {
            match line {
                LogLine::Visit { item, judged } => schedule.visited(item, judged),
                LogLine::Canary(point) => {
                    earlier = point.at;
                    usual_speed.note(point.time.0);
                }
                LogLine::Round => schedule.remember_round(),
            }
        }
        for (_, row) in &stored.rows {
            schedule.remember_row(&row.id);
        }
        Self {
            request,
            cores,
            schedule,
            folder,
            observer,
            child: None,
            last_canary: None,
            usual_speed,
            children: 0,
            earlier,
            started: Instant::now(),
        }
    }

    /// Measures until every item has its row.
    ///
    /// # Errors
    /// A disk that cannot be written, or a child that cannot even run the canary.
    pub(crate) async fn run(&mut self) -> anyhow::Result<()> {
        // Items whose last visit is on disk, but not their row.
        for item in 0..self.request.items.len() {
            self.finish(item)?;
        }
        loop {
            let items = self.schedule.next_round();
            if items.is_empty() {
                self.dismiss_child().await;
                return Ok(());
            }
            self.folder.log(&[LogLine::Round])?;
            for item in items {
                self.visit_steadily(item).await?;
                self.observer.moved(&self.schedule, self.elapsed());
            }
            if self.schedule.rounds().is_multiple_of(self.request.protocol.rounds_per_child) {
                self.dismiss_child().await;
            }
        }
    }

    /// Lets the child end. The next one needs a canary of its own.
    async fn dismiss_child(&mut self) {
        if let Some(child) = self.child.take() {
            child.dismiss().await;
        }
        self.last_canary = None;
    }

    /// Visits an item between two canaries, again if the device was slower than usual around it.
    async fn visit_steadily(&mut self, item: usize) -> anyhow::Result<()> {
        for repeat in 0..=self.request.protocol.round_repeats {
            let before = match self.last_canary.take() {
                Some(point) => point,
                None => self.canary().await?,
            };
            let visit = match self.visit(item).await {
                Ok(visit) => visit,
                Err(failure) => {
                    let row = self.schedule.fail(item, failure);
                    return self.write_row(&row);
                }
            };
            let after = self.canary().await?;
            let drift = self.usual_speed.drift(before.time.0.max(after.time.0));
            self.last_canary = Some(after);
            let steadiness = if drift <= self.request.protocol.max_drift {
                Steadiness::Steady
            } else {
                Steadiness::Drifting
            };
            if steadiness == Steadiness::Steady || repeat == self.request.protocol.round_repeats {
                let round = self.schedule.rounds().saturating_sub(1);
                return self.accept(item, JudgedVisit { round, steadiness, visit });
            }
        }
        Ok(())
    }

    async fn visit(&mut self, item: usize) -> Result<Visit, Failure> {
        let command = Command::Visit(self.request.items[item].blocks.clone());
        let mut attempts = 0;
        loop {
            attempts += 1;
            let failed =
                |lost: ChildLost| Failure { kind: lost.kind, message: lost.message, attempts };
            match self.ask(&command).await {
                Ok(Reply::Visit(visit)) => return Ok(visit),
                Ok(Reply::Refused(message)) => {
                    return Err(Failure {
                        kind: op_catalog::wire::row::FailureKind::Runtime,
                        message,
                        attempts,
                    });
                }
                Ok(other) => return Err(failed(confused(&other))),
                Err(lost) if attempts >= ATTEMPTS => return Err(failed(lost)),
                Err(lost) => {
                    tracing::warn!("{}: {lost}; trying again", self.request.items[item].id);
                }
            }
        }
    }

    /// Runs the canary and writes down what it said.
    async fn canary(&mut self) -> anyhow::Result<CanaryPoint> {
        let mut attempts = 0;
        let (nanoseconds, frequency_mhz) = loop {
            attempts += 1;
            match self.ask(&Command::Canary).await {
                Ok(Reply::Canary { nanoseconds, frequency_mhz }) => {
                    break (nanoseconds, frequency_mhz);
                }
                Ok(Reply::Refused(message)) => bail!("the canary: {message}"),
                Ok(other) => bail!(confused(&other)),
                Err(lost) if attempts >= CANARY_ATTEMPTS => bail!(lost),
                Err(lost) => tracing::warn!("canary: {lost}; trying again"),
            }
        };
        let point = CanaryPoint {
            at: self.elapsed(),
            round: self.schedule.rounds().saturating_sub(1),
            time: Milliseconds::from_nanoseconds(nanoseconds),
            frequency_mhz,
        };
        self.folder.log(&[LogLine::Canary(point.clone())])?;
        self.usual_speed.note(point.time.0);
        self.observer.canary(&point);
        Ok(point)
    }

    /// Asks the child, starting one where there is none; a lost child is gone for the next question.
    async fn ask(&mut self, command: &Command) -> Result<Reply, ChildLost> {
        let mut child = match self.child.take() {
            Some(child) => child,
            None => self.start_child().await?,
        };
        let reply = child.ask(command).await?;
        self.child = Some(child);
        Ok(reply)
    }

    async fn start_child(&mut self) -> Result<Child, ChildLost> {
        self.children += 1;
        let request = &self.request;
        let orders = Orders {
            runtime: request.runtime,
            threads: request.threads,
            batch: request.batch,
            weight_seed: request.weight_seed,
            noise_seed: request.protocol.shuffle_seed
                ^ (self.schedule.visit_count() << 16)
                ^ self.children,
            cores: self.cores.clone(),
            protocol: request.protocol.clone(),
        };
        let child = Child::start(&orders).await?;
        let single = (self.cores.len() == 1).then(|| self.cores[0]);
        self.observer.started_on(single.filter(|_| child.pinned));
        Ok(child)
    }

    /// Writes a visit down, and the row that it completes.
    fn accept(&mut self, item: usize, judged: JudgedVisit) -> anyhow::Result<()> {
        self.folder.log(&[LogLine::Visit { item, judged: judged.clone() }])?;
        self.schedule.visited(item, judged);
        self.finish(item)
    }

    fn finish(&mut self, item: usize) -> anyhow::Result<()> {
        match self.schedule.finish(item) {
            Some(row) => self.write_row(&row),
            None => Ok(()),
        }
    }

    fn write_row(&mut self, row: &Row) -> anyhow::Result<()> {
        let line = self.folder.row(row)?;
        self.observer.row(row, &line);
        Ok(())
    }

    fn elapsed(&self) -> Milliseconds {
        Milliseconds(self.earlier.0 + self.started.elapsed().as_secs_f64() * 1e3)
    }
}

fn confused(reply: &Reply) -> ChildLost {
    let message = format!("the measuring child gave an answer that was not asked for: {reply:?}");
    ChildLost { kind: op_catalog::wire::row::FailureKind::ChildDied, message }
}
