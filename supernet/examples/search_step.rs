//! Times the steps of a search on `proxyless-mobile` at 224 pixels, by turns, and prints for each the median
//! seconds and the peak of bytes that tensors hold.
//!
//! `cargo run -p supernet --example search_step -- BATCH THREADS ROUNDS EXECUTION STEP...`, where an execution is
//! `plain`, `channels-last`, `autocast`, `fused-f32` or `fused-bf16`, and a step `weight`, `full_v2`, `two`,
//! `full` or `all_paths`.

#![expect(clippy::print_stdout, reason = "it is what the program is for")]

use std::error::Error;
use std::time::Instant;

use architecture_search::{EdgeValues, GateMode, Logits};
use op_catalog::SpaceDefinition;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use supernet::{Batch, Execution, LabelSmoothing, Sgd, SgdSettings, Storage, Supernet, WeightStep};
use tch::{Device, Kind, Tensor};
use torch_shim::Allocations;

/// What steps are made with.
struct Bench {
    net: Supernet,
    batch: Batch,
    weight_step: WeightStep,
    logits: Logits,
    random: ChaCha8Rng,
}

#[derive(Clone, Copy)]
enum Step {
    Weight,
    Gates(GateMode),
    AllPaths,
}

fn execution(name: &str) -> Result<Execution, Box<dyn Error>> {
    Ok(match name {
        "plain" => Execution::Plain,
        "channels-last" => Execution::ChannelsLast,
        "autocast" => Execution::Autocast,
        "fused-f32" => Execution::Fused(Storage::F32),
        "fused-bf16" => Execution::Fused(Storage::Bf16),
        other => return Err(format!("`{other}` is no execution").into()),
    })
}

fn step(name: &str) -> Result<Step, Box<dyn Error>> {
    Ok(match name {
        "weight" => Step::Weight,
        "full_v2" => Step::Gates(GateMode::FullV2),
        "two" => Step::Gates(GateMode::Two),
        "full" => Step::Gates(GateMode::Full),
        "all_paths" => Step::AllPaths,
        other => return Err(format!("`{other}` is no step").into()),
    })
}

impl Bench {
    fn make(&mut self, step: Step) -> Result<(), Box<dyn Error>> {
        match step {
            Step::Weight => {
                let path = self.logits.sample(&mut self.random);
                self.weight_step.run(&self.net, &self.batch, &path, 0.025)?;
            }
            Step::Gates(mode) => {
                let gates = mode.sample(&self.logits, &mut self.random);
                self.net.gate_pass(&self.batch, &gates)?;
            }
            Step::AllPaths => {
                let probabilities: EdgeValues = self.logits.probabilities();
                self.net.mixture_pass(&self.batch, &probabilities)?;
            }
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [batch, threads, rounds, way, steps @ ..] = arguments.as_slice() else {
        return Err("BATCH THREADS ROUNDS EXECUTION STEP...".into());
    };
    let (batch, rounds): (i64, usize) = (batch.parse()?, rounds.parse()?);
    tch::set_num_threads(threads.parse()?);
    tch::manual_seed(1);
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let space = SpaceDefinition::built_in("proxyless-mobile")?.build()?;
    let net = Supernet::new(space, execution(way)?, &mut random)?;
    let images = Tensor::randn(net.image_shape(batch), (Kind::Float, Device::Cpu));
    let labels = Tensor::randint(1000, [batch], (Kind::Int64, Device::Cpu));
    let optimizer = Sgd::new(SgdSettings::PUBLISHED)?;
    let mut bench = Bench {
        logits: Logits::random(net.space(), &mut random),
        batch: Batch { images, labels },
        weight_step: WeightStep { optimizer, smoothing: LabelSmoothing::PUBLISHED },
        net,
        random,
    };
    let steps: Vec<(&String, Step)> =
        steps.iter().map(|name| Ok((name, step(name)?))).collect::<Result<_, Box<dyn Error>>>()?;
    let mut seconds = vec![Vec::new(); steps.len()];
    for round in 0..=rounds {
        for ((_, step), seconds) in steps.iter().zip(&mut seconds) {
            let start = Instant::now();
            bench.make(*step)?;
            // The first round is the warm-up.
            if round > 0 {
                seconds.push(start.elapsed().as_secs_f64());
            }
        }
    }
    for ((name, step), mut seconds) in steps.into_iter().zip(seconds) {
        let counter = Allocations::count()?;
        bench.make(step)?;
        seconds.sort_by(f64::total_cmp);
        let median = seconds[seconds.len() / 2];
        println!("{way:<14} {name:<10} {median:.3} s  {:>6} MB", counter.peak_bytes() / 1_000_000);
    }
    Ok(())
}
