//! Uncertainty is what a fitted model knows of its own errors.

use nalgebra::DMatrix;
use op_catalog::{Architecture, Milliseconds};
use serde::{Deserialize, Serialize};

use super::design::features;
use crate::TableError;

/// How far the unknowns of a model, and latencies around it, may be off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Uncertainty {
    /// The unknown that each choice of each edge is, from 1; `null` where it costs nothing for
    /// certain. Unknown 0 is the constant.
    pub(crate) terms: Vec<Vec<Option<usize>>>,
    /// Number of unknowns.
    pub(crate) unknowns: usize,
    /// Lower triangle of their covariance, row by row, in square milliseconds.
    pub(crate) covariance: Vec<f64>,
    /// Standard deviation of one measured latency around the true one, relative to it.
    pub(crate) noise: f64,
    /// Half the width of a 90 % interval over the standard error.
    pub(crate) multiplier: f64,
}

impl Uncertainty {
    /// The lower triangle of a symmetric matrix, row by row.
    pub(crate) fn packed(matrix: &DMatrix<f64>) -> Vec<f64> {
        let rows = 0..matrix.nrows();
        rows.flat_map(|row| (0..=row).map(move |column| matrix[(row, column)])).collect()
    }

    /// Standard deviation of one measured latency around the true one, in percent of it.
    pub fn noise_percent(&self) -> f64 {
        100.0 * self.noise
    }

    /// Half the width of a 90 % interval over the standard error.
    pub fn multiplier(&self) -> f64 {
        self.multiplier
    }

    /// Standard error of one measured latency around its prediction:
    /// `sqrt(x'Cx + (noise latency)^2)` (Bishop 2006, equation 3.59).
    pub(crate) fn standard_error(
        &self,
        architecture: &Architecture,
        latency: Milliseconds,
    ) -> Result<Milliseconds, TableError> {
        let features = features(&self.terms, architecture)?;
        let mut variance = (self.noise * latency.0).powi(2);
        for (index, &(row, count)) in features.iter().enumerate() {
            for &(column, other) in &features[..index] {
                variance += 2.0 * count * other * self.covariance[row * (row + 1) / 2 + column];
            }
            variance += count * count * self.covariance[row * (row + 3) / 2];
        }
        Ok(Milliseconds(variance.max(0.0).sqrt()))
    }

    /// Refuses numbers that are none of a covariance, by the field.
    pub(crate) fn check(&self, edges_ms: &[Vec<f64>]) -> Result<(), (&'static str, String)> {
        let same_shape = self.terms.len() == edges_ms.len()
            && self.terms.iter().zip(edges_ms).all(|(terms, edge)| terms.len() == edge.len());
        if !same_shape {
            return Err(("terms", "they are not one per choice of each edge".to_owned()));
        }
        let outside = |term: &&usize| **term == 0 || self.unknowns <= **term;
        if let Some(term) = self.terms.iter().flatten().flatten().find(outside) {
            return Err((
                "terms",
                format!(
                    "{term} is not one of the unknowns 1 to {}",
                    self.unknowns.saturating_sub(1)
                ),
            ));
        }
        let expected =
            self.unknowns.checked_add(1).and_then(|next| next.checked_mul(self.unknowns));
        if expected.is_none_or(|twice| twice / 2 != self.covariance.len()) {
            let (found, unknowns) = (self.covariance.len(), self.unknowns);
            let message = format!("{found} numbers are not the triangle of {unknowns} unknowns");
            return Err(("covariance", message));
        }
        self.check_covariance()?;
        for (name, number) in [("noise", self.noise), ("multiplier", self.multiplier)] {
            if !number.is_finite() || number < 0.0 {
                return Err((name, format!("{number} is not finite and at least 0")));
            }
        }
        Ok(())
    }

    /// Every number finite, no negative variance, no correlation beyond 1.
    fn check_covariance(&self) -> Result<(), (&'static str, String)> {
        let diagonal = |unknown: usize| self.covariance[unknown * (unknown + 3) / 2];
        for row in 0..self.unknowns {
            for column in 0..=row {
                let value = self.covariance[row * (row + 1) / 2 + column];
                let largest = (diagonal(row) * diagonal(column)).sqrt() * (1.0 + 1e-9);
                let possible = if row == column { 0.0 <= value } else { value.abs() <= largest };
                if !value.is_finite() || !possible {
                    let message = format!("{value} at ({row}, {column}) is no covariance");
                    return Err(("covariance", message));
                }
            }
        }
        Ok(())
    }
}
