//! Allocations are the bytes that tensors hold at a time, which a counter follows.

use std::ffi::c_char;
use std::marker::PhantomData;

use crate::call::{ShimError, check};

/// The counter on the C++ side.
#[repr(C)]
struct Opaque {
    nothing: [u8; 0],
}

unsafe extern "C" {
    fn shim_allocations_count(output: *mut *mut Opaque) -> *mut c_char;
    fn shim_allocations_current(counter: *mut Opaque) -> i64;
    fn shim_allocations_peak(counter: *mut Opaque) -> i64;
    fn shim_allocations_reset_peak(counter: *mut Opaque);
    fn shim_allocations_stop(counter: *mut Opaque);
}

/// Counts what the calling thread allocates for tensors on the CPU, its backward passes included, as long
/// as it lives. Tensors from before it do not count, neither when they are there nor when they go; nor
/// does the scratch memory of libtorch's libraries, which no tensor holds. Counting takes time:
/// nothing should be timed meanwhile.
///
/// Counters of one thread nest: they end in the reverse order, and only the newest counts.
#[derive(Debug)]
pub struct Allocations {
    counter: *mut Opaque,
    of_this_thread: PhantomData<*const ()>,
}

impl Allocations {
    /// Begins to count, at zero.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn count() -> Result<Self, ShimError> {
        let mut counter = std::ptr::null_mut();
        // SAFETY: the call writes an owned pointer or gives a message.
        unsafe { check("counting allocations", shim_allocations_count(&raw mut counter))? };
        Ok(Self { counter, of_this_thread: PhantomData })
    }

    /// Bytes held now.
    pub fn current_bytes(&self) -> i64 {
        // SAFETY: the pointer is valid until `drop`.
        unsafe { shim_allocations_current(self.counter) }
    }

    /// The largest number of bytes held at a time, since the beginning or the last [`Self::reset_peak`].
    pub fn peak_bytes(&self) -> i64 {
        // SAFETY: the pointer is valid until `drop`.
        unsafe { shim_allocations_peak(self.counter) }
    }

    /// Forgets the peak: it is what is held now.
    pub fn reset_peak(&self) {
        // SAFETY: the pointer is valid until `drop`.
        unsafe { shim_allocations_reset_peak(self.counter) }
    }
}

impl Drop for Allocations {
    fn drop(&mut self) {
        // SAFETY: the pointer is owned, of this thread, and not used again.
        unsafe { shim_allocations_stop(self.counter) }
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::*;

    const OPTIONS: (Kind, Device) = (Kind::Float, Device::Cpu);

    #[test]
    fn the_peak_stays_when_a_tensor_goes_until_it_is_reset() {
        let before = Tensor::zeros([1000], OPTIONS);
        let allocations = Allocations::count().unwrap();
        let first = Tensor::zeros([1024], OPTIONS);
        drop(Tensor::zeros([2048], OPTIONS));
        drop(before);
        assert_eq!((allocations.current_bytes(), allocations.peak_bytes()), (4096, 3 * 4096));
        allocations.reset_peak();
        assert_eq!(allocations.peak_bytes(), 4096);
        drop(first);
        assert_eq!(allocations.current_bytes(), 0);
    }

    #[test]
    fn backward_passes_count() {
        let weight = Tensor::ones([1024], OPTIONS).set_requires_grad(true);
        let allocations = Allocations::count().unwrap();
        let loss = (&weight * &weight).sum(Kind::Float);
        allocations.reset_peak();
        loss.backward();
        assert!(allocations.peak_bytes() >= 2 * 4096, "{}", allocations.peak_bytes());
        assert!(allocations.current_bytes() >= 4096);
    }
}
