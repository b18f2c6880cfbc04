//! An architecture is one choice on every edge of a search space.

/// One choice per edge, each the index of a candidate, in the order of
/// [`SearchSpace::edges`](crate::SearchSpace::edges). It means something only together with its space,
/// which turns it into a [`Network`](crate::Network).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Architecture {
    choices: Vec<usize>,
}

impl Architecture {
    /// An architecture of these choices.
    pub fn new(choices: Vec<usize>) -> Self {
        Self { choices }
    }

    /// Index of the chosen candidate on each edge.
    pub fn choices(&self) -> &[usize] {
        &self.choices
    }
}
