//! The pictures of a run: its metrics over its steps, and what became of every edge of a search.

mod choices;

use std::path::PathBuf;

use architecture_search::Phase;
use command_line::picture::curves::{Curve, Curves, Panel};
use command_line::picture::write_both;

use crate::{LatencyTarget, Metric, RaceFolder, RaceResult, Raced, RunFolder, metrics};

pub use choices::Choices;

/// Draws a search: loss, accuracy, expected latency against its target, entropy; and the probabilities of every
/// edge. Returns the files.
///
/// # Errors
/// Metrics that cannot be read, and files that cannot be written.
pub fn draw_search(
    folder: &RunFolder,
    target: LatencyTarget,
    candidates: Vec<Vec<String>>,
) -> anyhow::Result<Vec<PathBuf>> {
    let metrics = metrics::read(&folder.metrics())?;
    let mut files = write(folder, "search", &search_curves(&metrics, target))?;
    let choices = Choices::of(&metrics, candidates);
    files.extend(write(folder, "choices", &choices)?);
    Ok(files)
}

/// Draws a training: loss and accuracy.
///
/// # Errors
/// As [`draw_search`].
pub fn draw_training(folder: &RunFolder, title: &str) -> anyhow::Result<Vec<PathBuf>> {
    let metrics = metrics::read(&folder.metrics())?;
    let panels = vec![loss_panel(&metrics), accuracy_panel(&metrics)];
    let curves = Curves { title: title.to_owned(), across: "step of weights".to_owned(), panels };
    write(folder, "training", &curves)
}

/// Draws a race: how every network did, in the order in which they were chosen, and what is expected of it.
///
/// # Errors
/// Files that cannot be written.
pub fn draw_race(place: &RaceFolder, result: &RaceResult) -> anyhow::Result<Vec<PathBuf>> {
    let path = place.picture();
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    write_both(&path, &race_curves(result))
}

fn race_curves(result: &RaceResult) -> Curves {
    let mut networks: Vec<&Raced> = result.networks.iter().collect();
    networks.sort_by_key(|raced| raced.number);
    let curve = |name: &str, of: fn(&Raced) -> Option<f64>| {
        let points =
            networks.iter().filter_map(|raced| Some((raced.number as f64, 100.0 * of(raced)?)));
        Curve { name: name.to_owned(), points: points.collect() }
    };
    let [short, longer] = result.epochs;
    let trials = vec![
        curve("trained", |raced| Some(raced.accuracy)),
        curve("expected of another", |raced| Some(raced.expected_accuracy)),
    ];
    let finals = vec![
        curve("the best, trained", Raced::longer_mean),
        curve("expected of another", |raced| raced.expected_final_accuracy),
    ];
    let panel = |epochs: u32, curves: Vec<Curve>| {
        let up = format!("%, after epoch {epochs}");
        Panel { up, curves, levels: Vec::new() }
    };
    Curves {
        title: format!("Race on {}", result.data),
        across: "network, in the order in which they were chosen".to_owned(),
        panels: vec![panel(short, trials), panel(longer, finals)],
    }
}

fn write(
    folder: &RunFolder,
    name: &str,
    drawing: &impl command_line::picture::Drawing,
) -> anyhow::Result<Vec<PathBuf>> {
    let path = folder.picture(name);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    write_both(&path, drawing)
}

fn search_curves(metrics: &[Metric], target: LatencyTarget) -> Curves {
    let of_architecture = |value: fn(&Metric) -> Option<f64>, name: &str| {
        let points = metrics.iter().filter_map(|metric| match metric {
            Metric::Architecture { step, .. } => Some((*step as f64, value(metric)?)),
            _ => None,
        });
        Curve { name: name.to_owned(), points: points.collect() }
    };
    let expected = of_architecture(
        |metric| match metric {
            Metric::Architecture { expected_ms, .. } => Some(*expected_ms),
            _ => None,
        },
        "expected",
    );
    let entropy = of_architecture(
        |metric| match metric {
            Metric::Architecture { entropy_nats, .. } => Some(*entropy_nats),
            _ => None,
        },
        "all edges",
    );
    let levels = vec![("target".to_owned(), target.milliseconds().0)];
    Curves {
        title: "Search".to_owned(),
        across: "step of weights".to_owned(),
        panels: vec![
            loss_panel(metrics),
            accuracy_panel(metrics),
            Panel { up: "latency, ms".to_owned(), curves: vec![expected], levels },
            Panel { up: "entropy, nats".to_owned(), curves: vec![entropy], levels: Vec::new() },
        ],
    }
}

/// Losses of weights, smoothed so that their trend can be seen, and of logits.
fn loss_panel(metrics: &[Metric]) -> Panel {
    let weights = metrics.iter().filter_map(|metric| match metric {
        Metric::Weights { step, loss, .. } => Some((*step as f64, *loss)),
        _ => None,
    });
    let logits = metrics.iter().filter_map(|metric| match metric {
        Metric::Architecture { step, loss, .. } => Some((*step as f64, *loss)),
        _ => None,
    });
    let curve = |name: &str, points: Vec<(f64, f64)>| {
        let width = (points.len() / 40).max(1);
        Curve { name: name.to_owned(), points }.smoothed(width)
    };
    let mut curves = vec![curve("of weights", weights.collect())];
    let logits: Vec<(f64, f64)> = logits.collect();
    if !logits.is_empty() {
        curves.push(curve("of logits", logits));
    }
    Panel { up: "loss, nats".to_owned(), curves, levels: Vec::new() }
}

fn accuracy_panel(metrics: &[Metric]) -> Panel {
    let trained = metrics.iter().filter_map(|metric| match metric {
        Metric::Weights { step, accuracy, .. } => Some((*step as f64, 100.0 * accuracy)),
        _ => None,
    });
    let held_out = metrics.iter().filter_map(|metric| match metric {
        Metric::Epoch { step, accuracy, .. } => Some((*step as f64, 100.0 * accuracy)),
        _ => None,
    });
    let trained: Vec<(f64, f64)> = trained.collect();
    let width = (trained.len() / 40).max(1);
    let trained = Curve { name: "trained on".to_owned(), points: trained }.smoothed(width);
    let name = if metrics.iter().any(is_search) { "most likely path" } else { "evaluated on" };
    let held_out = Curve { name: name.to_owned(), points: held_out.collect() };
    Panel { up: "accuracy, %".to_owned(), curves: vec![trained, held_out], levels: Vec::new() }
}

fn is_search(metric: &Metric) -> bool {
    matches!(
        metric,
        Metric::Epoch { phase: Some(Phase::WarmUp | Phase::Search), .. }
            | Metric::Architecture { .. }
    )
}

#[cfg(test)]
mod tests {
    use architecture_search::EdgeValues;
    use command_line::picture::svg;

    use super::*;

    fn metrics() -> Vec<Metric> {
        let probabilities = EdgeValues::new(vec![vec![0.25, 0.75], vec![0.5, 0.5]]).unwrap();
        vec![
            Metric::Weights {
                step: 0,
                phase: Some(Phase::Search),
                loss: 2.3,
                accuracy: 0.1,
                learning_rate: 0.05,
            },
            Metric::Architecture {
                step: 1,
                loss: 2.2,
                expected_ms: 9.0,
                entropy_nats: 20.0,
                nats_per_ms: Some(0.0),
                reward: None,
            },
            Metric::Epoch {
                step: 1,
                phase: Some(Phase::Search),
                epoch: 1,
                accuracy: 0.2,
                top5: None,
                probabilities: Some(probabilities),
                most_likely: Some(vec![1, 0]),
                seconds: 1.0,
            },
        ]
    }

    #[test]
    fn a_search_s_pictures_say_what_it_was_after_and_what_it_had_to_choose_from() {
        let text = svg(&search_curves(&metrics(), "8ms".parse().unwrap())).unwrap();
        for said in ["of logits", "target 8", "entropy, nats", "most likely path"] {
            assert!(text.contains(said), "{said}");
        }
        let names = vec![vec!["k3".to_owned(), "k5".to_owned()]; 2];
        let text = svg(&Choices::of(&metrics(), names)).unwrap();
        for said in ["edge 0", "edge 1", "k3", "k5"] {
            assert!(text.contains(said), "{said}");
        }
    }

    #[test]
    fn a_race_s_picture_has_what_was_trained_and_what_is_expected() {
        let raced = |number: usize, accuracy: f64, final_accuracy: Option<f64>| Raced {
            number,
            choices: vec![0],
            predicted_ms: 1.0,
            accuracy,
            expected_accuracy: accuracy,
            final_accuracy,
            other_seeds: vec![],
            expected_final_accuracy: final_accuracy,
        };
        let result = RaceResult {
            space: "one edge".to_owned(),
            data: "images".to_owned(),
            images: 100,
            epochs: [2, 6],
            diverged: vec![],
            networks: vec![raced(1, 0.6, Some(0.7)), raced(0, 0.5, None)],
        };
        let text = svg(&race_curves(&result)).unwrap();
        for said in
            ["Race on images", "%, after epoch 2", "expected of another", "%, after epoch 6"]
        {
            assert!(text.contains(said), "{said}");
        }
        let first = &race_curves(&result).panels[0].curves[0].points;
        assert!(first.is_sorted_by(|a, b| a.0 < b.0), "in the order in which they were chosen");
    }

    #[test]
    fn a_run_that_wrote_nothing_has_pictures_too() {
        assert!(svg(&search_curves(&[], "8ms".parse().unwrap())).is_ok());
        assert!(svg(&Choices::of(&[], Vec::new())).is_ok());
    }
}
