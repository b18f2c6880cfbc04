//! A latency table is one context and, for each placed operation measured in it, a row.

use std::collections::BTreeMap;

use op_catalog::PlacedOp;
use op_catalog::wire::row::Failure;
use op_catalog::{SearchSpace, SpaceDefinition};

use crate::{LatencyModel, NetworkRow, RowSource, TableContext, TableError, TableRow};

/// A latency table. A partial one is as valid as a complete one: it says what failed, and against a
/// space what is missing.
#[derive(Clone, Debug, PartialEq)]
pub struct LatencyTable {
    /// Where and how the rows were measured.
    pub context: TableContext,
    space: Option<SpaceDefinition>,
    rows: BTreeMap<PlacedOp, TableRow>,
    failed: BTreeMap<PlacedOp, Failure>,
    networks: Vec<NetworkRow>,
    model: Option<LatencyModel>,
}

impl LatencyTable {
    /// A table without rows.
    pub fn new(context: TableContext) -> Self {
        Self {
            context,
            space: None,
            rows: BTreeMap::new(),
            failed: BTreeMap::new(),
            networks: Vec::new(),
            model: None,
        }
    }

    /// The same table, made for this space.
    pub fn with_space(self, space: SpaceDefinition) -> Self {
        Self { space: Some(space), ..self }
    }

    /// The space that the table was made for.
    pub fn space(&self) -> Option<&SpaceDefinition> {
        self.space.as_ref()
    }

    /// The same table with a model, in the place of one that it had. A table may have a model and no
    /// rows.
    ///
    /// # Errors
    /// A model with other numbers of choices than the table's space.
    pub fn with_model(self, model: LatencyModel) -> Result<Self, TableError> {
        let table = Self { model: Some(model), ..self };
        table.check_model()?;
        Ok(table)
    }

    /// The same table with these measured networks, in the place of those that it had.
    ///
    /// # Errors
    /// Choices that the table's space does not have, or a time that no network takes.
    pub fn with_networks(self, networks: Vec<NetworkRow>) -> Result<Self, TableError> {
        let table = Self { networks, ..self };
        table.check_networks()?;
        Ok(table)
    }

    /// The whole networks that were measured beside the rows, in the order of measuring.
    pub fn networks(&self) -> &[NetworkRow] {
        &self.networks
    }

    /// The same table without a model.
    pub fn without_model(self) -> Self {
        Self { model: None, ..self }
    }

    /// The model that was fitted on whole networks.
    pub fn model(&self) -> Option<&LatencyModel> {
        self.model.as_ref()
    }

    /// The model, where it is one of this space: the table was made for it.
    pub fn model_of(&self, space: &SearchSpace) -> Option<&LatencyModel> {
        self.model().filter(|_| self.space() == Some(space.definition()))
    }

    /// Refuses networks that are not of the table's space, or whose numbers no measurement gives.
    pub(crate) fn check_networks(&self) -> Result<(), TableError> {
        let space = self.built_space()?;
        for (index, row) in self.networks.iter().enumerate() {
            row.check(index)?;
            if let Some(Err(error)) = space.as_ref().map(|space| space.network(&row.architecture()))
            {
                let place = format!("networks[{index}]");
                return Err(TableError::Field { place, message: error.to_string() });
            }
        }
        Ok(())
    }

    fn built_space(&self) -> Result<Option<SearchSpace>, TableError> {
        let built = self.space().map(SpaceDefinition::build).transpose();
        built.map_err(|error| TableError::Field {
            place: "space".to_owned(),
            message: error.to_string(),
        })
    }

    /// Refuses a model that is not one of the table's space, or with numbers that a file cannot hold.
    pub(crate) fn check_model(&self) -> Result<(), TableError> {
        let Some(model) = self.model() else { return Ok(()) };
        model.check()?;
        self.built_space()?.map_or(Ok(()), |space| model.check_space(&space))
    }

    /// Enters a row; an earlier one of the same operation, or its failure, gives way. Only an estimate
    /// never takes the place of what is known.
    pub fn insert(&mut self, row: TableRow) {
        let is_known = |row: &TableRow| row.source != RowSource::Estimated;
        if !is_known(&row) && self.row(&row.key).is_some_and(is_known) {
            return;
        }
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

    /// The rows that nobody measured, in the order of their keys.
    pub fn estimated(&self) -> impl Iterator<Item = &TableRow> {
        self.rows().filter(|row| row.source == RowSource::Estimated)
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

#[cfg(test)]
mod tests {
    use op_catalog::wire::row::FailureKind;

    use super::*;
    use crate::fixtures::{row, small_space, table_of};

    fn failure() -> Failure {
        Failure {
            kind: FailureKind::ChildDied,
            message: "killed by SIGKILL".to_owned(),
            attempts: 2,
        }
    }

    #[test]
    fn a_partial_table_says_what_is_missing_and_what_failed() {
        let space = small_space();
        let mut table = table_of(&space);
        assert!(table.complete(&space));
        let lost = *space.placed_ops().first().unwrap();
        table.rows.remove(&lost);
        table.insert_failed(lost, failure());
        assert_eq!(table.missing(&space), [lost]);
        assert!(!table.complete(&space));
        assert!(table.failed().eq([(&lost, &failure())]));
    }

    #[test]
    fn a_row_ends_its_failure_and_no_failure_ends_a_row() {
        let mut table = LatencyTable::new(TableContext::named("x"));
        let key = "conv-k3-in8x8x3-out4x4x8-s2".parse().unwrap();
        table.insert_failed(key, failure());
        table.insert(row(key, 1.0));
        assert_eq!(table.failed().len(), 0);
        table.insert_failed(key, failure());
        assert_eq!((table.rows().len(), table.failed().len()), (1, 0));
    }
}
