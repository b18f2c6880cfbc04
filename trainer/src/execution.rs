//! An execution by its name, as the settings of a run have it.

use anyhow::anyhow;
use command_line::hint::WithHint;
use runs::ExecutionName;
use supernet::{CudaExecution, Execution, Storage};

/// The execution of a name.
///
/// # Errors
/// One on a GPU, where there is none that libtorch can use.
pub(crate) fn of(name: ExecutionName) -> anyhow::Result<Execution> {
    let execution = named(name);
    if execution.device().is_cuda() && !torch_shim::has_gpu() {
        return Err(anyhow!("the execution is `{name}`, and there is no GPU that libtorch can use"))
            .hint(
                "it takes a GPU of NVIDIA with its driver, and a libtorch that was built for it (docs/libtorch.md); \
                 `fastest`, by --execution or in the config.toml of a run, runs on what there is",
            );
    }
    Ok(execution)
}

/// The name of what is run, where the fastest is asked for.
pub(crate) fn resolved(asked: ExecutionName) -> anyhow::Result<ExecutionName> {
    Ok(name(of(asked)?))
}

fn named(name: ExecutionName) -> Execution {
    match name {
        ExecutionName::Fastest => Execution::fastest(),
        ExecutionName::Plain => Execution::Plain,
        ExecutionName::ChannelsLast => Execution::ChannelsLast,
        ExecutionName::Autocast => Execution::Autocast,
        ExecutionName::FusedF32 => Execution::Fused(Storage::F32),
        ExecutionName::FusedBf16 => Execution::Fused(Storage::Bf16),
        ExecutionName::CudaPlain => Execution::Cuda(CudaExecution::Plain),
        ExecutionName::CudaChannelsLast => Execution::Cuda(CudaExecution::ChannelsLast),
        ExecutionName::CudaAutocast => Execution::Cuda(CudaExecution::Autocast),
    }
}

/// The name of an execution.
pub(crate) fn name(execution: Execution) -> ExecutionName {
    match execution {
        Execution::Plain => ExecutionName::Plain,
        Execution::ChannelsLast => ExecutionName::ChannelsLast,
        Execution::Autocast => ExecutionName::Autocast,
        Execution::Fused(Storage::F32) => ExecutionName::FusedF32,
        Execution::Fused(Storage::Bf16) => ExecutionName::FusedBf16,
        Execution::Cuda(CudaExecution::Plain) => ExecutionName::CudaPlain,
        Execution::Cuda(CudaExecution::ChannelsLast) => ExecutionName::CudaChannelsLast,
        Execution::Cuda(CudaExecution::Autocast) => ExecutionName::CudaAutocast,
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_name_but_the_fastest_is_that_of_one_execution() {
        for asked in ExecutionName::value_variants() {
            if *asked != ExecutionName::Fastest {
                assert_eq!(name(named(*asked)), *asked);
                assert_eq!(named(*asked).device().is_cuda(), asked.needs_gpu(), "{asked}");
            }
        }
    }

    #[test]
    fn a_gpu_that_is_not_there_is_refused_by_name() {
        if torch_shim::has_gpu() {
            return;
        }
        let error = of(ExecutionName::CudaPlain).unwrap_err().to_string();
        assert!(error.contains("`cuda-plain`"), "{error}");
        assert!(of(ExecutionName::Fastest).is_ok_and(|fastest| !fastest.device().is_cuda()));
    }
}
