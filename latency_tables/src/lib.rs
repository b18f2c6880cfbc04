//! Latency tables: what each placed operation costs on one device, the files they come in, and what
//! follows from them.
//!
//! A [`LatencyTable`] is a [`TableContext`] (device, runtime, threads, protocol) and a [`TableRow`]
//! per operation. [`mod@file`] reads and writes it, and is the only module that touches files.
//! [`LatencyTable::predict`] adds up the rows of one network; [`EdgeCosts`] lays a table along a
//! search space and gives the expected latency of its networks with the gradient that a search
//! descends. A [`LatencyModel`], fitted on a [`NetworkList`] of measured whole networks, corrects what
//! isolated operations miss, and says how far a [`Prediction`] may be off. [`Agreement`] says how well predictions fit measurements, [`TableDifference`] what
//! separates two tables.
//!
//! ```
//! use latency_tables::{EdgeCosts, LatencyTable, TableContext, TableRow};
//! use op_catalog::{Milliseconds, SpaceDefinition};
//! let space = SpaceDefinition::built_in("proxyless-small")?.build()?;
//! let mut table = LatencyTable::new(TableContext::named("pixel1"));
//! for key in table.missing(&space) {
//!     table.insert(TableRow::imported(key, 100, Milliseconds(2.0), 0.1));
//! }
//! let costs = EdgeCosts::new(&space, &table)?;
//! let logits: Vec<Vec<f64>> = costs.edges_ms().iter().map(|edge| vec![0.0; edge.len()]).collect();
//! let expected = costs.expected_under_logits(&logits)?;
//! assert!(expected.latency > costs.cheapest().latency);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod agreement;
pub mod content;
pub mod context;
pub mod csv;
mod csv_records;
pub mod difference;
pub mod edge_costs;
pub mod error;
pub mod expected;
pub mod exported;
pub mod fbnet_json;
pub mod file;
pub mod fill;
#[cfg(test)]
mod fixtures;
pub mod format;
pub mod held_out;
pub mod import;
mod json_text;
mod listed_row;
mod located;
pub mod measured_network;
pub mod model;
pub mod network_row;
pub mod networks_file;
pub mod ofa_yaml;
mod pairs;
pub mod predict;
pub mod prediction;
pub mod proxyless_yaml;
mod quantile;
pub mod refresh;
pub mod regression_json;
pub mod round_factors;
pub mod row;
pub mod table;
pub mod table_json;
pub mod time_unit;
mod unit_check;
mod yaml_rows;

pub use agreement::{Agreement, Point};
pub use content::Content;
pub use context::TableContext;
pub use difference::TableDifference;
pub use edge_costs::{EdgeCosts, PricedArchitecture};
pub use error::TableError;
pub use expected::ExpectedLatency;
pub use exported::{Exported, ExportedValue};
pub use fill::{FillReport, Filled};
pub use format::Format;
pub use held_out::{Floor, HeldOutReport};
pub use import::{ImportOptions, Imported};
pub use measured_network::MeasuredNetwork;
pub use model::{Design, LatencyModel, ModelKind, Uncertainty, Validation};
pub use network_row::{NetworkRole, NetworkRow};
pub use networks_file::{ListedNetwork, NetworkList};
pub use predict::BlockLatency;
pub use prediction::Prediction;
pub use refresh::{Decision, Refresh};
pub use round_factors::RoundFactors;
pub use row::{RowHeadline, RowSource, RowStatistic, TableRow};
pub use table::LatencyTable;
pub use time_unit::TimeUnit;
