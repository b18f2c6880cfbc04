//! An execution's name is what a user calls a way to run a network in training.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A way to run a network, as it is named on the command line and in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExecutionName {
    /// The fastest of them on this machine: on its GPU, where libtorch can use one
    Fastest,
    /// libtorch's kernels, f32, channel by channel
    Plain,
    /// libtorch's kernels, f32, the channels last
    ChannelsLast,
    /// libtorch's kernels, bf16 by its autocast, the channels last
    Autocast,
    /// Fused kernels, maps stored in f32
    FusedF32,
    /// Fused kernels, maps stored in bf16
    FusedBf16,
    /// On the first GPU, f32, channel by channel
    CudaPlain,
    /// On the first GPU, f32, the channels last
    CudaChannelsLast,
    /// On the first GPU, bf16 by libtorch's autocast, the channels last
    CudaAutocast,
}

impl ExecutionName {
    /// Whether it is one on a GPU, which not every machine has.
    pub fn needs_gpu(self) -> bool {
        matches!(self, Self::CudaPlain | Self::CudaChannelsLast | Self::CudaAutocast)
    }
}

impl fmt::Display for ExecutionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.pad(value.as_ref().map_or("", |value| value.get_name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_same_on_the_command_line_and_in_files() {
        for name in ExecutionName::value_variants() {
            assert_eq!(serde_json::to_value(name).unwrap(), name.to_string());
        }
    }
}
