//! A simulation is a device that is known to have changed, or not, to see how often a refresh says so.

use op_catalog::{Milliseconds, PlacedOp, SpaceDefinition};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{DEFAULT_ROWS, Decision, decide, sample};
use crate::fixtures::{measured_row, table_of};
use crate::{LatencyTable, TableRow};

/// Visits of a row, as the standard protocol makes them.
const VISITS: usize = 6;

/// Trials of each case: rates are known to about 1 %.
const TRIALS: u64 = 600;

/// How rows vary on a device that stays what it is.
#[derive(Clone, Copy, Debug)]
struct Device {
    /// Standard deviation of a visit, relative.
    visit: f64,
    /// That of what all visits of a row in one job have in common.
    job: f64,
    /// Degrees of freedom of the latter: few are heavy tails.
    degrees: u32,
}

/// Quiet, usual, and with the tails of the benchmark in docs/results/tables.md (median 0.7 %, 90 % within
/// 2.8 %).
const DEVICES: [Device; 3] = [
    Device { visit: 0.004, job: 0.002, degrees: 30 },
    Device { visit: 0.008, job: 0.005, degrees: 10 },
    Device { visit: 0.008, job: 0.007, degrees: 3 },
];

/// What happened to it between the two tables.
type Change = fn(&PlacedOp) -> f64;

impl Device {
    fn row(self, key: PlacedOp, truth: f64, random: &mut ChaCha8Rng) -> TableRow {
        let of_job = truth * (self.job * student(self.degrees, random)).exp();
        let visits = (0..VISITS).map(|_| of_job * (self.visit * normal(random)).exp());
        let mut visits: Vec<f64> = visits.collect();
        visits.sort_by(f64::total_cmp);
        let mut row = measured_row(key, f64::midpoint(visits[VISITS / 2 - 1], visits[VISITS / 2]));
        row.headline.ci_low = Some(Milliseconds(visits[0]));
        row.headline.ci_high = Some(Milliseconds(visits[VISITS - 1]));
        row
    }

    /// How often each decision was taken: keep, rescale, measure anew.
    fn decisions(self, change: Change) -> [f64; 3] {
        let space = SpaceDefinition::built_in("proxyless-mobile").unwrap().build().unwrap();
        let truth = table_of(&space);
        let mut counts = [0.0; 3];
        for trial in 0..TRIALS {
            let mut random = ChaCha8Rng::seed_from_u64(trial);
            let time = |key: &PlacedOp| truth.row(key).unwrap().headline().0;
            let mut old = LatencyTable::new(truth.context.clone());
            for row in truth.rows() {
                old.insert(self.row(row.key, time(&row.key), &mut random));
            }
            let keys = sample(&old, DEFAULT_ROWS, trial);
            let fresh: Vec<TableRow> = keys
                .iter()
                .map(|key| self.row(*key, time(key) * change(key), &mut random))
                .collect();
            let index = match decide(&old, &fresh).unwrap().decision {
                Decision::Keep => 0,
                Decision::Rescale { .. } => 1,
                Decision::Remeasure => 2,
            };
            counts[index] += 1.0 / TRIALS as f64;
        }
        println!(
            "{self:?}: keep {:.3}, rescale {:.3}, remeasure {:.3}",
            counts[0], counts[1], counts[2]
        );
        counts
    }
}

/// Box and Muller 1958.
fn normal(random: &mut ChaCha8Rng) -> f64 {
    let (radius, angle) = (1.0 - random.random::<f64>(), random.random::<f64>());
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

/// Student's t.
fn student(degrees: u32, random: &mut ChaCha8Rng) -> f64 {
    let chi_square: f64 = (0..degrees).map(|_| normal(random).powi(2)).sum();
    normal(random) / (chi_square / f64::from(degrees)).sqrt()
}

fn stays(_: &PlacedOp) -> f64 {
    1.0
}

/// A runtime that got another kernel for one kind of depthwise convolution.
fn strided_rows_are_a_tenth_slower(key: &PlacedOp) -> f64 {
    if key.stride() > 1 { 1.1 } else { 1.0 }
}

fn kernels_of_7_are_5_percent_slower(key: &PlacedOp) -> f64 {
    if key.to_string().contains("-k7-") { 1.05 } else { 1.0 }
}

#[test]
fn a_device_that_stays_what_it_is_keeps_its_table() {
    for (device, least) in DEVICES.into_iter().zip([0.98, 0.98, 0.85]) {
        let [keep, _, remeasure] = device.decisions(stays);
        assert!(least <= keep, "{device:?}: {keep}");
        assert!(remeasure <= 0.03, "{device:?}: {remeasure}");
    }
}

#[test]
fn a_device_at_the_tolerance_is_kept_as_rarely_as_the_level_says() {
    for device in DEVICES {
        for change in [(|_| 1.015) as Change, |_| 1.0 / 1.015] {
            let [keep, ..] = device.decisions(change);
            assert!(keep <= 0.08, "{device:?}: {keep}");
        }
    }
}

#[test]
fn a_device_that_is_3_percent_slower_as_a_whole_has_its_table_rescaled() {
    for device in DEVICES {
        let [keep, rescale, _] = device.decisions(|_| 1.03);
        assert!(keep <= 0.01 && 0.95 <= rescale, "{device:?}: {keep} {rescale}");
    }
}

/// One of 12 rows is forgiven, so that at least two of the kind must be in the sample.
#[test]
fn a_device_on_which_one_kind_of_operation_changed_is_measured_anew() {
    for device in DEVICES {
        let changes = [(strided_rows_are_a_tenth_slower as Change, 0.75)];
        for (change, least) in
            changes.into_iter().chain([(kernels_of_7_are_5_percent_slower as Change, 0.4)])
        {
            let [keep, _, remeasure] = device.decisions(change);
            assert!(least <= remeasure, "{device:?}: {remeasure}");
            assert!(keep <= 0.2, "{device:?}: {keep}");
        }
    }
}
