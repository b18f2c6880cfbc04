//! Output is what the program says: data on stdout, everything for people on stderr.

use std::io::{self, ErrorKind, Write};

use serde::Serialize;

/// Writes data and a line's end to stdout. A reader that went away has what it wanted.
///
/// # Errors
/// An stdout that cannot be written to.
pub fn data(text: &str) -> anyhow::Result<()> {
    match writeln!(io::stdout(), "{}", text.trim_end_matches('\n')) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Writes a value as JSON to stdout.
///
/// # Errors
/// As [`data`], and a value that JSON cannot hold.
pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    data(&serde_json::to_string_pretty(value)?)
}

/// Writes a line to stderr. Where that cannot be done, there is nobody to tell.
pub fn note(text: &str) {
    _ = writeln!(io::stderr(), "{text}");
}

/// A text of several lines, such as a page that a proxy sent, in one.
pub fn one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_several_lines_becomes_one() {
        assert_eq!(one_line("error: a\n  |\n\n 3 | b\n"), "error: a | 3 | b");
    }
}
