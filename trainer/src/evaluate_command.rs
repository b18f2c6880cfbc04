//! `host eval`: how well a trained network, or a path of a supernet, does on test images.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use command_line::{output, resolve};
use datasets::Split;
use runs::{Accuracy, ExecutionName, RunFolder, SearchConfig, TrainConfig, images, searched_space};
use supernet::{Execution, SingleNetwork};

use crate::evaluation::{evaluate, recalibrate};
use crate::normalised_set::NormalisedSet;
use crate::randomness::{Purpose, stream};
use crate::{execution, extraction, tensor_file, train};

#[derive(Debug, Args)]
pub(crate) struct EvalArgs {
    /// The run of a training, or of a search
    run: PathBuf,
    /// Of a search: the architecture whose path is evaluated, with running statistics found anew
    #[arg(long, value_name = "FILE")]
    architecture: Option<String>,
    /// The images [default: those of the run]
    #[arg(long, value_name = "DATA")]
    data: Option<String>,
    /// How the network is run
    #[arg(long, default_value_t = ExecutionName::Fastest)]
    execution: ExecutionName,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: &EvalArgs) -> anyhow::Result<()> {
    let folder = RunFolder::read(&args.run)?;
    let execution = execution::of(args.execution)?;
    let (name, accuracy) = match &args.architecture {
        Some(architecture) => of_path(args, &folder, architecture, execution)?,
        None => of_training(args, &folder, execution)?,
    };
    if args.json {
        return output::json(&accuracy);
    }
    let Accuracy { top1, top5, images } = accuracy;
    output::data(&format!(
        "{name}: top-1 {:.2} %, top-5 {:.2} % of {images} images",
        100.0 * top1,
        100.0 * top5
    ))
}

/// The network of a training, with its weights.
pub(crate) fn trained(folder: &RunFolder, execution: Execution) -> anyhow::Result<SingleNetwork> {
    let (_, network) = train::network(folder)?;
    let weights = folder.weights();
    anyhow::ensure!(
        weights.is_file(),
        "{} has no weights yet: its training has not ended",
        folder.root().display()
    );
    // Weights that are overwritten at once need no seed of the user's.
    let network = SingleNetwork::random(network, execution, &mut stream(0, Purpose::Start, 0))?;
    tensor_file::load_variables(&weights, network.variables())?;
    Ok(network)
}

fn of_training(
    args: &EvalArgs,
    folder: &RunFolder,
    execution: Execution,
) -> anyhow::Result<(String, Accuracy)> {
    let config = TrainConfig::read(&folder.config())
        .with_context(|| format!("{} is no training", folder.root().display()))?;
    let network = trained(folder, execution)?;
    let (input, classes) = (network.network().input(), network.network().output().channels());
    let own = NormalisedSet::open(&config.data, input, classes, config.seed)?;
    let set = match &args.data {
        Some(data) => own.with_images_of(images::open(data, input, classes)?),
        None => own,
    };
    let accuracy = evaluate(&network, &set, Split::Test, &config.recipe)?;
    Ok((set.name().to_owned(), accuracy))
}

fn of_path(
    args: &EvalArgs,
    folder: &RunFolder,
    architecture: &str,
    execution: Execution,
) -> anyhow::Result<(String, Accuracy)> {
    let config = SearchConfig::read(&folder.config())
        .with_context(|| format!("{} is no search", folder.root().display()))?;
    let space = searched_space::of(folder)?;
    let network = resolve::network(architecture, Some(&space))?.network;
    let network = extraction::from_search(folder.root(), &network, execution)?;
    let input = images::input(&space)?;
    let data = args.data.as_ref().unwrap_or(&config.data);
    let set = NormalisedSet::open(data, input, space.definition().classes, config.seed)?;
    recalibrate(&network, &mut set.feed(&config.recipe, config.batch.get(), config.seed)?)?;
    let accuracy = evaluate(&network, &set, Split::Test, &config.recipe)?;
    Ok((set.name().to_owned(), accuracy))
}
