//! The report of a verification: predicted against measured latencies of whole networks.

use latency_tables::{Agreement, Point};
use op_catalog::Milliseconds;
use serde::Serialize;
use serde_json::{Value, json};

use crate::report;
use crate::report::Column::{Number, Text};

/// A network as predicted and as measured.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct VerifiedNetwork {
    /// Name to show.
    pub(crate) name: String,
    /// Where it comes from.
    pub(crate) kind: NetworkKind,
    /// What the table predicts: by its model, or else the sum of its rows.
    pub(crate) predicted: Milliseconds,
    /// The sum of its rows, isolated operations; `None` where the table lacks some.
    pub(crate) sum: Option<Milliseconds>,
    /// Interval that holds the measured value with probability 90 %, by what predicted it.
    pub(crate) predicted_interval90: Option<(Milliseconds, Milliseconds)>,
    /// Standard error of the prediction.
    pub(crate) predicted_stderr: Option<Milliseconds>,
    /// Headline value of the whole network on the device.
    pub(crate) measured: Milliseconds,
    /// Lower end of the measured value's confidence interval.
    pub(crate) ci_low: Milliseconds,
    /// Upper end.
    pub(crate) ci_high: Milliseconds,
    /// Whether measuring met its stop conditions before the cap.
    pub(crate) converged: bool,
}

/// Where a verified network comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NetworkKind {
    /// Published.
    Reference,
    /// Named by the user.
    Given,
    /// Drawn from the space.
    Random,
}

/// Networks with the agreement of their predictions.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct VerifyReport {
    networks: Vec<VerifiedNetwork>,
    agreement: Option<Agreement>,
}

impl VerifiedNetwork {
    /// The prediction less the measurement, over the measurement, in percent.
    fn error_percent(&self) -> f64 {
        100.0 * (self.predicted.0 - self.measured.0) / self.measured.0
    }
}

/// The report on these networks.
pub(crate) fn verify(networks: &[VerifiedNetwork]) -> VerifyReport {
    let points: Vec<Point> = networks
        .iter()
        .map(|network| Point { predicted: network.predicted, measured: network.measured })
        .collect();
    VerifyReport { networks: networks.to_vec(), agreement: Agreement::of(&points) }
}

impl VerifyReport {
    /// The networks.
    pub(crate) fn networks(&self) -> &[VerifiedNetwork] {
        &self.networks
    }

    /// The report for programs.
    pub(crate) fn to_json(&self) -> Value {
        let networks = self.networks.iter().map(|network| {
            json!({
                "name": network.name,
                "kind": network.kind,
                "predicted_ms": network.predicted,
                "predicted_stderr_ms": network.predicted_stderr,
                "predicted_interval90_ms": network.predicted_interval90.map(|(low, high)| [low, high]),
                "sum_ms": network.sum,
                "measured_ms": network.measured,
                "measured_ci_low_ms": network.ci_low,
                "measured_ci_high_ms": network.ci_high,
                "error_percent": network.error_percent(),
                "converged": network.converged,
            })
        });
        let of = |part: fn(&Agreement) -> Option<f64>| self.agreement.as_ref().and_then(part);
        json!({
            "networks": networks.collect::<Vec<Value>>(),
            "mape_percent": of(|agreement| Some(agreement.mape_percent)),
            "rmse_ms": of(|agreement| Some(agreement.rmse_ms)),
            "spearman": of(|agreement| agreement.spearman),
            "kendall": of(|agreement| agreement.kendall),
            "bias_percent": of(|agreement| Some(agreement.bias_percent)),
            "max_percent": self.max_percent(),
            "coverage90_percent": self.coverage90_percent(),
            "sum_mape_percent": self.sums().map(|agreement| agreement.mape_percent),
        })
    }

    /// The largest absolute error.
    fn max_percent(&self) -> Option<f64> {
        self.networks.iter().map(|network| network.error_percent().abs()).reduce(f64::max)
    }

    /// Share of the networks that were measured inside the interval that was predicted with 90 %;
    /// `None` where a prediction has none.
    fn coverage90_percent(&self) -> Option<f64> {
        let inside: Option<Vec<bool>> = self
            .networks
            .iter()
            .map(|network| {
                let (low, high) = network.predicted_interval90?;
                Some((low..=high).contains(&network.measured))
            })
            .collect();
        let inside = inside.filter(|inside| !inside.is_empty())?;
        let count = inside.iter().filter(|is_inside| **is_inside).count();
        Some(100.0 * count as f64 / inside.len() as f64)
    }

    /// The agreement of the sums of isolated operations, where something else predicted.
    fn sums(&self) -> Option<Agreement> {
        let points: Option<Vec<Point>> = self
            .networks
            .iter()
            .map(|network| Some(Point { predicted: network.sum?, measured: network.measured }))
            .collect();
        let differ = self.networks.iter().any(|network| network.sum != Some(network.predicted));
        points.filter(|_| differ).and_then(|points| Agreement::of(&points))
    }

    /// The report for people.
    pub(crate) fn to_text(&self) -> String {
        let mut table = report::table(&[
            Text("network"),
            Number("predicted ms"),
            Number("measured ms"),
            Number("interval ms"),
            Number("error %"),
            Text(""),
        ]);
        for network in &self.networks {
            let [low, high] = [network.ci_low, network.ci_high].map(|end| report::time(Some(end)));
            table.add_row([
                network.name.clone(),
                report::time(Some(network.predicted)),
                report::time(Some(network.measured)),
                format!("{low} .. {high}"),
                report::signed_percent(Some(network.error_percent())),
                if network.converged { String::new() } else { "not converged".to_owned() },
            ]);
        }
        let within = self.coverage90_percent().zip(self.max_percent()).map(|(coverage, largest)| {
            format!(
                "largest error {largest:.2} %; {coverage:.0} % measured inside their predicted 90 % interval\n"
            )
        });
        let sums = self.sums().map(|sums| {
            format!(
                "sums of isolated operations alone: MAPE {:.2} %, bias {:+.2} %\n",
                sums.mape_percent, sums.bias_percent
            )
        });
        let agreement = format!("{}\n\n{}\n", table.trim_fmt(), self.summary());
        [Some(agreement), within, sums].into_iter().flatten().collect()
    }

    /// One line of agreement.
    pub(crate) fn summary(&self) -> String {
        let Some(agreement) = &self.agreement else {
            return "agreement needs at least two networks".to_owned();
        };
        let rank = |rank: Option<f64>| rank.map_or("-".to_owned(), |rank| format!("{rank:.3}"));
        format!(
            "MAPE {:.2} %, bias {:+.2} %, RMSE {:.3} ms, Spearman {}, Kendall {} over {}",
            agreement.mape_percent,
            agreement.bias_percent,
            agreement.rmse_ms,
            rank(agreement.spearman),
            rank(agreement.kendall),
            report::count(self.networks.len(), "network"),
        )
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Networks whose measured latencies are 8 to 10 % above the predictions.
    pub(crate) fn networks() -> Vec<VerifiedNetwork> {
        let rows: [(&str, f64, f64); 5] = [
            ("mobilenet_v2", 18.9, 20.5),
            ("proxyless_mobile", 26.4, 28.9),
            ("random-1", 38.2, 42.1),
            ("random-2", 31.5, 34.6),
            ("random-3", 35.0, 38.0),
        ];
        rows.map(|(name, predicted, measured)| VerifiedNetwork {
            name: name.to_owned(),
            kind: if name.starts_with("random") {
                NetworkKind::Random
            } else {
                NetworkKind::Reference
            },
            predicted: Milliseconds(predicted),
            sum: Some(Milliseconds(predicted)),
            predicted_interval90: None,
            predicted_stderr: None,
            measured: Milliseconds(measured),
            ci_low: Milliseconds(measured * 0.99),
            ci_high: Milliseconds(measured * 1.01),
            converged: name != "random-3",
        })
        .to_vec()
    }

    #[test]
    fn the_text_has_a_line_per_network_and_the_agreement() {
        insta::assert_snapshot!(verify(&networks()).to_text(), @r"
        network            predicted ms   measured ms      interval ms   error %
        ──────────────────────────────────────────────────────────────────────────────────────────
        mobilenet_v2              18.90         20.50   20.29 .. 20.71     -7.80
        proxyless_mobile          26.40         28.90   28.61 .. 29.19     -8.65
        random-1                  38.20         42.10   41.68 .. 42.52     -9.26
        random-2                  31.50         34.60   34.25 .. 34.95     -8.96
        random-3                  35.00         38.00   37.62 .. 38.38     -7.89   not converged

        MAPE 8.51 %, bias -8.51 %, RMSE 2.920 ms, Spearman 1.000, Kendall 1.000 over 5 networks
        ");
    }

    #[test]
    fn the_json_has_the_documented_names() {
        let json = verify(&networks()).to_json();
        let names =
            |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
        assert_eq!(
            names(&json),
            [
                "networks",
                "mape_percent",
                "rmse_ms",
                "spearman",
                "kendall",
                "bias_percent",
                "max_percent",
                "coverage90_percent",
                "sum_mape_percent"
            ]
        );
        assert_eq!(
            names(&json["networks"][0]),
            [
                "name",
                "kind",
                "predicted_ms",
                "predicted_stderr_ms",
                "predicted_interval90_ms",
                "sum_ms",
                "measured_ms",
                "measured_ci_low_ms",
                "measured_ci_high_ms",
                "error_percent",
                "converged"
            ]
        );
        assert_eq!(json["spearman"], 1.0);
    }

    #[test]
    fn the_json_has_what_a_prediction_says_of_itself_or_null() {
        let mut networks = networks();
        networks[0].predicted_interval90 = Some((Milliseconds(18.0), Milliseconds(21.0)));
        networks[0].predicted_stderr = Some(Milliseconds(0.75));
        let json = verify(&networks).to_json();
        assert_eq!(json["networks"][0]["predicted_interval90_ms"], json!([18.0, 21.0]));
        assert_eq!(json["networks"][0]["predicted_stderr_ms"], 0.75);
        assert_eq!(json["networks"][1]["predicted_interval90_ms"], Value::Null);
    }

    #[test]
    fn one_network_is_reported_without_agreement() {
        let report = verify(&networks()[..1]);
        assert_eq!(report.agreement.as_ref(), None);
        assert_eq!(report.to_json()["mape_percent"], Value::Null);
        assert!(report.to_text().ends_with("agreement needs at least two networks\n"));
    }
}
