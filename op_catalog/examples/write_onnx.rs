//! Writes the ONNX model of a placed operation or of a reference network, with random weights.
//!
//! ```text
//! cargo run -p op_catalog --example write_onnx -- NAME SEED [BATCH [FILE]]
//! cargo run -p op_catalog --example write_onnx -- proxyless_mobile 1 1 proxyless_mobile.onnx
//! cargo run -p op_catalog --example write_onnx -- mbconv-k3-e6-in28x28x40-out28x28x40-s1-skip 1 > op.onnx
//! ```
//!
//! NAME is a key or the name of a reference network. Without FILE the model goes to standard output.

use std::error::Error;
use std::io::Write;

use op_catalog::{LayerGraph, PlacedOp, Weights, onnx, reference};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (name, seed, batch, file) = match &arguments[..] {
        [name, seed] => (name, seed, 1, None),
        [name, seed, batch] => (name, seed, batch.parse()?, None),
        [name, seed, batch, file] => (name, seed, batch.parse()?, Some(file)),
        _ => return Err("wanted: NAME SEED [BATCH [FILE]]".into()),
    };
    let graph = layers(name)?;
    let model = onnx::model(&graph, &Weights::random(&graph, seed.parse()?), batch)?;
    match file {
        Some(path) => std::fs::write(path, model)?,
        None => std::io::stdout().write_all(&model)?,
    }
    Ok(())
}

fn layers(name: &str) -> Result<LayerGraph, op_catalog::CatalogError> {
    match reference::network(name) {
        Ok(network) => Ok(network.lower()),
        // Keys have dashes and names do not, so that the error is about what was meant.
        Err(error) if !name.contains('-') => Err(error),
        Err(_) => Ok(name.parse::<PlacedOp>()?.lower()),
    }
}
