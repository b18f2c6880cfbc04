//! The mock runtime computes its times from the layers' costs and lets a virtual clock pass, so that
//! the whole road from a request to a table can be tested exactly and in milliseconds.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use op_catalog::wire::{Precision, Runtime, RuntimeInfo};
use op_catalog::{Cost, Network};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Backend, Bench, Offer, Runnable, Setting};
use crate::clock::VirtualClock;

/// Nanoseconds per multiply-accumulate.
const PER_MAC_NS: f64 = 0.1;
/// Nanoseconds per block.
const PER_BLOCK_NS: f64 = 5_000.0;
/// How much longer a chain of blocks takes than its blocks alone: what real runtimes show, because
/// weights stay in cache when one operation runs again and again.
const CHAIN_FACTOR: f64 = 1.08;
/// Relative spread between instantiations and between runs of one instantiation.
const INSTANTIATION_SPREAD: f64 = 0.003;
const RUN_SPREAD: f64 = 0.01;

/// Environment variable with a fault for tests, `FAULT:TEXT`: the fault strikes at each network one of
/// whose block keys contains TEXT. Faults: `abort`, `hang`, `refuse`, and `slow` (each run takes 2 ms of
/// real time, for tests that need a job to last).
const FAULT_VARIABLE: &str = "DEVICE_AGENT_MOCK_FAULT";

pub(super) const OFFER: Offer = Offer {
    runtime: Runtime::Mock,
    info: |core_count| {
        Some(RuntimeInfo {
            runtime: Runtime::Mock,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            features: Vec::new(),
            precisions: vec![Precision::F32],
            max_threads: core_count,
        })
    },
    bench: |_threads, item_seed| {
        let clock = VirtualClock::default();
        Ok(Bench::virtual_time(Mock::new(clock.clone(), item_seed), clock))
    },
};

struct Mock {
    clock: VirtualClock,
    noise: Rc<RefCell<ChaCha8Rng>>,
}

struct MockRun {
    clock: VirtualClock,
    noise: Rc<RefCell<ChaCha8Rng>>,
    nanoseconds: f64,
    real_time: Duration,
}

impl Mock {
    fn new(clock: VirtualClock, seed: u64) -> Self {
        Self { clock, noise: Rc::new(RefCell::new(ChaCha8Rng::seed_from_u64(seed))) }
    }
}

impl Backend for Mock {
    fn prepare(&self, network: &Network, setting: Setting) -> anyhow::Result<Box<dyn Runnable>> {
        let mut real_time = Duration::ZERO;
        match fault(network).as_deref() {
            Some("abort") => std::process::abort(),
            Some("hang") => std::thread::sleep(Duration::from_hours(1)),
            Some("refuse") => anyhow::bail!("the mock runtime was told to refuse this item"),
            Some("slow") => real_time = Duration::from_millis(2),
            _ => {}
        }
        // A skipped block costs nothing on a real runtime either.
        let blocks: Vec<_> = network.blocks().iter().filter(|block| !block.is_free()).collect();
        let macs: u64 = blocks.iter().map(|block| Cost::of(&block.lower()).macs).sum();
        let work = macs as f64 * f64::from(setting.batch) / f64::from(setting.threads);
        let alone = work * PER_MAC_NS + blocks.len() as f64 * PER_BLOCK_NS;
        let chain = if blocks.len() > 1 { CHAIN_FACTOR } else { 1.0 };
        let nanoseconds = alone * chain * spread(&self.noise, INSTANTIATION_SPREAD);
        self.clock.advance(1_000_000);
        Ok(Box::new(MockRun {
            clock: self.clock.clone(),
            noise: Rc::clone(&self.noise),
            nanoseconds,
            real_time,
        }))
    }
}

impl Runnable for MockRun {
    fn run(&mut self) -> anyhow::Result<()> {
        if !self.real_time.is_zero() {
            std::thread::sleep(self.real_time);
        }
        let nanoseconds = self.nanoseconds * spread(&self.noise, RUN_SPREAD);
        self.clock.advance(nanoseconds as u64);
        Ok(())
    }

    fn output(&mut self) -> anyhow::Result<Vec<f32>> {
        anyhow::bail!("the mock runtime computes nothing")
    }
}

/// A factor near 1, uniform within the relative spread on both sides.
fn spread(noise: &RefCell<ChaCha8Rng>, relative: f64) -> f64 {
    1.0 + relative * noise.borrow_mut().random_range(-1.0..1.0)
}

/// The fault that a test asked for, where it strikes this network.
fn fault(network: &Network) -> Option<String> {
    let told = std::env::var(FAULT_VARIABLE).ok()?;
    let (fault, text) = told.split_once(':')?;
    let strikes = network.blocks().iter().any(|block| block.to_string().contains(text));
    strikes.then(|| fault.to_owned())
}
