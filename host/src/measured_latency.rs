//! A measured latency is a median between the ends of its interval.
//!
//! Where a budget lies between these ends, one measurement leaves open whether it is met: the next one may say otherwise. Then
//! two more are made, each in a job of its own, and of all three the middle one counts.

use op_catalog::Milliseconds;
use op_catalog::wire::Measurement;

use command_line::output;

/// Measurements that are made beside one which leaves a budget open.
const FURTHER: usize = 2;

/// What a network was measured to take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct MeasuredLatency {
    pub(crate) low: Milliseconds,
    pub(crate) median: Milliseconds,
    pub(crate) high: Milliseconds,
}

impl MeasuredLatency {
    pub(crate) fn of(measurement: &Measurement) -> Self {
        let headline = &measurement.headline;
        Self { low: headline.ci_low, median: headline.value, high: headline.ci_high }
    }

    /// Measures once, and further times where that leaves open whether a budget is met.
    ///
    /// # Errors
    /// Those of a measurement.
    pub(crate) fn beside(
        budget_ms: f64,
        mut measure: impl FnMut() -> anyhow::Result<Self>,
    ) -> anyhow::Result<Self> {
        let first = measure()?;
        if !first.leaves_open(budget_ms) {
            return Ok(first);
        }
        let Self { low, median, high } = first;
        output::note(&format!(
            "{:.3} ms, from {:.3} to {:.3}: on either side of {budget_ms} ms; measuring {FURTHER} times more",
            median.0, low.0, high.0
        ));
        let mut all = vec![first];
        for _ in 0..FURTHER {
            all.push(measure()?);
        }
        all.sort_by(|a, b| a.median.0.total_cmp(&b.median.0));
        Ok(all[all.len() / 2])
    }

    /// What was measured without any doubt.
    #[cfg(test)]
    pub(crate) fn exactly(milliseconds: f64) -> Self {
        let latency = Milliseconds(milliseconds);
        Self { low: latency, median: latency, high: latency }
    }

    /// Whether a budget lies between the ends of the interval.
    fn leaves_open(&self, budget_ms: f64) -> bool {
        self.low.0 <= budget_ms && budget_ms < self.high.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(low: f64, median: f64, high: f64) -> MeasuredLatency {
        let [low, median, high] = [low, median, high].map(Milliseconds);
        MeasuredLatency { low, median, high }
    }

    /// What comes of these medians, each of an interval of 1 % to both sides, and how many of them were asked for.
    fn beside(budget_ms: f64, medians: &[f64]) -> (f64, usize) {
        let mut asked = 0;
        let measured = MeasuredLatency::beside(budget_ms, || {
            let median = medians[asked];
            asked += 1;
            Ok(of(0.99 * median, median, 1.01 * median))
        });
        (measured.unwrap().median.0, asked)
    }

    #[test]
    fn where_an_interval_leaves_a_budget_open_the_middle_one_of_three_counts() {
        for (medians, expected, asked) in [
            (&[9.8][..], 9.8, 1),
            (&[10.2], 10.2, 1),
            // Within at first, and above it when measured again; and the other way round.
            (&[9.95, 10.05, 10.02], 10.02, 3),
            (&[10.05, 9.85, 9.9], 9.9, 3),
            (&[9.95, 9.6, 10.3], 9.95, 3),
        ] {
            assert_eq!(beside(10.0, medians), (expected, asked), "{medians:?}");
        }
    }

    #[test]
    fn an_interval_that_ends_at_the_budget_is_within_it_and_a_point_leaves_nothing_open() {
        assert!(!of(9.8, 9.9, 10.0).leaves_open(10.0));
        assert!(of(9.8, 9.9, 10.0 + 1e-9).leaves_open(10.0));
        assert!(!MeasuredLatency::exactly(10.0).leaves_open(10.0));
    }

    #[test]
    fn a_measurement_that_fails_is_not_passed_over() {
        let failed = MeasuredLatency::beside(10.0, || anyhow::bail!("the agent has gone"));
        assert_eq!(failed.unwrap_err().to_string(), "the agent has gone");
    }
}
