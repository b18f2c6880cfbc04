//! Progress is what a person sees while a run trains: a bar on a terminal, a line per epoch elsewhere.

use std::io::IsTerminal;

use command_line::output;
use indicatif::{ProgressBar, ProgressStyle};
use runs::Metric;

/// A bar of so many steps, with a message and the time left.
pub(crate) fn bar(steps: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:32} {pos}/{len}  {msg}, {eta} left");
    ProgressBar::new(steps).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// The display of a run.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    weights: String,
    architecture: String,
}

impl Progress {
    /// A display of a run that has made so many of its steps.
    pub(crate) fn new(done: u64, all: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let template = "{bar:24} {pos}/{len} {eta} left  {msg}";
            let style = ProgressStyle::with_template(template);
            let bar = ProgressBar::new(all).with_position(done);
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.reset_eta();
            bar
        });
        Self { bar, weights: String::new(), architecture: String::new() }
    }

    /// After a step of weights.
    pub(crate) fn weights(&mut self, metric: &Metric) {
        if let Metric::Weights { loss, accuracy, .. } = metric {
            self.weights = format!("loss {loss:.3}, accuracy {:.0} %", 100.0 * accuracy);
            if let Some(bar) = &self.bar {
                bar.inc(1);
                bar.set_message(format!("{}{}", self.weights, self.architecture));
            }
        }
    }

    /// After a step of logits.
    pub(crate) fn architecture(&mut self, metric: &Metric) {
        if let Metric::Architecture { expected_ms, entropy_nats, .. } = metric {
            self.architecture =
                format!(", expected {expected_ms:.2} ms, entropy {entropy_nats:.2} nats");
        }
    }

    /// After an epoch.
    pub(crate) fn epoch(&mut self, metric: &Metric) {
        if let Metric::Epoch { step, accuracy, seconds, .. } = metric {
            let line = format!(
                "step {step}: {}{}; held-out accuracy {:.1} %; {seconds:.0} s",
                self.weights,
                self.architecture,
                100.0 * accuracy
            );
            match &self.bar {
                Some(bar) => bar.println(line),
                None => output::note(&line),
            }
        }
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
