//! A value is what a layer gives: a map, or one of which a part of the work is left to who reads it, so
//! that a convolution, its normalisation and its activation read and write a map once between them.

use tch::{Kind, TchError, Tensor};
use torch_shim::{
    Clamp, MapWithMoments, NormalisedMap, ShimError, depthwise, patch_weight, patches, pointwise,
};

use crate::execution::Storage;
use crate::plan::Target;
use crate::step::{Plain, Step};
use crate::{Dropout, Mode};

/// More channels than this, and a dense convolution's patches take more memory than they are worth.
const MOST_PATCH_CHANNELS: i64 = 4;

/// What a layer gives.
#[derive(Debug)]
pub(crate) enum Value {
    /// A tensor that is all there.
    Whole(Tensor),
    /// What a convolution gave, with its moments for a normalisation.
    Convolved(MapWithMoments),
    /// What a normalisation gave, to be applied.
    Normalised(NormalisedMap),
}

impl Value {
    /// The whole tensor.
    pub(crate) fn whole(&self) -> Result<Tensor, TchError> {
        match self {
            Self::Whole(tensor) => Ok(tensor.shallow_clone()),
            Self::Convolved(convolved) => Ok(convolved.map.shallow_clone()),
            Self::Normalised(map) => map.materialise(None).map_err(|error| in_words(&error)),
        }
    }

    /// A map as the fused kernels take it.
    fn map(&self, storage: Storage) -> Result<NormalisedMap, TchError> {
        match self {
            Self::Normalised(map) => Ok(map.shallow_clone()),
            _ => Ok(NormalisedMap::plain(&self.whole()?.f_to_kind(storage.kind())?)),
        }
    }

    /// What a layer makes of this value, with as little of the work done as its readers allow.
    pub(crate) fn through(
        &self,
        step: &Step,
        second: Option<&Self>,
        storage: Storage,
        (mode, dropout): (Mode, Dropout),
    ) -> Result<Self, TchError> {
        match (step, self, second) {
            (Step::Conv { weight, bias: None, stride, padding, groups }, ..) => {
                match Kernel::of(weight, *stride, *padding, *groups) {
                    Some(kernel) if self.allows(kernel)? => self.convolved(kernel, weight, storage),
                    _ => self.plainly(step, second, (mode, dropout)),
                }
            }
            (Step::BatchNorm(norm), Self::Convolved(convolved), _) => {
                norm.run_fused(convolved, mode).map(Self::Normalised)
            }
            (Step::Plain(plain @ (Plain::Relu | Plain::Relu6)), Self::Normalised(map), _)
                if map.clamp() == Clamp::Unbounded =>
            {
                let clamp = if matches!(plain, Plain::Relu) { Clamp::Relu } else { Clamp::Relu6 };
                Ok(Self::Normalised(map.shallow_clone().clamped(clamp)))
            }
            (Step::Plain(Plain::Add), Self::Normalised(map), Some(second)) => map
                .materialise(Some(&second.whole()?))
                .map(Self::Whole)
                .map_err(|error| in_words(&error)),
            _ => self.plainly(step, second, (mode, dropout)),
        }
    }

    /// No gradient passes through patches.
    fn allows(&self, kernel: Kernel) -> Result<bool, TchError> {
        Ok(!matches!(kernel, Kernel::Dense { .. }) || !self.whole()?.requires_grad())
    }

    fn convolved(
        &self,
        kernel: Kernel,
        weight: &Tensor,
        storage: Storage,
    ) -> Result<Self, TchError> {
        let convolved = match kernel {
            Kernel::Pointwise => pointwise(&self.map(storage)?, weight),
            Kernel::Depthwise { stride } => depthwise(&self.map(storage)?, weight, stride),
            Kernel::Dense { side, stride } => patches(&self.whole()?, side, stride, storage.kind())
                .and_then(|map| pointwise(&map, &patch_weight(weight))),
        };
        convolved.map(Self::Convolved).map_err(|error| in_words(&error))
    }

    /// By libtorch's own kernels. Weights are f32, and means over pixels are better kept so.
    fn plainly(
        &self,
        step: &Step,
        second: Option<&Self>,
        (mode, dropout): (Mode, Dropout),
    ) -> Result<Self, TchError> {
        let input = self.whole()?;
        let kind = input.kind();
        let second = second.map(Self::whole).transpose()?;
        let run = |input| step.run(input, second.as_ref(), Target::New, mode, dropout);
        let result = match step {
            Step::Linear { .. } | Step::Plain(Plain::GlobalAveragePool) => {
                run(input.f_to_kind(Kind::Float)?)?
            }
            Step::Conv { .. } | Step::BatchNorm(_) => {
                run(input.f_to_kind(Kind::Float)?)?.f_to_kind(kind)?
            }
            Step::Plain(_) => run(input)?.f_to_kind(kind)?,
        };
        Ok(Self::Whole(result))
    }
}

/// The fused kernel of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kernel {
    Pointwise,
    Depthwise { stride: u32 },
    Dense { side: u32, stride: u32 },
}

impl Kernel {
    fn of(weight: &Tensor, stride: i64, padding: i64, groups: i64) -> Option<Self> {
        let (shape, step) = (weight.size(), u32::try_from(stride).ok()?);
        let [outputs, inputs, side] = [shape[0], shape[1], shape[2]];
        let centred = side % 2 == 1 && padding == side / 2;
        match (side, groups) {
            (1, 1) if stride == 1 => Some(Self::Pointwise),
            _ if groups == outputs && inputs == 1 && centred && stride <= 2 && side <= 15 => {
                Some(Self::Depthwise { stride: step })
            }
            (_, 1) if inputs <= MOST_PATCH_CHANNELS && centred => {
                Some(Self::Dense { side: u32::try_from(side).ok()?, stride: step })
            }
            _ => None,
        }
    }
}

/// The shim's error as one of the bindings, which is what steps give.
pub(crate) fn in_words(error: &ShimError) -> TchError {
    TchError::Torch(error.message().to_owned())
}
