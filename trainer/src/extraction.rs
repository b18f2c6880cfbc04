//! An extraction takes one network with its weights out of the supernet of a search.

use std::path::Path;

use anyhow::Context;
use op_catalog::Network;
use runs::{Checkpoints, RunFolder, searched_space};
use supernet::{Execution, SingleNetwork, Supernet};

use crate::checkpoint_files;
use crate::randomness::{Purpose, stream};

/// The network with the weights that the last checkpoint of a search has for it. Its running statistics are those of
/// many paths: they are to be found anew before it is evaluated.
pub(crate) fn from_search(
    search: &Path,
    network: &Network,
    execution: Execution,
) -> anyhow::Result<SingleNetwork> {
    let folder = RunFolder::read(search)?;
    let space = searched_space::of(&folder)?;
    let architecture = searched_space::path(&folder, &space, network)?;
    let net = Supernet::new(space, execution, &mut stream(0, Purpose::Start, 0))?;
    load_weights(&folder, &net)?;
    Ok(net.extract(&architecture)?)
}

/// Overwrites the weights of a supernet with those that the last checkpoint of a search in its space has.
pub(crate) fn take_weights(search: &Path, net: &Supernet) -> anyhow::Result<()> {
    load_weights(&RunFolder::read(search)?, net)
}

fn load_weights(folder: &RunFolder, net: &Supernet) -> anyhow::Result<()> {
    let found = Checkpoints::new(folder.checkpoints())
        .latest()?
        .with_context(|| format!("{} has no checkpoint", folder.root().display()))?;
    checkpoint_files::load_weights(&found.folder, net.variables())
}
