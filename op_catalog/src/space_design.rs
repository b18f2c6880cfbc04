//! A space design is a set of architectures to measure, chosen so that every candidate of every edge is
//! in it about equally often.

use rand::seq::SliceRandom;

use crate::{Architecture, SearchSpace};

impl SearchSpace {
    /// A Latin hypercube of the space (`McKay`, Beckman, Conover 1979): `count` architectures in which
    /// each candidate of an edge is chosen `count / candidates` times, rounded up or down, each edge in
    /// an order of its own.
    ///
    /// ```
    /// use op_catalog::SpaceDefinition;
    /// use rand::SeedableRng;
    /// let space = SpaceDefinition::built_in("proxyless-small")?.build()?;
    /// let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    /// assert_eq!(space.latin_hypercube(20, &mut random).len(), 20);
    /// # Ok::<(), op_catalog::CatalogError>(())
    /// ```
    pub fn latin_hypercube<R: rand::Rng>(&self, count: usize, random: &mut R) -> Vec<Architecture> {
        let columns: Vec<Vec<usize>> = self
            .edges()
            .map(|candidates| {
                // Which candidates come once more than the others is drawn too.
                let mut order: Vec<usize> = (0..candidates.len()).collect();
                order.shuffle(random);
                let mut column: Vec<usize> = order.into_iter().cycle().take(count).collect();
                column.shuffle(random);
                column
            })
            .collect();
        let row = |index: usize| columns.iter().map(|column| column[index]).collect();
        (0..count).map(|index| Architecture::new(row(index))).collect()
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use crate::{Architecture, SearchSpace, SpaceDefinition};

    fn space() -> SearchSpace {
        SpaceDefinition::built_in("proxyless-mobile").unwrap().build().unwrap()
    }

    fn design(count: usize, seed: u64) -> Vec<Architecture> {
        space().latin_hypercube(count, &mut ChaCha8Rng::seed_from_u64(seed))
    }

    #[test]
    fn every_candidate_of_every_edge_comes_up_equally_often_but_for_one() {
        for count in [1, 6, 20, 80] {
            let design = design(count, 3);
            for (edge, candidates) in space().edges().enumerate() {
                for candidate in 0..candidates.len() {
                    let chosen = design.iter().filter(|a| a.choices()[edge] == candidate).count();
                    let fewest = count / candidates.len();
                    assert!(
                        (fewest..=fewest + 1).contains(&chosen),
                        "{candidate} on edge {edge}: {chosen} of {count}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_design_and_another_seed_another() {
        assert_eq!(design(20, 3), design(20, 3));
        assert_ne!(design(20, 3), design(20, 4));
        assert!(design(0, 3).is_empty());
    }
}
