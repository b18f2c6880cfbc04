//! The writer is the interpreter of layers that gives an ONNX model.

use prost::Message;

use crate::onnx::attributes::{attributes, int};
use crate::onnx::fold;
use crate::onnx::proto::{
    AttributeProto, Dimension, DimensionValue, FLOAT, GraphProto, ModelProto, NodeProto,
    OperatorSetIdProto, TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, TypeValue,
    ValueInfoProto,
};
use crate::weights::Tensor;
use crate::{CatalogError, Cost, FeatureMap, Layer, LayerGraph, Primitive, ValueId, Weights};

/// The version of the operators.
const OPSET: i64 = 13;

/// The version of the file format that came with ONNX 1.10, whose newest operators are opset 15.
const IR_VERSION: i64 = 8;

/// Protocol buffers end at 2 GiB; this leaves room for all but the weights.
const MAX_WEIGHT_BYTES: u64 = (1 << 31) - (1 << 24);

const RELU6_LOW: &str = "relu6.low";
const RELU6_HIGH: &str = "relu6.high";
const OUTPUT: &str = "output";

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
    let mut writer = Writer { graph, weights, nodes: Vec::new(), initializers: Vec::new() };
    writer.write()?;
    let inputs = graph.inputs.iter().enumerate();
    let model = ModelProto {
        ir_version: IR_VERSION,
        producer_name: env!("CARGO_PKG_NAME").to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        graph: Some(GraphProto {
            node: writer.nodes,
            name: "network".to_owned(),
            initializer: writer.initializers,
            input: inputs
                .map(|(index, map)| value_info(input_name(index), &image_shape(*map, batch)))
                .collect(),
            output: vec![value_info(OUTPUT.to_owned(), &output_shape(graph, batch))],
        }),
    };
    Ok(model.encode_to_vec())
}

/// Nodes and weights so far.
struct Writer<'a> {
    graph: &'a LayerGraph,
    weights: &'a Weights,
    nodes: Vec<NodeProto>,
    initializers: Vec<TensorProto>,
}

impl Writer<'_> {
    fn write(&mut self) -> Result<(), CatalogError> {
        let layers = &self.graph.layers;
        let mut index = 0;
        while let Some(layer) = layers.get(index) {
            match layers.get(index + 1) {
                Some(next) if self.folds(index, next) => {
                    self.folded_convolution(layer, next, index + 1)?;
                    index += 1;
                }
                _ => self.layer(layer, index)?,
            }
            index += 1;
        }
        if layers.is_empty() {
            let input = self.value(self.graph.output);
            self.node("Identity", "identity", vec![input], OUTPUT.to_owned(), vec![]);
        }
        Ok(())
    }

    /// Whether the layer of this index is a convolution that only the normalisation after it reads.
    fn folds(&self, index: usize, next: &Layer) -> bool {
        let value = ValueId::Layer(index);
        let LayerGraph { layers, output, .. } = self.graph;
        let reads = |layer: &Layer| {
            let adds = matches!(layer.primitive, Primitive::Add { other } if other == value);
            layer.input == value || adds
        };
        matches!(layers[index].primitive, Primitive::Conv { .. })
            && next.primitive == Primitive::BatchNorm
            && next.input == value
            && *output != value
            && layers.iter().filter(|layer| reads(layer)).count() == 1
    }

    fn folded_convolution(
        &mut self,
        convolution: &Layer,
        normalisation: &Layer,
        normalisation_index: usize,
    ) -> Result<(), CatalogError> {
        let folded = fold(convolution, normalisation, self.weights)?;
        let name = &convolution.name;
        let inputs = vec![
            self.value(convolution.input),
            self.initializer(format!("{name}.weight"), &folded.weight),
            self.initializer(format!("{name}.bias"), &folded.bias),
        ];
        let output = self.value(ValueId::Layer(normalisation_index));
        self.node("Conv", name, inputs, output, attributes(convolution.primitive));
        Ok(())
    }

    fn layer(&mut self, layer: &Layer, index: usize) -> Result<(), CatalogError> {
        let (input, output) = (self.value(layer.input), self.value(ValueId::Layer(index)));
        let mut inputs = vec![input];
        let op_type = match layer.primitive {
            Primitive::Conv { .. } => {
                inputs.push(self.weight(layer, "weight")?);
                "Conv"
            }
            Primitive::BatchNorm => {
                for part in ["weight", "bias", "running_mean", "running_var"] {
                    inputs.push(self.weight(layer, part)?);
                }
                "BatchNormalization"
            }
            Primitive::Relu6 => {
                inputs.extend(self.relu6_bounds());
                "Clip"
            }
            Primitive::MaxPool(_) => "MaxPool",
            Primitive::AveragePool(_) => "AveragePool",
            Primitive::GlobalAveragePool => "GlobalAveragePool",
            Primitive::Linear => {
                let flat = format!("{}.flat", layer.name);
                self.node("Flatten", &flat, inputs, flat.clone(), vec![int("axis", 1)]);
                inputs = vec![flat, self.weight(layer, "weight")?, self.weight(layer, "bias")?];
                "Gemm"
            }
            Primitive::Add { other } => {
                inputs.push(self.value(other));
                "Add"
            }
        };
        self.node(op_type, &layer.name, inputs, output, attributes(layer.primitive));
        Ok(())
    }

    /// Name of a value.
    fn value(&self, value: ValueId) -> String {
        match value {
            ValueId::Input(index) => input_name(index),
            value if value == self.graph.output => OUTPUT.to_owned(),
            ValueId::Layer(index) => self.graph.layers[index].name.clone(),
        }
    }

    fn node(
        &mut self,
        op_type: &str,
        name: &str,
        input: Vec<String>,
        output: String,
        attribute: Vec<AttributeProto>,
    ) {
        let (name, op_type) = (name.to_owned(), op_type.to_owned());
        self.nodes.push(NodeProto { input, output: vec![output], name, op_type, attribute });
    }

    fn weight(&mut self, layer: &Layer, part: &str) -> Result<String, CatalogError> {
        let name = format!("{}.{part}", layer.name);
        let tensor = self.weights.get(&name)?;
        Ok(self.initializer(name, tensor))
    }

    fn initializer(&mut self, name: String, tensor: &Tensor) -> String {
        self.initializers.push(TensorProto {
            dims: tensor.shape.iter().map(|length| length.cast_signed() as i64).collect(),
            data_type: FLOAT,
            name: name.clone(),
            raw_data: tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        });
        name
    }

    fn relu6_bounds(&mut self) -> [String; 2] {
        if !self.initializers.iter().any(|tensor| tensor.name == RELU6_LOW) {
            for (name, value) in [(RELU6_LOW, 0.0), (RELU6_HIGH, 6.0)] {
                let scalar = Tensor { shape: Vec::new(), values: vec![value] };
                self.initializer(name.to_owned(), &scalar);
            }
        }
        [RELU6_LOW, RELU6_HIGH].map(str::to_owned)
    }
}

fn input_name(index: usize) -> String {
    if index == 0 { "input".to_owned() } else { format!("input_{index}") }
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
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::onnx::proto::ATTRIBUTE_INTS;
    use crate::placed_op::tests::any_placed_op;
    use crate::{PlacedOp, reference};

    fn decoded(graph: &LayerGraph, seed: u64, batch: u32) -> GraphProto {
        let file = model(graph, &Weights::random(graph, seed), batch).unwrap();
        let model = ModelProto::decode(file.as_slice()).unwrap();
        assert_eq!((model.ir_version, model.opset_import[0].version), (8, 13));
        model.graph.unwrap()
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

    /// Nodes as text, one a line: `output = Type(inputs) attributes`.
    fn listing(graph: &GraphProto) -> String {
        let node = |node: &NodeProto| {
            let attributes: Vec<String> = node
                .attribute
                .iter()
                .map(|a| match a.r#type {
                    ATTRIBUTE_INTS => format!(" {}={:?}", a.name, a.ints),
                    _ => format!(" {}={}", a.name, a.i),
                })
                .collect();
            let (output, inputs) = (&node.output[0], node.input.join(", "));
            format!("{output} = {}({inputs}){}", node.op_type, attributes.concat())
        };
        graph.node.iter().map(node).collect::<Vec<_>>().join("\n")
    }

    fn listing_of(key: &str) -> String {
        listing(&decoded(&key.parse::<PlacedOp>().unwrap().lower(), 1, 1))
    }

    #[test]
    fn a_block_with_a_shortcut_is_written_folded() {
        insta::assert_snapshot!(listing_of("mbconv-k5-e3-in14x14x8-out14x14x8-s1-skip"), @r"
        op.expand.bn = Conv(input, op.expand.conv.weight, op.expand.conv.bias) kernel_shape=[1, 1] pads=[0, 0, 0, 0] strides=[1, 1] group=1
        op.expand.act = Clip(op.expand.bn, relu6.low, relu6.high)
        op.depthwise.bn = Conv(op.expand.act, op.depthwise.conv.weight, op.depthwise.conv.bias) kernel_shape=[5, 5] pads=[2, 2, 2, 2] strides=[1, 1] group=24
        op.depthwise.act = Clip(op.depthwise.bn, relu6.low, relu6.high)
        op.project.bn = Conv(op.depthwise.act, op.project.conv.weight, op.project.conv.bias) kernel_shape=[1, 1] pads=[0, 0, 0, 0] strides=[1, 1] group=1
        output = Add(op.project.bn, input)
        ");
    }

    #[test]
    fn every_other_operation_has_its_node() {
        let keys = [
            "conv-k3-in8x8x3-out4x4x8-s2",
            "depthwise-k3-linear-in8x8x3-out4x4x3-s2",
            "maxpool-k2-in8x8x3-out4x4x3-s2",
            "avgpool-k3-in8x8x3-out4x4x3-s2",
            "classifier-in7x7x8-out1x1x10-s1",
            "add-in8x8x3-out8x8x3-s1",
            "zero-in8x8x3-out8x8x3-s1",
        ];
        insta::assert_snapshot!(keys.map(listing_of).join("\n\n"), @r"
        op.bn = Conv(input, op.conv.weight, op.conv.bias) kernel_shape=[3, 3] pads=[1, 1, 1, 1] strides=[2, 2] group=1
        output = Clip(op.bn, relu6.low, relu6.high)

        output = Conv(input, op.conv.weight, op.conv.bias) kernel_shape=[3, 3] pads=[1, 1, 1, 1] strides=[2, 2] group=3

        output = MaxPool(input) kernel_shape=[2, 2] pads=[0, 0, 0, 0] strides=[2, 2]

        output = AveragePool(input) kernel_shape=[3, 3] pads=[1, 1, 1, 1] strides=[2, 2] count_include_pad=0

        op.pool = GlobalAveragePool(input)
        op.linear.flat = Flatten(op.pool) axis=1
        output = Gemm(op.linear.flat, op.linear.weight, op.linear.bias) transB=1

        output = Add(input, input_1)

        output = Identity(input)
        ");
    }

    #[test]
    fn a_convolution_that_is_read_twice_is_not_folded() {
        let mut graph = "conv-k1-linear-in4x4x2-out4x4x2-s1".parse::<PlacedOp>().unwrap().lower();
        let mut add = graph.layers[1].clone();
        add.name = "op.add".to_owned();
        add.input = ValueId::Layer(1);
        add.primitive = Primitive::Add { other: ValueId::Layer(0) };
        graph.layers.push(add);
        graph.output = ValueId::Layer(2);
        let written = decoded(&graph, 1, 1);
        let types: Vec<&str> = written.node.iter().map(|node| node.op_type.as_str()).collect();
        assert_eq!(types, ["Conv", "BatchNormalization", "Add"]);
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
                prop_assert_eq!(tensor.raw_data.len().cast_signed() as i64, 4 * count);
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
