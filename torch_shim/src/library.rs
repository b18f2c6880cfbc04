//! The library is the libtorch that a program was built with, and what it makes of the processor.

use std::ffi::{CStr, c_char};

use crate::call::{check, owned_text};

unsafe extern "C" {
    fn shim_libtorch_version() -> *const c_char;
    fn shim_cpu_capability(output: *mut *mut c_char) -> *mut c_char;
}

/// Version of the libtorch that this program was built with, such as `2.13.0`.
pub fn libtorch_version() -> &'static str {
    // SAFETY: a constant of the C++ side that ends with a zero.
    unsafe { CStr::from_ptr(shim_libtorch_version()) }.to_str().unwrap_or("unknown")
}

/// The instruction set that libtorch's own kernels use on this processor, such as `AVX512`.
pub fn cpu_capability() -> String {
    let mut text = std::ptr::null_mut();
    // SAFETY: the call writes a text that is the caller's own, or gives a message.
    unsafe {
        match check("the capability of the processor", shim_cpu_capability(&raw mut text)) {
            Ok(()) => owned_text(text),
            Err(_) => "unknown".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_one_and_the_processor_has_a_capability() {
        assert!(libtorch_version().starts_with("2."), "{}", libtorch_version());
        assert_ne!(cpu_capability(), "unknown");
    }
}
