//! CUDA is a library of its own in libtorch, which a program opens when it wants to use a GPU.

use std::ffi::c_char;
use std::path::Path;

use crate::call::{ShimError, check};

unsafe extern "C" {
    fn shim_open_cuda() -> *mut c_char;
    fn shim_compute_exactly() -> *mut c_char;
}

/// The device file of NVIDIA's driver.
const DRIVER: &str = "/dev/nvidiactl";

/// Opens libtorch's CUDA part. Linkers leave it out of programs that do not call into it, and libtorch asks
/// once whether it is there: this must come before everything else that libtorch does in the process.
///
/// # Errors
/// A library that is not installed, or one that it needs.
pub fn open_cuda() -> Result<(), ShimError> {
    // SAFETY: it opens a library by its name; what runs meanwhile are that library's own initialisers.
    unsafe { check("opening libtorch_cuda", shim_open_cuda()) }
}

/// Whether there is a GPU, its driver, and a libtorch that was built for it. As [`open_cuda`], it must come before
/// everything else that libtorch does in the process.
pub fn has_gpu() -> bool {
    Path::new(DRIVER).exists() && open_cuda().is_ok() && tch::Cuda::is_available()
}

/// Has a GPU multiply f32 as they are, in the whole process from now on. By itself libtorch lets convolutions round
/// them to 10 bits (TF32), which is much faster, and too far from other runtimes to be compared with them.
///
/// # Errors
/// What libtorch says.
pub fn compute_exactly() -> Result<(), ShimError> {
    // SAFETY: it sets two options of libtorch, which takes them at any time.
    unsafe { check("exact products of f32", shim_compute_exactly()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_open_afterwards_or_the_missing_library_is_named() {
        match open_cuda() {
            Ok(()) => open_cuda().unwrap(),
            Err(error) => assert!(error.message().contains("lib"), "{error}"),
        }
    }
}
