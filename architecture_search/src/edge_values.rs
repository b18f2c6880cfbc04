//! Edge values are one number per candidate of every edge: logits, gradients, moments, costs.

use op_catalog::Architecture;
use serde::{Deserialize, Serialize};

use crate::SearchError;

/// Finite numbers, one list per edge in the order of [`op_catalog::SearchSpace::edges`], in it one per
/// candidate. Every edge has at least one candidate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Vec<f64>>", into = "Vec<Vec<f64>>")]
pub struct EdgeValues {
    edges: Vec<Vec<f64>>,
}

impl EdgeValues {
    /// Values from elsewhere.
    ///
    /// # Errors
    /// An edge without candidates or a number that is not finite, by the index of the edge.
    pub fn new(edges: Vec<Vec<f64>>) -> Result<Self, SearchError> {
        let values = Self { edges };
        values.check_finite("value")?;
        match values.edges.iter().position(Vec::is_empty) {
            Some(edge) => {
                Err(SearchError::Edge { edge, message: "it has no candidate".to_owned() })
            }
            None => Ok(values),
        }
    }

    /// As many zeros as these values.
    pub fn zeros_like(&self) -> Self {
        Self { edges: self.edges.iter().map(|edge| vec![0.0; edge.len()]).collect() }
    }

    /// The numbers of each edge.
    pub fn edges(&self) -> &[Vec<f64>] {
        &self.edges
    }

    /// Number of candidates of each edge.
    pub fn choice_counts(&self) -> Vec<usize> {
        self.edges.iter().map(Vec::len).collect()
    }

    /// All numbers, one edge after the other.
    pub fn iter(&self) -> impl Iterator<Item = f64> {
        self.edges.iter().flatten().copied()
    }

    /// The square of the Euclidean norm over all edges.
    pub fn squared_norm(&self) -> f64 {
        self.iter().map(|value| value * value).sum()
    }

    /// Adds a multiple of others.
    ///
    /// # Errors
    /// Values of another shape.
    pub fn add_scaled(&mut self, others: &Self, factor: f64) -> Result<(), SearchError> {
        self.check_shape("summands", others)?;
        for (value, other) in self.edges.iter_mut().flatten().zip(others.iter()) {
            *value += factor * other;
        }
        Ok(())
    }

    /// Refuses values of another number of edges or candidates.
    pub(crate) fn check_shape(&self, what: &'static str, given: &Self) -> Result<(), SearchError> {
        let (found, expected) = (given.edges.len(), self.edges.len());
        if found != expected {
            return Err(SearchError::EdgeCount { what, found, expected });
        }
        let differs = |(own, others): (&Vec<f64>, &Vec<f64>)| own.len() != others.len();
        match self.edges.iter().zip(&given.edges).position(differs) {
            Some(edge) => {
                let (found, expected) = (given.edges[edge].len(), self.edges[edge].len());
                let message = format!("{found} {what} were given for {expected} candidates");
                Err(SearchError::Edge { edge, message })
            }
            None => Ok(()),
        }
    }

    /// Refuses an architecture of another number of edges, or a choice that its edge does not have.
    pub(crate) fn check_choices(&self, architecture: &Architecture) -> Result<(), SearchError> {
        let (choices, edges) = (architecture.choices(), &self.edges);
        if choices.len() != edges.len() {
            let (found, expected) = (choices.len(), edges.len());
            return Err(SearchError::EdgeCount { what: "choices", found, expected });
        }
        let is_outside = |(edge, choice): (&Vec<f64>, &usize)| edge.len() <= *choice;
        match edges.iter().zip(choices).position(is_outside) {
            Some(edge) => {
                let (choice, count) = (choices[edge], edges[edge].len());
                let message = format!("choice {choice} is not below {count}");
                Err(SearchError::Edge { edge, message })
            }
            None => Ok(()),
        }
    }

    /// Refuses what arithmetic may have made of them.
    pub(crate) fn check_finite(&self, what: &'static str) -> Result<(), SearchError> {
        for (edge, values) in self.edges.iter().enumerate() {
            if let Some(value) = values.iter().find(|value| !value.is_finite()) {
                let message = format!("the {what} {value} is not finite");
                return Err(SearchError::Edge { edge, message });
            }
        }
        Ok(())
    }

    /// For this crate, which has checked them.
    pub(crate) fn of_lists(edges: Vec<Vec<f64>>) -> Self {
        Self { edges }
    }

    /// For this crate, which keeps every number finite.
    pub(crate) fn edges_mut(&mut self) -> &mut [Vec<f64>] {
        &mut self.edges
    }

    /// As many numbers, each edge's made from those that are there.
    pub(crate) fn map_edges(&self, mut make: impl FnMut(&[f64]) -> Vec<f64>) -> Self {
        Self { edges: self.edges.iter().map(|edge| make(edge)).collect() }
    }
}

impl TryFrom<Vec<Vec<f64>>> for EdgeValues {
    type Error = SearchError;

    fn try_from(edges: Vec<Vec<f64>>) -> Result<Self, SearchError> {
        Self::new(edges)
    }
}

impl From<EdgeValues> for Vec<Vec<f64>> {
    fn from(values: EdgeValues) -> Self {
        values.edges
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_one_finite_number_per_candidate_is_refused_by_edge() {
        for (edges, message) in [
            (vec![vec![1.0], vec![]], "edge 1: it has no candidate"),
            (vec![vec![0.0, f64::NAN]], "edge 0: the value NaN is not finite"),
            (vec![vec![0.0], vec![f64::INFINITY]], "edge 1: the value inf is not finite"),
        ] {
            assert_eq!(EdgeValues::new(edges).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn values_of_another_shape_are_not_added() {
        let mut values = EdgeValues::new(vec![vec![1.0, 2.0], vec![3.0]]).unwrap();
        for (others, message) in [
            (vec![vec![1.0, 2.0]], "summands for 1 edges were given, but there are 2"),
            (
                vec![vec![1.0, 2.0], vec![3.0, 4.0]],
                "edge 1: 2 summands were given for 1 candidates",
            ),
        ] {
            let others = EdgeValues::new(others).unwrap();
            assert_eq!(values.add_scaled(&others, 1.0).unwrap_err().to_string(), message);
        }
        values.add_scaled(&values.clone(), -0.5).unwrap();
        assert_eq!(values.edges(), [vec![0.5, 1.0], vec![1.5]]);
        assert!((values.squared_norm() - 3.5).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn json_keeps_every_bit(bits in any::<[u64; 4]>()) {
            let numbers = bits.map(f64::from_bits).map(|x| if x.is_finite() { x } else { -0.0 });
            let values = EdgeValues::new(vec![numbers[..1].to_vec(), numbers[1..].to_vec()]).unwrap();
            let read: EdgeValues =
                serde_json::from_str(&serde_json::to_string(&values).unwrap()).unwrap();
            let as_bits = |values: &EdgeValues| values.iter().map(f64::to_bits).collect::<Vec<_>>();
            prop_assert_eq!(as_bits(&read), as_bits(&values));
        }
    }
}
