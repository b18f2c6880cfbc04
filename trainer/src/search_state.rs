//! A search's state is all that its next step depends on: what a checkpoint holds.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context;
use architecture_search::{Alternation, GradientSearch, Logits, ReinforceSearch};
use serde::{Deserialize, Serialize};
use supernet::{Sgd, SgdSettings, Supernet};

use crate::tensor_file;

/// Names of a checkpoint's files.
const STATE: &str = "state.json";
const WEIGHTS: &str = "weights.safetensors";
const VELOCITIES: &str = "velocities.safetensors";

/// What learns the logits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Learner {
    /// By gradient.
    Gradient(GradientSearch),
    /// By REINFORCE.
    Reinforce(ReinforceSearch),
}

/// All but the tensors. Random numbers and images follow from the seed and the steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SearchState {
    /// Where it is.
    pub(crate) alternation: Alternation,
    /// What it has learnt.
    pub(crate) learner: Learner,
    /// Bytes of metrics behind it.
    pub(crate) metrics_bytes: u64,
}

impl Learner {
    /// What has been learnt.
    pub(crate) fn logits(&self) -> &Logits {
        match self {
            Self::Gradient(search) => search.logits(),
            Self::Reinforce(search) => search.logits(),
        }
    }
}

/// Writes a checkpoint's files into a folder.
pub(crate) fn save(
    folder: &Path,
    state: &SearchState,
    net: &Supernet,
    optimizer: &Sgd,
) -> anyhow::Result<()> {
    let path = folder.join(STATE);
    fs::write(&path, serde_json::to_string(state)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    tensor_file::write_variables(&folder.join(WEIGHTS), net.variables())?;
    if optimizer.velocities().is_empty() {
        return Ok(());
    }
    tensor_file::write(&folder.join(VELOCITIES), optimizer.velocities())
}

/// Reads a checkpoint: the network's weights are overwritten.
pub(crate) fn load(
    folder: &Path,
    net: &Supernet,
    settings: SgdSettings,
) -> anyhow::Result<(SearchState, Sgd)> {
    let path = folder.join(STATE);
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let state =
        serde_json::from_str(&text).with_context(|| format!("cannot read {}", path.display()))?;
    tensor_file::load_variables(&folder.join(WEIGHTS), net.variables())?;
    let path = folder.join(VELOCITIES);
    let velocities = if path.exists() { tensor_file::read(&path)? } else { BTreeMap::new() };
    Ok((state, Sgd::with_velocities(settings, velocities)?))
}
