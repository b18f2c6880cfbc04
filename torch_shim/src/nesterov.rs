//! A Nesterov step moves variables against their gradients, and keeps the velocity of each.

use std::ffi::c_char;

use tch::Tensor;
use torch_sys::C_tensor;

use crate::call::{ShimError, addresses, check};

unsafe extern "C" {
    fn shim_nesterov(
        variables: *const *const C_tensor,
        velocities: *const *const C_tensor,
        gradients: *const *const C_tensor,
        count: usize,
        rate: f64,
        momentum: f64,
        weight_decay: f64,
    ) -> *mut c_char;
}

/// What a step takes besides tensors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepSizes {
    /// The learning rate.
    pub rate: f64,
    /// Share of a velocity that stays.
    pub momentum: f64,
    /// This multiple of a variable is added to its gradient.
    pub weight_decay: f64,
}

/// `d = g + decay w`, `v = momentum v + d`, `w -= rate (d + momentum v)` of every variable, which is PyTorch's
/// `SGD(nesterov=True)` where velocities begin with 0. Variables and velocities are overwritten.
///
/// # Errors
/// Lists of different lengths, tensors of different shapes or devices, and what else libtorch says.
pub fn nesterov(
    variables: &[Tensor],
    velocities: &[Tensor],
    gradients: &[Tensor],
    sizes: StepSizes,
) -> Result<(), ShimError> {
    let count = variables.len();
    let call = "a step of SGD";
    if [velocities.len(), gradients.len()] != [count; 2] {
        let (velocities, gradients) = (velocities.len(), gradients.len());
        let lists = format!("{count} variables, {velocities} velocities, {gradients} gradients");
        return Err(ShimError::new(call, lists));
    }
    let StepSizes { rate, momentum, weight_decay } = sizes;
    let [variables, velocities, gradients] = [variables, velocities, gradients].map(addresses);
    // SAFETY: three lists of so many live tensors, of which libtorch overwrites those that it is to.
    unsafe {
        let message = shim_nesterov(
            variables.as_ptr(),
            velocities.as_ptr(),
            gradients.as_ptr(),
            count,
            rate,
            momentum,
            weight_decay,
        );
        check(call, message)
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn lists_of_different_lengths_and_other_shapes_are_refused() {
        let [one, two] = [1, 2].map(|size| Tensor::zeros([size], (Kind::Float, Device::Cpu)));
        let sizes = StepSizes { rate: 0.1, momentum: 0.9, weight_decay: 0.0 };
        let step = |variables: &[Tensor], gradients: &[Tensor]| {
            nesterov(variables, &[one.shallow_clone()], gradients, sizes)
        };
        let error = step(&[], &[one.shallow_clone()]).unwrap_err();
        assert_eq!(error.message(), "0 variables, 1 velocities, 1 gradients");
        assert!(step(&[one.shallow_clone()], &[two]).is_err());
        assert!(step(&[one.shallow_clone()], &[one.shallow_clone()]).is_ok());
    }
}
