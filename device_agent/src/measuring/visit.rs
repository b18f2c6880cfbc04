//! A visit is one fresh instantiation of an item: prepared, warmed up, sampled.

use op_catalog::Network;
use op_catalog::wire::{MeasuringProtocol, Synchronisation};
use serde::{Deserialize, Serialize};

use crate::backend::{Bench, Runnable, Setting};
use crate::clock::{Clock, Reading};

/// What a visit saw, sample by sample. Times are of a whole sample, which is `runs_per_sample` runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Visit {
    /// Time to prepare the item, in nanoseconds.
    pub(crate) preparation_ns: u64,
    /// Wall time of the very first run, in nanoseconds.
    pub(crate) first_run_ns: u64,
    /// Runs in each sample.
    pub(crate) runs_per_sample: u32,
    /// Wall time of each sample, in nanoseconds.
    pub(crate) wall_ns: Vec<u64>,
    /// Thread-CPU time of each sample, in nanoseconds; empty where there is no such clock.
    pub(crate) thread_cpu_ns: Vec<u64>,
    /// Involuntary context switches in each sample; empty where they are not counted.
    pub(crate) involuntary_switches: Vec<u64>,
}

impl Visit {
    /// Instantiates an item and samples it as the protocol says.
    ///
    /// # Errors
    /// What the runtime says of an item that it cannot prepare or run.
    pub(crate) fn make(
        bench: &Bench,
        network: &Network,
        setting: Setting,
        protocol: &MeasuringProtocol,
    ) -> anyhow::Result<Self> {
        let clock = bench.clock.as_ref();
        let before = clock.start();
        let mut run = bench.backend.prepare(network, setting)?;
        let preparation_ns = clock.stop().wall_ns - before.wall_ns;
        let (first_run_ns, run_ns) = warm_up(clock, run.as_mut(), protocol)?;
        let cost_ns = timer_cost_ns(clock, run.as_mut(), protocol.synchronisation)?;
        let runs_per_sample = runs_per_sample(cost_ns, run_ns, protocol.max_timer_share);
        let mut visit = Self {
            preparation_ns,
            first_run_ns,
            runs_per_sample,
            wall_ns: Vec::new(),
            thread_cpu_ns: Vec::new(),
            involuntary_switches: Vec::new(),
        };
        visit.sample(clock, run.as_mut(), protocol, run_ns)?;
        Ok(visit)
    }

    /// Wall time of all samples in nanoseconds.
    pub(crate) fn sampled_ns(&self) -> u64 {
        self.wall_ns.iter().sum()
    }

    fn sample(
        &mut self,
        clock: &dyn Clock,
        run: &mut dyn Runnable,
        protocol: &MeasuringProtocol,
        run_ns: u64,
    ) -> anyhow::Result<()> {
        let visit_ns = (protocol.visit_min.0 * 1e6) as u64;
        let expected = visit_ns / (run_ns * u64::from(self.runs_per_sample)).max(1);
        // Room beforehand, so that nothing is allocated between two samples.
        let room = usize::try_from(expected * 2).unwrap_or(0).clamp(64, 1 << 20);
        self.wall_ns.reserve(room);
        self.thread_cpu_ns.reserve(room);
        self.involuntary_switches.reserve(room);
        let mut sampled_ns = 0;
        while sampled_ns < visit_ns || self.wall_ns.len() < protocol.visit_samples as usize {
            let start = clock.start();
            for left in (0..self.runs_per_sample).rev() {
                run.run()?;
                if left == 0 || protocol.synchronisation == Synchronisation::EachRun {
                    run.finish()?;
                }
            }
            let stop = clock.stop();
            sampled_ns += stop.wall_ns - start.wall_ns;
            self.push(start, stop);
        }
        Ok(())
    }

    fn push(&mut self, start: Reading, stop: Reading) {
        self.wall_ns.push(stop.wall_ns - start.wall_ns);
        if let (Some(before), Some(after)) = (start.thread_cpu_ns, stop.thread_cpu_ns) {
            self.thread_cpu_ns.push(after - before);
        }
        if let (Some(before), Some(after)) = (start.involuntary_switches, stop.involuntary_switches)
        {
            self.involuntary_switches.push(after - before);
        }
    }
}

/// Runs until both the time and the count of the warm-up are reached. Returns the wall time of the
/// first run and of the fastest one.
fn warm_up(
    clock: &dyn Clock,
    run: &mut dyn Runnable,
    protocol: &MeasuringProtocol,
) -> anyhow::Result<(u64, u64)> {
    let warm_up_ns = (protocol.warm_up_min.0 * 1e6) as u64;
    let (mut total_ns, mut runs) = (0, 0);
    let (mut first_ns, mut fastest_ns) = (0, u64::MAX);
    while runs < protocol.warm_up_runs || total_ns < warm_up_ns {
        let start = clock.start();
        run.run()?;
        run.finish()?;
        let took = clock.stop().wall_ns - start.wall_ns;
        if runs == 0 {
            first_ns = took;
        }
        fastest_ns = fastest_ns.min(took);
        // A run that takes no time at all still counts, so that the loop ends.
        total_ns += took.max(1);
        runs += 1;
    }
    Ok((first_ns, fastest_ns.max(1)))
}

/// What two readings see around a sample without runs, in nanoseconds of the clock that sees more: the median of
/// many. Where a sample waits once, for nothing here, that is part of it.
fn timer_cost_ns(
    clock: &dyn Clock,
    run: &mut dyn Runnable,
    synchronisation: Synchronisation,
) -> anyhow::Result<u64> {
    let mut costs = Vec::with_capacity(101);
    for _ in 0..101 {
        let start = clock.start();
        if synchronisation == Synchronisation::EachSample {
            run.finish()?;
        }
        let stop = clock.stop();
        let thread_cpu =
            stop.thread_cpu_ns.zip(start.thread_cpu_ns).map_or(0, |(after, before)| after - before);
        costs.push(thread_cpu.max(stop.wall_ns - start.wall_ns));
    }
    costs.sort_unstable();
    Ok(costs[50])
}

/// Runs per sample, so that reading the clocks takes at most the share `max_share` of a sample.
fn runs_per_sample(timer_cost_ns: u64, run_ns: u64, max_share: f64) -> u32 {
    let needed_ns = timer_cost_ns as f64 / max_share;
    (needed_ns / run_ns as f64).ceil().clamp(1.0, 1e6) as u32
}

#[cfg(test)]
mod tests {
    use op_catalog::wire::Runtime;

    use super::*;
    use crate::backend::{Backend, OFFERS, bench};
    use crate::clock::VirtualClock;

    /// What a start of a run, a wait and the run itself take, in nanoseconds.
    const START_NS: u64 = 10_000;
    const WAIT_NS: u64 = 5_000;
    const WORK_NS: u64 = 40_000;

    /// A GPU: it is at work while the program goes on.
    #[derive(Clone)]
    struct Beside {
        clock: VirtualClock,
        done_at_ns: u64,
    }

    impl Backend for Beside {
        fn prepare(&self, _: &Network, _: Setting) -> anyhow::Result<Box<dyn Runnable>> {
            Ok(Box::new(self.clone()))
        }
    }

    impl Runnable for Beside {
        fn run(&mut self) -> anyhow::Result<()> {
            self.clock.advance(START_NS);
            self.done_at_ns = self.clock.start().wall_ns.max(self.done_at_ns) + WORK_NS;
            Ok(())
        }

        fn finish(&mut self) -> anyhow::Result<()> {
            self.clock.advance(WAIT_NS);
            self.clock.advance(self.done_at_ns.saturating_sub(self.clock.start().wall_ns));
            Ok(())
        }

        fn output(&mut self) -> anyhow::Result<Vec<f32>> {
            Ok(Vec::new())
        }
    }

    fn visit_beside(synchronisation: Synchronisation) -> Visit {
        let clock = VirtualClock::default();
        let bench = Bench {
            backend: Box::new(Beside { clock: clock.clone(), done_at_ns: 0 }),
            clock: Box::new(clock),
            canary: Box::new(|| Ok(0)),
        };
        let network =
            Network::new(vec!["conv-k3-in32x32x3-out32x32x16-s1".parse().unwrap()]).unwrap();
        let protocol = MeasuringProtocol { synchronisation, ..MeasuringProtocol::standard() };
        let setting = Setting { threads: 1, batch: 1, weight_seed: 1 };
        Visit::make(&bench, &network, setting, &protocol).unwrap()
    }

    #[test]
    fn a_runtime_beside_the_program_is_waited_for_after_each_run_or_once_in_a_long_sample() {
        let each_run = visit_beside(Synchronisation::EachRun);
        assert_eq!(each_run.runs_per_sample, 1);
        assert!(each_run.wall_ns.iter().all(|wall_ns| *wall_ns == START_NS + WORK_NS));

        let each_sample = visit_beside(Synchronisation::EachSample);
        // A thousand times the wait, in runs that were waited for. All starts but the first one are hidden.
        let runs = 1000 * WAIT_NS / (START_NS + WORK_NS);
        assert_eq!(u64::from(each_sample.runs_per_sample), runs);
        assert!(each_sample.wall_ns.iter().all(|wall_ns| *wall_ns == START_NS + runs * WORK_NS));
    }

    #[test]
    fn short_operations_run_several_times_per_sample_until_the_timer_is_negligible() {
        for (timer_ns, run_ns, runs) in
            [(0, 100, 1), (100, 1_000_000, 1), (100, 10_000, 10), (100, 30_000, 4)]
        {
            assert_eq!(
                runs_per_sample(timer_ns, run_ns, 0.001),
                runs,
                "{timer_ns} ns for {run_ns} ns"
            );
        }
    }

    #[test]
    fn a_visit_reaches_its_time_and_its_count_and_is_the_same_for_the_same_seed() {
        let network =
            Network::new(vec!["conv-k3-in32x32x3-out32x32x16-s1".parse().unwrap()]).unwrap();
        let setting = Setting { threads: 1, batch: 1, weight_seed: 1 };
        let protocol = MeasuringProtocol::standard();
        let visit = |seed| {
            Visit::make(
                &bench(OFFERS, Runtime::Mock, 1, seed).unwrap(),
                &network,
                setting,
                &protocol,
            )
            .unwrap()
        };
        let first = visit(5);
        assert!(first.sampled_ns() as f64 >= protocol.visit_min.0 * 1e6);
        assert!(first.wall_ns.len() >= protocol.visit_samples as usize);
        assert_eq!(first.wall_ns.len(), first.thread_cpu_ns.len());
        assert_eq!(first, visit(5));
        assert_ne!(first, visit(6));
    }
}
