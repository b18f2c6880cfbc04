//! Kept rows are what a journal has of its rows: each as the agent's line and as what it says.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, ensure};
use op_catalog::wire::{JobRequest, Row};

/// A row as the agent's line and as what it says.
pub(super) type KeptRow = (String, Row);

/// Reads the whole lines; the last one may have been cut off by a kill.
pub(super) fn read_rows(path: &Path, request: &JobRequest) -> anyhow::Result<Vec<KeptRow>> {
    let context = || format!("reading {}", path.display());
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        bytes => bytes.with_context(context)?,
    };
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let text = std::str::from_utf8(&bytes[..whole]).with_context(context)?;
    let mut rows = Vec::new();
    for line in text.lines() {
        let row = serde_json::from_str(line).with_context(context)?;
        check(request, &rows, &row).with_context(context)?;
        rows.push((line.to_owned(), row));
    }
    Ok(rows)
}

/// Opens the file of rows to append to it, less what follows the whole ones.
pub(super) fn open_rows(path: &Path, rows: &[KeptRow]) -> anyhow::Result<File> {
    let whole: usize = rows.iter().map(|(line, _)| line.len() + 1).sum();
    let open = || {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        file.set_len(whole as u64)?;
        Ok::<_, std::io::Error>(file)
    };
    open().with_context(|| format!("opening {}", path.display()))
}

/// Refuses a row that was not asked for, or that is there already.
pub(super) fn check(request: &JobRequest, rows: &[KeptRow], row: &Row) -> anyhow::Result<()> {
    let asked = request.items.iter().find(|item| item.id == row.id);
    let asked = asked.with_context(|| format!("a row `{}` was not asked for", row.id))?;
    ensure!(asked.blocks == row.blocks, "the row `{}` is of other blocks", row.id);
    ensure!(rows.iter().all(|(_, kept)| kept.id != row.id), "the row `{}` came twice", row.id);
    Ok(())
}
