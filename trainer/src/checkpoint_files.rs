//! Checkpoint files are a state with the tensors that belong to it: what a run's next step depends on.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context;
use serde::Serialize;
use serde::de::DeserializeOwned;
use supernet::{Sgd, SgdSettings};
use tch::nn::VarStore;

use crate::tensor_file;

const STATE: &str = "state.json";
const WEIGHTS: &str = "weights.safetensors";
const VELOCITIES: &str = "velocities.safetensors";

/// Writes them into a folder.
pub(crate) fn save(
    folder: &Path,
    state: &impl Serialize,
    weights: &VarStore,
    optimizer: &Sgd,
) -> anyhow::Result<()> {
    let path = folder.join(STATE);
    fs::write(&path, serde_json::to_string(state)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    tensor_file::write_variables(&folder.join(WEIGHTS), weights)?;
    if optimizer.velocities().is_empty() {
        return Ok(());
    }
    tensor_file::write(&folder.join(VELOCITIES), optimizer.velocities())
}

/// Reads them: the weights are overwritten.
pub(crate) fn load<T: DeserializeOwned>(
    folder: &Path,
    weights: &VarStore,
    settings: SgdSettings,
) -> anyhow::Result<(T, Sgd)> {
    let path = folder.join(STATE);
    let cannot = || format!("cannot read {}", path.display());
    let text = fs::read_to_string(&path).with_context(cannot)?;
    let state = serde_json::from_str(&text).with_context(cannot)?;
    load_weights(folder, weights)?;
    let path = folder.join(VELOCITIES);
    let mut velocities = if path.exists() { tensor_file::read(&path)? } else { BTreeMap::new() };
    for velocity in velocities.values_mut() {
        *velocity = velocity.f_to_device(weights.device())?;
    }
    Ok((state, Sgd::with_velocities(settings, velocities)?))
}

/// Reads the weights alone.
pub(crate) fn load_weights(folder: &Path, weights: &VarStore) -> anyhow::Result<()> {
    tensor_file::load_variables(&folder.join(WEIGHTS), weights)
}
