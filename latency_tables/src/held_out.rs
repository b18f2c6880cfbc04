//! A held-out report is how well a table predicts whole networks that no fit has seen, beside how well
//! they could be predicted at all.

use op_catalog::Milliseconds;
use serde::Serialize;

use crate::network_row::NetworkRole;
use crate::{Agreement, LatencyTable, NetworkRow, Point};

/// What held-out networks say of a table's model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeldOutReport {
    /// Number of networks.
    pub networks: usize,
    /// Agreement of the predictions with the measurements.
    #[serde(flatten)]
    pub agreement: Agreement,
    /// The largest absolute error in percent.
    pub max_percent: f64,
    /// The mean absolute error in percent against the headlines as they were measured, before what a
    /// round did to all networks is taken off.
    pub unlevelled_mape_percent: f64,
    /// Share of the networks whose measured latency lies in the predicted 90 % interval, in percent;
    /// `null` where predictions have none.
    pub coverage90_percent: Option<f64>,
    /// The same network measured in two processes.
    pub floor: Option<Floor>,
}

/// How far two measurements of one network in two processes are apart, beyond what their rounds did to
/// all networks: no model of single measurements can be nearer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Floor {
    /// Median over the networks of the difference between two visits over their mean, in percent.
    pub median_percent: f64,
    /// Its 90th percentile.
    pub p90_percent: f64,
    /// Standard deviation of the levelled visits of one network over its latency, in percent, pooled over the
    /// networks.
    pub spread_percent: f64,
}

impl HeldOutReport {
    /// The report of a table with a model and at least two held-out networks.
    pub fn of(table: &LatencyTable) -> Option<Self> {
        let model = table.model()?;
        let held_out: Vec<&NetworkRow> =
            table.networks().iter().filter(|row| row.role == NetworkRole::HeldOut).collect();
        let mut points = Vec::new();
        let mut unlevelled = Vec::new();
        let mut inside = Vec::new();
        for row in &held_out {
            let prediction = model.predict(&row.architecture()).ok()?;
            points.push(Point { predicted: prediction.latency, measured: row.latency() });
            unlevelled.push(Point { measured: row.headline.value, ..points[points.len() - 1] });
            inside.extend(
                prediction
                    .interval90
                    .map(|(low, high)| f64::from(u8::from((low..=high).contains(&row.latency())))),
            );
        }
        let error = |point: &Point| 100.0 * (point.predicted.0 / point.measured.0 - 1.0).abs();
        Some(Self {
            networks: points.len(),
            agreement: Agreement::of(&points)?,
            unlevelled_mape_percent: unlevelled.iter().map(error).sum::<f64>()
                / unlevelled.len() as f64,
            max_percent: points.iter().map(error).fold(0.0, f64::max),
            coverage90_percent: (inside.len() == points.len())
                .then(|| 100.0 * inside.iter().sum::<f64>() / inside.len() as f64),
            floor: Floor::of(&held_out),
        })
    }
}

impl Floor {
    /// The floor of these networks; nothing where none was visited twice.
    pub fn of(rows: &[&NetworkRow]) -> Option<Self> {
        let mut differences: Vec<f64> = rows
            .iter()
            .filter_map(|row| match row.levelled_visits()[..] {
                [Milliseconds(first), Milliseconds(second), ..] => {
                    Some(100.0 * (first - second).abs() / f64::midpoint(first, second))
                }
                _ => None,
            })
            .collect();
        differences.sort_by(f64::total_cmp);
        let last = differences.len().checked_sub(1)?;
        Some(Self {
            median_percent: f64::midpoint(differences[last / 2], differences[last.div_ceil(2)]),
            p90_percent: differences[(0.9 * last as f64).round() as usize],
            spread_percent: 100.0 * spread(rows)?,
        })
    }
}

/// Standard deviation of the levelled visits of one network, over its latency, pooled over the networks:
/// what a fresh instantiation is worth. Nothing where none was visited twice.
pub fn spread(rows: &[&NetworkRow]) -> Option<f64> {
    let (mut squares, mut degrees) = (0.0, 0.0);
    for row in rows.iter().filter(|row| row.visits.len() > 1) {
        let visits = row.levelled_visits();
        let count = visits.len() as f64;
        let mean = visits.iter().map(|visit| visit.0).sum::<f64>() / count;
        squares += visits.iter().map(|visit| (visit.0 / mean - 1.0).powi(2)).sum::<f64>();
        degrees += count - 1.0;
    }
    (degrees > 0.0).then(|| (squares / degrees).sqrt())
}
