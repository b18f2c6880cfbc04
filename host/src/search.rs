//! `host search`: learns a network for a device and a latency target, in a run's folder.

use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use clap::Args;
use datasets::Recipe;
use latency_tables::{EdgeCosts, file};
use op_catalog::SearchSpace;
use runs::{RunFolder, SearchConfig, SearchOptions, images, searched_space};

use crate::latency_range::LatencyRange;
use crate::run_place::RunPlace;
use crate::trainer;
use command_line::hint::WithHint;
use command_line::{output, resolve};

/// Arguments of `host search`.
#[derive(Args, Debug)]
pub(crate) struct SearchArgs {
    /// The device to search for: it is profiled first
    #[arg(long, value_name = "NAME", conflicts_with = "table")]
    device: Option<String>,
    /// The latency table to search by
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,
    #[command(flatten)]
    place: RunPlace,
    #[command(flatten)]
    options: SearchOptions,
}

/// Runs the command: becomes the trainer once all is ready. Returns only where that fails.
pub(crate) fn run(args: &SearchArgs) -> anyhow::Result<std::convert::Infallible> {
    let root = args.place.folder(|root| prepare(args, root))?;
    Err(trainer::become_it("search", [root.as_os_str()]))
}

/// Makes the run's folder, after everything that can be wrong was looked at.
fn prepare(args: &SearchArgs, root: &Path) -> anyhow::Result<()> {
    let options = args.options.clone().with_file(args.place.config.as_deref())?;
    let profiled = match &args.device {
        Some(device) => Some(profile(device, options.space.as_deref(), root)?),
        None => None,
    };
    let path = profiled
        .as_ref()
        .or(args.table.as_ref())
        .context("there is neither a device nor a table to search for")
        .hint("name a device with --device, or a latency table with --table")?;
    let table = resolve::table(path)?;
    let space = resolve::space_for(&table, options.space.as_deref())?
        .context("the table does not say which space it was made for")
        .hint("name the space with --space")?;
    let mut config = settings(options, &space)?;
    let costs = EdgeCosts::new(&space, &table)?;
    LatencyRange::new(&space, &costs).ensure_has(config.target.milliseconds().0)?;
    if let Some(search) = &config.supernet {
        let its = supernet(search, &space)?;
        config = config.on_weights_of(&its)?;
    }
    trainer::ensure_has(config.execution)?;
    RunFolder::create(root, |folder| {
        folder.write(&folder.space(), &toml::to_string_pretty(space.definition())?)?;
        file::write(&folder.table(), &table)?;
        folder.write_config(&config)
    })?;
    output::note(&format!("the run is in {}", root.display()));
    Ok(())
}

fn settings(options: SearchOptions, space: &SearchSpace) -> anyhow::Result<SearchConfig> {
    let input = images::input(space)?;
    let data = options.data.as_deref().context("there are no images");
    let data = data.hint("name them with --data")?;
    let dataset = images::open(data, input, space.definition().classes)?;
    let data = Some(images::from_anywhere(data)?);
    let supernet = options.supernet.as_deref().map(std::path::absolute).transpose()?;
    let options = SearchOptions { data, supernet, ..options };
    options.resolve(Recipe::for_dataset(&dataset, images::target(input)))
}

/// The settings of the search whose weights are searched on, which is of the same space.
fn supernet(search: &Path, space: &SearchSpace) -> anyhow::Result<SearchConfig> {
    let folder = RunFolder::read(search)?;
    let its = searched_space::of(&folder)?;
    if its.definition() == space.definition() {
        return SearchConfig::read(&folder.config());
    }
    let (path, name) = (search.display(), space.name());
    let error = anyhow::anyhow!("{path} is a search in another space than `{name}`");
    Err(error).hint("name a search in the same space, or leave --supernet away")
}

/// Profiles a device into a table beside the run, or goes on with one that was interrupted. Its report is for
/// people here.
fn profile(device: &str, space: Option<&str>, root: &Path) -> anyhow::Result<PathBuf> {
    let table = root.with_extension("table.json");
    if let Some(parent) = table.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["profile", "--device", device, "--out"]).arg(&table);
    command.args(space.into_iter().flat_map(|space| ["--space", space]));
    command.stdout(Stdio::from(std::io::stderr().as_fd().try_clone_to_owned()?));
    let status = command.status().context("cannot start `host profile`")?;
    ensure!(status.success(), "`{device}` could not be profiled");
    Ok(table)
}
