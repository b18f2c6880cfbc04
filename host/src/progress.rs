//! Progress is what a person sees while a device measures: a bar on a terminal, lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use op_catalog::wire;

use command_line::output;

/// How long lines are apart: a job of seconds has none, and a log is not full of them.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// The display of one job.
pub(crate) struct Progress {
    display: Display,
    rows_before: usize,
}

enum Display {
    Bar(ProgressBar),
    /// Lines, and when the last one was told, or the job begun.
    Lines(Instant),
}

impl Progress {
    /// A display; `rows_before` rows were there before the job under way.
    pub(crate) fn new(rows_before: usize) -> Self {
        let display = if std::io::stderr().is_terminal() {
            let bar = ProgressBar::new(0);
            let style = ProgressStyle::with_template("{bar:32} {percent:>3}%  {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(Duration::from_millis(500));
            Display::Bar(bar)
        } else {
            Display::Lines(Instant::now())
        };
        Self { display, rows_before }
    }

    /// Shows how far the job is.
    pub(crate) fn show(&mut self, progress: &wire::Progress) {
        let all = progress.visits + progress.visits_left;
        let text = self.text(progress);
        match &mut self.display {
            Display::Bar(bar) => {
                bar.set_length(all);
                bar.set_position(progress.visits);
                bar.set_message(text);
            }
            Display::Lines(told) if told.elapsed() >= BETWEEN_LINES => {
                *told = Instant::now();
                let percent = (100 * progress.visits).checked_div(all).unwrap_or(0);
                output::note(&format!("{percent:>3}%  {text}"));
            }
            Display::Lines(_) => {}
        }
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        if let Display::Bar(bar) = &self.display {
            bar.finish_and_clear();
        }
    }

    fn text(&self, progress: &wire::Progress) -> String {
        let before = self.rows_before as u64;
        let left = progress
            .remaining
            .map_or_else(String::new, |left| format!(", {} left", duration(left.0 / 1e3)));
        let (rows, items) = (before + progress.rows, before + progress.items);
        format!("{rows} of {items} rows, round {}{left}", progress.rounds)
    }
}

/// Seconds as a person says them.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_say_them() {
        for (seconds, text) in
            [(0.4, "0 s"), (59.6, "1 min 0 s"), (75.0, "1 min 15 s"), (7322.0, "2 h 2 min")]
        {
            assert_eq!(duration(seconds), text);
        }
    }
}
