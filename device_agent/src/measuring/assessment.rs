//! An assessment turns the visits of an item into its statistics and says which stop conditions are
//! still to be met.

use op_catalog::Milliseconds;
use op_catalog::wire::row::{Headline, HeadlineStatistic, ThreadCpu};
use op_catalog::wire::{
    Condition, Flag, HeadlineChoice, JobRequest, Measurement, MeasuringProtocol, Runtime,
    VisitStatistic,
};
use serde::{Deserialize, Serialize};

use super::statistics::{median, median_interval, moments, percentile, sorted};
use super::visit::Visit;

/// A visit with what the canary said around it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct JudgedVisit {
    /// The round that it was made in, from 0.
    #[serde(default)]
    pub(crate) round: u32,
    /// Whether the canary was steady around it.
    pub(crate) steadiness: Steadiness,
    /// What was seen.
    pub(crate) visit: Visit,
}

/// Whether the device kept its speed around a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Steadiness {
    /// The canary drifted by less than the protocol's limit.
    Steady,
    /// It drifted by more, even after the repeats.
    Drifting,
}

/// The headline statistic of a job with the reason for it, decided once for all its rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HeadlineRule {
    clock: HeadlineClock,
    of_visit: VisitStatistic,
    reason: &'static str,
}

/// The clocks that a headline is read from.
#[derive(Clone, Copy, Debug, PartialEq)]
enum HeadlineClock {
    Wall,
    ThreadCpu,
}

impl HeadlineRule {
    /// Decides for a job: `thread_cpu` says whether the device has that clock.
    pub(crate) fn for_job(request: &JobRequest, thread_cpu: bool) -> Self {
        Self::decide(&request.protocol, request.runtime, request.threads, thread_cpu)
    }

    fn decide(
        protocol: &MeasuringProtocol,
        runtime: Runtime,
        threads: u32,
        thread_cpu: bool,
    ) -> Self {
        let (clock, reason) = match protocol.headline {
            HeadlineChoice::Wall => (HeadlineClock::Wall, "the request asks for wall time"),
            _ if runtime == Runtime::TorchCuda => {
                (HeadlineClock::Wall, "the work runs on a GPU, which no thread's CPU time tells of")
            }
            _ if threads > 1 => (
                HeadlineClock::Wall,
                "the runtime works on several threads, so that the CPU time of one says little",
            ),
            _ if !thread_cpu => {
                (HeadlineClock::Wall, "the device has no clock of a thread's CPU time")
            }
            HeadlineChoice::ThreadCpu => {
                (HeadlineClock::ThreadCpu, "the request asks for the thread's CPU time")
            }
            HeadlineChoice::Auto => (
                HeadlineClock::ThreadCpu,
                "the work runs on one thread, whose CPU time leaves out what other programs take",
            ),
        };
        Self { clock, of_visit: protocol.visit_statistic, reason }
    }

    fn statistic(&self) -> HeadlineStatistic {
        match (self.clock, self.of_visit) {
            (HeadlineClock::Wall, VisitStatistic::Median) => HeadlineStatistic::WallP50,
            (HeadlineClock::Wall, VisitStatistic::Fastest) => HeadlineStatistic::WallFastest,
            (HeadlineClock::ThreadCpu, VisitStatistic::Median) => HeadlineStatistic::ThreadCpuP50,
            (HeadlineClock::ThreadCpu, VisitStatistic::Fastest) => {
                HeadlineStatistic::ThreadCpuFastest
            }
        }
    }

    /// What a visit gives to the headline, per run, in milliseconds.
    pub(super) fn of(&self, visit: &Visit) -> f64 {
        let times = match self.clock {
            HeadlineClock::ThreadCpu if !visit.thread_cpu_ns.is_empty() => &visit.thread_cpu_ns,
            _ => &visit.wall_ns,
        };
        let times = per_run_ms(times, visit.runs_per_sample);
        match self.of_visit {
            VisitStatistic::Median => median(times),
            VisitStatistic::Fastest => times.into_iter().fold(f64::INFINITY, f64::min),
        }
    }
}

/// Whether an item needs no more visits: everything is met by steady ones, or the cap is reached.
pub(crate) fn is_finished(
    visits: &[JudgedVisit],
    protocol: &MeasuringProtocol,
    rule: &HeadlineRule,
) -> bool {
    if visits.is_empty() {
        return false;
    }
    let steady = steady(visits);
    let is_enough = steady.len() >= protocol.instantiations as usize;
    sampled_ms(visits) >= protocol.max_time.0
        || (is_enough && unmet(&steady, protocol, rule).is_empty())
}

/// The statistics of an item: of its steady visits, unless there are too few of them. `visits` must
/// not be empty.
pub(crate) fn measurement(
    visits: &[JudgedVisit],
    protocol: &MeasuringProtocol,
    rule: &HeadlineRule,
) -> Measurement {
    let steady = steady(visits);
    let is_enough = steady.len() >= protocol.instantiations as usize;
    statistics(if is_enough { &steady } else { visits }, protocol, rule)
}

pub(super) fn steady(visits: &[JudgedVisit]) -> Vec<JudgedVisit> {
    visits.iter().filter(|judged| judged.steadiness == Steadiness::Steady).cloned().collect()
}

/// The stop conditions that the visits do not meet.
fn unmet(
    visits: &[JudgedVisit],
    protocol: &MeasuringProtocol,
    rule: &HeadlineRule,
) -> Vec<Condition> {
    let samples: usize = visits.iter().map(|judged| judged.visit.wall_ns.len()).sum();
    let headline = headline(visits, protocol, rule).0;
    // A confidence out of reach with so few visits is an interval that is not there yet.
    let is_narrow = headline.relative_error <= protocol.target_relative_error
        && headline.confidence >= protocol.confidence;
    let conditions = [
        (Condition::Instantiations, visits.len() >= protocol.instantiations as usize),
        (Condition::MinTime, sampled_ms(visits) >= protocol.min_time.0),
        (Condition::MinSamples, samples >= protocol.min_samples as usize),
        (Condition::TargetRelativeError, is_narrow),
    ];
    conditions.into_iter().filter(|(_, is_met)| !is_met).map(|(condition, _)| condition).collect()
}

/// Wall time of all samples in milliseconds.
pub(super) fn sampled_ms(visits: &[JudgedVisit]) -> f64 {
    visits.iter().map(|judged| judged.visit.sampled_ns() as f64 / 1e6).sum()
}

fn statistics(
    visits: &[JudgedVisit],
    protocol: &MeasuringProtocol,
    rule: &HeadlineRule,
) -> Measurement {
    let all = |times: fn(&Visit) -> &[u64]| {
        sorted(
            visits
                .iter()
                .flat_map(|judged| per_run_ms(times(&judged.visit), judged.visit.runs_per_sample)),
        )
    };
    let wall = all(|visit| &visit.wall_ns);
    let thread_cpu = all(|visit| &visit.thread_cpu_ns);
    let (mean, variance) = moments(&wall);
    let (headline, visit_medians) = headline(visits, protocol, rule);
    let clean_fraction = clean_fraction(visits);
    let unmet = unmet(visits, protocol, rule);
    let at = |values: &[f64], quantile| Milliseconds(percentile(values, quantile));
    let over_visits = |time: fn(&Visit) -> u64| {
        Milliseconds(median(visits.iter().map(|judged| time(&judged.visit) as f64 / 1e6)))
    };
    Measurement {
        n: wall.len() as u64,
        runs_per_sample: visits
            .iter()
            .map(|judged| judged.visit.runs_per_sample)
            .max()
            .unwrap_or(1),
        instantiations: visits.len() as u32,
        min: at(&wall, 0.0),
        p10: at(&wall, 0.1),
        p50: at(&wall, 0.5),
        mean: Milliseconds(mean),
        p90: at(&wall, 0.9),
        variance,
        thread_cpu: (rule.clock == HeadlineClock::ThreadCpu && !thread_cpu.is_empty()).then(|| {
            ThreadCpu {
                min: at(&thread_cpu, 0.0),
                p10: at(&thread_cpu, 0.1),
                p50: at(&thread_cpu, 0.5),
            }
        }),
        flags: flags(visits, &headline, clean_fraction),
        headline,
        clean_fraction,
        converged: unmet.is_empty(),
        unmet,
        first_run: over_visits(|visit| visit.first_run_ns),
        preparation: over_visits(|visit| visit.preparation_ns),
        visits: visit_medians.into_iter().map(Milliseconds).collect(),
        rounds: visits.iter().map(|judged| judged.round).collect(),
    }
}

/// The headline and the visits' medians that it is made of.
fn headline(
    visits: &[JudgedVisit],
    protocol: &MeasuringProtocol,
    rule: &HeadlineRule,
) -> (Headline, Vec<f64>) {
    let medians: Vec<f64> = visits.iter().map(|judged| rule.of(&judged.visit)).collect();
    let ordered = sorted(medians.iter().copied());
    let value = percentile(&ordered, 0.5);
    let interval = median_interval(&ordered, protocol.confidence);
    let headline = Headline {
        statistic: rule.statistic(),
        value: Milliseconds(value),
        ci_low: Milliseconds(interval.low),
        ci_high: Milliseconds(interval.high),
        confidence: interval.confidence,
        relative_error: if value > 0.0 {
            (interval.high - interval.low) / 2.0 / value
        } else {
            0.0
        },
        reason: rule.reason.to_owned(),
    };
    (headline, medians)
}

fn per_run_ms(sample_ns: &[u64], runs_per_sample: u32) -> Vec<f64> {
    sample_ns.iter().map(|ns| *ns as f64 / 1e6 / f64::from(runs_per_sample)).collect()
}

/// Share of samples without an involuntary context switch.
fn clean_fraction(visits: &[JudgedVisit]) -> Option<f64> {
    let switches: Vec<u64> = visits
        .iter()
        .flat_map(|judged| judged.visit.involuntary_switches.iter().copied())
        .collect();
    let clean = switches.iter().filter(|count| **count == 0).count();
    (!switches.is_empty()).then(|| clean as f64 / switches.len() as f64)
}

fn flags(visits: &[JudgedVisit], headline: &Headline, clean_fraction: Option<f64>) -> Vec<Flag> {
    let drifted = visits.iter().any(|judged| judged.steadiness == Steadiness::Drifting);
    let is_wall =
        matches!(headline.statistic, HeadlineStatistic::WallP50 | HeadlineStatistic::WallFastest);
    let is_disturbed = is_wall && clean_fraction.is_some_and(|fraction| fraction < 0.5);
    let flags = [(Flag::Drift, drifted), (Flag::Interference, is_disturbed)];
    flags.into_iter().filter(|(_, is_set)| *is_set).map(|(flag, _)| flag).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A visit of ten samples of so many milliseconds of CPU, each twice as long on the wall.
    fn visit(ms: f64) -> JudgedVisit {
        let ns = (ms * 1e6) as u64;
        let visit = Visit {
            preparation_ns: 1_000_000,
            first_run_ns: 3 * ns,
            runs_per_sample: 1,
            wall_ns: vec![2 * ns; 10],
            thread_cpu_ns: vec![ns; 10],
            involuntary_switches: [vec![1; 6], vec![0; 4]].concat(),
        };
        JudgedVisit { round: 0, steadiness: Steadiness::Steady, visit }
    }

    fn visits(times: &[f64]) -> Vec<JudgedVisit> {
        let numbered = (0..).zip(times);
        numbered.map(|(round, ms)| JudgedVisit { round, ..visit(*ms) }).collect()
    }

    /// The standard protocol with a cap that these visits do not reach.
    fn protocol() -> MeasuringProtocol {
        MeasuringProtocol { max_time: Milliseconds(10_000.0), ..MeasuringProtocol::standard() }
    }

    fn auto(threads: u32) -> HeadlineRule {
        HeadlineRule::decide(&protocol(), Runtime::Tract, threads, true)
    }

    #[test]
    fn an_item_is_finished_when_all_conditions_are_met_or_the_cap_is_reached_and_says_which_failed()
    {
        let protocol = protocol();
        let steady = visits(&[5.0; 6]);
        assert_eq!(unmet(&steady, &protocol, &auto(1)), []);
        assert!(is_finished(&steady, &protocol, &auto(1)));

        let few = visits(&[5.0; 5]);
        assert_eq!(
            unmet(&few, &protocol, &auto(1)),
            [Condition::Instantiations, Condition::TargetRelativeError]
        );
        assert!(!is_finished(&few, &protocol, &auto(1)));

        let spread = visits(&[4.0, 5.0, 6.0, 5.0, 5.0, 5.0]);
        assert!(!is_finished(&spread, &protocol, &auto(1)));
        let capped = MeasuringProtocol { max_time: Milliseconds(500.0), ..protocol };
        assert!(is_finished(&spread, &capped, &auto(1)));
        let row = measurement(&spread, &capped, &auto(1));
        assert!(!row.converged);
        assert_eq!(row.unmet, [Condition::TargetRelativeError]);
    }

    #[test]
    fn the_headline_is_thread_cpu_on_one_thread_and_wall_on_several_and_says_why() {
        let protocol = protocol();
        let one = measurement(&visits(&[5.0; 6]), &protocol, &auto(1));
        assert_eq!(
            (one.headline.statistic, one.headline.value),
            (HeadlineStatistic::ThreadCpuP50, Milliseconds(5.0))
        );
        assert_eq!(one.flags, []);
        let two = measurement(&visits(&[5.0; 6]), &protocol, &auto(2));
        assert_eq!(
            (two.headline.statistic, two.headline.value),
            (HeadlineStatistic::WallP50, Milliseconds(10.0))
        );
        assert_eq!((two.thread_cpu, two.flags), (None, vec![Flag::Interference]));
        assert!(two.headline.reason.contains("several threads"));

        let gpu = HeadlineRule::decide(&protocol, Runtime::TorchCuda, 1, true);
        assert_eq!(gpu.clock, HeadlineClock::Wall);
    }

    #[test]
    fn a_visit_gives_its_median_or_its_fastest_sample_and_the_headline_is_the_median_of_these() {
        let mut disturbed = visits(&[5.0; 6]);
        for judged in &mut disturbed {
            judged.visit.thread_cpu_ns[4..].fill(7_000_000);
        }
        for (visit_statistic, statistic, ms) in [
            (VisitStatistic::Median, HeadlineStatistic::ThreadCpuP50, 7.0),
            (VisitStatistic::Fastest, HeadlineStatistic::ThreadCpuFastest, 5.0),
        ] {
            let protocol = MeasuringProtocol { visit_statistic, ..protocol() };
            let rule = HeadlineRule::decide(&protocol, Runtime::Tract, 1, true);
            let row = measurement(&disturbed, &protocol, &rule);
            assert_eq!((row.headline.statistic, row.headline.value.0), (statistic, ms));
            assert_eq!(row.visits, [Milliseconds(ms); 6]);
        }
    }

    #[test]
    fn drifting_visits_are_left_out_where_enough_are_steady_and_flagged_where_not() {
        let protocol = protocol();
        let mut some = visits(&[5.0, 5.01, 5.0, 5.02, 9.0, 5.0, 5.01]);
        some[4].steadiness = Steadiness::Drifting;
        let row = measurement(&some, &protocol, &auto(1));
        assert!((row.headline.value.0 - 5.005).abs() < 1e-9);
        assert_eq!(row.headline.ci_high, Milliseconds(5.02));
        assert_eq!(row.flags, []);
        assert_eq!((row.n, row.instantiations, row.clean_fraction), (60, 6, Some(0.4)));
        assert_eq!(row.rounds, [0, 1, 2, 3, 5, 6]);
        some.pop();
        let row = measurement(&some, &protocol, &auto(1));
        assert_eq!((row.flags, row.instantiations), (vec![Flag::Drift], 6));
        assert!(!is_finished(&some, &protocol, &auto(1)));
    }
}
