//! Fused layers compute and learn what the same layers do one by one.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use op_catalog::weights::random_images;
use op_catalog::{LayerGraph, PlacedOp, SpaceDefinition, Weights};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::nn::{OptimizerConfig, Sgd, VarStore};
use tch::{Device, Kind, Reduction, Tensor};
use torch_layers::{Execution, Layers, Mode, Storage};

/// One of each kind of layer that is fused, that is not, and of what stands between the two.
const KEYS: [&str; 14] = [
    "conv-k3-in9x9x3-out5x5x8-s2",
    "conv-k1-nobn-hs-in1x1x8-out1x1x16-s1",
    "conv-k3-relu-in8x8x8-out8x8x8-s1-skip",
    "conv-k1-relu-in8x8x8-out8x8x8-s1-skip",
    "depthwise-k5-in8x8x8-out4x4x8-s2",
    "mbconv-k3-e1-in8x8x8-out8x8x16-s1",
    "mbconv-k5-e3-in8x8x8-out8x8x8-s1-skip",
    "mbconv-k7-e6-in9x7x8-out5x4x16-s2",
    "mbconv-k3-m24-g4-in8x8x8-out8x8x8-s1-skip",
    "mbconv-k3-m24-se-hs-in8x8x8-out4x4x16-s2",
    "mbconv-k5-m48-g2-se-relu-in8x8x8-out8x8x8-s1-skip",
    "maxpool-k3-in8x8x8-out4x4x8-s2",
    "globalpool-in7x7x8-out1x1x8-s1",
    "classifier-in4x4x8-out1x1x10-s1",
];

fn built(graph: &LayerGraph, execution: Execution) -> (VarStore, Layers) {
    let store = VarStore::new(Device::Cpu);
    let weights = Weights::random(graph, 7);
    let layers = Layers::given(&store.root(), graph.clone(), &weights).unwrap();
    (store, layers.with_execution(execution))
}

fn images(graph: &LayerGraph, batch: u32) -> Tensor {
    let images = random_images(graph.inputs[0], batch, 3);
    let shape: Vec<i64> = images.shape.iter().map(|length| length.cast_signed() as i64).collect();
    Tensor::from_slice(&images.values).view(shape.as_slice())
}

/// The output, then the gradients of the images and of every weight, by name.
fn pass(graph: &LayerGraph, execution: Execution, mode: Mode) -> Vec<(String, Tensor)> {
    let (store, layers) = built(graph, execution);
    let input = images(graph, 4).set_requires_grad(true);
    let output = layers.forward(&input, mode).unwrap().to_kind(Kind::Float);
    let direction = Tensor::arange(output.numel().cast_signed() as i64, (Kind::Float, Device::Cpu));
    (direction.sin().view_as(&output) * &output).sum(Kind::Float).backward();
    let mut named = vec![("output".to_owned(), output), ("input".to_owned(), input.grad())];
    let mut variables: Vec<_> = store.variables().into_iter().collect();
    variables.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (name, variable) in variables {
        let running = !variable.requires_grad();
        named.push((name, if running { variable } else { variable.grad() }));
    }
    named
}

#[test]
fn outputs_gradients_and_running_moments_are_those_of_the_layers_one_by_one() {
    for key in KEYS {
        let graph = key.parse::<PlacedOp>().unwrap().lower();
        for mode in [Mode::Train, Mode::BatchStatistics, Mode::Evaluate] {
            let expected = pass(&graph, Execution::LayerByLayer, mode);
            let found = pass(&graph, Execution::Fused(Storage::F32), mode);
            assert_eq!(found.len(), expected.len());
            for ((name, found), (_, expected)) in found.iter().zip(&expected) {
                let difference = f64::try_from((found - expected).norm()).unwrap();
                let size = f64::try_from(expected.norm()).unwrap();
                assert!(
                    difference <= 1e-4 * size + 1e-4,
                    "{key} {mode:?} {name}: {difference} of {size}"
                );
            }
        }
    }
}

#[test]
fn bf16_storage_rounds_maps_and_nothing_else() {
    for key in KEYS {
        let graph = key.parse::<PlacedOp>().unwrap().lower();
        let expected = pass(&graph, Execution::LayerByLayer, Mode::Train);
        let found = pass(&graph, Execution::Fused(Storage::Bf16), Mode::Train);
        let error = (&found[0].1 - &expected[0].1).norm() / expected[0].1.norm();
        let error = f64::try_from(error).unwrap();
        assert!(error < 0.03, "{key}: {error}");
        for (name, tensor) in &found[2..] {
            assert_eq!(tensor.kind(), Kind::Float, "{key} {name}");
        }
    }
}

/// Enough to learn a few images by heart.
const LEARNING_STEPS: usize = 20;

/// Losses of a small network that learns one batch by heart.
fn losses(execution: Execution) -> Vec<f64> {
    let space = SpaceDefinition::built_in("proxyless-small").unwrap().with_resolution(32, 32);
    let space = space.build().unwrap();
    let architecture = space.sample(&mut ChaCha8Rng::seed_from_u64(5));
    let graph = space.network(&architecture).unwrap().lower();
    tch::set_num_threads(1);
    let store = VarStore::new(Device::Cpu);
    let mut random = ChaCha8Rng::seed_from_u64(6);
    let layers =
        Layers::random(&store.root(), graph, &mut random).unwrap().with_execution(execution);
    let images = images(layers.graph(), 8);
    let classes = Tensor::arange(8, (Kind::Int64, Device::Cpu)).remainder(4);
    let sgd = Sgd { momentum: 0.9, nesterov: true, ..Sgd::default() };
    let mut optimizer = sgd.build(&store, 0.05).unwrap();
    let step = |_| {
        let logits = layers.forward(&images, Mode::Train).unwrap();
        let loss = logits.cross_entropy_loss::<Tensor>(&classes, None, Reduction::Mean, -100, 0.0);
        optimizer.backward_step(&loss);
        loss.double_value(&[])
    };
    (0..LEARNING_STEPS).map(step).collect()
}

#[test]
fn a_network_learns_as_fast_in_either_storage() {
    let expected = losses(Execution::LayerByLayer);
    for storage in [Storage::F32, Storage::Bf16] {
        let found = losses(Execution::Fused(storage));
        let first = (found[0] - expected[0]).abs() / expected[0];
        assert!(first < 0.02, "{storage:?}: {} and {}", found[0], expected[0]);
        assert!(expected[LEARNING_STEPS - 1] < 0.5 * expected[0], "{expected:?}");
        assert!(found[LEARNING_STEPS - 1] < 0.5 * found[0], "{storage:?}: {found:?}");
    }
}
