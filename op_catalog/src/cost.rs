//! A cost is what can be counted without a device: multiply-accumulates, parameters, bytes.

use std::iter::Sum;
use std::ops::Add;

use crate::layer::{Layer, LayerGraph, Primitive};

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
        let weighted = |weights: u64, parameters: u64, uses: u64| Self {
            macs: weights * uses,
            parameters,
            weight_bytes: 4 * (weights + outputs),
            activation_bytes: written,
        };
        match layer.primitive {
            Primitive::Conv { kernel, groups, .. } => {
                let weights = outputs * (inputs / u64::from(groups)) * u64::from(kernel).pow(2);
                weighted(weights, weights, layer.output_map.pixels())
            }
            Primitive::Linear => weighted(inputs * outputs, inputs * outputs + outputs, 1),
            Primitive::BatchNorm => Self { parameters: 2 * outputs, ..Self::default() },
            Primitive::Relu6 => Self::default(),
            _ => Self { activation_bytes: written, ..Self::default() },
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
