//! Gates open candidates for one step: which candidate of each edge is active, and which candidates'
//! probabilities the step learns about.

use latency_tables::expected::softmax;
use op_catalog::Architecture;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::draw::ranking;
use crate::logits::log_sum_exp;
use crate::{EdgeValues, Logits, SearchError};

/// How gates are drawn and what is learnt through them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateMode {
    /// One path alone takes part, with certainty: steps of weights, evaluation. The logits learn nothing.
    Single,
    /// Two candidates, drawn without replacement, take part with their probabilities renormalised, and
    /// one of them is active (ProxylessNAS, section 3.2.1).
    Two,
    /// All candidates take part; the step keeps the outputs of all of them.
    Full,
    /// All candidates take part; the step runs the active one and computes the others' outputs anew, one
    /// after the other, for their gate gradients alone. Drawn as [`Self::Full`].
    FullV2,
}

/// The gates of one step, drawn on every edge.
#[derive(Clone, Debug, PartialEq)]
pub struct Gates {
    mode: GateMode,
    edges: Vec<EdgeGates>,
}

/// The gates of one edge.
#[derive(Clone, Debug, PartialEq)]
pub struct EdgeGates {
    active: usize,
    participants: Vec<Participant>,
    candidates: usize,
}

/// A candidate that takes part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Participant {
    /// Its index on the edge.
    pub candidate: usize,
    /// Its probability among the participants, which add up to 1.
    pub probability: f64,
}

impl GateMode {
    /// Draws gates.
    pub fn sample(self, logits: &Logits, random: &mut impl Rng) -> Gates {
        let edges = logits.values().edges().iter().map(|edge| self.sample_edge(edge, random));
        Gates { mode: self, edges: edges.collect() }
    }

    fn sample_edge(self, logits: &[f64], random: &mut impl Rng) -> EdgeGates {
        let order = ranking(logits, random);
        let (active, participants) = match self {
            Self::Single => (order[0], vec![order[0]]),
            Self::Full | Self::FullV2 => (order[0], (0..logits.len()).collect()),
            Self::Two => {
                let pair: Vec<usize> = order.into_iter().take(2).collect();
                let chosen: Vec<f64> = pair.iter().map(|candidate| logits[*candidate]).collect();
                (pair[ranking(&chosen, random)[0]], pair)
            }
        };
        let chosen: Vec<f64> = participants.iter().map(|candidate| logits[*candidate]).collect();
        let participants = participants.into_iter().zip(softmax(&chosen));
        EdgeGates {
            active,
            participants: participants
                .map(|(candidate, probability)| Participant { candidate, probability })
                .collect(),
            candidates: logits.len(),
        }
    }
}

impl Gates {
    /// How they were drawn.
    pub fn mode(&self) -> GateMode {
        self.mode
    }

    /// Those of each edge.
    pub fn edges(&self) -> &[EdgeGates] {
        &self.edges
    }

    /// The path of the active candidates.
    pub fn architecture(&self) -> Architecture {
        Architecture::new(self.edges.iter().map(|edge| edge.active).collect())
    }

    /// From gates to logits: `dL/dalpha_i = sum_j dL/dg_j p_j (delta_ij - p_i)` over the participants
    /// (ProxylessNAS, section 3.2.1); 0 for the others, whatever their gates' gradient.
    ///
    /// `gate_gradient` is `dL/dg`, of a loss or of anything else that is linear in the gates. A skipped
    /// cell's candidate `zero` adds nothing to the output, so that a loss has no gradient in its gate;
    /// its logit has one nevertheless, because raising it takes probability from the others.
    ///
    /// # Errors
    /// A gradient of another shape than the gates.
    pub fn logit_gradient(&self, gate_gradient: &EdgeValues) -> Result<EdgeValues, SearchError> {
        self.check_shape("gate gradients", gate_gradient)?;
        let mut gradient = gate_gradient.zeros_like();
        let lists = gradient.edges_mut().iter_mut().zip(gate_gradient.edges());
        for (gates, (place, slopes)) in self.edges.iter().zip(lists) {
            let product = |p: &Participant| p.probability * slopes[p.candidate];
            let mean: f64 = gates.participants.iter().map(product).sum();
            for Participant { candidate, probability } in &gates.participants {
                place[*candidate] = probability * (slopes[*candidate] - mean);
            }
        }
        Ok(gradient)
    }

    /// Shifts the participants' logits together, on each edge of a pair, so that the pair is as likely
    /// among all candidates as it was `before` the step: what the step learnt is which of the two is
    /// better, and nothing about the others (`rescale_updated_arch_param` of `mix_op.py`).
    ///
    /// # Errors
    /// Logits of another shape than the gates.
    pub fn keep_mass(&self, before: &Logits, after: &mut Logits) -> Result<(), SearchError> {
        if self.mode != GateMode::Two {
            return Ok(());
        }
        self.check_shape("logits", before.values())?;
        self.check_shape("logits", after.values())?;
        let lists = before.values().edges().iter().zip(after.edges_mut());
        for (gates, (old, new)) in self.edges.iter().zip(lists) {
            let offset = gates.log_mass(new) - gates.log_mass(old);
            for participant in &gates.participants {
                new[participant.candidate] -= offset;
            }
        }
        Ok(())
    }

    pub(crate) fn check_shape(
        &self,
        what: &'static str,
        given: &EdgeValues,
    ) -> Result<(), SearchError> {
        let (found, expected) = (given.edges().len(), self.edges.len());
        if found != expected {
            return Err(SearchError::EdgeCount { what, found, expected });
        }
        for (edge, (gates, given)) in self.edges.iter().zip(given.edges()).enumerate() {
            let (found, expected) = (given.len(), gates.candidates);
            if found != expected {
                let message = format!("{found} {what} were given for {expected} candidates");
                return Err(SearchError::Edge { edge, message });
            }
        }
        Ok(())
    }
}

impl EdgeGates {
    /// The candidate that computes the output.
    pub fn active(&self) -> usize {
        self.active
    }

    /// Number of candidates of the edge.
    pub fn candidates(&self) -> usize {
        self.candidates
    }

    /// Those that the step learns about; the active one is among them.
    pub fn participants(&self) -> &[Participant] {
        &self.participants
    }

    /// `ln sum exp(alpha)` over the participants.
    fn log_mass(&self, logits: &[f64]) -> f64 {
        let own: Vec<f64> = self.participants.iter().map(|p| logits[p.candidate]).collect();
        log_sum_exp(&own)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::fixtures::{any_two_edge_values, logits, values};

    const MODES: [GateMode; 4] =
        [GateMode::Single, GateMode::Two, GateMode::Full, GateMode::FullV2];

    fn any_mode() -> impl Strategy<Value = GateMode> {
        prop::sample::select(&MODES[..])
    }

    /// `sum_j p_j(alpha) s_j` of every edge, the softmax taken over the participants alone: an explicit
    /// function whose gates have the gradient s.
    fn soft_output(gates: &Gates, logits: &EdgeValues, slopes: &EdgeValues) -> f64 {
        let mut sum = 0.0;
        for (edge, gates) in gates.edges().iter().enumerate() {
            let exponential = |p: &Participant| logits.edges()[edge][p.candidate].exp();
            let total: f64 = gates.participants().iter().map(exponential).sum();
            let weighted = |p: &Participant| exponential(p) * slopes.edges()[edge][p.candidate];
            sum += gates.participants().iter().map(weighted).sum::<f64>() / total;
        }
        sum
    }

    proptest! {
        #[test]
        fn the_logit_gradient_is_that_of_central_differences_of_a_soft_function(
            (logits, slopes) in any_two_edge_values(-5.0..5.0, -3.0..3.0),
            mode in any_mode(), seed in any::<u64>(),
        ) {
            const STEP: f64 = 1e-5;
            let gates = mode.sample(
                &Logits::of_values(logits.clone()), &mut ChaCha8Rng::seed_from_u64(seed),
            );
            let gradient = gates.logit_gradient(&slopes).unwrap();
            for (edge, found) in gradient.edges().iter().enumerate() {
                for (candidate, found) in found.iter().enumerate() {
                    let at = |step: f64| {
                        let mut moved = logits.clone();
                        moved.edges_mut()[edge][candidate] += step;
                        soft_output(&gates, &moved, &slopes)
                    };
                    let difference = (at(STEP) - at(-STEP)) / (2.0 * STEP);
                    prop_assert!((difference - found).abs() < 1e-6, "{} {}", difference, found);
                }
            }
        }

        #[test]
        fn the_active_candidate_takes_part_and_the_participants_probabilities_add_up_to_one(
            (values, _) in any_two_edge_values(-20.0..20.0, 0.0..1.0),
            mode in any_mode(), seed in any::<u64>(),
        ) {
            let logits = Logits::of_values(values);
            let gates = mode.sample(&logits, &mut ChaCha8Rng::seed_from_u64(seed));
            let all = logits.probabilities();
            for (gates, all) in gates.edges().iter().zip(all.edges()) {
                let participants = gates.participants();
                let expected = match mode {
                    GateMode::Single => 1,
                    GateMode::Two => 2,
                    GateMode::Full | GateMode::FullV2 => all.len(),
                };
                prop_assert_eq!(participants.len(), expected);
                prop_assert!(participants.iter().any(|p| p.candidate == gates.active()));
                let mass: f64 = participants.iter().map(|p| all[p.candidate]).sum();
                for Participant { candidate, probability } in participants {
                    prop_assert!((probability * mass - all[*candidate]).abs() < 1e-12);
                }
            }
        }

        #[test]
        fn a_pair_is_as_likely_after_a_step_as_before(
            (values, moves) in any_two_edge_values(-8.0..8.0, -2.0..2.0), seed in any::<u64>(),
        ) {
            let before = Logits::of_values(values);
            let gates = GateMode::Two.sample(&before, &mut ChaCha8Rng::seed_from_u64(seed));
            let mut after = before.clone();
            for (edge, gates) in gates.edges().iter().enumerate() {
                for p in gates.participants() {
                    after.edges_mut()[edge][p.candidate] += moves.edges()[edge][p.candidate];
                }
            }
            gates.keep_mass(&before, &mut after).unwrap();
            let (old, new) = (before.probabilities(), after.probabilities());
            for (edge, gates) in gates.edges().iter().enumerate() {
                let mass = |p: &EdgeValues| -> f64 {
                    gates.participants().iter().map(|q| p.edges()[edge][q.candidate]).sum()
                };
                prop_assert!((mass(&new) - mass(&old)).abs() < 1e-6);
                for other in 0..old.edges()[edge].len() {
                    if gates.participants().iter().all(|q| q.candidate != other) {
                        let change = new.edges()[edge][other] - old.edges()[edge][other];
                        prop_assert!(change.abs() < 1e-6);
                    }
                }
            }
        }
    }

    #[test]
    fn an_active_candidate_of_a_pair_comes_up_by_its_share_of_the_pair() {
        let logits = logits(&[&[0.0, 3.0_f64.ln()]]);
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let draws = 20_000;
        let second = (0..draws)
            .filter(|_| GateMode::Two.sample(&logits, &mut random).edges()[0].active() == 1)
            .count();
        // A standard error is 0.003.
        assert!((second as f64 / f64::from(draws) - 0.75).abs() < 0.012, "{second}");
    }

    #[test]
    fn one_path_teaches_the_logits_nothing() {
        let logits = logits(&[&[0.0, 1.0], &[2.0, 0.0, 1.0]]);
        let gates = GateMode::Single.sample(&logits, &mut ChaCha8Rng::seed_from_u64(5));
        let gradient = gates.logit_gradient(&values(&[&[5.0, 1.0], &[2.0, -3.0, 7.0]])).unwrap();
        assert!(gradient.iter().all(|slope| slope == 0.0));
    }

    #[test]
    fn gradients_of_another_space_are_refused_by_edge() {
        let gates = GateMode::Full
            .sample(&logits(&[&[0.0, 1.0], &[2.0, 0.0]]), &mut ChaCha8Rng::seed_from_u64(5));
        for (given, message) in [
            (values(&[&[0.0, 1.0]]), "gate gradients for 1 edges were given, but there are 2"),
            (
                values(&[&[0.0, 1.0], &[1.0, 2.0, 3.0]]),
                "edge 1: 3 gate gradients were given for 2 candidates",
            ),
        ] {
            assert_eq!(gates.logit_gradient(&given).unwrap_err().to_string(), message);
        }
    }
}
