//! A cost is what can be counted without a device: multiply-accumulates, parameters, bytes.

use std::iter::Sum;
use std::ops::Add;

use crate::layer::{Bias, Layer, LayerGraph, Primitive};

/// Costs of one image at batch 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Multiply-accumulates of convolutions and linear layers, as the field counts them.
    pub macs: u64,
    /// Trainable parameters: weights, biases, and scale and shift of batch normalisation.
    pub parameters: u64,
    /// Bytes of `f32` weights once batch normalisation is folded into the convolution before it.
    pub weight_bytes: u64,
    /// Bytes of `f32` that the layers write, once normalisation and activation are folded.
    pub activation_bytes: u64,
}

impl Cost {
    /// The costs of a graph: the sum over its layers.
    pub fn of(graph: &LayerGraph) -> Self {
        graph.layers.iter().map(Self::of_layer).sum()
    }

    fn of_layer(layer: &Layer) -> Self {
        let (inputs, outputs) =
            (u64::from(layer.input_map.channels()), u64::from(layer.output_map.channels()));
        let written = 4 * layer.output_map.elements();
        let weighted = |weights: u64, biases: u64, uses: u64| Self {
            macs: weights * uses,
            parameters: weights + biases,
            weight_bytes: 4 * (weights + biases),
            activation_bytes: written,
        };
        match layer.primitive {
            Primitive::Conv { kernel, groups, bias, .. } => {
                let weights = outputs * (inputs / u64::from(groups)) * u64::from(kernel).pow(2);
                let biases = if bias == Bias::Present { outputs } else { 0 };
                weighted(weights, biases, layer.output_map.pixels())
            }
            Primitive::Linear => weighted(inputs * outputs, outputs, 1),
            // Folded, it leaves a bias.
            Primitive::BatchNorm => {
                Self { parameters: 2 * outputs, weight_bytes: 4 * outputs, ..Self::default() }
            }
            Primitive::Relu6 | Primitive::Relu | Primitive::HardSwish | Primitive::HardSigmoid => {
                Self::default()
            }
            Primitive::MaxPool(_)
            | Primitive::AveragePool(_)
            | Primitive::GlobalAveragePool
            | Primitive::Add { .. }
            | Primitive::Scale { .. }
            | Primitive::ChannelShuffle { .. } => {
                Self { activation_bytes: written, ..Self::default() }
            }
        }
    }
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            macs: self.macs + other.macs,
            parameters: self.parameters + other.parameters,
            weight_bytes: self.weight_bytes + other.weight_bytes,
            activation_bytes: self.activation_bytes + other.activation_bytes,
        }
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PlacedOp;

    /// Counted by hand: weights x output pixels; parameters with scale and shift per channel.
    #[test]
    fn costs_are_what_a_person_counts() {
        for (key, macs, parameters, weight_bytes, activation_bytes) in [
            (
                "conv-k3-in8x8x3-out4x4x16-s2",
                16 * 27 * 16,
                16 * 27 + 32,
                4 * (16 * 27 + 16),
                4 * 256,
            ),
            ("depthwise-k5-in8x8x6-out8x8x6-s1", 6 * 25 * 64, 6 * 25 + 12, 4 * 156, 4 * 384),
            ("classifier-in7x7x8-out1x1x10-s1", 80, 90, 4 * 90, 4 * (8 + 10)),
            ("maxpool-k2-in8x8x3-out4x4x3-s2", 0, 0, 0, 4 * 48),
            ("zero-in8x8x3-out8x8x3-s1", 0, 0, 0, 0),
            ("conv-k1-nobn-hs-in1x1x8-out1x1x10-s1", 80, 80, 4 * 80, 4 * 10),
            ("globalpool-in7x7x8-out1x1x8-s1", 0, 0, 0, 4 * 8),
            (
                // Two groups halve the two pointwise convolutions; the shuffle writes the middle.
                "mbconv-k3-m16-g2-relu-in4x4x8-out4x4x8-s1",
                (8 * 16 / 2 + 16 * 9 + 16 * 8 / 2) * 16,
                8 * 16 / 2 + 32 + 16 * 9 + 32 + 16 * 8 / 2 + 16,
                4 * (8 * 16 / 2 + 16 + 16 * 9 + 16 + 16 * 8 / 2 + 8),
                4 * 16 * (16 + 16 + 16 + 8),
            ),
            (
                // 40 / 4 rounds to 16: a tenth less than 10 is too much for 8.
                "mbconv-k3-m40-se-hs-in4x4x8-out4x4x8-s1",
                (8 * 40 + 40 * 9 + 40 * 8) * 16 + 2 * 40 * 16,
                8 * 40 + 80 + 40 * 9 + 80 + 40 * 8 + 16 + 2 * 40 * 16 + 16 + 40,
                4 * (8 * 40 + 40 + 40 * 9 + 40 + 40 * 8 + 8 + 2 * 40 * 16 + 16 + 40),
                // Expansion, depthwise, pooled, squeezed, excited, scaled, projection.
                4 * (16 * (40 + 40) + 40 + 16 + 40 + 16 * (40 + 8)),
            ),
            (
                "mbconv-k3-e2-in4x4x8-out4x4x8-s1-skip",
                (8 * 16 + 16 * 9 + 16 * 8) * 16,
                8 * 16 + 32 + 16 * 9 + 32 + 16 * 8 + 16,
                4 * (8 * 16 + 16 + 16 * 9 + 16 + 16 * 8 + 8),
                // Expansion, depthwise, projection, sum.
                4 * 16 * (16 + 16 + 8 + 8),
            ),
        ] {
            let cost = Cost::of(&key.parse::<PlacedOp>().unwrap().lower());
            let expected = Cost { macs, parameters, weight_bytes, activation_bytes };
            assert_eq!(cost, expected, "{key}");
        }
    }
}
