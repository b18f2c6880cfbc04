//! ONNX is the file format in which a [`LayerGraph`](crate::LayerGraph) leaves the project: tract, ONNX
//! Runtime and every converter read it.
//!
//! Batch normalisation is folded into the convolution before it, as every runtime would do when it
//! loads the model. Shapes are fixed, batch included. Inputs are named `input`, `input_1`, ...; the
//! output is named `output`; all are `[batch, channels, height, width]`, but for a classifier's output,
//! which is `[batch, classes]`.

mod attributes;
mod folding;
mod model;
mod proto;
mod writer;

pub use folding::{FoldedConvolution, fold};
pub use model::model;
