//! The catalogue: what can be searched, measured, trained and exported, as data.
//!
//! An [`Op`] is an operation before it stands anywhere; a [`PlacedOp`] stands at an input
//! [`FeatureMap`] with a stride, and its text is the key of a latency table. A [`Network`] is a chain
//! of placed operations. Both lower to a [`LayerGraph`], the one short list of primitive layers that
//! every interpreter reads: what is measured, trained and exported is one network by construction.
//! [`Cost`] counts such a list, [`Weights`] fill it and [`onnx`] writes it.
//!
//! A [`SpaceDefinition`] is a search space as data, with [`Candidate`]s to choose from; built, it is a
//! [`SearchSpace`] of edges, and an [`Architecture`] chooses on each. A [`NetworkFile`] names a network in any of the JSON forms that
//! are read, [`proxyless_config`] among them; [`mod@reference`] knows published networks by name.
//!
//! [`wire`] is what agent and host say to each other.
//!
//! ```
//! use op_catalog::{Cost, PlacedOp};
//! let block: PlacedOp = "mbconv-k3-e6-in28x28x40-out28x28x40-s1-skip".parse()?;
//! assert_eq!(Cost::of(&block.lower()).macs, 16_746_240);
//! # Ok::<(), op_catalog::CatalogError>(())
//! ```

pub mod activation;
pub mod architecture;
pub mod candidate;
mod cell;
pub mod cost;
pub mod error;
pub mod expand_ratio;
pub mod expansion;
pub mod feature_map;
mod field_error;
mod json_fields;
pub mod kernel;
pub mod layer;
mod lowering;
pub mod mbconv;
pub mod network;
pub mod network_file;
pub mod onnx;
pub mod op;
pub mod placed_op;
pub mod proxyless_config;
pub mod reference;
pub mod space;
mod space_builder;
pub mod space_definition;
mod space_design;
pub mod units;
pub mod weights;
pub mod wire;

pub use activation::Activation;
pub use architecture::Architecture;
pub use candidate::Candidate;
pub use cost::Cost;
pub use error::CatalogError;
pub use expand_ratio::ExpandRatio;
pub use expansion::Expansion;
pub use feature_map::FeatureMap;
pub use kernel::Kernel;
pub use layer::{Layer, LayerGraph, Primitive, ValueId};
pub use mbconv::{MbConv, SqueezeExcite};
pub use network::Network;
pub use network_file::NetworkFile;
pub use op::{Normalisation, Op};
pub use placed_op::{PlacedOp, Shortcut};
pub use space::{SearchSpace, Slot};
pub use space_definition::SpaceDefinition;
pub use units::Milliseconds;
pub use weights::Weights;
