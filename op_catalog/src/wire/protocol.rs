//! A measuring protocol is how an item is measured, as numbers: it travels with the request and is
//! recorded in the table, so that two tables can be compared.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Milliseconds;
use crate::wire::{Problem, ProblemCode};

/// How every item of a job is measured.
///
/// Items are measured in *rounds*: a round visits each unfinished item once, in a shuffled order, in
/// a fresh child process (see `rounds_per_child`), with a canary before and after every visit. A *visit* instantiates the item
/// afresh, warms it up and takes samples. The median of a visit's samples, or the
/// fastest, is one draw of the item's latency; the confidence interval is that of the median over visits, because samples within a visit
/// share their place in memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MeasuringProtocol {
    /// Seed of the order of items in each round.
    pub shuffle_seed: u64,
    /// A visit warms up for at least this long ...
    #[schema(value_type = f64, minimum = 0.0, maximum = 60_000.0)]
    pub warm_up_min: Milliseconds,
    /// ... and at least so many runs.
    #[schema(minimum = 1, maximum = 10_000)]
    pub warm_up_runs: u32,
    /// A visit then samples for at least this long ...
    #[schema(value_type = f64, minimum = 0.0, maximum = 60_000.0)]
    pub visit_min: Milliseconds,
    /// ... and at least so many samples.
    #[schema(minimum = 1, maximum = 100_000)]
    pub visit_samples: u32,
    /// An item is instantiated afresh at least so many times, which is its number of visits.
    #[schema(minimum = 1, maximum = 1000)]
    pub instantiations: u32,
    /// An item is finished when it was sampled for this long in all, ...
    #[schema(value_type = f64, minimum = 0.0, maximum = 3_600_000.0)]
    pub min_time: Milliseconds,
    /// ... has so many samples in all, ...
    #[schema(minimum = 1, maximum = 10_000_000)]
    pub min_samples: u32,
    /// ... and half the width of the confidence interval over the headline value is at most this.
    #[schema(minimum = 0.000_001, maximum = 1.0)]
    pub target_relative_error: f64,
    /// Confidence of the interval, e.g. 0.95.
    #[schema(minimum = 0.5, maximum = 0.9999)]
    pub confidence: f64,
    /// An item that was sampled for this long in all is finished in any case, and says what it missed.
    #[schema(value_type = f64, minimum = 0.001, maximum = 3_600_000.0)]
    pub max_time: Milliseconds,
    /// Short operations run several times per sample, until reading the clocks takes at most this
    /// share of it.
    #[schema(minimum = 0.000_001, maximum = 0.5)]
    pub max_timer_share: f64,
    /// Which clock a row's headline value is read from.
    pub headline: HeadlineChoice,
    /// Which statistic of its samples a visit gives to the headline.
    #[serde(default)]
    pub visit_statistic: VisitStatistic,
    /// When a runtime that works beside the program, as a GPU does, is waited for.
    #[serde(default, skip_serializing_if = "is_default")]
    pub synchronisation: Synchronisation,
    /// Rounds that a child process is for. More than one where its start takes long and where its memory lies does not
    /// matter, as on a GPU.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    #[schema(minimum = 1, maximum = 1000)]
    pub rounds_per_child: u32,
    /// A visit around which the canary is slower than usual by more than this share is repeated ...
    #[schema(minimum = 0.001, maximum = 10.0)]
    pub max_drift: f64,
    /// ... at most so many times, then kept and flagged.
    #[schema(minimum = 0, maximum = 10)]
    pub round_repeats: u32,
    /// A child that is silent for this long while it works on an item is killed.
    #[schema(value_type = f64, minimum = 100.0, maximum = 3_600_000.0)]
    pub watchdog: Milliseconds,
}

/// Which clock a row's headline value, the one that predictions add up, is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HeadlineChoice {
    /// Thread-CPU time where the work runs on one thread and the device has that clock, else wall time.
    Auto,
    /// Wall time.
    Wall,
    /// CPU time of the measuring thread.
    ThreadCpu,
}

/// Which statistic of its samples a visit gives to the headline, which is the median over visits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VisitStatistic {
    /// Their median.
    #[default]
    Median,
    /// The fastest: what else runs on a device only ever adds to a sample, and does so in bursts (Chen and
    /// Revels, arXiv:1608.04295). For visits of few samples, in which a median is not safe from them.
    Fastest,
}

/// When a sample waits for a runtime that works beside the program, as a GPU does. Other runtimes are done when a
/// run returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Synchronisation {
    /// After each run, as who asks a network for its answer waits.
    #[default]
    EachRun,
    /// After the last run of a sample. The start of a run is prepared while the one before it is at work, as the
    /// operations of a network are: what an operation adds to a network.
    EachSample,
}

impl MeasuringProtocol {
    /// The protocol that `host profile` uses where nothing else is said. docs/measuring.md gives the
    /// reason for each number.
    pub fn standard() -> Self {
        Self {
            shuffle_seed: 1,
            warm_up_min: Milliseconds(5.0),
            warm_up_runs: 2,
            visit_min: Milliseconds(15.0),
            visit_samples: 3,
            instantiations: 6,
            min_time: Milliseconds(90.0),
            min_samples: 18,
            target_relative_error: 0.01,
            confidence: 0.95,
            max_time: Milliseconds(1200.0),
            max_timer_share: 0.001,
            headline: HeadlineChoice::Auto,
            visit_statistic: VisitStatistic::Median,
            synchronisation: Synchronisation::EachRun,
            rounds_per_child: 1,
            max_drift: 0.02,
            round_repeats: 3,
            watchdog: Milliseconds(60_000.0),
        }
    }

    /// Refuses numbers with which nothing could be measured or nothing would end.
    ///
    /// # Errors
    /// The first field outside its range, by its path in a request.
    pub fn check(&self) -> Result<(), Problem> {
        let within = |name: &str, value: f64, low: f64, high: f64| {
            if (low..=high).contains(&value) {
                return Ok(());
            }
            let message =
                format!("protocol.{name} is {value}, but must be between {low} and {high}");
            Err(Problem::new(ProblemCode::InvalidValue, message).at(format!("protocol.{name}")))
        };
        within("warm_up_min", self.warm_up_min.0, 0.0, 60_000.0)?;
        within("warm_up_runs", self.warm_up_runs.into(), 1.0, 10_000.0)?;
        within("visit_min", self.visit_min.0, 0.0, 60_000.0)?;
        within("visit_samples", self.visit_samples.into(), 1.0, 100_000.0)?;
        within("instantiations", self.instantiations.into(), 1.0, 1000.0)?;
        within("rounds_per_child", self.rounds_per_child.into(), 1.0, 1000.0)?;
        within("min_time", self.min_time.0, 0.0, 3_600_000.0)?;
        within("min_samples", self.min_samples.into(), 1.0, 10_000_000.0)?;
        within("target_relative_error", self.target_relative_error, 1e-6, 1.0)?;
        within("confidence", self.confidence, 0.5, 0.9999)?;
        within("max_time", self.max_time.0, 0.001, 3_600_000.0)?;
        within("max_timer_share", self.max_timer_share, 1e-6, 0.5)?;
        within("max_drift", self.max_drift, 0.001, 10.0)?;
        within("round_repeats", self.round_repeats.into(), 0.0, 10.0)?;
        within("watchdog", self.watchdog.0, 100.0, 3_600_000.0)
    }
}

/// Whether it is what is assumed where nothing is written, and so need not be: older agents read the request then.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn one() -> u32 {
    1
}

/// As [`is_default`].
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over by reference")]
fn is_one(value: &u32) -> bool {
    *value == one()
}
