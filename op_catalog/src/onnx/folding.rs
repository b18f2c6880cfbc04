//! Folding turns a convolution and the batch normalisation after it into one convolution with a bias.

use crate::layer::BATCH_NORM_EPSILON;
use crate::weights::Tensor;
use crate::{CatalogError, Layer, Weights};

/// A convolution with a bias. Shapes: `[out, in / groups, kernel, kernel]` and `[out]`.
#[derive(Clone, Debug, PartialEq)]
pub struct FoldedConvolution {
    /// Weights, each scaled by its channel's normalisation.
    pub weight: Tensor,
    /// Shift per channel.
    pub bias: Tensor,
}

/// Folds `y = (x - mean) / sqrt(variance + epsilon) * scale + shift` (Ioffe and Szegedy,
/// arXiv:1502.03167, algorithm 2) into the convolution that gives `x`, in double precision.
///
/// # Errors
/// Weights of another graph.
pub fn fold(
    convolution: &Layer,
    normalisation: &Layer,
    weights: &Weights,
) -> Result<FoldedConvolution, CatalogError> {
    let mut weight = weights.get(&format!("{}.weight", convolution.name))?.clone();
    let part = |name: &str| {
        let tensor = weights.get(&format!("{}.{name}", normalisation.name))?;
        Ok::<_, CatalogError>(tensor.values.iter().map(|value| f64::from(*value)))
    };
    let factors: Vec<f64> = part("weight")?
        .zip(part("running_var")?)
        .map(|(scale, variance)| scale / (variance + f64::from(BATCH_NORM_EPSILON)).sqrt())
        .collect();
    let shifts = part("bias")?.zip(part("running_mean")?).zip(&factors);
    let bias: Vec<f32> =
        shifts.map(|((shift, mean), factor)| (shift - mean * factor) as f32).collect();
    let per_channel = weight.values.len() / factors.len();
    for (channel, factor) in weight.values.chunks_mut(per_channel).zip(&factors) {
        for value in channel {
            *value = (f64::from(*value) * factor) as f32;
        }
    }
    let bias = Tensor { shape: vec![bias.len()], values: bias };
    Ok(FoldedConvolution { weight, bias })
}
