//! `host rank`: which of several networks is the best by the weights that a search has for them.

use std::num::NonZeroU32;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use command_line::hint::WithHint;
use command_line::{output, resolve};
use op_catalog::{Architecture, SearchSpace};
use runs::{ExecutionName, Ranked, RunFolder, SearchConfig, searched_space};
use supernet::Supernet;

use crate::evaluation::look;
use crate::halving::{self, Look};
use crate::images::Feed;
use crate::progress;
use crate::randomness::{Purpose, stream};
use crate::search::plan;
use crate::{execution, extraction};

/// Images that every network is looked at on.
const FIRST_IMAGES: u64 = 1000;

#[derive(Debug, Args)]
pub(crate) struct RankArgs {
    /// The run of a search
    run: PathBuf,
    /// Architectures of its space
    #[arg(required = true, value_name = "FILE")]
    architectures: Vec<String>,
    /// How the networks are run
    #[arg(long, default_value_t = ExecutionName::Fastest)]
    execution: ExecutionName,
    /// Threads [default: the search's]
    #[arg(long)]
    threads: Option<NonZeroU32>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: &RankArgs) -> anyhow::Result<()> {
    let folder = RunFolder::read(&args.run)?;
    let config = SearchConfig::read(&folder.config())
        .with_context(|| format!("{} is no search", folder.root().display()))?;
    let space = searched_space::of(&folder)?;
    let paths = paths(&args.architectures, &space)?;
    let threads = args.threads.unwrap_or(config.threads);
    tch::set_num_threads(i32::try_from(threads.get()).context("the number of threads")?);
    let mut feed = plan::held_out(&config, &space)?;
    let net =
        Supernet::new(space, execution::of(args.execution)?, &mut stream(0, Purpose::Start, 0))?;
    extraction::take_weights(&args.run, &net)?;
    let ranked = rank(&net, &mut feed, &paths, u64::from(config.architecture_batch.get()))?;
    let ranked = ranked.into_iter().map(|standing| Ranked {
        position: standing.position,
        architecture: args.architectures[standing.position].clone(),
        loss: standing.seen.mean_loss(),
        accuracy: standing.seen.right / standing.seen.images,
        images: standing.seen.images as u64,
    });
    let ranked: Vec<Ranked> = ranked.collect();
    if args.json { output::json(&ranked) } else { output::data(&text(&ranked)) }
}

fn paths(files: &[String], space: &SearchSpace) -> anyhow::Result<Vec<Architecture>> {
    let path = |file: &String| {
        let network = resolve::network(file, Some(space))?.network;
        space
            .architecture_of(&network)
            .with_context(|| format!("{file} is no network of the space `{}`", space.name()))
            .hint("a supernet has weights for networks of its own space alone")
    };
    files.iter().map(path).collect()
}

fn rank(
    net: &Supernet,
    feed: &mut Feed,
    paths: &[Architecture],
    batch: u64,
) -> anyhow::Result<Vec<halving::Standing>> {
    let rounds = halving::rounds(FIRST_IMAGES.div_ceil(batch), u64::from(feed.steps_per_epoch()));
    let bar = progress::bar(halving::looks(paths.len(), &rounds));
    let ranked = halving::rank(paths.len(), &rounds, |number, positions| {
        let batch = feed.batch(number)?;
        bar.set_message(format!("{} networks", positions.len()));
        let looks = positions.iter().map(|&position| {
            bar.inc(1);
            let (loss, accuracy) = look(net, &batch, &paths[position])?;
            let images = batch.labels.size()[0] as f64;
            Ok(Look { loss: images * loss, right: images * accuracy, images })
        });
        looks.collect::<anyhow::Result<_>>()
    })?;
    bar.finish_and_clear();
    Ok(ranked)
}

fn text(ranked: &[Ranked]) -> String {
    let line = |ranked: &Ranked| {
        let Ranked { architecture, loss, accuracy, images, .. } = ranked;
        format!("{loss:.4} nats  {:.2} %  of {images} images  {architecture}", 100.0 * accuracy)
    };
    ranked.iter().map(line).collect::<Vec<_>>().join("\n")
}
