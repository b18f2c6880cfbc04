//! A rescaled model is one whose every time is multiplied by a factor, with its uncertainty.

use super::{LatencyModel, Uncertainty};

impl LatencyModel {
    /// The same model with every time multiplied by a finite factor above 0. What is relative to the
    /// latency (noise, percentages, ranks, coverage) stays.
    pub(crate) fn rescaled(&self, factor: f64) -> Self {
        let mut model = self.clone();
        model.constant_ms *= factor;
        model.edges_ms.iter_mut().flatten().for_each(|cost| *cost *= factor);
        for validation in &mut model.validations {
            validation.agreement.rmse_ms *= factor;
        }
        if let Some(Uncertainty { covariance, .. }) = &mut model.uncertainty {
            for number in covariance.iter_mut() {
                *number *= factor * factor;
            }
        }
        model
    }
}
