//! A row is what a table knows of one placed operation: its statistics, and the one of them that
//! predictions add up.

use op_catalog::wire::Measurement;
use op_catalog::wire::row::{Condition, Flag, Headline, HeadlineStatistic, ThreadCpu};
use op_catalog::{Cost, Milliseconds, PlacedOp};
use serde::{Deserialize, Serialize};

use crate::TableError;

/// A row of a latency table. Times are wall time per run unless said otherwise; what a published
/// table does not tell is `None`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableRow {
    /// The operation.
    pub key: PlacedOp,
    /// Where the numbers come from.
    pub source: RowSource,
    /// Number of samples; 0 of an estimated row.
    pub n: u64,
    /// Fastest sample.
    pub min: Option<Milliseconds>,
    /// 10th percentile.
    pub p10: Option<Milliseconds>,
    /// Median.
    pub p50: Option<Milliseconds>,
    /// Mean.
    pub mean: Option<Milliseconds>,
    /// 90th percentile.
    pub p90: Option<Milliseconds>,
    /// Variance of the samples in square milliseconds.
    pub variance: Option<f64>,
    /// CPU time of the measuring thread.
    pub thread_cpu: Option<ThreadCpu>,
    /// The value that predictions add up.
    pub headline: RowHeadline,
    /// Share of samples without an involuntary context switch.
    pub clean_fraction: Option<f64>,
    /// Whether every stop condition was met before the cap.
    pub converged: Option<bool>,
    /// The stop conditions that were not met.
    pub unmet: Vec<Condition>,
    /// What makes the row doubtful.
    pub flags: Vec<Flag>,
    /// Visits, each with a fresh instantiation in a fresh process.
    pub instantiations: Option<u32>,
    /// Runs per sample: more than 1 only for operations too short for the clock.
    pub runs_per_sample: Option<u32>,
    /// Time of the first run of an instantiation, median over visits.
    pub first_run: Option<Milliseconds>,
    /// Time to load and optimise the operation in the runtime, median over visits.
    pub preparation: Option<Milliseconds>,
    /// The headline statistic of each visit.
    pub visits: Vec<Milliseconds>,
}

/// Where a row comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowSource {
    /// An agent measured it.
    Measured,
    /// It was read from a published table.
    Imported,
    /// Nobody measured it: it follows from the table's other rows.
    Estimated,
}

/// The one value of a row that predictions add up, with its confidence interval where it has one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowHeadline {
    /// Which statistic it is.
    pub statistic: RowStatistic,
    /// The value.
    pub value: Milliseconds,
    /// Lower end of its interval: that of a measured row holds the median with the confidence, that of
    /// an estimated one a measurement.
    pub ci_low: Option<Milliseconds>,
    /// Upper end.
    pub ci_high: Option<Milliseconds>,
    /// Confidence of the interval.
    pub confidence: Option<f64>,
    /// Half the interval's width over the value.
    pub relative_error: Option<f64>,
    /// Why this statistic.
    pub reason: String,
}

/// The statistics that a row's headline can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowStatistic {
    /// Median wall time.
    WallP50,
    /// Median CPU time of the measuring thread.
    ThreadCpuP50,
    /// Median over visits of the fastest sample's wall time.
    WallFastest,
    /// Median over visits of the fastest sample's CPU time of the measuring thread.
    ThreadCpuFastest,
    /// Mean, of a table that publishes nothing else.
    Mean,
    /// A latency of which the table does not say what statistic it is.
    Unstated,
    /// No statistic: an estimate from the table's other rows.
    Estimated,
}

impl TableRow {
    /// The row of a measured operation.
    pub fn from_measurement(key: PlacedOp, measurement: &Measurement) -> Self {
        Self {
            key,
            source: RowSource::Measured,
            n: measurement.n,
            min: Some(measurement.min),
            p10: Some(measurement.p10),
            p50: Some(measurement.p50),
            mean: Some(measurement.mean),
            p90: Some(measurement.p90),
            variance: Some(measurement.variance),
            thread_cpu: measurement.thread_cpu,
            headline: RowHeadline::from(&measurement.headline),
            clean_fraction: measurement.clean_fraction,
            converged: Some(measurement.converged),
            unmet: measurement.unmet.clone(),
            flags: measurement.flags.clone(),
            instantiations: Some(measurement.instantiations),
            runs_per_sample: Some(measurement.runs_per_sample),
            first_run: Some(measurement.first_run),
            preparation: Some(measurement.preparation),
            visits: measurement.visits.clone(),
        }
    }

    /// The row of a published table: `n` samples, their mean and their variance in square
    /// milliseconds. Its headline is the mean.
    pub fn imported(key: PlacedOp, n: u64, mean: Milliseconds, variance: f64) -> Self {
        let row = Self::of_latency(key, RowStatistic::Mean, mean);
        Self { n, mean: Some(mean), variance: Some(variance), ..row }
    }

    /// The row of a table that tells one latency and no more: one sample.
    pub fn of_latency(key: PlacedOp, statistic: RowStatistic, value: Milliseconds) -> Self {
        let reason = match statistic {
            RowStatistic::Mean => "the published table has no other statistic",
            RowStatistic::WallP50 => "the published table has the median",
            RowStatistic::ThreadCpuP50
            | RowStatistic::WallFastest
            | RowStatistic::ThreadCpuFastest => "the published table says so",
            RowStatistic::Unstated => "the table does not say which statistic it is",
            RowStatistic::Estimated => "the table says that it is an estimate",
        };
        let headline = RowHeadline {
            statistic,
            value,
            ci_low: None,
            ci_high: None,
            confidence: None,
            relative_error: None,
            reason: reason.to_owned(),
        };
        Self {
            key,
            source: RowSource::Imported,
            n: 1,
            min: None,
            p10: None,
            p50: None,
            mean: None,
            p90: None,
            variance: None,
            thread_cpu: None,
            headline,
            clean_fraction: None,
            converged: None,
            unmet: Vec::new(),
            flags: Vec::new(),
            instantiations: None,
            runs_per_sample: None,
            first_run: None,
            preparation: None,
            visits: Vec::new(),
        }
    }

    /// The row of an operation that was not measured: an estimate with the interval that holds its time
    /// with this confidence. It has no samples.
    pub fn estimated(
        key: PlacedOp,
        value: Milliseconds,
        interval: [Milliseconds; 2],
        confidence: f64,
        reason: String,
    ) -> Self {
        let [low, high] = interval;
        let headline = RowHeadline {
            statistic: RowStatistic::Estimated,
            value,
            ci_low: Some(low),
            ci_high: Some(high),
            confidence: Some(confidence),
            relative_error: (value.0 > 0.0).then(|| (high.0 - low.0) / 2.0 / value.0),
            reason,
        };
        let bare = Self::of_latency(key, RowStatistic::Estimated, value);
        Self { source: RowSource::Estimated, n: 0, headline, ..bare }
    }

    /// The value that predictions add up.
    pub fn headline(&self) -> Milliseconds {
        self.headline.value
    }

    /// Multiply-accumulates of the operation on one image.
    pub fn macs(&self) -> u64 {
        Cost::of(&self.key.lower()).macs
    }

    /// Refuses numbers that no measurement gives.
    ///
    /// # Errors
    /// A time that is negative or not finite, quantiles or an interval out of order, no samples, an
    /// operation that computes nothing; by the key of the row.
    pub fn check(&self) -> Result<(), TableError> {
        let refuse = |message: String| TableError::Row { key: self.key, message };
        if self.key.is_free() {
            return Err(refuse("it computes nothing and has no latency".to_owned()));
        }
        if self.n == 0 && self.source != RowSource::Estimated {
            return Err(refuse("n is 0".to_owned()));
        }
        let is_estimate = self.headline.statistic == RowStatistic::Estimated;
        if is_estimate != (self.source == RowSource::Estimated) || is_estimate && self.n > 0 {
            let message =
                "a row is an estimate in its source, its headline and 0 samples, or in none";
            return Err(refuse(message.to_owned()));
        }
        for (name, number) in self.numbers() {
            if !number.is_finite() || number < 0.0 {
                return Err(refuse(format!(
                    "{name} is {number}, but must be finite and not negative"
                )));
            }
        }
        let quantiles = [self.min, self.p10, self.p50, self.p90];
        let interval = [self.headline.ci_low, Some(self.headline.value), self.headline.ci_high];
        if !is_ascending(&quantiles) {
            return Err(refuse("min, p10, p50 and p90 are not in ascending order".to_owned()));
        }
        if !is_ascending(&interval) {
            return Err(refuse("the headline value is outside its own interval".to_owned()));
        }
        Ok(())
    }

    /// Every number of the row that must be finite and not negative, with its name.
    fn numbers(&self) -> Vec<(&'static str, f64)> {
        let headline = &self.headline;
        let thread_cpu = self.thread_cpu;
        let times = [
            ("min", self.min),
            ("p10", self.p10),
            ("p50", self.p50),
            ("mean", self.mean),
            ("p90", self.p90),
            ("thread_cpu.min", thread_cpu.map(|cpu| cpu.min)),
            ("thread_cpu.p10", thread_cpu.map(|cpu| cpu.p10)),
            ("thread_cpu.p50", thread_cpu.map(|cpu| cpu.p50)),
            ("headline.value", Some(headline.value)),
            ("headline.ci_low", headline.ci_low),
            ("headline.ci_high", headline.ci_high),
            ("first_run", self.first_run),
            ("preparation", self.preparation),
        ];
        let plain = [
            ("variance", self.variance),
            ("headline.confidence", headline.confidence),
            ("headline.relative_error", headline.relative_error),
            ("clean_fraction", self.clean_fraction),
        ];
        let times = times.into_iter().map(|(name, time)| (name, time.map(|time| time.0)));
        let visits = self.visits.iter().map(|visit| ("visits", Some(visit.0)));
        times
            .chain(plain)
            .chain(visits)
            .filter_map(|(name, number)| Some((name, number?)))
            .collect()
    }
}

/// Whether the numbers that are there ascend.
fn is_ascending(numbers: &[Option<Milliseconds>]) -> bool {
    let there: Vec<Milliseconds> = numbers.iter().copied().flatten().collect();
    there.is_sorted()
}

impl From<&Headline> for RowHeadline {
    fn from(headline: &Headline) -> Self {
        Self {
            statistic: match headline.statistic {
                HeadlineStatistic::WallP50 => RowStatistic::WallP50,
                HeadlineStatistic::ThreadCpuP50 => RowStatistic::ThreadCpuP50,
                HeadlineStatistic::WallFastest => RowStatistic::WallFastest,
                HeadlineStatistic::ThreadCpuFastest => RowStatistic::ThreadCpuFastest,
            },
            value: headline.value,
            ci_low: Some(headline.ci_low),
            ci_high: Some(headline.ci_high),
            confidence: Some(headline.confidence),
            relative_error: Some(headline.relative_error),
            reason: headline.reason.clone(),
        }
    }
}
