//! A frozen function is what one call of a function did, recorded: a graph in which everything but the
//! inputs is a constant, and which libtorch has optimised for these constants. Normalisations are folded
//! into convolutions, and weights are brought into the order that the kernels like.

use std::ffi::c_char;
use std::marker::PhantomData;

use tch::Tensor;
use torch_sys::C_tensor;

use crate::call::{ShimError, addresses, check, tensor_of};

/// `torch::jit::Module` on the C++ side.
#[repr(C)]
struct Opaque {
    nothing: [u8; 0],
}

unsafe extern "C" {
    fn shim_trace_begin(
        inputs: *const *const C_tensor,
        count: usize,
        output: *mut *mut Opaque,
    ) -> *mut c_char;
    fn shim_trace_abandon();
    fn shim_trace_end(module: *mut Opaque, result: *const C_tensor) -> *mut c_char;
    fn shim_frozen_run(
        module: *mut Opaque,
        inputs: *const *const C_tensor,
        count: usize,
        output: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn shim_frozen_free(module: *mut Opaque);
}

/// A function of tensors, traced and optimised; for inputs of the shapes that it was traced with.
#[derive(Debug)]
pub struct Frozen {
    module: *mut Opaque,
    of_this_thread: PhantomData<*const ()>,
}

/// Why a function could not be frozen: it failed itself, or libtorch could not record it.
#[derive(Debug, thiserror::Error)]
pub enum TraceError<E: std::error::Error + 'static> {
    /// The function's own error.
    #[error(transparent)]
    Function(E),
    /// What libtorch says.
    #[error(transparent)]
    Shim(#[from] ShimError),
}

/// Ends the recording of this thread, whatever happens.
struct Recording;

impl Drop for Recording {
    fn drop(&mut self) {
        // SAFETY: it only forgets this thread's recording.
        unsafe { shim_trace_abandon() }
    }
}

impl Frozen {
    /// Calls the function on example inputs, records what it does and optimises that. Its weights must not
    /// require gradients.
    ///
    /// # Errors
    /// The function's own, and what libtorch says of what cannot be recorded.
    pub fn trace<E: std::error::Error>(
        examples: &[Tensor],
        function: impl FnOnce(&[Tensor]) -> Result<Tensor, E>,
    ) -> Result<Self, TraceError<E>> {
        // Handles of their own: the recording knows a tensor by its identity.
        let inputs: Vec<Tensor> = examples.iter().map(Tensor::detach).collect();
        let pointers = addresses(&inputs);
        let mut module = std::ptr::null_mut();
        // SAFETY: as many live tensors as are told; the call writes an owned pointer or gives a message.
        unsafe {
            let message = shim_trace_begin(pointers.as_ptr(), pointers.len(), &raw mut module);
            check("tracing", message)?;
        }
        let (frozen, _recording) = (Self { module, of_this_thread: PhantomData }, Recording);
        let result = function(&inputs).map_err(TraceError::Function)?;
        // SAFETY: the module is the one of this recording, and the result is a live tensor.
        unsafe { check("freezing", shim_trace_end(frozen.module, result.as_ptr()))? };
        Ok(frozen)
    }

    /// Runs it.
    ///
    /// # Errors
    /// What libtorch says, such as of inputs of another shape.
    pub fn run(&self, inputs: &[Tensor]) -> Result<Tensor, ShimError> {
        let pointers = addresses(inputs);
        // SAFETY: the module is valid until `drop`, and the inputs are live tensors.
        unsafe {
            tensor_of("running a frozen function", |output| {
                shim_frozen_run(self.module, pointers.as_ptr(), pointers.len(), output)
            })
        }
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        // SAFETY: the pointer is owned and not used again.
        unsafe { shim_frozen_free(self.module) }
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, TchError};

    use super::*;

    const OPTIONS: (Kind, Device) = (Kind::Float, Device::Cpu);

    #[test]
    fn a_frozen_convolution_with_normalisation_computes_the_same_on_other_inputs() {
        let weight = Tensor::randn([8, 4, 3, 3], OPTIONS);
        let numbers: Vec<Tensor> = (0..4).map(|_| Tensor::rand([8], OPTIONS) + 0.5).collect();
        let block = |inputs: &[Tensor]| -> Result<Tensor, TchError> {
            let maps = inputs[0].f_conv2d(&weight, None::<Tensor>, 1, 1, 1, 1)?;
            let (w, b) = (Some(&numbers[0]), Some(&numbers[1]));
            let (mean, var) = (Some(&numbers[2]), Some(&numbers[3]));
            maps.f_batch_norm(w, b, mean, var, false, 0.1, 1e-3, false)?.f_relu_()
        };
        let frozen = Frozen::trace(&[Tensor::randn([2, 4, 9, 9], OPTIONS)], block).unwrap();
        let other = [Tensor::randn([2, 4, 9, 9], OPTIONS)];
        let (expected, found) = (block(&other).unwrap(), frozen.run(&other).unwrap());
        assert!(found.allclose(&expected, 1e-5, 1e-5, false));
    }

    #[test]
    fn the_functions_own_error_comes_out_and_the_next_trace_works() {
        let inputs = [Tensor::ones([2], OPTIONS)];
        let failing = |_: &[Tensor]| Err(TchError::Convert("no".to_owned()));
        let error = Frozen::trace(&inputs, failing).unwrap_err();
        assert!(matches!(error, TraceError::Function(TchError::Convert(_))), "{error}");
        let doubled = Frozen::trace(&inputs, |inputs| inputs[0].f_add(&inputs[0])).unwrap();
        assert!(doubled.run(&inputs).unwrap().equal(&Tensor::full([2], 2.0, OPTIONS)));
    }

    #[test]
    fn weights_with_gradients_are_refused_in_words() {
        let weight = Tensor::ones([2], OPTIONS).set_requires_grad(true);
        let inputs = [Tensor::ones([2], OPTIONS)];
        let result = Frozen::trace(&inputs, |inputs| inputs[0].f_mul(&weight));
        assert!(result.unwrap_err().to_string().contains("requires grad"));
    }
}
