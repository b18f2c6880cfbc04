//! A trial model says how well networks would do in a training, from how well a few of them did.
//!
//! What a network is worth is what its candidates are worth together: a Bayesian linear model (Rasmussen and Williams 2006,
//! chapter 2) of one unknown per candidate, one per edge and trait of candidates (`candidate_traits.rs`), one per
//! kind of candidates whatever their edge (`candidate_kind.rs`), one for what a search has learnt, and what a network has of its own. Being a sum over edges, what such a model expects is largest, within a
//! budget, where [`crate::BudgetChoice`] finds it.

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};
use op_catalog::SearchSpace;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::candidate_kind::kinds;
use crate::candidate_traits::{TRAITS, traits};
use crate::trial::{Observed, Trial, TrialLength};
use crate::{EdgeValues, Logits, SearchError};

/// Parts of the variance between networks that come, before any trial, from single candidates, from each trait, from kinds of
/// candidates, and from what networks have of their own. The rest is what the search has learnt.
const CANDIDATES: f64 = 0.1;
const TRAIT: [f64; TRAITS] = [0.15, 0.1];
const KINDS: f64 = 0.15;
const OWN: f64 = 0.35;

/// Mean and variance of the worth of one standard deviation of the search's `ln p`, as parts of the networks' own.
const SEARCH: (f64, f64) = (0.35, 0.15);

/// Nats of deviation below which logits are what they began with: a search has learnt nothing from its images.
const LEARNT_SOMETHING: f64 = 1e-9;

/// Variance of the worth that all networks have in common.
const COMMON: f64 = 10.0;

/// Between-network and noise variances that are tried, as parts of the variance of all scores: the most likely pair is taken.
const SIGNALS: [f64; 4] = [0.3, 0.6, 1.0, 1.8];
const NOISES: [f64; 5] = [0.05, 0.1, 0.2, 0.4, 0.8];

/// Trials below which the first guess at both variances stays.
const FEW: usize = 6;
const GUESS: (f64, f64) = (1.0, 0.2);

/// What is assumed of the networks of a space before any of them is trained.
#[derive(Clone, Debug)]
pub struct TrialModel {
    traits: [EdgeValues; TRAITS],
    /// The search's `ln p`, 0 on average on each edge and 1 in the standard deviation of a network drawn uniformly.
    learnt: EdgeValues,
    /// The kind of each candidate of each edge.
    kinds: Vec<Vec<usize>>,
    /// Where each edge's unknowns begin.
    starts: Vec<usize>,
    mean: DVector<f64>,
    variance: DVector<f64>,
}

/// What is known after some trials.
#[derive(Debug)]
pub struct TrialPosterior<'a> {
    model: &'a TrialModel,
    trials: Observed,
    /// Standard deviation between networks, and variance of what one has of its own and of a short training's noise.
    scale: f64,
    own: f64,
    noise: f64,
    covariance: Option<Cholesky<f64, Dyn>>,
}

impl TrialModel {
    /// A model of a space's networks, and of what a search has learnt of them.
    ///
    /// # Errors
    /// Logits of another space.
    pub fn new(space: &SearchSpace, logits: &Logits) -> Result<Self, SearchError> {
        let traits = traits(space.edges());
        traits[0].check_shape("logits", logits.values())?;
        let counts = logits.values().choice_counts();
        let starts = counts
            .iter()
            .scan(0, |next, count| Some(std::mem::replace(next, *next + count)))
            .collect::<Vec<usize>>();
        let (edges, candidates) = (counts.len(), counts.iter().sum::<usize>());
        let of_edge = |part: f64| part / edges as f64;
        let (kinds, kind_count) = kinds(space);
        let variance = std::iter::repeat_n(of_edge(CANDIDATES), candidates)
            .chain(TRAIT.iter().flat_map(|part| std::iter::repeat_n(of_edge(*part), edges)))
            .chain(std::iter::repeat_n(of_edge(KINDS), kind_count))
            .chain([SEARCH.1])
            .chain([COMMON; TrialLength::ALL.len()]);
        let variance = DVector::from_vec(variance.collect());
        let mean = DVector::zeros(variance.len());
        let learnt = standardised(logits);
        let mut model = Self { traits, learnt, kinds, starts, mean, variance };
        let search = model.of_search();
        model.mean[search] = SEARCH.0;
        Ok(model)
    }

    /// Where the unknown of the level of a length is.
    fn of_level(&self, length: TrialLength) -> usize {
        self.mean.len() - TrialLength::ALL.len() + length as usize
    }

    /// Where that of the search is.
    fn of_search(&self) -> usize {
        self.mean.len() - TrialLength::ALL.len() - 1
    }

    /// Where those of the edges' traits begin, and behind them those of the kinds.
    fn of_traits(&self) -> usize {
        self.kinds.iter().map(Vec::len).sum()
    }

    /// Where that of an edge and a trait is.
    fn of_trait(&self, edge: usize, number: usize) -> usize {
        self.of_traits() + number * self.starts.len() + edge
    }

    /// Where that of the kind of a candidate is.
    fn of_kind(&self, edge: usize, choice: usize) -> usize {
        self.of_traits() + TRAITS * self.starts.len() + self.kinds[edge][choice]
    }

    /// What is known after these trials.
    ///
    /// # Errors
    /// A trial of another space, or with a score that is not finite.
    pub fn after(&self, trials: &[Trial]) -> Result<TrialPosterior<'_>, SearchError> {
        let mut rows = DMatrix::zeros(trials.len(), self.mean.len());
        for (row, trial) in trials.iter().enumerate() {
            self.fill(trial, rows.row_mut(row))?;
            crate::error::check("the score of a trial", trial.score, f64::is_finite, "finite")?;
        }
        let first = |trial: &Trial| {
            trials.iter().position(|other| other.architecture == trial.architecture).unwrap_or(0)
        };
        let observed = Observed {
            rows,
            scores: DVector::from_iterator(trials.len(), trials.iter().map(|trial| trial.score)),
            lengths: trials.iter().map(|trial| trial.length).collect(),
            firsts: trials.iter().map(first).collect(),
        };
        Ok(TrialPosterior::new(self, &observed))
    }

    fn fill(
        &self,
        trial: &Trial,
        mut row: nalgebra::MatrixViewMut<'_, f64, nalgebra::U1, Dyn, nalgebra::U1, Dyn>,
    ) -> Result<(), SearchError> {
        self.learnt.check_choices(&trial.architecture)?;
        for (edge, &choice) in trial.architecture.choices().iter().enumerate() {
            row[self.starts[edge] + choice] = 1.0;
            for (number, values) in self.traits.iter().enumerate() {
                row[self.of_trait(edge, number)] = values.edges()[edge][choice];
            }
            row[self.of_kind(edge, choice)] += 1.0;
            row[self.of_search()] += self.learnt.edges()[edge][choice];
        }
        row[self.of_level(trial.length)] = 1.0;
        Ok(())
    }

    /// What each candidate is worth, where the unknowns are these.
    fn worth(&self, unknowns: &DVector<f64>) -> EdgeValues {
        let search = unknowns[self.of_search()];
        let of_edge = |(edge, learnt): (usize, &Vec<f64>)| {
            let of = |(choice, learnt): (usize, &f64)| {
                let of_trait = |(number, values): (usize, &EdgeValues)| {
                    unknowns[self.of_trait(edge, number)] * values.edges()[edge][choice]
                };
                let own = unknowns[self.starts[edge] + choice];
                let kind = unknowns[self.of_kind(edge, choice)];
                own + kind
                    + search * learnt
                    + self.traits.iter().enumerate().map(of_trait).sum::<f64>()
            };
            learnt.iter().enumerate().map(of).collect()
        };
        EdgeValues::of_lists(self.learnt.edges().iter().enumerate().map(of_edge).collect())
    }
}

impl<'a> TrialPosterior<'a> {
    fn new(model: &'a TrialModel, trials: &Observed) -> Self {
        let spread = trials.spread();
        let known = |signal: f64, noise: f64| {
            let scale = (signal * spread).sqrt();
            let (own, noise) = (OWN * signal * spread, noise * spread);
            Self { model, trials: trials.clone(), scale, own, noise, covariance: None }.factored()
        };
        if trials.scores.len() < FEW {
            return known(GUESS.0, GUESS.1);
        }
        let pairs = SIGNALS.iter().flat_map(|signal| NOISES.map(|noise| (*signal, noise)));
        let posteriors = pairs.map(|(signal, noise)| known(signal, noise));
        let best = posteriors.max_by(|a, b| a.evidence().total_cmp(&b.evidence()));
        best.unwrap_or_else(|| known(GUESS.0, GUESS.1))
    }

    fn factored(mut self) -> Self {
        let rows = &self.trials.rows;
        let mut weighted = rows.clone();
        for (mut column, variance) in weighted.column_iter_mut().zip(self.variances().iter()) {
            column *= *variance;
        }
        let covariance = weighted * rows.transpose() + self.own_covariance() + self.noises();
        self.covariance = Cholesky::new(covariance);
        self
    }

    /// What trials have in common by being of one network, besides its candidates.
    fn own_covariance(&self) -> DMatrix<f64> {
        let firsts = &self.trials.firsts;
        DMatrix::from_fn(firsts.len(), firsts.len(), |row, column| {
            if firsts[row] == firsts[column] { self.own } else { 0.0 }
        })
    }

    fn noises(&self) -> DMatrix<f64> {
        let noise = self.trials.lengths.iter().map(|length| self.noise * length.noise());
        DMatrix::from_diagonal(&DVector::from_vec(noise.collect()))
    }

    fn variances(&self) -> DVector<f64> {
        self.scale * self.scale * &self.model.variance
    }

    /// The unknowns before any trial. The level of a length is that of its scores.
    fn means(&self) -> DVector<f64> {
        let mut means = self.scale * &self.model.mean;
        for length in TrialLength::ALL {
            means[self.model.of_level(length)] = self.trials.level(length);
        }
        means
    }

    /// How far scores are off what these unknowns have them by.
    fn residuals(&self, unknowns: &DVector<f64>) -> DVector<f64> {
        &self.trials.scores - &self.trials.rows * unknowns
    }

    /// `K^-1 r`, with K the covariance of the scores.
    fn solved(&self, residuals: &DVector<f64>) -> DVector<f64> {
        match &self.covariance {
            Some(covariance) => covariance.solve(residuals),
            // Overflow alone: then nothing was learnt.
            None => DVector::zeros(residuals.len()),
        }
    }

    /// `ln p(scores)` but for a constant (Rasmussen and Williams 2006, equation 2.30).
    fn evidence(&self) -> f64 {
        let Some(covariance) = &self.covariance else { return f64::NEG_INFINITY };
        let residuals = self.residuals(&self.means());
        let determinant: f64 = covariance.l_dirty().diagonal().iter().map(|root| root.ln()).sum();
        -0.5 * residuals.dot(&self.solved(&residuals)) - determinant
    }

    /// Unknowns behind scores that are off what `unknowns` have them by these residuals.
    fn corrected(&self, unknowns: &DVector<f64>, residuals: &DVector<f64>) -> DVector<f64> {
        let gain = self.trials.rows.transpose() * self.solved(residuals);
        unknowns + self.variances().component_mul(&gain)
    }

    /// What each candidate is expected to be worth.
    pub fn worth(&self) -> EdgeValues {
        let means = self.means();
        self.model.worth(&self.corrected(&means, &self.residuals(&means)))
    }

    /// What each candidate may be worth: a draw from what is known of all of them together (by Matheron's rule: Wilson et al.
    /// 2020, arXiv:2002.09309). Taking the best of a draw, and trying it, is Thompson sampling.
    pub fn sampled_worth(&self, random: &mut impl Rng) -> EdgeValues {
        let mut normal = || -> f64 { StandardNormal.sample(random) };
        let deviations = self.variances().map(|variance| variance.sqrt() * normal());
        let unknowns = self.means() + deviations;
        let own = DVector::from_fn(self.trials.scores.len(), |_, _| self.own.sqrt() * normal());
        let of_trial = |(length, first): (&TrialLength, &usize)| {
            own[*first] + (self.noise * length.noise()).sqrt() * normal()
        };
        let off = self.trials.lengths.iter().zip(&self.trials.firsts).map(of_trial);
        let residuals = self.residuals(&unknowns) - DVector::from_vec(off.collect());
        self.model.worth(&self.corrected(&unknowns, &residuals))
    }

    /// How well each of the trials is expected to do if it is made once more, for as long: what chance made of the first time is
    /// left out as far as the others tell, those of the same network among them.
    pub fn expected_scores(&self) -> Vec<f64> {
        let means = self.means();
        let residuals = self.residuals(&means);
        let own = self.own_covariance() * self.solved(&residuals);
        let unknowns = self.corrected(&means, &residuals);
        (&self.trials.rows * unknowns + own).iter().copied().collect()
    }
}

fn standardised(logits: &Logits) -> EdgeValues {
    let centred = logits.log_probabilities().map_edges(|edge| {
        let mean = edge.iter().sum::<f64>() / edge.len() as f64;
        edge.iter().map(|value| value - mean).collect()
    });
    let variance_of =
        |edge: &Vec<f64>| edge.iter().map(|value| value * value).sum::<f64>() / edge.len() as f64;
    let deviation = centred.edges().iter().map(variance_of).sum::<f64>().sqrt();
    let factor = if deviation > LEARNT_SOMETHING { 1.0 / deviation } else { 0.0 };
    centred.map_edges(|edge| edge.iter().map(|value| factor * value).collect())
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod toy;
