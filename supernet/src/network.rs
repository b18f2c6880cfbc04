//! A single network is one that is trained and run alone: one of a space, or any other of the catalogue.

use op_catalog::weights::Tensor as WeightTensor;
use op_catalog::{Architecture, Network, Weights};
use rand::Rng;
use std::collections::BTreeMap;
use tch::Tensor;
use tch::nn::VarStore;
use torch_layers::{Dropout, Layers, LayersError, Mode};

use crate::net::Variable;
use crate::{Execution, Supernet, SupernetError};

/// A network with weights of its own. Its variables have the catalogue's names, `blocks.3.depthwise.conv.weight`.
#[derive(Debug)]
pub struct SingleNetwork {
    network: Network,
    store: VarStore,
    layers: Layers,
    execution: Execution,
}

impl SingleNetwork {
    /// A network with random weights (`he_fout`, as the published training).
    ///
    /// # Errors
    /// What libtorch says, such as of memory that is not there.
    pub fn random<R: Rng>(
        network: Network,
        execution: Execution,
        random: &mut R,
    ) -> Result<Self, SupernetError> {
        let store = VarStore::new(execution.device());
        let layers = Layers::random(&store.root(), network.lower(), random).map_err(whole)?;
        Ok(Self::of(network, store, layers, execution))
    }

    /// A network with these weights.
    ///
    /// # Errors
    /// Weights of another network, and what libtorch says.
    pub fn given(
        network: Network,
        weights: &Weights,
        execution: Execution,
    ) -> Result<Self, SupernetError> {
        let store = VarStore::new(execution.device());
        let layers = Layers::given(&store.root(), network.lower(), weights).map_err(whole)?;
        Ok(Self::of(network, store, layers, execution))
    }

    fn of(network: Network, store: VarStore, layers: Layers, execution: Execution) -> Self {
        let layers = layers.with_execution(execution.of_layers());
        Self { network, store, layers, execution }
    }

    /// The same network, in which every block that adds its input begins as the identity (Goyal et al., arXiv:1706.02677,
    /// section 5.1).
    ///
    /// # Errors
    /// What libtorch says.
    pub fn beginning_as_identity(self) -> Result<Self, SupernetError> {
        self.layers.begin_as_identity().map_err(whole)?;
        Ok(self)
    }

    /// The same network with dropout before its classifier.
    #[must_use]
    pub fn with_dropout(self, dropout: Dropout) -> Self {
        Self { layers: self.layers.with_dropout(dropout), ..self }
    }

    /// What it is.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// All of its variables by name, such as a checkpoint takes them.
    pub fn variables(&self) -> &VarStore {
        &self.store
    }

    /// Its weights as they are now, such as an export takes them.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn weights(&self) -> Result<Weights, SupernetError> {
        self.layers.weights().map_err(whole)
    }

    /// The scores of every class, of shape `[batch, classes]`.
    ///
    /// # Errors
    /// Images of another shape, and what libtorch says.
    pub fn scores(&self, images: &Tensor, mode: Mode) -> Result<Tensor, SupernetError> {
        let images = self.execution.images(images)?;
        self.execution.forward(|| self.layers.forward(&images, mode).map_err(whole))
    }

    /// The variables that training changes.
    pub(crate) fn trainable(&self) -> Vec<Variable> {
        let variable =
            |(name, tensor): (String, &Tensor)| Variable { name, tensor: tensor.shallow_clone() };
        self.layers.trainable().map(variable).collect()
    }
}

impl Supernet {
    /// The network of an architecture, with the weights that the supernet has for it.
    ///
    /// # Errors
    /// An architecture of another space, and what libtorch says.
    pub fn extract(&self, architecture: &Architecture) -> Result<SingleNetwork, SupernetError> {
        let network = self.space().network(architecture)?;
        let mut tensors = BTreeMap::<String, WeightTensor>::new();
        for (slot, layers) in self.path(architecture)?.into_iter().enumerate() {
            let weights =
                layers.weights().map_err(|source| SupernetError::Slot { slot, source })?;
            for (name, tensor) in weights.iter() {
                let part = name.strip_prefix("op.").unwrap_or(name);
                tensors.insert(format!("blocks.{slot}.{part}"), tensor.clone());
            }
        }
        let weights = Weights::given(&network.lower(), tensors)?;
        SingleNetwork::given(network, &weights, self.execution())
    }
}

fn whole(source: LayersError) -> SupernetError {
    SupernetError::Network { source }
}
