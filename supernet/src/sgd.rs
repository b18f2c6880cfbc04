//! SGD with Nesterov's momentum, of which a variable that takes no part in a step knows nothing.

use std::collections::BTreeMap;

use tch::Tensor;
use torch_shim::{StepSizes, nesterov};

use crate::SupernetError;
use crate::net::Variable;

/// What a step takes besides its learning rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdSettings {
    /// Share of the velocity that stays, from 0 to below 1.
    pub momentum: f64,
    /// L2 penalty: this multiple of a variable is added to its gradient.
    pub weight_decay: f64,
}

/// The optimizer of weights, with the velocity of every variable that was ever trained.
///
/// As PyTorch's `SGD(nesterov=True)`, which it equals to rounding: `d = g + decay w`, `v = momentum v + d`,
/// `w -= rate (d + momentum v)` (Sutskever et al. 2013, as reformulated there). What is not given to a step
/// is not decayed, and its velocity stays.
#[derive(Debug)]
pub struct Sgd {
    settings: SgdSettings,
    velocities: BTreeMap<String, Tensor>,
}

impl SgdSettings {
    /// Those of the published search (`imagenet_arch_search.py`).
    pub const PUBLISHED: Self = Self { momentum: 0.9, weight_decay: 4e-5 };
}

impl Sgd {
    /// An optimizer that has not made a step.
    ///
    /// # Errors
    /// A momentum that is not from 0 to below 1, or a decay that is negative.
    pub fn new(settings: SgdSettings) -> Result<Self, SupernetError> {
        let SgdSettings { momentum, weight_decay } = settings;
        let wrong =
            |what, value, expected| Err(SupernetError::OutOfRange { what, value, expected });
        if !(0.0..1.0).contains(&momentum) {
            return wrong("the momentum", momentum, "from 0 to below 1");
        }
        if !(0.0..f64::INFINITY).contains(&weight_decay) {
            return wrong("the weight decay", weight_decay, "finite and not negative");
        }
        Ok(Self { settings, velocities: BTreeMap::new() })
    }

    /// An optimizer that goes on with the velocities of a checkpoint.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_velocities(
        settings: SgdSettings,
        velocities: BTreeMap<String, Tensor>,
    ) -> Result<Self, SupernetError> {
        Ok(Self { velocities, ..Self::new(settings)? })
    }

    /// The velocities by the names of their variables, such as a checkpoint takes them.
    pub fn velocities(&self) -> &BTreeMap<String, Tensor> {
        &self.velocities
    }

    /// Moves variables against their gradients, given in the same order.
    ///
    /// # Errors
    /// What libtorch says.
    pub(crate) fn step(
        &mut self,
        variables: &[Variable],
        gradients: &[Tensor],
        learning_rate: f64,
    ) -> Result<(), SupernetError> {
        let SgdSettings { momentum, weight_decay } = self.settings;
        let velocities = variables.iter().map(|variable| self.velocity(variable));
        let velocities: Vec<Tensor> = velocities.collect::<Result<_, _>>()?;
        let weights: Vec<Tensor> =
            variables.iter().map(|variable| variable.tensor.shallow_clone()).collect();
        let sizes = StepSizes { rate: learning_rate, momentum, weight_decay };
        Ok(nesterov(&weights, &velocities, gradients, sizes)?)
    }

    /// A variable's velocity, which shares its memory with the optimizer.
    fn velocity(&mut self, variable: &Variable) -> Result<Tensor, SupernetError> {
        if let Some(velocity) = self.velocities.get(&variable.name) {
            return Ok(velocity.shallow_clone());
        }
        let none = tch::no_grad(|| variable.tensor.f_zeros_like())?;
        self.velocities.insert(variable.name.clone(), none.shallow_clone());
        Ok(none)
    }
}

#[cfg(test)]
mod tests {
    use tch::nn::{Init, OptimizerConfig, VarStore};
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn steps_are_those_of_pytorch() {
        let settings = SgdSettings { momentum: 0.9, weight_decay: 0.1 };
        let mut ours = Sgd::new(settings).unwrap();
        let [store, other] = [0, 1].map(|_| VarStore::new(Device::Cpu));
        let [mine, theirs] =
            [&store, &other].map(|store| store.root().var("w", &[4], Init::Const(1.0)));
        let sgd = tch::nn::Sgd { momentum: 0.9, dampening: 0.0, wd: 0.1, nesterov: true };
        let mut optimizer = sgd.build(&other, 0.05).unwrap();
        let variables = [Variable { name: "w".to_owned(), tensor: mine.shallow_clone() }];
        for step in 0..20 {
            let target = Tensor::arange(4, (Kind::Float, Device::Cpu)) + step;
            let loss = |w: &Tensor| (w - &target).square().sum(Kind::Float);
            optimizer.backward_step(&loss(&theirs));
            let gradients = Tensor::run_backward(&[loss(&mine)], &[&mine], false, false);
            ours.step(&variables, &gradients, 0.05).unwrap();
            assert!(mine.allclose(&theirs, 1e-6, 1e-6, false), "step {step}");
        }
    }
}
