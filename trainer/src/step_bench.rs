//! A step bench times the kinds of step that a search makes, by turns, and counts the bytes that each holds.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Instant;

use anyhow::{Context, ensure};
use architecture_search::{EdgeValues, GateMode, Logits};
use clap::Args;
use command_line::{output, resolve};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use runs::ExecutionName;
use serde::Serialize;
use serde_json::{Map, Value};
use supernet::{Batch, LabelSmoothing, Sgd, SgdSettings, Supernet, WeightStep};
use tch::{Kind, Tensor};
use torch_shim::Allocations;

use crate::{execution, progress};

/// The rate of a published search's first step. It does not change what a step costs.
const LEARNING_RATE: f64 = 0.025;

#[derive(Debug, Args)]
pub(crate) struct StepArgs {
    /// The search space: a built-in name or a TOML file
    #[arg(long, default_value = "proxyless-mobile", value_name = "SPACE")]
    space: String,
    /// Images in a step
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=4096))]
    batch: u32,
    /// Threads that compute
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: u32,
    /// How the network is run
    #[arg(long, default_value_t = ExecutionName::Fastest)]
    execution: ExecutionName,
    /// Steps of each kind that are timed, by turns, after one that is not
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seed of weights, images and paths
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print the numbers as JSON
    #[arg(long)]
    json: bool,
}

/// A kind of step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The weights of one sampled path, SGD included.
    Weight,
    /// The gradient in every gate.
    Gates(GateMode),
    /// The logits' gradient through every candidate at once, with its graph: what search was before gates.
    AllPaths,
}

impl Step {
    const ALL: [Self; 5] = [
        Self::Weight,
        Self::Gates(GateMode::FullV2),
        Self::Gates(GateMode::Two),
        Self::Gates(GateMode::Full),
        Self::AllPaths,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Weight => "weight",
            Self::Gates(GateMode::Single) => "single",
            Self::Gates(GateMode::Two) => "two",
            Self::Gates(GateMode::Full) => "full",
            Self::Gates(GateMode::FullV2) => "full_v2",
            Self::AllPaths => "all_paths",
        }
    }
}

/// What steps are made with.
struct Bench {
    net: Supernet,
    batch: Batch,
    weight_step: WeightStep,
    logits: Logits,
    random: ChaCha8Rng,
}

/// What a kind of step costs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct StepCost {
    /// Seconds a step: the median.
    median_s: f64,
    /// Bytes that tensors hold at most at a time, beyond what is there between steps: weights, optimizer
    /// and images.
    peak_bytes: i64,
}

/// Times all kinds of step.
pub(crate) fn run(args: &StepArgs) -> anyhow::Result<()> {
    tch::set_num_threads(i32::try_from(args.threads).context("the number of threads")?);
    let mut bench = Bench::new(args)?;
    let costs = bench.costs(args.rounds)?;
    if args.json {
        let by_name =
            costs.iter().map(|(step, cost)| Ok((step.name().into(), serde_json::to_value(cost)?)));
        return output::json(&Value::Object(by_name.collect::<anyhow::Result<Map<_, _>>>()?));
    }
    output::data(&text(args, execution::name(bench.net.execution()), &costs))
}

impl Bench {
    fn new(args: &StepArgs) -> anyhow::Result<Self> {
        let mut random = ChaCha8Rng::seed_from_u64(args.seed);
        tch::manual_seed(args.seed.cast_signed());
        let space = resolve::space(&args.space)?;
        let classes = i64::from(space.definition().classes);
        let logits = Logits::random(&space, &mut random);
        let net = Supernet::new(space, execution::of(args.execution)?, &mut random)?;
        let (shape, device) = (net.image_shape(args.batch.into()), net.execution().device());
        let batch = Batch {
            images: Tensor::f_randn(shape, (Kind::Float, device))?,
            labels: Tensor::f_randint(classes, [i64::from(args.batch)], (Kind::Int64, device))?,
        };
        let weight_step = WeightStep {
            optimizer: Sgd::new(SgdSettings::PUBLISHED)?,
            smoothing: LabelSmoothing::PUBLISHED,
        };
        Ok(Self { net, batch, weight_step, logits, random })
    }

    /// The cost of every kind, timed by turns: a machine that is slower for a while is so for all of them.
    fn costs(&mut self, rounds: u32) -> anyhow::Result<Vec<(Step, StepCost)>> {
        let bar = progress::bar(u64::from(rounds + 2) * Step::ALL.len() as u64);
        let mut seconds = BTreeMap::<&str, Vec<f64>>::new();
        for round in 0..=rounds {
            for step in Step::ALL {
                bar.set_message(step.name());
                let start = Instant::now();
                self.make(step)?;
                self.net.execution().wait();
                if round > 0 {
                    seconds.entry(step.name()).or_default().push(start.elapsed().as_secs_f64());
                }
                bar.inc(1);
            }
        }
        let costs = Step::ALL.into_iter().map(|step| {
            // Counting takes time, so that it has steps of its own.
            let counter = Allocations::count()?;
            self.make(step)?;
            bar.inc(1);
            let median_s = median(seconds.remove(step.name()).unwrap_or_default())?;
            Ok((step, StepCost { median_s, peak_bytes: counter.peak_bytes() }))
        });
        let costs = costs.collect();
        bar.finish_and_clear();
        costs
    }

    fn make(&mut self, step: Step) -> anyhow::Result<()> {
        match step {
            Step::Weight => {
                let path = self.logits.sample(&mut self.random);
                self.weight_step.run(&self.net, &self.batch, &path, LEARNING_RATE)?;
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

/// The middle number, or the mean of the two in the middle.
fn median(mut seconds: Vec<f64>) -> anyhow::Result<f64> {
    ensure!(!seconds.is_empty(), "no step was timed");
    seconds.sort_by(f64::total_cmp);
    let middle = seconds.len() / 2;
    let below = if seconds.len().is_multiple_of(2) { middle - 1 } else { middle };
    Ok(f64::midpoint(seconds[below], seconds[middle]))
}

fn text(args: &StepArgs, execution: ExecutionName, costs: &[(Step, StepCost)]) -> String {
    let weight =
        costs.iter().find(|(step, _)| *step == Step::Weight).map(|(_, cost)| cost.median_s);
    let mut text = format!(
        "{}, batch {}, {} thread{}, {execution}: medians of {}\n",
        args.space,
        args.batch,
        args.threads,
        if args.threads == 1 { "" } else { "s" },
        args.rounds
    );
    for (step, StepCost { median_s, peak_bytes }) in costs {
        let ratio = weight.map_or(f64::NAN, |weight| median_s / weight);
        let megabytes = *peak_bytes as f64 / 1e6;
        let name = step.name();
        // Writing to a text does not fail.
        let _ = writeln!(text, "{name:<10} {median_s:>8.3} s  {ratio:>5.2} x  {megabytes:>7.0} MB");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_between_the_two_in_the_middle() {
        assert!((median(vec![4.0, 1.0, 2.0, 9.0]).unwrap() - 3.0).abs() < 1e-12);
        assert!((median(vec![4.0, 1.0, 2.0]).unwrap() - 2.0).abs() < 1e-12);
        assert!(median(Vec::new()).is_err());
    }
}
