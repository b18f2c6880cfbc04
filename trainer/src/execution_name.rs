//! An execution's name is what a user calls a way to run a supernet.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use supernet::{Execution, Storage};

/// A way to run a supernet, as it is named on the command line and in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ExecutionName {
    /// The fastest of them on this machine
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
}

impl ExecutionName {
    /// The execution itself.
    pub(crate) fn execution(self) -> Execution {
        match self {
            Self::Fastest => Execution::fastest(),
            Self::Plain => Execution::Plain,
            Self::ChannelsLast => Execution::ChannelsLast,
            Self::Autocast => Execution::Autocast,
            Self::FusedF32 => Execution::Fused(Storage::F32),
            Self::FusedBf16 => Execution::Fused(Storage::Bf16),
        }
    }

    /// The name of an execution.
    pub(crate) fn of(execution: Execution) -> Self {
        match execution {
            Execution::Plain => Self::Plain,
            Execution::ChannelsLast => Self::ChannelsLast,
            Execution::Autocast => Self::Autocast,
            Execution::Fused(Storage::F32) => Self::FusedF32,
            Execution::Fused(Storage::Bf16) => Self::FusedBf16,
        }
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
    fn every_name_but_the_fastest_is_that_of_one_execution() {
        for name in ExecutionName::value_variants() {
            if *name != ExecutionName::Fastest {
                assert_eq!(ExecutionName::of(name.execution()), *name);
            }
        }
    }
}
