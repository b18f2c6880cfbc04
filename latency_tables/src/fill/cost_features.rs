//! Cost features are the counts that an operation's time is priced by: itself, its layers, its
//! multiply-accumulates by kind, and the bytes that it moves.

use op_catalog::{Cost, Layer, LayerGraph, PlacedOp, Primitive};

/// Number of features.
pub(crate) const COUNT: usize = 9;

/// What each feature counts, with the unit that its price is per. Depthwise multiply-accumulates are
/// counted twice: among all, and as a surcharge, because a runtime vectorises them less well, the
/// kernels of each size in their own way, and those that step over pixels worst.
pub(crate) const NAMES: [&str; COUNT] = [
    "operation",
    "layer",
    "million multiply-accumulates",
    "million more if depthwise, kernel up to 3",
    "million more if depthwise, kernel 5",
    "million more if depthwise, kernel 7 or above",
    "million more if depthwise, with a stride",
    "megabyte of weights",
    "megabyte of activations read and written",
];

/// The counts, in the order of [`NAMES`].
pub(crate) type CostFeatures = [f64; COUNT];

/// The counts of an operation on one image.
pub(crate) fn of(placed: &PlacedOp) -> CostFeatures {
    let graph = placed.lower();
    let cost = Cost::of(&graph);
    let mut features = [0.0; COUNT];
    features[0] = 1.0;
    for layer in &graph.layers {
        features[1] += f64::from(u8::from(computes(layer)));
        features[8] += 4e-6 * read(layer);
        if let Some((index, stride)) = depthwise(layer) {
            let macs = macs_of(layer) / 1e6;
            features[index] += macs;
            features[6] += if stride > 1 { macs } else { 0.0 };
        }
    }
    features[2] = cost.macs as f64 / 1e6;
    features[7] = cost.weight_bytes as f64 / 1e6;
    features[8] += cost.activation_bytes as f64 / 1e6;
    features
}

/// Whether a layer is one of its own once normalisation, activation and shortcut are folded.
fn computes(layer: &Layer) -> bool {
    !matches!(
        layer.primitive,
        Primitive::BatchNorm
            | Primitive::Relu6
            | Primitive::Relu
            | Primitive::HardSwish
            | Primitive::HardSigmoid
            | Primitive::Add { .. }
    )
}

/// Numbers that a layer reads, weights aside.
fn read(layer: &Layer) -> f64 {
    let first = layer.input_map.elements() as f64;
    match layer.primitive {
        // What was added comes from elsewhere.
        Primitive::Add { .. } => 2.0 * first,
        _ if computes(layer) => first,
        _ => 0.0,
    }
}

/// The feature and the stride of a depthwise convolution.
fn depthwise(layer: &Layer) -> Option<(usize, u32)> {
    let Primitive::Conv { kernel, stride, groups, .. } = layer.primitive else { return None };
    let is_depthwise = groups > 1 && groups == layer.input_map.channels();
    let index = match kernel {
        0..=3 => 3,
        4..=5 => 4,
        _ => 5,
    };
    is_depthwise.then_some((index, stride))
}

fn macs_of(layer: &Layer) -> f64 {
    let alone = LayerGraph {
        inputs: vec![layer.input_map],
        layers: vec![layer.clone()],
        output: layer.input,
        output_map: layer.output_map,
    };
    Cost::of(&alone).macs as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counted by hand: 24 channels widened to 72 on 8 x 8, stepped to 4 x 4, narrowed to 40.
    #[test]
    fn a_block_is_counted_by_kind() {
        let features = of(&"mbconv-k5-e3-in8x8x24-out4x4x40-s2".parse().unwrap());
        let depthwise = 25.0 * 72.0 * 16.0 / 1e6;
        let macs = (24.0 * 72.0 * 64.0 + 72.0 * 40.0 * 16.0) / 1e6 + depthwise;
        let weights = 4.0 * (24.0 * 72.0 + 72.0 + 25.0 * 72.0 + 72.0 + 72.0 * 40.0 + 40.0) / 1e6;
        let read = 64.0 * (24.0 + 72.0) + 16.0 * 72.0;
        let written = 64.0 * 72.0 + 16.0 * (72.0 + 40.0);
        let moved = 4.0 * (read + written) / 1e6;
        let expected = [1.0, 3.0, macs, 0.0, depthwise, 0.0, depthwise, weights, moved];
        for (index, (found, expected)) in features.into_iter().zip(expected).enumerate() {
            assert!((found - expected).abs() < 1e-12, "{}: {found} {expected}", NAMES[index]);
        }
    }

    #[test]
    fn a_dense_convolution_has_no_surcharge() {
        let features = of(&"conv-k3-in8x8x3-out4x4x16-s2".parse().unwrap());
        assert!(features[3..7].iter().all(|count| *count < f64::MIN_POSITIVE), "{features:?}");
        assert!(0.0 < features[2]);
    }
}
