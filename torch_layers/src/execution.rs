//! The execution says by which kernels layers are run, and in what precision maps are stored. The weights,
//! their gradients and what a linear layer gives are f32 in all of them.

use tch::Kind;

/// By what layers are run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Execution {
    /// libtorch's own kernels, layer by layer.
    #[default]
    LayerByLayer,
    /// Convolutions together with the normalisations and activations around them, by the kernels of
    /// `torch_shim`; libtorch's own for what these do not know. For training on a CPU.
    Fused(Storage),
}

/// How the numbers of a map are stored between kernels. Sums are f32 in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// 32 bits.
    F32,
    /// The upper 16 of these.
    Bf16,
}

impl Storage {
    /// libtorch's name for it.
    pub const fn kind(self) -> Kind {
        match self {
            Self::F32 => Kind::Float,
            Self::Bf16 => Kind::BFloat16,
        }
    }
}
