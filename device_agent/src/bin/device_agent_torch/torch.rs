//! The libtorch runtimes run the very module that is trained, on the CPU or on a GPU.

use std::sync::Once;

use anyhow::{Context, ensure};
use device_agent::backend::{Backend, Bench, Offer, Runnable, Setting};
use op_catalog::weights::random_images;
use op_catalog::wire::{Precision, Runtime, RuntimeInfo};
use op_catalog::{FeatureMap, Network, Weights};
use tch::nn::VarStore;
use tch::{Cuda, Device, Kind, Tensor};
use torch_layers::{Layers, Mode};
use torch_shim::{
    FreedMemory, Frozen, channels_last, compute_exactly, cpu_capability, gpu_models, has_gpu,
    keep_freed_memory, libtorch_version,
};

static SINGLE_FILE: Once = Once::new();

/// libtorch on the CPU, traced, frozen and optimised.
pub(crate) const FROZEN: Offer = Offer {
    runtime: Runtime::Torch,
    info: |core_count| Some(on_the_cpu(Runtime::Torch, core_count)),
    bench: |threads, _item_seed| bench(Execution::Frozen, threads),
};

/// libtorch on the CPU, operation by operation.
pub(crate) const EAGER: Offer = Offer {
    runtime: Runtime::TorchEager,
    info: |core_count| Some(on_the_cpu(Runtime::TorchEager, core_count)),
    bench: |threads, _item_seed| bench(Execution::Eager, threads),
};

/// libtorch on the first GPU, operation by operation.
pub(crate) const CUDA: Offer = Offer {
    runtime: Runtime::TorchCuda,
    info: |core_count| has_gpu().then(|| on_the_gpu(core_count)),
    bench: |threads, _item_seed| {
        ensure!(has_gpu(), "there is no GPU that libtorch can use");
        compute_exactly()?;
        prepare_libtorch(threads)?;
        Ok(Bench::elsewhere(Torch { execution: Execution::OnGpu }, || canary(Device::Cuda(0))))
    },
};

/// How many additions of a few numbers the canary has, in which a GPU waits for the core that starts them.
const CANARY_STARTS: usize = 60;
/// Side of the canary's matrix, and how often it is multiplied, which a core waits for: 0.06 ms a product on an H200.
const CANARY_SIDE: i64 = 1024;
const CANARY_PRODUCTS: usize = 5;

/// How a module is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Execution {
    Frozen,
    Eager,
    OnGpu,
}

struct Torch {
    execution: Execution,
}

/// A module with its inputs.
struct Eager {
    layers: Layers,
    inputs: Vec<Tensor>,
    device: Device,
}

struct FrozenRun {
    frozen: Frozen,
    inputs: Vec<Tensor>,
}

fn on_the_cpu(runtime: Runtime, core_count: u32) -> RuntimeInfo {
    info(runtime, core_count, cpu_capability())
}

fn on_the_gpu(core_count: u32) -> RuntimeInfo {
    let mut info = info(Runtime::TorchCuda, core_count, "CUDA".to_owned());
    info.features.extend(gpu_models());
    info
}

fn info(runtime: Runtime, core_count: u32, kernels: String) -> RuntimeInfo {
    let mut features = vec![kernels];
    // It is the same for the agent, which says so, and for its measuring children.
    if keep_freed_memory() == FreedMemory::Kept {
        features.push("freed memory kept".to_owned());
    }
    RuntimeInfo {
        runtime,
        version: libtorch_version().to_owned(),
        features,
        precisions: vec![Precision::F32],
        max_threads: core_count,
    }
}

fn bench(execution: Execution, threads: u32) -> anyhow::Result<Bench> {
    prepare_libtorch(threads)?;
    Ok(Bench::real(Torch { execution }))
}

fn prepare_libtorch(threads: u32) -> anyhow::Result<()> {
    let threads = i32::try_from(threads).context("the number of threads")?;
    // Nothing runs beside each other in a chain of operations. libtorch takes this once in a process.
    SINGLE_FILE.call_once(|| tch::set_num_interop_threads(1));
    tch::set_num_threads(threads);
    // Where the system cannot, its page faults are part of what is measured.
    let _ = keep_freed_memory();
    Ok(())
}

/// Work that shows how fast a GPU is and the core that feeds it, either of which decides how long an operation takes.
fn canary(device: Device) -> anyhow::Result<()> {
    let mut few = Tensor::f_zeros([CANARY_SIDE], (Kind::Float, device))?;
    for _ in 0..CANARY_STARTS {
        few = few.f_add_scalar(1.0)?;
    }
    wait_for(device);
    // Its products with itself are itself.
    let matrix = Tensor::f_full([CANARY_SIDE; 2], 1.0 / CANARY_SIDE as f64, (Kind::Float, device))?;
    let mut product = matrix.shallow_clone();
    for _ in 0..CANARY_PRODUCTS {
        product = product.f_mm(&matrix)?;
    }
    wait_for(device);
    Ok(())
}

/// Waits until a device has done what it was given. A GPU works while the program goes on.
fn wait_for(device: Device) {
    if let Device::Cuda(index) = device {
        Cuda::synchronize(index.cast_signed() as i64);
    }
}

impl Backend for Torch {
    fn prepare(&self, network: &Network, setting: Setting) -> anyhow::Result<Box<dyn Runnable>> {
        let device = match self.execution {
            Execution::OnGpu => Device::Cuda(0),
            Execution::Frozen | Execution::Eager => Device::Cpu,
        };
        let graph = network.lower();
        let weights = Weights::random(&graph, setting.weight_seed);
        let inputs = graph.inputs.iter().map(|map| images(*map, setting, device));
        let inputs: Vec<Tensor> = inputs.collect::<anyhow::Result<_>>()?;
        let mut store = VarStore::new(device);
        let layers = Layers::given(&store.root(), graph, &weights)?;
        // Nothing is trained, so nothing is kept for a backward pass.
        store.freeze();
        if self.execution != Execution::Frozen {
            return Ok(Box::new(Eager { layers, inputs, device }));
        }
        let frozen = Frozen::trace(&inputs, |inputs| layers.forward_all(inputs, Mode::Evaluate))?;
        Ok(Box::new(FrozenRun { frozen, inputs }))
    }
}

/// Random images on a device, channels last, which is the faster order for all of these.
fn images(map: FeatureMap, setting: Setting, device: Device) -> anyhow::Result<Tensor> {
    let images = random_images(map, setting.batch, setting.weight_seed);
    let shape: Vec<i64> = images.shape.iter().map(|length| length.cast_signed() as i64).collect();
    let maps = Tensor::f_from_slice(&images.values)?.f_view(shape.as_slice())?;
    Ok(channels_last(&maps)?.f_to_device(device)?)
}

impl Eager {
    fn forward(&self) -> anyhow::Result<Tensor> {
        Ok(self.layers.forward_all(&self.inputs, Mode::Evaluate)?)
    }
}

impl Runnable for Eager {
    fn run(&mut self) -> anyhow::Result<()> {
        let _ = std::hint::black_box(self.forward()?);
        Ok(())
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        wait_for(self.device);
        Ok(())
    }

    fn output(&mut self) -> anyhow::Result<Vec<f32>> {
        numbers(&self.forward()?)
    }
}

impl Runnable for FrozenRun {
    fn run(&mut self) -> anyhow::Result<()> {
        let _ = std::hint::black_box(self.frozen.run(&self.inputs)?);
        Ok(())
    }

    fn output(&mut self) -> anyhow::Result<Vec<f32>> {
        numbers(&self.frozen.run(&self.inputs)?)
    }
}

fn numbers(output: &Tensor) -> anyhow::Result<Vec<f32>> {
    let flat = output.f_to_device(Device::Cpu)?.f_contiguous()?.f_flatten(0, -1)?;
    Ok(Vec::try_from(flat)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canary_runs_on_the_first_gpu_or_where_there_is_none_on_the_cpu() {
        canary(if has_gpu() { Device::Cuda(0) } else { Device::Cpu }).unwrap();
    }
}
