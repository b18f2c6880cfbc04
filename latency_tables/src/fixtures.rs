//! A fixture is what several tests start from.

use std::path::PathBuf;

use op_catalog::wire::Measurement;
use op_catalog::wire::row::{Condition, Flag, Headline, HeadlineStatistic, ThreadCpu};
use op_catalog::{Cost, Milliseconds, PlacedOp, SearchSpace, SpaceDefinition};

use crate::{LatencyTable, TableContext, TableRow};

/// The built-in space for small images.
pub(crate) fn small_space() -> SearchSpace {
    SpaceDefinition::built_in("proxyless-small").unwrap().build().unwrap()
}

/// A complete table in which a million multiply-accumulates take a millisecond.
pub(crate) fn table_of(space: &SearchSpace) -> LatencyTable {
    let mut table =
        LatencyTable::new(TableContext::named("fixture")).with_space(space.definition().clone());
    for key in space.placed_ops() {
        table.insert(row(key, Cost::of(&key.lower()).macs as f64 / 1e6));
    }
    table
}

/// A row of this mean.
pub(crate) fn row(key: PlacedOp, mean_ms: f64) -> TableRow {
    TableRow::imported(key, 100, Milliseconds(mean_ms), 0.01)
}

/// A published file, where it is; it is not part of the project.
pub(crate) fn published(path: &str) -> Option<String> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/luts").join(path);
    let text = std::fs::read_to_string(&file).ok();
    if text.is_none() {
        println!("skipped: {} is not there", file.display());
    }
    text
}

/// A row as an agent measures it, all of its times this one.
pub(crate) fn measured_row(key: PlacedOp, ms: f64) -> TableRow {
    TableRow::from_measurement(key, &measurement(ms))
}

/// What an agent measures, all of its times this one.
pub(crate) fn measurement(ms: f64) -> Measurement {
    let time = Milliseconds(ms);
    let headline = Headline {
        statistic: HeadlineStatistic::ThreadCpuP50,
        value: time,
        ci_low: time,
        ci_high: time,
        confidence: 0.96875,
        relative_error: 0.0,
        reason: "one thread, and the device has a clock of its CPU time".to_owned(),
    };
    Measurement {
        n: 60,
        runs_per_sample: 1,
        instantiations: 6,
        min: time,
        p10: time,
        p50: time,
        mean: time,
        p90: time,
        variance: 0.0,
        thread_cpu: Some(ThreadCpu { min: time, p10: time, p50: time }),
        headline,
        clean_fraction: Some(0.75),
        converged: false,
        unmet: vec![Condition::TargetRelativeError],
        flags: vec![Flag::Drift],
        first_run: time,
        preparation: time,
        visits: vec![time; 2],
        rounds: vec![0, 1],
    }
}

/// An estimated row, its interval of a tenth to both sides.
pub(crate) fn estimated_row(key: PlacedOp, ms: f64) -> TableRow {
    let interval = [0.9, 1.1].map(|factor| Milliseconds(factor * ms));
    TableRow::estimated(key, Milliseconds(ms), interval, 0.9, "no measurement".to_owned())
}
