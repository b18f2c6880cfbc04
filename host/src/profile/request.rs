//! A profile's request is what it asks an agent to measure: first every operation of the space, then
//! whole networks of it.

use std::collections::HashSet;

use latency_tables::{LatencyModel, NetworkRole};
use op_catalog::wire::{
    Item, JobRequest, MeasuringProtocol, PROTOCOL_VERSION, Precision, VisitStatistic,
};
use op_catalog::{Architecture, FeatureMap, Milliseconds, PlacedOp, SearchSpace, reference};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::ProfileArgs;
use super::job::fresh_label;

/// Draws of a held-out network that may be one of the others, before the space counts as used up.
const DRAWS: usize = 100;

/// A network to measure.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PlannedNetwork {
    /// Its id in the job.
    pub(crate) id: String,
    /// Its choices.
    pub(crate) architecture: Architecture,
    /// What it is there for.
    pub(crate) role: NetworkRole,
}

/// Every distinct operation of the space.
pub(crate) fn operations(args: &ProfileArgs, space: &SearchSpace) -> JobRequest {
    let item = |placed: PlacedOp| Item { id: placed.to_string(), blocks: vec![placed] };
    let protocol = MeasuringProtocol {
        shuffle_seed: args.seed,
        target_relative_error: args.target_error,
        ..MeasuringProtocol::standard()
    };
    request(args, protocol, space.placed_ops().into_iter().map(item).collect())
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

/// The networks of a profile: a Latin hypercube to fit on, so that every choice of every edge is seen,
/// and, held out, random ones and the reference networks that are of the space.
pub(crate) fn plan(args: &ProfileArgs, space: &SearchSpace) -> Vec<PlannedNetwork> {
    if args.networks == 0 {
        return Vec::new();
    }
    let mut random = ChaCha8Rng::seed_from_u64(args.seed);
    let mut known = HashSet::new();
    let mut planned: Vec<PlannedNetwork> = space
        .latin_hypercube(args.networks, &mut random)
        .into_iter()
        .filter(|architecture| known.insert(architecture.clone()))
        .enumerate()
        .map(|(index, architecture)| PlannedNetwork {
            id: format!("fit {}", index + 1),
            architecture,
            role: NetworkRole::Fit,
        })
        .collect();
    if planned.len() < LatencyModel::MIN_ARCHITECTURES {
        return Vec::new();
    }
    let references =
        references(space).into_iter().filter(|(_, network)| known.insert(network.clone()));
    let mut held_out: Vec<(String, Architecture)> = references.collect();
    for number in 1..=args.held_out {
        let mut draws = (0..DRAWS).map(|_| space.sample(&mut random));
        if let Some(architecture) = draws.find(|architecture| known.insert(architecture.clone())) {
            held_out.push((format!("random {number}"), architecture));
        }
    }
    planned.extend(held_out.into_iter().map(|(id, architecture)| PlannedNetwork {
        id,
        architecture,
        role: NetworkRole::HeldOut,
    }));
    planned
}

/// The reference networks that are of the space, with their names.
pub(crate) fn references(space: &SearchSpace) -> Vec<(String, Architecture)> {
    let definition = space.definition();
    let input = &definition.input;
    let found = reference::NAMES.iter().filter_map(|name| {
        let map = FeatureMap::new(input.height, input.width, input.channels).ok()?;
        let network = reference::network_for(name, map, definition.classes).ok()?;
        Some(((*name).to_owned(), space.architecture_of(&network)?))
    });
    found.collect()
}
