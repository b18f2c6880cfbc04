//! The writer is the interpreter of layers that gives the nodes of an ONNX graph.

use crate::layer::Bias;
use crate::onnx::attributes::{attributes, int, ints};
use crate::onnx::fold;
use crate::onnx::proto::{AttributeProto, FLOAT, INT64, NodeProto, TensorProto};
use crate::weights::Tensor;
use crate::{CatalogError, Layer, LayerGraph, Primitive, ValueId, Weights};

const RELU6_LOW: &str = "relu6.low";
const RELU6_HIGH: &str = "relu6.high";

/// Name of what goes out.
pub(crate) const OUTPUT: &str = "output";

/// Nodes and weights so far.
pub(crate) struct Writer<'a> {
    graph: &'a LayerGraph,
    weights: &'a Weights,
    batch: u32,
    nodes: Vec<NodeProto>,
    initializers: Vec<TensorProto>,
}

impl<'a> Writer<'a> {
    /// A writer that has written nothing yet.
    pub(crate) fn new(graph: &'a LayerGraph, weights: &'a Weights, batch: u32) -> Self {
        Self { graph, weights, batch, nodes: Vec::new(), initializers: Vec::new() }
    }

    /// Writes every layer: nodes in the order of execution, and what they hold.
    ///
    /// # Errors
    /// Weights of another graph.
    pub(crate) fn write(mut self) -> Result<(Vec<NodeProto>, Vec<TensorProto>), CatalogError> {
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
        Ok((self.nodes, self.initializers))
    }

    /// Whether the layer of this index is a convolution without bias that only the normalisation after
    /// it reads.
    fn folds(&self, index: usize, next: &Layer) -> bool {
        let value = ValueId::Layer(index);
        let LayerGraph { layers, output, .. } = self.graph;
        let reads =
            |layer: &Layer| layer.input == value || layer.primitive.second_input() == Some(value);
        matches!(layers[index].primitive, Primitive::Conv { bias: Bias::Absent, .. })
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
            Primitive::Conv { bias, .. } => {
                inputs.push(self.weight(layer, "weight")?);
                if bias == Bias::Present {
                    inputs.push(self.weight(layer, "bias")?);
                }
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
            Primitive::Relu => "Relu",
            Primitive::HardSwish => "HardSwish",
            Primitive::HardSigmoid => "HardSigmoid",
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
            Primitive::Scale { by } => {
                inputs.push(self.value(by));
                "Mul"
            }
            Primitive::ChannelShuffle { groups } => {
                inputs = self.shuffled(layer, groups, inputs);
                "Reshape"
            }
        };
        self.node(op_type, &layer.name, inputs, output, attributes(layer.primitive));
        Ok(())
    }

    /// Deals channels out to the groups but for the last step, whose inputs it gives: channels become
    /// groups of channels, the two axes change places, and they become channels again.
    fn shuffled(&mut self, layer: &Layer, groups: u32, mut inputs: Vec<String>) -> Vec<String> {
        let Layer { name, output_map: map, .. } = layer;
        let [height, width] = [map.height(), map.width()];
        let (grouped, transposed) = (format!("{name}.grouped"), format!("{name}.transposed"));
        let shape = [self.batch, groups, map.channels() / groups, height, width];
        inputs.push(self.shape(format!("{grouped}.shape"), &shape));
        self.node("Reshape", &grouped, inputs, grouped.clone(), vec![]);
        let permutation = vec![ints("perm", &[0, 2, 1, 3, 4])];
        self.node("Transpose", &transposed, vec![grouped], transposed.clone(), permutation);
        let shape = [self.batch, map.channels(), height, width];
        vec![transposed, self.shape(format!("{name}.shape"), &shape)]
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

    fn shape(&mut self, name: String, shape: &[u32]) -> String {
        self.initializers.push(TensorProto {
            dims: vec![shape.len().cast_signed() as i64],
            data_type: INT64,
            name: name.clone(),
            raw_data: shape.iter().flat_map(|length| i64::from(*length).to_le_bytes()).collect(),
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

/// Name of the graph's input of this index.
pub(crate) fn input_name(index: usize) -> String {
    if index == 0 { "input".to_owned() } else { format!("input_{index}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PlacedOp;
    use crate::onnx::model::tests::decoded;
    use crate::onnx::proto::{ATTRIBUTE_FLOAT, ATTRIBUTE_INTS, GraphProto};

    /// Nodes as text, one a line: `output = Type(inputs) attributes`.
    fn listing(graph: &GraphProto) -> String {
        let node = |node: &NodeProto| {
            let attributes: Vec<String> = node
                .attribute
                .iter()
                .map(|a| match a.r#type {
                    ATTRIBUTE_INTS => format!(" {}={:?}", a.name, a.ints),
                    ATTRIBUTE_FLOAT => format!(" {}={:.4}", a.name, a.f),
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
    fn shuffle_and_squeeze_and_excite_are_written_out() {
        insta::assert_snapshot!(listing_of("mbconv-k3-m16-g2-se-hs-in8x8x8-out4x4x8-s2"), @r"
        op.expand.bn = Conv(input, op.expand.conv.weight, op.expand.conv.bias) kernel_shape=[1, 1] pads=[0, 0, 0, 0] strides=[1, 1] group=2
        op.expand.act = HardSwish(op.expand.bn)
        op.shuffle.grouped = Reshape(op.expand.act, op.shuffle.grouped.shape)
        op.shuffle.transposed = Transpose(op.shuffle.grouped) perm=[0, 2, 1, 3, 4]
        op.shuffle = Reshape(op.shuffle.transposed, op.shuffle.shape)
        op.depthwise.bn = Conv(op.shuffle, op.depthwise.conv.weight, op.depthwise.conv.bias) kernel_shape=[3, 3] pads=[1, 1, 1, 1] strides=[2, 2] group=16
        op.depthwise.act = HardSwish(op.depthwise.bn)
        op.se.pool = GlobalAveragePool(op.depthwise.act)
        op.se.reduce.conv = Conv(op.se.pool, op.se.reduce.conv.weight, op.se.reduce.conv.bias) kernel_shape=[1, 1] pads=[0, 0, 0, 0] strides=[1, 1] group=1
        op.se.reduce.act = Relu(op.se.reduce.conv)
        op.se.expand.conv = Conv(op.se.reduce.act, op.se.expand.conv.weight, op.se.expand.conv.bias) kernel_shape=[1, 1] pads=[0, 0, 0, 0] strides=[1, 1] group=1
        op.se.expand.act = HardSigmoid(op.se.expand.conv) alpha=0.1667 beta=0.5000
        op.se.scale = Mul(op.depthwise.act, op.se.expand.act)
        output = Conv(op.se.scale, op.project.conv.weight, op.project.conv.bias) kernel_shape=[1, 1] pads=[0, 0, 0, 0] strides=[1, 1] group=2
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
            "globalpool-in8x8x3-out1x1x3-s1",
            "conv-k1-nobn-relu-in1x1x3-out1x1x8-s1",
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

        output = GlobalAveragePool(input)

        op.conv = Conv(input, op.conv.weight) kernel_shape=[1, 1] pads=[0, 0, 0, 0] strides=[1, 1] group=1
        output = Relu(op.conv)
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
    fn a_convolution_with_a_bias_is_not_folded() {
        let mut graph = "conv-k1-linear-in4x4x2-out4x4x2-s1".parse::<PlacedOp>().unwrap().lower();
        let Primitive::Conv { bias, .. } = &mut graph.layers[0].primitive else {
            panic!("no conv")
        };
        *bias = Bias::Present;
        let written = decoded(&graph, 1, 1);
        let types: Vec<&str> = written.node.iter().map(|node| node.op_type.as_str()).collect();
        assert_eq!(types, ["Conv", "BatchNormalization"]);
        assert_eq!(written.node[0].input, ["input", "op.conv.weight", "op.conv.bias"]);
    }
}
