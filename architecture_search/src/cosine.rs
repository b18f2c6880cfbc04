//! A cosine schedule lets a rate fall from its start to 0 along half a cosine.

use serde::{Deserialize, Serialize};

use crate::SearchError;
use crate::error::{check, check_positive};

/// The learning rate of weights by the step (Loshchilov and Hutter, arXiv:1608.03983, equation 5, with
/// no restart and a least rate of 0; `nas_manager.py` has it per batch).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CosineSchedule {
    initial: f64,
    steps: u64,
}

impl CosineSchedule {
    /// A rate that falls for so many steps.
    ///
    /// # Errors
    /// An initial rate that is not above 0, or no step.
    pub fn new(initial: f64, steps: u64) -> Result<Self, SearchError> {
        check_positive("the initial rate", initial)?;
        check("the number of steps", steps as f64, |steps| 1.0 <= steps, "at least 1")?;
        Ok(Self { initial, steps })
    }

    /// `initial / 2 (1 + cos(pi t / steps))` of step t, counted from 0; 0 once all steps are done.
    pub fn rate(&self, step: u64) -> f64 {
        let done = step.min(self.steps) as f64 / self.steps as f64;
        0.5 * self.initial * (1.0 + (std::f64::consts::PI * done).cos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_starts_at_its_initial_value_is_half_of_it_halfway_and_ends_at_zero() {
        let schedule = CosineSchedule::new(0.05, 1000).unwrap();
        for (step, expected) in [(0, 0.05), (500, 0.025), (1000, 0.0), (5000, 0.0)] {
            assert!((schedule.rate(step) - expected).abs() < 1e-15, "{step}");
        }
        let rates: Vec<f64> = (0..=1000).map(|step| schedule.rate(step)).collect();
        assert!(rates.is_sorted_by(|before, after| after < before));
    }

    #[test]
    fn a_schedule_without_steps_or_rate_is_refused() {
        for (initial, steps, message) in [
            (0.05, 0, "the number of steps is 0, but must be at least 1"),
            (0.0, 10, "the initial rate is 0, but must be finite and above 0"),
        ] {
            let error = CosineSchedule::new(initial, steps).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }
}
