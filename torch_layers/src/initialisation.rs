//! An initialisation draws the weights that training begins with.

use std::collections::BTreeMap;
use std::f64::consts::TAU;

use op_catalog::weights::Tensor;
use op_catalog::{CatalogError, Layer, LayerGraph, Primitive, Weights};
use rand::{Rng, RngExt};

/// The initialisation `he_fout` of ProxylessNAS (`MyNetwork.init_model` in `search/utils/my_modules.py`):
/// convolutions are normal with variance `2 / (kernel^2 * out)`, groups or not; linear layers are uniform
/// within `1 / sqrt(in)`; normalisations are the identity and biases 0.
///
/// # Errors
/// None that a graph of the catalogue can cause.
pub fn he_fan_out<R: Rng>(graph: &LayerGraph, random: &mut R) -> Result<Weights, CatalogError> {
    let mut tensors = BTreeMap::new();
    for layer in &graph.layers {
        for (name, shape) in layer.weights() {
            let values = values(layer, &name, shape.iter().product(), random);
            tensors.insert(name, Tensor { shape, values });
        }
    }
    Weights::given(graph, tensors)
}

fn values<R: Rng>(layer: &Layer, name: &str, count: usize, random: &mut R) -> Vec<f32> {
    let is_weight = name.ends_with(".weight");
    match layer.primitive {
        Primitive::Conv { kernel, .. } if is_weight => {
            let fan_out = f64::from(kernel * kernel) * f64::from(layer.output_map.channels());
            let deviation = (2.0 / fan_out).sqrt();
            (0..count).map(|_| (deviation * normal(random)) as f32).collect()
        }
        Primitive::Linear if is_weight => {
            let bound = f64::from(layer.input_map.channels()).sqrt().recip();
            (0..count).map(|_| random.random_range(-bound..bound) as f32).collect()
        }
        Primitive::BatchNorm if is_weight || name.ends_with(".running_var") => vec![1.0; count],
        _ => vec![0.0; count],
    }
}

/// A number of the standard normal distribution (Box and Muller, 1958).
fn normal<R: Rng>(random: &mut R) -> f64 {
    // 1 - u is above 0, so that its logarithm is finite.
    let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
    radius * (TAU * random.random::<f64>()).cos()
}

#[cfg(test)]
mod tests {
    use op_catalog::reference;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn proxyless_mobile(seed: u64) -> Weights {
        let graph = reference::network("proxyless_mobile").unwrap().lower();
        he_fan_out(&graph, &mut ChaCha8Rng::seed_from_u64(seed)).unwrap()
    }

    fn variance(values: &[f32]) -> f64 {
        values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>() / values.len() as f64
    }

    #[test]
    fn the_same_seed_draws_the_same_weights() {
        assert_eq!(proxyless_mobile(3), proxyless_mobile(3));
        assert_ne!(proxyless_mobile(3), proxyless_mobile(4));
    }

    #[test]
    fn weights_have_the_variance_of_the_reference_and_normalisations_are_the_identity() {
        let weights = proxyless_mobile(1);
        let get = |name: &str| &weights.get(name).unwrap().values;
        // 320 -> 1280 pointwise, 5x5 depthwise of 576 channels (groups do not divide), 1280 -> 1000 linear.
        for (name, expected, tolerance) in [
            ("blocks.23.conv.weight", 2.0 / 1280.0, 0.02),
            ("blocks.24.linear.weight", 1.0 / (3.0 * 1280.0), 0.02),
        ] {
            let found = variance(get(name));
            assert!((found / expected - 1.0).abs() < tolerance, "{name}: {found}");
        }
        for (part, expected) in
            [("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)]
        {
            let values = get(&format!("blocks.23.bn.{part}"));
            assert!(values.iter().all(|value| *value == expected), "{part}");
        }
        assert!(get("blocks.24.linear.bias").iter().all(|value| *value == 0.0));
    }

    #[test]
    fn groups_do_not_divide_the_fan_out() {
        let graph = "depthwise-k5-relu-in7x7x512-out7x7x512-s1"
            .parse::<op_catalog::PlacedOp>()
            .unwrap()
            .lower();
        let weights = he_fan_out(&graph, &mut ChaCha8Rng::seed_from_u64(5)).unwrap();
        let found = variance(&weights.get("op.conv.weight").unwrap().values);
        assert!((found * 25.0 * 512.0 / 2.0 - 1.0).abs() < 0.05, "{found}");
    }
}
