//! A call is one into this crate's C++, with what it says when it fails.

use std::ffi::{CStr, c_char};

use tch::{TchError, Tensor};
use torch_sys::C_tensor;

unsafe extern "C" {
    fn shim_free_text(text: *mut c_char);
}

/// What libtorch said of a call that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{call}: {message}")]
pub struct ShimError {
    call: &'static str,
    message: String,
}

impl ShimError {
    /// What this side says of a call that cannot be made.
    pub(crate) fn new(call: &'static str, message: String) -> Self {
        Self { call, message }
    }

    /// An error of the Rust bindings in the course of a call.
    pub(crate) fn of(call: &'static str, error: &TchError) -> Self {
        Self { call, message: error.to_string() }
    }

    /// What was called, in words.
    pub fn call(&self) -> &str {
        self.call
    }

    /// What libtorch said.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// Takes over the message of a call; a null pointer is success.
///
/// # Safety
/// The message comes from the C++ of this crate and nobody else frees it.
pub(crate) unsafe fn check(call: &'static str, message: *mut c_char) -> Result<(), ShimError> {
    if message.is_null() {
        return Ok(());
    }
    // SAFETY: as this function's own.
    let message = unsafe { owned_text(message) };
    Err(ShimError { call, message })
}

/// Takes over a text of the C++ side.
///
/// # Safety
/// It is not null, ends with a zero, comes from `strdup`, and nobody else frees it.
pub(crate) unsafe fn owned_text(text: *mut c_char) -> String {
    // SAFETY: the caller vouches for it.
    let owned = unsafe { CStr::from_ptr(text) }.to_string_lossy().trim_end().to_owned();
    // SAFETY: as above, and it is not read again.
    unsafe { shim_free_text(text) };
    owned
}

/// A call that gives a tensor: it writes an owned pointer.
///
/// # Safety
/// The call writes a pointer to a new tensor that nobody else frees, or gives a message.
pub(crate) unsafe fn tensor_of(
    call: &'static str,
    run: impl FnOnce(*mut *mut C_tensor) -> *mut c_char,
) -> Result<Tensor, ShimError> {
    let mut output = std::ptr::null_mut();
    // SAFETY: the caller vouches for it.
    unsafe {
        check(call, run(&raw mut output))?;
        Ok(Tensor::from_ptr(output))
    }
}

/// The tensors' addresses, for a call that reads them.
pub(crate) fn addresses(tensors: &[Tensor]) -> Vec<*const C_tensor> {
    tensors.iter().map(Tensor::as_ptr).collect()
}
