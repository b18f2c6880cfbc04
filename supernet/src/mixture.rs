//! A mixture runs every candidate of every edge and trains all of them at once, each with its probability:
//! what binary gates do without, kept as the baseline of their memory and time and as the reference of
//! their gradients (DARTS, Liu et al., arXiv:1806.09055, equation 2).

use architecture_search::EdgeValues;
use tch::Tensor;
use torch_layers::{Layers, Mode};

use crate::batch::{cross_entropy, finite};
use crate::net::{SlotLayers, run};
use crate::{Batch, LabelSmoothing, Supernet, SupernetError};

/// What a mixture finds.
#[derive(Debug)]
pub struct MixturePass {
    /// Mean cross-entropy of the batch in nats.
    pub cross_entropy: f64,
    /// Its gradient in each candidate's weight in the sum.
    pub probability_gradient: EdgeValues,
    /// Its gradient in the weights of every candidate, in the order of [`Supernet::all_trainable`].
    pub weight_gradients: Vec<Tensor>,
}

impl Supernet {
    /// Runs a batch through `sum_k p_k o_k(x)` on every edge, with everything in the graph.
    ///
    /// # Errors
    /// Numbers of another space, images of another shape, a loss that is not finite, and what libtorch says.
    pub fn mixture_pass(
        &self,
        batch: &Batch,
        probabilities: &EdgeValues,
    ) -> Result<MixturePass, SupernetError> {
        let mut weights = Vec::new();
        let images = self.execution().images(&batch.images)?;
        let mut edges = probabilities.edges().iter();
        let scores = self.execution().forward(|| {
            let mut value = images;
            for (slot, layers) in self.slots().iter().enumerate() {
                value = match layers {
                    SlotLayers::Fixed(layers) => run(slot, layers, &value, Mode::BatchStatistics)?,
                    SlotLayers::Edge(candidates) => {
                        let own = edges.next().map_or(&[][..], Vec::as_slice);
                        mix(slot, candidates, own, &value, &mut weights)?
                    }
                };
            }
            Ok(value)
        })?;
        let loss = cross_entropy(&scores, &batch.labels, LabelSmoothing::NONE)?;
        let cross_entropy = finite(&loss)?;
        let trainable = self.all_trainable();
        let inputs: Vec<&Tensor> = weights.iter().chain(&trainable).collect();
        let mut gradients = Tensor::f_run_backward(&[loss], &inputs, false, false)?;
        let weight_gradients = gradients.split_off(weights.len());
        let mut slopes = gradients.into_iter();
        let mut own = probabilities.edges().to_vec();
        for slope in own.iter_mut().flatten() {
            *slope = slopes.next().map_or(Ok(0.0), f64::try_from)?;
        }
        let probability_gradient = EdgeValues::new(own)?;
        Ok(MixturePass { cross_entropy, probability_gradient, weight_gradients })
    }
}

fn mix(
    slot: usize,
    candidates: &[Layers],
    probabilities: &[f64],
    input: &Tensor,
    weights: &mut Vec<Tensor>,
) -> Result<Tensor, SupernetError> {
    if candidates.len() != probabilities.len() {
        let (found, expected) = (probabilities.len(), candidates.len());
        return Err(SupernetError::Candidates { slot, found, expected });
    }
    let mut sum: Option<Tensor> = None;
    for (layers, probability) in candidates.iter().zip(probabilities) {
        let weight = Tensor::from(*probability as f32).f_to_device(input.device())?;
        let weight = weight.f_set_requires_grad(true)?;
        let term = run(slot, layers, input, Mode::BatchStatistics)?.f_mul(&weight)?;
        sum = Some(match sum {
            Some(sum) => sum.f_add(&term)?,
            None => term,
        });
        weights.push(weight);
    }
    // An edge has candidates, so that there is a term.
    Ok(sum.unwrap_or_else(|| input.shallow_clone()))
}
