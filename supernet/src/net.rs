//! A supernet is a search space with weights: the layers of every candidate of every edge.

use op_catalog::{Architecture, CatalogError, SearchSpace, Slot};
use rand::Rng;
use tch::Tensor;
use tch::nn::VarStore;
use torch_layers::{Dropout, Layers, LayersError, Mode};

use crate::{Execution, SupernetError};

/// The network of all networks of a space. What it computes along one path is what that network computes
/// alone.
#[derive(Debug)]
pub struct Supernet {
    space: SearchSpace,
    store: VarStore,
    slots: Vec<SlotLayers>,
    execution: Execution,
}

/// A variable that training changes.
#[derive(Debug)]
pub(crate) struct Variable {
    /// Its name in [`Supernet::variables`].
    pub(crate) name: String,
    /// It shares its memory with the network.
    pub(crate) tensor: Tensor,
}

/// The layers of one slot of the chain.
#[derive(Debug)]
pub(crate) enum SlotLayers {
    /// In every network.
    Fixed(Layers),
    /// One per candidate.
    Edge(Vec<Layers>),
}

impl Supernet {
    /// A supernet with random weights (`he_fout`, as the published search).
    ///
    /// # Errors
    /// What libtorch says, such as of memory that is not there.
    pub fn new<R: Rng>(
        space: SearchSpace,
        execution: Execution,
        random: &mut R,
    ) -> Result<Self, SupernetError> {
        let store = VarStore::new(execution.device());
        let mut slots = Vec::with_capacity(space.slots().len());
        for (index, slot) in space.slots().iter().enumerate() {
            let path = store.root().sub(fixed_name(index));
            let layers = match slot {
                Slot::Fixed(placed) => {
                    let layers = Layers::random(&path, placed.lower(), random);
                    layers.map(|layers| {
                        SlotLayers::Fixed(layers.with_execution(execution.of_layers()))
                    })
                }
                Slot::Edge(candidates) => candidates
                    .iter()
                    .enumerate()
                    .map(|(choice, placed)| {
                        let path = path.sub(choice_name(choice));
                        let layers = Layers::random(&path, placed.lower(), random)?;
                        Ok(layers.with_execution(execution.of_layers()))
                    })
                    .collect::<Result<_, _>>()
                    .map(SlotLayers::Edge),
            };
            slots.push(layers.map_err(|source| SupernetError::Slot { slot: index, source })?);
        }
        Ok(Self { space, store, slots, execution })
    }

    /// The same network, in which every candidate that adds its input begins as the identity.
    ///
    /// Each layer of a supernet learns behind paths that change with every step. While blocks leave what they
    /// are given as it is, it is much the same behind all of them, and they learn several times as fast (docs/search.md).
    ///
    /// # Errors
    /// What libtorch says.
    pub fn beginning_as_identity(self) -> Result<Self, SupernetError> {
        for (slot, place) in self.slots.iter().enumerate() {
            let SlotLayers::Edge(candidates) = place else { continue };
            for layers in candidates {
                let begun = layers.begin_as_identity();
                begun.map_err(|source| SupernetError::Slot { slot, source })?;
            }
        }
        Ok(self)
    }

    /// The same network with dropout before its classifier.
    pub fn with_dropout(self, dropout: Dropout) -> Self {
        let slots = self.slots.into_iter().map(|slot| match slot {
            SlotLayers::Fixed(layers) => SlotLayers::Fixed(layers.with_dropout(dropout)),
            edge @ SlotLayers::Edge(_) => edge,
        });
        Self { slots: slots.collect(), ..self }
    }

    /// Its space.
    pub fn space(&self) -> &SearchSpace {
        &self.space
    }

    /// How it runs.
    pub fn execution(&self) -> Execution {
        self.execution
    }

    /// All of its variables by name, such as a checkpoint takes them.
    pub fn variables(&self) -> &VarStore {
        &self.store
    }

    /// The shape of so many images.
    pub fn image_shape(&self, batch: i64) -> [i64; 4] {
        let input = &self.space.definition().input;
        let [channels, height, width] = [input.channels, input.height, input.width].map(i64::from);
        [batch, channels, height, width]
    }

    /// The scores of every class along one path, of shape `[batch, classes]`.
    ///
    /// # Errors
    /// An architecture of another space, images of another shape, and what libtorch says.
    pub fn scores(
        &self,
        images: &Tensor,
        architecture: &Architecture,
        mode: Mode,
    ) -> Result<Tensor, SupernetError> {
        let path = self.path(architecture)?;
        let images = self.execution.images(images)?;
        self.execution.forward(|| {
            let mut value = images;
            for (slot, layers) in path.into_iter().enumerate() {
                value = run(slot, layers, &value, mode)?;
            }
            Ok(value)
        })
    }

    /// The variables that training along one path changes, in the order of the chain.
    pub(crate) fn trainable(
        &self,
        architecture: &Architecture,
    ) -> Result<Vec<Variable>, SupernetError> {
        let mut choices = architecture.choices().iter();
        let mut variables = Vec::new();
        for (slot, (layers, place)) in
            self.path(architecture)?.into_iter().zip(&self.slots).enumerate()
        {
            let prefix = match place {
                SlotLayers::Fixed(_) => fixed_name(slot),
                SlotLayers::Edge(_) => {
                    let choice = choices.next().copied().unwrap_or(0);
                    format!("{}.{}", fixed_name(slot), choice_name(choice))
                }
            };
            variables.extend(layers.trainable().map(|(name, tensor)| Variable {
                name: format!("{prefix}.{name}"),
                tensor: tensor.shallow_clone(),
            }));
        }
        Ok(variables)
    }

    /// The same with their names in [`Self::variables`].
    ///
    /// # Errors
    /// An architecture of another space.
    pub fn path_variables(
        &self,
        architecture: &Architecture,
    ) -> Result<Vec<(String, Tensor)>, SupernetError> {
        let variables = self.trainable(architecture)?.into_iter();
        Ok(variables.map(|Variable { name, tensor }| (name, tensor)).collect())
    }

    /// Every variable that training can change, in the order of the chain and of the candidates.
    pub fn all_trainable(&self) -> Vec<Tensor> {
        let layers = self.slots.iter().flat_map(|slot| match slot {
            SlotLayers::Fixed(layers) => std::slice::from_ref(layers),
            SlotLayers::Edge(candidates) => candidates.as_slice(),
        });
        layers.flat_map(Layers::trainable).map(|(_, tensor)| tensor.shallow_clone()).collect()
    }

    pub(crate) fn slots(&self) -> &[SlotLayers] {
        &self.slots
    }

    /// The layers of every slot along one path.
    pub(crate) fn path(&self, architecture: &Architecture) -> Result<Vec<&Layers>, CatalogError> {
        // The space says what is wrong with an architecture of another one.
        self.space.network(architecture)?;
        let mut choices = architecture.choices().iter();
        let layers = self.slots.iter().map(|slot| match slot {
            SlotLayers::Fixed(layers) => layers,
            SlotLayers::Edge(candidates) => &candidates[choices.next().copied().unwrap_or(0)],
        });
        Ok(layers.collect())
    }
}

/// The name of a slot in the store.
fn fixed_name(slot: usize) -> String {
    format!("slot{slot}")
}

/// The name of a candidate below its slot.
fn choice_name(choice: usize) -> String {
    format!("choice{choice}")
}

/// Runs the layers of a slot.
pub(crate) fn run(
    slot: usize,
    layers: &Layers,
    input: &Tensor,
    mode: Mode,
) -> Result<Tensor, SupernetError> {
    let result: Result<Tensor, LayersError> = layers.forward(input, mode);
    result.map_err(|source| SupernetError::Slot { slot, source })
}
