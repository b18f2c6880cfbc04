//! A clock gives readings around a timed region. The real one reads the system's; the virtual one
//! passes only when the mock runtime says so, so that tests are exact.

use std::cell::Cell;
use std::rc::Rc;

use nix::sys::resource::{UsageWho, getrusage};
use nix::time::{ClockId, clock_gettime};

/// What is read before and after a timed region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Wall time since some moment, in nanoseconds.
    pub(crate) wall_ns: u64,
    /// CPU time of this thread, in nanoseconds.
    pub(crate) thread_cpu_ns: Option<u64>,
    /// Involuntary context switches of this thread so far.
    pub(crate) involuntary_switches: Option<u64>,
}

/// Gives readings.
pub(crate) trait Clock {
    /// A reading at the start of a region: the wall clock last, so that it is nearest to the work.
    fn start(&self) -> Reading;
    /// A reading at its end: the wall clock first.
    fn stop(&self) -> Reading;
}

/// The system's clocks.
pub(crate) struct SystemClock;

impl SystemClock {
    fn wall_ns() -> u64 {
        // CLOCK_MONOTONIC is always there on the systems that the agent builds for.
        nanoseconds(ClockId::CLOCK_MONOTONIC).unwrap_or_default()
    }

    /// CPU time of the calling thread; `None` where the system has no such clock.
    pub(crate) fn thread_cpu_ns() -> Option<u64> {
        nanoseconds(ClockId::CLOCK_THREAD_CPUTIME_ID)
    }

    /// Involuntary context switches of the calling thread; `None` where they are not counted.
    pub(crate) fn involuntary_switches() -> Option<u64> {
        let usage = getrusage(UsageWho::RUSAGE_THREAD).ok()?;
        u64::try_from(usage.involuntary_context_switches()).ok()
    }
}

impl Clock for SystemClock {
    fn start(&self) -> Reading {
        let involuntary_switches = Self::involuntary_switches();
        let thread_cpu_ns = Self::thread_cpu_ns();
        Reading { wall_ns: Self::wall_ns(), thread_cpu_ns, involuntary_switches }
    }

    fn stop(&self) -> Reading {
        let wall_ns = Self::wall_ns();
        let thread_cpu_ns = Self::thread_cpu_ns();
        Reading { wall_ns, thread_cpu_ns, involuntary_switches: Self::involuntary_switches() }
    }
}

fn nanoseconds(clock: ClockId) -> Option<u64> {
    let time = clock_gettime(clock).ok()?;
    let seconds = u64::try_from(time.tv_sec()).ok()?;
    Some(seconds * 1_000_000_000 + u64::try_from(time.tv_nsec()).ok()?)
}

/// A clock that passes only by [`VirtualClock::advance`].
#[derive(Clone, Default)]
pub(crate) struct VirtualClock {
    now_ns: Rc<Cell<u64>>,
}

impl VirtualClock {
    /// Lets time pass.
    pub(crate) fn advance(&self, nanoseconds: u64) {
        self.now_ns.set(self.now_ns.get() + nanoseconds);
    }
}

impl Clock for VirtualClock {
    fn start(&self) -> Reading {
        let now = self.now_ns.get();
        Reading { wall_ns: now, thread_cpu_ns: Some(now), involuntary_switches: Some(0) }
    }

    fn stop(&self) -> Reading {
        self.start()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_clocks_run_forward_and_a_thread_cannot_use_more_cpu_than_time() {
        let start = SystemClock.start();
        let work: u64 =
            (0..200_000_u64).fold(1, |x, i| std::hint::black_box(x ^ i.wrapping_mul(x)));
        std::hint::black_box(work);
        let stop = SystemClock.stop();
        let wall = stop.wall_ns - start.wall_ns;
        assert!(wall > 0);
        let (Some(before), Some(after)) = (start.thread_cpu_ns, stop.thread_cpu_ns) else {
            eprintln!("skipped: this system has no thread-CPU clock");
            return;
        };
        // The CPU readings lie outside the wall readings, hence a little room for the calls between.
        assert!(after - before <= wall + 100_000, "{} ns of CPU in {wall} ns", after - before);
    }
}
