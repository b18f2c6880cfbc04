//! A model is an ONNX file: a graph as nodes, with the shapes of what comes in and goes out.

use prost::Message;

use crate::onnx::proto::{
    Dimension, DimensionValue, FLOAT, GraphProto, ModelProto, OperatorSetIdProto, TensorShapeProto,
    TensorTypeProto, TypeProto, TypeValue, ValueInfoProto,
};
use crate::onnx::writer::{OUTPUT, Writer, input_name};
use crate::{CatalogError, Cost, FeatureMap, LayerGraph, Primitive, ValueId, Weights};

/// The version of the operators, where it is enough.
const OPSET: i64 = 13;

/// The version that brought `HardSwish`, for which runtimes have a kernel of its own.
const OPSET_OF_HARD_SWISH: i64 = 14;

/// The version of the file format that came with ONNX 1.10, whose newest operators are opset 15.
const IR_VERSION: i64 = 8;

/// Protocol buffers end at 2 GiB; this leaves room for all but the weights.
const MAX_WEIGHT_BYTES: u64 = (1 << 31) - (1 << 24);

/// The ONNX file of a graph: a serialised `ModelProto`.
///
/// ```
/// use op_catalog::{PlacedOp, Weights, onnx};
/// let graph = "conv-k3-in8x8x3-out4x4x16-s2".parse::<PlacedOp>()?.lower();
/// let file = onnx::model(&graph, &Weights::random(&graph, 1), 1)?;
/// assert!(file.len() > 4 * 3 * 16 * 9);
/// # Ok::<(), op_catalog::CatalogError>(())
/// ```
///
/// # Shapes
/// Input `[batch, channels, height, width]`; output the same, or `[batch, classes]` after a linear layer.
///
/// # Errors
/// Weights of another graph, or more of them than such a file can hold.
pub fn model(graph: &LayerGraph, weights: &Weights, batch: u32) -> Result<Vec<u8>, CatalogError> {
    if Cost::of(graph).weight_bytes > MAX_WEIGHT_BYTES {
        let what = "an ONNX file of more than 2 GiB".to_owned();
        return Err(CatalogError::NotSupportedYet { what });
    }
    let (node, initializer) = Writer::new(graph, weights, batch).write()?;
    let inputs = graph.inputs.iter().enumerate();
    let model = ModelProto {
        ir_version: IR_VERSION,
        producer_name: env!("CARGO_PKG_NAME").to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: opset(graph) }],
        graph: Some(GraphProto {
            node,
            name: "network".to_owned(),
            initializer,
            input: inputs
                .map(|(index, map)| value_info(input_name(index), &image_shape(*map, batch)))
                .collect(),
            output: vec![value_info(OUTPUT.to_owned(), &output_shape(graph, batch))],
        }),
    };
    Ok(model.encode_to_vec())
}

/// The oldest version that has every operator of the graph.
fn opset(graph: &LayerGraph) -> i64 {
    let has_hard_swish = graph.layers.iter().any(|layer| layer.primitive == Primitive::HardSwish);
    if has_hard_swish { OPSET_OF_HARD_SWISH } else { OPSET }
}

fn image_shape(map: FeatureMap, batch: u32) -> Vec<u32> {
    vec![batch, map.channels(), map.height(), map.width()]
}

fn output_shape(graph: &LayerGraph, batch: u32) -> Vec<u32> {
    match graph.output {
        ValueId::Layer(index) if graph.layers[index].primitive == Primitive::Linear => {
            vec![batch, graph.output_map.channels()]
        }
        _ => image_shape(graph.output_map, batch),
    }
}

fn value_info(name: String, shape: &[u32]) -> ValueInfoProto {
    let dim = shape
        .iter()
        .map(|length| Dimension { value: Some(DimensionValue::DimValue(i64::from(*length))) })
        .collect();
    let tensor = TensorTypeProto { elem_type: FLOAT, shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto { name, r#type: Some(TypeProto { value: Some(TypeValue::TensorType(tensor)) }) }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::onnx::proto::INT64;
    use crate::placed_op::tests::any_placed_op;
    use crate::{PlacedOp, reference};

    /// The graph of the file that is written, and the version of its operators.
    pub(crate) fn decoded_with_opset(
        graph: &LayerGraph,
        seed: u64,
        batch: u32,
    ) -> (GraphProto, i64) {
        let file = model(graph, &Weights::random(graph, seed), batch).unwrap();
        let model = ModelProto::decode(file.as_slice()).unwrap();
        assert_eq!(model.ir_version, 8);
        (model.graph.unwrap(), model.opset_import[0].version)
    }

    /// The graph of the file that is written.
    pub(crate) fn decoded(graph: &LayerGraph, seed: u64, batch: u32) -> GraphProto {
        decoded_with_opset(graph, seed, batch).0
    }

    fn shape(value: &ValueInfoProto) -> Vec<i64> {
        let Some(TypeValue::TensorType(tensor)) = &value.r#type.as_ref().unwrap().value else {
            panic!("no tensor")
        };
        let dims = &tensor.shape.as_ref().unwrap().dim;
        dims.iter()
            .map(|dim| match dim.value {
                Some(DimensionValue::DimValue(n)) => n,
                None => 0,
            })
            .collect()
    }

    #[test]
    fn operators_are_of_version_13_unless_one_is_newer() {
        for (key, version) in [
            ("mbconv-k3-e6-in8x8x8-out8x8x8-s1", 13),
            ("mbconv-k3-m48-g2-se-relu-in8x8x8-out8x8x8-s1", 13),
            ("mbconv-k3-e6-hs-in8x8x8-out8x8x8-s1", 14),
        ] {
            let graph = key.parse::<PlacedOp>().unwrap().lower();
            assert_eq!(decoded_with_opset(&graph, 1, 1).1, version, "{key}");
        }
    }

    #[test]
    fn a_whole_network_has_one_convolution_per_normalisation() {
        let graph = reference::network("proxyless_mobile").unwrap().lower();
        let written = decoded(&graph, 1, 1);
        let count = |op_type| written.node.iter().filter(|node| node.op_type == op_type).count();
        let layers = |primitive| graph.layers.iter().filter(|l| l.primitive == primitive).count();
        assert_eq!(count("Conv"), layers(Primitive::BatchNorm));
        assert_eq!(count("Clip"), layers(Primitive::Relu6));
        assert_eq!((count("BatchNormalization"), count("Gemm")), (0, 1));
        assert_eq!(shape(&written.input[0]), [1, 3, 224, 224]);
        assert_eq!(shape(&written.output[0]), [1, 1000]);
        let bytes: usize = written.initializer.iter().map(|tensor| tensor.raw_data.len()).sum();
        assert_eq!(bytes as u64, Cost::of(&graph).weight_bytes + 8, "and the bounds of ReLU6");
    }

    #[test]
    fn weights_of_another_graph_are_refused() {
        let graph = |key: &str| key.parse::<PlacedOp>().unwrap().lower();
        let weights = Weights::random(&graph("zero-in8x8x3-out8x8x3-s1"), 1);
        let error = model(&graph("conv-k3-in8x8x3-out8x8x3-s1"), &weights, 1).unwrap_err();
        assert_eq!(error.to_string(), "weight `op.conv.weight`: it is missing");
    }

    proptest! {
        #[test]
        fn every_operation_is_written_so_that_names_resolve_and_shapes_fit(
            placed in any_placed_op(), seed in any::<u64>(), batch in 1_u32..9,
        ) {
            let graph = placed.lower();
            let written = decoded(&graph, seed, batch);
            prop_assert_eq!(&written, &decoded(&graph, seed, batch), "same seed, same bytes");
            let map = placed.input();
            let input = [batch, map.channels(), map.height(), map.width()].map(i64::from);
            prop_assert_eq!(shape(&written.input[0]), input);
            prop_assert_eq!(shape(&written.output[0])[..2].to_vec(), [batch, placed.output().channels()].map(i64::from));
            let mut known: BTreeSet<&String> = written.input.iter().map(|value| &value.name).collect();
            for tensor in &written.initializer {
                let count: i64 = tensor.dims.iter().product();
                let size = if tensor.data_type == INT64 { 8 } else { 4 };
                prop_assert_eq!(tensor.raw_data.len().cast_signed() as i64, size * count);
                prop_assert!(known.insert(&tensor.name));
            }
            for node in &written.node {
                prop_assert!(node.input.iter().all(|name| known.contains(name)), "{:?}", node);
                prop_assert!(known.insert(&node.output[0]));
            }
            prop_assert!(known.contains(&OUTPUT.to_owned()));
        }
    }
}
