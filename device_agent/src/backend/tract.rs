//! The tract runtime runs the ONNX model of an item: the very bytes that an export would write.

use anyhow::Context;
use op_catalog::weights::random_images;
use op_catalog::wire::{Precision, Runtime, RuntimeInfo};
use op_catalog::{Network, Weights, onnx};
use tract_linalg::multithread::{Executor, set_default_executor};
use tract_onnx::prelude::{
    Framework, InferenceModelExt, IntoRunnable, TValue, TVec, Tensor, TypedRunnableModel,
};

use super::{Backend, Bench, Offer, Runnable, Setting};

/// The version that Cargo.toml pins.
const VERSION: &str = "0.23.9";

pub(super) const OFFER: Offer = Offer {
    runtime: Runtime::Tract,
    info: |core_count| Some(info(core_count)),
    bench: |threads, _item_seed| Ok(Bench::real(Tract::new(threads))),
};

struct Tract;

struct TractRun {
    model: std::sync::Arc<TypedRunnableModel>,
    inputs: TVec<TValue>,
}

/// What this build of tract can do.
fn info(core_count: u32) -> RuntimeInfo {
    RuntimeInfo {
        runtime: Runtime::Tract,
        version: VERSION.to_owned(),
        features: vec!["multithread-mm".to_owned()],
        // tract takes f16 too, but emulates it on most CPUs, 15 times slower than f32.
        precisions: vec![Precision::F32],
        max_threads: core_count,
    }
}

impl Tract {
    /// The executor is tract's own global, set once in the measuring child.
    fn new(threads: u32) -> Self {
        if threads > 1 {
            set_default_executor(Executor::multithread(threads as usize));
        }
        Self
    }
}

impl Backend for Tract {
    fn prepare(&self, network: &Network, setting: Setting) -> anyhow::Result<Box<dyn Runnable>> {
        let graph = network.lower();
        let weights = Weights::random(&graph, setting.weight_seed);
        let bytes =
            onnx::model(&graph, &weights, setting.batch).context("writing the ONNX model")?;
        let model = tract_onnx::onnx()
            .model_for_read(&mut bytes.as_slice())
            .context("tract: reading the ONNX model")?
            .into_optimized()
            .context("tract: optimising the model")?
            .into_runnable()
            .context("tract: planning the model")?;
        let inputs: anyhow::Result<TVec<TValue>> = graph
            .inputs
            .iter()
            .map(|map| {
                let images = random_images(*map, setting.batch, setting.weight_seed);
                Ok(Tensor::from_shape(&images.shape, &images.values)?.into())
            })
            .collect();
        Ok(Box::new(TractRun { model, inputs: inputs? }))
    }
}

impl TractRun {
    fn outputs(&self) -> anyhow::Result<TVec<TValue>> {
        self.model.run(self.inputs.clone()).context("tract: running the model")
    }
}

impl Runnable for TractRun {
    fn run(&mut self) -> anyhow::Result<()> {
        std::hint::black_box(self.outputs()?);
        Ok(())
    }

    fn output(&mut self) -> anyhow::Result<Vec<f32>> {
        let outputs = self.outputs()?;
        let output = outputs.first().context("tract: a model without an output")?;
        Ok(output.to_plain_array_view::<f32>()?.iter().copied().collect())
    }
}
