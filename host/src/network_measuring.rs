//! Measuring whole networks on a device as the networks of its table were measured, so that the two can be
//! compared.

use anyhow::Context;
use clap::Args;
use latency_tables::{LatencyTable, NetworkRow, RowStatistic};
use op_catalog::wire::{
    DeviceInfo, Item, JobRequest, Measurement, MeasuringProtocol, PROTOCOL_VERSION, Row,
    Synchronisation, VisitStatistic,
};
use op_catalog::{Milliseconds, Network};

use crate::agent_client::{AgentClient, JobEvent};
use crate::connection::DeviceArgs;
use crate::measured_latency::MeasuredLatency;
use crate::profile::{NETWORK_SAMPLES, completed, fresh_label};
use crate::progress::Progress;
use crate::wait_for;
use command_line::hint::WithHint;
use command_line::output;

/// A network to be measured.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Its name, of which there is one.
    pub(crate) name: String,
    pub(crate) network: Network,
    /// About how long it takes.
    pub(crate) predicted: Milliseconds,
}

/// What becomes of a device that is not the one of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OtherDevice {
    Refused,
    /// It is measured, with a warning.
    Taken,
}

/// What a command says of it.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct OtherDeviceArgs {
    /// Go on although the table was made on another device or with another runtime
    #[arg(long)]
    force: bool,
}

impl From<OtherDeviceArgs> for OtherDevice {
    fn from(args: OtherDeviceArgs) -> Self {
        if args.force { Self::Taken } else { Self::Refused }
    }
}

/// Measures networks in one job, in the table's own conditions. The measurements are in the order of the networks.
pub(crate) fn measure(
    device: &DeviceArgs,
    table: &LatencyTable,
    networks: &[Asked],
    other: OtherDevice,
) -> anyhow::Result<Vec<Measurement>> {
    let asked = request(table, networks)?;
    let spool = tempfile::tempdir()?;
    let connected = device.connect(asked.runtime, spool.path())?;
    let rows = wait_for(async {
        let device = connected.client.device().await?;
        if let Err(error) = same_device(table, &device) {
            if other == OtherDevice::Refused {
                return Err(error)
                    .hint("make a table of this device, or take another one's with --force");
            }
            output::note(&format!("warning: {error:#}"));
        }
        follow(&connected.client, &asked).await
    })?;
    let measurement = |network: &Asked| {
        let row = rows.iter().find(|row| row.id == network.name);
        let measurement = row.and_then(Row::measurement).cloned();
        measurement.with_context(|| format!("`{}` could not be measured: {row:?}", network.name))
    };
    networks.iter().map(measurement).collect()
}

/// Measures a network beside a budget: as often as it takes to say whether that is met ([`MeasuredLatency::beside`]).
pub(crate) fn measure_beside(
    budget_ms: f64,
    device: &DeviceArgs,
    table: &LatencyTable,
    network: &Asked,
    other: OtherDevice,
) -> anyhow::Result<MeasuredLatency> {
    MeasuredLatency::beside(budget_ms, || {
        let measurement = measure(device, table, std::slice::from_ref(network), other)?.remove(0);
        Ok(MeasuredLatency::of(&measurement))
    })
}

/// Refuses a device that is not the one of the table.
fn same_device(table: &LatencyTable, device: &DeviceInfo) -> anyhow::Result<()> {
    let context = &table.context;
    let made_on =
        context.device.as_ref().context("the table does not say on what device it was made")?;
    anyhow::ensure!(
        made_on.fingerprint == device.fingerprint,
        "the table was made on another device or with another runtime: its fingerprint is {}, this device's {}",
        made_on.fingerprint,
        device.fingerprint
    );
    anyhow::ensure!(
        made_on.agent == device.agent,
        "the table was made by another agent: {} ({}), this one is {} ({})",
        made_on.agent.version,
        made_on.agent.build,
        device.agent.version,
        device.agent.build
    );
    Ok(())
}

/// The networks as a job in the table's own conditions.
fn request(table: &LatencyTable, networks: &[Asked]) -> anyhow::Result<JobRequest> {
    let context = &table.context;
    let unknown = |what: &str| format!("the table does not say its {what}");
    let protocol = context.protocol.clone().with_context(|| unknown("protocol"))?;
    let item =
        |asked: &Asked| Item { id: asked.name.clone(), blocks: asked.network.blocks().to_vec() };
    Ok(JobRequest {
        protocol_version: PROTOCOL_VERSION,
        label: fresh_label(),
        runtime: context.runtime.with_context(|| unknown("runtime"))?,
        threads: context.threads.with_context(|| unknown("threads"))?,
        batch: context.batch.with_context(|| unknown("batch"))?,
        precision: context.precision.with_context(|| unknown("precision"))?,
        weight_seed: context.weight_seed.with_context(|| unknown("weight seed"))?,
        core: context.core,
        protocol: for_networks(&protocol, table, networks),
        items: networks.iter().map(item).collect(),
    })
}

/// The table's protocol for whole networks. Loading one takes as long as running it several times, so
/// a visit takes more samples; and the cap is a time, which must leave networks as many visits as
/// operations have. What a visit gives is what it gave of the networks that the table's model was fitted on.
fn for_networks(
    protocol: &MeasuringProtocol,
    table: &LatencyTable,
    networks: &[Asked],
) -> MeasuringProtocol {
    let is_fastest = |network: &NetworkRow| {
        matches!(
            network.headline.statistic,
            RowStatistic::WallFastest | RowStatistic::ThreadCpuFastest
        )
    };
    let (visit_statistic, visit_samples) = if table.networks().iter().any(is_fastest) {
        // The fastest of more samples is faster.
        (VisitStatistic::Fastest, NETWORK_SAMPLES)
    } else {
        (protocol.visit_statistic, protocol.visit_samples.max(6))
    };
    let slowest = networks.iter().map(|asked| asked.predicted.0).fold(0.0, f64::max);
    let visits = 3.0 * f64::from(protocol.instantiations);
    let needed = visits * slowest * f64::from(visit_samples);
    MeasuringProtocol {
        visit_samples,
        visit_statistic,
        // Who asks a network for its answer waits for it.
        synchronisation: Synchronisation::EachRun,
        max_time: Milliseconds(protocol.max_time.0.max(needed).min(3_600_000.0)),
        ..protocol.clone()
    }
}

async fn follow(client: &AgentClient, request: &JobRequest) -> anyhow::Result<Vec<Row>> {
    let status = client.submit(request).await?;
    output::note(&format!("measuring {} whole networks", request.items.len()));
    let mut rows = Vec::new();
    let mut progress = Progress::new(0);
    let following = client.follow(&status.id, 0, |event| {
        match event {
            JobEvent::Row { row, .. } => rows.push(*row),
            JobEvent::Progress(news) => progress.show(&news),
        }
        Ok(())
    });
    let ended = tokio::select! {
        ended = following => ended.and_then(completed),
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    progress.finish();
    // Measured or not, nobody will ask for this job again.
    if let Err(error) = client.forget(&status.id).await {
        tracing::warn!("the agent keeps the job {}: {error:#}", status.id);
    }
    ended.map(|_| rows)
}

#[cfg(test)]
mod tests {
    use latency_tables::TableContext;

    use super::*;

    #[test]
    fn a_network_is_waited_for_after_each_run_whatever_its_tables_operations_were() {
        let of_rows = MeasuringProtocol {
            synchronisation: Synchronisation::EachSample,
            rounds_per_child: 3,
            ..MeasuringProtocol::standard()
        };
        let table = LatencyTable::new(TableContext::named("a GPU"));
        let protocol = for_networks(&of_rows, &table, &[]);
        assert_eq!(protocol.synchronisation, Synchronisation::EachRun);
        assert_eq!(protocol.rounds_per_child, 3);
    }
}
