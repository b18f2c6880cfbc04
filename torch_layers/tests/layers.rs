//! Layers compute what the catalogue says, in every mode, and their gradients are those of what they
//! compute.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]
#![allow(clippy::float_cmp, reason = "tests compare what is computed exactly")]

use op_catalog::weights::random_images;
use op_catalog::{LayerGraph, Network, PlacedOp, SpaceDefinition, Weights};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};
use torch_layers::{Dropout, Layers, LayersError, Mode};
use torch_shim::{channels_last, is_channels_last};

/// One of each kind of layer and of each way to combine them.
const KEYS: [&str; 16] = [
    "conv-k3-in9x9x3-out5x5x8-s2",
    "conv-k1-nobn-hs-in1x1x8-out1x1x16-s1",
    "conv-k3-relu-in8x8x8-out8x8x8-s1-skip",
    "depthwise-k5-in8x8x8-out4x4x8-s2",
    "mbconv-k3-e1-in8x8x8-out8x8x16-s1",
    "mbconv-k5-e3-in8x8x8-out8x8x8-s1-skip",
    "mbconv-k7-e6-in9x7x8-out5x4x16-s2",
    "mbconv-k3-m24-g4-in8x8x8-out8x8x8-s1-skip",
    "mbconv-k3-m24-se-hs-in8x8x8-out4x4x16-s2",
    "mbconv-k5-m48-g2-se-relu-in8x8x8-out8x8x8-s1-skip",
    "maxpool-k3-in8x8x8-out4x4x8-s2",
    "avgpool-k3-in8x8x8-out8x8x8-s1",
    "avgpool-k3-in8x8x8-out8x8x8-s1-skip",
    "maxpool-k3-in8x8x8-out8x8x8-s1-skip",
    "globalpool-in7x7x8-out1x1x8-s1",
    "classifier-in4x4x8-out1x1x10-s1",
];

/// What an activation computes, number by number.
type Formula = fn(f64) -> f64;

fn graph(key: &str) -> LayerGraph {
    key.parse::<PlacedOp>().unwrap_or_else(|error| panic!("{key}: {error}")).lower()
}

fn built(graph: LayerGraph) -> (VarStore, Layers) {
    let store = VarStore::new(Device::Cpu);
    let weights = Weights::random(&graph, 7);
    let layers = Layers::given(&store.root(), graph, &weights).unwrap();
    (store, layers)
}

fn images(graph: &LayerGraph, batch: u32) -> Tensor {
    let images = random_images(graph.inputs[0], batch, 3);
    let shape: Vec<i64> = images.shape.iter().map(|length| length.cast_signed() as i64).collect();
    Tensor::from_slice(&images.values).view(shape.as_slice())
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.to_kind(Kind::Double).contiguous().flatten(0, -1)).unwrap()
}

/// What `layers` gives for one image whose numbers are these, channel after channel.
fn run(key: &str, values: &[f32]) -> Vec<f64> {
    let graph = graph(key);
    let map = graph.inputs[0];
    let shape = [1, map.channels(), map.height(), map.width()].map(i64::from);
    let (_store, layers) = built(graph);
    let input = Tensor::from_slice(values).view(shape);
    numbers(&layers.forward(&input, Mode::Evaluate).unwrap())
}

#[test]
fn every_operation_gives_the_shape_it_says_in_every_mode_and_keeps_the_channels_last() {
    let small = SpaceDefinition::built_in("proxyless-small").unwrap().build().unwrap();
    let keys = small.placed_ops().into_iter().map(|placed| placed.to_string());
    for key in keys.chain(KEYS.map(str::to_owned)) {
        let graph = graph(&key);
        let output = graph.output_map;
        let mut expected = vec![2, output.channels(), output.height(), output.width()];
        if key.starts_with("classifier") {
            expected.truncate(2);
        }
        let (_store, layers) = built(graph);
        let input = channels_last(&images(layers.graph(), 2)).unwrap();
        for mode in [Mode::Train, Mode::BatchStatistics, Mode::Evaluate] {
            let result = layers.forward(&input, mode).unwrap();
            assert_eq!(result.size(), expected.iter().map(|n| i64::from(*n)).collect::<Vec<_>>());
            assert!(result.dim() < 4 || is_channels_last(&result).unwrap(), "{key} {mode:?}");
        }
    }
}

/// A block whose output would be clipped has no gradient at a scale of 0, and a pooling has no scale: neither may take
/// that of a layer before it.
#[test]
fn blocks_begin_as_the_identity_where_a_normalisation_is_what_they_add() {
    let stem = "conv-k3-in8x8x8-out8x8x8-s1";
    for (block, scaled) in [
        ("mbconv-k3-e3-in8x8x8-out8x8x8-s1-skip", Some("blocks.1.project.bn.weight")),
        ("depthwise-k3-linear-in8x8x8-out8x8x8-s1-skip", Some("blocks.1.bn.weight")),
        ("depthwise-k3-in8x8x8-out8x8x8-s1-skip", None),
        ("conv-k3-relu-in8x8x8-out8x8x8-s1-skip", None),
        ("maxpool-k3-in8x8x8-out8x8x8-s1-skip", None),
        ("mbconv-k3-e3-in8x8x8-out8x8x8-s1", None),
    ] {
        let blocks = [stem, block].map(|key| key.parse().unwrap());
        let (_store, layers) = built(Network::new(blocks.to_vec()).unwrap().lower());
        layers.begin_as_identity().unwrap();
        let zero = layers.trainable().filter(|(_, tensor)| !bool::try_from(tensor.any()).unwrap());
        let zero: Vec<String> =
            zero.map(|(name, _)| name).filter(|name| name.ends_with("weight")).collect();
        assert_eq!(zero, scaled.into_iter().collect::<Vec<_>>(), "{block}");
    }
}

#[test]
fn the_memory_format_changes_no_result() {
    for key in KEYS {
        let (_store, layers) = built(graph(key));
        let input = images(layers.graph(), 2);
        for mode in [Mode::BatchStatistics, Mode::Evaluate] {
            let expected = layers.forward(&input, mode).unwrap();
            let found = layers.forward(&channels_last(&input).unwrap(), mode).unwrap();
            assert!(found.allclose(&expected, 1e-4, 1e-5, false), "{key} {mode:?}");
        }
    }
}

#[test]
fn inputs_stay_as_they_are() {
    for key in KEYS {
        let (_store, layers) = built(graph(key));
        let input = images(layers.graph(), 2);
        let before = input.copy();
        let _ = layers.forward(&input, Mode::Train).unwrap();
        assert!(input.equal(&before), "{key}");
    }
}

#[test]
fn gradients_equal_finite_differences() {
    for key in KEYS {
        let (mut store, layers) = built(graph(key));
        store.double();
        let layers_input = images(layers.graph(), 3).to_kind(Kind::Double);
        let direction = layers.forward(&layers_input, Mode::BatchStatistics).unwrap().rand_like();
        let loss = |input: &Tensor| {
            let output = layers.forward(input, Mode::BatchStatistics).unwrap();
            (output * &direction).sum(Kind::Double)
        };
        let input = layers_input.set_requires_grad(true);
        loss(&input).backward();
        let variables = store.trainable_variables();
        let step = 1e-6;
        for tensor in std::iter::once(&input).chain(&variables) {
            let towards = tensor.detach().rand_like() - 0.5;
            let expected = (tensor.grad() * &towards).sum(Kind::Double).double_value(&[]);
            let at = |distance: f64| {
                tch::no_grad(|| {
                    let before = tensor.copy();
                    tensor.shallow_clone().copy_(&(&before + &towards * distance));
                    let value = loss(&input).double_value(&[]);
                    tensor.shallow_clone().copy_(&before);
                    value
                })
            };
            let found = (at(step) - at(-step)) / (2.0 * step);
            let tolerance = 1e-4 * (1.0 + expected.abs());
            assert!((found - expected).abs() < tolerance, "{key}: {found} is not {expected}");
        }
    }
}

#[test]
fn activations_are_those_of_their_formulas() {
    let values = [-4.0_f32, -3.0, -1.0, 0.0, 0.5, 2.0, 3.0, 7.0];
    let cases: [(&str, Formula); 3] = [
        ("relu", |x| x.max(0.0)),
        ("relu6", |x| x.clamp(0.0, 6.0)),
        ("hs", |x| x * (x + 3.0).clamp(0.0, 6.0) / 6.0),
    ];
    for (name, formula) in cases {
        let activation = if name == "relu6" { String::new() } else { format!("-{name}") };
        let key = format!("conv-k1-nobn{activation}-in1x1x8-out1x1x8-s1");
        let graph = graph(&key);
        let (_store, layers) = built(graph);
        let linear = built_linear(&layers);
        let input = Tensor::from_slice(&values).view([1, 8, 1, 1]);
        let before = linear.forward(&input, Mode::Evaluate).unwrap();
        let after = numbers(&layers.forward(&input, Mode::Evaluate).unwrap());
        for (x, y) in numbers(&before).into_iter().zip(after) {
            assert!((formula(x) - y).abs() < 1e-5, "{name}({x}) is {y}");
        }
    }
}

/// The same convolution without the activation.
fn built_linear(layers: &Layers) -> Layers {
    let graph = graph("conv-k1-nobn-linear-in1x1x8-out1x1x8-s1");
    let store = VarStore::new(Device::Cpu);
    Layers::given(&store.root(), graph, &layers.weights().unwrap()).unwrap()
}

#[test]
fn averages_do_not_count_padding_and_maxima_ignore_it() {
    let values: Vec<f32> = (1..=9).map(|n| -(n as f32)).collect();
    let average = run("avgpool-k3-in3x3x1-out3x3x1-s1", &values);
    assert_eq!((average[0], average[4]), (-(1.0 + 2.0 + 4.0 + 5.0) / 4.0, -5.0));
    let maximum = run("maxpool-k3-in3x3x1-out3x3x1-s1", &values);
    assert_eq!((maximum[0], maximum[8]), (-1.0, -5.0));
}

#[test]
fn a_normalisation_remembers_a_tenth_of_each_batch_when_it_trains_and_nothing_otherwise() {
    let graph = graph("conv-k1-linear-in4x4x2-out4x4x2-s1");
    let store = VarStore::new(Device::Cpu);
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let layers = Layers::random(&store.root(), graph, &mut random).unwrap();
    let input = images(layers.graph(), 2);
    let before = layers.weights().unwrap();
    let judged = layers.forward(&input, Mode::BatchStatistics).unwrap();
    let _ = layers.forward(&input, Mode::Evaluate).unwrap();
    assert_eq!(layers.weights().unwrap(), before);

    let trained = layers.forward(&input, Mode::Train).unwrap();
    assert!(trained.equal(&judged));
    let maps = input.conv2d(&store.variables()["op.conv.weight"], None::<Tensor>, 1, 0, 1, 1);
    let over = [0_i64, 2, 3];
    let mean = maps.mean_dim(over.as_slice(), false, None::<Kind>);
    let variance = maps.var_dim(over.as_slice(), true, false);
    let after = store.variables();
    let (found_mean, found_variance) = (&after["op.bn.running_mean"], &after["op.bn.running_var"]);
    assert!(found_mean.allclose(&(mean * 0.1), 1e-5, 1e-6, false));
    assert!(found_variance.allclose(&(variance * 0.1 + 0.9), 1e-5, 1e-6, false));
    // The batch's own variance, over all its pixels, with the epsilon of 1e-3.
    let (mean, variance) = (
        maps.mean_dim(over.as_slice(), true, None::<Kind>),
        maps.var_dim(over.as_slice(), false, true),
    );
    let expected = (&maps - mean) / (variance + 1e-3).sqrt();
    assert!(trained.allclose(&expected, 1e-4, 1e-5, false));
}

#[test]
fn dropout_drops_its_share_in_training_alone_and_scales_up_the_rest() {
    let graph = graph("classifier-in1x1x2000-out1x1x1-s1");
    let mut tensors = std::collections::BTreeMap::new();
    for (name, shape) in graph.layers.iter().flat_map(op_catalog::Layer::weights) {
        let count: usize = shape.iter().product();
        let value = if name.ends_with("bias") { 0.0 } else { 1.0 };
        tensors.insert(name, op_catalog::weights::Tensor { shape, values: vec![value; count] });
    }
    let weights = Weights::given(&graph, tensors).unwrap();
    let store = VarStore::new(Device::Cpu);
    let layers = Layers::given(&store.root(), graph, &weights)
        .unwrap()
        .with_dropout(Dropout::new(0.25).unwrap());
    let ones = Tensor::ones([1, 2000, 1, 1], (Kind::Float, Device::Cpu));
    let sum = |mode| numbers(&layers.forward(&ones, mode).unwrap())[0];
    assert_eq!([sum(Mode::Evaluate), sum(Mode::BatchStatistics)], [2000.0; 2]);
    tch::manual_seed(5);
    let kept = sum(Mode::Train) * 0.75;
    // 2000 draws of probability 0.75 deviate by 19 or less, two times of three; this is six times that.
    assert!((kept - 1500.0).abs() < 116.0 && (kept - kept.round()).abs() < 0.01, "{kept}");
}

#[test]
fn weights_are_read_back_as_they_were_given_and_others_are_refused_by_name() {
    let graph = graph(KEYS[9]);
    let weights = Weights::random(&graph, 11);
    let (store, layers) = built(graph);
    layers.load(&weights).unwrap();
    assert_eq!(layers.weights().unwrap(), weights);
    let mut names: Vec<String> = store.variables().into_keys().collect();
    names.sort();
    assert!(names.iter().map(String::as_str).eq(weights.iter().map(|(name, _)| name)));
    let other = Weights::random(&self::graph(KEYS[0]), 1);
    let error = layers.load(&other).unwrap_err();
    assert_eq!(error.to_string(), "weight `op.expand.conv.weight`: it is missing");
}

#[test]
fn inputs_of_another_number_or_shape_are_refused_in_words() {
    let (_store, layers) = built(graph("add-in8x8x4-out8x8x4-s1"));
    let maps = |shape: [i64; 4]| Tensor::ones(shape, (Kind::Float, Device::Cpu));
    let good = maps([2, 4, 8, 8]);
    let sum =
        layers.forward_all(&[good.shallow_clone(), good.shallow_clone()], Mode::Evaluate).unwrap();
    assert_eq!(numbers(&sum), vec![2.0; 2 * 4 * 64]);
    for (inputs, message) in [
        (vec![good.shallow_clone()], "the layers take 2 inputs, but were given 1"),
        (
            vec![good, maps([2, 8, 8, 4])],
            "input 1 has the shape [2, 8, 8, 4], but must be [batch, 4, 8, 8]",
        ),
    ] {
        let error = layers.forward_all(&inputs, Mode::Evaluate).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn what_libtorch_says_comes_with_the_name_of_the_layer() {
    let (_store, layers) = built(graph(KEYS[5]));
    let doubles = images(layers.graph(), 1).to_kind(Kind::Double);
    let error = layers.forward(&doubles, Mode::Evaluate).unwrap_err();
    assert!(
        matches!(&error, LayersError::Layer { name, .. } if name == "op.expand.conv"),
        "{error}"
    );
}

#[test]
fn networks_in_training_mode_learn() {
    let graph = graph(KEYS[5]);
    let store = VarStore::new(Device::Cpu);
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let layers = Layers::random(&store.root(), graph, &mut random).unwrap();
    let input = images(layers.graph(), 4);
    let target = Tensor::full(input.size().as_slice(), 0.5, (Kind::Float, Device::Cpu));
    let loss = || {
        let output = layers.forward(&input, Mode::Train).unwrap();
        output.mse_loss(&target, tch::Reduction::Mean)
    };
    let before = loss();
    before.backward();
    tch::no_grad(|| {
        for mut variable in store.trainable_variables() {
            let step = variable.grad() * 0.05;
            let _ = variable.f_sub_(&step).unwrap();
        }
    });
    assert!(loss().double_value(&[]) < before.double_value(&[]));
}
