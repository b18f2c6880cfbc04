//! A loss bench trains one supernet in several executions, on the same images, along the same paths, from the same
//! weights: what their kernels and precisions do to learning.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};
use command_line::picture::curves::{Curve, Curves, Panel};
use command_line::{output, picture, resolve};
use indicatif::ProgressBar;
use op_catalog::SearchSpace;
use runs::{ExecutionName, images};
use supernet::{LabelSmoothing, Sgd, SgdSettings, Supernet, WeightStep};

use crate::execution;
use crate::normalised_set::NormalisedSet;
use crate::progress;
use crate::randomness::{Purpose, stream};

/// Steps that a point of the picture is the mean of.
const SMOOTHED: usize = 10;

#[derive(Debug, Args)]
pub(crate) struct LossArgs {
    /// The search space: a built-in name or a TOML file
    #[arg(long, default_value = "proxyless-small", value_name = "SPACE")]
    space: String,
    /// Height and width of the images, in the place of the space's own
    #[arg(long, value_name = "PIXELS")]
    resolution: Option<u32>,
    /// Classes, in the place of the space's own
    #[arg(long)]
    classes: Option<u32>,
    /// The images: a folder (docs/data.md), or `synthetic`
    #[arg(long, value_name = "DATA")]
    data: String,
    /// Images in a step
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(2..=4096))]
    batch: u32,
    /// Threads that compute
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: u32,
    /// Steps of weights
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
    /// An execution; may be said several times
    #[arg(long = "execution", default_values_t = [ExecutionName::Plain, ExecutionName::Fastest])]
    executions: Vec<ExecutionName>,
    /// Along which paths
    #[arg(long, value_enum, default_value_t = Paths::Random)]
    paths: Paths,
    /// Learning rate
    #[arg(long, default_value_t = 0.05)]
    learning_rate: f64,
    /// Seed of weights, images and paths
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The picture: NAME.svg or NAME.png, or NAME for both
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Print the losses as JSON
    #[arg(long)]
    json: bool,
}

/// Which paths steps train.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Paths {
    /// Another one in every step, as a search does
    Random,
    /// One in all steps, as a training does
    One,
}

/// Losses of each execution, in nats, by step.
type Losses = Vec<(ExecutionName, Vec<f64>)>;

/// Trains in every execution.
pub(crate) fn run(args: &LossArgs) -> anyhow::Result<()> {
    args.plot.as_deref().map_or(Ok(()), picture::check)?;
    tch::set_num_threads(i32::try_from(args.threads).context("the number of threads")?);
    let space = space(args)?;
    let input = images::input(&space)?;
    let set = NormalisedSet::open(&args.data, input, space.definition().classes, args.seed)?;
    let bar = progress::bar(u64::from(args.steps) * args.executions.len() as u64);
    let of_execution = |name: &ExecutionName| {
        bar.set_message(name.to_string());
        Ok((*name, losses(args, &space, &set, *name, &bar)?))
    };
    let losses: Losses = args.executions.iter().map(of_execution).collect::<anyhow::Result<_>>()?;
    bar.finish_and_clear();
    if let Some(path) = &args.plot {
        picture::tell(&picture::write(path, &curves(args, set.name(), &losses))?);
    }
    if args.json {
        let by_name = losses.iter().map(|(name, losses)| (name.to_string(), losses));
        return output::json(&by_name.collect::<BTreeMap<_, _>>());
    }
    output::data(&text(&losses))
}

fn space(args: &LossArgs) -> anyhow::Result<SearchSpace> {
    let mut definition = resolve::space(&args.space)?.definition().clone();
    if let Some(pixels) = args.resolution {
        definition = definition.with_resolution(pixels, pixels);
    }
    if let Some(classes) = args.classes {
        definition = definition.with_classes(classes);
    }
    Ok(definition.build()?)
}

fn losses(
    args: &LossArgs,
    space: &SearchSpace,
    set: &NormalisedSet,
    name: ExecutionName,
    bar: &ProgressBar,
) -> anyhow::Result<Vec<f64>> {
    let mut feed = set.feed(&set.recipe(), args.batch, args.seed)?;
    let mut random = stream(args.seed, Purpose::Start, 0);
    let net = Supernet::new(space.clone(), execution::of(name)?, &mut random)?;
    let optimizer = Sgd::new(SgdSettings::PUBLISHED)?;
    let mut step = WeightStep { optimizer, smoothing: LabelSmoothing::PUBLISHED };
    let loss_of = |number: u32| {
        let number = u64::from(number);
        let drawn = match args.paths {
            Paths::Random => number,
            Paths::One => 0,
        };
        let path = space.sample(&mut stream(args.seed, Purpose::Path, drawn));
        let score = step.run(&net, &feed.batch(number)?, &path, args.learning_rate)?;
        bar.inc(1);
        Ok(score.loss)
    };
    (0..args.steps).map(loss_of).collect()
}

fn curves(args: &LossArgs, images: &str, losses: &Losses) -> Curves {
    let curve = |(name, losses): &(ExecutionName, Vec<f64>)| {
        let points = losses.iter().enumerate().map(|(step, loss)| (step as f64, *loss));
        Curve { name: name.to_string(), points: points.collect() }.smoothed(SMOOTHED)
    };
    let panel = Panel {
        up: "loss, nats".to_owned(),
        curves: losses.iter().map(curve).collect(),
        levels: Vec::new(),
    };
    Curves {
        title: format!(
            "{} on {images}, batch {}: means of {SMOOTHED} steps",
            args.space, args.batch
        ),
        across: match args.paths {
            Paths::Random => "step of weights, along a random path each".to_owned(),
            Paths::One => "step of weights, along one path".to_owned(),
        },
        panels: vec![panel],
    }
}

/// The mean of each quarter of the steps.
fn text(losses: &Losses) -> String {
    let mut text = "mean loss in nats of each quarter of the steps\n".to_owned();
    for (name, losses) in losses {
        let quarters = losses
            .chunks(losses.len().div_ceil(4))
            .map(|part| format!("{:>8.4}", part.iter().sum::<f64>() / part.len() as f64));
        // Writing to a text does not fail.
        let _ = writeln!(text, "{name:<14}{}", quarters.collect::<String>());
    }
    text
}
