//! A search's state is all that its next step depends on: what a checkpoint holds.

use architecture_search::{Alternation, GradientSearch, Logits, ReinforceSearch};
use serde::{Deserialize, Serialize};

/// What learns the logits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Learner {
    /// By gradient.
    Gradient(GradientSearch),
    /// By REINFORCE.
    Reinforce(ReinforceSearch),
}

/// All but the tensors. Random numbers and images follow from the seed and the steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SearchState {
    /// Where it is.
    pub(crate) alternation: Alternation,
    /// What it has learnt.
    pub(crate) learner: Learner,
    /// Bytes of metrics behind it.
    pub(crate) metrics_bytes: u64,
}

impl Learner {
    /// What has been learnt.
    pub(crate) fn logits(&self) -> &Logits {
        match self {
            Self::Gradient(search) => search.logits(),
            Self::Reinforce(search) => search.logits(),
        }
    }
}
