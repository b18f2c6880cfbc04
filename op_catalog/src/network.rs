//! A network is a chain of placed operations, each taking what the one before it gives.

use crate::{CatalogError, Cost, FeatureMap, Op, PlacedOp};

/// A chain whose maps fit, with at least one block and a single input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    blocks: Vec<PlacedOp>,
}

impl Network {
    /// A network of these blocks.
    ///
    /// # Errors
    /// No block at all, neighbours whose maps differ, an `add` (it has two
    /// inputs) in a chain of several, or anything after a `classifier`.
    pub fn new(blocks: Vec<PlacedOp>) -> Result<Self, CatalogError> {
        if blocks.is_empty() {
            return Err(CatalogError::OutOfRange {
                what: "number of blocks",
                value: 0,
                expected: "at least 1".to_owned(),
            });
        }
        for (index, pair) in blocks.windows(2).enumerate() {
            if pair[0].output() != pair[1].input() {
                return Err(CatalogError::Composition {
                    index: index + 1,
                    block: pair[1].to_string(),
                    expected: pair[1].input().to_string(),
                    found: pair[0].output().to_string(),
                });
            }
        }
        if blocks.len() > 1 && blocks.iter().any(|block| block.op() == Op::Add) {
            return Err(CatalogError::Field {
                place: "blocks".to_owned(),
                message: "`add` has two inputs and cannot stand in a chain".to_owned(),
            });
        }
        if let Some(index) = blocks.iter().position(|block| block.op() == Op::Classifier)
            && index + 1 < blocks.len()
        {
            let message = "a `classifier` ends a network".to_owned();
            return Err(CatalogError::Field { place: format!("blocks[{index}]"), message });
        }
        Ok(Self { blocks })
    }

    /// The same blocks on images of another size.
    ///
    /// # Errors
    /// Images so small that a block does not fit.
    pub fn at_resolution(&self, height: u32, width: u32) -> Result<Self, CatalogError> {
        let mut end = FeatureMap::new(height, width, self.input().channels())?;
        let blocks = self.blocks.iter().map(|block| {
            let channels = block.output().channels();
            let placed = PlacedOp::with_shortcut(
                block.op(),
                end,
                channels,
                block.stride(),
                block.shortcut(),
            )?;
            end = placed.output();
            Ok(placed)
        });
        Self::new(blocks.collect::<Result<_, CatalogError>>()?)
    }

    /// The blocks in the order of execution.
    pub fn blocks(&self) -> &[PlacedOp] {
        &self.blocks
    }

    /// What comes in.
    pub fn input(&self) -> FeatureMap {
        self.blocks[0].input()
    }

    /// What goes out.
    pub fn output(&self) -> FeatureMap {
        self.blocks[self.blocks.len() - 1].output()
    }

    /// MACs, parameters and bytes of one image.
    pub fn cost(&self) -> Cost {
        self.blocks.iter().map(|block| Cost::of(&block.lower())).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_that_do_not_fit_are_refused_by_index_and_maps() {
        let blocks = ["conv-k3-in8x8x3-out4x4x8-s2", "conv-k3-in8x8x8-out8x8x8-s1"];
        let error = Network::new(blocks.map(|key| key.parse().unwrap()).to_vec()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "block 1 (`conv-k3-in8x8x8-out8x8x8-s1`) takes 8x8x8, but the block before it gives 4x4x8"
        );
    }

    #[test]
    fn nothing_follows_a_classifier() {
        let blocks = ["classifier-in8x8x3-out1x1x8-s1", "conv-k3-in1x1x8-out1x1x8-s1"];
        let error = Network::new(blocks.map(|key| key.parse().unwrap()).to_vec()).unwrap_err();
        assert_eq!(error.to_string(), "blocks[0]: a `classifier` ends a network");
    }

    #[test]
    fn a_network_moves_to_another_resolution_and_back() {
        let network = crate::reference::network("proxyless_gpu").unwrap();
        let small = network.at_resolution(33, 45).unwrap();
        assert_eq!((small.input().height(), small.input().width()), (33, 45));
        assert_ne!(small.cost().macs, network.cost().macs);
        assert_eq!(small.cost().parameters, network.cost().parameters);
        assert_eq!(small.at_resolution(224, 224).unwrap(), network);
    }
}
