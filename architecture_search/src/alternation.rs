//! The alternation says what each step of a search trains: weights or logits.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

/// How long a search is, and how often its logits learn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Epochs before the search, of weights alone (40 published).
    pub warm_up_epochs: u32,
    /// Epochs of the search (120 published). In the first of them the logits do not learn yet.
    pub search_epochs: u32,
    /// Steps of the weights in an epoch.
    pub batches_per_epoch: NonZeroU32,
    /// How often the logits learn.
    pub updates: ArchitectureUpdates,
}

/// How often logits learn, by the algorithm that they learn with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArchitectureUpdates {
    /// By gradient: a step after so many of the weights (5 published).
    Gradient {
        /// Steps of the weights for each.
        weight_steps: NonZeroU32,
    },
    /// By REINFORCE: so many steps spread over an epoch (300 published), each from several architectures
    /// on one batch (10 published).
    Reinforce {
        /// Steps of the logits in an epoch.
        updates_per_epoch: NonZeroU32,
        /// Architectures for each.
        samples_per_update: NonZeroU32,
    },
}

/// Where in a search a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Weights alone, along random paths.
    WarmUp,
    /// Weights and logits.
    Search,
}

/// What a step trains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The weights of one path, on a batch of the training part.
    Weights,
    /// The logits, on a batch of the validation part.
    Architecture,
}

/// A step of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Where it is.
    pub phase: Phase,
    /// The epoch of the phase, from 0.
    pub epoch: u32,
    /// The batch of the epoch, from 0: that of the weights, or after which the logits learn.
    pub batch: u32,
    /// What it trains.
    pub action: Action,
}

/// The steps of a [`Plan`] in their order. Its own state is the position, so that one that was saved
/// goes on where it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alternation {
    plan: Plan,
    weight_steps: u64,
    architecture_steps: u64,
}

impl Plan {
    /// Steps of the weights in a phase: how long its learning rate falls.
    pub fn weight_steps(&self, phase: Phase) -> u64 {
        let epochs = match phase {
            Phase::WarmUp => self.warm_up_epochs,
            Phase::Search => self.search_epochs,
        };
        u64::from(epochs) * self.batches()
    }

    /// Steps of the logits in the whole search.
    pub fn architecture_steps(&self) -> u64 {
        self.architecture_steps_after(
            self.weight_steps(Phase::WarmUp) + self.weight_steps(Phase::Search),
        )
    }

    /// Steps of the logits that so many steps of the weights have before them. They are counted from
    /// the second epoch of the search on, through all epochs: where an epoch is no multiple of the
    /// steps between two of them, or is shorter, none is lost.
    fn architecture_steps_after(&self, weight_steps: u64) -> u64 {
        let learning =
            weight_steps.saturating_sub(self.weight_steps(Phase::WarmUp) + self.batches());
        match self.updates {
            ArchitectureUpdates::Gradient { weight_steps } => {
                learning / u64::from(weight_steps.get())
            }
            ArchitectureUpdates::Reinforce { updates_per_epoch, .. } => {
                learning * u64::from(updates_per_epoch.get()) / self.batches()
            }
        }
    }

    fn batches(&self) -> u64 {
        u64::from(self.batches_per_epoch.get())
    }

    /// The step of this number among those of the weights, or of the logits that follow it.
    fn step(&self, weight_step: u64, action: Action) -> Step {
        let warm_up = self.weight_steps(Phase::WarmUp);
        let (phase, within) = match weight_step.checked_sub(warm_up) {
            Some(within) => (Phase::Search, within),
            None => (Phase::WarmUp, weight_step),
        };
        let epoch = (within / self.batches()) as u32;
        Step { phase, epoch, batch: (within % self.batches()) as u32, action }
    }
}

impl Alternation {
    /// From the beginning.
    pub fn new(plan: Plan) -> Self {
        Self { plan, weight_steps: 0, architecture_steps: 0 }
    }

    /// What it follows.
    pub fn plan(&self) -> Plan {
        self.plan
    }

    /// Steps of the weights so far, those of the warm-up too.
    pub fn weight_steps(&self) -> u64 {
        self.weight_steps
    }

    /// Steps of the logits so far.
    pub fn architecture_steps(&self) -> u64 {
        self.architecture_steps
    }
}

impl Iterator for Alternation {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        if self.architecture_steps < self.plan.architecture_steps_after(self.weight_steps) {
            self.architecture_steps += 1;
            return Some(self.plan.step(self.weight_steps - 1, Action::Architecture));
        }
        let all = self.plan.weight_steps(Phase::WarmUp) + self.plan.weight_steps(Phase::Search);
        (self.weight_steps < all).then(|| {
            self.weight_steps += 1;
            self.plan.step(self.weight_steps - 1, Action::Weights)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    fn gradient(weight_steps: u32) -> ArchitectureUpdates {
        ArchitectureUpdates::Gradient { weight_steps: number(weight_steps) }
    }

    fn reinforce(updates_per_epoch: u32) -> ArchitectureUpdates {
        ArchitectureUpdates::Reinforce {
            updates_per_epoch: number(updates_per_epoch),
            samples_per_update: number(10),
        }
    }

    fn plan(
        warm_up_epochs: u32,
        search_epochs: u32,
        batches: u32,
        updates: ArchitectureUpdates,
    ) -> Plan {
        Plan { warm_up_epochs, search_epochs, batches_per_epoch: number(batches), updates }
    }

    /// `w` and `W` are steps of the weights in warm-up and search, `a` those of the logits.
    fn letters(plan: Plan) -> String {
        let letter = |step: Step| match (step.action, step.phase) {
            (Action::Weights, Phase::WarmUp) => 'w',
            (Action::Weights, Phase::Search) => 'W',
            (Action::Architecture, _) => 'a',
        };
        Alternation::new(plan).map(letter).collect()
    }

    #[test]
    fn logits_learn_after_their_share_of_weight_steps_from_the_second_search_epoch_on() {
        for (plan, expected) in [
            (plan(1, 3, 4, gradient(2)), "wwwwWWWWWWaWWaWWaWWa"),
            (plan(0, 2, 6, gradient(5)), "WWWWWWWWWWWaW"),
            // What an epoch has left over counts in the next one.
            (plan(0, 3, 3, gradient(2)), "WWWWWaWWaWWa"),
            // Epochs shorter than the distance of two steps of the logits.
            (plan(0, 4, 2, gradient(3)), "WWWWWaWWWa"),
            (plan(1, 2, 6, reinforce(2)), "wwwwwwWWWWWWWWWaWWWa"),
            // More steps of the logits than batches.
            (plan(0, 2, 2, reinforce(5)), "WWWaaWaaa"),
            (plan(2, 0, 3, gradient(1)), "wwwwww"),
            (plan(2, 1, 1, gradient(1)), "wwW"),
        ] {
            assert_eq!(letters(plan), expected, "{plan:?}");
        }
    }

    #[test]
    fn the_published_plans_have_the_published_numbers_of_steps() {
        // 1 231 167 - 50 000 images in batches of 256 are 4614 steps.
        let grad = plan(40, 120, 4614, gradient(5));
        assert_eq!(grad.architecture_steps(), 119 * 4614 / 5);
        assert_eq!(grad.weight_steps(Phase::WarmUp), 40 * 4614);
        assert_eq!(plan(40, 120, 4614, reinforce(300)).architecture_steps(), 119 * 300);
    }

    #[test]
    fn a_step_says_where_it_is() {
        let steps: Vec<Step> = Alternation::new(plan(1, 2, 2, gradient(2))).collect();
        let expected = [
            (Phase::WarmUp, 0, 0, Action::Weights),
            (Phase::WarmUp, 0, 1, Action::Weights),
            (Phase::Search, 0, 0, Action::Weights),
            (Phase::Search, 0, 1, Action::Weights),
            (Phase::Search, 1, 0, Action::Weights),
            (Phase::Search, 1, 1, Action::Weights),
            (Phase::Search, 1, 1, Action::Architecture),
        ];
        let expected =
            expected.map(|(phase, epoch, batch, action)| Step { phase, epoch, batch, action });
        assert_eq!(steps, expected);
    }

    fn any_updates() -> impl Strategy<Value = ArchitectureUpdates> {
        prop_oneof![(1_u32..9).prop_map(gradient), (1_u32..9).prop_map(reinforce)]
    }

    proptest! {
        #[test]
        fn one_that_was_saved_anywhere_goes_on_where_it_was(
            warm_up in 0_u32..3, search in 0_u32..4, batches in 1_u32..7, updates in any_updates(),
            at in 0_usize..60,
        ) {
            let plan = plan(warm_up, search, batches, updates);
            let whole: Vec<Step> = Alternation::new(plan).collect();
            let mut first = Alternation::new(plan);
            let mut steps: Vec<Step> = first.by_ref().take(at).collect();
            let saved = serde_json::to_string(&first).unwrap();
            steps.extend(serde_json::from_str::<Alternation>(&saved).unwrap());
            prop_assert_eq!(steps, whole);
        }

        #[test]
        fn the_numbers_of_steps_are_those_that_come(
            warm_up in 0_u32..3, search in 0_u32..4, batches in 1_u32..7, updates in any_updates(),
        ) {
            let plan = plan(warm_up, search, batches, updates);
            let mut alternation = Alternation::new(plan);
            let learning = alternation.by_ref().filter(|step| step.action == Action::Architecture);
            prop_assert_eq!(learning.count() as u64, plan.architecture_steps());
            prop_assert_eq!(alternation.architecture_steps(), plan.architecture_steps());
            let weights = plan.weight_steps(Phase::WarmUp) + plan.weight_steps(Phase::Search);
            prop_assert_eq!(alternation.weight_steps(), weights);
        }
    }
}
