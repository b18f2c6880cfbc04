//! A network plan is the whole networks that a profile measures: those that its model is fitted on, and those
//! that its errors are stated on.

use std::collections::HashSet;

use anyhow::Context;
use architecture_search::{LinearCost, Logits};
use latency_tables::{LatencyModel, NetworkRole};
use op_catalog::{Architecture, FeatureMap, SearchSpace, reference};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Draws of a network that may be one of the others, before the space counts as used up.
const DRAWS: usize = 100;

/// Share of the average network's latency at which the steps of latencies begin at the least.
const LEAST_SHARE: f64 = 1e-3;

/// How many networks a plan has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NetworkCounts {
    /// To fit on.
    pub(crate) fit: usize,
    /// Random ones that no fit sees.
    pub(crate) held_out: usize,
}

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

/// The networks of a space whose operations have this latency.
///
/// Half of those to fit on are a Latin hypercube, so that every choice of every edge is seen. Such networks take
/// about what the average one does, and a budget is mostly less: the other half are spread over the latencies
/// from the cheapest network's to the average one's. Held out are random networks, and the reference networks
/// that are of the space.
///
/// None, where the space has too few for a model.
///
/// # Errors
/// A cost of another space.
pub(crate) fn plan(
    space: &SearchSpace,
    cost: &LinearCost,
    counts: NetworkCounts,
    seed: u64,
) -> anyhow::Result<Vec<PlannedNetwork>> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut known = HashSet::new();
    let spread = counts.fit / 2;
    let mut fit = space.latin_hypercube(counts.fit - spread, &mut random);
    fit.retain(|architecture| known.insert(architecture.clone()));
    fit.extend(up_to_the_average(space, cost, spread, &mut known, &mut random)?);
    if fit.len() < LatencyModel::MIN_ARCHITECTURES {
        return Ok(Vec::new());
    }
    let mut held_out = references(space);
    held_out.retain(|(_, architecture)| known.insert(architecture.clone()));
    for number in 1..=counts.held_out {
        if let Some(architecture) = unknown(&mut known, || space.sample(&mut random)) {
            held_out.push((format!("random {number}"), architecture));
        }
    }
    let fit =
        fit.into_iter().enumerate().map(|(index, network)| (format!("fit {}", index + 1), network));
    let planned = |role| move |(id, architecture)| PlannedNetwork { id, architecture, role };
    Ok(fit
        .map(planned(NetworkRole::Fit))
        .chain(held_out.into_iter().map(planned(NetworkRole::HeldOut)))
        .collect())
}

/// Networks whose latencies, in the mean, divide the way from the cheapest one's to the average one's into steps of
/// one factor: each drawn from the widest distribution of its expected latency.
fn up_to_the_average(
    space: &SearchSpace,
    cost: &LinearCost,
    count: usize,
    known: &mut HashSet<Architecture>,
    random: &mut ChaCha8Rng,
) -> anyhow::Result<Vec<Architecture>> {
    let least = cost.range().least;
    let average = cost.expected(&Logits::of_values(cost.candidates().zeros_like()))?.value;
    // Operations may take no measurable time.
    let first = least.max(LEAST_SHARE * average);
    let mut networks = Vec::new();
    for index in 0..count {
        let share = (index as f64 + 0.5) / count as f64;
        let latency = first * (average / first).powf(share);
        let logits = Logits::random_on_target(space, cost, latency.max(least), random)
            .with_context(|| format!("networks of {latency:.3} ms"))?;
        networks.extend(unknown(known, || logits.sample(random)));
    }
    Ok(networks)
}

/// The first of many draws that is not known yet, which it is from then on.
fn unknown(
    known: &mut HashSet<Architecture>,
    draw: impl FnMut() -> Architecture,
) -> Option<Architecture> {
    std::iter::repeat_with(draw).take(DRAWS).find(|architecture| known.insert(architecture.clone()))
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

#[cfg(test)]
mod tests {
    use op_catalog::SpaceDefinition;

    use super::*;

    const COUNTS: NetworkCounts = NetworkCounts { fit: 40, held_out: 10 };

    fn space() -> SearchSpace {
        SpaceDefinition::built_in("proxyless-small").unwrap().build().unwrap()
    }

    fn planned(cost: &LinearCost, seed: u64) -> Vec<PlannedNetwork> {
        plan(&space(), cost, COUNTS, seed).unwrap()
    }

    fn of_role(planned: &[PlannedNetwork], role: NetworkRole) -> Vec<&Architecture> {
        let networks = planned.iter().filter(|network| network.role == role);
        networks.map(|network| &network.architecture).collect()
    }

    #[test]
    fn the_networks_to_fit_on_reach_down_to_the_cheapest_and_have_every_choice() {
        let (space, cost) = (space(), LinearCost::macs(&space()));
        let planned = planned(&cost, 1);
        let fit = of_role(&planned, NetworkRole::Fit);
        assert_eq!(fit.len(), COUNTS.fit);
        for (edge, candidates) in space.edges().enumerate() {
            for candidate in 0..candidates.len() {
                assert!(fit.iter().any(|network| network.choices()[edge] == candidate));
            }
        }
        let mut costs: Vec<f64> = fit.iter().map(|network| cost.of(network).unwrap()).collect();
        costs.sort_by(f64::total_cmp);
        assert!(costs[0] < 1.2 * cost.range().least, "{costs:?}");
        assert!(costs.windows(2).all(|pair| pair[1] < 1.3 * pair[0]), "{costs:?}");
    }

    #[test]
    fn no_network_is_planned_twice_and_the_same_seed_plans_the_same() {
        let cost = LinearCost::macs(&space());
        let networks = planned(&cost, 1);
        let distinct: HashSet<_> = networks.iter().map(|network| &network.architecture).collect();
        assert_eq!(distinct.len(), networks.len());
        assert!(of_role(&networks, NetworkRole::HeldOut).len() >= COUNTS.held_out);
        assert_eq!(planned(&cost, 1), networks);
        assert_ne!(planned(&cost, 2), networks);
    }

    #[test]
    fn candidates_that_take_no_time_or_are_all_alike_do_not_matter() {
        let space = space();
        let macs = LinearCost::macs(&space);
        for (constant, candidates) in
            [(0.0, macs.candidates().clone()), (1.0, macs.candidates().zeros_like())]
        {
            let cost = LinearCost::new(constant, candidates).unwrap();
            assert_eq!(of_role(&planned(&cost, 1), NetworkRole::Fit).len(), COUNTS.fit);
        }
    }
}
