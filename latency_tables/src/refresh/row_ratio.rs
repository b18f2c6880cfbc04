//! A row ratio is a row's new time over its old one, with how far it may be off by chance.

use op_catalog::{Milliseconds, PlacedOp};
use serde::Serialize;
use statrs::distribution::{ContinuousCDF, Normal};

use crate::quantile::median;
use crate::{LatencyTable, RowSource, TableError, TableRow};

/// Error of a row between two jobs that its visits do not show, relative: where its memory happens to
/// lie, and in what state the machine is. Two tables made in a row differ by 0.4 to 0.7 % in the median and
/// 1.3 to 2.8 % at the 90th percentile (docs/results/tables.md), as Student's distribution has it with this scale
/// in each of the two and the sampling besides.
const BETWEEN_JOBS: f64 = 0.005;

/// The smallest standard error of a row's value, relative: six equal visits are luck.
const LEAST_ERROR: f64 = 0.001;

/// A row that was measured twice.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RowRatio {
    /// The operation.
    pub key: PlacedOp,
    /// Headline value in the old table.
    pub old_ms: Milliseconds,
    /// Headline value now.
    pub fresh_ms: Milliseconds,
    /// Natural logarithm of the new over the old.
    pub logarithm: f64,
    /// Its standard error, without the tails.
    pub standard_error: f64,
}

/// The rows that both have, in the order of their keys.
///
/// An interval from a handful of visits is a noisy number itself. Each row's variance is therefore
/// averaged with the median over the rows.
///
/// # Errors
/// A row whose headline is another statistic than in the old table.
pub(crate) fn between(old: &LatencyTable, fresh: &[TableRow]) -> Result<Vec<RowRatio>, TableError> {
    let mut pairs: Vec<(&TableRow, &TableRow)> =
        fresh.iter().filter_map(|row| Some((old.row(&row.key)?, row))).collect();
    let counts = |row: &TableRow| row.source != RowSource::Estimated && row.headline().0 > 0.0;
    pairs.retain(|(old, fresh)| counts(old) && counts(fresh));
    pairs.sort_by_key(|(old, _)| old.key);
    pairs.dedup_by_key(|(old, _)| old.key);
    for (old, fresh) in &pairs {
        same_statistic(old, fresh)?;
    }
    let own: Vec<Option<f64>> = pairs
        .iter()
        .map(|(old, fresh)| Some(relative_variance(old)? + relative_variance(fresh)?))
        .collect();
    let usual = median(own.iter().copied().flatten());
    let ratios = pairs.into_iter().zip(own).map(|((old, fresh), own)| {
        let sampling = f64::midpoint(own.unwrap_or(usual), usual);
        let variance = sampling.max(2.0 * LEAST_ERROR.powi(2)) + 2.0 * BETWEEN_JOBS.powi(2);
        RowRatio {
            key: old.key,
            old_ms: old.headline(),
            fresh_ms: fresh.headline(),
            logarithm: (fresh.headline().0 / old.headline().0).ln(),
            standard_error: variance.sqrt(),
        }
    });
    Ok(ratios.collect())
}

fn same_statistic(old: &TableRow, fresh: &TableRow) -> Result<(), TableError> {
    let name = |row: &TableRow| serde_json::to_value(row.headline.statistic).unwrap_or_default();
    let (before, now) = (name(old), name(fresh));
    if before == now {
        return Ok(());
    }
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let message = format!(
        "its headline is `{}`, but the old table's is `{}`: they cannot be compared, profile the device \
         anew",
        text(&now),
        text(&before)
    );
    Err(TableError::Row { key: fresh.key, message })
}

/// Variance of a row's value relative to its square: from its interval as that of a normal
/// distribution, else from its samples; nothing where it tells neither.
fn relative_variance(row: &TableRow) -> Option<f64> {
    let headline = &row.headline;
    let from_interval = || {
        let confidence =
            headline.confidence.filter(|confidence| (0.01..1.0).contains(confidence))?;
        let width = headline.ci_high?.0 - headline.ci_low?.0;
        let deviations = 2.0 * Normal::standard().inverse_cdf(f64::midpoint(1.0, confidence));
        Some((width / deviations / headline.value.0).powi(2))
    };
    let from_samples = || Some(row.variance? / row.n.max(1) as f64 / headline.value.0.powi(2));
    from_interval().or_else(from_samples)
}
