//! Weights are the numbers that a network's layers hold, each tensor by its name.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use crate::{CatalogError, FeatureMap, Layer, LayerGraph, Primitive};

/// Numbers in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Length along each axis.
    pub shape: Vec<usize>,
    /// As many numbers as the product of the lengths.
    pub values: Vec<f32>,
}

/// All weights of a graph: exactly those that [`Layer::weights`] names, in those shapes.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    tensors: BTreeMap<String, Tensor>,
}

impl Weights {
    /// Random weights, the same for the same seed on every machine. A layer's weights depend on the
    /// seed and the layer's name alone, not on its neighbours.
    ///
    /// Convolutions are uniform with the variance `2 / fan_in` (He et al., arXiv:1502.01852, eq. 10),
    /// linear layers with half of it, so that activations keep their size through any depth;
    /// normalisations are near the identity. No weight is zero or denormal: such numbers take another
    /// time to multiply on some processors.
    pub fn random(graph: &LayerGraph, seed: u64) -> Self {
        let all = graph.layers.iter().flat_map(|layer| {
            layer.weights().into_iter().map(|(name, shape)| {
                let tensor = random_tensor(layer, &name, shape, seed);
                (name, tensor)
            })
        });
        Self { tensors: all.collect() }
    }

    /// Weights from elsewhere.
    ///
    /// # Errors
    /// A tensor that the graph needs and is missing, one of another shape, with another number of values
    /// than its shape, or that the graph does not have.
    pub fn given(
        graph: &LayerGraph,
        tensors: BTreeMap<String, Tensor>,
    ) -> Result<Self, CatalogError> {
        let mut needed: BTreeMap<String, Vec<usize>> =
            graph.layers.iter().flat_map(Layer::weights).collect();
        for (name, tensor) in &tensors {
            let shape = needed
                .remove(name)
                .ok_or_else(|| wrong(name, "no layer has a weight of this name".to_owned()))?;
            let count: usize = shape.iter().product();
            if tensor.shape != shape || tensor.values.len() != count {
                let Tensor { shape: given, values } = tensor;
                let found = format!("{given:?} with {} values", values.len());
                return Err(wrong(name, format!("it has the shape {found}, not {shape:?}")));
            }
        }
        match needed.keys().next() {
            None => Ok(Self { tensors }),
            Some(name) => Err(wrong(name, "it is missing".to_owned())),
        }
    }

    /// A tensor by its name.
    ///
    /// # Errors
    /// A name that these weights do not have: they are of another graph.
    pub fn get(&self, name: &str) -> Result<&Tensor, CatalogError> {
        self.tensors.get(name).ok_or_else(|| wrong(name, "it is missing".to_owned()))
    }

    /// Every tensor with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }
}

/// Random images of mean 0 and variance 1. Shape: `[batch, channels, height, width]`.
pub fn random_images(map: FeatureMap, batch: u32, seed: u64) -> Tensor {
    let shape = [batch, map.channels(), map.height(), map.width()].map(|length| length as usize);
    Numbers::new(seed, "input").tensor(shape.to_vec(), 0.0, uniform_bound(1.0))
}

fn random_tensor(layer: &Layer, name: &str, shape: Vec<usize>, seed: u64) -> Tensor {
    let mut numbers = Numbers::new(seed, name);
    let fan_in: usize = shape[1..].iter().product();
    let is_weight = name.ends_with(".weight");
    match layer.primitive {
        Primitive::Conv { .. } if is_weight => {
            numbers.tensor(shape, 0.0, uniform_bound(2.0 / fan_in as f64))
        }
        Primitive::Linear if is_weight => {
            numbers.tensor(shape, 0.0, uniform_bound(1.0 / fan_in as f64))
        }
        // Scale and variance are around 1; shift and mean, as any layer's bias, around 0.
        Primitive::BatchNorm if is_weight || name.ends_with(".running_var") => {
            numbers.tensor(shape, 1.0, 0.1)
        }
        _ => numbers.tensor(shape, 0.0, 0.1),
    }
}

/// Half the width of a uniform distribution around 0 of this variance.
fn uniform_bound(variance: f64) -> f32 {
    (3.0 * variance).sqrt() as f32
}

fn wrong(name: &str, message: String) -> CatalogError {
    CatalogError::Weight { name: name.to_owned(), message }
}

/// A stream of random numbers of its own for every name.
struct Numbers {
    random: ChaCha8Rng,
}

impl Numbers {
    fn new(seed: u64, name: &str) -> Self {
        let digest = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(name).finalize();
        Self { random: ChaCha8Rng::from_seed(digest.into()) }
    }

    /// Uniform numbers around a centre, none closer to it than a thousandth of the bound.
    fn tensor(&mut self, shape: Vec<usize>, centre: f32, bound: f32) -> Tensor {
        let count = shape.iter().product();
        let mut bits = vec![0_u32; count];
        self.random.fill(&mut bits[..]);
        let values = bits.into_iter().map(|bits| {
            // 24 bits of magnitude are exact in f32; the lowest bit is the sign, put in its place without
            // a branch that nobody could foretell.
            let magnitude = bound * (0.001 + 0.999 * ((bits >> 8) as f32 / 16_777_216.0));
            centre + f32::from_bits(magnitude.to_bits() | bits << 31)
        });
        Tensor { values: values.collect(), shape }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::placed_op::tests::any_placed_op;
    use crate::{PlacedOp, reference};

    fn graph(key: &str) -> LayerGraph {
        key.parse::<PlacedOp>().unwrap().lower()
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers_on_every_machine() {
        let graph = graph("conv-k1-in4x4x2-out4x4x2-s1");
        let weights = Weights::random(&graph, 7);
        assert_eq!(weights, Weights::random(&graph, 7));
        assert_ne!(weights, Weights::random(&graph, 8));
        let convolution = &weights.get("op.conv.weight").unwrap().values;
        assert_eq!(convolution, &[0.985_989_63, 0.132_820_4, -1.479_278_8, 0.759_826_6]);
    }

    #[test]
    fn weights_of_a_layer_do_not_depend_on_its_neighbours() {
        let network = |name| Weights::random(&reference::network(name).unwrap().lower(), 1);
        let (mobile, other) = (network("proxyless_mobile"), network("proxyless_cpu"));
        let name = "blocks.24.linear.bias";
        assert_eq!(mobile.get(name).unwrap(), other.get(name).unwrap());
    }

    #[test]
    fn a_whole_network_gets_its_weights_and_they_have_the_variance_of_he() {
        let weights = Weights::random(&reference::network("mobilenet_v2").unwrap().lower(), 1);
        let count: usize = weights.iter().map(|(_, tensor)| tensor.values.len()).sum();
        // Parameters, and mean and variance of every normalisation.
        assert_eq!(count, 3_504_872 + 2 * 17_056);
        let last = weights.get("blocks.18.conv.weight").unwrap();
        assert_eq!(last.shape, [1280, 320, 1, 1]);
        let sum: f64 = last.values.iter().map(|value| f64::from(*value).powi(2)).sum();
        let variance = sum / last.values.len() as f64;
        assert!((variance * 320.0 / 2.0 - 1.0).abs() < 0.02, "{variance}");
    }

    proptest! {
        #[test]
        fn no_weight_of_any_operation_is_zero_or_denormal(placed in any_placed_op(), seed in any::<u64>()) {
            let graph = placed.lower();
            let weights = Weights::random(&graph, seed);
            for (name, tensor) in weights.iter() {
                prop_assert!(tensor.values.iter().all(|value| value.is_normal()), "{}", name);
                if name.ends_with("running_var") {
                    prop_assert!(tensor.values.iter().all(|value| *value > 0.5));
                }
            }
            prop_assert_eq!(&Weights::given(&graph, weights.tensors.clone()).unwrap(), &weights);
        }
    }

    #[test]
    fn weights_that_do_not_fit_are_refused_by_name() {
        let graph = graph("classifier-in4x4x3-out1x1x2-s1");
        let refused = |change: fn(&mut BTreeMap<String, Tensor>)| {
            let mut tensors = Weights::random(&graph, 1).tensors;
            change(&mut tensors);
            Weights::given(&graph, tensors).unwrap_err().to_string()
        };
        let missing = refused(|tensors| drop(tensors.remove("op.linear.bias")));
        assert_eq!(missing, "weight `op.linear.bias`: it is missing");
        let extra = refused(|tensors| {
            let tensor = tensors["op.linear.bias"].clone();
            tensors.insert("op.linear.scale".to_owned(), tensor);
        });
        assert_eq!(extra, "weight `op.linear.scale`: no layer has a weight of this name");
        let shape = refused(|tensors| {
            tensors.insert(
                "op.linear.bias".to_owned(),
                Tensor { shape: vec![3], values: vec![1.0; 2] },
            );
        });
        assert_eq!(shape, "weight `op.linear.bias`: it has the shape [3] with 2 values, not [2]");
    }

    #[test]
    fn images_have_mean_0_and_variance_1() {
        let images = random_images(FeatureMap::new(64, 64, 3).unwrap(), 2, 5);
        assert_eq!(images.shape, [2, 3, 64, 64]);
        let count = images.values.len() as f64;
        let mean = images.values.iter().map(|v| f64::from(*v)).sum::<f64>() / count;
        let square = images.values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / count;
        assert!(mean.abs() < 0.02 && (square - 1.0).abs() < 0.02, "{mean} {square}");
    }
}
