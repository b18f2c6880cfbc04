//! A ranked network is one of several that were compared by the weights that a supernet has for them.

use serde::{Deserialize, Serialize};

/// What a supernet says of a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ranked {
    /// Its place among those that were given, from 0.
    pub position: usize,
    /// The file or name that it was given by.
    pub architecture: String,
    /// Cross-entropy in nats on images that no weights were learnt on.
    pub loss: f64,
    /// Share of them that is classified rightly.
    pub accuracy: f64,
    /// How many images: the better ones see more.
    pub images: u64,
}
