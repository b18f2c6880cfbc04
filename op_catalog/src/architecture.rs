//! An architecture is one choice on every edge of a search space.

use crate::network_file::NetworkFile;
use crate::{CatalogError, SearchSpace};

/// One choice per edge, each the index of a candidate, in the order of
/// [`SearchSpace::edges`](crate::SearchSpace::edges). It means something only together with its space,
/// which turns it into a [`Network`](crate::Network).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Architecture {
    choices: Vec<usize>,
}

impl Architecture {
    /// An architecture of these choices.
    pub fn new(choices: Vec<usize>) -> Self {
        Self { choices }
    }

    /// Index of the chosen candidate on each edge.
    pub fn choices(&self) -> &[usize] {
        &self.choices
    }

    /// Reads the JSON of [`Self::to_json`].
    ///
    /// # Errors
    /// Not that JSON, or an architecture that this space does not have: another space's, another number
    /// of choices, an operation that its edge does not offer.
    pub fn from_json(text: &str, space: &SearchSpace) -> Result<Self, CatalogError> {
        match NetworkFile::parse(text)? {
            NetworkFile::Architecture { space_name, choices } => {
                check_space(&space_name, space)?;
                space.architecture_from_ops(&choices)
            }
            NetworkFile::Network { .. } => {
                Err(CatalogError::field("format", "this is a network, not an architecture"))
            }
        }
    }

    /// The architecture as JSON. It names operations, not indices, so that it survives candidates
    /// that are added or change places.
    ///
    /// # Errors
    /// An architecture that is not of this space.
    pub fn to_json(&self, space: &SearchSpace) -> Result<String, CatalogError> {
        Ok(NetworkFile::of_architecture(self, space)?.to_json())
    }
}

/// Refuses an architecture of another space.
pub(crate) fn check_space(space_name: &str, space: &SearchSpace) -> Result<(), CatalogError> {
    if space_name == space.name() {
        return Ok(());
    }
    let message = format!("this is an architecture of `{space_name}`, not of `{}`", space.name());
    Err(CatalogError::field("space", message))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::SpaceDefinition;

    fn small() -> SearchSpace {
        SpaceDefinition::built_in("proxyless-small").unwrap().build().unwrap()
    }

    proptest! {
        #[test]
        fn json_round_trips(seed in any::<u64>()) {
            let space = small();
            let architecture = space.sample(&mut ChaCha8Rng::seed_from_u64(seed));
            let json = architecture.to_json(&space).unwrap();
            prop_assert_eq!(Architecture::from_json(&json, &space).unwrap(), architecture);
        }
    }

    #[test]
    fn a_file_means_the_same_operations_after_candidates_change_places() {
        let space = small();
        let json = Architecture::new(vec![1; 12]).to_json(&space).unwrap();
        let mut definition = space.definition().clone();
        definition.candidates.swap(1, 4);
        let reordered = definition.build().unwrap();
        let read = Architecture::from_json(&json, &reordered).unwrap();
        assert_eq!(read.choices(), [4; 12]);
        assert_eq!(
            reordered.network(&read).unwrap(),
            space.network(&Architecture::new(vec![1; 12])).unwrap()
        );
    }

    #[test]
    fn what_the_space_does_not_have_is_refused() {
        let space = small();
        let json = Architecture::new(vec![0; 12]).to_json(&space).unwrap();
        for (from, to, message) in [
            (
                "\"proxyless-small\"",
                "\"other\"",
                "space: this is an architecture of `other`, not of `proxyless-small`",
            ),
            ("\"mbconv-k3-e3\",", "", "choices: 11 choices, but `proxyless-small` has 12 edges"),
            (
                "\"mbconv-k3-e3\",",
                "\"zero\",",
                "choices[0]: edge 0 does not offer `zero`; it offers: mbconv-k3-e3, mbconv-k3-e6, \
                 mbconv-k5-e3, mbconv-k5-e6, mbconv-k7-e3, mbconv-k7-e6",
            ),
        ] {
            let text = json.replacen(from, to, 1);
            assert_eq!(Architecture::from_json(&text, &space).unwrap_err().to_string(), message);
        }
    }
}
