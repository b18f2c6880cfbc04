//! A profile's request is what it asks an agent to measure: first every operation of the space, then
//! whole networks of it.

use op_catalog::wire::{
    Item, JobRequest, MeasuringProtocol, PROTOCOL_VERSION, Precision, Runtime, Synchronisation,
    VisitStatistic,
};
use op_catalog::{Milliseconds, PlacedOp, SearchSpace};

use super::ProfileArgs;
use super::job::fresh_label;
use super::network_plan::PlannedNetwork;

/// Every distinct operation of the space.
pub(crate) fn operations(args: &ProfileArgs, space: &SearchSpace) -> JobRequest {
    let item = |placed: PlacedOp| Item { id: placed.to_string(), blocks: vec![placed] };
    let protocol = MeasuringProtocol {
        shuffle_seed: args.seed,
        target_relative_error: args.target_error,
        synchronisation: of_operations(args.runtime.into()),
        rounds_per_child: rounds_per_child(args.runtime.into()),
        ..MeasuringProtocol::standard()
    };
    request(args, protocol, space.placed_ops().into_iter().map(item).collect())
}

/// Operations that a GPU runs are prepared by the program while others are at work, as in the networks that they are
/// to be added up to. Said only where it matters, because older agents do not know it.
fn of_operations(runtime: Runtime) -> Synchronisation {
    match runtime {
        Runtime::TorchCuda => Synchronisation::EachSample,
        Runtime::Tract | Runtime::Torch | Runtime::TorchEager | Runtime::Mock => {
            Synchronisation::EachRun
        }
    }
}

/// A process that uses a GPU takes seconds to start, and a seventh of one more for each shape of a depthwise
/// convolution that is new to it; six visits are those of two processes. Said only where it matters, as above.
fn rounds_per_child(runtime: Runtime) -> u32 {
    if runtime == Runtime::TorchCuda { 3 } else { 1 }
}

/// Visits of a whole network, each with a fresh instantiation.
const NETWORK_VISITS: u32 = 5;

/// Samples of each of these visits.
pub(crate) const NETWORK_SAMPLES: u32 = 3;

/// Whole networks, those to fit on and those held out in one job: how long the runs of a network take
/// drifts by a percent or two over minutes, which the canary's little loop does not feel, and a job visits
/// all of its items in each round, so that what comes and goes meets all networks alike. Loading a network
/// takes as long as running it several times, and how long its runs take depends on where its memory
/// happens to lie, so a visit is short and what ends the measuring is a number of visits. Of few samples
/// the fastest is the one least disturbed.
pub(crate) fn networks(
    args: &ProfileArgs,
    space: &SearchSpace,
    planned: &[PlannedNetwork],
) -> anyhow::Result<JobRequest> {
    let item = |network: &PlannedNetwork| {
        let blocks = space.network(&network.architecture)?.blocks().to_vec();
        Ok(Item { id: network.id.clone(), blocks })
    };
    let protocol = MeasuringProtocol {
        shuffle_seed: args.seed,
        warm_up_min: Milliseconds(0.0),
        warm_up_runs: 1,
        visit_samples: NETWORK_SAMPLES,
        instantiations: NETWORK_VISITS,
        min_time: Milliseconds(0.0),
        min_samples: NETWORK_SAMPLES * NETWORK_VISITS,
        target_relative_error: 1.0,
        // Reached with five visits: the interval says what confidence it has.
        confidence: 0.9,
        visit_statistic: VisitStatistic::Fastest,
        rounds_per_child: rounds_per_child(args.runtime.into()),
        ..MeasuringProtocol::standard()
    };
    let items: anyhow::Result<Vec<Item>> = planned.iter().map(item).collect();
    Ok(request(args, protocol, items?))
}

fn request(args: &ProfileArgs, protocol: MeasuringProtocol, items: Vec<Item>) -> JobRequest {
    JobRequest {
        protocol_version: PROTOCOL_VERSION,
        label: fresh_label(),
        runtime: args.runtime.into(),
        threads: args.threads,
        batch: args.batch,
        precision: Precision::F32,
        weight_seed: args.seed,
        core: args.core,
        protocol,
        items,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use op_catalog::SpaceDefinition;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: ProfileArgs,
    }

    #[test]
    fn a_gpus_operations_are_waited_for_once_a_sample_and_networks_and_other_runtimes_each_run() {
        let space = SpaceDefinition::built_in("proxyless-small").unwrap().build().unwrap();
        for (runtime, of_operations) in [
            ("torch_cuda", Synchronisation::EachSample),
            ("torch", Synchronisation::EachRun),
            ("tract", Synchronisation::EachRun),
        ] {
            let said = ["profile", "--device", "local", "--runtime", runtime];
            let args = Command::parse_from(said).args;
            let asked = operations(&args, &space).protocol;
            assert_eq!(asked.synchronisation, of_operations, "{runtime}");
            // Agents of before refuse what they do not know.
            let written = serde_json::to_string(&asked).unwrap();
            for field in ["synchronisation", "rounds_per_child"] {
                assert_eq!(written.contains(field), runtime == "torch_cuda", "{runtime}: {field}");
            }
            let networks = networks(&args, &space, &[]).unwrap().protocol;
            assert_eq!(networks.synchronisation, Synchronisation::EachRun, "{runtime}");
        }
    }
}
