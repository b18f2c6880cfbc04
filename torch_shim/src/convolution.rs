//! A convolution that normalises its input on the way in and takes the moments of its output on the way
//! out, so that a batch normalisation in training is arithmetic on vectors of channels and costs no pass
//! over the map.
//!
//! ```
//! use tch::{Device, Kind, Tensor};
//! use torch_shim::{BatchNorm, Clamp, NormalisedMap, Running, depthwise, pointwise};
//!
//! let options = (Kind::Float, Device::Cpu);
//! let numbers = |channels| [Tensor::ones([channels], options), Tensor::zeros([channels], options)];
//! let ([scale, shift], [variance, mean]) = (numbers(12), numbers(12));
//! let norm = BatchNorm {
//!     weight: &scale, bias: &shift, epsilon: 1e-3,
//!     running: Some(Running { mean: &mean, variance: &variance, momentum: 0.1 }),
//! };
//! let images = Tensor::randn([2, 8, 6, 6], options);
//! let middle = pointwise(&NormalisedMap::plain(&images), &Tensor::randn([12, 8, 1, 1], options))?;
//! let middle = middle.normalise(&norm, Clamp::Relu6)?;
//! let output = depthwise(&middle, &Tensor::randn([12, 1, 3, 3], options), 2)?;
//! assert_eq!(output.map.size(), [2, 12, 3, 3]);
//! # Ok::<(), torch_shim::ShimError>(())
//! ```

use std::ffi::{c_char, c_int};

use tch::{Kind, TchError, Tensor, no_grad};
use torch_sys::C_tensor;

use crate::call::{ShimError, check};
use crate::normalised::{Clamp, NormalisedMap, Parts};

/// A convolution on the C++ side: it writes a map, the mean and the variance.
type Convolve = unsafe extern "C" fn(
    input: *const Parts,
    weight: *const C_tensor,
    kind: c_int,
    stride: i64,
    outputs: *mut *mut C_tensor,
) -> *mut c_char;

unsafe extern "C" {
    fn shim_fast_kernels() -> bool;
    fn shim_convolve(
        input: *const Parts,
        weight: *const C_tensor,
        kind: c_int,
        stride: i64,
        outputs: *mut *mut C_tensor,
    ) -> *mut c_char;
}

/// `ConvolutionKind` of convolution.h.
#[derive(Clone, Copy, Debug)]
#[repr(i32)]
enum ConvolutionKind {
    Pointwise = 0,
    Depthwise = 1,
}

/// Whether this processor has the fast kernels (AVX-512 with bf16). Elsewhere, and on GPUs, the same
/// functions run on libtorch's own.
pub fn has_fast_kernels() -> bool {
    // SAFETY: it asks the processor.
    unsafe { shim_fast_kernels() }
}

/// What a convolution gives: a map, with each channel's mean and biased variance over all its pixels
/// (f32, `[channels]`). All three carry gradients.
#[derive(Debug)]
pub struct MapWithMoments {
    /// The map.
    pub map: Tensor,
    /// Mean of each channel.
    pub mean: Tensor,
    /// Biased variance of each channel.
    pub variance: Tensor,
}

/// The numbers of a batch normalisation by its batch's own moments, each `[channels]`.
#[derive(Clone, Copy, Debug)]
pub struct BatchNorm<'a> {
    /// Learnt scale.
    pub weight: &'a Tensor,
    /// Learnt shift.
    pub bias: &'a Tensor,
    /// Added to the variance.
    pub epsilon: f64,
    /// What remembers the moments, where something does.
    pub running: Option<Running<'a>>,
}

/// Moments that follow those of the batches, each `[channels]`.
#[derive(Clone, Copy, Debug)]
pub struct Running<'a> {
    /// Mean.
    pub mean: &'a Tensor,
    /// Unbiased variance.
    pub variance: &'a Tensor,
    /// Share of a new batch.
    pub momentum: f64,
}

/// A pointwise convolution; `weight` is `[outputs, inputs, 1, 1]`.
///
/// The weight and its gradient are f32. Products of bf16 maps are of bf16 numbers, with f32 sums.
///
/// # Errors
/// Shapes that do not fit, and what else libtorch says.
pub fn pointwise(input: &NormalisedMap, weight: &Tensor) -> Result<MapWithMoments, ShimError> {
    // SAFETY: it is one of ours.
    unsafe { convolve(shim_convolve, input, weight, ConvolutionKind::Pointwise, 1) }
}

/// A depthwise convolution of odd kernel, padded by half of it, with stride 1 or 2; `weight` is
/// `[channels, 1, kernel, kernel]`. It and its gradient are f32, and so are all products.
///
/// # Errors
/// Shapes that do not fit, other strides, and what else libtorch says.
pub fn depthwise(
    input: &NormalisedMap,
    weight: &Tensor,
    stride: u32,
) -> Result<MapWithMoments, ShimError> {
    // SAFETY: it is one of ours.
    unsafe { convolve(shim_convolve, input, weight, ConvolutionKind::Depthwise, stride) }
}

/// # Safety
/// The function keeps to what [`Convolve`] says.
unsafe fn convolve(
    convolve: Convolve,
    input: &NormalisedMap,
    weight: &Tensor,
    kind: ConvolutionKind,
    stride: u32,
) -> Result<MapWithMoments, ShimError> {
    let (parts, stride) = (input.parts(), i64::from(stride));
    let mut outputs = [std::ptr::null_mut(); 3];
    // SAFETY: live tensors, and room for three; the caller vouches for the rest.
    let [map, mean, variance] = unsafe {
        let (weight, kind) = (weight.as_ptr(), kind as c_int);
        check(
            "convolution",
            convolve(&raw const parts, weight, kind, stride, outputs.as_mut_ptr()),
        )?;
        outputs.map(|output| Tensor::from_ptr(output))
    };
    Ok(MapWithMoments { map, mean, variance })
}

impl MapWithMoments {
    /// Batch normalisation by this batch's own moments (arXiv:1502.03167, algorithm 1), then the clamp.
    /// Moves the running moments.
    ///
    /// # Errors
    /// One image of one pixel, numbers of another length, and what else libtorch says.
    pub fn normalise(&self, norm: &BatchNorm, clamp: Clamp) -> Result<NormalisedMap, ShimError> {
        self.normalised(norm, clamp).map_err(|error| ShimError::of("batch normalisation", &error))
    }

    fn normalised(&self, norm: &BatchNorm, clamp: Clamp) -> Result<NormalisedMap, TchError> {
        let Self { map, mean, variance } = self;
        if pixels(map) < 2.0 {
            let message = format!("a channel of {:?} has one number, and no variance", map.size());
            return Err(TchError::Convert(message));
        }
        if let Some(running) = norm.running {
            no_grad(|| running.follow(mean, variance, pixels(map)))?;
        }
        let deviation = variance.f_add_scalar(norm.epsilon)?.f_sqrt()?;
        let scale = norm.weight.f_div(&deviation)?;
        let shift = norm.bias.f_sub(&mean.f_mul(&scale)?)?;
        Ok(NormalisedMap::new(map.shallow_clone(), scale, shift, clamp))
    }
}

impl Running<'_> {
    fn follow(&self, mean: &Tensor, variance: &Tensor, pixels: f64) -> Result<(), TchError> {
        let unbiased = variance.f_mul_scalar(pixels / (pixels - 1.0))?;
        let move_to = |running: &Tensor, new: &Tensor| {
            running.shallow_clone().f_lerp_(&new.f_to_kind(Kind::Float)?, self.momentum).map(drop)
        };
        move_to(self.mean, mean)?;
        move_to(self.variance, &unbiased)?;
        Ok(())
    }
}

/// Numbers that a channel has, over all images.
fn pixels(map: &Tensor) -> f64 {
    let size = map.size();
    (size[0] * size[2] * size[3]) as f64
}

#[cfg(test)]
mod tests;
