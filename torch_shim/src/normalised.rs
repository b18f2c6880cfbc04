//! A normalised map is one whose normalisation is still to be done, by whoever reads it.
//!
//! A map is `[batch, channels, height, width]` with its channels last in memory, f32 or bf16; arithmetic
//! is f32 in both. Between two convolutions of a block only what the first one gave is stored: the
//! second normalises it on the way in, and takes the gradient through on the way back.

use std::ffi::c_char;

use tch::Tensor;
use torch_sys::C_tensor;

use crate::call::{ShimError, tensor_of};

unsafe extern "C" {
    fn shim_materialise(
        input: *const Parts,
        residual: *const C_tensor,
        output: *mut *mut C_tensor,
    ) -> *mut c_char;
}

/// What a normalised number is cut off at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clamp {
    /// Nothing: a linear output.
    Unbounded,
    /// Zero from below: `ReLU`.
    Relu,
    /// Zero from below and six from above: `ReLU6`.
    Relu6,
}

impl Clamp {
    const fn bounds(self) -> (f64, f64) {
        match self {
            Self::Unbounded => (f64::NEG_INFINITY, f64::INFINITY),
            Self::Relu => (0.0, f64::INFINITY),
            Self::Relu6 => (0.0, 6.0),
        }
    }
}

/// `clamp(scale * raw + shift)` with a scale and a shift for each channel, or a map as it is.
#[derive(Debug)]
pub struct NormalisedMap {
    raw: Tensor,
    /// Scale and shift, each `[channels]`.
    affine: Option<(Tensor, Tensor)>,
    clamp: Clamp,
}

/// A map's parts as C++ takes them: `NormalisedParts` of normalised.h.
#[repr(C)]
pub(crate) struct Parts {
    raw: *const C_tensor,
    scale: *const C_tensor,
    shift: *const C_tensor,
    low: f64,
    high: f64,
}

impl NormalisedMap {
    /// A map with nothing left to do.
    pub fn plain(map: &Tensor) -> Self {
        Self { raw: map.shallow_clone(), affine: None, clamp: Clamp::Unbounded }
    }

    /// `clamp(scale * raw + shift)`; `scale` and `shift` are `[channels]`.
    pub fn new(raw: Tensor, scale: Tensor, shift: Tensor, clamp: Clamp) -> Self {
        Self { raw, affine: Some((scale, shift)), clamp }
    }

    /// The same with another clamp.
    #[must_use]
    pub fn clamped(self, clamp: Clamp) -> Self {
        Self { clamp, ..self }
    }

    /// What is still to be cut off.
    pub fn clamp(&self) -> Clamp {
        self.clamp
    }

    /// Another handle of the same map.
    pub fn shallow_clone(&self) -> Self {
        let handles =
            |(scale, shift): &(Tensor, Tensor)| (scale.shallow_clone(), shift.shallow_clone());
        let affine = self.affine.as_ref().map(handles);
        Self { raw: self.raw.shallow_clone(), affine, clamp: self.clamp }
    }

    /// The map itself, plus `residual` where there is one, in the type of the raw map.
    /// Differentiable in the raw map, the scale, the shift and the residual.
    ///
    /// # Errors
    /// Shapes that do not fit, and what else libtorch says.
    pub fn materialise(&self, residual: Option<&Tensor>) -> Result<Tensor, ShimError> {
        let parts = self.parts();
        let residual = residual.map_or(std::ptr::null(), Tensor::as_ptr);
        // SAFETY: live tensors or null, and the call gives a new one.
        unsafe {
            tensor_of("normalising", |output| shim_materialise(&raw const parts, residual, output))
        }
    }

    pub(crate) fn parts(&self) -> Parts {
        let (low, high) = self.clamp.bounds();
        let (scale, shift) = match &self.affine {
            Some((scale, shift)) => (scale.as_ptr(), shift.as_ptr()),
            None => (std::ptr::null(), std::ptr::null()),
        };
        Parts { raw: self.raw.as_ptr(), scale, shift, low, high }
    }
}
