//! Measuring is what happens between a network and its row: samples in visits, visits in rounds,
//! statistics over both.

pub(crate) mod assessment;
pub(crate) mod canary;
pub(crate) mod outlook;
pub(crate) mod statistics;
pub(crate) mod visit;
