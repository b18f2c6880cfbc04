//! A trial is a network that was trained by itself, for a short time or a longer one.

use nalgebra::{DMatrix, DVector};
use op_catalog::Architecture;

/// Noise of a longer training, as a part of a short one's: networks differ less from what they will be, and so does what a seed
/// makes of them.
const LONGER_NOISE: f64 = 0.5;

/// How long a network was trained. Those of each length have a level of their own, and what networks are worth in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrialLength {
    /// As all of them are.
    Short,
    /// As the best of them are.
    Longer,
}

/// A network that was trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// The network.
    pub architecture: Architecture,
    /// How long it was trained.
    pub length: TrialLength,
    /// How well it did: the more, the better. Its unit is that of all that follows from it.
    pub score: f64,
}

/// Trials as a linear model has them.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    /// One row for each trial.
    pub(crate) rows: DMatrix<f64>,
    pub(crate) scores: DVector<f64>,
    pub(crate) lengths: Vec<TrialLength>,
    /// The first trial of the same network.
    pub(crate) firsts: Vec<usize>,
}

impl TrialLength {
    pub(crate) const ALL: [Self; 2] = [Self::Short, Self::Longer];

    /// How much a score varies by chance, as a part of the variance of a short training's.
    pub(crate) fn noise(self) -> f64 {
        match self {
            Self::Short => 1.0,
            Self::Longer => LONGER_NOISE,
        }
    }
}

impl Observed {
    /// The mean score of a length, and 0 where there is none.
    pub(crate) fn level(&self, length: TrialLength) -> f64 {
        let of_it = self.scores.iter().zip(&self.lengths).filter(|(_, of)| **of == length);
        let (sum, count) =
            of_it.fold((0.0, 0_u32), |(sum, count), (score, _)| (sum + score, count + 1));
        sum / f64::from(count.max(1))
    }

    /// The variance of scores about the mean of their length, and 1 where there is none.
    pub(crate) fn spread(&self) -> f64 {
        let lengths = TrialLength::ALL.iter().filter(|one| self.lengths.contains(one)).count();
        let off = |(score, length): (&f64, &TrialLength)| (score - self.level(*length)).powi(2);
        let squares: f64 = self.scores.iter().zip(&self.lengths).map(off).sum();
        let freedom = self.scores.len().saturating_sub(lengths);
        if freedom > 0 && squares > 0.0 { squares / freedom as f64 } else { 1.0 }
    }
}
