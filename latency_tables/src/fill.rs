//! Filling estimates the rows that a table lacks, from the rows that it has.
//!
//! An estimate is a price times a factor. The price is a roofline: what the operation counts (itself, its
//! layers, multiply-accumulates by kind, bytes), each at a price that is fitted on the table's own rows.
//! The factor is what rows of like operations are off their prices. How far estimates are off is found
//! by leaving out each row in turn, and decides the width of their intervals.

mod cost_features;
mod neighbours;
mod prices;

use op_catalog::{Milliseconds, PlacedOp, SearchSpace};
use serde::Serialize;

use crate::quantile::{ascending, quantile};
use crate::{LatencyTable, RowSource, TableError, TableRow};

use cost_features::CostFeatures;
use neighbours::{Neighbours, Place, Said};
use prices::{LEAST_SPREAD, Prices};

/// The fewest rows that a fill is fitted on: one more than there are prices, and enough for a 90 %
/// interval from the rows' own errors.
pub const MIN_ROWS: usize = 10;

/// Probability that the interval of an estimated row holds its time.
pub const CONFIDENCE: f64 = 0.9;

/// A table whose missing rows are estimated, and what is known of the estimates.
#[derive(Clone, Debug, PartialEq)]
pub struct Filled {
    /// The table. Its estimated rows say so.
    pub table: LatencyTable,
    /// How the estimates came about.
    pub report: FillReport,
}

/// How estimates came about, and how far they are off.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FillReport {
    /// Rows that the estimates are fitted on.
    pub fitted_rows: usize,
    /// The operations whose rows are estimated, in the order of their keys.
    pub estimated: Vec<PlacedOp>,
    /// How many of them could not be measured.
    pub failed: usize,
    /// What the fitted rows' own errors would be, had they been missing.
    pub leave_one_out: LeaveOneOut,
    /// What each count costs.
    pub prices: Vec<Price>,
}

/// Errors of rows that were each estimated from all others: absolute, in percent of the measured time.
/// They hold for a row that is missing among its like; one that stands alone is further off, and its
/// interval wider.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LeaveOneOut {
    /// Their mean.
    pub mean_percent: f64,
    /// Their median.
    pub median_percent: f64,
    /// Their 90th percentile.
    pub p90_percent: f64,
    /// The largest.
    pub max_percent: f64,
}

/// The price of a count.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Price {
    /// What it is per.
    pub per: &'static str,
    /// The price in milliseconds.
    pub ms: f64,
}

/// A row that estimates are fitted on.
struct Known {
    place: Place,
    features: CostFeatures,
    time: f64,
}

/// What is known from all rows.
struct Fit {
    prices: Prices,
    neighbours: Neighbours,
    logarithms: Vec<f64>,
    /// Half the width of an interval, as a logarithm, over what the neighbours say of it.
    multiplier: f64,
    errors: LeaveOneOut,
}

/// The same table with an estimated row for every operation of the space that it has no measured or
/// imported row of. Estimates of an earlier fill are made anew.
///
/// # Errors
/// Fewer than [`MIN_ROWS`] rows that were not estimated and took time.
pub fn analytic(table: &LatencyTable, space: &SearchSpace) -> Result<Filled, TableError> {
    let known: Vec<Known> = table.rows().filter_map(Known::of).collect();
    let fit = Fit::of(&known)?;
    let is_known =
        |key: &PlacedOp| table.row(key).is_some_and(|row| row.source != RowSource::Estimated);
    let estimated: Vec<PlacedOp> =
        space.placed_ops().into_iter().filter(|key| !is_known(key)).collect();
    let failed = table.failed().filter(|(key, _)| estimated.contains(key)).count();
    let mut table = table.clone();
    for &key in &estimated {
        table.insert(fit.row(key, known.len()));
    }
    let prices = cost_features::NAMES.into_iter().zip(fit.prices.0);
    let report = FillReport {
        fitted_rows: known.len(),
        estimated,
        failed,
        leave_one_out: fit.errors,
        prices: prices.map(|(per, ms)| Price { per, ms }).collect(),
    };
    Ok(Filled { table, report })
}

impl Known {
    fn of(row: &TableRow) -> Option<Self> {
        let time = row.headline().0;
        let counts = row.source != RowSource::Estimated && time.is_finite() && time > 0.0;
        counts.then(|| Self {
            place: Place::of(&row.key),
            features: cost_features::of(&row.key),
            time,
        })
    }
}

impl Fit {
    fn of(known: &[Known]) -> Result<Self, TableError> {
        let refuse =
            |message: String| TableError::Model { what: "an analytic fill".to_owned(), message };
        if known.len() < MIN_ROWS {
            return Err(refuse(format!(
                "the table has {} rows to fit it on, but it takes at least {MIN_ROWS}: measure more \
                 operations",
                known.len()
            )));
        }
        let neighbours = Neighbours::of(known.iter().map(|row| row.place).collect())
            .ok_or_else(|| refuse("the rows' places cannot be told apart".to_owned()))?;
        let rows: Vec<(CostFeatures, f64)> =
            known.iter().map(|row| (row.features, row.time)).collect();
        let prices = Prices::fit(&rows);
        let mut logarithms = prices.log_residuals(&rows);
        let wrong = neighbours.wrong(&logarithms);
        correct(&mut logarithms, &wrong);
        let left_out: Vec<(f64, f64)> =
            (0..known.len()).map(|index| left_out(index, &rows, &neighbours, &wrong)).collect();
        Ok(Self {
            logarithms,
            prices,
            neighbours,
            multiplier: conformal(
                left_out.iter().map(|(error, deviation)| error.abs() / deviation),
            ),
            errors: LeaveOneOut::of(left_out.iter().map(|(error, _)| *error)),
        })
    }

    fn row(&self, key: PlacedOp, rows: usize) -> TableRow {
        let Said { mean, deviation } = self.neighbours.of_place(&Place::of(&key), &self.logarithms);
        let time = self.prices.time(&cost_features::of(&key)) * mean.exp();
        let half_width = self.multiplier * deviation;
        let interval =
            [-half_width, half_width].map(|logarithm| Milliseconds(time * logarithm.exp()));
        let reason = format!("no measurement: a cost model fitted on {rows} rows of the table");
        TableRow::estimated(key, Milliseconds(time), interval, CONFIDENCE, reason)
    }
}

/// Puts what the others say in the place of rows that are not believed.
fn correct(logarithms: &mut [f64], wrong: &[(usize, f64)]) {
    for &(index, logarithm) in wrong {
        logarithms[index] = logarithm;
    }
}

/// The logarithm of a row's time over its estimate from all other rows, and the deviation that these
/// gave it.
fn left_out(
    index: usize,
    rows: &[(CostFeatures, f64)],
    neighbours: &Neighbours,
    wrong: &[(usize, f64)],
) -> (f64, f64) {
    let (features, time) = rows[index];
    let others: Vec<(CostFeatures, f64)> =
        rows.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, row)| *row).collect();
    let prices = Prices::fit(&others);
    let mut logarithms = prices.log_residuals(rows);
    correct(&mut logarithms, wrong);
    let said = neighbours.of_left_out(index, &logarithms);
    (prices.log_residual(&features, time) - said.mean, said.deviation)
}

/// The `ceil(0.9 (n + 1))`-th smallest size: an interval of that many deviations holds a further,
/// exchangeable row with a probability of at least 90 % (Vovk, Gammerman and Shafer 2005; Lei et al. 2018,
/// "Distribution-free predictive inference for regression", locally weighted as in section 5.2).
fn conformal(sizes: impl Iterator<Item = f64>) -> f64 {
    let sizes = ascending(sizes);
    let rank = (CONFIDENCE * (sizes.len() + 1) as f64).ceil() as usize;
    sizes
        .get(rank.min(sizes.len()).saturating_sub(1))
        .map_or(LEAST_SPREAD, |size| size.max(LEAST_SPREAD))
}

impl LeaveOneOut {
    /// From logarithms of measured times over estimates.
    fn of(logarithms: impl Iterator<Item = f64>) -> Self {
        let sizes = ascending(logarithms.map(|logarithm| 100.0 * ((-logarithm).exp() - 1.0).abs()));
        let at = |share: f64| quantile(&sizes, share).unwrap_or(0.0);
        Self {
            mean_percent: sizes.iter().sum::<f64>() / sizes.len() as f64,
            median_percent: at(0.5),
            p90_percent: at(0.9),
            max_percent: at(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::fixtures::{published, small_space, table_of};
    use crate::{ImportOptions, TableContext, import, table_json};

    fn table_from(rows: impl IntoIterator<Item = TableRow>) -> LatencyTable {
        let mut table = LatencyTable::new(TableContext::named("x"));
        rows.into_iter().for_each(|row| table.insert(row));
        table
    }

    fn published_table(text: &str) -> LatencyTable {
        import::parse(text, "published", &ImportOptions::default()).unwrap().table
    }

    fn errors_of(table: &LatencyTable) -> LeaveOneOut {
        let known: Vec<Known> = table.rows().filter_map(Known::of).collect();
        let fit = Fit::of(&known).unwrap();
        println!("{:?} {:?}", fit.errors, fit.prices);
        fit.errors
    }

    #[test]
    fn on_the_published_table_left_out_rows_are_estimated_to_a_few_percent() {
        let Some(text) = published("proxylessnas_official/mobile_trim.yaml") else { return };
        let errors = errors_of(&published_table(&text));
        assert!(errors.mean_percent < 4.0 && errors.max_percent < 45.0, "{errors:?}");
    }

    #[test]
    fn of_a_table_of_another_kind_all_but_the_rows_without_their_like_are_estimated_as_well() {
        let Some(text) = published("ofa_note10/224_lookup_table.yaml") else { return };
        let errors = errors_of(&published_table(&text));
        // The one pooling, 15 microseconds, is off by a factor of 8.
        assert!(errors.median_percent < 1.0 && errors.p90_percent < 4.0, "{errors:?}");
    }

    /// The table of a space with each row lost by this chance.
    fn lossy(table: &LatencyTable, chance: f64, seed: u64) -> LatencyTable {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        table_from(table.rows().filter(|_| !random.random_bool(chance)).cloned())
    }

    /// Share of the lost rows inside their intervals.
    fn coverage(full: &LatencyTable, space: &SearchSpace) -> f64 {
        let (mut inside, mut all) = (0.0, 0.0);
        for seed in 0..30 {
            let Filled { table, .. } = analytic(&lossy(full, 0.3, seed), space).unwrap();
            for row in table.estimated() {
                let truth = full.row(&row.key).unwrap().headline();
                let low = row.headline.ci_low.unwrap();
                inside +=
                    f64::from(u8::from(low <= truth && truth <= row.headline.ci_high.unwrap()));
                all += 1.0;
            }
        }
        inside / all
    }

    #[test]
    fn intervals_hold_the_lost_rows_of_a_published_table_as_often_as_they_say() {
        let Some(text) = published("proxylessnas_official/mobile_trim.yaml") else { return };
        let space = op_catalog::SpaceDefinition::built_in("proxyless-mobile").unwrap();
        let full = published_table(&text);
        let coverage = coverage(&full, &space.build().unwrap());
        println!("{coverage}");
        assert!((0.85..=0.97).contains(&coverage), "{coverage}");
    }

    #[test]
    fn a_filled_table_is_complete_says_what_is_an_estimate_and_leaves_every_known_row_as_it_is() {
        let space = small_space();
        let partial = lossy(&table_of(&space), 0.4, 1);
        let Filled { table, report } = analytic(&partial, &space).unwrap();
        assert!(table.complete(&space));
        assert_eq!(report.estimated, partial.missing(&space));
        assert!(table.estimated().map(|row| row.key).eq(report.estimated.iter().copied()));
        assert!(partial.rows().all(|row| table.row(&row.key) == Some(row)));
        let text = table_json::print(&table).unwrap();
        assert_eq!(table_json::parse(&text).unwrap(), table);
        assert_eq!(analytic(&table, &space).unwrap().table, table);
    }

    #[test]
    fn a_measured_row_takes_the_place_of_an_estimate_and_never_the_other_way_round() {
        let space = small_space();
        let full = table_of(&space);
        let Filled { mut table, .. } = analytic(&lossy(&full, 0.4, 1), &space).unwrap();
        let estimate = table.estimated().next().unwrap().clone();
        let measured = full.row(&estimate.key).unwrap();
        table.insert(measured.clone());
        assert_eq!(table.row(&estimate.key), Some(measured));
        table.insert(estimate.clone());
        assert_eq!(table.row(&estimate.key), Some(measured));
    }

    #[test]
    fn too_few_rows_are_refused_with_how_many_it_takes() {
        let space = small_space();
        let few = table_from(table_of(&space).rows().take(MIN_ROWS - 1).cloned());
        assert_eq!(
            analytic(&few, &space).unwrap_err().to_string(),
            "an analytic fill: the table has 9 rows to fit it on, but it takes at least 10: measure \
             more operations"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// A device whose times are the model's, but for a factor of its own on each row, and one row that
        /// went wrong.
        #[test]
        fn a_device_that_the_model_describes_is_estimated_to_its_noise(
            seed in 0_u64..1000, noise in 0.001..0.1_f64, price in 0.001..10.0_f64,
        ) {
            let space = small_space();
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let truth = |key: &PlacedOp| {
                let features = cost_features::of(key);
                price * (0.01 + features[1] * 0.002 + features[2] + features[3] + 2.0 * features[8])
            };
            let mut rows: Vec<TableRow> = space
                .placed_ops()
                .into_iter()
                .map(|key| {
                    let factor = 1.0 + noise * (2.0 * random.random::<f64>() - 1.0);
                    TableRow::imported(key, 100, Milliseconds(factor * truth(&key)), 0.0)
                })
                .collect();
            let wrong = random.random_range(0..rows.len());
            rows[wrong].headline.value.0 *= 5.0;
            let Filled { table, .. } =
                analytic(&lossy(&table_from(rows), 0.2, seed), &space).unwrap();
            let errors = table.estimated().map(|row| {
                (row.headline().0 / truth(&row.key) - 1.0).abs()
            });
            let errors = ascending(errors);
            prop_assert!(quantile(&errors, 0.5).unwrap_or(0.0) < noise, "{errors:?} {noise}");
        }
    }
}
