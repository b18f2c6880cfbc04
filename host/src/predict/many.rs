//! Many networks are predicted line by line of the file that lists them.

use std::path::Path;

use anyhow::Context;
use latency_tables::{EdgeCosts, LatencyTable, ModelKind, Prediction, networks_file};
use op_catalog::{Architecture, SearchSpace};
use serde_json::{Value, json};

use crate::report;
use crate::report::Column::Number;
use command_line::hint::WithHint;
use command_line::{output, resolve};

/// Predicts every network of a file.
pub(super) fn run(
    table: &LatencyTable,
    space: Option<&SearchSpace>,
    networks: &Path,
    as_json: bool,
) -> anyhow::Result<()> {
    let text = resolve::text(networks)?;
    let shown = || format!("reading {}", networks.display());
    let list = networks_file::parse(&text, space).with_context(shown)?;
    let pricing = Pricing::of(table, space)?;
    let mut lines = Vec::new();
    for network in &list.networks {
        let prediction = pricing
            .predict(&network.architecture)
            .with_context(|| format!("{}, line {}", networks.display(), network.line))?;
        lines.push((network.line, prediction));
    }
    if as_json {
        let lines: Vec<String> =
            lines.iter().map(|(_, prediction)| to_json(prediction).to_string()).collect();
        return output::data(&lines.join("\n"));
    }
    output::data(&to_text(&lines))
}

/// What predicts architectures: a table's model, else the sum of its rows.
enum Pricing<'a> {
    Model(&'a latency_tables::LatencyModel),
    Rows(EdgeCosts),
}

impl<'a> Pricing<'a> {
    fn of(table: &'a LatencyTable, space: Option<&SearchSpace>) -> anyhow::Result<Self> {
        let model = match space {
            Some(space) => table.model_of(space),
            None => table.model(),
        };
        if let Some(model) = model {
            return Ok(Self::Model(model));
        }
        let space = space
            .context("the table has no model and does not say which space it was made for")
            .hint("name the space with --space")?;
        let costs = EdgeCosts::of_rows(space, table)
            .hint("measure the missing rows, or fill them with `host table fill --analytic`")?;
        Ok(Self::Rows(costs))
    }

    fn predict(&self, architecture: &Architecture) -> anyhow::Result<Prediction> {
        match self {
            Self::Model(model) => Ok(model.predict(architecture)?),
            Self::Rows(costs) => Ok(Prediction {
                latency: costs.price(architecture.choices())?,
                standard_error: None,
                interval90: None,
                kind: ModelKind::Sum,
            }),
        }
    }
}

/// The numbers of a prediction; `null` where the model does not know how far it is off.
pub(super) fn to_json(prediction: &Prediction) -> Value {
    json!({
        "predicted_ms": prediction.latency,
        "stderr_ms": prediction.standard_error,
        "interval90_ms": prediction.interval90.map(|(low, high)| [low, high]),
    })
}

fn to_text(lines: &[(u64, Prediction)]) -> String {
    let columns =
        ["line", "predicted ms", "standard error ms", "90 % from ms", "to ms"].map(Number);
    let mut table = report::table(&columns);
    for (line, prediction) in lines {
        let (low, high) = prediction.interval90.unzip();
        table.add_row([
            line.to_string(),
            report::time(Some(prediction.latency)),
            report::time(prediction.standard_error),
            report::time(low),
            report::time(high),
        ]);
    }
    table.trim_fmt()
}
