//! The canary is a fixed piece of work whose time shows how fast the core is right now. Only its
//! changes mean something.

use std::hint::black_box;

use super::statistics::median;
use crate::clock::Clock;

/// Runs of the kernel in one canary.
const RUNS: usize = 9;
/// Passes over the kernel's array in one run; about half a millisecond on a current core.
const PASSES: usize = 400;
/// Numbers in the kernel's array: 8 KiB, so that it stays in the first-level cache and other cores do
/// not disturb it.
const LENGTH: usize = 2048;

/// Runs the canary and returns the median time of its kernel in nanoseconds: thread-CPU time where
/// there is such a clock, else wall time.
pub(crate) fn run(clock: &dyn Clock) -> u64 {
    let mut numbers = vec![1.0_f32; LENGTH];
    let times = (0..RUNS).map(|_| {
        let start = clock.start();
        kernel(&mut numbers);
        let stop = clock.stop();
        let thread_cpu =
            stop.thread_cpu_ns.zip(start.thread_cpu_ns).map(|(after, before)| after - before);
        thread_cpu.unwrap_or(stop.wall_ns - start.wall_ns) as f64
    });
    median(times) as u64
}

/// Multiply-adds that converge to 2, far from zero, infinity and denormal numbers.
fn kernel(numbers: &mut [f32]) {
    for _ in 0..PASSES {
        for number in numbers.iter_mut() {
            *number = *number * 0.5 + 1.0;
        }
        black_box(&mut *numbers);
    }
}

/// Relative change from one canary to the next.
pub(crate) fn drift(before_ns: u64, after_ns: u64) -> f64 {
    if before_ns == 0 {
        // The virtual clock does not pass during a canary.
        return if after_ns == 0 { 0.0 } else { f64::INFINITY };
    }
    (after_ns as f64 / before_ns as f64 - 1.0).abs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn drift_is_relative_and_without_direction() {
        for (before, after, expected) in
            [(100, 100, 0.0), (100, 110, 0.1), (100, 90, 0.1), (0, 0, 0.0)]
        {
            assert!((drift(before, after) - expected).abs() < 1e-12, "{before} to {after}");
        }
        assert!(run(&SystemClock) > 0);
    }
}
