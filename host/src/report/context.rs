//! The context of a table in a few lines: what a reader needs to know before the numbers.

use latency_tables::{EdgeCosts, LatencyTable, RowSource, TableContext, TableRow};
use op_catalog::wire::{DeviceInfo, MeasuringProtocol};

use crate::report;

/// Device, runtime, protocol, date and space, a line each; what is not told has no line.
pub(crate) fn lines(table: &LatencyTable) -> String {
    let context = &table.context;
    let mut lines = vec![format!("device    {}", device(context))];
    lines.extend(runtime(context).map(|text| format!("runtime   {text}")));
    lines.extend(context.protocol.as_ref().map(|text| format!("protocol  {}", protocol(text))));
    lines.extend(measured(context).map(|text| format!("measured  {text}")));
    lines.extend(context.rescaled.as_ref().map(|note| {
        let when = note.rescaled_at.as_ref().map_or_else(String::new, |when| format!(", {when}"));
        format!("rescaled  every time is {:.4} of what was measured{when}", note.factor)
    }));
    lines.extend(table.space().map(|space| format!("space     {}", space.name())));
    lines.join("\n")
}

/// `pixel1: tract 0.23.9, 1 thread, batch 1, f32`, the title of a picture.
pub(crate) fn title(context: &TableContext) -> String {
    match runtime(context) {
        Some(runtime) => format!("{}: {runtime}", context.device_name),
        None => context.device_name.clone(),
    }
}

/// Numbers of rows of each kind, and when they were measured: a line under a picture's title.
pub(crate) fn summary(table: &LatencyTable) -> String {
    let space = table.space().map(|space| format!("space {}", space.name()));
    let parts = space.into_iter().chain([rows(table, table.rows().len())]);
    parts.chain(measured(&table.context)).collect::<Vec<_>>().join("; ")
}

/// Numbers of rows of each kind, so many of them shown, and, where the table covers its space, the
/// latencies of its networks.
pub(crate) fn totals(table: &LatencyTable, shown: usize) -> String {
    let rows = format!("rows      {}", rows(table, shown));
    match networks(table) {
        Some(networks) => format!("{rows}\n{networks}"),
        None => rows,
    }
}

/// `70 rows, 2 flagged, 1 failed`.
fn rows(table: &LatencyTable, shown: usize) -> String {
    let number = |wanted: fn(&TableRow) -> bool| table.rows().filter(|row| wanted(row)).count();
    let mut parts = vec![report::count(table.rows().len(), "row")];
    let kinds = [
        ("not converged", number(|row| row.converged == Some(false))),
        ("flagged", number(|row| !row.flags.is_empty())),
        ("imported", number(|row| row.source == RowSource::Imported)),
        ("estimated", table.estimated().count()),
        ("failed", table.failed().len()),
    ];
    parts.extend(
        kinds
            .iter()
            .filter(|(_, number)| *number > 0)
            .map(|(kind, number)| format!("{number} {kind}")),
    );
    if shown < table.rows().len() {
        parts.push(format!("{shown} shown"));
    }
    parts.join(", ")
}

fn networks(table: &LatencyTable) -> Option<String> {
    let space = table.space()?.build().ok()?;
    let costs = EdgeCosts::new(&space, table).ok()?;
    let logits: Vec<Vec<f64>> = costs.edges_ms().iter().map(|edge| vec![0.0; edge.len()]).collect();
    let mean = costs.expected_under_logits(&logits).ok()?.latency;
    let [low, high] = [costs.cheapest(), costs.dearest()].map(|priced| priced.latency.0);
    let name = space.name();
    Some(format!("networks  of {name}: {low:.2} to {high:.2} ms, {:.2} ms on average", mean.0))
}

fn device(context: &TableContext) -> String {
    let Some(device) = &context.device else { return context.device_name.clone() };
    let DeviceInfo { model, soc, architecture, fingerprint, .. } = device;
    let told = [model, soc].into_iter().flatten().map(String::as_str);
    let told: Vec<&str> = told.chain([architecture.as_str()]).collect();
    format!("{} ({}), fingerprint {fingerprint}", context.device_name, told.join(", "))
}

fn runtime(context: &TableContext) -> Option<String> {
    let runtime = context.runtime?;
    let mut parts = vec![match context.runtime_version() {
        Some(version) => format!("{runtime} {version}"),
        None => runtime.to_string(),
    }];
    parts.extend(context.threads.map(|threads| report::count(threads as usize, "thread")));
    parts.extend(context.batch.map(|batch| format!("batch {batch}")));
    parts.extend(context.precision.map(|precision| precision.to_string()));
    parts.extend(context.core.map(|core| format!("core {core}")));
    Some(parts.join(", "))
}

fn protocol(protocol: &MeasuringProtocol) -> String {
    let MeasuringProtocol {
        instantiations,
        min_time,
        min_samples,
        target_relative_error,
        confidence,
        max_time,
        ..
    } = protocol;
    format!(
        "at least {instantiations} instantiations, {:.0} ms, {min_samples} samples and ±{} % at {} % confidence; \
         at most {:.0} ms a row",
        min_time.0,
        100.0 * target_relative_error,
        100.0 * confidence,
        max_time.0,
    )
}

fn measured(context: &TableContext) -> Option<String> {
    let mut parts: Vec<String> = context.measured_at.iter().cloned().collect();
    parts.extend(context.measuring_time.map(|time| format!("in {:.1} s", time.0 / 1e3)));
    let times = context.canary.iter().map(|point| point.time.0);
    let fastest = times.clone().fold(f64::INFINITY, f64::min);
    let slowest = times.fold(0.0, f64::max);
    if fastest <= slowest {
        parts.push(format!("canary {fastest:.3} to {slowest:.3} ms"));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}
