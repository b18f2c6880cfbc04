//! A gradient search learns logits from gate gradients: its logits, their optimizer and its objective
//! are all that it knows.

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::{
    Adam, AdamSettings, EdgeValues, EntropyPressure, GateMode, Gates, Logits, Loss, Objective,
    SearchCost, SearchError, Term,
};

/// The state of a search by gradient; saved and read again it goes on to the last bit.
///
/// A step is: [`Self::sample_gates`]; the network runs with these gates and says its loss and the loss's
/// gradient in each gate; [`Self::step`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GradientSearch {
    mode: GateMode,
    logits: Logits,
    adam: Adam,
    objective: Objective,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pressure: Option<EntropyPressure>,
}

impl GradientSearch {
    /// A search that has not begun.
    ///
    /// # Errors
    /// Gates of a single path, which teach nothing; settings that cannot learn; a target that no
    /// architecture can have.
    pub fn new(
        mode: GateMode,
        logits: Logits,
        settings: AdamSettings,
        objective: Objective,
        cost: &SearchCost,
    ) -> Result<Self, SearchError> {
        if mode == GateMode::Single {
            return Err(SearchError::SinglePath);
        }
        cost.check_target(objective.target_cost())?;
        cost.expected(&logits)?;
        Ok(Self { mode, adam: Adam::new(settings, &logits)?, logits, objective, pressure: None })
    }

    /// The same search, that decides in its steps.
    #[must_use]
    pub fn with_entropy_pressure(self, pressure: EntropyPressure) -> Self {
        Self { pressure: Some(pressure), ..self }
    }

    /// What has been learnt.
    pub fn logits(&self) -> &Logits {
        &self.logits
    }

    /// What is minimised.
    pub fn objective(&self) -> &Objective {
        &self.objective
    }

    /// How gates are drawn.
    pub fn mode(&self) -> GateMode {
        self.mode
    }

    /// Draws the gates of a step.
    pub fn sample_gates(&self, random: &mut impl Rng) -> Gates {
        self.mode.sample(&self.logits, random)
    }

    /// Learns from a step: `cross_entropy` in nats, and its gradient in each gate, where only that of
    /// participants counts.
    ///
    /// # Errors
    /// Gates, a gradient or a cost of another shape, numbers that are not finite, or a cost that the
    /// objective is not defined for. The logits then are as they were.
    pub fn step(
        &mut self,
        gates: &Gates,
        cross_entropy: f64,
        gate_gradient: &EdgeValues,
        cost: &SearchCost,
    ) -> Result<Loss, SearchError> {
        let cross_entropy =
            Term { value: cross_entropy, gradient: gates.logit_gradient(gate_gradient)? };
        let cost = cost.expected_through(&self.logits, gates)?;
        let mut loss = self.objective.combine(&cross_entropy, &cost)?;
        if let Some(pressure) = &mut self.pressure {
            pressure.press(&mut loss.gradient, &self.logits)?;
        }
        self.adam.step(&mut self.logits, &loss.gradient, gates)?;
        Ok(loss)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::LinearCost;
    use crate::fixtures::{logits, mobile_space, values};
    use crate::toy::Toy;

    const MODES: [GateMode; 3] = [GateMode::Two, GateMode::Full, GateMode::FullV2];

    fn objectives() -> [Objective; 3] {
        [
            Objective::mul_log(80.0, 0.2, 0.3).unwrap(),
            Objective::add_linear(80.0, 0.1).unwrap(),
            Objective::target(80.0).unwrap(),
        ]
    }

    /// A search on the toy, and the one stream of random numbers that all of it draws from.
    struct Trial {
        toy: Toy,
        search: GradientSearch,
        random: ChaCha8Rng,
    }

    impl Trial {
        fn new(mode: GateMode, objective: Objective, seed: u64) -> Self {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let toy = Toy::new(1.0, 0.1, &mut random);
            let logits = Logits::random(&mobile_space(), &mut random);
            let settings = AdamSettings::PUBLISHED;
            let search = GradientSearch::new(mode, logits, settings, objective, &toy.cost).unwrap();
            Self { toy, search, random }
        }

        fn run(&mut self, steps: usize) {
            for _ in 0..steps {
                self.toy.step(&mut self.search, &mut self.random);
            }
        }

        /// As a program does that ends and is started again.
        fn save_and_read(&mut self) {
            let saved = serde_json::to_string(&self.search).unwrap();
            let position = self.random.get_word_pos();
            self.search = serde_json::from_str(&saved).unwrap();
            self.random = ChaCha8Rng::from_seed(self.random.get_seed());
            self.random.set_word_pos(position);
        }

        fn bits(&self) -> Vec<u64> {
            self.search.logits().values().iter().map(f64::to_bits).collect()
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_logits_to_the_last_bit_and_another_seed_others() {
        for mode in MODES {
            let learnt = |seed| {
                let mut trial = Trial::new(mode, Objective::target(80.0).unwrap(), seed);
                trial.run(50);
                trial.bits()
            };
            assert_eq!(learnt(3), learnt(3));
            assert_ne!(learnt(3), learnt(4));
        }
    }

    #[test]
    fn a_search_that_was_saved_goes_on_to_the_last_bit() {
        for mode in MODES {
            for objective in objectives() {
                let mut whole = Trial::new(mode, objective.clone(), 5);
                whole.run(60);
                let mut parts = Trial::new(mode, objective, 5);
                parts.run(27);
                parts.save_and_read();
                parts.run(33);
                assert_eq!(whole.bits(), parts.bits());
                assert_eq!(whole.search, parts.search);
            }
        }
    }

    #[test]
    fn without_a_cost_in_the_way_the_best_candidates_win() {
        let cost = LinearCost::new(5.0, values(&[&[1.0, 1.0, 1.0], &[2.0, 2.0]])).unwrap().into();
        let mut random = ChaCha8Rng::seed_from_u64(6);
        for mode in MODES {
            let settings = AdamSettings { learning_rate: 0.05, ..AdamSettings::PUBLISHED };
            let objective = Objective::add_linear(8.0, 0.1).unwrap();
            let start = logits(&[&[0.0, 0.0, 0.0], &[0.0, 0.0]]);
            let mut search = GradientSearch::new(mode, start, settings, objective, &cost).unwrap();
            for _ in 0..400 {
                let gates = search.sample_gates(&mut random);
                let gradient = values(&[&[0.3, -0.2, 0.1], &[0.0, 0.4]]);
                search.step(&gates, 1.0, &gradient, &cost).unwrap();
            }
            assert_eq!(search.logits().most_likely().choices(), [1, 0], "{mode:?}");
            assert!(search.logits().entropy_nats() < 0.2, "{mode:?}");
        }
    }

    #[test]
    fn a_search_that_cannot_reach_its_target_or_learn_is_refused() {
        let cost: SearchCost = LinearCost::new(5.0, values(&[&[1.0, 2.0]])).unwrap().into();
        let refused = |mode, target| {
            let objective = Objective::target(target).unwrap();
            let start = logits(&[&[0.0, 0.0]]);
            GradientSearch::new(mode, start, AdamSettings::PUBLISHED, objective, &cost)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            refused(GateMode::Full, 4.0),
            "the target cost is 4, but must be from 6 to 7, as architectures cost"
        );
        assert_eq!(
            refused(GateMode::Single, 6.5),
            "gates of a single path teach the logits nothing: a search needs `two`, `full` or `full_v2`"
        );
    }

    #[test]
    fn a_step_that_fails_leaves_the_search_as_it_was() {
        let mut trial = Trial::new(GateMode::FullV2, Objective::target(80.0).unwrap(), 8);
        trial.run(3);
        let before = trial.search.clone();
        let gates = trial.search.sample_gates(&mut trial.random);
        let (_, gradient) = trial.toy.run(&gates, &mut trial.random);
        let error = trial.search.step(&gates, f64::NAN, &gradient, &trial.toy.cost).unwrap_err();
        assert_eq!(error.to_string(), "the cross-entropy is NaN, but must be finite");
        assert_eq!(trial.search, before);
    }
}
