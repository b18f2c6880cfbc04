//! A search space is a chain of slots: fixed operations, and edges on which one of several is chosen.

use std::collections::BTreeSet;

use rand::RngExt;

use crate::{Architecture, CatalogError, Network, Op, PlacedOp, SpaceDefinition};

/// A built space: every candidate of every slot fits its neighbours, whatever is chosen.
///
/// ```
/// use op_catalog::{Architecture, SpaceDefinition};
/// let space = SpaceDefinition::built_in("proxyless-mobile")?.build()?;
/// let all_k3e3 = Architecture::new(vec![0; space.edges().count()]);
/// assert_eq!(space.network(&all_k3e3)?.blocks().len(), space.slots().len());
/// # Ok::<(), op_catalog::CatalogError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct SearchSpace {
    definition: SpaceDefinition,
    slots: Vec<Slot>,
}

/// A place in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot {
    /// One operation, in every network of the space.
    Fixed(PlacedOp),
    /// At least two candidates, all with the same input and output.
    Edge(Vec<PlacedOp>),
}

impl SearchSpace {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.definition.name
    }

    /// What it was built from.
    pub fn definition(&self) -> &SpaceDefinition {
        &self.definition
    }

    /// The chain.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Candidates of each edge, in the order of the chain.
    pub fn edges(&self) -> impl Iterator<Item = &[PlacedOp]> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::Edge(candidates) => Some(candidates.as_slice()),
            Slot::Fixed(_) => None,
        })
    }

    /// Operations that every network of the space has, in the order of the chain.
    pub fn fixed(&self) -> impl Iterator<Item = &PlacedOp> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::Fixed(placed) => Some(placed),
            Slot::Edge(_) => None,
        })
    }

    /// Every distinct operation that costs something: the rows of a table of this space.
    pub fn placed_ops(&self) -> BTreeSet<PlacedOp> {
        let all = self.fixed().chain(self.edges().flatten());
        all.filter(|placed| !placed.is_free()).copied().collect()
    }

    /// The network of an architecture. Skipped cells stay in it as `zero`.
    ///
    /// # Errors
    /// Another number of choices than edges, or a choice that an edge does not have.
    pub fn network(&self, architecture: &Architecture) -> Result<Network, CatalogError> {
        let choices = architecture.choices();
        self.check_edge_count(choices.len())?;
        let mut edge_choices = choices.iter().copied().enumerate();
        let blocks = self.slots.iter().map(|slot| match slot {
            Slot::Fixed(placed) => Ok(*placed),
            Slot::Edge(candidates) => {
                // As many choices as edges: there is one for each.
                let (edge, choice) = edge_choices.next().unwrap_or_default();
                candidates.get(choice).copied().ok_or_else(|| {
                    let (place, count) = (format!("choices[{edge}]"), candidates.len());
                    CatalogError::field(place, format!("{choice} is not below {count}"))
                })
            }
        });
        Network::new(blocks.collect::<Result<_, _>>()?)
    }

    /// The architecture whose network this is, if it is one of this space.
    pub fn architecture_of(&self, network: &Network) -> Option<Architecture> {
        if network.blocks().len() != self.slots.len() {
            return None;
        }
        let mut choices = Vec::new();
        for (slot, block) in self.slots.iter().zip(network.blocks()) {
            match slot {
                Slot::Fixed(placed) if placed == block => {}
                Slot::Fixed(_) => return None,
                Slot::Edge(candidates) => {
                    choices.push(candidates.iter().position(|candidate| candidate == block)?);
                }
            }
        }
        Some(Architecture::new(choices))
    }

    /// The architecture that chooses these operations, one per edge.
    ///
    /// # Errors
    /// Another number of operations than edges, or one that its edge does not offer.
    pub fn architecture_from_ops(&self, ops: &[Op]) -> Result<Architecture, CatalogError> {
        self.check_edge_count(ops.len())?;
        let choices = self.edges().zip(ops).enumerate().map(|(edge, (candidates, chosen))| {
            candidates.iter().position(|candidate| candidate.op() == *chosen).ok_or_else(|| {
                let offered: Vec<String> =
                    candidates.iter().map(|candidate| candidate.op().to_string()).collect();
                let message = format!(
                    "edge {edge} does not offer `{chosen}`; it offers: {}",
                    offered.join(", ")
                );
                CatalogError::field(format!("choices[{edge}]"), message)
            })
        });
        Ok(Architecture::new(choices.collect::<Result<_, _>>()?))
    }

    /// An architecture drawn uniformly on each edge.
    pub fn sample<R: rand::Rng>(&self, random: &mut R) -> Architecture {
        Architecture::new(
            self.edges().map(|candidates| random.random_range(0..candidates.len())).collect(),
        )
    }

    fn check_edge_count(&self, choices: usize) -> Result<(), CatalogError> {
        let edges = self.edges().count();
        if choices == edges {
            return Ok(());
        }
        let message = format!("{choices} choices, but `{}` has {edges} edges", self.name());
        Err(CatalogError::field("choices", message))
    }

    /// For the builder, which has checked the slots.
    pub(crate) fn from_slots(definition: SpaceDefinition, slots: Vec<Slot>) -> Self {
        Self { definition, slots }
    }
}

/// What widths are multiples of, unless something else is said.
pub(crate) const WIDTH_DIVISOR: u32 = 8;

/// Rounds a width to a multiple of 8.
pub fn make_divisible(width: f64) -> u32 {
    make_divisible_by(width, WIDTH_DIVISOR)
}

/// Rounds a width to a multiple of a divisor, the nearest one unless that loses more than a tenth.
/// `make_divisible` of ProxylessNAS (`search/utils/__init__.py`), of MobileNetV2 and of torchvision.
pub fn make_divisible_by(width: f64, divisor: u32) -> u32 {
    let divisor = f64::from(divisor);
    let rounded = ((width / divisor + 0.5).floor() * divisor).max(divisor);
    (if rounded < 0.9 * width { rounded + divisor } else { rounded }) as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::Cost;

    fn space(name: &str) -> SearchSpace {
        SpaceDefinition::built_in(name).unwrap().build().unwrap()
    }

    fn choices_and_edges_with_zero(space: &SearchSpace) -> (usize, usize) {
        let has_zero = |edge: &&[PlacedOp]| edge.iter().any(|placed| placed.op() == Op::Zero);
        (space.edges().flatten().count(), space.edges().filter(has_zero).count())
    }

    /// 21 edges, 141 choices, 10^17.35 networks: counted in the published code.
    #[test]
    fn proxyless_mobile_is_the_published_space() {
        let space = space("proxyless-mobile");
        assert_eq!(space.edges().count(), 21);
        assert_eq!(choices_and_edges_with_zero(&space), (141, 15));
        let log_size: f64 = space.edges().map(|edge| (edge.len() as f64).log10()).sum();
        assert_eq!(format!("{log_size:.2}"), "17.35");
        let fixed: Vec<String> = space.fixed().map(ToString::to_string).collect();
        assert_eq!(
            fixed,
            [
                "conv-k3-in224x224x3-out112x112x32-s2",
                "mbconv-k3-e1-in112x112x32-out112x112x16-s1",
                "conv-k1-in7x7x320-out7x7x1280-s1",
                "classifier-in7x7x1280-out1x1x1000-s1",
            ]
        );
        assert!(space.edges().flatten().all(|placed| {
            placed.op() != Op::Zero || (placed.stride() == 1 && placed.input() == placed.output())
        }));
    }

    /// 16.03 M: summed over the parameters of the published over-parameterised network.
    #[test]
    fn the_whole_over_parameterised_network_has_16_03_million_weights() {
        let space = space("proxyless-mobile");
        let all = space.fixed().chain(space.edges().flatten());
        let weights: u64 = all.map(|placed| Cost::of(&placed.lower()).parameters).sum();
        assert_eq!(format!("{:.2}", weights as f64 / 1e6), "16.03");
    }

    #[test]
    fn proxyless_small_serves_32_and_28_pixels() {
        let definition = SpaceDefinition::built_in("proxyless-small").unwrap();
        let grey = definition.clone().with_resolution(28, 28).with_channels(1);
        for (definition, side) in [(definition, 32), (grey, 28)] {
            let space = definition.build().unwrap();
            assert_eq!(space.edges().count(), 12);
            assert_eq!(choices_and_edges_with_zero(&space), (81, 9));
            let network = space.network(&Architecture::new(vec![0; 12])).unwrap();
            assert_eq!(network.input().height(), side);
            assert_eq!(network.output().channels(), 10);
            assert_eq!(network.blocks()[13].output().height(), 4);
        }
    }

    /// Stem, first block and last convolution of `proxyless_cpu`, which is width multiplier 1.12.
    #[test]
    fn widths_scale_as_published_networks_do() {
        let widths = |multiplier: f64| {
            let definition = SpaceDefinition::built_in("proxyless-mobile").unwrap();
            let space = definition.with_width_multiplier(multiplier).build().unwrap();
            let network = space.network(&Architecture::new(vec![0; 21])).unwrap();
            let mut widths: Vec<u32> =
                network.blocks().iter().map(|block| block.output().channels()).collect();
            widths.dedup();
            widths
        };
        assert_eq!(widths(1.12), [40, 24, 32, 48, 88, 104, 216, 360, 1432, 1000]);
        assert_eq!(widths(1.35), [40, 24, 32, 56, 112, 128, 256, 432, 1728, 1000]);
        assert!(widths(0.35).ends_with(&[1280, 1000]));
        assert_eq!([11.0, 12.0, 13.0, 3.0].map(make_divisible), [16, 16, 16, 8]);
        assert_eq!(
            [11.0, 12.0, 13.0, 3.0].map(|width| make_divisible_by(width, 2)),
            [12, 12, 14, 4]
        );
        assert_eq!([11.0, 12.4, 0.3].map(|width| make_divisible_by(width, 1)), [11, 12, 1]);
    }

    #[test]
    fn a_table_of_proxyless_mobile_has_a_row_per_distinct_operation() {
        let space = space("proxyless-mobile");
        let all: Vec<&PlacedOp> = space.fixed().chain(space.edges().flatten()).collect();
        assert!(all.iter().all(|op| op.is_free() || space.placed_ops().contains(op)));
        // 4 fixed; six at each stage's first cell, and six more where a stage goes on.
        assert_eq!(space.placed_ops().len(), 4 + 6 * 6 + 5 * 6);
    }

    #[test]
    fn choices_outside_the_space_are_refused_by_edge() {
        let space = space("proxyless-small");
        let network = |choices| space.network(&Architecture::new(choices)).unwrap_err().to_string();
        assert_eq!(network(vec![0; 3]), "choices: 3 choices, but `proxyless-small` has 12 edges");
        let mut choices = vec![6; 12];
        choices[0] = 0;
        assert_eq!(network(choices), "choices[4]: 6 is not below 6");
        let ops = vec![Op::Zero; 12];
        assert_eq!(
            space.architecture_from_ops(&ops).unwrap_err().to_string(),
            "choices[0]: edge 0 does not offer `zero`; it offers: mbconv-k3-e3, mbconv-k3-e6, \
             mbconv-k5-e3, mbconv-k5-e6, mbconv-k7-e3, mbconv-k7-e6"
        );
    }

    #[test]
    fn the_same_seed_draws_the_same_architecture_and_every_choice_comes_up() {
        let space = space("proxyless-small");
        let draw = |seed| space.sample(&mut ChaCha8Rng::seed_from_u64(seed));
        assert_eq!(draw(7), draw(7));
        for (edge, candidates) in space.edges().enumerate() {
            let drawn: BTreeSet<usize> = (0..200).map(|seed| draw(seed).choices()[edge]).collect();
            assert_eq!(drawn, (0..candidates.len()).collect());
        }
    }

    proptest! {
        #[test]
        fn an_architecture_is_recognised_in_its_network(seed in any::<u64>()) {
            let space = space("proxyless-mobile");
            let architecture = space.sample(&mut ChaCha8Rng::seed_from_u64(seed));
            let network = space.network(&architecture).unwrap();
            prop_assert_eq!(space.architecture_of(&network), Some(architecture));
        }
    }
}
