//! Times a weight step (forward, backward, SGD with Nesterov) of one path of `proxyless-mobile`, by turns in
//! each execution, and prints the losses as they fall.
//!
//! `cargo run -p torch_layers --example step -- BATCH RESOLUTION STEPS THREADS [EXECUTION...]`

#![expect(clippy::print_stdout, reason = "it is what the program is for")]

use std::error::Error;
use std::time::Instant;

use op_catalog::{Architecture, LayerGraph, SpaceDefinition};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::nn::{Optimizer, OptimizerConfig, Sgd, VarStore};
use tch::{Device, Kind, Reduction, Tensor};
use torch_layers::{Execution, Layers, LayersError, Mode, Storage};
use torch_shim::{Bf16Autocast, channels_last};

const CLASSES: i64 = 10;

/// A way to run the network, by its name on the command line.
#[derive(Clone, Copy)]
struct Way {
    name: &'static str,
    execution: Execution,
    format: Format,
    precision: Precision,
}

#[derive(Clone, Copy, PartialEq)]
enum Format {
    Contiguous,
    ChannelsLast,
}

#[derive(Clone, Copy, PartialEq)]
enum Precision {
    F32,
    Autocast,
}

const WAYS: [Way; 5] = [
    plain("nchw", Format::Contiguous, Precision::F32),
    plain("channels-last", Format::ChannelsLast, Precision::F32),
    plain("channels-last-bf16", Format::ChannelsLast, Precision::Autocast),
    fused("fused-f32", Storage::F32),
    fused("fused-bf16", Storage::Bf16),
];

const fn plain(name: &'static str, format: Format, precision: Precision) -> Way {
    Way { name, execution: Execution::LayerByLayer, format, precision }
}

const fn fused(name: &'static str, storage: Storage) -> Way {
    let execution = Execution::Fused(storage);
    Way { name, execution, format: Format::ChannelsLast, precision: Precision::F32 }
}

/// A network that trains in one way.
struct Trainee {
    way: Way,
    layers: Layers,
    optimizer: Optimizer,
    seconds: Vec<f64>,
    _store: VarStore,
}

impl Trainee {
    fn new(way: Way, graph: &LayerGraph) -> Result<Self, Box<dyn Error>> {
        let store = VarStore::new(Device::Cpu);
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let layers = Layers::random(&store.root(), graph.clone(), &mut random)?;
        let sgd = Sgd { momentum: 0.9, wd: 4e-5, nesterov: true, ..Sgd::default() };
        let optimizer = sgd.build(&store, 0.05)?;
        let layers = layers.with_execution(way.execution);
        Ok(Self { way, layers, optimizer, seconds: Vec::new(), _store: store })
    }

    fn step(&mut self, images: &Tensor, classes: &Tensor) -> Result<f64, Box<dyn Error>> {
        let images = match self.way.format {
            Format::Contiguous => images.shallow_clone(),
            Format::ChannelsLast => channels_last(images)?,
        };
        let start = Instant::now();
        let logits = self.forward(&images)?.to_kind(Kind::Float);
        let loss = logits.cross_entropy_loss::<Tensor>(classes, None, Reduction::Mean, -100, 0.0);
        self.optimizer.backward_step(&loss);
        self.seconds.push(start.elapsed().as_secs_f64());
        Ok(loss.double_value(&[]))
    }

    fn forward(&self, images: &Tensor) -> Result<Tensor, Box<dyn Error>> {
        let _scope = match self.way.precision {
            Precision::F32 => None,
            Precision::Autocast => Some(Bf16Autocast::begin(Device::Cpu)?),
        };
        Ok(self
            .layers
            .forward(images, Mode::Train)
            .map_err(|error: LayersError| error.to_string())?)
    }

    /// Median, the first step left out.
    fn median_seconds(&self) -> f64 {
        let mut seconds = self.seconds[1..].to_vec();
        seconds.sort_by(f64::total_cmp);
        seconds[seconds.len() / 2]
    }
}

/// A path with all kernels and both expansions.
fn network(resolution: u32) -> Result<LayerGraph, Box<dyn Error>> {
    let space =
        SpaceDefinition::built_in("proxyless-mobile")?.with_resolution(resolution, resolution);
    let space = space.build()?;
    let choices = (0..space.edges().count()).map(|edge| 2 * (edge % 3) + edge % 2).collect();
    Ok(space.network(&Architecture::new(choices))?.lower())
}

/// Images that differ by class in the wavelength of a pattern under noise.
fn batch(size: i64, resolution: u32) -> (Tensor, Tensor) {
    let options = (Kind::Float, Device::Cpu);
    let pixels = i64::from(resolution);
    let classes = Tensor::randint(CLASSES, [size], (Kind::Int64, Device::Cpu));
    let waves = Tensor::arange(pixels, options).view([1, 1, 1, pixels]) * 0.05;
    let pattern = (waves * (classes.to_kind(Kind::Float).view([size, 1, 1, 1]) + 1.0)).sin();
    (Tensor::randn([size, 3, pixels, pixels], options) * 0.5 + pattern, classes)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |name: &str| -> Result<u32, Box<dyn Error>> {
        Ok(arguments.next().ok_or_else(|| format!("{name} is missing"))?.parse()?)
    };
    let (size, resolution) = (number("BATCH")?, number("RESOLUTION")?);
    let (steps, threads) = (number("STEPS")?.max(2), number("THREADS")?);
    let names: Vec<String> = arguments.collect();
    tch::set_num_threads(threads.try_into()?);
    tch::manual_seed(1);
    let graph = network(resolution)?;
    let ways = WAYS
        .into_iter()
        .filter(|way| names.is_empty() || names.iter().any(|name| name == way.name));
    let mut trainees = ways.map(|way| Trainee::new(way, &graph)).collect::<Result<Vec<_>, _>>()?;
    println!(
        "step,{}",
        trainees.iter().map(|trainee| trainee.way.name).collect::<Vec<_>>().join(",")
    );
    for step in 0..steps {
        let (images, classes) = batch(i64::from(size), resolution);
        let losses = trainees.iter_mut().map(|trainee| trainee.step(&images, &classes));
        let losses = losses.map(|loss| Ok(format!("{:.4}", loss?)));
        println!("{step},{}", losses.collect::<Result<Vec<_>, Box<dyn Error>>>()?.join(","));
    }
    for trainee in &trainees {
        println!("{:<20} {:.3} s", trainee.way.name, trainee.median_seconds());
    }
    Ok(())
}
