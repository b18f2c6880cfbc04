//! A plan says who reads a value last, so that none is kept longer than it is needed, and which layers may
//! write over what they take.

use op_catalog::{LayerGraph, Primitive, ValueId};

/// What is known of a graph's values before it runs.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Of each layer: the values that it reads as the last, by the layers that gave them.
    read_last: Vec<Vec<usize>>,
    /// Of each layer: where its result goes.
    targets: Vec<Target>,
}

/// Where a layer's result goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// To memory of its own.
    New,
    /// Over the first input.
    Input,
}

impl Plan {
    /// The plan of a graph.
    pub(crate) fn new(graph: &LayerGraph) -> Self {
        // What goes out is read by the caller, and has no last reader here.
        let mut last_readers = vec![None; graph.layers.len()];
        for (index, layer) in graph.layers.iter().enumerate() {
            for value in [Some(layer.input), layer.primitive.second_input()].into_iter().flatten() {
                if let ValueId::Layer(read) = value {
                    last_readers[read] = Some(index);
                }
            }
        }
        if let ValueId::Layer(output) = graph.output {
            last_readers[output] = None;
        }
        let targets =
            (0..graph.layers.len()).map(|index| target(graph, &last_readers, index)).collect();
        let mut read_last = vec![Vec::new(); graph.layers.len()];
        for (value, reader) in last_readers.iter().enumerate() {
            if let Some(reader) = reader {
                read_last[*reader].push(value);
            }
        }
        Self { read_last, targets }
    }

    /// The values that the layer of this index reads as the last, by the layers that gave them.
    pub(crate) fn read_last_by(&self, index: usize) -> &[usize] {
        &self.read_last[index]
    }

    /// Where the result of the layer of this index goes.
    pub(crate) fn target(&self, index: usize) -> Target {
        self.targets[index]
    }
}

/// A layer writes over its input where nobody reads that any more: no other layer, not the caller, and not
/// the backward pass of the layer that gave it, which of convolutions and normalisations alone is so. Its own
/// backward pass must do with the result, as that of the clipping activations and of a sum does.
fn target(graph: &LayerGraph, last_readers: &[Option<usize>], index: usize) -> Target {
    let layer = &graph.layers[index];
    let does_with_the_result =
        matches!(layer.primitive, Primitive::Relu | Primitive::Relu6 | Primitive::Add { .. });
    match layer.input {
        ValueId::Layer(read)
            if does_with_the_result
                && last_readers[read] == Some(index)
                && layer.primitive.second_input() != Some(layer.input)
                && matches!(
                    graph.layers[read].primitive,
                    Primitive::Conv { .. } | Primitive::BatchNorm
                ) =>
        {
            Target::Input
        }
        _ => Target::New,
    }
}

#[cfg(test)]
mod tests {
    use op_catalog::PlacedOp;

    use super::*;

    fn overwriting(key: &str) -> Vec<String> {
        let graph = key.parse::<PlacedOp>().unwrap().lower();
        let plan = Plan::new(&graph);
        let layers = graph.layers.iter().enumerate();
        let chosen = layers.filter(|(index, _)| plan.target(*index) == Target::Input);
        chosen.map(|(_, layer)| layer.name.clone()).collect()
    }

    #[test]
    fn activations_and_sums_write_over_what_only_they_read() {
        assert_eq!(
            overwriting("mbconv-k3-e6-in8x8x16-out8x8x16-s1-skip"),
            ["op.expand.act", "op.depthwise.act", "op.add"]
        );
    }

    #[test]
    fn what_a_backward_pass_needs_is_not_written_over() {
        // h-swish needs what it took, the sum's input is needed by the activation that gave it, and the
        // inputs are the caller's.
        let by_key = [
            ("mbconv-k3-e6-se-hs-in8x8x16-out8x8x16-s1", vec!["op.se.reduce.act"]),
            ("conv-k3-in8x8x16-out8x8x16-s1-skip", vec!["op.act"]),
            ("add-in8x8x16-out8x8x16-s1", vec![]),
        ];
        for (key, expected) in by_key {
            assert_eq!(overwriting(key), expected, "{key}");
        }
    }
}
