//! Edge costs are a table read along a search space: one number per candidate of every edge, and the
//! sum of what every network of the space has.

use op_catalog::{Architecture, Milliseconds, PlacedOp, SearchSpace, Slot};

use crate::{LatencyTable, TableError, TableRow};

/// Latencies of a space's candidates, all of them known. What computes nothing costs exactly 0.
#[derive(Clone, Debug, PartialEq)]
pub struct EdgeCosts {
    fixed_ms: f64,
    edges_ms: Vec<Vec<f64>>,
}

/// An architecture with its latency.
#[derive(Clone, Debug, PartialEq)]
pub struct PricedArchitecture {
    /// The architecture.
    pub architecture: Architecture,
    /// Its latency.
    pub latency: Milliseconds,
}

impl EdgeCosts {
    /// Looks up every operation that the space can place.
    ///
    /// # Errors
    /// [`TableError::MissingKeys`] with every key that the table lacks.
    pub fn new(space: &SearchSpace, table: &LatencyTable) -> Result<Self, TableError> {
        let missing = table.missing(space);
        if !missing.is_empty() {
            return Err(TableError::MissingKeys { keys: missing });
        }
        let cost =
            |placed: &PlacedOp| table.row(placed).map_or(0.0, |row| TableRow::headline(row).0);
        let mut costs = Self { fixed_ms: 0.0, edges_ms: Vec::new() };
        for slot in space.slots() {
            match slot {
                Slot::Fixed(placed) => costs.fixed_ms += cost(placed),
                Slot::Edge(candidates) => {
                    costs.edges_ms.push(candidates.iter().map(cost).collect());
                }
            }
        }
        Ok(costs)
    }

    /// Latency of what every network of the space has, in milliseconds.
    pub fn fixed_ms(&self) -> f64 {
        self.fixed_ms
    }

    /// Latency of each candidate of each edge in milliseconds, in the order of
    /// [`SearchSpace::edges`].
    pub fn edges_ms(&self) -> &[Vec<f64>] {
        &self.edges_ms
    }

    /// The architecture of the lowest latency; of equal candidates the first.
    pub fn cheapest(&self) -> PricedArchitecture {
        self.choosing(|edge| edge.iter().enumerate().min_by(|(_, a), (_, b)| a.total_cmp(b)))
    }

    /// The architecture of the highest latency; of equal candidates the last.
    pub fn dearest(&self) -> PricedArchitecture {
        self.choosing(|edge| edge.iter().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b)))
    }

    fn choosing(&self, choose: impl Fn(&[f64]) -> Option<(usize, &f64)>) -> PricedArchitecture {
        let chosen = self.edges_ms.iter().filter_map(|edge| choose(edge));
        let (choices, costs): (Vec<usize>, Vec<f64>) = chosen.unzip();
        PricedArchitecture {
            architecture: Architecture::new(choices),
            latency: Milliseconds(self.fixed_ms + costs.iter().sum::<f64>()),
        }
    }
}

#[cfg(test)]
impl EdgeCosts {
    /// Costs from nowhere, for tests of what is computed from them.
    pub(crate) fn of(fixed_ms: f64, edges_ms: Vec<Vec<f64>>) -> Self {
        Self { fixed_ms, edges_ms }
    }
}

#[cfg(test)]
mod tests {
    use op_catalog::Op;

    use super::*;
    use crate::fixtures::{small_space, table_of};

    #[test]
    fn a_skip_costs_exactly_nothing_and_every_other_candidate_something() {
        let space = small_space();
        let costs = EdgeCosts::new(&space, &table_of(&space)).unwrap();
        for (candidates, edge_ms) in space.edges().zip(costs.edges_ms()) {
            for (candidate, ms) in candidates.iter().zip(edge_ms) {
                assert_eq!(candidate.op() == Op::Zero, *ms == 0.0, "{candidate}");
            }
        }
    }

    #[test]
    fn the_extremes_are_the_predictions_of_their_own_networks() {
        let space = small_space();
        let table = table_of(&space);
        let costs = EdgeCosts::new(&space, &table).unwrap();
        for PricedArchitecture { architecture, latency } in [costs.cheapest(), costs.dearest()] {
            let predicted = table.predict(&space.network(&architecture).unwrap()).unwrap();
            assert!((predicted.0 - latency.0).abs() < 1e-9);
        }
        assert!(costs.cheapest().latency < costs.dearest().latency);
    }

    #[test]
    fn every_missing_key_is_listed_at_once() {
        let space = small_space();
        let table = LatencyTable::new(crate::TableContext::named("empty"));
        let Err(TableError::MissingKeys { keys }) = EdgeCosts::new(&space, &table) else {
            panic!("an empty table cannot price a space")
        };
        assert_eq!(keys, space.placed_ops().into_iter().collect::<Vec<_>>());
    }
}
