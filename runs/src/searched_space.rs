//! A searched space is the space of a search's run: its networks are those that the search has weights for.

use anyhow::Context;
use command_line::hint::WithHint;
use command_line::resolve;
use op_catalog::{Architecture, Network, SearchSpace};

use crate::RunFolder;

/// The space of a search.
///
/// # Errors
/// A run that is no search, or a space that cannot be read.
pub fn of(search: &RunFolder) -> anyhow::Result<SearchSpace> {
    resolve::space(&search.space().to_string_lossy())
        .with_context(|| format!("the space of {}", search.root().display()))
}

/// A network's path through the supernet of a search in this space.
///
/// # Errors
/// A network that the search has no weights for.
pub fn path(
    search: &RunFolder,
    space: &SearchSpace,
    network: &Network,
) -> anyhow::Result<Architecture> {
    let path = space.architecture_of(network).with_context(|| {
        let (name, root) = (space.name(), search.root().display());
        format!("the network is none of `{name}`, the space of {root}")
    });
    path.hint("a supernet has weights for networks of its own space alone")
}
