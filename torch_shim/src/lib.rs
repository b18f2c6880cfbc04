//! What libtorch can do and its Rust bindings cannot: a thin layer of C++ behind safe functions.
//!
//! - [`Bf16Autocast`] runs what it is alive for in bf16, where that is safe.
//! - [`channels_last`] and [`is_channels_last`] are about the order of a tensor's numbers in memory.
//! - [`Allocations`] counts the bytes that tensors hold.
//! - [`keep_freed_memory`] keeps pages that were freed for the next tensor.
//! - [`Frozen`] is a function of tensors, traced and optimised.
//! - [`libtorch_version`] and [`cpu_capability`] say what a program runs on.
//! - [`pointwise`] and [`depthwise`] are convolutions that take a [`NormalisedMap`] and give a
//!   [`MapWithMoments`]: what training on a CPU needs to be fast. [`patches`] makes a dense convolution one
//!   of them.
//! - [`inner_product`] of two maps reads each number once.
//! - [`nesterov`] is a step of SGD of many variables in a few calls.
//! - [`open_cuda`] makes libtorch's CUDA part available to a program that was not linked with it; [`has_gpu`] says
//!   whether it has something to run on, and [`compute_exactly`] in which precision.
//!
//! This is the one crate of the workspace with `unsafe` code. A noun is one Rust file and one of C++;
//! exceptions do not cross the boundary, they become a [`ShimError`].

#![cfg_attr(test, allow(clippy::float_cmp, reason = "tests compare what is computed exactly"))]
#![expect(unsafe_code, reason = "this crate is the boundary to C++")]

mod allocations;
mod autocast;
mod call;
mod convolution;
mod cuda;
mod frozen;
mod inner_product;
mod library;
mod memory;
mod memory_format;
mod nesterov;
mod normalised;
mod patches;

pub use allocations::Allocations;
pub use autocast::Bf16Autocast;
pub use call::ShimError;
pub use convolution::{BatchNorm, MapWithMoments, Running, depthwise, has_fast_kernels, pointwise};
pub use cuda::{compute_exactly, gpu_models, has_gpu, open_cuda};
pub use frozen::{Frozen, TraceError};
pub use inner_product::inner_product;
pub use library::{cpu_capability, libtorch_version};
pub use memory::{FreedMemory, keep_freed_memory};
pub use memory_format::{channels_last, is_channels_last};
pub use nesterov::{StepSizes, nesterov};
pub use normalised::{Clamp, NormalisedMap};
pub use patches::{patch_weight, patches};
