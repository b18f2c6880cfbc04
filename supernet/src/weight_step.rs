//! A weight step trains the weights of one path on a batch.

use op_catalog::Architecture;
use tch::Tensor;
use torch_layers::Mode;

use crate::batch::{accuracy, cross_entropy, finite};
use crate::net::Variable;
use crate::{Batch, LabelSmoothing, Sgd, SingleNetwork, Supernet, SupernetError};

/// What weight steps share.
#[derive(Debug)]
pub struct WeightStep {
    /// The optimizer.
    pub optimizer: Sgd,
    /// The loss is cross-entropy with this smoothing.
    pub smoothing: LabelSmoothing,
}

/// What a batch says of a network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchScore {
    /// Mean loss in nats.
    pub loss: f64,
    /// Share of images whose class has the highest score.
    pub accuracy: f64,
}

impl WeightStep {
    /// Trains the weights along one path and returns what the batch said before the step. Weights of other
    /// candidates see no update, no momentum and no decay.
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
    ) -> Result<BatchScore, SupernetError> {
        let scores = net.scores(&batch.images, architecture, Mode::Train)?;
        let variables = net.trainable(architecture)?;
        self.learn(&scores, &batch.labels, &variables, learning_rate)
    }

    /// Trains all weights of a network and returns what the batch said before the step.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn run_alone(
        &mut self,
        network: &SingleNetwork,
        batch: &Batch,
        learning_rate: f64,
    ) -> Result<BatchScore, SupernetError> {
        let scores = network.scores(&batch.images, Mode::Train)?;
        self.learn(&scores, &batch.labels, &network.trainable(), learning_rate)
    }

    fn learn(
        &mut self,
        scores: &Tensor,
        labels: &Tensor,
        variables: &[Variable],
        learning_rate: f64,
    ) -> Result<BatchScore, SupernetError> {
        let loss = cross_entropy(scores, labels, self.smoothing)?;
        let score = BatchScore { loss: finite(&loss)?, accuracy: accuracy(scores, labels, 1)? };
        let tensors: Vec<&Tensor> = variables.iter().map(|variable| &variable.tensor).collect();
        // Gradients are asked for and not gathered in the variables, which would keep those of paths that
        // were trained before.
        let gradients = Tensor::f_run_backward(&[loss], &tensors, false, false)?;
        self.optimizer.step(variables, &gradients, learning_rate)?;
        Ok(score)
    }
}
