//! Lowering turns placed operations and networks into layers. It is the one place that says what an
//! operation is made of.

use crate::kernel::PoolKernel;
use crate::layer::{Layer, LayerGraph, Primitive, ValueId, Window};
use crate::op::Activation;
use crate::placed_op::Shortcut;
use crate::{FeatureMap, Network, Op, PlacedOp};

impl PlacedOp {
    /// This operation alone as layers, its names without a prefix.
    pub fn lower(&self) -> LayerGraph {
        let inputs = if self.op() == Op::Add { vec![self.input(); 2] } else { vec![self.input()] };
        let mut graph = GraphBuilder::new(inputs);
        graph.block("op", self);
        graph.finish()
    }
}

impl Network {
    /// The whole network as layers; those of block `i` are named `blocks.i.…`.
    pub fn lower(&self) -> LayerGraph {
        let mut graph = GraphBuilder::new(vec![self.input()]);
        for (index, block) in self.blocks().iter().enumerate() {
            graph.block(&format!("blocks.{index}"), block);
        }
        graph.finish()
    }
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
            Op::MbConv { kernel, expand } => {
                let middle = placed.middle_channels();
                if !expand.is_one() {
                    let map = placed.input().with_channels(middle);
                    self.conv(
                        &format!("{name}.expand"),
                        ConvSpec::plain(1, 1),
                        map,
                        Activation::Relu6,
                    );
                }
                let depthwise =
                    ConvSpec { kernel: kernel.side(), stride: placed.stride(), groups: middle };
                let map = output.with_channels(middle);
                self.conv(&format!("{name}.depthwise"), depthwise, map, Activation::Relu6);
                self.conv(
                    &format!("{name}.project"),
                    ConvSpec::plain(1, 1),
                    output,
                    Activation::Linear,
                );
            }
            Op::Conv { kernel, activation } => {
                self.conv(
                    name,
                    ConvSpec::plain(kernel.side(), placed.stride()),
                    output,
                    activation,
                );
            }
            Op::Depthwise { kernel, activation } => {
                let groups = output.channels();
                let spec = ConvSpec { kernel: kernel.side(), stride: placed.stride(), groups };
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
            Op::Classifier => {
                let pooled = output.with_channels(placed.input().channels());
                self.push(format!("{name}.pool"), Primitive::GlobalAveragePool, pooled);
                self.push(format!("{name}.linear"), Primitive::Linear, output);
            }
            Op::Add => {
                self.push(
                    format!("{name}.add"),
                    Primitive::Add { other: ValueId::Input(1) },
                    output,
                );
            }
        }
        if placed.shortcut() == Shortcut::Identity {
            self.push(format!("{name}.add"), Primitive::Add { other: start }, output);
        }
    }

    /// Convolution, batch normalisation, activation.
    fn conv(&mut self, name: &str, spec: ConvSpec, output: FeatureMap, activation: Activation) {
        let ConvSpec { kernel, stride, groups } = spec;
        let primitive = Primitive::Conv { kernel, stride, padding: kernel / 2, groups };
        self.push(format!("{name}.conv"), primitive, output);
        self.push(format!("{name}.bn"), Primitive::BatchNorm, output);
        if activation == Activation::Relu6 {
            self.push(format!("{name}.act"), Primitive::Relu6, output);
        }
    }
}

/// The numbers of a convolution that its maps do not say.
#[derive(Clone, Copy)]
struct ConvSpec {
    kernel: u32,
    stride: u32,
    groups: u32,
}

impl ConvSpec {
    fn plain(kernel: u32, stride: u32) -> Self {
        Self { kernel, stride, groups: 1 }
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
                if let Primitive::Add { other } = layer.primitive {
                    prop_assert!(earlier(other));
                    prop_assert_eq!(map_of(&graph, other), layer.output_map);
                }
            }
        }
    }

    #[test]
    fn an_mbconv_is_expansion_depthwise_projection_and_shortcut() {
        let placed: PlacedOp = "mbconv-k5-e3-in14x14x80-out14x14x80-s1-skip".parse().unwrap();
        let names: Vec<String> =
            placed.lower().layers.into_iter().map(|layer| layer.name).collect();
        assert_eq!(
            names,
            [
                "op.expand.conv",
                "op.expand.bn",
                "op.expand.act",
                "op.depthwise.conv",
                "op.depthwise.bn",
                "op.depthwise.act",
                "op.project.conv",
                "op.project.bn",
                "op.add",
            ]
        );
    }
}
