//! Assembling turns what a profile has measured into its table: rows, whole networks, and the model
//! that is fitted on them.

use std::time::SystemTime;

use anyhow::Context;
use latency_tables::{
    Design, LatencyModel, LatencyTable, NetworkRole, NetworkRow, RoundFactors, TableContext,
    TableRow, held_out,
};
use op_catalog::wire::status::CanaryPoint;
use op_catalog::wire::{JobStatus, Outcome, Row};
use op_catalog::{Milliseconds, SearchSpace};

use super::job::Ended;
use super::network_plan::PlannedNetwork;
use crate::journal::Journal;

/// The table of all rows so far.
pub(crate) fn rows(ended: &Ended, space: &SearchSpace, journal: &Journal) -> LatencyTable {
    let request = journal.whole();
    let status = ended.status();
    let context = TableContext {
        device: Some(ended.device.clone()),
        runtime: Some(request.runtime),
        threads: Some(request.threads),
        batch: Some(request.batch),
        precision: Some(request.precision),
        weight_seed: Some(request.weight_seed),
        core: status.and_then(|status| status.core),
        protocol: Some(request.protocol.clone()),
        measured_at: Some(humantime::format_rfc3339_seconds(SystemTime::now()).to_string()),
        measuring_time: status.map(|status| status.progress.elapsed),
        canary: status.map(|status| status.canary.clone()).unwrap_or_default(),
        ..TableContext::named(&ended.connected.name)
    };
    let mut table = LatencyTable::new(context).with_space(space.definition().clone());
    for row in journal.rows() {
        let key = row.blocks[0];
        match &row.outcome {
            Outcome::Measured(measurement) => {
                table.insert(TableRow::from_measurement(key, measurement));
            }
            Outcome::Failed(failure) => table.insert_failed(key, failure.clone()),
        }
    }
    table
}

/// The same table with its networks, and the time and canaries of measuring them.
pub(crate) fn with_networks(
    table: LatencyTable,
    planned: &[PlannedNetwork],
    ended: &Ended,
    journal: &Journal,
) -> anyhow::Result<LatencyTable> {
    let factors = RoundFactors::of(journal.rows().filter_map(Row::measurement));
    let row_of = |row: &Row| {
        let PlannedNetwork { architecture, role, .. } =
            planned.iter().find(|network| network.id == row.id)?;
        Some(NetworkRow::from_measurement(architecture, *role, row.measurement()?, &factors))
    };
    let mut table = table.with_networks(journal.rows().filter_map(row_of).collect())?;
    if let Some(status) = ended.status() {
        add_time(&mut table.context, status);
    }
    Ok(table)
}

/// A later job's time and canaries, after those of the jobs before.
fn add_time(context: &mut TableContext, status: &JobStatus) {
    let before = context.measuring_time.unwrap_or(Milliseconds(0.0));
    let rounds = context.canary.last().map_or(0, |point| point.round + 1);
    context.canary.extend(status.canary.iter().map(|point| CanaryPoint {
        at: Milliseconds(before.0 + point.at.0),
        round: rounds + point.round,
        ..point.clone()
    }));
    context.measuring_time = Some(Milliseconds(before.0 + status.progress.elapsed.0));
}

/// The same table with the model that fits its networks best.
pub(crate) fn with_model(
    table: LatencyTable,
    space: &SearchSpace,
    seed: u64,
) -> anyhow::Result<LatencyTable> {
    let design = Design::of_table(space, &table)?;
    let fitted: Vec<_> = table
        .networks()
        .iter()
        .filter(|row| row.role == NetworkRole::Fit)
        .map(NetworkRow::measured)
        .collect();
    let mut model =
        LatencyModel::fit(&design, &fitted, seed).context("fitting the latency model")?;
    let all: Vec<&NetworkRow> = table.networks().iter().collect();
    if let Some(spread) = held_out::spread(&all) {
        model = model.with_between_instantiations(spread)?;
    }
    Ok(table.with_model(model)?)
}
