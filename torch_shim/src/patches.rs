//! Patches are what a dense convolution sees of an image, pixel by pixel: the convolution is a pointwise
//! one of these. Worth it where an image has few channels, at the start of a network.

use std::ffi::{c_char, c_int};

use tch::{Kind, TchError, Tensor};
use torch_sys::C_tensor;

use crate::call::{ShimError, tensor_of};
use crate::normalised::NormalisedMap;

unsafe extern "C" {
    fn shim_patches(
        image: *const C_tensor,
        kernel: i64,
        stride: i64,
        kind: c_int,
        output: *mut *mut C_tensor,
    ) -> *mut c_char;
}

/// `c10::ScalarType::Float`.
const FLOAT: c_int = 6;

/// `c10::ScalarType::BFloat16`.
const BFLOAT16: c_int = 15;

/// Patches of images `[batch, channels, height, width]`, padded by half the kernel: a map of
/// `kernel * kernel * channels` channels of this kind, f32 or bf16. No gradient reaches the images.
///
/// # Errors
/// Images of another rank, another kind, and what else libtorch says.
pub fn patches(
    images: &Tensor,
    kernel: u32,
    stride: u32,
    kind: Kind,
) -> Result<NormalisedMap, ShimError> {
    let (kernel, stride) = (i64::from(kernel), i64::from(stride));
    let scalar_type = match kind {
        Kind::Float => FLOAT,
        Kind::BFloat16 => BFLOAT16,
        other => {
            let message = format!("maps are Float or BFloat16, not {other:?}");
            return Err(ShimError::of("patches", &TchError::Convert(message)));
        }
    };
    // SAFETY: `images` is a live tensor, and the call gives a new one.
    let map = unsafe {
        tensor_of("patches", |output| {
            shim_patches(images.as_ptr(), kernel, stride, scalar_type, output)
        })?
    };
    Ok(NormalisedMap::plain(&map))
}

/// The weight `[outputs, channels, kernel, kernel]` of a dense convolution as the pointwise one of its
/// patches, `[outputs, kernel * kernel * channels, 1, 1]`. Differentiable.
pub fn patch_weight(weight: &Tensor) -> Tensor {
    let outputs = weight.size()[0];
    weight.permute([0, 2, 3, 1]).reshape([outputs, -1, 1, 1])
}
