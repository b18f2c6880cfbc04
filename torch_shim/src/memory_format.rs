//! The memory format is the order in which the numbers of a batch of maps lie: channel after channel
//! (NCHW, the default), or pixel after pixel (channels last), which is faster on most processors. The
//! shape is `[batch, channels, height, width]` in both.

use std::ffi::c_char;

use tch::Tensor;
use torch_sys::C_tensor;

use crate::call::{ShimError, check, tensor_of};

unsafe extern "C" {
    fn shim_channels_last(input: *const C_tensor, output: *mut *mut C_tensor) -> *mut c_char;
    fn shim_is_channels_last(input: *const C_tensor, answer: *mut bool) -> *mut c_char;
}

/// The same maps with their channels last in memory; the tensor itself where they are already.
/// Operations of libtorch keep that order, and autograd knows it.
///
/// # Errors
/// A tensor that has not four dimensions.
pub fn channels_last(maps: &Tensor) -> Result<Tensor, ShimError> {
    // SAFETY: `maps` is a live tensor, and the call gives a new one.
    unsafe { tensor_of("channels last", |output| shim_channels_last(maps.as_ptr(), output)) }
}

/// Whether the channels are last in memory. Maps of one pixel or one channel are so in both formats.
///
/// # Errors
/// What libtorch says.
pub fn is_channels_last(maps: &Tensor) -> Result<bool, ShimError> {
    let mut answer = false;
    // SAFETY: `maps` is a live tensor, and the place of the answer is valid for the call.
    unsafe {
        check("channels last", shim_is_channels_last(maps.as_ptr(), &raw mut answer))?;
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn the_order_changes_and_the_numbers_do_not() {
        let maps = Tensor::arange(2 * 3 * 4 * 5, (Kind::Float, Device::Cpu)).view([2, 3, 4, 5]);
        let last = channels_last(&maps).unwrap();
        assert!(!is_channels_last(&maps).unwrap());
        assert!(is_channels_last(&last).unwrap());
        assert_eq!((last.size(), last.stride()), (maps.size(), vec![60, 1, 15, 3]));
        assert!(last.equal(&maps));
    }

    #[test]
    fn convolutions_keep_the_order_and_gradients_pass_through_it() {
        let options = (Kind::Float, Device::Cpu);
        let maps = Tensor::ones([1, 4, 6, 6], options).set_requires_grad(true);
        let weight = Tensor::ones([8, 4, 3, 3], options);
        let output = channels_last(&maps).unwrap().conv2d(&weight, None::<Tensor>, 1, 1, 1, 1);
        assert!(is_channels_last(&output).unwrap());
        output.sum(Kind::Float).backward();
        assert_eq!(maps.grad().size(), maps.size());
        // A pixel that is not at the border is in nine windows of each of the eight outputs.
        assert_eq!(maps.grad().double_value(&[0, 0, 2, 2]), 72.0);
    }

    #[test]
    fn what_is_not_maps_is_refused_in_words() {
        let error = channels_last(&Tensor::zeros([3], (Kind::Float, Device::Cpu))).unwrap_err();
        assert_eq!(error.call(), "channels last");
        assert!(error.message().contains("rank 4"), "{error}");
    }
}
