//! A latency table is one context and, for each placed operation measured in it, a row.

use std::collections::BTreeMap;

use op_catalog::PlacedOp;
use op_catalog::wire::row::Failure;
use op_catalog::{SearchSpace, SpaceDefinition};

use crate::{TableContext, TableRow};

/// A latency table. A partial one is as valid as a complete one: it says what failed, and against a
/// space what is missing.
#[derive(Clone, Debug, PartialEq)]
pub struct LatencyTable {
    /// Where and how the rows were measured.
    pub context: TableContext,
    space: Option<SpaceDefinition>,
    rows: BTreeMap<PlacedOp, TableRow>,
    failed: BTreeMap<PlacedOp, Failure>,
}

impl LatencyTable {
    /// A table without rows.
    pub fn new(context: TableContext) -> Self {
        Self { context, space: None, rows: BTreeMap::new(), failed: BTreeMap::new() }
    }

    /// The same table, made for this space.
    pub fn with_space(self, space: SpaceDefinition) -> Self {
        Self { space: Some(space), ..self }
    }

    /// The space that the table was made for.
    pub fn space(&self) -> Option<&SpaceDefinition> {
        self.space.as_ref()
    }

    /// Enters a row; an earlier one of the same operation, or its failure, gives way.
    pub fn insert(&mut self, row: TableRow) {
        self.failed.remove(&row.key);
        self.rows.insert(row.key, row);
    }

    /// Notes that an operation could not be measured, unless it has a row.
    pub fn insert_failed(&mut self, key: PlacedOp, failure: Failure) {
        if !self.rows.contains_key(&key) {
            self.failed.insert(key, failure);
        }
    }

    /// The row of an operation.
    pub fn row(&self, key: &PlacedOp) -> Option<&TableRow> {
        self.rows.get(key)
    }

    /// The rows in the order of their keys.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &TableRow> {
        self.rows.values()
    }

    /// The operations that could not be measured, with the reasons, in the order of their keys.
    pub fn failed(&self) -> impl ExactSizeIterator<Item = (&PlacedOp, &Failure)> {
        self.failed.iter()
    }

    /// What the space can place and the table has no row for, failed operations included, in the
    /// order of the keys.
    pub fn missing(&self, space: &SearchSpace) -> Vec<PlacedOp> {
        let placed = space.placed_ops();
        placed.into_iter().filter(|key| !self.rows.contains_key(key)).collect()
    }

    /// Whether every network of the space can be predicted.
    pub fn complete(&self, space: &SearchSpace) -> bool {
        self.missing(space).is_empty()
    }
}
