//! A backend is what runs an item: it prepares a network for its runtime and gives something that
//! can be run again and again.

mod mock;
#[cfg(feature = "tract")]
mod tract;

use op_catalog::Network;
use op_catalog::wire::{Precision, Runtime, RuntimeInfo};

#[cfg(feature = "tract")]
use crate::clock::SystemClock;
use crate::clock::{Clock, VirtualClock};
#[cfg(feature = "tract")]
use crate::measuring::canary;

/// How the items of a job are run, all alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    /// Threads that the runtime may use.
    pub(crate) threads: u32,
    /// Images per run.
    pub(crate) batch: u32,
    /// Seed of weights and inputs.
    pub(crate) weight_seed: u64,
}

/// Prepares networks for one runtime.
pub(crate) trait Backend {
    /// Instantiates a network: makes its weights and inputs, loads and optimises it.
    ///
    /// # Errors
    /// What the runtime says of a network that it cannot run.
    fn prepare(&self, network: &Network, setting: Setting) -> anyhow::Result<Box<dyn Runnable>>;
}

/// A network that is ready to run.
pub(crate) trait Runnable {
    /// Runs it once on its inputs.
    ///
    /// # Errors
    /// What the runtime says.
    fn run(&mut self) -> anyhow::Result<()>;
}

/// A backend with the clock that its times are read from.
pub(crate) struct Bench {
    pub(crate) backend: Box<dyn Backend>,
    pub(crate) clock: Box<dyn Clock>,
    /// Time of the canary in nanoseconds.
    pub(crate) canary: fn() -> u64,
}

/// The runtimes of this build.
pub(crate) fn runtimes(core_count: u32) -> Vec<RuntimeInfo> {
    vec![
        #[cfg(feature = "tract")]
        tract::info(core_count),
        RuntimeInfo {
            runtime: Runtime::Mock,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            features: Vec::new(),
            precisions: vec![Precision::F32],
            max_threads: core_count,
        },
    ]
}

/// The bench of a runtime; `None` for one that is not in this build. `item_seed` tells one fresh
/// instantiation of the mock runtime from the next.
pub(crate) fn bench(runtime: Runtime, threads: u32, item_seed: u64) -> Option<Bench> {
    match runtime {
        #[cfg(feature = "tract")]
        Runtime::Tract => Some(Bench {
            backend: Box::new(tract::Tract::new(threads)),
            clock: Box::new(SystemClock),
            canary: canary::run,
        }),
        Runtime::Mock => {
            let clock = VirtualClock::default();
            let backend = mock::Mock::new(clock.clone(), item_seed);
            Some(Bench { backend: Box::new(backend), clock: Box::new(clock), canary: || 0 })
        }
        _ => None,
    }
}
