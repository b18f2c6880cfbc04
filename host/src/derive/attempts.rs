//! Attempts at a budget are the networks that were measured for it, and what that says of those that were not.

use architecture_search::BudgetChoice;
use op_catalog::{Architecture, Milliseconds};

use crate::found_run::FoundRun;
use crate::measured_latency::MeasuredLatency;

/// Standard errors that a prediction has for a margin before anything is measured: 9 of 10 networks are then within
/// their budget.
const MARGIN_STANDARD_ERRORS: f64 = 1.2816;

/// Standard errors by which networks are off by more, or by less, than the one that was measured first: 19 of 20.
const REACH_STANDARD_ERRORS: f64 = 2.0;

/// Standard errors that a measurement is off its prediction by chance in one of 370 networks.
const SURPRISE_STANDARD_ERRORS: f64 = 3.0;

/// Share of a budget that may be left after a measurement.
const LEFT: f64 = 0.02;

/// A choice, with what is known of its latency.
#[derive(Clone)]
pub(crate) struct Tried {
    pub(super) choice: BudgetChoice,
    /// What it is preferred by to others of the same budget: the more, the better.
    pub(super) worth: f64,
    pub(super) predicted: Milliseconds,
    pub(super) standard_error: Option<Milliseconds>,
    pub(super) measured: Option<MeasuredLatency>,
}

impl Tried {
    /// A choice that was not measured yet.
    pub(super) fn new(run: &FoundRun, choice: BudgetChoice, worth: f64) -> anyhow::Result<Self> {
        let prediction = run.prediction(&choice.architecture)?;
        Ok(Self {
            choice,
            worth,
            predicted: prediction.latency,
            standard_error: prediction.standard_error,
            measured: None,
        })
    }

    /// The most probable network of a run that costs at least the first and at most the second of these.
    pub(crate) fn most_probable(
        run: &FoundRun,
        (floor, budget): (f64, f64),
    ) -> anyhow::Result<Self> {
        let (logits, cost) = (&run.found.logits, &run.cost);
        let choice = BudgetChoice::most_probable_between(logits, cost, floor, budget)?;
        let worth = choice.log_probability;
        Self::new(run, choice, worth)
    }

    /// Takes a measurement; returns its median.
    pub(super) fn take(&mut self, measured: MeasuredLatency) -> f64 {
        self.measured = Some(measured);
        measured.median.0
    }

    pub(super) fn measured_ms(&self) -> Option<f64> {
        self.measured.map(|measured| measured.median.0)
    }

    /// By how much it takes longer than predicted.
    pub(super) fn off_ms(&self) -> Option<f64> {
        self.measured_ms().map(|measured_ms| measured_ms - self.predicted.0)
    }

    /// What was measured of it, where the other is the same network.
    pub(super) fn measured_of(&self, other: &Self) -> Option<MeasuredLatency> {
        self.measured.filter(|_| self.choice.architecture == other.choice.architecture)
    }

    /// What is left of the budget before anything is measured.
    pub(crate) fn margin(&self) -> f64 {
        self.standard_error.map_or(0.0, |error| MARGIN_STANDARD_ERRORS * error.0)
    }

    /// Between which predictions the networks of a shortlist are, of which this one was measured first: those that may be
    /// within the budget, and use this share of it, where they are off by more than this one or by less.
    pub(crate) fn window_around(&self, budget_ms: f64, off_ms: f64, share: f64) -> (f64, f64) {
        let reach = self.standard_error.map_or(0.0, |error| REACH_STANDARD_ERRORS * error.0);
        let most = budget_ms - off_ms;
        (share * (most - reach), (most + reach).min(budget_ms))
    }

    /// By what share it takes longer than predicted, where that is not chance: the device is not as it was when its table
    /// was made.
    pub(super) fn surprise(&self) -> Option<f64> {
        let off = self.off_ms()?;
        let is_chance = off.abs() <= SURPRISE_STANDARD_ERRORS * self.standard_error?.0;
        (!is_chance).then_some(off / self.predicted.0)
    }

    /// The share of a budget that it uses, where that is below the share asked for by more than its margin.
    pub(super) fn share_below(&self, budget_ms: f64, share: f64) -> Option<f64> {
        let latency_ms = self.measured_ms().unwrap_or(self.predicted.0);
        (latency_ms + self.margin() < share * budget_ms).then_some(latency_ms / budget_ms)
    }
}

/// What measuring has said of networks for a budget.
pub(super) struct Attempts {
    pub(super) budget_ms: f64,
    floor_ms: f64,
    /// By how much such networks take longer than predicted.
    pub(super) off_ms: f64,
    pub(super) seen: Vec<Architecture>,
    /// The preferred one that is within the budget, of those that use as much of it as is asked for if there are any.
    pub(super) best: Option<Tried>,
}

impl Attempts {
    pub(super) fn new(budget_ms: f64, floor_ms: f64) -> Self {
        Self { budget_ms, floor_ms, off_ms: f64::NEG_INFINITY, seen: Vec::new(), best: None }
    }

    /// Takes a network that was measured; says whether it is within the budget and hardly anything is left of that.
    pub(super) fn take(&mut self, tried: Tried, measured_ms: f64) -> bool {
        let off = measured_ms - tried.predicted.0;
        let is_within = measured_ms <= self.budget_ms;
        // What was above the budget says that others are off by as much at least.
        self.off_ms = if is_within { off } else { off.max(self.off_ms) };
        self.seen.push(tried.choice.architecture.clone());
        let worth = self.worth(&tried);
        let is_better = self.best.as_ref().is_none_or(|best| self.worth(best) < worth);
        if is_within && is_better {
            self.best = Some(tried);
        }
        is_within && self.budget_ms - measured_ms <= LEFT * self.budget_ms
    }

    /// Makes the next choice a little more careful.
    pub(super) fn back_off(&mut self) {
        self.off_ms += LEFT * self.budget_ms / 4.0;
    }

    /// What a network within the budget is kept by.
    fn worth(&self, tried: &Tried) -> (bool, f64) {
        let uses_budget = tried.measured_ms().is_some_and(|measured| self.floor_ms <= measured);
        (uses_budget, tried.worth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(choice: usize, predicted_ms: f64, measured_ms: f64, log_probability: f64) -> Tried {
        let architecture = Architecture::new(vec![choice]);
        Tried {
            choice: BudgetChoice { architecture, log_probability, cost: predicted_ms },
            worth: log_probability,
            predicted: Milliseconds(predicted_ms),
            standard_error: Some(Milliseconds(0.1)),
            measured: Some(MeasuredLatency::exactly(measured_ms)),
        }
    }

    fn kept(attempts: &Attempts) -> Option<usize> {
        attempts.best.as_ref().map(|best| best.choice.architecture.choices()[0])
    }

    #[test]
    fn a_network_that_leaves_more_of_a_budget_than_its_margin_does_not_use_it() {
        for (measured, budget, expected) in [
            (9.8, 10.0, None),
            (9.65, 10.0, None),
            (9.5, 10.0, Some(0.95)),
            (5.0, 100.0, Some(0.05)),
        ] {
            let network = tried(0, 9.0, measured, -1.0);
            assert_eq!(network.share_below(budget, 0.97), expected, "{measured} of {budget}");
        }
    }

    #[test]
    fn of_what_uses_the_budget_and_is_within_it_the_preferred_one_is_kept() {
        let mut attempts = Attempts::new(10.0, 9.0);
        for (choice, predicted, measured, log_probability, is_close, expected) in [
            (4, 8.2, 8.3, -0.1, false, 4),
            // Worth less, but it uses what is asked for.
            (0, 9.0, 9.2, -3.0, false, 0),
            // Above the budget.
            (1, 9.7, 10.2, -1.0, false, 0),
            (2, 9.4, 9.9, -2.0, true, 2),
            (3, 8.0, 8.0, -0.5, false, 2),
        ] {
            let network = tried(choice, predicted, measured, log_probability);
            assert_eq!(attempts.take(network, measured), is_close, "{choice}");
            assert_eq!(kept(&attempts), Some(expected), "{choice}");
        }
    }

    #[test]
    fn what_was_measured_of_a_network_is_not_said_of_another() {
        let known = tried(0, 9.0, 9.2, -3.0);
        let mut again = Tried { measured: None, ..known.clone() };
        assert_eq!(again.measured_of(&known), None, "it was not measured");
        assert_eq!(known.measured_of(&tried(1, 9.0, 9.5, -3.0)), None);
        let taken = again.take(known.measured_of(&again).unwrap());
        assert!((taken - 9.2).abs() < 1e-12 && (again.off_ms().unwrap() - 0.2).abs() < 1e-12);
    }

    #[test]
    fn a_network_above_the_budget_makes_the_next_choice_more_careful_and_none_less() {
        let mut attempts = Attempts::new(10.0, 9.0);
        attempts.take(tried(0, 9.0, 8.8, -3.0), 8.8);
        assert!((attempts.off_ms + 0.2).abs() < 1e-9);
        attempts.take(tried(1, 9.9, 10.4, -2.0), 10.4);
        assert!((attempts.off_ms - 0.5).abs() < 1e-9);
        attempts.take(tried(2, 9.8, 10.1, -2.0), 10.1);
        assert!((attempts.off_ms - 0.5).abs() < 1e-9, "it is above the budget too");
    }

    #[test]
    fn a_device_that_is_not_as_its_table_has_it_is_told_from_chance() {
        for (measured, expected) in [(9.25, None), (9.9, Some(0.1)), (8.1, Some(-0.1))] {
            let network = tried(0, 9.0, measured, -3.0);
            let found = network.surprise();
            assert_eq!(found.is_some(), expected.is_some(), "{measured}");
            assert!((found.unwrap_or(0.0) - expected.unwrap_or(0.0)).abs() < 1e-9, "{found:?}");
            assert_eq!(Tried { measured: None, ..network.clone() }.surprise(), None);
            assert_eq!(Tried { standard_error: None, ..network }.surprise(), None);
        }
    }

    #[test]
    fn the_margin_is_a_part_of_the_standard_error_or_nothing_where_there_is_none() {
        let known = tried(0, 9.0, 9.0, -3.0);
        assert!((known.margin() - 0.12816).abs() < 1e-9);
        assert!(Tried { standard_error: None, ..known }.margin().abs() < 1e-12);
    }

    #[test]
    fn a_shortlist_has_what_later_measurements_make_room_for_and_nothing_above_the_budget() {
        let first = tried(0, 9.0, 9.6, -3.0);
        let check = |(least, most): (f64, f64), expected: (f64, f64)| {
            assert!((least - expected.0).abs() < 1e-9 && (most - expected.1).abs() < 1e-9);
        };
        // Off by 0.6, and others by 0.4 to 0.8.
        check(first.window_around(10.0, 0.6, 0.9), (0.9 * 9.2, 9.6));
        check(first.window_around(10.0, -0.1, 0.9), (0.9 * 9.9, 10.0));
        let unknown = Tried { standard_error: None, ..first };
        check(unknown.window_around(10.0, 0.6, 0.9), (0.9 * 9.4, 9.4));
    }
}
