//! The interpreter of the catalogue's layers in libtorch: what trains, searches and measures with it runs
//! the very list of layers that ONNX and the other runtimes are given.
//!
//! [`Layers`] are a [`LayerGraph`](op_catalog::LayerGraph) with its weights as variables of a
//! [`VarStore`](tch::nn::VarStore), under the names that the catalogue gives them. A [`Mode`] says what a
//! forward pass is for. [`he_fan_out`] draws weights to train from; those of
//! [`op_catalog::Weights`] can be loaded and read back.
//!
//! An [`Execution`] says by which kernels they are run: the fused ones are for training on a CPU.
//!
//! Maps are tensors of shape `[batch, channels, height, width]`. Their memory format is kept from layer to
//! layer: give them with [`torch_shim::channels_last`] and they stay so.
//!
//! ```
//! use op_catalog::{PlacedOp, Weights};
//! use tch::{Device, Kind, Tensor, nn::VarStore};
//! use torch_layers::{Layers, Mode};
//!
//! let graph = "mbconv-k3-e6-in8x8x16-out8x8x16-s1-skip".parse::<PlacedOp>()?.lower();
//! let store = VarStore::new(Device::Cpu);
//! let weights = Weights::random(&graph, 1);
//! let block = Layers::given(&store.root(), graph, &weights)?;
//! let images = Tensor::zeros([2, 16, 8, 8], (Kind::Float, Device::Cpu));
//! assert_eq!(block.forward(&images, Mode::Evaluate)?.size(), [2, 16, 8, 8]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(test, allow(clippy::float_cmp, reason = "tests compare what is computed exactly"))]

mod dropout;
mod error;
mod execution;
mod initialisation;
mod layers;
mod mode;
mod plan;
mod step;
mod value;

pub use dropout::Dropout;
pub use error::LayersError;
pub use execution::{Execution, Storage};
pub use initialisation::he_fan_out;
pub use layers::Layers;
pub use mode::Mode;
