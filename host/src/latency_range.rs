//! A latency range is what the cheapest and the dearest network of a space are predicted to take.

use std::fmt;

use command_line::hint::WithHint;
use latency_tables::EdgeCosts;
use op_catalog::SearchSpace;

/// The range of a space, by a table.
#[derive(Clone, Debug)]
pub(crate) struct LatencyRange {
    space: String,
    least_ms: f64,
    most_ms: f64,
}

impl LatencyRange {
    pub(crate) fn new(space: &SearchSpace, costs: &EdgeCosts) -> Self {
        let (least_ms, most_ms) = (costs.cheapest().latency.0, costs.dearest().latency.0);
        Self { space: space.name().to_owned(), least_ms, most_ms }
    }

    /// Refuses a target that no network of the space can have.
    pub(crate) fn ensure_has(&self, target_ms: f64) -> anyhow::Result<()> {
        if (self.least_ms..=self.most_ms).contains(&target_ms) {
            return Ok(());
        }
        Err(anyhow::anyhow!("the target is {target_ms} ms, but {self}"))
            .hint("choose a target between the two, or a space with smaller or larger networks")
    }

    /// Refuses a budget that no network of the space is within.
    pub(crate) fn ensure_within(&self, budget_ms: f64) -> anyhow::Result<()> {
        if self.least_ms <= budget_ms {
            return Ok(());
        }
        Err(anyhow::anyhow!("the budget is {budget_ms} ms, but {self}"))
            .hint("choose a larger budget, or a space with smaller networks")
    }
}

impl fmt::Display for LatencyRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { space, least_ms, most_ms } = self;
        write!(
            f,
            "networks of `{space}` are predicted to take from {least_ms:.3} to {most_ms:.3} ms"
        )
    }
}
