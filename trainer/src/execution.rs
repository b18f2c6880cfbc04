//! An execution by its name, as the settings of a run have it.

use runs::ExecutionName;
use supernet::{Execution, Storage};

/// The execution of a name.
pub(crate) fn of(name: ExecutionName) -> Execution {
    match name {
        ExecutionName::Fastest => Execution::fastest(),
        ExecutionName::Plain => Execution::Plain,
        ExecutionName::ChannelsLast => Execution::ChannelsLast,
        ExecutionName::Autocast => Execution::Autocast,
        ExecutionName::FusedF32 => Execution::Fused(Storage::F32),
        ExecutionName::FusedBf16 => Execution::Fused(Storage::Bf16),
    }
}

/// The name of what is run, where the fastest is asked for.
pub(crate) fn resolved(asked: ExecutionName) -> ExecutionName {
    name(of(asked))
}

/// The name of an execution.
pub(crate) fn name(execution: Execution) -> ExecutionName {
    match execution {
        Execution::Plain => ExecutionName::Plain,
        Execution::ChannelsLast => ExecutionName::ChannelsLast,
        Execution::Autocast => ExecutionName::Autocast,
        Execution::Fused(Storage::F32) => ExecutionName::FusedF32,
        Execution::Fused(Storage::Bf16) => ExecutionName::FusedBf16,
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_name_but_the_fastest_is_that_of_one_execution() {
        for named in ExecutionName::value_variants() {
            if *named != ExecutionName::Fastest {
                assert_eq!(name(of(*named)), *named);
            }
        }
    }
}
