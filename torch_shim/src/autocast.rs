//! Autocast chooses the precision of each operation: bf16 where it is faster and does no harm
//! (convolutions, matrix products), f32 elsewhere.

use std::ffi::{c_char, c_int};
use std::marker::PhantomData;

use tch::Device;

use crate::call::{ShimError, check};

unsafe extern "C" {
    fn shim_autocast_enter(
        on_gpu: bool,
        was_enabled: *mut bool,
        dtype_before: *mut c_int,
    ) -> *mut c_char;
    fn shim_autocast_leave(on_gpu: bool, was_enabled: bool, dtype_before: c_int) -> *mut c_char;
}

/// A scope in which the calling thread's operations on one kind of device are cast to bf16. Scopes nest; the end of
/// one restores what was before it. (`tch::autocast` does this for CUDA alone, to f16.)
///
/// A backward pass takes the precision of its forward pass and belongs outside the scope.
#[derive(Debug)]
#[must_use = "the scope ends where this value is dropped"]
pub struct Bf16Autocast {
    on_gpu: bool,
    was_enabled: bool,
    dtype_before: c_int,
    of_this_thread: PhantomData<*const ()>,
}

impl Bf16Autocast {
    /// Begins the scope, for the CPU or for GPUs of NVIDIA.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn begin(device: Device) -> Result<Self, ShimError> {
        let on_gpu = device.is_cuda();
        let (mut was_enabled, mut dtype_before) = (false, 0);
        // SAFETY: both places are valid for the call.
        unsafe {
            let message = shim_autocast_enter(on_gpu, &raw mut was_enabled, &raw mut dtype_before);
            check("bf16 autocast", message)?;
        }
        Ok(Self { on_gpu, was_enabled, dtype_before, of_this_thread: PhantomData })
    }
}

impl Drop for Bf16Autocast {
    fn drop(&mut self) {
        // SAFETY: plain values. There is nobody to tell of a failure, and nothing that can fail.
        let _ = unsafe {
            let message = shim_autocast_leave(self.on_gpu, self.was_enabled, self.dtype_before);
            check("bf16 autocast", message)
        };
    }
}

#[cfg(test)]
mod tests {
    use tch::{Kind, Tensor};

    use super::*;

    #[test]
    fn products_within_the_scope_are_bf16_and_f32_again_behind_it() {
        let ones = Tensor::ones([4, 4], (Kind::Float, Device::Cpu));
        {
            let _outer = Bf16Autocast::begin(Device::Cpu).unwrap();
            drop(Bf16Autocast::begin(Device::Cpu).unwrap());
            assert_eq!(ones.matmul(&ones).kind(), Kind::BFloat16);
            assert_eq!((&ones + &ones).kind(), Kind::Float);
        }
        assert_eq!(ones.matmul(&ones).kind(), Kind::Float);
    }

    #[test]
    fn the_scope_is_of_its_thread() {
        let _scope = Bf16Autocast::begin(Device::Cpu).unwrap();
        let elsewhere = std::thread::spawn(|| {
            let ones = Tensor::ones([4, 4], (Kind::Float, Device::Cpu));
            ones.matmul(&ones).kind()
        });
        assert_eq!(elsewhere.join().unwrap(), Kind::Float);
    }

    #[test]
    fn gradients_are_f32_where_the_weights_are() {
        let weight = Tensor::ones([4, 4], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let loss = {
            let _scope = Bf16Autocast::begin(Device::Cpu).unwrap();
            weight.matmul(&weight).sum(Kind::Float)
        };
        loss.backward();
        assert_eq!(weight.grad().kind(), Kind::Float);
        assert_eq!(f64::try_from(weight.grad().sum(Kind::Float)).unwrap(), 128.0);
    }
}
