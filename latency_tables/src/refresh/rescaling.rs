//! A rescaling multiplies every time of a table by one factor: what is left to do where a device became
//! slower or faster as a whole.

use op_catalog::Milliseconds;
use op_catalog::wire::row::ThreadCpu;
use serde::{Deserialize, Serialize};

use crate::{LatencyTable, NetworkRow, RowHeadline, TableError, TableRow};

/// That the times of a table are not those that were measured, but multiples of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rescaling {
    /// The times in the table over those that were measured.
    pub factor: f64,
    /// How often the table was rescaled.
    pub times: u32,
    /// When it last was (RFC 3339), where that was told.
    pub rescaled_at: Option<String>,
}

/// The same table with every time of its rows, its networks and its model multiplied by the factor, and
/// a note of that in its context. Its canaries stay as they were measured.
///
/// # Errors
/// A factor that is not finite and above 0.
pub fn rescaled(table: &LatencyTable, factor: f64) -> Result<LatencyTable, TableError> {
    if !factor.is_finite() || factor <= 0.0 {
        let message = format!("{factor} is not a finite number above 0");
        return Err(TableError::Model { what: "the factor of a rescaling".to_owned(), message });
    }
    let mut table = table.clone();
    let rows: Vec<TableRow> = table.rows().map(|row| row_times(row, factor)).collect();
    for row in rows {
        table.insert(row);
    }
    let networks = table.networks().iter().map(|row| network_times(row, factor)).collect();
    let model = table.model().map(|model| model.rescaled(factor));
    let earlier = table.context.rescaled.take();
    let (before, times) = earlier.map_or((1.0, 0), |earlier| (earlier.factor, earlier.times));
    table.context.rescaled =
        Some(Rescaling { factor: before * factor, times: times + 1, rescaled_at: None });
    let table = table.with_networks(networks)?;
    model.map_or(Ok(table.clone()), |model| table.with_model(model))
}

fn scaled(time: Milliseconds, factor: f64) -> Milliseconds {
    Milliseconds(time.0 * factor)
}

fn row_times(row: &TableRow, factor: f64) -> TableRow {
    let times = |time: Milliseconds| scaled(time, factor);
    TableRow {
        min: row.min.map(times),
        p10: row.p10.map(times),
        p50: row.p50.map(times),
        mean: row.mean.map(times),
        p90: row.p90.map(times),
        variance: row.variance.map(|variance| variance * factor * factor),
        thread_cpu: row.thread_cpu.map(|cpu| ThreadCpu {
            min: times(cpu.min),
            p10: times(cpu.p10),
            p50: times(cpu.p50),
        }),
        headline: headline_times(&row.headline, factor),
        first_run: row.first_run.map(times),
        preparation: row.preparation.map(times),
        visits: row.visits.iter().map(|visit| times(*visit)).collect(),
        ..row.clone()
    }
}

fn network_times(row: &NetworkRow, factor: f64) -> NetworkRow {
    NetworkRow {
        headline: headline_times(&row.headline, factor),
        visits: row.visits.iter().map(|visit| scaled(*visit, factor)).collect(),
        ..row.clone()
    }
}

fn headline_times(headline: &RowHeadline, factor: f64) -> RowHeadline {
    let times = |time: Milliseconds| scaled(time, factor);
    RowHeadline {
        value: times(headline.value),
        ci_low: headline.ci_low.map(times),
        ci_high: headline.ci_high.map(times),
        ..headline.clone()
    }
}

#[cfg(test)]
mod tests {
    use op_catalog::Architecture;
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::{measured_row, small_space, table_of};
    use crate::{Design, EdgeCosts, LatencyModel, MeasuredNetwork, NetworkRole, table_json};

    /// A table with rows, networks and a model.
    fn table() -> LatencyTable {
        let space = small_space();
        let mut table = table_of(&space);
        for key in space.placed_ops() {
            let time = table.row(&key).map_or(1.0, |row| row.headline().0);
            table.insert(measured_row(key, time));
        }
        let network = |choice: usize| {
            let architecture = Architecture::new((0..12).map(|edge| (choice + edge) % 6).collect());
            let network = space.network(&architecture).unwrap();
            let latency = Milliseconds(1.1 * table.predict(&network).unwrap().0);
            MeasuredNetwork::new(architecture, latency)
        };
        let measured: Vec<MeasuredNetwork> = (0..6).map(network).collect();
        let design = Design::of_table(&space, &table).unwrap();
        let model = LatencyModel::fit(&design, &measured, 1).unwrap();
        let row = |network: &MeasuredNetwork| NetworkRow {
            choices: network.architecture.choices().to_vec(),
            role: NetworkRole::Fit,
            n: 12,
            headline: RowHeadline {
                value: network.latency,
                ..measured_row("conv-k3-in8x8x3-out4x4x8-s2".parse().unwrap(), 1.0).headline
            },
            visits: vec![network.latency; 2],
            round_factors: vec![1.0, 1.0],
        };
        let rows = measured.iter().map(row).collect();
        table.with_networks(rows).unwrap().with_model(model).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn every_latency_and_its_interval_is_multiplied_and_back_again(factor in 0.2..5.0_f64) {
            let before = table();
            let after = rescaled(&before, factor).unwrap();
            let same = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b.abs();
            let architecture = Architecture::new(vec![1; 12]);
            let of = |table: &LatencyTable| table.model().unwrap().predict(&architecture).unwrap();
            let (old, new) = (of(&before), of(&after));
            prop_assert!(same(new.latency.0, factor * old.latency.0));
            prop_assert!(same(new.standard_error.unwrap().0, factor * old.standard_error.unwrap().0));
            let sum = |table: &LatencyTable| EdgeCosts::of_rows(&small_space(), table).unwrap();
            prop_assert!(same(sum(&after).dearest().latency.0, factor * sum(&before).dearest().latency.0));
            for (old, new) in before.networks().iter().zip(after.networks()) {
                prop_assert!(same(new.latency().0, factor * old.latency().0));
                prop_assert!(same(new.visits[0].0, factor * old.visits[0].0));
            }
            for (old, new) in before.rows().zip(after.rows()) {
                prop_assert!(same(new.mean.unwrap().0, factor * old.mean.unwrap().0));
                prop_assert!(same(new.variance.unwrap(), factor * factor * old.variance.unwrap()));
                prop_assert_eq!(new.headline.relative_error, old.headline.relative_error);
            }
            let back = rescaled(&after, factor.recip()).unwrap();
            let note = back.context.rescaled.as_ref().unwrap();
            prop_assert!(same(note.factor, 1.0));
            prop_assert_eq!(note.times, 2);
            prop_assert!(same(of(&back).latency.0, old.latency.0));
        }
    }

    #[test]
    fn the_note_survives_the_file_and_is_absent_where_nothing_was_rescaled() {
        let plain = table();
        let text = table_json::print(&plain).unwrap();
        assert!(!text.contains("rescaled"));
        let with_null = text.replacen("\"canary\"", "\"rescaled\": null, \"canary\"", 1);
        assert_eq!(table_json::parse(&with_null).unwrap(), plain);
        let after = rescaled(&plain, 1.03).unwrap();
        assert_eq!(table_json::parse(&table_json::print(&after).unwrap()).unwrap(), after);
    }

    #[test]
    fn a_factor_that_is_none_is_refused() {
        for factor in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let message = rescaled(&table(), factor).unwrap_err().to_string();
            assert!(message.ends_with("is not a finite number above 0"), "{message}");
        }
    }
}
