//! The one error of this crate.

use architecture_search::SearchError;
use op_catalog::CatalogError;
use tch::TchError;
use torch_layers::LayersError;
use torch_shim::ShimError;

/// Why a supernet could not be built, run or trained.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SupernetError {
    /// An architecture that is not of the space.
    #[error(transparent)]
    Architecture(#[from] CatalogError),
    /// What the layers of one slot say.
    #[error("slot {slot} of the supernet")]
    Slot {
        /// Its place in the chain, from 0.
        slot: usize,
        /// What its layers say.
        source: LayersError,
    },
    /// What the layers of a network that runs alone say.
    #[error("the network")]
    Network {
        /// What its layers say.
        source: LayersError,
    },
    /// Gates or gradients that do not belong to the space.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// Something that only this crate's C++ can do.
    #[error(transparent)]
    Shim(#[from] ShimError),
    /// What libtorch says.
    #[error("libtorch: {0}")]
    Torch(#[from] TchError),
    /// Another number of weights than an edge has candidates.
    #[error("slot {slot}: {found} weights were given for {expected} candidates")]
    Candidates {
        /// The edge's place in the chain, from 0.
        slot: usize,
        /// How many there were.
        found: usize,
        /// How many candidates it has.
        expected: usize,
    },
    /// A loss that is not a number any more: training has diverged.
    #[error("the loss is {0}")]
    Loss(f64),
    /// A number that training is not defined for.
    #[error("{what} is {value}, but must be {expected}")]
    OutOfRange {
        /// Which number.
        what: &'static str,
        /// The number as given.
        value: f64,
        /// What it must be.
        expected: &'static str,
    },
}
