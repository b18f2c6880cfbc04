//! A measured network is an architecture with the latency of the whole of it: what models are fitted
//! on.

use op_catalog::{Architecture, Milliseconds};

/// A whole network, measured.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasuredNetwork {
    /// Its choices.
    pub architecture: Architecture,
    /// Its latency; finite and above 0.
    pub latency: Milliseconds,
    /// How much it counts: a latency of weight 2 is worth two of weight 1. Finite and not negative; of
    /// weight 0 it is ignored.
    pub weight: f64,
    /// Where it comes from, for messages: e.g. `line 3`.
    pub label: String,
}

impl MeasuredNetwork {
    /// A measured network of weight 1.
    pub fn new(architecture: Architecture, latency: Milliseconds) -> Self {
        Self { architecture, latency, weight: 1.0, label: "a network".to_owned() }
    }
}
