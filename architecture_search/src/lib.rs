//! Architecture search without the network: the architecture parameters, and everything that is learnt
//! about them. Pure numbers; whoever has the network gives its losses and its gates' gradients.
//!
//! [`Logits`] are the parameters. A [`GateMode`] draws [`Gates`] from them, which turn gate gradients
//! into logit gradients; a [`SearchCost`] has its expectation and gradient in closed form; an
//! [`Objective`] makes cross-entropy and cost one loss, and [`Adam`] takes the step. [`GradientSearch`]
//! is all of that together, [`ReinforceSearch`] its counterpart that learns from rewards,
//! [`EntropyPressure`] makes both decide, and [`Alternation`] says when weights and when logits learn. A [`TrialModel`]
//! learns from networks that were trained by themselves, and [`proposals`] says which to try next.
//! `docs/search.md` has the equations in one
//! place.
//!
//! ```
//! use architecture_search::*;
//! use op_catalog::SpaceDefinition;
//! use rand::SeedableRng;
//! let space = SpaceDefinition::built_in("proxyless-mobile")?.build()?;
//! let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(7);
//! let logits = Logits::random(&space, &mut random);
//! let cost = SearchCost::from(LinearCost::macs(&space));
//! let before = cost.expected(&logits)?.value;
//! let objective = Objective::target(0.9 * before)?;
//! let mut search =
//!     GradientSearch::new(GateMode::FullV2, logits, AdamSettings::PUBLISHED, objective, &cost)?;
//! for _ in 0..10 {
//!     let gates = search.sample_gates(&mut random);
//!     // Of a network: its cross-entropy on a batch along `gates.architecture()`, and dCE/dg.
//!     let (cross_entropy, gate_gradient) = (2.3, search.logits().values().clone());
//!     search.step(&gates, cross_entropy, &gate_gradient, &cost)?;
//! }
//! assert!(cost.expected(search.logits())?.value < before);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod alternation;
pub mod budget_choice;
mod budget_window;
mod candidate_kind;
mod candidate_traits;
pub mod cosine;
pub mod cost;
mod draw;
pub mod edge_values;
pub mod entropy_pressure;
pub mod error;
#[cfg(test)]
mod fixtures;
pub mod gates;
mod gradient_ratio;
pub mod gradient_search;
mod initial_logits;
pub mod linear_cost;
pub mod logits;
pub mod objective;
pub mod optimizer;
pub mod proposal;
mod reach;
pub mod reinforce;
pub mod reinforce_search;
pub mod shortlist;
pub mod target_multiplier;
pub mod term;
#[cfg(test)]
mod toy;
pub mod trial;
pub mod trial_model;

pub use alternation::{Action, Alternation, ArchitectureUpdates, Phase, Plan, Step};
pub use budget_choice::BudgetChoice;
pub use cosine::CosineSchedule;
pub use cost::SearchCost;
pub use edge_values::EdgeValues;
pub use entropy_pressure::EntropyPressure;
pub use error::SearchError;
pub use gates::{EdgeGates, GateMode, Gates, Participant};
pub use gradient_search::GradientSearch;
pub use linear_cost::{CostRange, LinearCost};
pub use logits::Logits;
pub use objective::{Loss, Objective};
pub use optimizer::{Adam, AdamSettings};
pub use proposal::{Round, proposals};
pub use reinforce::{Episode, Reinforce, Reward};
pub use reinforce_search::ReinforceSearch;
pub use shortlist::shortlist;
pub use target_multiplier::TargetMultiplier;
pub use term::Term;
pub use trial::{Trial, TrialLength};
pub use trial_model::{TrialModel, TrialPosterior};
