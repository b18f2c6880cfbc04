//! A fixture is what several tests start from.

use std::ops::Range;

use op_catalog::{SearchSpace, SpaceDefinition};
use proptest::prelude::*;

use crate::{EdgeValues, Logits};

/// The published space: 21 edges, 141 candidates.
pub(crate) fn mobile_space() -> SearchSpace {
    SpaceDefinition::built_in("proxyless-mobile").unwrap().build().unwrap()
}

/// Logits of these numbers.
pub(crate) fn logits(edges: &[&[f64]]) -> Logits {
    Logits::of_values(values(edges))
}

/// Values of these numbers.
pub(crate) fn values(edges: &[&[f64]]) -> EdgeValues {
    EdgeValues::new(edges.iter().map(|edge| edge.to_vec()).collect()).unwrap()
}

/// A few edges of two to seven candidates.
pub(crate) fn any_edge_values(range: Range<f64>) -> impl Strategy<Value = EdgeValues> {
    let edge = prop::collection::vec(range, 2..8);
    prop::collection::vec(edge, 1..6).prop_map(|edges| EdgeValues::new(edges).unwrap())
}

/// Two sets of values of the same shape.
pub(crate) fn any_two_edge_values(
    first: Range<f64>,
    second: Range<f64>,
) -> impl Strategy<Value = (EdgeValues, EdgeValues)> {
    let edge = prop::collection::vec((first, second), 2..8);
    prop::collection::vec(edge, 1..6).prop_map(|edges| {
        let (first, second): (Vec<_>, Vec<_>) = edges
            .into_iter()
            .map(|edge| edge.into_iter().unzip::<f64, f64, Vec<_>, Vec<_>>())
            .unzip();
        (EdgeValues::new(first).unwrap(), EdgeValues::new(second).unwrap())
    })
}

/// Every architecture of a small space.
pub(crate) fn all(counts: &[usize]) -> Vec<Vec<usize>> {
    counts.iter().fold(vec![Vec::new()], |architectures, &count| {
        let longer = |architecture: &Vec<usize>| {
            let with = |choice| [architecture.as_slice(), &[choice]].concat();
            (0..count).map(with).collect::<Vec<_>>()
        };
        architectures.iter().flat_map(longer).collect()
    })
}

/// `sum ln p` of these choices.
pub(crate) fn log_probability(logits: &Logits, choices: &[usize]) -> f64 {
    let all = logits.log_probabilities();
    all.edges().iter().zip(choices).map(|(edge, choice)| edge[*choice]).sum()
}
