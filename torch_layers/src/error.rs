//! The one error of this crate.

use op_catalog::{CatalogError, FeatureMap};
use tch::TchError;

/// Why layers could not be built or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayersError {
    /// Another number of inputs than the graph takes.
    #[error("the layers take {expected} inputs, but were given {found}")]
    InputCount {
        /// How many it takes.
        expected: usize,
        /// How many there were.
        found: usize,
    },
    /// An input of another shape than the graph takes.
    #[error(
        "input {index} has the shape {found:?}, but must be [batch, {}, {}, {}]",
        .expected.channels(), .expected.height(), .expected.width()
    )]
    InputShape {
        /// Which of the inputs.
        index: usize,
        /// The map it must have.
        expected: FeatureMap,
        /// The shape as given.
        found: Vec<i64>,
    },
    /// What libtorch says of a layer.
    #[error("layer `{name}`: {message}")]
    Layer {
        /// The layer's name.
        name: String,
        /// What libtorch says, without its stack trace.
        message: String,
    },
    /// Weights that are not of these layers.
    #[error(transparent)]
    Weights(#[from] CatalogError),
    /// A dropout that is no probability below 1.
    #[error("dropout is {probability}, but must be at least 0 and below 1")]
    Dropout {
        /// The number as given.
        probability: f64,
    },
}

impl LayersError {
    /// What libtorch says of the layer of this name.
    pub(crate) fn of_layer(name: &str, error: TchError) -> Self {
        let message = match error {
            TchError::Torch(text) => {
                let said = text.split("\nException raised from").next().unwrap_or_default();
                said.trim_end().to_owned()
            }
            other => other.to_string(),
        };
        Self::Layer { name: name.to_owned(), message }
    }
}
