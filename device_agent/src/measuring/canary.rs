//! The canary is a fixed piece of work whose time shows how fast the core, or what else measures, is right now.
//! Only its changes mean something.

use std::collections::VecDeque;
use std::hint::black_box;

use super::statistics::{median, percentile, sorted};
use crate::clock::{Clock, SystemClock};

/// Runs of the kernel in one canary.
const RUNS: usize = 5;
/// Steps of the kernel in one run; about a third of a millisecond on a current core.
const STEPS: usize = 100_000;
/// Chains that do not wait for each other: enough to keep all integer units of a core busy.
const CHAINS: usize = 8;
/// Canaries that the usual speed is taken from: enough to outlast a disturbance of some seconds, few
/// enough to follow a device that has settled at another speed.
const MEMORY: usize = 128;

/// Runs the canary and returns the median time of its kernel in nanoseconds: thread-CPU time where
/// there is such a clock, else wall time.
pub(crate) fn run() -> u64 {
    let times = (0..RUNS).map(|_| {
        let start = SystemClock.start();
        black_box(kernel(black_box([1; CHAINS])));
        let stop = SystemClock.stop();
        let thread_cpu =
            stop.thread_cpu_ns.zip(start.thread_cpu_ns).map(|(after, before)| after - before);
        thread_cpu.unwrap_or(stop.wall_ns - start.wall_ns) as f64
    });
    median(times) as u64
}

/// Does a piece of work that is not a core's, and returns the median of its wall times in nanoseconds.
///
/// # Errors
/// What the work says.
pub(crate) fn wall_time(work: &impl Fn() -> anyhow::Result<()>) -> anyhow::Result<u64> {
    let times: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = SystemClock.start();
            work()?;
            Ok((SystemClock.stop().wall_ns - start.wall_ns) as f64)
        })
        .collect::<anyhow::Result<_>>()?;
    Ok(median(times) as u64)
}

/// Chains of integer steps that keep the core's units busy, so that whoever shares these units shows.
/// Integers in registers, because the time of floating-point code depends on how the code before it left
/// the vector registers; a multiplication in each step, because compilers then leave the chains scalar.
fn kernel(mut chains: [u64; CHAINS]) -> [u64; CHAINS] {
    for step in 0..STEPS as u64 {
        for chain in &mut chains {
            let mixed = chain.wrapping_mul(6_364_136_223_846_793_005).rotate_left(13) ^ step;
            *chain = mixed.wrapping_add(mixed >> 7);
        }
    }
    chains
}

/// The usual speed of the device: the lower quartile of its last canaries, because a device that is
/// disturbed half of the time is not meant to be so.
#[derive(Clone, Debug, Default)]
pub(crate) struct UsualSpeed {
    times: VecDeque<f64>,
}

impl UsualSpeed {
    /// Takes a canary in.
    pub(crate) fn note(&mut self, milliseconds: f64) {
        self.times.push_back(milliseconds);
        if self.times.len() > MEMORY {
            self.times.pop_front();
        }
    }

    /// How much slower than usual a canary is; 0 where it is not, or where nothing is known yet.
    pub(crate) fn drift(&self, milliseconds: f64) -> f64 {
        let usual = sorted(self.times.iter().copied());
        if usual.is_empty() {
            return 0.0;
        }
        let usual = percentile(&usual, 0.25);
        if usual > 0.0 { (milliseconds / usual - 1.0).max(0.0) } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drift_is_slowness_against_the_usual_speed_which_follows_a_device_that_settles() {
        let mut usual = UsualSpeed::default();
        assert_eq!(usual.drift(5.0), 0.0);
        for time in [1.0, 1.5, 1.0, 1.5, 1.0, 1.5] {
            usual.note(time);
        }
        assert!((usual.drift(1.5) - 0.5).abs() < 1e-12);
        assert_eq!(usual.drift(0.9), 0.0);
        for _ in 0..MEMORY {
            usual.note(2.0);
        }
        assert_eq!(usual.drift(2.0), 0.0);
        assert_eq!(UsualSpeed { times: [0.0].into() }.drift(0.0), 0.0);
    }

    #[test]
    fn the_kernel_takes_time_on_a_real_clock() {
        assert!(run() > 0);
    }

    #[test]
    fn work_elsewhere_is_timed_by_the_wall_clock_and_its_failure_is_told() {
        let nap = || {
            std::thread::sleep(std::time::Duration::from_millis(2));
            Ok(())
        };
        assert!(wall_time(&nap).unwrap() >= 2_000_000);
        let error = wall_time(&|| anyhow::bail!("the GPU fell off the bus")).unwrap_err();
        assert_eq!(error.to_string(), "the GPU fell off the bus");
    }
}
