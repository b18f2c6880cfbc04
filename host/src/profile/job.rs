//! A profile's job is what an agent does for it: begun, taken up again, followed to its end or stopped.

use std::time::SystemTime;

use anyhow::ensure;
use op_catalog::wire::{DeviceInfo, JobOutcome, JobStatus};

use super::again;
use crate::agent_client::JobEvent;
use crate::connection::{Connected, DeviceArgs};
use crate::journal::Journal;
use crate::progress::Progress;
use command_line::hint::WithHint;
use command_line::output;

/// Times that a local agent which died is started again.
const RESTARTS: u32 = 3;

/// How following a job ended.
pub(crate) enum End {
    /// Every item has its row; the status is `None` where the agent has forgotten the job since.
    Done(Option<JobStatus>),
    /// The user stopped it.
    Interrupted,
}

/// A job that ended, and where.
pub(crate) struct Ended {
    /// The device, still connected.
    pub(crate) connected: Connected,
    /// What it is.
    pub(crate) device: DeviceInfo,
    /// How it ended.
    pub(crate) end: End,
}

impl Ended {
    /// Whether the user stopped it.
    pub(crate) fn is_interrupted(&self) -> bool {
        matches!(self.end, End::Interrupted)
    }

    /// Where the job stands at its end, where the agent still knows it.
    pub(crate) fn status(&self) -> Option<&JobStatus> {
        match &self.end {
            End::Done(status) => status.as_ref(),
            End::Interrupted => None,
        }
    }
}

/// Has the device measure what the journal lacks. A local agent that dies is started again and goes on.
/// `what` is what its items are called.
pub(crate) async fn measure(
    args: &DeviceArgs,
    journal: &mut Journal,
    what: &str,
) -> anyhow::Result<Ended> {
    let mut restarts = 0;
    loop {
        let connected = args.connect(journal.whole().runtime, &journal.spool())?;
        let attempt = async {
            let device = connected.client.device().await?;
            journal.belongs_to(&device.fingerprint)?;
            Ok((device, follow(&connected, journal, what).await?))
        };
        let attempted = tokio::select! {
            attempted = attempt => attempted,
            error = connected.ended() => Err(error),
        };
        match attempted {
            Ok((device, end)) => return Ok(Ended { connected, device, end }),
            Err(error) if connected.has_ended() && restarts < RESTARTS => {
                output::note(&format!("warning: {error:#}; starting it again"));
                restarts += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Follows the job, from the first row that the journal lacks.
async fn follow(connected: &Connected, journal: &mut Journal, what: &str) -> anyhow::Result<End> {
    let client = &connected.client;
    let known = client.status(&journal.current_id()).await?;
    if journal.is_complete() {
        return Ok(End::Done(known));
    }
    // An agent that has forgotten a job that it gave rows of would measure these again.
    if known.is_none() && journal.current_rows() > 0 {
        journal.begin_rest(fresh_label())?;
    }
    let status = client.submit(journal.current()).await?;
    output::note(&format!(
        "measuring {} {} on `{}`; Ctrl-C stops, and the same command goes on",
        journal.current().items.len() - journal.current_rows(),
        what,
        connected.name
    ));
    let rows = journal.current_rows();
    let mut progress = Progress::new(journal.rows().len() - rows);
    let following = client.follow(&status.id, rows, |event| match event {
        JobEvent::Row { line, row } => journal.keep(line, *row),
        JobEvent::Progress(news) => {
            progress.show(&news);
            Ok(())
        }
    });
    let ended = tokio::select! {
        ended = following => Some(ended),
        _ = tokio::signal::ctrl_c() => None,
    };
    progress.finish();
    let Some(ended) = ended else {
        // The partial table is written whatever the agent says.
        if let Err(error) = client.cancel(&status.id).await {
            output::note(&format!("warning: the agent may still be measuring: {error:#}"));
        }
        return Ok(End::Interrupted);
    };
    let status = completed(ended?).hint(format!("go on with `{}`", again::command()))?;
    ensure!(
        journal.is_complete(),
        "the agent says that it is done, but gave {} of {} rows",
        journal.rows().len(),
        journal.whole().items.len()
    );
    Ok(End::Done(Some(status)))
}

/// Refuses a job that ended before all its items had a row.
pub(crate) fn completed(status: JobStatus) -> anyhow::Result<JobStatus> {
    match (status.outcome, &status.message) {
        (Some(JobOutcome::Completed), _) => Ok(status),
        (Some(JobOutcome::Cancelled), _) => anyhow::bail!("somebody cancelled the job"),
        (_, message) => {
            let reason = message.as_deref().unwrap_or("it does not say why");
            Err(anyhow::anyhow!("the agent could not measure: {reason}"))
                .hint("look at the agent's log")
        }
    }
}

/// A label that no other run has.
pub(crate) fn fresh_label() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("host-{}-{}", now.as_nanos(), std::process::id())
}
