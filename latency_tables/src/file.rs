//! A file is where a table outlives the program. This is the only module that touches files; what
//! it reads and writes is checked and laid out elsewhere.

use std::error::Error;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::{ImportOptions, Imported, LatencyTable, TableError, import, table_json};

/// Reads a table in this project's own format.
///
/// # Errors
/// A file that cannot be read, or as [`table_json::parse`], with the path.
pub fn read(path: &Path) -> Result<LatencyTable, TableError> {
    let text = read_text(path)?;
    table_json::parse(&text).map_err(|error| reading(path, error))
}

/// Reads a table in any format. A table without a name of its own is named after the file.
///
/// # Errors
/// A file that cannot be read, or as [`import::parse`], with the path.
pub fn import(path: &Path, options: &ImportOptions) -> Result<Imported, TableError> {
    let text = read_text(path)?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    import::parse(&text, &name, options).map_err(|error| reading(path, error))
}

/// Writes a table in this project's own format, all of it or nothing.
///
/// # Errors
/// As [`table_json::print`] and [`write_text`].
pub fn write(path: &Path, table: &LatencyTable) -> Result<(), TableError> {
    let text = table_json::print(table)
        .map_err(|error| TableError::Write { path: path.to_owned(), source: Box::new(error) })?;
    write_text(path, &text)
}

/// Writes a text so that at every moment, also after a loss of power, the path holds either what it
/// held before or the whole text: a temporary file in the same folder, synced, renamed, and the
/// folder synced.
///
/// # Errors
/// A folder that cannot be written to, or a path that is something other than a file.
pub fn write_text(path: &Path, text: &str) -> Result<(), TableError> {
    write_bytes(path, text.as_bytes())
}

/// Writes bytes as [`write_text`] does a text.
///
/// # Errors
/// As [`write_text`].
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), TableError> {
    replace(path, |file| file.write_all(bytes))
        .map_err(|error| TableError::Write { path: path.to_owned(), source: Box::new(error) })
}

fn read_text(path: &Path) -> Result<String, TableError> {
    fs::read_to_string(path).map_err(|error| reading(path, error))
}

fn reading(path: &Path, source: impl Error + Send + Sync + 'static) -> TableError {
    TableError::Read { path: path.to_owned(), source: Box::new(source) }
}

/// Puts what `fill` writes in the place of the file at `path`, or leaves that as it was.
fn replace(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    // A rename would replace a link, or a device such as /dev/stdout, instead of writing to it.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if fs::metadata(&path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(io::Error::other("it is there and is not a regular file"));
    }
    let folder = folder_of(&path);
    let mut temporary = temporary_file(&folder)?;
    fill(temporary.as_file_mut())?;
    temporary.as_file().sync_all()?;
    temporary.persist(&path)?;
    File::open(folder)?.sync_all()
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// A file that vanishes unless persisted, with the permissions that the user gives new files.
fn temporary_file(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".table-").suffix(".tmp");
    #[cfg(unix)]
    builder.permissions(<Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o666));
    builder.tempfile_in(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files_in(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_failing_write_leaves_the_old_file_whole_and_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.json");
        fs::write(&path, "old").unwrap();
        let result = replace(&path, |file| {
            file.write_all(b"half of the new")?;
            Err(io::Error::other("disk full"))
        });
        assert_eq!(result.unwrap_err().to_string(), "disk full");
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(files_in(folder.path()), ["table.json"]);
    }

    #[test]
    fn a_write_replaces_the_file_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.json");
        fs::write(&path, "old and longer than the new").unwrap();
        write_text(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(files_in(folder.path()), ["table.json"]);
    }

    #[test]
    fn what_is_not_a_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("folder");
        fs::create_dir(&path).unwrap();
        let error = write_text(&path, "new").unwrap_err();
        assert_eq!(error.source().unwrap().to_string(), "it is there and is not a regular file");
        assert!(path.is_dir());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_still_leads_to_the_file_that_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write_text(&link, "new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
    }

    #[test]
    fn a_missing_file_is_named_with_the_reason() {
        let error = read(Path::new("/nonexistent/table.json")).unwrap_err();
        assert_eq!(error.to_string(), "cannot read /nonexistent/table.json");
        assert!(error.source().unwrap().to_string().starts_with("No such file"));
    }
}
