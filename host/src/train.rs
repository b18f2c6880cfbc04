//! `host train`: trains one network, in a run's folder.

use std::path::Path;

use anyhow::Context;
use clap::Args;
use datasets::Recipe;
use op_catalog::NetworkFile;
use runs::{RunFolder, TrainOptions, images, searched_space};

use crate::run_place::RunPlace;
use crate::trainer;
use command_line::hint::WithHint;
use command_line::{output, resolve};

/// Arguments of `host train`.
#[derive(Args, Debug)]
pub(crate) struct TrainArgs {
    /// The network: an architecture, a network or a net.config, or the name of a reference network
    #[arg(long, value_name = "NETWORK", required_unless_present = "resume")]
    network: Option<String>,
    /// The space of an architecture, or whose images and classes a reference network takes
    #[arg(long, value_name = "SPACE")]
    space: Option<String>,
    #[command(flatten)]
    place: RunPlace,
    #[command(flatten)]
    options: TrainOptions,
}

/// Runs the command: becomes the trainer once all is ready. Returns only where that fails.
pub(crate) fn run(args: &TrainArgs) -> anyhow::Result<std::convert::Infallible> {
    let root = args.place.folder(|root| prepare(args, root))?;
    Err(trainer::become_it("train", [root.as_os_str()]))
}

/// Makes the run's folder, after everything that can be wrong was looked at.
fn prepare(args: &TrainArgs, root: &Path) -> anyhow::Result<()> {
    let options = args.options.clone().with_file(args.place.config.as_deref())?;
    let space = args.space.as_deref().map(resolve::space).transpose()?;
    let network = args.network.as_deref().context("there is no network to train")?;
    let named = resolve::network(network, space.as_ref())?;
    let input = named.network.input();
    let data =
        options.data.as_deref().context("there are no images").hint("name them with --data")?;
    let dataset = images::open(data, input, named.network.output().channels())?;
    let supernet = options.supernet.as_deref().map(std::path::absolute).transpose()?;
    if let Some(search) = &supernet {
        let search = RunFolder::read(search)?;
        searched_space::path(&search, &searched_space::of(&search)?, &named.network)?;
    }
    let data = Some(images::from_anywhere(data)?);
    let options = TrainOptions { data, supernet, ..options };
    let config = options.resolve(Recipe::for_dataset(&dataset, images::target(input)))?;
    config.check_images(&dataset)?;
    trainer::ensure_has(config.execution)?;
    let file = NetworkFile::Network { name: named.name, network: named.network };
    RunFolder::create(root, |folder| {
        folder.write(&folder.network(), &file.to_json())?;
        folder.write_config(&config)
    })?;
    output::note(&format!("the run is in {}", root.display()));
    Ok(())
}
