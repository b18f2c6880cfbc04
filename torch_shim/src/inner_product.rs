//! An inner product is the sum of the products of the numbers of two tensors of one shape.

use std::ffi::c_char;

use tch::Tensor;
use torch_sys::C_tensor;

use crate::call::{ShimError, check};

unsafe extern "C" {
    fn shim_inner_product(a: *const C_tensor, b: *const C_tensor, output: *mut f64) -> *mut c_char;
}

/// `<a, b>`, summed in 32 bits within 4096 numbers and in 64 bits beyond. Each number is read once, where the
/// operations of libtorch would write both as f32, and their products.
///
/// # Errors
/// Tensors of two shapes, and what else libtorch says.
pub fn inner_product(a: &Tensor, b: &Tensor) -> Result<f64, ShimError> {
    let mut product = 0.0;
    // SAFETY: live tensors, and a number to be written to.
    unsafe {
        check("an inner product", shim_inner_product(a.as_ptr(), b.as_ptr(), &raw mut product))?;
    }
    Ok(product)
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;
    use crate::channels_last;

    #[test]
    fn it_is_the_sum_of_products_in_every_type_and_order_of_memory() {
        tch::manual_seed(3);
        // No multiple of a vector, and of two blocks.
        for shape in [[1, 3, 5, 7], [2, 24, 13, 13], [1, 1, 1, 1]] {
            let [a, b] = [(); 2].map(|()| Tensor::randn(shape, (Kind::Float, Device::Cpu)));
            let exact = (a.to_kind(Kind::Double) * b.to_kind(Kind::Double)).sum(Kind::Double);
            let exact = f64::try_from(exact).unwrap();
            let found = inner_product(&a, &b).unwrap();
            let largest = a.abs().sum(Kind::Double).double_value(&[]);
            assert!((found - exact).abs() < 1e-5 * largest, "{found} {exact}");
            let last = channels_last(&a).unwrap();
            let mixed = inner_product(&last, &b).unwrap();
            assert!((mixed - exact).abs() < 1e-5 * largest, "{mixed} {exact}");
            let half = |tensor: &Tensor| tensor.to_kind(Kind::BFloat16);
            let rounded = (half(&a).to_kind(Kind::Double) * half(&b).to_kind(Kind::Double))
                .sum(Kind::Double)
                .double_value(&[]);
            let found = inner_product(&half(&last), &half(&b)).unwrap();
            assert!((found - rounded).abs() < 1e-5 * largest, "{found} {rounded}");
        }
        let other = Tensor::zeros([2], (Kind::Float, Device::Cpu));
        assert!(inner_product(&other, &Tensor::zeros([3], (Kind::Float, Device::Cpu))).is_err());
    }
}
