//! A toy is a search on a real space without images: a latency that follows from counts, and a
//! cross-entropy that is linear in the gates and better where candidates are dearer.

use op_catalog::{Cost, PlacedOp};
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

use crate::fixtures::mobile_space;
use crate::linear_cost::CostRange;
use crate::{EdgeValues, Gates, GradientSearch, LinearCost, Logits, SearchCost};

/// Costs and qualities of the published space's candidates.
pub(crate) struct Toy {
    /// Latency in milliseconds.
    pub(crate) cost: SearchCost,
    /// What each candidate adds to the cross-entropy, in nats.
    quality: EdgeValues,
    /// Standard deviation of a gate's gradient in one step.
    noise: f64,
}

impl Toy {
    /// The phone's latency, and a cross-entropy that falls by about `pull` nats from the cheapest to the
    /// dearest architecture, each candidate with a luck of its own.
    pub(crate) fn new(pull: f64, noise: f64, random: &mut impl Rng) -> Self {
        let latency = phone();
        let CostRange { least, most } = latency.range();
        let quality = latency.candidates().map_edges(|edge| {
            let better = |ms: &f64| {
                // Twice the cost helps less than twice as much.
                let share = (ms / (most - least)).sqrt() / 21.0_f64.sqrt();
                -pull * share * random.random_range(0.5..1.5)
            };
            edge.iter().map(better).collect()
        });
        Self { cost: latency.into(), quality, noise }
    }

    /// The same with another cost.
    pub(crate) fn with_cost(self, cost: SearchCost) -> Self {
        Self { cost, ..self }
    }

    /// What a network would say of a batch: cross-entropy along the active path, and its gate gradients.
    pub(crate) fn run(&self, gates: &Gates, random: &mut impl Rng) -> (f64, EdgeValues) {
        let path = gates.architecture();
        let chosen = self.quality.edges().iter().zip(path.choices()).map(|(edge, i)| edge[*i]);
        let cross_entropy = 30.0 + chosen.sum::<f64>();
        let mut gradient = self.quality.clone();
        for value in gradient.edges_mut().iter_mut().flatten() {
            let deviate: f64 = StandardNormal.sample(random);
            *value += self.noise * deviate;
        }
        (cross_entropy, gradient)
    }

    /// One step of a search on it.
    pub(crate) fn step(&self, search: &mut GradientSearch, random: &mut impl Rng) {
        let gates = search.sample_gates(random);
        let (cross_entropy, gradient) = self.run(&gates, random);
        search.step(&gates, cross_entropy, &gradient, &self.cost).unwrap();
    }

    /// Logits that expect this cost: dearer candidates are more likely, or less, by one factor.
    pub(crate) fn logits_that_expect(&self, value: f64) -> Logits {
        let expected = |logits: &Logits| Ok(self.cost.expected(logits)?.value);
        Logits::tilted(phone().candidates(), value, expected).unwrap()
    }
}

/// Latency of the published space on something like a phone: 30 to 190 ms.
pub(crate) fn phone() -> LinearCost {
    table(8.0, |cost| 0.24 + cost.macs as f64 / 3.7e6 + cost.activation_bytes as f64 / 1.67e6)
}

/// The same on something like a processor with vast arithmetic, which waits for memory: 4 to 14 ms.
pub(crate) fn accelerator() -> LinearCost {
    table(2.0, |cost| 0.3 + cost.macs as f64 / 4e8 + cost.weight_bytes as f64 / 5e6)
}

fn table(constant_ms: f64, latency_ms: impl Fn(Cost) -> f64) -> LinearCost {
    let of = |placed: &PlacedOp| {
        if placed.is_free() { 0.0 } else { latency_ms(Cost::of(&placed.lower())) }
    };
    let edges = mobile_space().edges().map(|edge| edge.iter().map(of).collect()).collect();
    LinearCost::new(constant_ms, EdgeValues::new(edges).unwrap()).unwrap()
}
