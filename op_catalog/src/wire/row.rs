//! A row is what is known of one item at the end: its measurement, or why there is none.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Milliseconds, PlacedOp};

/// The result of one item. Once finished it never changes, not by a byte.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Row {
    /// The item's id in its request.
    pub id: String,
    /// The item's blocks.
    #[schema(value_type = Vec<String>)]
    pub blocks: Vec<PlacedOp>,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What came of an item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It was measured.
    Measured(Box<Measurement>),
    /// It could not be measured.
    Failed(Failure),
}

/// Why an item could not be measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// What kind of failure.
    pub kind: FailureKind,
    /// What happened, e.g. `child killed by signal 9 (SIGKILL)`.
    pub message: String,
    /// How often it was tried, each time in a fresh child.
    pub attempts: u32,
}

/// The kinds of failures of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The runtime refused the item with an error.
    Runtime,
    /// The measuring child died: a crash, an abort, a kill, such as for memory.
    ChildDied,
    /// The measuring child was silent for too long and was killed.
    TimedOut,
}

/// Statistics of an item's samples. `min` to `variance` are wall time per run, over all samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Measurement {
    /// Number of samples.
    pub n: u64,
    /// Runs per sample: more than 1 only for operations too short for the clock.
    pub runs_per_sample: u32,
    /// Visits, each with a fresh instantiation in a fresh child.
    pub instantiations: u32,
    /// Fastest sample.
    pub min: Milliseconds,
    /// 10th percentile.
    pub p10: Milliseconds,
    /// Median.
    pub p50: Milliseconds,
    /// Mean.
    pub mean: Milliseconds,
    /// 90th percentile.
    pub p90: Milliseconds,
    /// Variance of the samples in square milliseconds.
    pub variance: f64,
    /// CPU time of the measuring thread; `null` where the device has no such clock or the runtime
    /// works on several threads.
    pub thread_cpu: Option<ThreadCpu>,
    /// The value that predictions add up.
    pub headline: Headline,
    /// Share of samples without an involuntary context switch; `null` where the device does not tell.
    pub clean_fraction: Option<f64>,
    /// Whether every stop condition was met before the cap.
    pub converged: bool,
    /// The stop conditions that were not met.
    pub unmet: Vec<Condition>,
    /// What makes the row doubtful.
    pub flags: Vec<Flag>,
    /// Time of the first run of an instantiation, median over visits.
    pub first_run: Milliseconds,
    /// Time to load and optimise the item in the runtime, median over visits.
    pub preparation: Milliseconds,
    /// The headline statistic of each visit, in the order of the rounds.
    pub visits: Vec<Milliseconds>,
    /// The round of each of these visits, from 0: what slowed the device in a round met all of its items.
    #[serde(default)]
    pub rounds: Vec<u32>,
}

/// Statistics of the measuring thread's CPU time per run, over all samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ThreadCpu {
    /// Fastest sample.
    pub min: Milliseconds,
    /// 10th percentile.
    pub p10: Milliseconds,
    /// Median.
    pub p50: Milliseconds,
}

/// The one value of a row that predictions add up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Headline {
    /// Which statistic it is.
    pub statistic: HeadlineStatistic,
    /// Median over visits of the visits' medians, or of their fastest samples.
    pub value: Milliseconds,
    /// Lower end of its nonparametric confidence interval.
    pub ci_low: Milliseconds,
    /// Upper end.
    pub ci_high: Milliseconds,
    /// Confidence that the interval reaches with so many visits; below the one asked for where there
    /// were too few.
    pub confidence: f64,
    /// Half the interval's width over the value.
    pub relative_error: f64,
    /// Why this statistic.
    pub reason: String,
}

/// The statistics that a headline can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HeadlineStatistic {
    /// Median wall time.
    WallP50,
    /// Median CPU time of the measuring thread.
    ThreadCpuP50,
    /// Median over visits of the fastest sample's wall time.
    WallFastest,
    /// Median over visits of the fastest sample's CPU time of the measuring thread.
    ThreadCpuFastest,
}

/// The stop conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// So many fresh instantiations.
    Instantiations,
    /// Sampled for so long.
    MinTime,
    /// So many samples.
    MinSamples,
    /// A confidence interval this narrow.
    TargetRelativeError,
}

/// What makes a row doubtful.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Flag {
    /// The canary drifted around one of its visits even after the repeats.
    Drift,
    /// Fewer than half of the samples were free of involuntary context switches, and the headline is
    /// wall time.
    Interference,
}

impl Row {
    /// The measurement, if there is one.
    pub fn measurement(&self) -> Option<&Measurement> {
        match &self.outcome {
            Outcome::Measured(measurement) => Some(measurement),
            Outcome::Failed(_) => None,
        }
    }
}
