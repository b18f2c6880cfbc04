//! An exported model as a runtime other than libtorch runs it.

use std::path::Path;

use tract_onnx::prelude::{Framework, InferenceModelExt, IntoRunnable, TValue, Tensor};

/// The first output of an ONNX model on one input, given as its shape and its numbers.
///
/// # Panics
/// Where tract does not read or run it.
pub fn tract_scores(model: &Path, (shape, values): &(Vec<usize>, Vec<f32>)) -> Vec<f32> {
    let model = tract_onnx::onnx()
        .model_for_path(model)
        .and_then(InferenceModelExt::into_optimized)
        .and_then(IntoRunnable::into_runnable)
        .expect("tract reads the model");
    let input: TValue = Tensor::from_shape(shape, values).expect("values of this shape").into();
    let outputs = model.run(vec![input].into()).expect("tract runs the model");
    let scores = outputs[0].to_plain_array_view::<f32>().expect("numbers");
    scores.iter().copied().collect()
}
