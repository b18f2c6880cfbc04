//! A backend is what runs an item: it prepares a network for its runtime and gives something that
//! can be run again and again. An [`Offer`] is a runtime that a program has, with its backend.

mod mock;
#[cfg(feature = "tract")]
mod tract;

use op_catalog::Network;
use op_catalog::wire::{Runtime, RuntimeInfo};

use crate::clock::{Clock, SystemClock, VirtualClock};
use crate::measuring::canary;

/// How the items of a job are run, all alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Threads that the runtime may use.
    pub threads: u32,
    /// Images per run.
    pub batch: u32,
    /// Seed of weights and inputs.
    pub weight_seed: u64,
}

/// Prepares networks for one runtime.
pub trait Backend {
    /// Instantiates a network: makes its weights and inputs, loads and optimises it.
    ///
    /// # Errors
    /// What the runtime says of a network that it cannot run.
    fn prepare(&self, network: &Network, setting: Setting) -> anyhow::Result<Box<dyn Runnable>>;
}

/// A network that is ready to run.
pub trait Runnable {
    /// Runs it once on its inputs. A runtime that works beside the program may be at it when this returns.
    ///
    /// # Errors
    /// What the runtime says.
    fn run(&mut self) -> anyhow::Result<()>;

    /// Waits until all runs are done.
    ///
    /// # Errors
    /// What the runtime says.
    fn finish(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    /// Runs it once and gives the numbers of its output in row-major order, `[batch, channels, height,
    /// width]`: all runtimes give the same for the same setting.
    ///
    /// # Errors
    /// What the runtime says, and a runtime that computes nothing.
    fn output(&mut self) -> anyhow::Result<Vec<f32>>;
}

/// A backend with the clock that its times are read from.
pub struct Bench {
    pub(crate) backend: Box<dyn Backend>,
    pub(crate) clock: Box<dyn Clock>,
    /// Runs the canary and gives its time in nanoseconds.
    pub(crate) canary: Box<dyn Fn() -> anyhow::Result<u64>>,
}

impl Bench {
    /// A backend that takes real time on the cores of this process.
    pub fn real(backend: impl Backend + 'static) -> Self {
        let canary = Box::new(|| Ok(canary::run()));
        Self { backend: Box::new(backend), clock: Box::new(SystemClock), canary }
    }

    /// A backend that takes real time elsewhere than on a core. Its canary is a fixed piece of work there, which has
    /// been done when it returns.
    pub fn elsewhere(
        backend: impl Backend + 'static,
        work: impl Fn() -> anyhow::Result<()> + 'static,
    ) -> Self {
        let canary = Box::new(move || canary::wall_time(&work));
        Self { backend: Box::new(backend), clock: Box::new(SystemClock), canary }
    }

    /// A backend that lets a clock of its own pass.
    fn virtual_time(backend: impl Backend + 'static, clock: VirtualClock) -> Self {
        Self { backend: Box::new(backend), clock: Box::new(clock), canary: Box::new(|| Ok(0)) }
    }

    /// The backend.
    pub fn backend(&self) -> &dyn Backend {
        self.backend.as_ref()
    }
}

/// A runtime that a program has.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    /// Its name.
    pub runtime: Runtime,
    /// What it can do on a device of so many cores; nothing where the device lacks what it needs.
    pub info: fn(core_count: u32) -> Option<RuntimeInfo>,
    /// Its bench for so many threads. The seed tells one fresh instantiation of the mock runtime from the
    /// next.
    pub bench: fn(threads: u32, item_seed: u64) -> anyhow::Result<Bench>,
}

/// The runtimes that need nothing but this crate.
pub const OFFERS: &[Offer] = &[
    #[cfg(feature = "tract")]
    tract::OFFER,
    mock::OFFER,
];

/// The bench of a runtime.
///
/// # Errors
/// A runtime that is not among the offers, and what it says when it does not start.
pub(crate) fn bench(
    offers: &[Offer],
    runtime: Runtime,
    threads: u32,
    item_seed: u64,
) -> anyhow::Result<Bench> {
    let offer = offers.iter().find(|offer| offer.runtime == runtime);
    let offer = offer.ok_or_else(|| anyhow::anyhow!("this build has no runtime `{runtime}`"))?;
    (offer.bench)(threads, item_seed)
}
