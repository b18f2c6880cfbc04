//! `host export`: a trained network for other programs: ONNX, safetensors, and ProxylessNAS' `net.config`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use command_line::output;
use op_catalog::weights::random_images;
use op_catalog::{onnx, proxyless_config};
use runs::RunFolder;
use supernet::{Execution, Mode, SingleNetwork};
use tch::Tensor;

use crate::evaluate_command::trained;
use crate::{tensor_file, train};

/// Seed of the images of the example.
const EXAMPLE_SEED: u64 = 1;

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The run of a training
    run: PathBuf,
    /// The folder that the files are put into
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Images that the ONNX model takes at a time
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4096))]
    batch: u32,
}

/// Runs the command.
pub(crate) fn run(args: &ExportArgs) -> anyhow::Result<()> {
    let folder = RunFolder::read(&args.run)?;
    // In f32 and operation by operation: what is exported is what other programs compute.
    let network = trained(&folder, Execution::Plain)?;
    fs::create_dir_all(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
    let graph = network.network().lower();
    let model = onnx::model(&graph, &network.weights()?, args.batch)?;
    write(&args.out.join("model.onnx"), &model)?;
    let weights = args.out.join("weights.safetensors");
    tensor_file::write_variables(&weights, network.variables())?;
    told(&weights);
    let text = fs::read_to_string(folder.network())?;
    write(&args.out.join("network.json"), text.as_bytes())?;
    match proxyless_config::export(network.network()) {
        Ok(config) => write(&args.out.join("net.config"), config.as_bytes())?,
        Err(error) => output::note(&format!("no net.config, whose format cannot hold it: {error}")),
    }
    example(args, &network)?;
    let (name, _) = train::network(&folder)?;
    output::note(&format!(
        "exported `{name}`; example.safetensors has images and their scores, to check others by"
    ));
    output::data(&args.out.display().to_string())
}

/// Images with the scores that libtorch gives them.
fn example(args: &ExportArgs, network: &SingleNetwork) -> anyhow::Result<()> {
    let images = random_images(network.network().input(), args.batch, EXAMPLE_SEED);
    let shape: Vec<i64> = images.shape.iter().map(|length| length.cast_signed() as i64).collect();
    let images = Tensor::f_from_slice(&images.values)?.f_view(shape.as_slice())?;
    let scores = tch::no_grad(|| network.scores(&images, Mode::Evaluate))?;
    let path = args.out.join("example.safetensors");
    let names = ["images".to_owned(), "scores".to_owned()];
    tensor_file::write(&path, names.iter().zip([&images, &scores]))?;
    told(&path);
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    told(path);
    Ok(())
}

fn told(path: &Path) {
    output::note(&format!("wrote {}", path.display()));
}
