//! A gate pass runs a batch through drawn gates and says what its loss has of each of them.
//!
//! The output of an edge is `sum_k g_k o_k(x)` with `g` 1 for the active candidate and 0 for the others
//! (ProxylessNAS, equation 3). The gradient in a gate is therefore `dL/dg_k = <o_k(x), dL/dy>`, of inactive
//! candidates as well, where `o_k(x)` is the whole candidate, its shortcut included: of `zero`, that is x.

use architecture_search::{EdgeGates, EdgeValues, GateMode, Gates};
use tch::Tensor;
use torch_layers::{Layers, Mode};
use torch_shim::inner_product;

use crate::batch::{cross_entropy, finite};
use crate::net::{SlotLayers, run};
use crate::{Batch, LabelSmoothing, Supernet, SupernetError};

/// What a gate pass finds.
#[derive(Clone, Debug, PartialEq)]
pub struct GatePass {
    /// Mean cross-entropy of the batch in nats, without label smoothing.
    pub cross_entropy: f64,
    /// Its gradient in each gate; 0 for candidates that do not take part.
    pub gate_gradient: EdgeValues,
}

/// An edge that has been run along its active candidate.
struct RunEdge<'a> {
    slot: usize,
    candidates: &'a [Layers],
    gates: &'a EdgeGates,
    /// What came in, out of the graph.
    input: Tensor,
    /// What the active candidate made of it, in the graph.
    output: Tensor,
}

/// The gates of an edge as variables of the graph.
struct GateVariables<'a> {
    gates: &'a EdgeGates,
    /// One scalar per participant, in their order.
    variables: Vec<Tensor>,
}

impl Supernet {
    /// Runs a batch through gates. No weight gets a gradient or changes, and normalisations do not remember
    /// the batch.
    ///
    /// With gates of [`GateMode::FullV2`] the graph is that of the active path, and every other candidate
    /// is run for itself, without a graph, after the backward pass: the memory is that of one path. Gates of
    /// the other modes keep the outputs of all that take part.
    ///
    /// # Errors
    /// Gates of another space, images of another shape, a loss that is not finite, and what libtorch says.
    pub fn gate_pass(&self, batch: &Batch, gates: &Gates) -> Result<GatePass, SupernetError> {
        self.space().network(&gates.architecture())?;
        match gates.mode() {
            GateMode::FullV2 => self.recomputing_pass(batch, gates),
            GateMode::Single | GateMode::Two | GateMode::Full => self.keeping_pass(batch, gates),
        }
    }

    fn recomputing_pass(&self, batch: &Batch, gates: &Gates) -> Result<GatePass, SupernetError> {
        let mut edges = Vec::new();
        let loss = self.loss_through(batch, gates, |slot, candidates, gates, input| {
            let output = run(slot, &candidates[gates.active()], &input, Mode::BatchStatistics)?;
            let edge = RunEdge {
                slot,
                candidates,
                gates,
                input: input.f_detach()?,
                output: output.shallow_clone(),
            };
            edges.push(edge);
            Ok(output)
        })?;
        let cross_entropy = finite(&loss)?;
        // Asked for at the edges' outputs alone, so that no gradient of a weight is computed.
        let outputs: Vec<&Tensor> = edges.iter().map(|edge| &edge.output).collect();
        let gradients = Tensor::f_run_backward(&[loss], &outputs, false, false)?;
        let slopes =
            edges.iter().zip(gradients).map(|(edge, gradient)| self.recompute(edge, &gradient));
        let gate_gradient = EdgeValues::new(slopes.collect::<Result<_, _>>()?)?;
        Ok(GatePass { cross_entropy, gate_gradient })
    }

    /// The gradient in every gate of an edge, of which the active candidate alone has been run.
    fn recompute(&self, edge: &RunEdge<'_>, gradient: &Tensor) -> Result<Vec<f64>, SupernetError> {
        let mut slopes = vec![0.0; edge.candidates.len()];
        for participant in edge.gates.participants() {
            let candidate = participant.candidate;
            let output = if candidate == edge.gates.active() {
                edge.output.f_detach()?
            } else {
                self.without_graph(edge.slot, &edge.candidates[candidate], &edge.input)?
            };
            slopes[candidate] = inner_product(&output, gradient)?;
        }
        Ok(slopes)
    }

    fn keeping_pass(&self, batch: &Batch, gates: &Gates) -> Result<GatePass, SupernetError> {
        let mut edges = Vec::new();
        let loss = self.loss_through(batch, gates, |slot, candidates, gates, input| {
            let (sum, variables) = self.gated_sum(slot, candidates, gates, &input)?;
            edges.push(GateVariables { gates, variables });
            Ok(sum)
        })?;
        let cross_entropy = finite(&loss)?;
        let variables: Vec<&Tensor> = edges.iter().flat_map(|edge| &edge.variables).collect();
        let mut gradients = Tensor::f_run_backward(&[loss], &variables, false, false)?.into_iter();
        let mut slopes = Vec::with_capacity(edges.len());
        for GateVariables { gates, .. } in &edges {
            let mut own = vec![0.0; gates.candidates()];
            for (participant, gradient) in gates.participants().iter().zip(&mut gradients) {
                own[participant.candidate] = f64::try_from(gradient)?;
            }
            slopes.push(own);
        }
        Ok(GatePass { cross_entropy, gate_gradient: EdgeValues::new(slopes)? })
    }

    /// `sum_k g_k o_k(x)` over the participants, the inactive ones without a graph of their own, and the
    /// gates.
    fn gated_sum(
        &self,
        slot: usize,
        candidates: &[Layers],
        gates: &EdgeGates,
        input: &Tensor,
    ) -> Result<(Tensor, Vec<Tensor>), SupernetError> {
        let mut variables = Vec::new();
        let mut sum: Option<Tensor> = None;
        for participant in gates.participants() {
            let layers = &candidates[participant.candidate];
            let (output, value) = if participant.candidate == gates.active() {
                (run(slot, layers, input, Mode::BatchStatistics)?, 1.0)
            } else {
                (self.without_graph(slot, layers, input)?, 0.0)
            };
            let gate = Tensor::from(value as f32).f_to_device(input.device())?;
            let gate = gate.f_set_requires_grad(true)?;
            let term = output.f_mul(&gate)?;
            sum = Some(match sum {
                Some(sum) => sum.f_add(&term)?,
                None => term,
            });
            variables.push(gate);
        }
        // An edge has an active candidate, so that there is a term.
        Ok((sum.unwrap_or_else(|| input.shallow_clone()), variables))
    }

    fn without_graph(
        &self,
        slot: usize,
        layers: &Layers,
        input: &Tensor,
    ) -> Result<Tensor, SupernetError> {
        tch::no_grad(|| {
            self.execution()
                .forward(|| run(slot, layers, &input.f_detach()?, Mode::BatchStatistics))
        })
    }

    /// The loss of a batch whose edges are run as they are told to be.
    fn loss_through<'a>(
        &'a self,
        batch: &Batch,
        gates: &'a Gates,
        mut edge: impl FnMut(
            usize,
            &'a [Layers],
            &'a EdgeGates,
            Tensor,
        ) -> Result<Tensor, SupernetError>,
    ) -> Result<Tensor, SupernetError> {
        let images = self.execution().images(&batch.images)?;
        let mut gates = gates.edges().iter();
        let scores = self.execution().forward(|| {
            let mut value = images;
            for (slot, layers) in self.slots().iter().enumerate() {
                value = match (layers, gates.as_slice()) {
                    (SlotLayers::Edge(candidates), [own, ..]) => {
                        gates.next();
                        edge(slot, candidates, own, value)?
                    }
                    (SlotLayers::Fixed(layers), _) => {
                        run(slot, layers, &value, Mode::BatchStatistics)?
                    }
                    (SlotLayers::Edge(candidates), []) => {
                        let expected = candidates.len();
                        return Err(SupernetError::Candidates { slot, found: 0, expected });
                    }
                };
            }
            Ok(value)
        })?;
        cross_entropy(&scores, &batch.labels, LabelSmoothing::NONE)
    }
}
