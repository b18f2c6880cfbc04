//! A term is a number that a search minimises or keeps near a target, with its gradient in the logits.

use crate::{EdgeValues, SearchError, error};

/// A number that depends on the logits: cross-entropy, expected latency.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// The number, in its own unit.
    pub value: f64,
    /// Its derivative with respect to each logit, in the same unit.
    pub gradient: EdgeValues,
}

impl Term {
    /// Refuses numbers that are not finite.
    pub(crate) fn check(&self, what: &'static str) -> Result<(), SearchError> {
        error::check_finite(what, self.value)?;
        self.gradient.check_finite("gradient")
    }
}
