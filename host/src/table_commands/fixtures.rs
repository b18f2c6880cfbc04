//! A fixture is what the tests of several commands start from.

use latency_tables::{LatencyTable, TableContext, TableRow};
use op_catalog::wire::row::{
    Condition, Failure, FailureKind, Flag, Headline, HeadlineStatistic, Measurement,
};
use op_catalog::wire::{MeasuringProtocol, Precision, Runtime};
use op_catalog::{Cost, Milliseconds, PlacedOp, SearchSpace, SpaceDefinition};

pub(super) fn small_space() -> SearchSpace {
    SpaceDefinition::built_in("proxyless-small").unwrap().build().unwrap()
}

/// A row as an agent measures it, with an interval of ±1 %.
pub(super) fn row(key: PlacedOp, ms: f64) -> TableRow {
    let time = |factor: f64| Milliseconds(ms * factor);
    let headline = Headline {
        statistic: HeadlineStatistic::WallP50,
        value: time(1.0),
        ci_low: time(0.99),
        ci_high: time(1.01),
        confidence: 0.95,
        relative_error: 0.01,
        reason: "asked for".to_owned(),
    };
    let measurement = Measurement {
        n: 60,
        runs_per_sample: 1,
        instantiations: 6,
        min: time(0.96),
        p10: time(0.98),
        p50: time(1.0),
        mean: time(1.02),
        p90: time(1.1),
        variance: 0.01,
        thread_cpu: None,
        headline,
        clean_fraction: None,
        converged: true,
        unmet: Vec::new(),
        flags: Vec::new(),
        first_run: time(2.0),
        preparation: time(5.0),
        visits: vec![time(1.0); 6],
        rounds: (0..6).collect(),
    };
    TableRow::from_measurement(key, &measurement)
}

/// A complete table of the small space.
pub(super) fn table() -> LatencyTable {
    let space = small_space();
    let mut table =
        LatencyTable::new(TableContext::named("fixture")).with_space(space.definition().clone());
    for key in space.placed_ops() {
        table.insert(row(key, Cost::of(&key.lower()).macs as f64 / 1e6));
    }
    table
}

/// A partial table with a good row, a doubtful one and a failure.
pub(super) fn doubtful_table() -> LatencyTable {
    let space = small_space();
    let keys: Vec<PlacedOp> = space.edges().next().unwrap().to_vec();
    let context = TableContext {
        runtime: Some(Runtime::Tract),
        threads: Some(1),
        batch: Some(1),
        precision: Some(Precision::F32),
        protocol: Some(MeasuringProtocol::standard()),
        measured_at: Some("2026-01-02T03:04:05Z".to_owned()),
        measuring_time: Some(Milliseconds(98_300.0)),
        ..TableContext::named("pixel1")
    };
    let mut table = LatencyTable::new(context).with_space(space.definition().clone());
    table.insert(row(keys[0], 1.5));
    let mut doubtful = row(keys[2], 2.25);
    doubtful.converged = Some(false);
    doubtful.unmet = vec![Condition::TargetRelativeError];
    doubtful.flags = vec![Flag::Drift];
    doubtful.headline.relative_error = Some(0.034);
    table.insert(doubtful);
    let failure = Failure {
        kind: FailureKind::ChildDied,
        message: "child killed by signal 9 (SIGKILL)".to_owned(),
        attempts: 2,
    };
    table.insert_failed(keys[4], failure);
    table
}

/// A row that nobody measured, within a tenth.
pub(super) fn estimated_row(key: PlacedOp, ms: f64) -> TableRow {
    let interval = [0.9, 1.1].map(|factor| Milliseconds(factor * ms));
    TableRow::estimated(key, Milliseconds(ms), interval, 0.9, "no measurement".to_owned())
}
