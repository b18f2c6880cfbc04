//! System files are how Linux and Android tell of themselves: small texts under /sys and /proc.

use std::str::FromStr;

/// The text of a file without white space around it; `None` for a file that is not there or is empty.
pub(super) fn text(path: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let text = text.trim_matches(['\n', '\0', ' ']).to_owned();
    (!text.is_empty()).then_some(text)
}

/// The number in a file.
pub(super) fn number<T: FromStr>(path: &str) -> Option<T> {
    text(path)?.parse().ok()
}

/// The value of a `name: value` line, as in /proc/cpuinfo and /proc/meminfo; the first of that name.
pub(super) fn value_of<'a>(table: &'a str, name: &str) -> Option<&'a str> {
    table.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == name).then(|| value.trim())
    })
}

/// A line of /proc/meminfo in bytes.
pub(super) fn memory_bytes(name: &str) -> Option<u64> {
    let table = text("/proc/meminfo")?;
    let kibibytes: u64 = value_of(&table, name)?.strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// The folders in a folder, by name.
pub(super) fn folders(path: &str) -> Vec<String> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.path().display().to_string()).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_none_and_not_zero() {
        assert_eq!(text("/no/such/file"), None);
        assert_eq!(number::<u32>("/no/such/file"), None);
        assert_eq!(value_of("model name\t: AMD EPYC\nflags\t\t: avx2", "flags"), Some("avx2"));
        assert_eq!(value_of("flags : avx2", "Features"), None);
    }
}
