//! A GPU makes the steps of a CPU. In a program of its own, because libtorch asks once whether there is one.
//! Where there is none, the same is held against another execution of the CPU.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

use architecture_search::{GateMode, Logits};
use op_catalog::SpaceDefinition;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use supernet::{
    Batch, CudaExecution, Execution, LabelSmoothing, Sgd, SgdSettings, Supernet, WeightStep,
};
use tch::{Device, Kind, Tensor};
use torch_shim::{compute_exactly, has_gpu};

/// How far numbers may lie apart that differ in the order of sums alone.
const TOLERANCE: f64 = 1e-3;

/// What some steps come to.
struct Steps {
    losses: Vec<f64>,
    gate_gradients: Vec<f64>,
    device: Device,
}

/// A step of gates in each mode and two of weights, all drawn from the same seeds.
fn steps(execution: Execution) -> Steps {
    let definition = SpaceDefinition::built_in("proxyless-small").unwrap();
    let space = definition.with_resolution(16, 16).build().unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let net = Supernet::new(space, execution, &mut random).unwrap();
    // Rounding grows from block to block, less where they begin as the identity.
    let net = net.beginning_as_identity().unwrap();
    let logits = Logits::random(net.space(), &mut random);
    tch::manual_seed(2);
    let images = Tensor::randn(net.image_shape(16), (Kind::Float, Device::Cpu));
    let labels = Tensor::randint(10, [16], (Kind::Int64, Device::Cpu));
    let batch = Batch { images, labels };
    let mut step = WeightStep {
        optimizer: Sgd::new(SgdSettings::PUBLISHED).unwrap(),
        smoothing: LabelSmoothing::PUBLISHED,
    };
    // Gates come first: what rounding does to a gradient grows with every step of weights.
    let (mut losses, mut gate_gradients) = (Vec::new(), Vec::new());
    for mode in [GateMode::Two, GateMode::Full, GateMode::FullV2] {
        let gates = mode.sample(&logits, &mut random);
        let pass = net.gate_pass(&batch, &gates).unwrap();
        losses.push(pass.cross_entropy);
        gate_gradients.extend(pass.gate_gradient.iter());
    }
    let path = logits.sample(&mut random);
    losses.extend((0..2).map(|_| step.run(&net, &batch, &path, 0.01).unwrap().loss));
    let device = step.optimizer.velocities().values().next().unwrap().device();
    Steps { losses, gate_gradients, device }
}

#[test]
fn steps_of_weights_and_gates_on_a_gpu_are_those_on_a_cpu() {
    let others = if has_gpu() {
        compute_exactly().unwrap();
        vec![Execution::Cuda(CudaExecution::Plain), Execution::Cuda(CudaExecution::ChannelsLast)]
    } else {
        vec![Execution::ChannelsLast]
    };
    let expected = steps(Execution::Plain);
    for execution in others {
        let found = steps(execution);
        assert_eq!(found.device, execution.device());
        let close = |name: &str, found: &[f64], expected: &[f64]| {
            let largest = expected.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
            assert!(largest > 1e-3, "{name} vanish");
            for (found, expected) in found.iter().zip(expected) {
                let apart = (found - expected).abs();
                assert!(apart < TOLERANCE * largest, "{execution:?}: {name}: {found}, {expected}");
            }
        };
        close("losses", &found.losses, &expected.losses);
        close("gradients of gates", &found.gate_gradients, &expected.gate_gradients);
    }
}
