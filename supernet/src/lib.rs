//! The over-parameterised network of a search space on libtorch, and the steps that train it.
//!
//! A [`Supernet`] has the layers of every candidate of every edge. A [`WeightStep`] trains the weights of
//! one path, as if the others were not there; [`Supernet::gate_pass`] says what a batch's loss would have of
//! every candidate that its gates let take part, without training anything. The architecture parameters
//! live in [`architecture_search`], which turns gate gradients into their next values. [`Execution`] is how
//! all of it runs: kernels, precision and memory format.
//!
//! Images are tensors of shape `[batch, channels, height, width]`, labels `[batch]` of whole numbers.
//!
//! ```
//! use architecture_search::{GateMode, Logits};
//! use op_catalog::SpaceDefinition;
//! use rand::SeedableRng;
//! use supernet::{Batch, Execution, Supernet};
//! use tch::{Device, Kind, Tensor};
//!
//! let space = SpaceDefinition::built_in("proxyless-small")?.build()?;
//! let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(1);
//! let net = Supernet::new(space, Execution::Plain, &mut random)?;
//! let logits = Logits::random(net.space(), &mut random);
//! let images = Tensor::zeros(net.image_shape(2), (Kind::Float, Device::Cpu));
//! let batch = Batch { images, labels: Tensor::from_slice(&[3_i64, 1]) };
//! let pass = net.gate_pass(&batch, &GateMode::FullV2.sample(&logits, &mut random))?;
//! assert_eq!(pass.gate_gradient.choice_counts(), logits.values().choice_counts());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod batch;
mod error;
mod execution;
mod gate_pass;
mod mixture;
mod net;
mod network;
mod sgd;
mod weight_step;

pub use batch::{Batch, LabelSmoothing, accuracy, cross_entropy};
pub use error::SupernetError;
pub use execution::{CudaExecution, Execution};
pub use gate_pass::GatePass;
pub use mixture::MixturePass;
pub use net::Supernet;
pub use network::SingleNetwork;
pub use sgd::{Sgd, SgdSettings};
pub use torch_layers::{Dropout, Mode, Storage};
pub use weight_step::{BatchScore, WeightStep};
