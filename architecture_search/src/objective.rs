//! An objective is what a search minimises: cross-entropy and expected cost made into one loss.

use serde::{Deserialize, Serialize};

use crate::error::{check, check_finite, check_positive};
use crate::{EdgeValues, SearchError, TargetMultiplier, Term};

/// How a cost enters the loss. Expected costs and targets are in the unit of the cost: milliseconds, or
/// counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// `alpha CE (ln E / ln T)^beta`.
    MulLog(MulLog),
    /// `CE + lambda (E - T) / T`.
    AddLinear(AddLinear),
    /// `CE + lambda (E - T) / T`, with a lambda that is learnt so that E becomes T.
    Target(TargetMultiplier),
}

/// `alpha CE (ln E / ln T)^beta` (`mul#log` of `nas_manager.py`). Its pressure fades as the
/// cross-entropy falls, and depends on the unit, which for latency is the millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MulLog {
    target: f64,
    alpha: f64,
    beta: f64,
}

/// `CE + lambda (E - T) / T` (`add#linear` of `nas_manager.py`): the same pressure in any unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AddLinear {
    target: f64,
    lambda: f64,
}

/// A loss, and how it depends on its terms.
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    /// Its value.
    pub value: f64,
    /// Its derivative with respect to the cross-entropy.
    pub cross_entropy_factor: f64,
    /// Its derivative with respect to the expected cost, per unit of the cost.
    pub cost_factor: f64,
    /// Its derivative with respect to each logit.
    pub gradient: EdgeValues,
}

impl Objective {
    /// As published, with weight `alpha` and exponent `beta` (0.2 and 0.3 there).
    ///
    /// # Errors
    /// A target of at most 1, whose logarithm is not above 0, or factors that are not above 0.
    pub fn mul_log(target: f64, alpha: f64, beta: f64) -> Result<Self, SearchError> {
        check_logarithm("the target of mul_log", target)?;
        check_positive("alpha of mul_log", alpha)?;
        check_positive("beta of mul_log", beta)?;
        Ok(Self::MulLog(MulLog { target, alpha, beta }))
    }

    /// As published, with weight `lambda` (0.1 there).
    ///
    /// # Errors
    /// A target that is not above 0, or a lambda that is not finite.
    pub fn add_linear(target: f64, lambda: f64) -> Result<Self, SearchError> {
        check_positive("the target of add_linear", target)?;
        check_finite("lambda of add_linear", lambda)?;
        Ok(Self::AddLinear(AddLinear { target, lambda }))
    }

    /// With a multiplier that is learnt.
    ///
    /// # Errors
    /// A target that is not above 0.
    pub fn target(target: f64) -> Result<Self, SearchError> {
        Ok(Self::Target(TargetMultiplier::new(target)?))
    }

    /// The expected cost that it presses to.
    pub fn target_cost(&self) -> f64 {
        match self {
            Self::MulLog(objective) => objective.target,
            Self::AddLinear(objective) => objective.target,
            Self::Target(multiplier) => multiplier.target(),
        }
    }

    /// The loss of a step. A learnt multiplier takes its own step with it.
    ///
    /// # Errors
    /// Terms of different shapes or that are not finite, a cross-entropy below 0, or an expected cost of
    /// at most 1 under `mul_log`.
    pub fn combine(&mut self, cross_entropy: &Term, cost: &Term) -> Result<Loss, SearchError> {
        cross_entropy.check("the cross-entropy")?;
        cost.check("the expected cost")?;
        cross_entropy.gradient.check_shape("gradients", &cost.gradient)?;
        check("the cross-entropy", cross_entropy.value, |ce| 0.0 <= ce, "at least 0")?;
        match self {
            Self::MulLog(objective) => objective.loss(cross_entropy, cost),
            Self::AddLinear(AddLinear { target, lambda }) => {
                Loss::relative(cross_entropy, cost, *target, *lambda)
            }
            Self::Target(multiplier) => {
                let lambda = multiplier.learn(&cross_entropy.gradient, cost);
                Loss::relative(cross_entropy, cost, multiplier.target(), lambda)
            }
        }
    }
}

impl MulLog {
    fn loss(&self, cross_entropy: &Term, cost: &Term) -> Result<Loss, SearchError> {
        let Self { target, alpha, beta } = *self;
        check_logarithm("the expected cost under mul_log", cost.value)?;
        let ratio = cost.value.ln() / target.ln();
        let factor = alpha * ratio.powf(beta);
        let value = factor * cross_entropy.value;
        let cost_factor = value * beta / (ratio * cost.value * target.ln());
        Loss::of(cross_entropy, cost, value, factor, cost_factor)
    }
}

impl Loss {
    /// `CE + lambda (E - T) / T`.
    fn relative(
        cross_entropy: &Term,
        cost: &Term,
        target: f64,
        lambda: f64,
    ) -> Result<Self, SearchError> {
        let value = cross_entropy.value + lambda * (cost.value - target) / target;
        Self::of(cross_entropy, cost, value, 1.0, lambda / target)
    }

    /// The chain rule.
    fn of(
        cross_entropy: &Term,
        cost: &Term,
        value: f64,
        cross_entropy_factor: f64,
        cost_factor: f64,
    ) -> Result<Self, SearchError> {
        let mut gradient = cost.gradient.zeros_like();
        gradient.add_scaled(&cross_entropy.gradient, cross_entropy_factor)?;
        gradient.add_scaled(&cost.gradient, cost_factor)?;
        Ok(Self { value, cross_entropy_factor, cost_factor, gradient })
    }
}

fn check_logarithm(what: &'static str, value: f64) -> Result<(), SearchError> {
    let expected = "above 1 (ms, where the cost is a latency), so that its logarithm is above 0";
    check(what, value, |value| value.is_finite() && 1.0 < value, expected)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::values;

    /// A cross-entropy and a cost that are linear in two logits.
    fn terms(cross_entropy: f64, cost: f64) -> (Term, Term) {
        (
            Term { value: cross_entropy, gradient: values(&[&[0.7, -0.2]]) },
            Term { value: cost, gradient: values(&[&[-5.0, 3.0]]) },
        )
    }

    fn loss(objective: &Objective, cross_entropy: f64, cost: f64) -> Loss {
        let (cross_entropy, cost) = terms(cross_entropy, cost);
        objective.clone().combine(&cross_entropy, &cost).unwrap()
    }

    /// The published defaults at a target of 80 ms: twice the target costs 4.5 %, and a millisecond at
    /// the target 0.0012 at a cross-entropy of 6.9, 0.0005 at one of 3.0.
    #[test]
    fn mul_log_is_the_published_one_in_milliseconds() {
        let objective = Objective::mul_log(80.0, 0.2, 0.3).unwrap();
        assert!((loss(&objective, 6.9, 80.0).value - 0.2 * 6.9).abs() < 1e-12);
        let ratio = loss(&objective, 1.0, 160.0).value / loss(&objective, 1.0, 80.0).value;
        assert_eq!(format!("{ratio:.3}"), "1.045");
        for (cross_entropy, expected) in [(6.9, "0.0012"), (3.0, "0.0005")] {
            assert_eq!(
                format!("{:.4}", loss(&objective, cross_entropy, 80.0).cost_factor),
                expected
            );
        }
    }

    #[test]
    fn add_linear_presses_alike_at_any_cross_entropy() {
        let objective = Objective::add_linear(80.0, 0.1).unwrap();
        for cross_entropy in [0.5, 6.9] {
            let found = loss(&objective, cross_entropy, 120.0);
            assert!((found.value - cross_entropy - 0.05).abs() < 1e-12);
            assert!((found.cost_factor - 0.00125).abs() < 1e-12);
        }
    }

    /// In seconds, or for a device so fast, the published formula gives NaN or rewards slowness.
    #[test]
    fn mul_log_is_refused_where_its_logarithms_are_not_above_zero() {
        for target in [0.08, 1.0, f64::NAN] {
            let error = Objective::mul_log(target, 0.2, 0.3).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "the target of mul_log is {target}, but must be above 1 (ms, where the cost is a \
                     latency), so that its logarithm is above 0"
                )
            );
        }
        let (cross_entropy, cost) = terms(1.0, 0.9);
        let error =
            Objective::mul_log(2.0, 0.2, 0.3).unwrap().combine(&cross_entropy, &cost).unwrap_err();
        assert!(
            error.to_string().starts_with("the expected cost under mul_log is 0.9, but must be")
        );
    }

    #[test]
    fn terms_that_are_no_numbers_or_not_of_one_space_are_refused() {
        let mut objective = Objective::target(80.0).unwrap();
        let (good, cost) = terms(1.0, 90.0);
        let other = Term { value: 90.0, gradient: values(&[&[1.0, 2.0, 3.0]]) };
        for (cross_entropy, cost, message) in [
            (terms(f64::NAN, 0.0).0, &cost, "the cross-entropy is NaN, but must be finite"),
            (terms(-1.0, 0.0).0, &cost, "the cross-entropy is -1, but must be at least 0"),
            (good, &other, "edge 0: 3 gradients were given for 2 candidates"),
        ] {
            let error = objective.combine(&cross_entropy, cost).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
        assert_eq!(objective, Objective::target(80.0).unwrap());
    }

    proptest! {
        #[test]
        fn factors_are_the_derivatives_of_the_loss_and_the_gradient_follows_by_the_chain_rule(
            cross_entropy in 0.1..8.0_f64, cost in 2.0..300.0_f64, target in 2.0..300.0_f64,
        ) {
            const STEP: f64 = 1e-5;
            for objective in [
                Objective::mul_log(target, 0.2, 0.3).unwrap(),
                Objective::add_linear(target, 0.1).unwrap(),
            ] {
                let found = loss(&objective, cross_entropy, cost);
                let value = |ce: f64, cost: f64| loss(&objective, ce, cost).value;
                let in_cross_entropy = (value(cross_entropy + STEP, cost)
                    - value(cross_entropy - STEP, cost)) / (2.0 * STEP);
                let in_cost = (value(cross_entropy, cost + STEP)
                    - value(cross_entropy, cost - STEP)) / (2.0 * STEP);
                prop_assert!((in_cross_entropy - found.cross_entropy_factor).abs() < 1e-6);
                prop_assert!((in_cost - found.cost_factor).abs() < 1e-6);
                for (slope, (ce, cost)) in
                    found.gradient.iter().zip([(0.7, -5.0), (-0.2, 3.0)])
                {
                    let expected = found.cross_entropy_factor * ce + found.cost_factor * cost;
                    prop_assert!((slope - expected).abs() < 1e-12);
                }
            }
        }
    }
}
