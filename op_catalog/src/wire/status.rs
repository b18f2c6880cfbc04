//! A status is where a job stands: its lifecycle and, once over, its outcome, kept apart.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Milliseconds;
use crate::wire::JobId;

/// Where a job stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobStatus {
    /// The job.
    #[schema(value_type = String)]
    pub id: JobId,
    /// The label of its request.
    pub label: String,
    /// Where it is in its life.
    pub state: JobState,
    /// How it ended; `null` before.
    pub outcome: Option<JobOutcome>,
    /// How far it is.
    pub progress: Progress,
    /// Time of the canary kernel before, between and after the rounds.
    pub canary: Vec<CanaryPoint>,
    /// Core that the measuring child is pinned to; `null` where it is not.
    pub core: Option<u32>,
    /// Why the whole job failed.
    pub message: Option<String>,
}

/// The life of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Waits for the jobs before it.
    Queued,
    /// Is being measured.
    Running,
    /// Is over.
    Done,
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobOutcome {
    /// Every item has a row, measured or failed.
    Completed,
    /// It was cancelled; submitting the same request goes on where it stopped.
    Cancelled,
    /// The agent could not measure at all.
    Failed,
}

/// How far a job is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Progress {
    /// Items of the job.
    pub items: u64,
    /// Items with a row.
    pub rows: u64,
    /// Of these, items that failed.
    pub failed: u64,
    /// Rounds over the items so far, repeated ones included.
    pub rounds: u32,
    /// Visits so far.
    pub visits: u64,
    /// Visits still to come, as far as can be told.
    pub visits_left: u64,
    /// Time that measuring has taken so far, in all the agent's lives.
    pub elapsed: Milliseconds,
    /// Time left, as far as can be told.
    pub remaining: Option<Milliseconds>,
}

/// One run of the canary: a fixed piece of work whose time shows how fast the device is right now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CanaryPoint {
    /// Measuring time of the job when it ran.
    pub at: Milliseconds,
    /// Round that it stands before, counted from 0; the last one stands after the last round.
    pub round: u32,
    /// How long it took.
    pub time: Milliseconds,
    /// Frequency of the measured core in MHz.
    pub frequency_mhz: Option<f64>,
}

impl JobState {
    /// Whether the job can still give rows.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Queued | Self::Running)
    }
}
