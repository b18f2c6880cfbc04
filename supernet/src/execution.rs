//! An execution is how a supernet runs on its processor: by which kernels, in which precision, and how its
//! maps lie in memory.

use tch::Tensor;
use torch_layers::Storage;
use torch_shim::{Bf16Autocast, channels_last, has_fast_kernels};

use crate::SupernetError;

/// How a supernet runs. No choice changes what is computed, but for rounding. Weights, their gradients and
/// losses are `f32` in all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Execution {
    /// libtorch's kernels, f32, channel by channel: what PyTorch does where nobody asks for anything else,
    /// and the reference that others are compared with.
    Plain,
    /// libtorch's kernels, f32, the channels last.
    ChannelsLast,
    /// libtorch's kernels, bf16 where its autocast says so, the channels last.
    Autocast,
    /// Convolutions together with what is around them, the channels last, maps stored as said.
    Fused(Storage),
}

impl Execution {
    /// The fastest on this processor (`docs/fast_training.md`).
    pub fn fastest() -> Self {
        if has_fast_kernels() { Self::Fused(Storage::Bf16) } else { Self::ChannelsLast }
    }

    /// How the layers themselves run.
    pub(crate) fn of_layers(self) -> torch_layers::Execution {
        match self {
            Self::Plain | Self::ChannelsLast | Self::Autocast => {
                torch_layers::Execution::LayerByLayer
            }
            Self::Fused(storage) => torch_layers::Execution::Fused(storage),
        }
    }

    /// Images as this execution wants them.
    pub(crate) fn images(self, images: &Tensor) -> Result<Tensor, SupernetError> {
        match self {
            Self::Plain => Ok(images.f_contiguous()?),
            Self::ChannelsLast | Self::Autocast | Self::Fused(_) => Ok(channels_last(images)?),
        }
    }

    /// Runs a forward pass in the precision. The backward pass follows it by itself.
    pub(crate) fn forward<T>(
        self,
        pass: impl FnOnce() -> Result<T, SupernetError>,
    ) -> Result<T, SupernetError> {
        let _scope = match self {
            Self::Autocast => Some(Bf16Autocast::begin()?),
            Self::Plain | Self::ChannelsLast | Self::Fused(_) => None,
        };
        pass()
    }
}
