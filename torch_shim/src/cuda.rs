//! CUDA is a library of its own in libtorch, which a program opens when it wants to use a GPU.

use std::ffi::c_char;

use crate::call::{ShimError, check};

unsafe extern "C" {
    fn shim_open_cuda() -> *mut c_char;
}

/// Opens libtorch's CUDA part. Linkers leave it out of programs that do not call into it, and libtorch asks
/// once whether it is there: this must come before everything else that libtorch does in the process.
///
/// # Errors
/// A library that is not installed, or one that it needs.
pub fn open_cuda() -> Result<(), ShimError> {
    // SAFETY: it opens a library by its name; what runs meanwhile are that library's own initialisers.
    unsafe { check("opening libtorch_cuda", shim_open_cuda()) }
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
