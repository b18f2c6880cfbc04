//! A model's report is how a table's latency model came about and how far it is off.

use latency_tables::{HeldOutReport, LatencyModel, LatencyTable, Validation};
use serde_json::{Value, json};

use super::Column::{Number, Text};
use super::table as columns;

/// The model as JSON, without its numbers, which are in the table.
pub(crate) fn to_json(model: &LatencyModel) -> Value {
    json!({
        "kind": model.kind().to_string(),
        "networks": model.networks(),
        "between_instantiations_percent": model.between_instantiations().map(|share| 100.0 * share),
        "validations": model.validations(),
    })
}

/// The model for a person: what was compared, what was chosen, and what held-out networks say of it.
pub(crate) fn to_text(table: &LatencyTable) -> Option<String> {
    let model = table.model()?;
    let mut lines = vec![String::new(), String::new()];
    lines[1] = format!("model     {}, of {} whole networks", model.kind(), model.networks());
    if !model.validations().is_empty() {
        lines[1].push_str("; by cross-validation:");
        lines.push(comparison(model.validations()));
    }
    lines.extend(HeldOutReport::of(table).map(|report| held_out(&report)));
    lines.extend(model.between_instantiations().map(|spread| {
        format!("spread    {:.2} % between instances of one network", 100.0 * spread)
    }));
    Some(lines.join("\n"))
}

fn comparison(validations: &[Validation]) -> String {
    let mut table = columns(&[
        Text("model"),
        Number("MAPE %"),
        Number("largest %"),
        Number("RMSE ms"),
        Number("Spearman"),
        Number("Kendall"),
        Number("in 90 % interval"),
    ]);
    for validation in validations {
        let agreement = &validation.agreement;
        let rank = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.3}"));
        table.add_row([
            validation.kind.to_string(),
            format!("{:.2}", agreement.mape_percent),
            format!("{:.2}", validation.max_percent),
            format!("{:.3}", agreement.rmse_ms),
            rank(agreement.spearman),
            rank(agreement.kendall),
            format!("{:.0} %", 100.0 * validation.coverage90),
        ]);
    }
    table.to_string()
}

fn held_out(report: &HeldOutReport) -> String {
    let agreement = &report.agreement;
    let rank = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.3}"));
    let errors = format!(
        "held out  {} networks that no fit has seen: MAPE {:.2} %, largest {:.2} %, Spearman {}, Kendall {}",
        report.networks,
        agreement.mape_percent,
        report.max_percent,
        rank(agreement.spearman),
        rank(agreement.kendall),
    );
    let coverage = report
        .coverage90_percent
        .map(|coverage| format!("; {coverage:.0} % of them in their 90 % interval"));
    let floor = report.floor.as_ref().map(|floor| {
        format!(
            "\nfloor     the same network in two processes: median {:.2} %, 90th percentile {:.2} %",
            floor.median_percent, floor.p90_percent
        )
    });
    [Some(errors), coverage, floor].into_iter().flatten().collect()
}
