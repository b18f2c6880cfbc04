//! An outlook is how many visits an item will still need, by those that it has had: what a job's time left is told
//! from. It decides nothing.

use std::f64::consts::PI;

use op_catalog::wire::MeasuringProtocol;

use super::assessment::{HeadlineRule, JudgedVisit, sampled_ms, steady};
use super::statistics::median;

/// Visits from which it is told how far they lie apart.
const FEWEST: usize = 3;

/// Visits that an item will still need until it is finished, at least one.
pub(crate) fn visits_to_come(
    visits: &[JudgedVisit],
    protocol: &MeasuringProtocol,
    rule: &HeadlineRule,
) -> u64 {
    let made = visits.len() as f64;
    let steady: Vec<f64> = steady(visits).iter().map(|judged| rule.of(&judged.visit)).collect();
    let asked = f64::from(protocol.instantiations);
    let needed = needed(&steady, protocol.target_relative_error).max(asked) - steady.len() as f64;
    // Of those to come the same share will be steady as of those before and one more that is.
    let per_steady = (made + 1.0) / (steady.len() as f64 + 1.0);
    let until_cap = visits_until_cap(visits, protocol);
    (needed * per_steady).ceil().min(until_cap).max(1.0) as u64
}

/// Visits in all after which the error of their median is within the target, were they to go on as they lie apart: of n
/// normal draws it is, at two standard errors, pi times their mean absolute deviation over the root of n.
fn needed(medians: &[f64], target_relative_error: f64) -> f64 {
    if medians.len() < FEWEST {
        return 0.0;
    }
    let value = median(medians.iter().copied());
    let deviations = medians.iter().map(|median| (median - value).abs());
    let deviation = deviations.sum::<f64>() / medians.len() as f64;
    if value > 0.0 { (PI * deviation / (target_relative_error * value)).powi(2) } else { 0.0 }
}

/// Visits until an item has been sampled for as long as the protocol allows.
fn visits_until_cap(visits: &[JudgedVisit], protocol: &MeasuringProtocol) -> f64 {
    let sampled_ms = sampled_ms(visits);
    if sampled_ms > 0.0 {
        let a_visit_ms = sampled_ms / visits.len() as f64;
        ((protocol.max_time.0 - sampled_ms) / a_visit_ms).ceil()
    } else {
        f64::INFINITY
    }
}

#[cfg(test)]
mod tests {
    use op_catalog::Milliseconds;
    use op_catalog::wire::JobRequest;

    use super::*;
    use crate::measuring::assessment::Steadiness;
    use crate::measuring::visit::Visit;

    /// Visits of 20 ms of samples, whose runs take so many milliseconds.
    fn visits(times: &[f64], steadiness: Steadiness) -> Vec<JudgedVisit> {
        let visit = |ms: &f64| Visit {
            preparation_ns: 0,
            first_run_ns: 0,
            runs_per_sample: 1,
            wall_ns: vec![(ms * 1e6) as u64; (20.0 / ms) as usize],
            thread_cpu_ns: Vec::new(),
            involuntary_switches: Vec::new(),
        };
        times.iter().map(|ms| JudgedVisit { round: 0, steadiness, visit: visit(ms) }).collect()
    }

    fn to_come(visits: &[JudgedVisit]) -> u64 {
        let protocol = MeasuringProtocol {
            target_relative_error: 0.01,
            max_time: Milliseconds(1200.0),
            ..MeasuringProtocol::standard()
        };
        let rule =
            HeadlineRule::for_job(&JobRequest { protocol: protocol.clone(), ..job() }, false);
        visits_to_come(visits, &protocol, &rule)
    }

    fn job() -> JobRequest {
        serde_json::from_value(serde_json::json!({
            "protocol_version": op_catalog::wire::PROTOCOL_VERSION, "label": "a job",
            "runtime": "mock", "threads": 1, "batch": 1, "precision": "f32", "weight_seed": 1,
            "core": null, "protocol": MeasuringProtocol::standard(), "items": [],
        }))
        .unwrap()
    }

    #[test]
    fn an_item_that_repeats_needs_what_the_protocol_asks_for_and_one_that_scatters_more_up_to_the_cap()
     {
        use Steadiness::{Drifting, Steady};
        for (what, had, expected) in [
            ("nothing", visits(&[], Steady), 6),
            ("two that agree", visits(&[2.0; 2], Steady), 4),
            ("six that agree, but were not enough", visits(&[2.0; 6], Steady), 1),
            // Mean absolute deviation 0.02 of 2: 1 %, so that it takes pi squared, 10.
            ("1 % apart", visits(&[1.98, 2.0, 2.0, 2.0, 2.04, 2.06], Steady), 4),
            // Of 60 visits of 20 ms that the cap allows.
            ("far apart", visits(&[1.0, 1.25, 2.0, 2.5, 4.0, 2.0], Steady), 54),
            (
                "half of them drift",
                [visits(&[2.0; 3], Steady), visits(&[2.0; 3], Drifting)].concat(),
                6,
            ),
            // Six steady ones would take seven times as many.
            ("all drift", visits(&[2.0; 6], Drifting), 42),
        ] {
            assert_eq!(to_come(&had), expected, "{what}");
        }
    }
}
