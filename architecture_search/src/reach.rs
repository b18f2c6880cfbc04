//! A reach is what the last edges of an architecture can cost together, in bins of a small width.
//!
//! Where those bins are all beside what is left of a window, no architecture that goes on so is in it. Sums are rounded
//! down twice, and so every bin that a sum may be in is kept: what is out of reach by a reach is out of reach.

use crate::EdgeValues;

/// Bins of the costs of a whole architecture: of a window of 1 % a hundred and more.
const BINS: f64 = 16_384.0;

/// A set of small numbers, by their bits.
type Bins = Vec<u64>;

/// What the edges after each one can cost, above the least.
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    width: f64,
    /// For each edge, the least that the edges after it cost, and the bins above that.
    after: Vec<(f64, Bins)>,
}

impl Reach {
    /// That of the costs of candidates.
    pub(crate) fn new(costs: &EdgeValues) -> Self {
        let range: f64 = costs.edges().iter().map(|edge| most(edge) - least(edge)).sum();
        let width = (range / BINS).max(f64::MIN_POSITIVE);
        let mut reached = (0.0, vec![1]);
        let mut after = Vec::with_capacity(costs.edges().len());
        for edge in costs.edges().iter().rev() {
            after.push(reached.clone());
            reached = (reached.0 + least(edge), with_edge(&reached.1, edge, width));
        }
        after.reverse();
        Self { width, after }
    }

    /// Whether the edges after this one may cost at least the first and at most the second of these.
    pub(crate) fn may_meet(&self, edge: usize, (floor, budget): (f64, f64)) -> bool {
        let (start, bins) = &self.after[edge];
        // A bin more on both sides: sums of costs are rounded in another order elsewhere.
        let first = ((floor - start) / self.width).floor() - 1.0;
        let last = ((budget - start) / self.width).floor() + 1.0;
        last >= 0.0 && any_between(bins, first.max(0.0) as usize, last as usize)
    }
}

/// Those of sums with one edge more.
fn with_edge(bins: &Bins, edge: &[f64], width: f64) -> Bins {
    let steps = edge.iter().map(|cost| ((cost - least(edge)) / width).floor() as usize);
    let mut sums = Bins::new();
    for step in steps {
        // The parts that were rounded down may add up to a bin.
        add_moved(&mut sums, bins, step);
        add_moved(&mut sums, bins, step + 1);
    }
    sums
}

/// Adds to a set another one whose numbers are so much larger.
fn add_moved(sums: &mut Bins, bins: &Bins, step: usize) {
    let (words, shift) = (step / 64, step % 64);
    sums.resize(sums.len().max(bins.len() + words + 1), 0);
    for (position, word) in bins.iter().enumerate() {
        sums[position + words] |= word << shift;
        if shift > 0 {
            sums[position + words + 1] |= word >> (64 - shift);
        }
    }
}

fn any_between(bins: &Bins, first: usize, last: usize) -> bool {
    let of = |(position, word): (usize, &u64)| {
        let start = 64 * position;
        let below = first.saturating_sub(start).min(63);
        let above = (start + 63).saturating_sub(last).min(63);
        let is_beside = last < start || start + 63 < first;
        !is_beside && (word >> below << below) << above != 0
    };
    bins.iter().enumerate().skip(first / 64).take(last / 64 - first / 64 + 1).any(of)
}

fn least(edge: &[f64]) -> f64 {
    edge.iter().copied().reduce(f64::min).unwrap_or_default()
}

fn most(edge: &[f64]) -> f64 {
    edge.iter().copied().reduce(f64::max).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::{all, values};

    #[test]
    fn what_lies_between_the_sums_of_edges_is_out_of_reach() {
        let reach = Reach::new(&values(&[&[0.0, 100.0], &[1.0, 11.0], &[0.0, 30.0]]));
        for (edge, window, expected) in [
            (0, (0.5, 1.5), true),
            (0, (2.0, 10.0), false),
            (0, (30.5, 31.5), true),
            (0, (32.0, 40.0), false),
            (0, (41.5, 1e9), false),
            (0, (-5.0, 0.5), false),
            (1, (29.0, 31.0), true),
            (1, (1.0, 29.0), false),
            (2, (-1.0, 1.0), true),
            (2, (1.0, 2.0), false),
        ] {
            assert_eq!(reach.may_meet(edge, window), expected, "{edge} {window:?}");
        }
    }

    #[test]
    fn edges_of_one_cost_reach_that_cost() {
        let reach = Reach::new(&values(&[&[2.0, 2.0], &[3.0]]));
        assert!(reach.may_meet(0, (3.0, 3.0)) && !reach.may_meet(0, (3.1, 4.0)));
    }

    proptest! {
        #[test]
        fn no_sum_that_there_is_is_out_of_reach(
            edges in prop::collection::vec(prop::collection::vec(-3.0..50.0, 1..5), 2..6),
            width in 0.0..0.1,
        ) {
            let lists: Vec<&[f64]> = edges.iter().map(Vec::as_slice).collect();
            let reach = Reach::new(&values(&lists));
            let counts: Vec<usize> = edges[1..].iter().map(Vec::len).collect();
            for choices in all(&counts) {
                let sum: f64 = edges[1..].iter().zip(&choices).map(|(edge, &i)| edge[i]).sum();
                prop_assert!(reach.may_meet(0, (sum - width, sum + width)), "{choices:?}");
            }
        }
    }
}
