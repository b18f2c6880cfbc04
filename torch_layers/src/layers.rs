//! Layers are a layer graph with its weights, ready to run.

use std::collections::BTreeMap;

use op_catalog::weights;
use op_catalog::{FeatureMap, Layer, LayerGraph, Primitive, ValueId, Weights};
use rand::Rng;
use tch::nn::Path;
use tch::{Device, Kind, TchError, Tensor};

use crate::plan::Plan;
use crate::step::Step;
use crate::value::Value;
use crate::{Dropout, Execution, LayersError, Mode, he_fan_out};

/// A graph of the catalogue in libtorch. Its weights are variables of a store, below the path that it was
/// built at and under the catalogue's names.
#[derive(Debug)]
pub struct Layers {
    graph: LayerGraph,
    steps: Vec<Step>,
    plan: Plan,
    dropout: Dropout,
    execution: Execution,
}

impl Layers {
    /// Layers with weights to train from: those of [`he_fan_out`].
    ///
    /// # Errors
    /// What libtorch says, such as of memory that is not there.
    pub fn random<R: Rng>(
        path: &Path,
        graph: LayerGraph,
        random: &mut R,
    ) -> Result<Self, LayersError> {
        let weights = he_fan_out(&graph, random)?;
        Self::given(path, graph, &weights)
    }

    /// Layers with these weights.
    ///
    /// # Errors
    /// Weights of another graph, and what libtorch says.
    pub fn given(path: &Path, graph: LayerGraph, weights: &Weights) -> Result<Self, LayersError> {
        let steps: Result<_, LayersError> = graph
            .layers
            .iter()
            .map(|layer| {
                Step::new(layer, path).map_err(|error| LayersError::of_layer(&layer.name, error))
            })
            .collect();
        let plan = Plan::new(&graph);
        let layers = Self {
            steps: steps?,
            plan,
            graph,
            dropout: Dropout::NONE,
            execution: Execution::default(),
        };
        layers.load(weights)?;
        Ok(layers)
    }

    /// The same layers with dropout before each linear layer. It draws from libtorch's generator, which
    /// `tch::manual_seed` sets.
    #[must_use]
    pub fn with_dropout(self, dropout: Dropout) -> Self {
        Self { dropout, ..self }
    }

    /// The same layers, run in another way.
    #[must_use]
    pub fn with_execution(self, execution: Execution) -> Self {
        Self { execution, ..self }
    }

    /// What they were built from.
    pub fn graph(&self) -> &LayerGraph {
        &self.graph
    }

    /// Overwrites the weights.
    ///
    /// # Errors
    /// Weights of another graph.
    pub fn load(&self, weights: &Weights) -> Result<(), LayersError> {
        for (layer, step) in self.graph.layers.iter().zip(&self.steps) {
            for (part, variable) in step.weights() {
                let given = weights.get(&format!("{}.{part}", layer.name))?;
                overwrite(variable, given)
                    .map_err(|error| LayersError::of_layer(&layer.name, error))?;
            }
        }
        Ok(())
    }

    /// Makes every block that adds its input begin as the identity: sets the scale of its last normalisation before the
    /// addition to 0 (Goyal et al., arXiv:1706.02677, section 5.1). Other layers stay as they are, and so do blocks that
    /// have no normalisation, or an activation behind it, which would let no gradient through.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn begin_as_identity(&self) -> Result<(), LayersError> {
        let layers = &self.graph.layers;
        for layer in layers {
            let Primitive::Add { .. } = layer.primitive else { continue };
            let ValueId::Layer(added) = layer.input else { continue };
            if layers[added].primitive == Primitive::BatchNorm {
                set_scale_to_zero(&layers[added], &self.steps[added])?;
            }
        }
        Ok(())
    }

    /// The weights as they are now, such as an export takes them.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn weights(&self) -> Result<Weights, LayersError> {
        let mut tensors = BTreeMap::new();
        for (layer, step) in self.graph.layers.iter().zip(&self.steps) {
            for (part, variable) in step.weights() {
                let tensor =
                    numbers(variable).map_err(|error| LayersError::of_layer(&layer.name, error))?;
                tensors.insert(format!("{}.{part}", layer.name), tensor);
            }
        }
        Ok(Weights::given(&self.graph, tensors)?)
    }

    /// The variables that training changes, each with the catalogue's name, in the order of the layers.
    pub fn trainable(&self) -> impl Iterator<Item = (String, &Tensor)> {
        let of_layers = self.graph.layers.iter().zip(&self.steps);
        let named = of_layers.flat_map(|(layer, step)| {
            let parts = step.weights().into_iter();
            parts.map(|(part, variable)| (format!("{}.{part}", layer.name), variable))
        });
        named.filter(|(_, variable)| variable.requires_grad())
    }

    /// Runs layers that take one input.
    ///
    /// # Shapes
    /// `[batch, channels, height, width]` in and out, as the graph's maps say; `[batch, classes]` out of
    /// a linear layer.
    ///
    /// # Errors
    /// An input of another shape, and what libtorch says of a layer.
    pub fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor, LayersError> {
        self.forward_all(std::slice::from_ref(input), mode)
    }

    /// Runs layers that take any number of inputs, each of the shape that [`Self::forward`] says.
    ///
    /// # Errors
    /// Inputs of another number or shape, and what libtorch says of a layer.
    pub fn forward_all(&self, inputs: &[Tensor], mode: Mode) -> Result<Tensor, LayersError> {
        check_inputs(&self.graph.inputs, inputs)?;
        let inputs: Vec<Value> =
            inputs.iter().map(|input| Value::Whole(input.shallow_clone())).collect();
        let mut values =
            Values { inputs: &inputs, of_layers: Vec::with_capacity(self.steps.len()) };
        for (index, layer) in self.graph.layers.iter().enumerate() {
            let result = self.run(index, &values, mode);
            values
                .of_layers
                .push(Some(result.map_err(|error| LayersError::of_layer(&layer.name, error))?));
            for value in self.plan.read_last_by(index) {
                values.of_layers[*value] = None;
            }
        }
        let output = values.read(self.graph.output).and_then(Value::whole);
        output.map_err(|error| LayersError::of_layer("output", error))
    }

    fn run(&self, index: usize, values: &Values, mode: Mode) -> Result<Value, TchError> {
        let (layer, step) = (&self.graph.layers[index], &self.steps[index]);
        let input = values.read(layer.input)?;
        let second = layer.primitive.second_input().map(|value| values.read(value)).transpose()?;
        match self.execution {
            Execution::Fused(storage) => input.through(step, second, storage, (mode, self.dropout)),
            Execution::LayerByLayer => {
                let second = second.map(Value::whole).transpose()?;
                let target = self.plan.target(index);
                let output =
                    step.run(input.whole()?, second.as_ref(), target, mode, self.dropout)?;
                Ok(Value::Whole(output))
            }
        }
    }
}

/// What was given and computed so far.
struct Values<'a> {
    inputs: &'a [Value],
    /// `None` where nobody will read it any more.
    of_layers: Vec<Option<Value>>,
}

impl Values<'_> {
    fn read(&self, value: ValueId) -> Result<&Value, TchError> {
        let found = match value {
            ValueId::Input(index) => self.inputs.get(index),
            ValueId::Layer(index) => self.of_layers.get(index).and_then(Option::as_ref),
        };
        found.ok_or_else(|| TchError::Shape(format!("{value:?} is not there to be read")))
    }
}

fn check_inputs(maps: &[FeatureMap], inputs: &[Tensor]) -> Result<(), LayersError> {
    if maps.len() != inputs.len() {
        return Err(LayersError::InputCount { expected: maps.len(), found: inputs.len() });
    }
    for (index, (map, input)) in maps.iter().zip(inputs).enumerate() {
        let found = input.size();
        let [channels, height, width] = [map.channels(), map.height(), map.width()].map(i64::from);
        if found.len() != 4 || found[1..] != [channels, height, width] {
            return Err(LayersError::InputShape { index, expected: *map, found });
        }
    }
    Ok(())
}

/// Copies numbers into a variable, without a trace in autograd.
fn overwrite(variable: &Tensor, given: &weights::Tensor) -> Result<(), TchError> {
    let shape: Vec<i64> = given.shape.iter().map(|length| length.cast_signed() as i64).collect();
    let given = Tensor::f_from_slice(&given.values)?.f_view(shape.as_slice())?;
    tch::no_grad(|| variable.shallow_clone().f_copy_(&given).map(drop))
}

/// The numbers of a variable, in row-major order.
fn numbers(variable: &Tensor) -> Result<weights::Tensor, TchError> {
    let shape = variable.size().iter().map(|length| *length as usize).collect();
    let flat = tch::no_grad(|| {
        variable.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()
    })?;
    Ok(weights::Tensor { shape, values: Vec::try_from(flat.f_flatten(0, -1)?)? })
}

/// Makes a normalisation give 0, until it has learnt otherwise.
fn set_scale_to_zero(layer: &Layer, step: &Step) -> Result<(), LayersError> {
    for (_, scale) in step.weights().into_iter().filter(|(part, _)| *part == "weight") {
        tch::no_grad(|| scale.shallow_clone().f_zero_().map(drop))
            .map_err(|error| LayersError::of_layer(&layer.name, error))?;
    }
    Ok(())
}
