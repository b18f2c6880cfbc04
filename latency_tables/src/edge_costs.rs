//! Edge costs are a table read along a search space: one number per candidate of every edge, and the
//! sum of what every network of the space has.

use op_catalog::{Architecture, Milliseconds, PlacedOp, SearchSpace, Slot};

use crate::{LatencyTable, TableError, TableRow};

/// Latencies of a space's candidates, all of them known. In the rows of a table, what computes nothing
/// costs exactly 0; the numbers of a calibrated model may be negative.
#[derive(Clone, Debug, PartialEq)]
pub struct EdgeCosts {
    fixed_ms: f64,
    /// The candidates of all edges, one edge after the other, so that pricing reads one block of memory.
    costs_ms: Vec<f64>,
    /// Where each edge's candidates end in it.
    ends: Vec<usize>,
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
    /// What is best known of the space's operations: the numbers of the table's model, where it has
    /// one of this space, else its rows.
    ///
    /// # Errors
    /// As [`Self::of_rows`], or a model with other numbers of choices than the space.
    pub fn new(space: &SearchSpace, table: &LatencyTable) -> Result<Self, TableError> {
        match table.model_of(space) {
            Some(model) => {
                model.check_space(space)?;
                Ok(model.edge_costs())
            }
            None => Self::of_rows(space, table),
        }
    }

    /// Looks up the row of every operation that the space can place, as it was measured in isolation.
    ///
    /// # Errors
    /// [`TableError::MissingKeys`] with every key that the table lacks.
    pub fn of_rows(space: &SearchSpace, table: &LatencyTable) -> Result<Self, TableError> {
        let missing = table.missing(space);
        if !missing.is_empty() {
            return Err(TableError::MissingKeys { keys: missing });
        }
        let cost =
            |placed: &PlacedOp| table.row(placed).map_or(0.0, |row| TableRow::headline(row).0);
        let mut fixed_ms = 0.0;
        let mut edges_ms: Vec<Vec<f64>> = Vec::new();
        for slot in space.slots() {
            match slot {
                Slot::Fixed(placed) => fixed_ms += cost(placed),
                Slot::Edge(candidates) => edges_ms.push(candidates.iter().map(cost).collect()),
            }
        }
        Ok(Self::of_weights(fixed_ms, &edges_ms))
    }

    /// A constant and a number for each choice of each edge; every edge has a choice.
    pub(crate) fn of_weights(fixed_ms: f64, edges_ms: &[Vec<f64>]) -> Self {
        let ends = edges_ms.iter().scan(0, |end, edge| {
            *end += edge.len();
            Some(*end)
        });
        Self { fixed_ms, ends: ends.collect(), costs_ms: edges_ms.concat() }
    }

    /// Latency of what every network of the space has, in milliseconds; of a model, its constant.
    pub fn fixed_ms(&self) -> f64 {
        self.fixed_ms
    }

    /// Latency of each candidate of each edge in milliseconds, in the order of
    /// [`SearchSpace::edges`].
    pub fn edges_ms(&self) -> Vec<&[f64]> {
        self.edges().collect()
    }

    /// The same without a list of them.
    pub(crate) fn edges(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        let mut start = 0;
        self.ends.iter().map(move |&end| &self.costs_ms[std::mem::replace(&mut start, end)..end])
    }

    /// Number of candidates of all edges together: the length of flat logits and gradients.
    pub fn candidates(&self) -> usize {
        self.costs_ms.len()
    }

    /// The latency of an architecture by its choices; allocates nothing.
    ///
    /// # Errors
    /// Another number of choices than edges, or a choice that an edge does not have.
    #[inline]
    pub fn price(&self, choices: &[usize]) -> Result<Milliseconds, TableError> {
        if choices.len() != self.ends.len() {
            return Err(self.wrong_count("choices", choices.len()));
        }
        let mut latency = self.fixed_ms;
        let mut start = 0;
        for (edge, (&choice, &end)) in choices.iter().zip(&self.ends).enumerate() {
            match self.costs_ms[start..end].get(choice) {
                Some(cost) => latency += cost,
                None => return Err(wrong_choice(edge, choice, end - start)),
            }
            start = end;
        }
        Ok(Milliseconds(latency))
    }

    /// Something for another number of edges.
    #[cold]
    pub(crate) fn wrong_count(&self, what: &'static str, found: usize) -> TableError {
        TableError::EdgeCount { what, found, expected: self.ends.len() }
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
        let chosen = self.edges().filter_map(choose);
        let (choices, costs): (Vec<usize>, Vec<f64>) = chosen.unzip();
        PricedArchitecture {
            architecture: Architecture::new(choices),
            latency: Milliseconds(self.fixed_ms + costs.iter().sum::<f64>()),
        }
    }
}

#[cold]
fn wrong_choice(edge: usize, choice: usize, count: usize) -> TableError {
    TableError::Edge { edge, message: format!("choice {choice} is not below {count}") }
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

    #[test]
    fn a_price_is_the_sum_of_the_choices_and_a_wrong_choice_is_refused_by_edge() {
        let costs = EdgeCosts::of_weights(1.0, &[vec![2.0, -0.5], vec![4.0, 8.0, 16.0]]);
        assert_eq!(costs.price(&[1, 2]).unwrap(), Milliseconds(16.5));
        assert_eq!(costs.edges_ms(), [&[2.0, -0.5][..], &[4.0, 8.0, 16.0]]);
        for (choices, message) in [
            (&[1, 3][..], "edge 1: choice 3 is not below 3"),
            (&[2, 0], "edge 0: choice 2 is not below 2"),
            (&[1], "choices for 1 edges were given, but the space has 2 edges"),
        ] {
            assert_eq!(costs.price(choices).unwrap_err().to_string(), message);
        }
    }
}
