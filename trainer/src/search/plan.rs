//! A search's plan is what its settings, its space and its table mean together, checked before anything runs.

use std::num::NonZeroU32;

use anyhow::bail;
use architecture_search::{
    AdamSettings, ArchitectureUpdates, CosineSchedule, EntropyPressure, GateMode, GradientSearch,
    LinearCost, Logits, Objective, Phase, Plan, Reinforce, ReinforceSearch, SearchCost,
    TargetMultiplier,
};
use command_line::resolve;
use datasets::{HeldOut, Pipeline, Split, TrainingParts};
use latency_tables::EdgeCosts;
use op_catalog::SearchSpace;
use rand::Rng;
use runs::search_config::{Algorithm, GateModeName, InitialLogits, ObjectiveName};
use runs::{RunFolder, SearchConfig, images};

use crate::images::Feed;
use crate::normalised_set::NormalisedSet;
use crate::search_state::Learner;

/// alpha and beta of the published objective.
const MUL_LOG: (f64, f64) = (0.2, 0.3);

/// How far the steps of a logit go together, where all go one way.
const ALL_STEPS: f64 = 10.0;

/// The least and the most that a learning rate of logits is by itself.
const RATES: (f64, f64) = (1e-3, 0.1);

/// How many times the target the latency of paths may be, or the target that of paths, before it is said.
const FAR: f64 = 1.5;

/// How slowly the baseline of REINFORCE moves.
const BASELINE_DECAY: f64 = 0.9;

/// The cost of the run's table, in milliseconds.
pub(crate) fn cost(folder: &RunFolder, space: &SearchSpace) -> anyhow::Result<LinearCost> {
    let table = resolve::table(&folder.table())?;
    Ok(LinearCost::latency_ms(&EdgeCosts::new(space, &table)?)?)
}

/// A search's training images, and the parts of them that weights and logits learn on.
struct Images {
    set: NormalisedSet,
    parts: TrainingParts,
}

impl Images {
    fn open(config: &SearchConfig, space: &SearchSpace) -> anyhow::Result<Self> {
        let input = images::input(space)?;
        let set =
            NormalisedSet::open(&config.data, input, space.definition().classes, config.seed)?;
        let share = HeldOut::Share(config.architecture_share);
        let parts = set.images(Split::Training).hold_out(share, config.held_out_seed())?;
        Ok(Self { set, parts })
    }

    /// Those that are held out for logits, in an order of their own.
    fn held_out(self, config: &SearchConfig, pipeline: Pipeline) -> anyhow::Result<Feed> {
        let (batch, seed) = (config.architecture_batch.get(), config.seed.wrapping_add(1));
        Feed::training(self.parts.architecture, pipeline, batch, seed)
    }
}

/// The images that weights and logits learn on.
pub(crate) fn feeds(config: &SearchConfig, space: &SearchSpace) -> anyhow::Result<(Feed, Feed)> {
    let images = Images::open(config, space)?;
    let pipeline = images.set.augmenting(&config.recipe)?;
    let weights = images.parts.weights.clone();
    let weights = Feed::training(weights, pipeline.clone(), config.batch.get(), config.seed)?;
    Ok((weights, images.held_out(config, pipeline)?))
}

/// The images that no weights were learnt on, as they are, in an order in which every batch has all classes.
pub(crate) fn held_out(config: &SearchConfig, space: &SearchSpace) -> anyhow::Result<Feed> {
    let images = Images::open(config, space)?;
    let pipeline = images.set.evaluating(&config.recipe)?;
    images.held_out(config, pipeline)
}

/// The steps, given how many an epoch of all images has.
pub(crate) fn plan(config: &SearchConfig, steps_per_epoch: u32) -> anyhow::Result<Plan> {
    let steps = config.steps_per_epoch.map_or(steps_per_epoch, NonZeroU32::get);
    let Some(batches_per_epoch) = NonZeroU32::new(steps) else {
        bail!("there are fewer images than a batch has, {}", config.batch);
    };
    let updates = match config.algorithm {
        Algorithm::Gradient => {
            ArchitectureUpdates::Gradient { weight_steps: config.architecture_every }
        }
        Algorithm::Reinforce => ArchitectureUpdates::Reinforce {
            updates_per_epoch: NonZeroU32::new(steps / config.architecture_every)
                .unwrap_or(NonZeroU32::MIN),
            samples_per_update: config.samples,
        },
    };
    Ok(Plan {
        warm_up_epochs: config.warm_up_epochs,
        search_epochs: config.epochs,
        batches_per_epoch,
        updates,
    })
}

/// The learning rates of warm-up and search. The published search begins with half of what its warm-up begins with.
pub(crate) fn rates(config: &SearchConfig, plan: Plan) -> anyhow::Result<[CosineSchedule; 2]> {
    Ok([
        CosineSchedule::new(config.learning_rate, plan.weight_steps(Phase::WarmUp).max(1))?,
        CosineSchedule::new(config.learning_rate / 2.0, plan.weight_steps(Phase::Search))?,
    ])
}

/// The learning rate of logits, where the user says none: enough for logits to part in so many steps of about the
/// rate each, as those of Adam are. The published search has 110,000 steps, at 0.001.
pub(crate) fn architecture_learning_rate(plan: Plan) -> f64 {
    (ALL_STEPS / plan.architecture_steps().max(1) as f64).clamp(RATES.0, RATES.1)
}

/// What is to learn the logits in a plan, from the beginning.
pub(crate) fn learner<R: Rng>(
    config: &SearchConfig,
    plan: Plan,
    space: &SearchSpace,
    cost: &LinearCost,
    learning_rate: f64,
    random: &mut R,
) -> anyhow::Result<Learner> {
    let target = config.target.milliseconds().0;
    let logits = match config.initial_logits {
        InitialLogits::Uniform => Logits::random(space, random),
        InitialLogits::OnTarget => Logits::random_on_target(space, cost, target, random)?,
    };
    let cost = SearchCost::from(cost.clone());
    let pressure = EntropyPressure::new(config.entropy_pressure, plan.architecture_steps().max(1))?;
    let settings = AdamSettings { learning_rate, ..AdamSettings::PUBLISHED };
    Ok(match config.algorithm {
        Algorithm::Gradient => {
            let (mode, objective) = (gate_mode(config.gates), objective(config)?);
            let search = GradientSearch::new(mode, logits, settings, objective, &cost)?;
            Learner::Gradient(search.with_entropy_pressure(pressure))
        }
        Algorithm::Reinforce => {
            let estimator = Reinforce::new(BASELINE_DECAY)?;
            let mut search = ReinforceSearch::new(logits, settings, estimator)?;
            if config.objective == ObjectiveName::Target {
                search = search.with_target(TargetMultiplier::new(target)?, &cost)?;
            }
            Learner::Reinforce(search.with_entropy_pressure(pressure))
        }
    })
}

/// What to do where the warm-up's paths are of another latency than the target.
pub(crate) fn advice(config: &SearchConfig, expected_ms: f64) -> Option<String> {
    let ratio = expected_ms / config.target.milliseconds().0;
    let is_far = !(1.0 / FAR..=FAR).contains(&ratio);
    (is_far && config.initial_logits == InitialLogits::Uniform).then(|| {
        format!(
            "the paths that are trained take {expected_ms:.3} ms on average, and the target is {}: \
             --initial-logits on_target trains paths of the target's latency",
            config.target
        )
    })
}

fn gate_mode(name: GateModeName) -> GateMode {
    match name {
        GateModeName::Two => GateMode::Two,
        GateModeName::Full => GateMode::Full,
        GateModeName::FullV2 => GateMode::FullV2,
    }
}

fn objective(config: &SearchConfig) -> anyhow::Result<Objective> {
    let target = config.target.milliseconds().0;
    Ok(match config.objective {
        ObjectiveName::Target => Objective::target(target)?,
        ObjectiveName::MulLog => Objective::mul_log(target, MUL_LOG.0, MUL_LOG.1)?,
        ObjectiveName::AddLinear => Objective::add_linear(target, config.lambda)?,
        ObjectiveName::Reward => bail!("the objective `reward` is of REINFORCE alone"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
    }

    #[test]
    fn logits_move_far_in_a_short_search_and_as_published_in_a_long_one() {
        for (search_epochs, batches, expected) in [(2, 10, 0.1), (6, 150, 0.067), (120, 4614, 1e-3)]
        {
            let updates = ArchitectureUpdates::Gradient { weight_steps: number(5) };
            let plan = Plan {
                warm_up_epochs: 1,
                search_epochs,
                batches_per_epoch: number(batches),
                updates,
            };
            let rate = architecture_learning_rate(plan);
            assert!((rate / expected - 1.0).abs() < 0.01, "{rate} {expected}");
        }
    }
}
