//! An execution is how a supernet runs: on which processor, by which kernels, in which precision, and how its maps
//! lie in memory.

use tch::{Cuda, Device, Tensor};
use torch_layers::Storage;
use torch_shim::{Bf16Autocast, channels_last, has_fast_kernels, has_gpu};

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
    /// libtorch's kernels on the first GPU.
    Cuda(CudaExecution),
}

/// How a supernet runs on a GPU. Convolutions of f32 may round to TF32, as PyTorch's do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CudaExecution {
    /// f32, channel by channel.
    Plain,
    /// f32, the channels last.
    ChannelsLast,
    /// bf16 where autocast says so, the channels last.
    Autocast,
}

impl Execution {
    /// The fastest on this machine: on its GPU, where libtorch can use one, and else by this processor's kernels
    /// (`docs/fast_training.md`).
    pub fn fastest() -> Self {
        if has_gpu() {
            Self::Cuda(CudaExecution::Plain)
        } else if has_fast_kernels() {
            Self::Fused(Storage::Bf16)
        } else {
            Self::ChannelsLast
        }
    }

    /// Where weights and maps are.
    pub fn device(self) -> Device {
        match self {
            Self::Plain | Self::ChannelsLast | Self::Autocast | Self::Fused(_) => Device::Cpu,
            Self::Cuda(_) => Device::Cuda(0),
        }
    }

    /// Waits until what was begun is done: a GPU works while the program goes on.
    pub fn wait(self) {
        if let Device::Cuda(index) = self.device() {
            Cuda::synchronize(index.cast_signed() as i64);
        }
    }

    /// How the layers themselves run.
    pub(crate) fn of_layers(self) -> torch_layers::Execution {
        match self {
            Self::Plain | Self::ChannelsLast | Self::Autocast | Self::Cuda(_) => {
                torch_layers::Execution::LayerByLayer
            }
            Self::Fused(storage) => torch_layers::Execution::Fused(storage),
        }
    }

    /// Images as this execution wants them.
    pub(crate) fn images(self, images: &Tensor) -> Result<Tensor, SupernetError> {
        let images = images.f_to_device(self.device())?;
        match self {
            Self::Plain | Self::Cuda(CudaExecution::Plain) => Ok(images.f_contiguous()?),
            Self::ChannelsLast | Self::Autocast | Self::Fused(_) | Self::Cuda(_) => {
                Ok(channels_last(&images)?)
            }
        }
    }

    /// Runs a forward pass in the precision. The backward pass follows it by itself.
    pub(crate) fn forward<T>(
        self,
        pass: impl FnOnce() -> Result<T, SupernetError>,
    ) -> Result<T, SupernetError> {
        let _scope = match self {
            Self::Autocast | Self::Cuda(CudaExecution::Autocast) => {
                Some(Bf16Autocast::begin(self.device())?)
            }
            Self::Plain | Self::ChannelsLast | Self::Fused(_) | Self::Cuda(_) => None,
        };
        pass()
    }
}
