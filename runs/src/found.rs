//! Found logits are the end of a search: what it says of every candidate, for whoever derives networks from it.

use std::fs;
use std::path::Path;

use anyhow::Context;
use architecture_search::Logits;
use serde::{Deserialize, Serialize};

/// The logits of a search that has ended, or the last that a search under way has written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoundLogits {
    /// Name of the space.
    pub space: String,
    /// Steps of weights behind them.
    pub steps: u64,
    /// One number per candidate of every edge.
    pub logits: Logits,
}

impl FoundLogits {
    /// Those in a file.
    ///
    /// # Errors
    /// A file that cannot be read or holds something else.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("cannot read {}", path.display()))
    }

    /// Their JSON.
    ///
    /// # Errors
    /// None that logits can cause.
    pub fn to_json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(self)?)
    }
}
