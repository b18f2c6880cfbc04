//! A prediction is the sum of the headline values of a network's blocks, each with its part in it.

use op_catalog::{Milliseconds, Network, PlacedOp};

use crate::{LatencyTable, ModelKind, Prediction, TableError, TableRow};

/// A block of a network with its part in the predicted latency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockLatency {
    /// The block.
    pub key: PlacedOp,
    /// Its headline value; 0 where it computes nothing.
    pub latency: Milliseconds,
}

impl LatencyTable {
    /// The latency of a network by what is best known: by the model, where the table has one of a space
    /// that the network is of, else by the sum of its rows, which has no uncertainty.
    ///
    /// # Errors
    /// As [`Self::predict`].
    pub fn best_prediction(&self, network: &Network) -> Result<Prediction, TableError> {
        let space = self.space().filter(|_| self.model().is_some());
        let space = space.and_then(|definition| definition.build().ok());
        let of_model = space.and_then(|space| {
            let architecture = space.architecture_of(network)?;
            Some(self.model_of(&space)?.predict(&architecture))
        });
        of_model.unwrap_or_else(|| {
            let latency = self.predict(network)?;
            Ok(Prediction { latency, standard_error: None, interval90: None, kind: ModelKind::Sum })
        })
    }

    /// The predicted latency of a network from isolated operations alone: the sum over its blocks (ProxylessNAS, section 3.3:
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TableContext;
    use crate::fixtures::row;

    const BLOCKS: [&str; 4] = [
        "conv-k3-in8x8x3-out4x4x8-s2",
        "zero-in4x4x8-out4x4x8-s1",
        "mbconv-k3-e3-in4x4x8-out4x4x8-s1-skip",
        "mbconv-k3-e3-in4x4x8-out4x4x8-s1-skip",
    ];

    fn network() -> Network {
        Network::new(BLOCKS.map(|key| key.parse().unwrap()).to_vec()).unwrap()
    }

    #[test]
    fn a_prediction_is_the_sum_over_blocks_and_a_skip_is_free() {
        let mut table = LatencyTable::new(TableContext::named("x"));
        table.insert(row(BLOCKS[0].parse().unwrap(), 1.5));
        table.insert(row(BLOCKS[2].parse().unwrap(), 0.25));
        assert_eq!(table.predict(&network()).unwrap(), Milliseconds(2.0));
        let parts: Vec<f64> = table
            .block_latencies(&network())
            .unwrap()
            .iter()
            .map(|block| block.latency.0)
            .collect();
        assert_eq!(parts, [1.5, 0.0, 0.25, 0.25]);
    }

    #[test]
    fn all_missing_keys_are_listed_each_once_and_the_message_names_the_first() {
        let table = LatencyTable::new(TableContext::named("x"));
        let error = table.predict(&network()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the table lacks 2 keys: `{}`, `{}`", BLOCKS[2], BLOCKS[0])
        );
        let channels =
            |channels: u32| format!("conv-k3-in8x8x{channels}-out8x8x{}-s1", channels + 1);
        let long = (1..9).map(|c| channels(c).parse().unwrap()).collect();
        let error = table.predict(&Network::new(long).unwrap()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the table lacks 8 keys: `conv-k3-in8x8x1-out8x8x2-s1`, `conv-k3-in8x8x2-out8x8x3-s1`, \
             `conv-k3-in8x8x3-out8x8x4-s1` and 5 more"
        );
    }
}
