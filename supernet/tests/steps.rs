//! What a supernet's steps do, on a small space.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

use std::collections::HashMap;

use architecture_search::{EdgeValues, GateMode, Gates, Logits};
use op_catalog::{Architecture, SearchSpace, SpaceDefinition};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use supernet::{
    Batch, Execution, LabelSmoothing, Sgd, SgdSettings, SingleNetwork, Storage, Supernet,
    WeightStep, accuracy,
};
use tch::nn::OptimizerConfig;
use tch::{Device, Kind, Tensor};
use torch_layers::{Layers, Mode};
use torch_shim::Allocations;

fn space() -> SearchSpace {
    let definition = SpaceDefinition::built_in("proxyless-small").unwrap();
    definition.with_resolution(16, 16).build().unwrap()
}

fn net(execution: Execution) -> Supernet {
    Supernet::new(space(), execution, &mut ChaCha8Rng::seed_from_u64(1)).unwrap()
}

/// Images of noise with labels, the same for the same seed.
fn batch(net: &Supernet, size: i64, seed: i64) -> Batch {
    tch::manual_seed(seed);
    let images = Tensor::randn(net.image_shape(size), (Kind::Float, Device::Cpu));
    Batch { images, labels: Tensor::randint(10, [size], (Kind::Int64, Device::Cpu)) }
}

fn gates(net: &Supernet, mode: GateMode, seed: u64) -> Gates {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let logits = Logits::random(net.space(), &mut random);
    mode.sample(&logits, &mut random)
}

fn step() -> WeightStep {
    WeightStep {
        optimizer: Sgd::new(SgdSettings::PUBLISHED).unwrap(),
        smoothing: LabelSmoothing::PUBLISHED,
    }
}

fn numbers(net: &Supernet) -> HashMap<String, Vec<f32>> {
    let variables = net.variables().variables().into_iter();
    variables.map(|(name, tensor)| (name, Vec::try_from(tensor.flatten(0, -1)).unwrap())).collect()
}

fn all(net: &Supernet, choice: usize) -> Architecture {
    Architecture::new(vec![choice; net.space().edges().count()])
}

/// One for the active candidate of each edge, 0 for the others.
fn binary(net: &Supernet, architecture: &Architecture) -> EdgeValues {
    let edges = net.space().edges().zip(architecture.choices());
    let one = |index: usize, active: usize| f64::from(u8::from(index == active));
    let lists =
        edges.map(|(edge, active)| (0..edge.len()).map(|index| one(index, *active)).collect());
    EdgeValues::new(lists.collect()).unwrap()
}

#[test]
fn gate_gradients_of_every_mode_are_those_of_a_graph_with_everything_in_it() {
    let net = net(Execution::Plain);
    for (mode, seed) in [GateMode::Two, GateMode::Full, GateMode::FullV2]
        .into_iter()
        .flat_map(|mode| (1_u32..4).map(move |seed| (mode, seed)))
    {
        let batch = batch(&net, 4, i64::from(seed));
        let gates = gates(&net, mode, seed.into());
        let pass = net.gate_pass(&batch, &gates).unwrap();
        let whole = net.mixture_pass(&batch, &binary(&net, &gates.architecture())).unwrap();
        assert!((pass.cross_entropy - whole.cross_entropy).abs() < 1e-5);
        let expected = gates.logit_gradient(&whole.probability_gradient).unwrap();
        let found = gates.logit_gradient(&pass.gate_gradient).unwrap();
        let largest = expected.iter().fold(0.0, |largest: f64, slope| largest.max(slope.abs()));
        assert!(largest > 1e-3, "the gradients vanish");
        for (found, expected) in found.iter().zip(expected.iter()) {
            assert!(
                (found - expected).abs() < 1e-4 * largest.max(1.0),
                "{mode:?}: {found}, {expected}"
            );
        }
        let lists = pass.gate_gradient.edges().iter().zip(whole.probability_gradient.edges());
        for (own, (found, expected)) in gates.edges().iter().zip(lists) {
            for participant in own.participants() {
                let (found, expected) =
                    (found[participant.candidate], expected[participant.candidate]);
                let close = 1e-4 * expected.abs().max(1.0);
                assert!((found - expected).abs() < close, "{mode:?}: {found}, {expected}");
            }
        }
    }
}

#[test]
fn an_architecture_step_leaves_every_variable_as_it_was() {
    for execution in [Execution::Plain, Execution::Fused(Storage::F32)] {
        let net = net(execution);
        let before = numbers(&net);
        for mode in [GateMode::Two, GateMode::Full, GateMode::FullV2] {
            net.gate_pass(&batch(&net, 4, 1), &gates(&net, mode, 2)).unwrap();
        }
        assert!(numbers(&net) == before);
    }
}

#[test]
fn what_is_not_on_the_path_sees_no_update_no_momentum_and_no_decay() {
    let net = net(Execution::Plain);
    let batch = batch(&net, 4, 1);
    let mut step = step();
    step.run(&net, &batch, &all(&net, 0), 0.05).unwrap();
    let between = numbers(&net);
    step.run(&net, &batch, &all(&net, 1), 0.05).unwrap();
    let after = numbers(&net);
    for (name, numbers) in &between {
        let is_on_the_path = name.contains(".choice1.") || !name.contains(".choice");
        assert_eq!(after[name] != *numbers, is_on_the_path, "{name}");
    }
    assert!(step.optimizer.velocities().keys().all(|name| after.contains_key(name)));
    assert!(!step.optimizer.velocities().keys().any(|name| name.contains(".choice2.")));
}

#[test]
fn a_weight_step_is_that_of_pytorchs_sgd_on_the_network_alone() {
    let net = net(Execution::Plain);
    let architecture = all(&net, 1);
    let store = tch::nn::VarStore::new(Device::Cpu);
    let graph = net.space().network(&architecture).unwrap().lower();
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let alone = Layers::random(&store.root(), graph, &mut random).unwrap();
    let own = net.path_variables(&architecture).unwrap();
    for ((_, own), (_, other)) in own.iter().zip(alone.trainable()) {
        tch::no_grad(|| own.shallow_clone().copy_(other));
    }
    let sgd = tch::nn::Sgd { momentum: 0.9, dampening: 0.0, wd: 4e-5, nesterov: true };
    let mut theirs = sgd.build(&store, 0.01).unwrap();
    let batch = batch(&net, 16, 1);
    let scores = alone.forward(&batch.images, Mode::Train).unwrap();
    let none = None::<Tensor>;
    let loss = scores.cross_entropy_loss(&batch.labels, none, tch::Reduction::Mean, -100, 0.1);
    theirs.backward_step(&loss);
    let found = step().run(&net, &batch, &architecture, 0.01).unwrap().loss;
    assert!((found - loss.double_value(&[])).abs() < 1e-5, "{found}");
    assert_eq!(own.len(), alone.trainable().count());
    for ((name, own), (_, other)) in own.iter().zip(alone.trainable()) {
        let difference = (own - other).abs().max().double_value(&[]);
        assert!(difference < 1e-5, "{name} differs by {difference}");
    }
}

#[test]
fn the_memory_of_an_architecture_step_is_that_of_one_path() {
    let net = net(Execution::Plain);
    let batch = batch(&net, 16, 1);
    let gates = gates(&net, GateMode::FullV2, 3);
    let peak = |pass: &mut dyn FnMut()| {
        let counter = Allocations::count().unwrap();
        pass();
        counter.peak_bytes() as f64
    };
    let mut step = step();
    step.run(&net, &batch, &gates.architecture(), 0.01).unwrap();
    let weight = peak(&mut || {
        step.run(&net, &batch, &gates.architecture(), 0.01).unwrap();
    });
    let one = peak(&mut || drop(net.gate_pass(&batch, &gates).unwrap()));
    let everything = binary(&net, &gates.architecture());
    let all = peak(&mut || drop(net.mixture_pass(&batch, &everything).unwrap()));
    assert!(one <= 1.1 * weight, "{one} of {weight}");
    assert!(all >= 3.0 * weight, "{all} of {weight}");
}

#[test]
fn the_same_seed_gives_the_same_steps() {
    let run = || {
        let net = net(Execution::Fused(Storage::F32));
        let mut step = step();
        let losses: Vec<f64> = (1_i64..4)
            .map(|seed| {
                let gates = gates(&net, GateMode::Single, seed.unsigned_abs());
                step.run(&net, &batch(&net, 4, seed), &gates.architecture(), 0.05).unwrap().loss
            })
            .collect();
        let pass = net.gate_pass(&batch(&net, 4, 9), &gates(&net, GateMode::FullV2, 9)).unwrap();
        (losses, pass)
    };
    tch::set_num_threads(1);
    assert_eq!(run(), run());
}

#[test]
fn a_network_taken_out_of_a_supernet_computes_what_its_path_does() {
    let net = net(Execution::Plain);
    let architecture = net.space().sample(&mut ChaCha8Rng::seed_from_u64(4));
    let images = batch(&net, 3, 2).images;
    let alone = net.extract(&architecture).unwrap();
    assert_eq!(alone.network(), &net.space().network(&architecture).unwrap());
    for mode in [Mode::BatchStatistics, Mode::Evaluate] {
        let path = net.scores(&images, &architecture, mode).unwrap();
        let found = alone.scores(&images, mode).unwrap();
        assert!(path.equal(&found), "{mode:?}");
    }
}

#[test]
fn a_network_that_is_trained_alone_learns_as_its_path_would() {
    let net = net(Execution::Plain);
    let architecture = net.space().sample(&mut ChaCha8Rng::seed_from_u64(4));
    let alone: SingleNetwork = net.extract(&architecture).unwrap();
    let (mut of_path, mut of_network) = (step(), step());
    for seed in 1..4 {
        let batch = batch(&net, 8, seed);
        let path = of_path.run(&net, &batch, &architecture, 0.05).unwrap();
        assert_eq!(path, of_network.run_alone(&alone, &batch, 0.05).unwrap());
    }
}

#[test]
fn an_optimizer_with_its_velocities_goes_on_where_it_was() {
    let net = net(Execution::Plain);
    let architecture = all(&net, 0);
    let mut whole = step();
    whole.run(&net, &batch(&net, 4, 1), &architecture, 0.05).unwrap();
    let other = net.extract(&architecture).unwrap();
    let weights = |tensor: &Tensor| Vec::<f32>::try_from(tensor.flatten(0, -1)).unwrap();
    let velocities = whole.optimizer.velocities();
    let copies = velocities.iter().map(|(name, tensor)| (name.clone(), tensor.copy())).collect();
    let mut parts = WeightStep {
        optimizer: Sgd::with_velocities(SgdSettings::PUBLISHED, copies).unwrap(),
        smoothing: LabelSmoothing::PUBLISHED,
    };
    let names: Vec<String> = velocities.keys().cloned().collect();
    whole.run(&net, &batch(&net, 4, 2), &architecture, 0.05).unwrap();
    let after: Vec<Vec<f32>> =
        names.iter().map(|name| weights(&net.variables().variables()[name])).collect();
    // Back to before the second step.
    let before = other.variables().variables();
    for (name, variable) in net.path_variables(&architecture).unwrap() {
        let (slot, rest) = name.split_once('.').unwrap();
        let rest = rest.strip_prefix("choice0.").unwrap_or(rest);
        let part = rest.strip_prefix("op.").unwrap_or(rest);
        let own = &before[&format!("blocks.{}.{part}", slot.strip_prefix("slot").unwrap())];
        tch::no_grad(|| variable.shallow_clone().copy_(own));
    }
    parts.run(&net, &batch(&net, 4, 2), &architecture, 0.05).unwrap();
    for (name, after) in names.iter().zip(after) {
        assert_eq!(weights(&net.variables().variables()[name]), after, "{name}");
    }
}

#[test]
fn accuracy_counts_classes_among_the_highest_scores() {
    let scores = Tensor::from_slice2(&[[0.1_f32, 0.9, 0.5], [0.8, 0.1, 0.3]]);
    let labels = Tensor::from_slice(&[2_i64, 0]);
    let shares = [1, 2].map(|among| accuracy(&scores, &labels, among).unwrap());
    assert!((shares[0] - 0.5).abs() < 1e-12 && (shares[1] - 1.0).abs() < 1e-12, "{shares:?}");
}

#[test]
fn what_does_not_belong_to_the_space_is_refused() {
    let net = net(Execution::Plain);
    let mut step = step();
    let wrong = Architecture::new(vec![0; 3]);
    assert!(step.run(&net, &batch(&net, 2, 1), &wrong, 0.1).is_err());
    let images = Tensor::zeros([2, 3, 8, 8], (Kind::Float, Device::Cpu));
    let batch = Batch { images, labels: Tensor::from_slice(&[0_i64, 1]) };
    let error = step.run(&net, &batch, &all(&net, 0), 0.1).unwrap_err();
    assert_eq!(error.to_string(), "slot 0 of the supernet");
    assert!(LabelSmoothing::new(1.0).is_err());
    assert!(Sgd::new(SgdSettings { momentum: 1.0, weight_decay: 0.0 }).is_err());
}

#[test]
fn every_block_of_a_network_alone_that_adds_its_input_begins_as_the_identity() {
    let net = net(Execution::Plain);
    let alone = net.extract(&all(&net, 0)).unwrap().beginning_as_identity().unwrap();
    let variables = alone.variables().variables().into_iter();
    let is_zero = |tensor: &Tensor| tensor.abs().sum(Kind::Float).double_value(&[]) == 0.0;
    let mut scales: Vec<String> = variables
        .filter(|(name, tensor)| name.ends_with("weight") && is_zero(tensor))
        .map(|(name, _)| name)
        .collect();
    scales.sort();
    let shortcuts =
        alone.network().blocks().iter().filter(|op| op.to_string().ends_with("-skip")).count();
    assert_eq!(scales.len(), shortcuts, "{scales:?}");
    assert!(1 < shortcuts);
}

/// Edge 1 keeps its input's shape, edge 0 does not.
#[test]
fn where_blocks_begin_as_the_identity_it_does_not_matter_which_of_them_is_on_the_path() {
    for execution in [Execution::Plain, Execution::Fused(Storage::Bf16)] {
        let (usual, net) = (net(execution), net(execution).beginning_as_identity().unwrap());
        let images = batch(&net, 4, 3).images;
        let scores = |net: &Supernet, choices: [usize; 2]| {
            let mut architecture = vec![0; net.space().edges().count()];
            architecture[..2].copy_from_slice(&choices);
            let architecture = Architecture::new(architecture);
            let scores = net.scores(&images, &architecture, Mode::BatchStatistics).unwrap();
            Vec::<f32>::try_from(scores.to_kind(Kind::Float).flatten(0, -1)).unwrap()
        };
        assert_eq!(scores(&net, [0, 0]), scores(&net, [0, 5]), "{execution:?}");
        assert_ne!(scores(&net, [0, 0]), scores(&net, [5, 0]), "{execution:?}");
        assert_ne!(scores(&usual, [0, 0]), scores(&usual, [0, 5]), "{execution:?}");
        // It learns from the first step on.
        let path = all(&net, 0);
        let before = numbers(&net);
        for seed in 0..2 {
            step().run(&net, &batch(&net, 4, seed), &path, 0.05).unwrap();
        }
        let after = numbers(&net);
        let moved = before.iter().filter(|(name, values)| &after[*name] != *values).count();
        let trained = net.extract(&path).unwrap().variables().variables().len();
        assert!(moved >= trained * 9 / 10, "{execution:?}: {moved} of {trained}");
    }
}
