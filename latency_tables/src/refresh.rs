//! A refresh asks whether a device still is what it was when a table was made: a sample of the table's
//! rows is measured again, and tests say whether the table stands, stands but for a factor, or does not.
//!
//! `docs/measuring.md` states the tests, their level and their power.

mod common_factor;
mod heterogeneity;
mod rescaling;
mod row_ratio;
#[cfg(test)]
mod simulation;

use op_catalog::PlacedOp;
use rand::SeedableRng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

pub use rescaling::{Rescaling, rescaled};
pub use row_ratio::RowRatio;

use crate::{LatencyTable, RowSource, TableError, TableRow};
use common_factor::CommonFactor;
use heterogeneity::Heterogeneity;

/// Rows that are measured again where nobody says how many.
pub const DEFAULT_ROWS: usize = 12;

/// The fewest rows that are compared: of five, one may have gone wrong.
pub const MIN_ROWS: usize = 5;

/// Changes of the common factor up to this share do not matter: two tables that are made in a row
/// differ by about as much.
pub const TOLERANCE: f64 = 0.015;

/// Level of the test of equivalence: a device whose common factor is beyond the tolerance is taken for
/// unchanged with at most this probability.
pub const EQUIVALENCE_LEVEL: f64 = 0.05;

/// Level of the test of heterogeneity: a device whose rows all changed alike is taken for another with
/// this probability.
pub const HETEROGENEITY_LEVEL: f64 = 0.01;

/// What a refresh comes to, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Refresh {
    /// What is to be done.
    pub decision: Decision,
    /// What it follows from.
    pub evidence: Evidence,
}

/// What is to be done with the old table.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum Decision {
    /// It stands: the device is what it was, within the tolerance.
    Keep,
    /// All rows changed alike: it stands, times a factor.
    Rescale {
        /// The factor on every time.
        factor: f64,
        /// Its 90 % interval.
        interval: [f64; 2],
    },
    /// Rows changed each in their own way: it does not stand.
    Remeasure,
}

/// What a decision follows from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evidence {
    /// The rows that were compared, in the order of their keys.
    pub rows: Vec<RowRatio>,
    /// The row that is left out of everything below, because it is the farthest off: now and then a
    /// single row goes wrong.
    pub left_out: PlacedOp,
    /// The common factor of new times over old ones.
    pub factor: f64,
    /// Its 90 % interval, which is to lie within `1 -/+` the tolerance for the table to be kept.
    pub interval: [f64; 2],
    /// The tolerance.
    pub tolerance: f64,
    /// Cochran's Q: squared deviations from the common factor over the rows' own variances.
    pub q: f64,
    /// Probability of so large a Q where all rows changed alike.
    pub p_value: f64,
    /// Standard deviation of the rows' factors beyond the rows' own errors, in percent.
    pub tau_percent: f64,
}

/// Rows to measure again: one, drawn by the seed, from each of `count` strata of equal numbers of rows,
/// from the shortest to the longest. Of a table of no more rows, all that were not estimated.
pub fn sample(table: &LatencyTable, count: usize, seed: u64) -> Vec<PlacedOp> {
    let counts = |row: &&TableRow| row.source != RowSource::Estimated && row.headline().0 > 0.0;
    let mut rows: Vec<&TableRow> = table.rows().filter(counts).collect();
    rows.sort_by(|a, b| a.headline().0.total_cmp(&b.headline().0));
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let strata = count.min(rows.len());
    let bounds = |stratum: usize| stratum * rows.len() / strata;
    (0..strata)
        .filter_map(|stratum| {
            let rows = &rows[bounds(stratum)..bounds(stratum + 1)];
            Some(rows.choose(&mut random)?.key)
        })
        .collect()
}

/// Decides by rows that were measured again, of which those count that the old table has too.
///
/// First, whether the rows changed alike: Cochran's Q against its distribution under heavy-tailed errors
/// (level [`HETEROGENEITY_LEVEL`]). Then, whether the common factor is 1 within [`TOLERANCE`]: two
/// one-sided tests (level [`EQUIVALENCE_LEVEL`] each), so that a table is kept because the device is
/// shown to be the same, and not because little was measured.
///
/// # Errors
/// Fewer than [`MIN_ROWS`] rows in common, or rows whose headline is another statistic.
pub fn decide(old: &LatencyTable, fresh: &[TableRow]) -> Result<Refresh, TableError> {
    let rows = row_ratio::between(old, fresh)?;
    if rows.len() < MIN_ROWS {
        let message = format!(
            "only {} rows were measured again that the old table has, but it takes at least {MIN_ROWS}",
            rows.len()
        );
        return Err(TableError::Model { what: "a refresh".to_owned(), message });
    }
    let Heterogeneity { farthest, q, p_value } = Heterogeneity::of(&rows);
    let kept: Vec<RowRatio> =
        rows.iter().filter(|row| row.key != rows[farthest].key).copied().collect();
    let common = CommonFactor::of(&kept, EQUIVALENCE_LEVEL);
    let [low, high] = common.interval;
    let is_same = (1.0 + TOLERANCE).recip() < low && high < 1.0 + TOLERANCE;
    let decision = if p_value < HETEROGENEITY_LEVEL {
        Decision::Remeasure
    } else if is_same {
        Decision::Keep
    } else {
        Decision::Rescale { factor: common.factor, interval: common.interval }
    };
    let evidence = Evidence {
        left_out: rows[farthest].key,
        rows,
        factor: common.factor,
        interval: common.interval,
        tolerance: TOLERANCE,
        q,
        p_value,
        tau_percent: 100.0 * common.tau,
    };
    Ok(Refresh { decision, evidence })
}

#[cfg(test)]
mod tests {
    use op_catalog::Milliseconds;

    use super::*;
    use crate::TableContext;
    use crate::fixtures::{estimated_row, measured_row, small_space, table_of};

    #[test]
    fn a_sample_goes_from_the_shortest_to_the_longest_and_is_the_seeds() {
        let table = table_of(&small_space());
        let keys = sample(&table, DEFAULT_ROWS, 3);
        assert_eq!(keys.len(), DEFAULT_ROWS);
        assert_eq!(keys, sample(&table, DEFAULT_ROWS, 3));
        assert_ne!(keys, sample(&table, DEFAULT_ROWS, 4));
        let times: Vec<Milliseconds> =
            keys.iter().map(|key| table.row(key).unwrap().headline()).collect();
        assert!(times.is_sorted());
        let mut all: Vec<Milliseconds> = table.rows().map(TableRow::headline).collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        let stratum = all.len().div_ceil(DEFAULT_ROWS);
        assert!(
            times[0] <= all[stratum] && all[all.len() - 1 - stratum] <= times[DEFAULT_ROWS - 1]
        );
    }

    #[test]
    fn a_small_table_is_measured_whole_and_estimates_never() {
        let mut table = LatencyTable::new(TableContext::named("x"));
        assert_eq!(sample(&table, DEFAULT_ROWS, 1), []);
        let key = "conv-k3-in8x8x3-out4x4x8-s2".parse().unwrap();
        table.insert(measured_row(key, 1.0));
        table.insert(estimated_row("conv-k3-in8x8x4-out4x4x8-s2".parse().unwrap(), 1.0));
        assert_eq!(sample(&table, DEFAULT_ROWS, 1), [key]);
    }

    #[test]
    fn too_few_rows_and_rows_of_another_statistic_are_refused() {
        let keys = sample(&table_of(&small_space()), MIN_ROWS, 1);
        let mut old = LatencyTable::new(TableContext::named("x"));
        for key in &keys {
            old.insert(measured_row(*key, 1.0));
        }
        let mut fresh: Vec<TableRow> = old.rows().cloned().collect();
        assert!(decide(&old, &fresh).is_ok());
        assert_eq!(
            decide(&old, &fresh[1..]).unwrap_err().to_string(),
            "a refresh: only 4 rows were measured again that the old table has, but it takes at least 5"
        );
        fresh[0].headline.statistic = crate::RowStatistic::WallP50;
        let message = decide(&old, &fresh).unwrap_err().to_string();
        let start = format!("row `{}`: its headline is `wall_p50`, but", fresh[0].key);
        assert!(message.starts_with(&start), "{message}");
    }
}
