//! A profile's summary is what it says at its end: how much was measured, and how far the table can be
//! trusted.

use std::path::Path;

use latency_tables::{HeldOutReport, LatencyTable};
use serde_json::json;

use crate::progress::duration;
use crate::report::model;
use command_line::output;

/// Prints the summary as JSON.
pub(crate) fn json(out: &Path, table: &LatencyTable) -> anyhow::Result<()> {
    let held_out = HeldOutReport::of(table);
    output::json(&json!({
        "table": out,
        "device": table.context.device_name,
        "rows": table.rows().len(),
        "failed": table.failed().len(),
        "unconverged": unconverged(table),
        "flagged": flagged(table),
        "networks": table.networks().len(),
        "seconds": seconds(table),
        "model": table.model().map(model::to_json),
        "held_out": held_out,
    }))
}

/// Prints the summary for a person.
pub(crate) fn text(out: &Path, table: &LatencyTable) -> anyhow::Result<()> {
    for (key, failure) in table.failed() {
        output::note(&format!("failed: {key}: {}", failure.message));
    }
    output::data(&format!(
        "{}: {} rows, {} failed, {} did not converge, {} flagged; {} of measuring",
        out.display(),
        table.rows().len(),
        table.failed().len(),
        unconverged(table),
        flagged(table),
        duration(seconds(table))
    ))?;
    match model::to_text(table) {
        Some(text) => output::data(&text),
        None => Ok(()),
    }
}

fn unconverged(table: &LatencyTable) -> usize {
    table.rows().filter(|row| row.converged == Some(false)).count()
}

fn flagged(table: &LatencyTable) -> usize {
    table.rows().filter(|row| !row.flags.is_empty()).count()
}

fn seconds(table: &LatencyTable) -> f64 {
    table.context.measuring_time.map_or(0.0, |time| time.0 / 1e3)
}
