//! What a search or a training leaves behind: a folder that says all of it, and from which it goes on.
//!
//! A [`RunFolder`] has a place for everything. [`SearchConfig`] and [`TrainConfig`] are the settings, as
//! resolved from [options](SearchOptions) on a command line and in a TOML file. [`MetricsFile`] takes a line for
//! each step, [`Checkpoints`] keep the last two states, and [`FoundLogits`] is what a search found.
//! [`pictures`] draws the metrics.
//!
//! Nothing here runs a network: programs without libtorch read runs as well.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

pub mod checkpoint;
pub mod execution_name;
pub mod folder;
pub mod found;
pub mod images;
pub mod latency_target;
pub mod metrics;
pub mod pictures;
pub mod race;
pub mod race_spread;
pub mod ranked;
pub mod residual_start;
pub mod result;
pub mod search_config;
pub mod searched_space;
mod settings;
pub mod train_config;

pub use checkpoint::Checkpoints;
pub use execution_name::ExecutionName;
pub use folder::RunFolder;
pub use found::FoundLogits;
pub use latency_target::LatencyTarget;
pub use metrics::{Metric, MetricsFile};
pub use race::{RaceConfig, RaceFolder, RaceResult, Raced};
pub use race_spread::RaceSpread;
pub use ranked::Ranked;
pub use residual_start::ResidualStart;
pub use result::{Accuracy, DIVERGED, TrainResult};
pub use search_config::{SearchConfig, SearchOptions};
pub use train_config::{TrainConfig, TrainOptions};
