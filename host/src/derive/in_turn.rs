//! The networks of a race are measured in turn, the best one first, until one is within the budget.
//!
//! What a network of a race is worth has cost minutes, and measuring it costs seconds: so the best ones are measured although they may
//! turn out to be above the budget. By those that were, the others' chances are told.

use super::attempts::Tried;

/// Standard errors by which a network may be expected above the budget, and is measured all the same: one of six then is within it.
const BOLD: f64 = -1.0;

/// In the second half of the tries, standard errors by which it must be expected below.
const CAREFUL: f64 = 1.0;

/// What a race's networks are measured for.
pub(super) struct Turns {
    pub(super) budget_ms: f64,
    /// What a network shall take at least, if any within the budget does.
    pub(super) floor_ms: f64,
    /// Networks that are measured at most.
    pub(super) tries: u32,
}

impl Turns {
    /// The first of these that is measured to be within the budget and not below the floor, or else the first within the budget.
    ///
    /// # Errors
    /// Those of a measurement.
    pub(super) fn first_within(
        &self,
        mut networks: Vec<Tried>,
        mut measure: impl FnMut(&mut Tried) -> anyhow::Result<f64>,
    ) -> anyhow::Result<Option<Tried>> {
        let mut offs = Vec::new();
        let mut cheap = None;
        for count in 1..=self.tries {
            let Some(next) = self.next(&networks, &offs, count) else { break };
            let mut tried = networks.remove(next);
            let measured_ms = measure(&mut tried)?;
            offs.extend(tried.off_ms());
            if measured_ms > self.budget_ms {
                continue;
            }
            if self.floor_ms <= measured_ms {
                return Ok(Some(tried));
            }
            cheap = cheap.or(Some(tried));
        }
        Ok(cheap)
    }

    /// The best of those that may be within the budget, by what others were off.
    fn next(&self, networks: &[Tried], offs: &[f64], count: u32) -> Option<usize> {
        let off = offs.iter().sum::<f64>() / offs.len().max(1) as f64;
        let first = |standard_errors: f64| {
            networks.iter().position(|one| {
                let error = one.standard_error.map_or(0.0, |error| error.0);
                one.predicted.0 + off + standard_errors * error <= self.budget_ms
            })
        };
        let is_bold = 2 * count <= self.tries + 1;
        let careful = if is_bold { None } else { first(CAREFUL) };
        careful.or_else(|| first(BOLD))
    }
}

#[cfg(test)]
mod tests {
    use architecture_search::BudgetChoice;
    use op_catalog::{Architecture, Milliseconds};

    use super::*;
    use crate::measured_latency::MeasuredLatency;

    fn networks(predicted_ms: &[f64]) -> Vec<Tried> {
        let network = |(choice, &cost): (usize, &f64)| Tried {
            choice: BudgetChoice {
                architecture: Architecture::new(vec![choice]),
                log_probability: 0.0,
                cost,
            },
            worth: -(choice as f64),
            predicted: Milliseconds(cost),
            standard_error: Some(Milliseconds(0.1)),
            measured: None,
        };
        predicted_ms.iter().enumerate().map(network).collect()
    }

    /// Which of these is taken, and which were measured, where all take longer than predicted by so much.
    fn taken(turns: &Turns, predicted_ms: &[f64], off_ms: f64) -> (Option<usize>, Vec<usize>) {
        let mut asked = Vec::new();
        let taken = turns.first_within(networks(predicted_ms), |tried| {
            asked.push(tried.choice.architecture.choices()[0]);
            Ok(tried.take(MeasuredLatency::exactly(tried.predicted.0 + off_ms)))
        });
        (taken.unwrap().map(|tried| tried.choice.architecture.choices()[0]), asked)
    }

    #[test]
    fn the_best_network_that_is_measured_within_the_budget_is_taken() {
        let turns = Turns { budget_ms: 10.0, floor_ms: 0.0, tries: 6 };
        for (predicted, off, expected, asked) in [
            // The best one, although it is predicted to use all of the budget, and whatever it uses.
            (&[10.0, 9.9, 9.8][..], 0.0, Some(0), vec![0]),
            (&[5.0, 9.9], 0.0, Some(0), vec![0]),
            // One that is predicted above it by more than chance is passed over.
            (&[10.2, 9.9], 0.0, Some(1), vec![1]),
            // Those that would be above it as the first one was are.
            (&[9.9, 9.95, 9.75, 9.5], 0.3, Some(3), vec![0, 2, 3]),
            // Where all take less than predicted, what is predicted above it comes first again.
            (&[10.05, 10.3, 9.0], -0.2, Some(0), vec![0]),
            (&[11.0, 12.0], 0.0, None, vec![]),
        ] {
            assert_eq!(taken(&turns, predicted, off), (expected, asked), "{predicted:?} {off}");
        }
    }

    #[test]
    fn the_second_half_of_the_tries_takes_no_chances() {
        let turns = Turns { budget_ms: 10.0, floor_ms: 0.0, tries: 4 };
        let predicted = [10.0, 9.99, 9.98, 9.97, 9.8];
        assert_eq!(taken(&turns, &predicted, 0.05), (Some(4), vec![0, 1, 4]));
        let turns = Turns { tries: 2, ..turns };
        assert_eq!(taken(&turns, &predicted[..4], 0.05), (None, vec![0, 1]));
    }

    #[test]
    fn one_below_the_floor_is_taken_where_none_is_above_it() {
        let turns = Turns { budget_ms: 10.0, floor_ms: 9.7, tries: 6 };
        assert_eq!(taken(&turns, &[9.0, 9.5, 9.8], 0.0), (Some(2), vec![0, 1, 2]));
        assert_eq!(taken(&turns, &[9.0, 9.5], 0.0), (Some(0), vec![0, 1]));
    }

    #[test]
    fn a_measurement_that_fails_ends_it() {
        let turns = Turns { budget_ms: 10.0, floor_ms: 0.0, tries: 6 };
        let failed = turns.first_within(networks(&[9.0]), |_| anyhow::bail!("the agent has gone"));
        assert!(failed.is_err_and(|error| error.to_string() == "the agent has gone"));
    }
}
