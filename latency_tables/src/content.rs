//! A content is a kind of knowledge that a table can have. Each format holds some of them; what it
//! does not hold is told, in words, when a table is exported.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::{LatencyTable, ModelKind, RowSource, TableContext, TableRow};

/// A kind of knowledge. Its text completes "left out: ...".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Content {
    /// The name of the device.
    DeviceName,
    /// Everything else in the context.
    Context,
    /// The definition of the search space.
    Space,
    /// The rows.
    Rows,
    /// Number of samples.
    Count,
    /// The headline values, where the means are others.
    Headline,
    /// The means, where the headline values are others.
    Mean,
    /// That a row has no mean.
    NoMean,
    /// Fastest samples.
    Minimum,
    /// Quantiles of the samples.
    Quantiles,
    /// Variances of the samples.
    Variance,
    /// CPU times.
    ThreadCpu,
    /// Confidence intervals, without their confidence.
    Intervals,
    /// The confidence of the intervals.
    Confidence,
    /// Shares of clean samples.
    CleanFraction,
    /// Whether rows converged.
    Converged,
    /// The stop conditions that were not met.
    Unmet,
    /// What makes rows doubtful.
    Flags,
    /// Numbers of instantiations.
    Instantiations,
    /// Runs per sample.
    RunsPerSample,
    /// First runs and preparations.
    Preparation,
    /// The visits.
    Visits,
    /// Whether rows were measured, imported or estimated.
    Source,
    /// The operations that failed.
    Failures,
    /// The measured whole networks.
    Networks,
    /// The model.
    Model,
    /// Where a model's numbers come from, and how far they may be off.
    ModelQuality,
}

impl Content {
    /// Every content, in the order in which they are told.
    pub const ALL: [Self; 27] = [
        Self::DeviceName,
        Self::Context,
        Self::Space,
        Self::Rows,
        Self::Count,
        Self::Headline,
        Self::Mean,
        Self::NoMean,
        Self::Minimum,
        Self::Quantiles,
        Self::Variance,
        Self::ThreadCpu,
        Self::Intervals,
        Self::Confidence,
        Self::CleanFraction,
        Self::Converged,
        Self::Unmet,
        Self::Flags,
        Self::Instantiations,
        Self::RunsPerSample,
        Self::Preparation,
        Self::Visits,
        Self::Source,
        Self::Failures,
        Self::Networks,
        Self::Model,
        Self::ModelQuality,
    ];

    /// What the table knows and a format that holds these does not. Without the whole, nobody misses a
    /// part of it.
    pub(crate) fn lost(table: &LatencyTable, held: &[Self]) -> Vec<Self> {
        let is_missed = |content: &Self| {
            let goes_with_whole = content.whole().is_some_and(|whole| !held.contains(&whole));
            !held.contains(content) && !goes_with_whole && content.is_in(table)
        };
        Self::ALL.into_iter().filter(is_missed).collect()
    }

    /// What it is a part of.
    const fn whole(self) -> Option<Self> {
        match self {
            Self::Confidence => Some(Self::Intervals),
            Self::Unmet => Some(Self::Converged),
            Self::ModelQuality => Some(Self::Model),
            _ => None,
        }
    }

    /// Whether it is of single rows, and goes where they go.
    pub(crate) const fn is_of_rows(self) -> bool {
        !matches!(
            self,
            Self::DeviceName
                | Self::Context
                | Self::Space
                | Self::Rows
                | Self::Failures
                | Self::Networks
                | Self::Model
                | Self::ModelQuality
        )
    }

    /// Whether a table knows it.
    pub fn is_in(self, table: &LatencyTable) -> bool {
        let any = |known: fn(&TableRow) -> bool| table.rows().any(known);
        match self {
            Self::DeviceName => true,
            Self::Context => {
                table.context != TableContext::named(table.context.device_name.as_str())
            }
            Self::Space => table.space().is_some(),
            Self::Rows | Self::Count => table.rows().len() > 0,
            Self::Headline => any(|row| row.mean.is_some_and(|mean| mean != row.headline())),
            Self::Mean => any(|row| row.mean.is_some_and(|mean| mean != row.headline())),
            Self::NoMean => any(|row| row.mean.is_none()),
            Self::Minimum => any(|row| row.min.is_some()),
            Self::Quantiles => any(|row| row.p10.or(row.p50).or(row.p90).is_some()),
            Self::Variance => any(|row| row.variance.is_some()),
            Self::ThreadCpu => any(|row| row.thread_cpu.is_some()),
            Self::Intervals => any(|row| row.headline.ci_low.or(row.headline.ci_high).is_some()),
            Self::Confidence => any(|row| row.headline.confidence.is_some()),
            Self::CleanFraction => any(|row| row.clean_fraction.is_some()),
            Self::Converged => any(|row| row.converged.is_some()),
            Self::Unmet => any(|row| !row.unmet.is_empty()),
            Self::Flags => any(|row| !row.flags.is_empty()),
            Self::Instantiations => any(|row| row.instantiations.is_some()),
            Self::RunsPerSample => any(|row| row.runs_per_sample.is_some()),
            Self::Preparation => any(|row| row.first_run.or(row.preparation).is_some()),
            Self::Visits => any(|row| !row.visits.is_empty()),
            Self::Source => any(|row| row.source != RowSource::Imported),
            Self::Failures => table.failed().len() > 0,
            Self::Networks => !table.networks().is_empty(),
            Self::Model => table.model().is_some(),
            Self::ModelQuality => table.model().is_some_and(|model| {
                model.kind() != ModelKind::Given || model.between_instantiations().is_some()
            }),
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DeviceName => "the name of the device",
            Self::Context => "the context: device, runtime, protocol and when it was measured",
            Self::Space => "the definition of the search space",
            Self::Rows => "the rows",
            Self::Count => "the numbers of samples",
            Self::Headline => "the headline values, where the statistics written are others",
            Self::Mean => "the means, in whose place the headline values stand",
            Self::NoMean => "which rows have no mean: their headline values stand in its place",
            Self::Minimum => "the fastest samples",
            Self::Quantiles => "the quantiles",
            Self::Variance => "the variances",
            Self::ThreadCpu => "the CPU times",
            Self::Intervals => "the confidence intervals",
            Self::Confidence => "the confidence of the intervals",
            Self::CleanFraction => "the shares of clean samples",
            Self::Converged => "whether rows converged",
            Self::Unmet => "the stop conditions that were not met",
            Self::Flags => "the flags",
            Self::Instantiations => "the numbers of instantiations",
            Self::RunsPerSample => "the runs per sample",
            Self::Preparation => "the first runs and preparations",
            Self::Visits => "the visits",
            Self::Source => "that rows were measured by an agent",
            Self::Failures => "the failed operations",
            Self::Networks => "the measured whole networks",
            Self::Model => "the model",
            Self::ModelQuality => "what the model was fitted on, and how far it may be off",
        })
    }
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{measured_row, row};
    use crate::{ExportedValue, Format};

    /// What each format leaves out of a measured row in a table of a space.
    #[test]
    fn what_a_format_cannot_hold_is_told_in_words() {
        let mut table = LatencyTable::new(TableContext::named("x"));
        table.insert(measured_row("conv-k1-in7x7x320-out7x7x1280-s1".parse().unwrap(), 1.0));
        let told = |format: Format| {
            let lost = format.export(&table, ExportedValue::Mean).unwrap().lost;
            lost.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        assert_eq!(told(Format::Table), "");
        assert_eq!(
            told(Format::Csv),
            "the name of the device; the CPU times; the confidence of the intervals; the stop \
             conditions that were not met; the runs per sample; the first runs and preparations; the \
             visits"
        );
        let of_records = "the CPU times; the confidence intervals; the shares of clean samples; \
                          whether rows converged; the flags; the numbers of instantiations; the runs per \
                          sample; the first runs and preparations; the visits; that rows were \
                          measured by an agent";
        assert_eq!(told(Format::FbnetJson), of_records);
        assert_eq!(
            told(Format::ProxylessYaml),
            format!("the name of the device; the fastest samples; the quantiles; {of_records}")
        );
    }

    #[test]
    fn a_value_is_lost_where_another_stands_in_its_place() {
        let key = "conv-k1-in7x7x320-out7x7x1280-s1".parse().unwrap();
        let lost = |row: TableRow, value: ExportedValue| {
            let mut table = LatencyTable::new(TableContext::named("x"));
            table.insert(row);
            Format::ProxylessYaml.export(&table, value).unwrap().lost
        };
        let published = row(key, 2.0);
        assert_eq!(lost(published.clone(), ExportedValue::Mean), [Content::DeviceName]);
        let mut measured = published.clone();
        measured.headline.value = op_catalog::Milliseconds(1.0);
        let told = [Content::DeviceName, Content::Headline];
        assert_eq!(lost(measured.clone(), ExportedValue::Mean), told);
        assert_eq!(lost(measured, ExportedValue::Headline), [Content::DeviceName, Content::Mean]);
        let bare = TableRow { mean: None, ..published };
        let told = [Content::DeviceName, Content::NoMean];
        assert_eq!(lost(bare.clone(), ExportedValue::Mean), told);
        assert_eq!(lost(bare, ExportedValue::Headline), [Content::DeviceName]);
    }
}
