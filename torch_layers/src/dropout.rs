//! Dropout sets features to zero at random while training, and scales the others up to make up for it.

use crate::LayersError;

/// The probability with which a feature is dropped, at least 0 and below 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Dropout(f64);

impl Dropout {
    /// Nothing is dropped.
    pub const NONE: Self = Self(0.0);

    /// Dropout of this probability.
    ///
    /// # Errors
    /// A number that is not at least 0 and below 1.
    pub fn new(probability: f64) -> Result<Self, LayersError> {
        if (0.0..1.0).contains(&probability) {
            Ok(Self(probability))
        } else {
            Err(LayersError::Dropout { probability })
        }
    }

    /// The probability.
    pub fn probability(self) -> f64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_probability_or_drops_everything_is_refused() {
        assert_eq!(Dropout::new(0.0).unwrap(), Dropout::NONE);
        for probability in [-0.1, 1.0, 1.5, f64::NAN] {
            let message = Dropout::new(probability).unwrap_err().to_string();
            let expected = format!("dropout is {probability}, but must be at least 0 and below 1");
            assert_eq!(message, expected);
        }
    }
}
