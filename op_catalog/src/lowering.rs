//! Lowering turns placed operations and networks into layers. It is the one place that says what an
//! operation is made of.

use crate::expansion::Groups;
use crate::kernel::PoolKernel;
use crate::layer::{Bias, Layer, LayerGraph, Primitive, ValueId, Window};
use crate::placed_op::Shortcut;
use crate::space::make_divisible;
use crate::{
    Activation, FeatureMap, Kernel, MbConv, Network, Normalisation, Op, PlacedOp, SqueezeExcite,
};

impl PlacedOp {
    /// This operation alone as layers, its names without a prefix.
    pub fn lower(&self) -> LayerGraph {
        let mut graph = GraphBuilder::new(inputs(self));
        graph.block("op", self);
        graph.finish()
    }
}

impl Network {
    /// The whole network as layers; those of block `i` are named `blocks.i.…`.
    pub fn lower(&self) -> LayerGraph {
        let mut graph = GraphBuilder::new(inputs(&self.blocks()[0]));
        for (index, block) in self.blocks().iter().enumerate() {
            graph.block(&format!("blocks.{index}"), block);
        }
        graph.finish()
    }
}

/// What a graph takes that begins with this operation.
fn inputs(first: &PlacedOp) -> Vec<FeatureMap> {
    let count = if first.op() == Op::Add { 2 } else { 1 };
    vec![first.input(); count]
}

/// Appends layers to the end of a growing graph.
struct GraphBuilder {
    inputs: Vec<FeatureMap>,
    layers: Vec<Layer>,
    end: ValueId,
    end_map: FeatureMap,
}

impl GraphBuilder {
    fn new(inputs: Vec<FeatureMap>) -> Self {
        let end_map = inputs[0];
        Self { inputs, layers: Vec::new(), end: ValueId::Input(0), end_map }
    }

    fn finish(self) -> LayerGraph {
        LayerGraph {
            inputs: self.inputs,
            layers: self.layers,
            output: self.end,
            output_map: self.end_map,
        }
    }

    fn push(&mut self, name: String, primitive: Primitive, output_map: FeatureMap) {
        let layer = Layer { name, primitive, input: self.end, input_map: self.end_map, output_map };
        self.end = ValueId::Layer(self.layers.len());
        self.end_map = output_map;
        self.layers.push(layer);
    }

    fn block(&mut self, name: &str, placed: &PlacedOp) {
        let (start, output) = (self.end, placed.output());
        match placed.op() {
            Op::Zero | Op::Identity => {}
            Op::MbConv(block) => self.mbconv(name, block, placed),
            Op::Conv { kernel, normalisation, activation } => {
                self.push_conv(name, ConvSpec::plain(kernel, placed.stride()), output);
                if normalisation == Normalisation::Batch {
                    self.push(format!("{name}.bn"), Primitive::BatchNorm, output);
                }
                self.activation(name, activation);
            }
            Op::Depthwise { kernel, activation } => {
                let spec = ConvSpec::depthwise(kernel, placed.stride(), output.channels());
                self.conv(name, spec, output, activation);
            }
            Op::MaxPool { kernel } => {
                let window = Window::new(kernel, placed.stride());
                self.push(format!("{name}.pool"), Primitive::MaxPool(window), output);
            }
            Op::AveragePool { kernel } => {
                let window = Window::new(kernel, placed.stride());
                self.push(format!("{name}.pool"), Primitive::AveragePool(window), output);
            }
            Op::GlobalPool => self.global_pool(name),
            Op::Classifier => {
                self.global_pool(name);
                self.push(format!("{name}.linear"), Primitive::Linear, output);
            }
            Op::Add => {
                let primitive = Primitive::Add { other: ValueId::Input(1) };
                self.push(format!("{name}.add"), primitive, output);
            }
        }
        if placed.shortcut() == Shortcut::Identity {
            self.push(format!("{name}.add"), Primitive::Add { other: start }, output);
        }
    }

    /// The order is that of `MBConvLayer` (Once-for-All, `ofa/utils/layers.py`), with the shuffle where
    /// `IRFBlock` (`FBNet`, `fbnet_builder.py`) has it.
    fn mbconv(&mut self, name: &str, block: MbConv, placed: &PlacedOp) {
        let (middle, activation) = (placed.middle_channels(), Some(block.activation));
        let pointwise = ConvSpec::pointwise(block.expansion.groups());
        if block.expansion.has_layer() {
            let map = placed.input().with_channels(middle);
            self.conv(&format!("{name}.expand"), pointwise, map, activation);
        }
        if pointwise.groups > 1 {
            let shuffle = Primitive::ChannelShuffle { groups: pointwise.groups };
            self.push(format!("{name}.shuffle"), shuffle, self.end_map);
        }
        let depthwise = ConvSpec::depthwise(block.kernel, placed.stride(), middle);
        let map = placed.output().with_channels(middle);
        self.conv(&format!("{name}.depthwise"), depthwise, map, activation);
        if block.squeeze_excite == SqueezeExcite::Quarter {
            self.squeeze_excite(&format!("{name}.se"));
        }
        self.conv(&format!("{name}.project"), pointwise, placed.output(), None);
    }

    /// `SEModule` of Once-for-All (`ofa/utils/pytorch_modules.py`), which is that of `MobileNetV3`: the
    /// means of the channels, two pointwise layers with biases, and a weight for each channel.
    fn squeeze_excite(&mut self, name: &str) {
        let (value, map) = (self.end, self.end_map);
        self.global_pool(name);
        let pooled = self.end_map;
        let squeezed = pooled.with_channels(make_divisible(f64::from(map.channels() / 4)));
        let spec = ConvSpec { bias: Bias::Present, ..ConvSpec::pointwise(Groups::ONE) };
        self.push_conv(&format!("{name}.reduce"), spec, squeezed);
        self.push(format!("{name}.reduce.act"), Primitive::Relu, squeezed);
        self.push_conv(&format!("{name}.expand"), spec, pooled);
        self.push(format!("{name}.expand.act"), Primitive::HardSigmoid, pooled);
        let by = self.end;
        (self.end, self.end_map) = (value, map);
        self.push(format!("{name}.scale"), Primitive::Scale { by }, map);
    }

    fn global_pool(&mut self, name: &str) {
        // One pixel is within any map's bounds.
        let pooled = self.end_map.one_pixel();
        self.push(format!("{name}.pool"), Primitive::GlobalAveragePool, pooled);
    }

    /// Convolution, batch normalisation, activation.
    fn conv(
        &mut self,
        name: &str,
        spec: ConvSpec,
        output: FeatureMap,
        activation: Option<Activation>,
    ) {
        self.push_conv(name, spec, output);
        self.push(format!("{name}.bn"), Primitive::BatchNorm, output);
        self.activation(name, activation);
    }

    /// Convolution alone.
    fn push_conv(&mut self, name: &str, spec: ConvSpec, output: FeatureMap) {
        let ConvSpec { kernel, stride, groups, bias } = spec;
        let primitive = Primitive::Conv { kernel, stride, padding: kernel / 2, groups, bias };
        self.push(format!("{name}.conv"), primitive, output);
    }

    fn activation(&mut self, name: &str, activation: Option<Activation>) {
        let primitive = match activation {
            None => return,
            Some(Activation::Relu6) => Primitive::Relu6,
            Some(Activation::Relu) => Primitive::Relu,
            Some(Activation::HardSwish) => Primitive::HardSwish,
        };
        self.push(format!("{name}.act"), primitive, self.end_map);
    }
}

/// The numbers of a convolution that its maps do not say.
#[derive(Clone, Copy)]
struct ConvSpec {
    kernel: u32,
    stride: u32,
    groups: u32,
    bias: Bias,
}

impl ConvSpec {
    fn plain(kernel: Kernel, stride: u32) -> Self {
        Self { kernel: kernel.side(), stride, groups: 1, bias: Bias::Absent }
    }

    fn depthwise(kernel: Kernel, stride: u32, channels: u32) -> Self {
        Self { groups: channels, ..Self::plain(kernel, stride) }
    }

    fn pointwise(groups: Groups) -> Self {
        Self { kernel: 1, stride: 1, groups: groups.count(), bias: Bias::Absent }
    }
}

impl Window {
    fn new(kernel: PoolKernel, stride: u32) -> Self {
        Self { kernel: kernel.side(), stride, padding: kernel.padding() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::placed_op::tests::any_placed_op;

    fn map_of(graph: &LayerGraph, value: ValueId) -> FeatureMap {
        match value {
            ValueId::Input(index) => graph.inputs[index],
            ValueId::Layer(index) => graph.layers[index].output_map,
        }
    }

    proptest! {
        #[test]
        fn layers_of_any_operation_compose_and_have_names_of_their_own(placed in any_placed_op()) {
            let graph = placed.lower();
            prop_assert_eq!(graph.output_map, placed.output());
            prop_assert_eq!(graph.layers.is_empty(), placed.is_free());
            let mut names = HashSet::new();
            for (index, layer) in graph.layers.iter().enumerate() {
                prop_assert!(names.insert(&layer.name));
                prop_assert_eq!(map_of(&graph, layer.input), layer.input_map);
                let earlier = |value| matches!(value, ValueId::Input(_)) || value < ValueId::Layer(index);
                prop_assert!(earlier(layer.input));
                if let Some(second) = layer.primitive.second_input() {
                    prop_assert!(earlier(second));
                    let needed = match layer.primitive {
                        Primitive::Scale { .. } => layer.output_map.one_pixel(),
                        _ => layer.output_map,
                    };
                    prop_assert_eq!(map_of(&graph, second), needed);
                }
                match layer.primitive {
                    Primitive::Conv { groups, .. } => {
                        prop_assert_eq!(layer.input_map.channels() % groups, 0);
                        prop_assert_eq!(layer.output_map.channels() % groups, 0);
                    }
                    Primitive::Linear | Primitive::MaxPool(_) | Primitive::AveragePool(_) => {}
                    Primitive::GlobalAveragePool => {
                        prop_assert_eq!(layer.input_map.one_pixel(), layer.output_map);
                    }
                    _ => prop_assert_eq!(layer.input_map, layer.output_map),
                }
            }
        }
    }

    /// Name of each layer with the channels that it gives.
    fn listing(key: &str) -> Vec<String> {
        let layers = key.parse::<PlacedOp>().unwrap().lower().layers;
        let line = |layer: Layer| format!("{} {}", layer.name, layer.output_map.channels());
        layers.into_iter().map(line).collect()
    }

    #[test]
    fn an_mbconv_is_expansion_depthwise_projection_and_shortcut() {
        assert_eq!(
            listing("mbconv-k5-e3-in14x14x80-out14x14x80-s1-skip"),
            [
                "op.expand.conv 240",
                "op.expand.bn 240",
                "op.expand.act 240",
                "op.depthwise.conv 240",
                "op.depthwise.bn 240",
                "op.depthwise.act 240",
                "op.project.conv 80",
                "op.project.bn 80",
                "op.add 80",
            ]
        );
    }

    #[test]
    fn shuffle_follows_the_expansion_and_squeeze_and_excite_the_depthwise_convolution() {
        assert_eq!(
            listing("mbconv-k3-m72-g2-se-hs-in8x8x24-out4x4x40-s2"),
            [
                "op.expand.conv 72",
                "op.expand.bn 72",
                "op.expand.act 72",
                "op.shuffle 72",
                "op.depthwise.conv 72",
                "op.depthwise.bn 72",
                "op.depthwise.act 72",
                "op.se.pool 72",
                "op.se.reduce.conv 24",
                "op.se.reduce.act 24",
                "op.se.expand.conv 72",
                "op.se.expand.act 72",
                "op.se.scale 72",
                "op.project.conv 40",
                "op.project.bn 40",
            ]
        );
    }

    #[test]
    fn a_width_of_its_own_has_an_expansion_layer_where_ratio_one_has_none() {
        let first = |key| listing(key).swap_remove(0);
        assert_eq!(first("mbconv-k3-e1-in8x8x16-out8x8x16-s1"), "op.depthwise.conv 16");
        assert_eq!(first("mbconv-k3-m16-in8x8x16-out8x8x16-s1"), "op.expand.conv 16");
    }

    #[test]
    fn a_sum_takes_both_summands_as_a_network_too() {
        let sum: PlacedOp = "add-in8x8x4-out8x8x4-s1".parse().unwrap();
        assert_eq!(Network::new(vec![sum]).unwrap().lower().inputs, sum.lower().inputs);
        assert_eq!(sum.lower().inputs, [sum.input(); 2]);
    }

    #[test]
    fn a_convolution_may_have_no_normalisation() {
        assert_eq!(listing("conv-k1-nobn-hs-in1x1x8-out1x1x16-s1"), ["op.conv 16", "op.act 16"]);
        assert_eq!(listing("conv-k1-nobn-linear-in1x1x8-out1x1x16-s1"), ["op.conv 16"]);
        assert_eq!(listing("globalpool-in7x7x8-out1x1x8-s1"), ["op.pool 8"]);
    }
}
