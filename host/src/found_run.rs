//! A found run is a search that has ended, with the table that prices its networks: what networks are chosen from.

use std::path::Path;

use anyhow::{Context, ensure};
use architecture_search::LinearCost;
use latency_tables::{EdgeCosts, LatencyTable, Prediction};
use op_catalog::{Architecture, SearchSpace};
use runs::{FoundLogits, RunFolder, searched_space};

use crate::latency_range::LatencyRange;
use command_line::hint::WithHint;
use command_line::resolve;

/// What a search has found, and what its networks cost.
pub(crate) struct FoundRun {
    pub(crate) space: SearchSpace,
    pub(crate) table: LatencyTable,
    pub(crate) found: FoundLogits,
    /// Latency in milliseconds.
    pub(crate) cost: LinearCost,
    pub(crate) range: LatencyRange,
}

impl FoundRun {
    /// That of a run, priced by its own table or by another one.
    ///
    /// # Errors
    /// A run that is no search or has not ended, and a table that lacks rows of its space.
    pub(crate) fn read(folder: &RunFolder, table: Option<&Path>) -> anyhow::Result<Self> {
        let space = searched_space::of(folder)?;
        let path = table.map_or_else(|| folder.table(), Path::to_owned);
        let table = resolve::table(&path)?;
        let found = FoundLogits::read(&folder.logits())
            .hint("the search has not ended: `host search --resume` goes on with it")?;
        ensure!(
            found.logits.values().choice_counts()
                == space.edges().map(<[_]>::len).collect::<Vec<_>>(),
            "{} is not of the space `{}`",
            folder.logits().display(),
            space.name()
        );
        let costs = EdgeCosts::new(&space, &table)
            .with_context(|| format!("{} cannot price the search's space", path.display()))?;
        let cost = LinearCost::latency_ms(&costs)?;
        let range = LatencyRange::new(&space, &costs);
        Ok(Self { space, table, found, cost, range })
    }

    /// What the table says of a network.
    pub(crate) fn prediction(&self, architecture: &Architecture) -> anyhow::Result<Prediction> {
        Ok(self.table.best_prediction(&self.space.network(architecture)?)?)
    }
}
