//! tract and libtorch give the same numbers for every operation of the catalogue. tract reads the ONNX model
//! and libtorch the layers, so this compares the two interpreters as well as the two runtimes.

use std::collections::BTreeSet;

use device_agent::backend::{OFFERS, Offer, Setting};
use op_catalog::wire::Runtime;
use op_catalog::{Network, PlacedOp, SpaceDefinition, reference};
use torch_shim::has_gpu;

use crate::torch;

/// How far the numbers may lie apart; outputs have a variance of about 1.
const TOLERANCE: f32 = 1e-4;

fn tract() -> Offer {
    *OFFERS.iter().find(|offer| offer.runtime == Runtime::Tract).unwrap()
}

/// Numbers that a runtime gives.
fn output(offer: Offer, network: &Network, setting: Setting) -> Vec<f32> {
    let bench = (offer.bench)(setting.threads, 0).unwrap();
    let prepared = bench.backend().prepare(network, setting);
    prepared.and_then(|mut run| run.output()).unwrap_or_else(|error| {
        let keys: Vec<String> = network.blocks().iter().map(ToString::to_string).collect();
        panic!("{} of {keys:?}: {error:#}", offer.runtime)
    })
}

#[track_caller]
fn check(network: &Network, what: &str, setting: Setting) {
    let expected = output(tract(), network, setting);
    assert!(expected.iter().any(|value| *value != 0.0), "{what}: nothing comes out");
    let on_gpu = has_gpu().then_some(torch::CUDA);
    for offer in [torch::FROZEN, torch::EAGER].into_iter().chain(on_gpu) {
        let found = output(offer, network, setting);
        assert_eq!(found.len(), expected.len(), "{what}: {}", offer.runtime);
        let furthest = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(furthest <= TOLERANCE, "{what}: {} is {furthest} from tract", offer.runtime);
    }
}

fn check_space(name: &str) {
    let space = SpaceDefinition::built_in(name).unwrap().build().unwrap();
    let placed: BTreeSet<PlacedOp> = space.placed_ops();
    for operation in placed {
        let network = Network::new(vec![operation]).unwrap();
        let setting = Setting { threads: 1, batch: 1, weight_seed: 5 };
        check(&network, &operation.to_string(), setting);
    }
}

#[test]
fn the_operations_of_proxyless_small_agree() {
    check_space("proxyless-small");
}

#[test]
fn the_operations_of_proxyless_mobile_agree() {
    check_space("proxyless-mobile");
}

#[test]
fn the_operations_of_ofa_mbv3_agree() {
    check_space("ofa-mbv3");
}

#[test]
fn the_operations_of_fbnet_agree() {
    check_space("fbnet");
}

#[test]
fn the_operations_of_tunas_proxyless_agree() {
    check_space("tunas-proxyless");
}

#[test]
fn operations_of_no_space_agree_on_odd_maps_and_batches() {
    for key in [
        "add-in9x7x5-out9x7x5-s1",
        "avgpool-k3-in9x7x5-out9x7x5-s1",
        "maxpool-k3-in9x7x5-out5x4x5-s2",
        "maxpool-k3-in9x7x5-out9x7x5-s1-skip",
        "avgpool-k3-in9x7x5-out9x7x5-s1-skip",
        "globalpool-in9x7x5-out1x1x5-s1",
        "depthwise-k7-in9x7x5-out3x3x5-s3",
        "conv-k3-relu-in9x7x5-out9x7x5-s1-skip",
        "mbconv-k5-m24-g4-se-hs-in9x7x8-out5x4x12-s2",
    ] {
        let network = Network::new(vec![key.parse().unwrap()]).unwrap();
        check(&network, key, Setting { threads: 2, batch: 3, weight_seed: 6 });
    }
}

#[test]
fn whole_networks_agree() {
    for name in ["proxyless_mobile", "mobilenet_v2"] {
        let network = reference::network(name).unwrap();
        check(&network, name, Setting { threads: 1, batch: 1, weight_seed: 7 });
    }
}
