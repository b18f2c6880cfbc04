//! A weight step trains the weights of one path on a batch.

use op_catalog::Architecture;
use tch::Tensor;
use torch_layers::Mode;

use crate::batch::{cross_entropy, finite};
use crate::{Batch, LabelSmoothing, Sgd, Supernet, SupernetError};

/// What weight steps share.
#[derive(Debug)]
pub struct WeightStep {
    /// The optimizer.
    pub optimizer: Sgd,
    /// The loss is cross-entropy with this smoothing.
    pub smoothing: LabelSmoothing,
}

impl WeightStep {
    /// Trains the weights along one path and returns the batch's loss in nats before the step. Weights of
    /// other candidates see no update, no momentum and no decay.
    ///
    /// # Errors
    /// An architecture of another space, images of another shape, a loss that is not finite, and what
    /// libtorch says. After a loss that is not finite the weights are as they were.
    pub fn run(
        &mut self,
        net: &Supernet,
        batch: &Batch,
        architecture: &Architecture,
        learning_rate: f64,
    ) -> Result<f64, SupernetError> {
        let scores = net.scores(&batch.images, architecture, Mode::Train)?;
        let loss = cross_entropy(&scores, &batch.labels, self.smoothing)?;
        let value = finite(&loss)?;
        let variables = net.trainable(architecture)?;
        let tensors: Vec<&Tensor> = variables.iter().map(|variable| &variable.tensor).collect();
        // Gradients are asked for and not gathered in the variables, which would keep those of paths that
        // were trained before.
        let gradients = Tensor::f_run_backward(&[loss], &tensors, false, false)?;
        self.optimizer.step(&variables, &gradients, learning_rate)?;
        Ok(value)
    }
}
