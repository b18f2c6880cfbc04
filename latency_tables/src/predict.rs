//! A prediction is the sum of the headline values of a network's blocks, each with its part in it.

use op_catalog::{Milliseconds, Network, PlacedOp};

use crate::{LatencyTable, TableError, TableRow};

/// A block of a network with its part in the predicted latency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockLatency {
    /// The block.
    pub key: PlacedOp,
    /// Its headline value; 0 where it computes nothing.
    pub latency: Milliseconds,
}

impl LatencyTable {
    /// The predicted latency of a network: the sum over its blocks (ProxylessNAS, section 3.3:
    /// latency is additive over the blocks of a chain).
    ///
    /// # Errors
    /// [`TableError::MissingKeys`] with every key that the table lacks.
    pub fn predict(&self, network: &Network) -> Result<Milliseconds, TableError> {
        let blocks = self.block_latencies(network)?;
        Ok(Milliseconds(blocks.iter().map(|block| block.latency.0).sum()))
    }

    /// The blocks of a network, in the order of execution, with their parts in its latency.
    ///
    /// # Errors
    /// As [`Self::predict`].
    pub fn block_latencies(&self, network: &Network) -> Result<Vec<BlockLatency>, TableError> {
        let latency_of = |key: &PlacedOp| {
            if key.is_free() {
                Some(Milliseconds(0.0))
            } else {
                self.row(key).map(TableRow::headline)
            }
        };
        let mut missing: Vec<PlacedOp> =
            network.blocks().iter().filter(|key| latency_of(key).is_none()).copied().collect();
        if !missing.is_empty() {
            missing.sort_unstable();
            missing.dedup();
            return Err(TableError::MissingKeys { keys: missing });
        }
        let blocks = network.blocks().iter();
        Ok(blocks
            .filter_map(|&key| Some(BlockLatency { key, latency: latency_of(&key)? }))
            .collect())
    }
}
