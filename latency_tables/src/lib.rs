//! Latency tables: what each placed operation costs on one device, the files they come in, and what
//! follows from them.
//!
//! A [`LatencyTable`] is a [`TableContext`] (device, runtime, threads, protocol) and a [`TableRow`]
//! per operation. [`file`] reads and writes it, and is the only module that touches files.
//! [`LatencyTable::predict`] adds up the rows of one network.

pub mod context;
pub mod error;
pub mod file;
pub mod format;
pub mod predict;
pub mod row;
pub mod table;
pub mod table_json;

pub use context::TableContext;
pub use error::TableError;
pub use format::Format;
pub use predict::BlockLatency;
pub use row::{RowHeadline, RowSource, RowStatistic, TableRow};
pub use table::LatencyTable;
