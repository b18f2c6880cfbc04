//! A search cost is what a search keeps small or at a target: the maximum of one or more linear costs.

use op_catalog::Architecture;

use crate::linear_cost::CostRange;
use crate::{Gates, LinearCost, Logits, SearchError, Term};

/// `max_k w_k C_k`: one table alone, or the worst of several, each in the unit that its weight gives it.
/// With `w_k = 1 / T_k`, a target of 1 keeps every device within its budget.
///
/// The gradient is the subgradient of the largest. Where two are as large, steps go down with one and
/// the other in turn and stay at the edge between them; a step moves an expectation by so little that
/// a smooth maximum, whose value is too large by up to `ln(n)` of its temperature, would miss a target
/// by more.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchCost {
    parts: Vec<LinearCost>,
}

impl SearchCost {
    /// The largest of these costs, each times its weight.
    ///
    /// # Errors
    /// No cost at all, a weight that is not above 0, or costs of different spaces.
    pub fn maximum(parts: &[(f64, LinearCost)]) -> Result<Self, SearchError> {
        // Adding all of them up finds out whether they are of one space.
        LinearCost::weighted_sum(parts)?;
        let weighted =
            parts.iter().map(|part| LinearCost::weighted_sum(std::slice::from_ref(part)));
        Ok(Self { parts: weighted.collect::<Result<_, _>>()? })
    }

    /// What an architecture costs.
    ///
    /// # Errors
    /// As [`LinearCost::of`].
    pub fn of(&self, architecture: &Architecture) -> Result<f64, SearchError> {
        let mut largest = f64::NEG_INFINITY;
        for part in &self.parts {
            largest = largest.max(part.of(architecture)?);
        }
        Ok(largest)
    }

    /// The largest expectation, with its gradient over all candidates. It is at most the expectation of
    /// the largest.
    ///
    /// # Errors
    /// As [`LinearCost::expected`].
    pub fn expected(&self, logits: &Logits) -> Result<Term, SearchError> {
        self.largest(|part| part.expected(logits))
    }

    /// The same value, with the gradient over the participants of the gates.
    ///
    /// # Errors
    /// As [`LinearCost::expected_through`].
    pub fn expected_through(&self, logits: &Logits, gates: &Gates) -> Result<Term, SearchError> {
        self.largest(|part| part.expected_through(logits, gates))
    }

    /// Bounds of what architectures cost: exact for one table; of several, no architecture is outside,
    /// but the cheapest may cost more than the least.
    pub fn range(&self) -> CostRange {
        let largest = |pick: fn(CostRange) -> f64| {
            self.parts.iter().map(|part| pick(part.range())).fold(f64::NEG_INFINITY, f64::max)
        };
        CostRange { least: largest(|range| range.least), most: largest(|range| range.most) }
    }

    /// Refuses an expected cost that no architecture can have.
    pub(crate) fn check_target(&self, target: f64) -> Result<(), SearchError> {
        self.range().check_target(target)
    }

    fn largest(
        &self,
        term_of: impl Fn(&LinearCost) -> Result<Term, SearchError>,
    ) -> Result<Term, SearchError> {
        let mut terms = self.parts.iter().map(term_of);
        let first = terms.next().ok_or(SearchError::Empty { what: "cost" })??;
        terms.try_fold(first, |largest, term| {
            let term = term?;
            Ok(if largest.value < term.value { term } else { largest })
        })
    }
}

impl From<LinearCost> for SearchCost {
    fn from(cost: LinearCost) -> Self {
        Self { parts: vec![cost] }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::{any_two_edge_values, logits, values};

    fn linear(constant: f64, edges: &[&[f64]]) -> LinearCost {
        LinearCost::new(constant, values(edges)).unwrap()
    }

    #[test]
    fn the_worst_device_is_what_counts_in_units_of_each_budget() {
        let phone = linear(40.0, &[&[0.0, 40.0]]);
        let gpu = linear(3.0, &[&[3.0, 0.0]]);
        let cost = SearchCost::maximum(&[(1.0 / 80.0, phone), (1.0 / 5.0, gpu)]).unwrap();
        let of = |choice| cost.of(&Architecture::new(vec![choice])).unwrap();
        let CostRange { least, most } = cost.range();
        for (found, expected) in [(of(0), 1.2), (of(1), 1.0), (least, 0.6), (most, 1.2)] {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
        // Even odds expect 60 of 80 ms, and 4.5 of 5 ms.
        let term = cost.expected(&logits(&[&[0.0, 0.0]])).unwrap();
        assert!((term.value - 0.9).abs() < 1e-12);
        assert!(term.gradient.edges()[0][1] < 0.0);
    }

    #[test]
    fn costs_of_different_spaces_are_no_maximum() {
        let parts = [(1.0, linear(0.0, &[&[1.0, 2.0]])), (1.0, linear(0.0, &[&[1.0]]))];
        assert_eq!(
            SearchCost::maximum(&parts).unwrap_err().to_string(),
            "edge 0: 1 summands were given for 2 candidates"
        );
    }

    proptest! {
        #[test]
        fn a_maximum_has_the_value_and_the_gradient_of_one_that_no_other_exceeds(
            (first, second) in any_two_edge_values(0.1..9.0, 0.1..9.0), weight in 0.1..3.0_f64,
        ) {
            let logits = Logits::of_values(first.clone());
            let parts = [
                (1.0, LinearCost::new(2.0, first).unwrap()),
                (weight, LinearCost::new(1.0, second).unwrap()),
            ];
            let term = SearchCost::maximum(&parts).unwrap().expected(&logits).unwrap();
            let alone = parts.map(|part| SearchCost::maximum(&[part]).unwrap().expected(&logits).unwrap());
            prop_assert!(alone.contains(&term));
            prop_assert!(alone.iter().all(|other| other.value <= term.value));
        }
    }
}
