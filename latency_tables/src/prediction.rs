//! A prediction is a latency before it was measured, with how far it may be off where that is known.

use op_catalog::Milliseconds;

use crate::model::ModelKind;

/// A predicted latency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// The latency that is expected.
    pub latency: Milliseconds,
    /// Standard error of one measurement around it; nothing where the numbers came without
    /// uncertainty.
    pub standard_error: Option<Milliseconds>,
    /// The interval that holds one measurement with a probability of 90 %: lower and upper end.
    pub interval90: Option<(Milliseconds, Milliseconds)>,
    /// The kind of model that predicted it.
    pub kind: ModelKind,
}
