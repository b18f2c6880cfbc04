//! Every operation of every built-in space and reference network holds together.

use std::collections::{BTreeMap, BTreeSet};

use op_catalog::{
    Architecture, Cost, Network, Op, PlacedOp, SearchSpace, Slot, SpaceDefinition, Weights, onnx,
    reference,
};

fn built_in_spaces() -> Vec<SearchSpace> {
    let names = SpaceDefinition::built_in_names().into_iter();
    names.map(|name| SpaceDefinition::built_in(name).unwrap().build().unwrap()).collect()
}

fn reference_networks() -> Vec<Network> {
    reference::NAMES.into_iter().map(|name| reference::network(name).unwrap()).collect()
}

/// Every distinct operation that costs something.
fn every_operation() -> BTreeSet<PlacedOp> {
    let spaces = built_in_spaces();
    let networks = reference_networks();
    let of_spaces = spaces.iter().flat_map(SearchSpace::placed_ops);
    let of_networks = networks.iter().flat_map(|network| network.blocks().to_vec());
    of_spaces.chain(of_networks).filter(|placed| !placed.is_free()).collect()
}

#[test]
fn keys_are_unique_and_are_read_back() {
    let operations = every_operation();
    assert!(operations.len() > 350, "{}", operations.len());
    let by_key: BTreeMap<String, PlacedOp> =
        operations.iter().map(|placed| (placed.to_string(), *placed)).collect();
    assert_eq!(by_key.len(), operations.len());
    for (key, placed) in by_key {
        assert_eq!(key.parse::<PlacedOp>().unwrap(), placed);
    }
}

#[test]
fn every_operation_computes_something() {
    for placed in every_operation() {
        let cost = Cost::of(&placed.lower());
        let counts = placed.op() != Op::GlobalPool;
        assert_eq!((cost.macs > 0, cost.parameters > 0), (counts, counts), "{placed}");
        assert!(cost.weight_bytes >= 4 * cost.parameters / 2, "{placed}");
        assert!(cost.activation_bytes >= 4 * placed.output().elements(), "{placed}");
    }
}

#[test]
fn every_candidate_of_an_edge_fits_the_slots_beside_it() {
    for space in built_in_spaces() {
        let mut end = None;
        for slot in space.slots() {
            let candidates = match slot {
                Slot::Fixed(placed) => vec![*placed],
                Slot::Edge(candidates) => candidates.clone(),
            };
            for candidate in &candidates {
                assert!(end.is_none_or(|map| map == candidate.input()), "{candidate}");
                assert_eq!(candidate.output(), candidates[0].output(), "{candidate}");
            }
            end = Some(candidates[0].output());
        }
    }
}

#[test]
fn a_network_costs_what_its_operations_cost() {
    for space in built_in_spaces() {
        for choice in 0..6 {
            let choices = space.edges().map(|candidates| choice % candidates.len());
            let architecture = Architecture::new(choices.collect());
            let network = space.network(&architecture).unwrap();
            assert_eq!(Cost::of(&network.lower()), network.cost());
        }
    }
}

#[test]
fn every_operation_has_weights_and_an_onnx_model() {
    for placed in every_operation() {
        let graph = placed.lower();
        let weights = Weights::random(&graph, 1);
        let model = onnx::model(&graph, &weights, 1).unwrap();
        assert!(model.len() as u64 > Cost::of(&graph).weight_bytes, "{placed}");
    }
}
