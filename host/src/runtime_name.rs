//! A runtime's name is how it is said on the command line.

use clap::ValueEnum;
use op_catalog::wire::Runtime;

/// The runtimes by name.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum RuntimeName {
    /// tract, in Rust
    Tract,
    /// libtorch, in its fastest form
    Torch,
    /// libtorch, operation by operation as it trains
    #[value(name = "torch_eager")]
    TorchEager,
    /// libtorch on the first GPU
    #[value(name = "torch_cuda")]
    TorchCuda,
    /// No runtime: times follow from the MACs, for trying things out
    Mock,
}

impl From<RuntimeName> for Runtime {
    fn from(name: RuntimeName) -> Self {
        match name {
            RuntimeName::Tract => Self::Tract,
            RuntimeName::Torch => Self::Torch,
            RuntimeName::TorchEager => Self::TorchEager,
            RuntimeName::TorchCuda => Self::TorchCuda,
            RuntimeName::Mock => Self::Mock,
        }
    }
}

impl From<Runtime> for RuntimeName {
    fn from(runtime: Runtime) -> Self {
        match runtime {
            Runtime::Tract => Self::Tract,
            Runtime::Torch => Self::Torch,
            Runtime::TorchEager => Self::TorchEager,
            Runtime::TorchCuda => Self::TorchCuda,
            Runtime::Mock => Self::Mock,
        }
    }
}
