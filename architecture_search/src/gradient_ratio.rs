//! A gradient ratio is how many times as large one gradient of the logits is as another, over the last steps.

use serde::{Deserialize, Serialize};

/// How much of the mean squares a step keeps.
const DECAY: f64 = 0.99;

/// `rms |first| / rms |second|`, of means that forget. Both start at 0, so that what they lack at first cancels out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct GradientRatio {
    first_power: f64,
    second_power: f64,
}

impl GradientRatio {
    /// Takes in the squared norms of this step's gradients.
    pub(crate) fn learn(&mut self, first_square: f64, second_square: f64) {
        let keep = |power: &mut f64, square| *power = DECAY * *power + (1.0 - DECAY) * square;
        keep(&mut self.first_power, first_square);
        keep(&mut self.second_power, second_square);
    }

    /// The ratio, if both gradients are more than nothing.
    pub(crate) fn value(&self) -> Option<f64> {
        let ratio = (self.first_power / self.second_power).sqrt();
        ratio.is_normal().then_some(ratio)
    }

    /// The mean square of the second gradient.
    pub(crate) fn second_power(&self) -> f64 {
        self.second_power
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_is_its_own_ratio_and_later_ones_forget_it() {
        let mut ratio = GradientRatio::default();
        ratio.learn(36.0, 4.0);
        assert!((ratio.value().unwrap() - 3.0).abs() < 1e-12, "{ratio:?}");
        for _ in 0..2000 {
            ratio.learn(1.0, 4.0);
        }
        assert!((ratio.value().unwrap() - 0.5).abs() < 1e-6, "{ratio:?}");
    }

    #[test]
    fn there_is_no_ratio_where_a_gradient_is_none() {
        for (first, second) in [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)] {
            let mut ratio = GradientRatio::default();
            ratio.learn(first, second);
            assert_eq!(ratio.value(), None, "{first} {second}");
        }
    }
}
