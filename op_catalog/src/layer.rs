//! A layer is one primitive step of a network: the short list that every interpreter (ONNX, tract,
//! libtorch) understands.

use crate::FeatureMap;

/// Epsilon of every batch normalisation (ProxylessNAS `net.config`: `bn.eps`).
pub const BATCH_NORM_EPSILON: f32 = 1e-3;

/// Momentum of every batch normalisation (ProxylessNAS `net.config`: `bn.momentum`).
pub const BATCH_NORM_MOMENTUM: f32 = 0.1;

/// A value of a [`LayerGraph`]: one of its inputs, or the output of one of its layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ValueId {
    /// The graph's input of this index.
    Input(usize),
    /// The output of the layer of this index.
    Layer(usize),
}

/// What a layer computes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Primitive {
    /// Square convolution. Weight shape: `[out, in / groups, kernel, kernel]`; of a bias, `[out]`.
    Conv {
        /// Side of the kernel.
        kernel: u32,
        /// Step in pixels.
        stride: u32,
        /// Zeros around the map, on each side.
        padding: u32,
        /// Groups of channels that do not mix; all of them in a depthwise convolution.
        groups: u32,
        /// Whether it adds a number per channel.
        bias: Bias,
    },
    /// Batch normalisation with scale and shift per channel.
    BatchNorm,
    /// min(max(x, 0), 6).
    Relu6,
    /// max(x, 0).
    Relu,
    /// x * min(max(x + 3, 0), 6) / 6.
    HardSwish,
    /// min(max(x + 3, 0), 6) / 6.
    HardSigmoid,
    /// Maximum over a square window.
    MaxPool(Window),
    /// Mean over a square window; padding does not count.
    AveragePool(Window),
    /// Mean over all pixels: `h x w x c` becomes `1 x 1 x c`.
    GlobalAveragePool,
    /// Linear layer with bias on a `1 x 1 x c` map. Weight shape: `[out, in]`.
    Linear,
    /// Sum with another value of the same shape.
    Add {
        /// The other summand.
        other: ValueId,
    },
    /// Product with a number per channel: a `1 x 1 x c` map, for all pixels of `h x w x c`.
    Scale {
        /// The numbers.
        by: ValueId,
    },
    /// Deals the channels of each group out to all groups: channel `i` of `n` groups of `m` goes to
    /// `(i % m) * n + i / m` (`ShuffleNet`, arXiv:1707.01083, section 3.1).
    ChannelShuffle {
        /// Groups of channels, as of the convolution before it.
        groups: u32,
    },
}

/// Whether a convolution adds a number per channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bias {
    /// It does not.
    Absent,
    /// It does.
    Present,
}

impl Primitive {
    /// What it takes besides its first input.
    pub const fn second_input(self) -> Option<ValueId> {
        match self {
            Self::Add { other: value } | Self::Scale { by: value } => Some(value),
            _ => None,
        }
    }
}

/// A pooling window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Side in pixels.
    pub kernel: u32,
    /// Step in pixels.
    pub stride: u32,
    /// Pixels around the map, on each side.
    pub padding: u32,
}

/// A primitive with its place in the graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Unique in its graph, with dots between its parts: `blocks.3.depthwise.conv`. Weights are
    /// named after it.
    pub name: String,
    /// What it computes.
    pub primitive: Primitive,
    /// What it takes.
    pub input: ValueId,
    /// Shape of what it takes.
    pub input_map: FeatureMap,
    /// Shape of what it gives.
    pub output_map: FeatureMap,
}

/// Layers in the order of execution. A graph with no layers passes its first input on.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerGraph {
    /// Shapes of what comes in, one image of each.
    pub inputs: Vec<FeatureMap>,
    /// The layers; each takes graph inputs or outputs of layers before it.
    pub layers: Vec<Layer>,
    /// What goes out.
    pub output: ValueId,
    /// Shape of what goes out.
    pub output_map: FeatureMap,
}

impl Layer {
    /// The weights this layer holds, each with its shape. Names are the layer's and PyTorch's own:
    /// `weight`, `bias`, `running_mean`, `running_var`.
    pub fn weights(&self) -> Vec<(String, Vec<usize>)> {
        let (inputs, outputs) =
            (self.input_map.channels() as usize, self.output_map.channels() as usize);
        let shapes: Vec<(&str, Vec<usize>)> = match self.primitive {
            Primitive::Conv { kernel, groups, bias, .. } => {
                let side = kernel as usize;
                let weight = ("weight", vec![outputs, inputs / groups as usize, side, side]);
                match bias {
                    Bias::Absent => vec![weight],
                    Bias::Present => vec![weight, ("bias", vec![outputs])],
                }
            }
            Primitive::BatchNorm => ["weight", "bias", "running_mean", "running_var"]
                .map(|part| (part, vec![outputs]))
                .to_vec(),
            Primitive::Linear => vec![("weight", vec![outputs, inputs]), ("bias", vec![outputs])],
            _ => Vec::new(),
        };
        shapes.into_iter().map(|(part, shape)| (format!("{}.{part}", self.name), shape)).collect()
    }
}
