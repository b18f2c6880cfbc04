//! A difference is what separates two tables, row by row and in their contexts.

use std::collections::BTreeSet;

use op_catalog::{Milliseconds, PlacedOp};
use serde::Serialize;
use serde_json::Value;
use statrs::distribution::{ContinuousCDF, Normal};

use crate::quantile::{ascending, quantile};
use crate::{LatencyTable, RowHeadline, TableContext};

/// Two tables compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TableDifference {
    /// What differs in where and how they were measured.
    pub context: Vec<ContextDifference>,
    /// Operations with a row in the first table only.
    pub only_in_first: Vec<PlacedOp>,
    /// Operations with a row in the second table only.
    pub only_in_second: Vec<PlacedOp>,
    /// The rows that both have, in the order of their keys.
    pub rows: Vec<RowDifference>,
    /// Median over the rows of the absolute relative difference in percent.
    pub median_percent: Option<f64>,
    /// Its 90th percentile.
    pub p90_percent: Option<f64>,
    /// Number of rows whose intervals are disjoint.
    pub disjoint: usize,
    /// As many would be expected to be so by sampling alone, were the tables of one device that stays
    /// what it is; `null` where no row has two intervals.
    pub disjoint_by_chance: Option<f64>,
}

/// A part of the context that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ContextDifference {
    /// Path of the part, e.g. `protocol.min_samples`.
    pub part: String,
    /// What the first table says.
    pub first: Value,
    /// What the second table says.
    pub second: Value,
}

/// A row that both tables have.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RowDifference {
    /// The operation.
    pub key: PlacedOp,
    /// Headline value in the first table.
    pub first_ms: Milliseconds,
    /// Headline value in the second table.
    pub second_ms: Milliseconds,
    /// The second less the first, over the first, in percent; `null` where the first is 0.
    pub difference_percent: Option<f64>,
    /// How the confidence intervals lie.
    pub intervals: Intervals,
}

/// How two confidence intervals lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Intervals {
    /// They share a value.
    Overlapping,
    /// They share none: the difference is more than noise.
    Disjoint,
    /// At least one headline has none.
    Unknown,
}

impl TableDifference {
    /// Compares two tables.
    pub fn between(first: &LatencyTable, second: &LatencyTable) -> Self {
        let keys = |table: &LatencyTable| -> BTreeSet<PlacedOp> {
            table.rows().map(|row| row.key).collect()
        };
        let (first_keys, second_keys) = (keys(first), keys(second));
        let rows: Vec<RowDifference> = first
            .rows()
            .filter_map(|row| {
                let other = second.row(&row.key)?;
                Some(RowDifference::between(row.key, &row.headline, &other.headline))
            })
            .collect();
        let chances = rows.iter().filter_map(|difference| {
            let headline =
                |table: &LatencyTable| Some(table.row(&difference.key)?.headline.clone());
            chance_of_disjoint(&headline(first)?, &headline(second)?)
        });
        let chances: Vec<f64> = chances.collect();
        let sizes = ascending(rows.iter().filter_map(|row| row.difference_percent).map(f64::abs));
        Self {
            context: context_differences(&first.context, &second.context),
            only_in_first: first_keys.difference(&second_keys).copied().collect(),
            only_in_second: second_keys.difference(&first_keys).copied().collect(),
            median_percent: quantile(&sizes, 0.5),
            p90_percent: quantile(&sizes, 0.9),
            disjoint: rows.iter().filter(|row| row.intervals == Intervals::Disjoint).count(),
            disjoint_by_chance: (!chances.is_empty()).then(|| chances.iter().sum()),
            rows,
        }
    }
}

impl RowDifference {
    fn between(key: PlacedOp, first: &RowHeadline, second: &RowHeadline) -> Self {
        let (before, after) = (first.value.0, second.value.0);
        let difference_percent = (before > 0.0).then(|| 100.0 * (after - before) / before);
        let intervals = Intervals::between(first, second);
        Self { key, first_ms: first.value, second_ms: second.value, difference_percent, intervals }
    }
}

impl Intervals {
    fn between(first: &RowHeadline, second: &RowHeadline) -> Self {
        let ends = |headline: &RowHeadline| Some((headline.ci_low?, headline.ci_high?));
        match (ends(first), ends(second)) {
            (Some((low, high)), Some((other_low, other_high))) => {
                if high < other_low || other_high < low {
                    Self::Disjoint
                } else {
                    Self::Overlapping
                }
            }
            _ => Self::Unknown,
        }
    }
}

/// Probability that two intervals of one value are disjoint: with half widths h that are `z_c` standard
/// errors s each, that of a normal number beyond `(h_1 + h_2) / sqrt(s_1^2 + s_2^2)`, 0.6 % for two equal
/// ones of 95 % (Schenker and Gentleman 2001, "On judging the significance of differences by examining
/// the overlap between confidence intervals").
fn chance_of_disjoint(first: &RowHeadline, second: &RowHeadline) -> Option<f64> {
    let normal = Normal::standard();
    let half_width_and_error = |headline: &RowHeadline| {
        let confidence =
            headline.confidence.filter(|confidence| (0.01..1.0).contains(confidence))?;
        let half_width = (headline.ci_high?.0 - headline.ci_low?.0) / 2.0;
        Some((half_width, half_width / normal.inverse_cdf(f64::midpoint(1.0, confidence))))
    };
    let ((half, error), (other_half, other_error)) =
        (half_width_and_error(first)?, half_width_and_error(second)?);
    let apart = (half + other_half) / error.hypot(other_error);
    // Intervals without a width say nothing of what sampling would do.
    apart.is_finite().then(|| 2.0 * normal.cdf(-apart))
}

/// The parts that make two tables comparable; when they were measured, and the canary, are not among
/// them.
fn context_differences(first: &TableContext, second: &TableContext) -> Vec<ContextDifference> {
    let parts = |context: &TableContext| {
        let fingerprint = context.device.as_ref().map(|device| &device.fingerprint);
        let mut parts = vec![
            ("device_name".to_owned(), json(&context.device_name)),
            ("device.fingerprint".to_owned(), json(fingerprint)),
            ("runtime".to_owned(), json(context.runtime)),
            ("runtime_version".to_owned(), json(context.runtime_version())),
            ("threads".to_owned(), json(context.threads)),
            ("batch".to_owned(), json(context.batch)),
            ("precision".to_owned(), json(context.precision)),
            ("weight_seed".to_owned(), json(context.weight_seed)),
            ("core".to_owned(), json(context.core)),
            ("rescaled.factor".to_owned(), json(context.rescaled.as_ref().map(|note| note.factor))),
        ];
        match json(&context.protocol) {
            Value::Object(fields) => parts.extend(
                fields.into_iter().map(|(name, value)| (format!("protocol.{name}"), value)),
            ),
            none => parts.push(("protocol".to_owned(), none)),
        }
        parts
    };
    let (first, second) = (parts(first), parts(second));
    let names: BTreeSet<&String> = first.iter().chain(&second).map(|(name, _)| name).collect();
    let find = |parts: &[(String, Value)], name: &String| {
        let found = parts.iter().find(|(other, _)| other == name);
        found.map_or(Value::Null, |(_, value)| value.clone())
    };
    let sides = names.into_iter().map(|name| ContextDifference {
        part: name.clone(),
        first: find(&first, name),
        second: find(&second, name),
    });
    sides.filter(|sides| sides.first != sides.second).collect()
}

fn json(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TableRow;
    use crate::fixtures::row;

    const KEYS: [&str; 4] = [
        "conv-k3-in8x8x3-out4x4x8-s2",
        "conv-k3-in8x8x4-out4x4x8-s2",
        "conv-k3-in8x8x5-out4x4x8-s2",
        "conv-k3-in8x8x6-out4x4x8-s2",
    ];

    fn table(rows: &[TableRow]) -> LatencyTable {
        let mut table = LatencyTable::new(TableContext::named("x"));
        for row in rows {
            table.insert(row.clone());
        }
        table
    }

    fn measured(key: usize, ms: f64, half_width: f64) -> TableRow {
        let mut row = row(KEYS[key].parse().unwrap(), ms);
        row.headline.ci_low = Some(Milliseconds(ms - half_width));
        row.headline.ci_high = Some(Milliseconds(ms + half_width));
        row
    }

    #[test]
    fn rows_are_compared_where_both_tables_have_them() {
        let first = table(&[measured(0, 1.0, 0.05), measured(1, 2.0, 0.02), measured(2, 1.0, 0.1)]);
        let bare = row(KEYS[2].parse().unwrap(), 0.5);
        let second = table(&[measured(1, 2.1, 0.02), bare, measured(3, 1.0, 0.1)]);
        let difference = TableDifference::between(&first, &second);
        assert_eq!(difference.only_in_first, [KEYS[0].parse().unwrap()]);
        assert_eq!(difference.only_in_second, [KEYS[3].parse().unwrap()]);
        let rows: Vec<(String, Intervals)> = difference
            .rows
            .iter()
            .map(|row| (format!("{:.1}", row.difference_percent.unwrap()), row.intervals))
            .collect();
        assert_eq!(
            rows,
            [("5.0".to_owned(), Intervals::Disjoint), ("-50.0".to_owned(), Intervals::Unknown),]
        );
        assert_eq!(format!("{:.2}", difference.median_percent.unwrap()), "27.50");
        assert_eq!(format!("{:.2}", difference.p90_percent.unwrap()), "45.50");
    }

    /// `2 * scipy.stats.norm.cdf(-2 * 1.959964 / 2 ** 0.5)`, scipy 1.17.1: 0.005574.
    #[test]
    fn equal_intervals_are_disjoint_by_chance_as_seldom_as_the_normal_distribution_says() {
        let rows: Vec<TableRow> = (0..4).map(|key| measured(key, 1.0, 0.01)).collect();
        let without = TableDifference::between(&table(&rows), &table(&rows));
        assert_eq!((without.disjoint, without.disjoint_by_chance), (0, None));
        let mut rows = rows;
        for row in &mut rows {
            row.headline.confidence = Some(0.95);
        }
        let found = TableDifference::between(&table(&rows), &table(&rows)).disjoint_by_chance;
        assert!((found.unwrap() - 4.0 * 0.005_574).abs() < 1e-5, "{found:?}");
    }

    #[test]
    fn touching_intervals_overlap() {
        let difference = TableDifference::between(
            &table(&[measured(0, 1.0, 0.5)]),
            &table(&[measured(0, 2.0, 0.5)]),
        );
        assert_eq!(difference.rows[0].intervals, Intervals::Overlapping);
    }

    #[test]
    fn tables_without_a_common_row_have_no_median() {
        let difference = TableDifference::between(&table(&[]), &table(&[]));
        assert_eq!((difference.median_percent, difference.p90_percent), (None, None));
    }

    #[test]
    fn contexts_differ_by_part() {
        let mut first = table(&[]);
        first.context.threads = Some(1);
        first.context.protocol = Some(op_catalog::wire::MeasuringProtocol::standard());
        let mut second = first.clone();
        second.context.threads = Some(4);
        second.context.measured_at = Some("2026-01-02T03:04:05Z".to_owned());
        for (table, samples) in [(&mut first, 30), (&mut second, 60)] {
            if let Some(protocol) = &mut table.context.protocol {
                protocol.min_samples = samples;
            }
        }
        let parts: Vec<String> = TableDifference::between(&first, &second)
            .context
            .iter()
            .map(|part| format!("{}: {} / {}", part.part, part.first, part.second))
            .collect();
        assert_eq!(parts, ["protocol.min_samples: 30 / 60", "threads: 1 / 4"]);
    }
}
