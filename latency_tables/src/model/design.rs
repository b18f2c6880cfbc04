//! A design says which unknown of a model each choice of a space is, and what is known of it before
//! any network was measured.

use std::collections::BTreeMap;

use op_catalog::{Architecture, PlacedOp, SearchSpace};
use statrs::distribution::{ContinuousCDF, Normal};

use crate::{LatencyTable, TableError, TableRow};

/// The largest number of unknowns of a model: a fit takes time of its cube.
pub const MAX_TERMS: usize = 2000;

/// The unknowns of a space. Unknown 0 is the constant, which every network has once; the others, the
/// terms, are costs of choices.
///
/// The choices of an edge always add up to one, so that without more knowledge no data tell the
/// constant from what all choices of an edge have in common. Models are therefore fitted with a prior
/// on every unknown: what the data do not tell stays where the prior has it, with its uncertainty, and
/// whole networks, in which only sums count, are unaffected.
#[derive(Clone, Debug, PartialEq)]
pub struct Design {
    terms: Vec<Vec<Option<usize>>>,
    unknowns: usize,
    isolated: Option<Isolated>,
}

/// What operations cost in isolation, per unknown, in milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Isolated {
    /// Headline values; of the constant, the sum over what every network has.
    pub(crate) means: Vec<f64>,
    /// Their standard errors.
    pub(crate) standard_errors: Vec<f64>,
}

/// The unknowns of a network that are not 0 times in it, with how often each is.
pub(crate) type Features = Vec<(usize, f64)>;

impl Design {
    /// The design of a named space. Equal placed operations are one term, wherever they stand; what
    /// computes nothing is none, for it costs nothing.
    pub fn of_space(space: &SearchSpace) -> Self {
        let mut indices = BTreeMap::new();
        let mut term = |placed: &PlacedOp| {
            let next = indices.len() + 1;
            (!placed.is_free()).then(|| *indices.entry(*placed).or_insert(next))
        };
        let terms: Vec<Vec<Option<usize>>> =
            space.edges().map(|edge| edge.iter().map(&mut term).collect()).collect();
        Self { terms, unknowns: indices.len() + 1, isolated: None }
    }

    /// The design of a named space, with the rows of a table as what is known before.
    ///
    /// # Errors
    /// [`TableError::MissingKeys`] with every key that the table lacks.
    pub fn of_table(space: &SearchSpace, table: &LatencyTable) -> Result<Self, TableError> {
        let missing = table.missing(space);
        if !missing.is_empty() {
            return Err(TableError::MissingKeys { keys: missing });
        }
        let mut design = Self::of_space(space);
        let mut means = vec![0.0; design.unknowns];
        let mut variances = vec![0.0; design.unknowns];
        for row in space.fixed().filter_map(|placed| table.row(placed)) {
            means[0] += row.headline().0;
            variances[0] += standard_error(row).powi(2);
        }
        for (edge, terms) in space.edges().zip(&design.terms) {
            for (placed, term) in edge.iter().zip(terms) {
                if let (Some(term), Some(row)) = (*term, table.row(placed)) {
                    (means[term], variances[term]) =
                        (row.headline().0, standard_error(row).powi(2));
                }
            }
        }
        let standard_errors = variances.into_iter().map(f64::sqrt).collect();
        design.isolated = Some(Isolated { means, standard_errors });
        Ok(design)
    }

    /// The design of a space of which only the numbers of choices are known: each choice of each edge
    /// is a term.
    pub fn of_counts(choice_counts: &[usize]) -> Self {
        let mut next = 0..;
        let terms: Vec<Vec<Option<usize>>> = choice_counts
            .iter()
            .map(|&count| next.by_ref().take(count).map(|index| Some(index + 1)).collect())
            .collect();
        Self { terms, unknowns: choice_counts.iter().sum::<usize>() + 1, isolated: None }
    }

    /// Number of unknowns, the constant included.
    pub fn unknowns(&self) -> usize {
        self.unknowns
    }

    /// The term of each choice of each edge, from 1; nothing where the choice costs nothing.
    pub fn terms(&self) -> &[Vec<Option<usize>>] {
        &self.terms
    }

    /// What is known from isolated operations.
    pub(crate) fn isolated(&self) -> Option<&Isolated> {
        self.isolated.as_ref()
    }

    /// How often each unknown is in a network.
    ///
    /// # Errors
    /// Another number of choices than edges, or a choice that an edge does not have.
    pub(crate) fn features(&self, architecture: &Architecture) -> Result<Features, TableError> {
        features(&self.terms, architecture)
    }
}

/// How often each unknown is in a network, in the order of the unknowns.
pub(crate) fn features(
    terms: &[Vec<Option<usize>>],
    architecture: &Architecture,
) -> Result<Features, TableError> {
    let choices = architecture.choices();
    if choices.len() != terms.len() {
        let (found, expected) = (choices.len(), terms.len());
        return Err(TableError::EdgeCount { what: "choices", found, expected });
    }
    let mut chosen = vec![0];
    for (edge, (terms, &choice)) in terms.iter().zip(choices).enumerate() {
        let Some(term) = terms.get(choice) else {
            let message = format!("choice {choice} is not below {}", terms.len());
            return Err(TableError::Edge { edge, message });
        };
        chosen.extend(term);
    }
    chosen.sort_unstable();
    let same = chosen.chunk_by(|a, b| a == b);
    Ok(same.map(|equal| (equal[0], equal.len() as f64)).collect())
}

/// Standard error of a row's headline value: from its confidence interval, as that of a normal
/// distribution, else from the variance of the samples. Of a row that tells neither, nothing is known
/// but that the value is one: a tenth of it, as much as a careless measurement may be off.
fn standard_error(row: &TableRow) -> f64 {
    let headline = &row.headline;
    let from_interval = || {
        let confidence =
            headline.confidence.filter(|confidence| (0.01..1.0).contains(confidence))?;
        let width = headline.ci_high?.0 - headline.ci_low?.0;
        Some(width / 2.0 / Normal::standard().inverse_cdf(f64::midpoint(1.0, confidence)))
    };
    let from_variance = || Some((row.variance? / row.n.max(1) as f64).sqrt());
    from_interval().or_else(from_variance).unwrap_or(0.1 * row.headline().0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{small_space, table_of};

    #[test]
    fn equal_operations_share_a_term_and_a_skip_has_none() {
        let space = small_space();
        let design = Design::of_space(&space);
        let distinct: std::collections::BTreeSet<_> =
            space.edges().flatten().filter(|placed| !placed.is_free()).collect();
        assert_eq!(design.unknowns(), distinct.len() + 1);
        for (edge, terms) in space.edges().zip(design.terms()) {
            for (placed, term) in edge.iter().zip(terms) {
                assert_eq!(placed.is_free(), term.is_none());
            }
        }
        let features = design.features(&Architecture::new(vec![0; 12])).unwrap();
        assert!(features.iter().any(|&(_, count)| count > 1.0));
        assert!((features.iter().map(|(_, count)| count).sum::<f64>() - 13.0).abs() < 1e-12);
    }

    #[test]
    fn the_isolated_costs_of_an_architecture_add_up_to_its_prediction() {
        let space = small_space();
        let table = table_of(&space);
        let design = Design::of_table(&space, &table).unwrap();
        let isolated = design.isolated().unwrap();
        let architecture = Architecture::new((0..12).map(|edge| edge % 6).collect());
        let sum: f64 = design
            .features(&architecture)
            .unwrap()
            .iter()
            .map(|&(unknown, count)| isolated.means[unknown] * count)
            .sum();
        let predicted = table.predict(&space.network(&architecture).unwrap()).unwrap();
        assert!((sum - predicted.0).abs() < 1e-9);
        assert!(isolated.standard_errors[1..].iter().all(|&error| (error - 0.01).abs() < 1e-12));
    }

    #[test]
    fn without_a_name_every_choice_of_every_edge_is_its_own_term() {
        let design = Design::of_counts(&[2, 3]);
        assert_eq!(design.terms(), [vec![Some(1), Some(2)], vec![Some(3), Some(4), Some(5)]]);
        let features = design.features(&Architecture::new(vec![1, 0])).unwrap();
        assert_eq!(features, [(0, 1.0), (2, 1.0), (3, 1.0)]);
        for (choices, message) in [
            (vec![1], "choices for 1 edges were given, but the space has 2 edges"),
            (vec![1, 3], "edge 1: choice 3 is not below 3"),
        ] {
            let error = design.features(&Architecture::new(choices)).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }
}
