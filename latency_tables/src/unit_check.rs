//! A unit check asks whether latencies can be in the unit that they are read in, by how much work the
//! operations are: a file in microseconds or seconds would else be a table of a device that is a
//! thousand times slower or faster than it is.

use std::ops::RangeInclusive;

use op_catalog::Cost;

use crate::listed_row::ListedRow;
use crate::located::Located;
use crate::{TableError, TimeUnit};

/// Multiply-accumulates per millisecond of half a table's operations that some device may have. A
/// microcontroller with 8-bit kernels has some 3e4 (a Cortex-M4 at 80 MHz) to 1e6, a phone's or a
/// board's core 5e5 to 2e7 (the published Pixel 1: 4e6, Note10: 1.1e7), tract on a server's core 1e7,
/// many cores or a mobile accelerator 1e8, a large GPU 1e9: its operations of a mobile network, 1e6 to
/// 1e8 multiply-accumulates each, do not fill it, and start in no less than some microseconds.
const POSSIBLE: RangeInclusive<f64> = 2e4..=2e9;

/// What boards, phones, computers and their accelerators have; the rest of [`POSSIBLE`] is accepted
/// with a remark. It is less than a thousand times wide, so that no table passes in silence in two
/// units.
const USUAL: RangeInclusive<f64> = 5e5..=4e8;

/// Below so many multiply-accumulates, what an operation takes is mostly that it is called at all.
const LEAST_MACS: u64 = 100_000;

/// A single row that is so many times slower or faster than its work says, by the rest of the table,
/// was not written in the unit of the rest. Rows of published tables differ from the median by less
/// than 6.
const OUTLYING: f64 = 100.0;

/// However little there is to do, it may take as long as the fastest of the other rows, up to so many
/// milliseconds: that of a call to an accelerator.
const LONGEST_CALL: f64 = 0.1;

/// Fewer rows do not say what is usual among them.
const LEAST_ROWS: usize = 4;

/// Who says what the unit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnitSource {
    /// The format's custom.
    Assumed,
    /// The user, who is believed where it is possible at all, and told what is odd.
    Stated,
}

/// Checks the latencies of a file.
///
/// Returns what is odd and yet accepted.
///
/// # Errors
/// A whole table that looks like one in another unit, or single rows that do; by line and value.
pub(crate) fn check(
    rows: &[ListedRow],
    unit: TimeUnit,
    source: UnitSource,
) -> Result<Vec<String>, TableError> {
    let first = rows.iter().find(|row| row.row.macs() >= LEAST_MACS);
    let mut remarks = match first.zip(typical_rate(rows)) {
        Some((row, rate)) => check_rate(rate, (row.latency.clone(), &row.field), unit, source)?,
        None => Vec::new(),
    };
    remarks.extend(judged(outlying(rows), source)?);
    Ok(remarks)
}

/// Checks the multiply-accumulates per millisecond of half the operations of a file, or of its average
/// network; the value stands for the others in what is told.
///
/// # Errors
/// A rate that no device has.
pub(crate) fn check_rate(
    rate: f64,
    value: (Located, &str),
    unit: TimeUnit,
    source: UnitSource,
) -> Result<Vec<String>, TableError> {
    if !POSSIBLE.contains(&rate) {
        let told = judged(Some(impossible(rate, value, unit)), source)?;
        return Ok(told.into_iter().collect());
    }
    if USUAL.contains(&rate) {
        return Ok(Vec::new());
    }
    let what = if rate < *USUAL.start() { "slow" } else { "fast" };
    Ok(vec![format!(
        "the operations compute {rate:.1e} multiply-accumulates per millisecond, which is {what} for \
         a phone or a computer: is the file really in {}?",
        unit.name()
    )])
}

/// An error where the unit was assumed, else a remark.
fn judged(error: Option<TableError>, source: UnitSource) -> Result<Option<String>, TableError> {
    match (error, source) {
        (Some(error), UnitSource::Assumed) => Err(error),
        (error, _) => Ok(error.map(|error| error.to_string())),
    }
}

/// Median of the multiply-accumulates per millisecond.
fn typical_rate(rows: &[ListedRow]) -> Option<f64> {
    let macs = |row: &ListedRow| Some(row.row.macs()).filter(|macs| *macs >= LEAST_MACS);
    median(rows.iter().filter_map(|row| Some(macs(row)? as f64 / row.milliseconds())))
}

fn impossible(rate: f64, (value, column): (Located, &str), unit: TimeUnit) -> TableError {
    let in_unit =
        |other: &TimeUnit| rate * 10_f64.powi((unit.power_of_ten() - other.power_of_ten()) as i32);
    let guess = TimeUnit::ALL.into_iter().find(|other| USUAL.contains(&in_unit(other)));
    let looks = match guess {
        Some(other) => format!("they look like {}", other.name()),
        None => "they look like no unit; are they of these operations?".to_owned(),
    };
    TableError::Unit {
        line: value.line,
        column: column.to_owned(),
        guess,
        message: format!(
            "`{}` and the other numbers cannot be {}: {looks}. The operations would compute {rate:.1e} multiply-accumulates per millisecond; \
             devices compute between {:.0e} and {:.0e}",
            value.text,
            unit.name(),
            POSSIBLE.start(),
            POSSIBLE.end()
        ),
    }
}

/// Rows that are far from what the others say they should take.
fn outlying(rows: &[ListedRow]) -> Option<TableError> {
    let rate = median(rows.iter().map(|row| work(row) / row.milliseconds()))
        .filter(|rate| rows.len() >= LEAST_ROWS && rate.is_finite())?;
    let mut times: Vec<f64> = rows.iter().map(ListedRow::milliseconds).collect();
    times.sort_by(f64::total_cmp);
    let factor = |row: &ListedRow| {
        let (time, expected) = (row.milliseconds(), work(row) / rate);
        let fastest = if time <= times[0] { times[1] } else { times[0] };
        let call = fastest.min(LONGEST_CALL);
        if time > expected { time / expected.max(call) } else { time / expected }
    };
    let is_far = |row: &&ListedRow| !(1.0 / OUTLYING..=OUTLYING).contains(&factor(row));
    let first = rows.iter().find(is_far)?;
    let (factor, expected) = (factor(first), work(first) / rate);
    let times = match factor {
        slow if slow > 1.0 => format!("{slow:.0} times more"),
        fast => format!("{:.0} times less", 1.0 / fast),
    };
    let others = match rows.iter().filter(is_far).count() - 1 {
        0 => String::new(),
        count => format!("; {count} more like it"),
    };
    Some(TableError::Unit {
        line: first.latency.line,
        column: first.field.clone(),
        guess: None,
        message: format!(
            "`{}` is {times} than the other rows say ({expected:.3} ms for as much work): it looks \
             like another unit than theirs{others}",
            first.latency.text
        ),
    })
}

/// Multiply-accumulates, and what is read and written, so that a pooling is work too.
fn work(row: &ListedRow) -> f64 {
    let placed = row.row.key;
    let elements = placed.input().elements() + placed.output().elements();
    (Cost::of(&placed.lower()).macs + elements) as f64
}

fn median(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{published, small_space, table_of};
    use crate::{Format, ImportOptions, Imported, import};

    fn read(text: &str, unit: Option<TimeUnit>) -> Result<Imported, TableError> {
        import::parse(text, "x", &ImportOptions { unit, ..ImportOptions::default() })
    }

    /// The text with every mean and spread times this.
    fn scaled(text: &str, factor: f64) -> String {
        let line = |line: &str| match line.trim_start().split_once(": ") {
            Some((name @ "mean", number)) => {
                format!("  {name}: {}\n", number.parse::<f64>().unwrap() * factor)
            }
            _ => format!("{line}\n"),
        };
        text.lines().map(line).collect()
    }

    const PUBLISHED: [&str; 2] =
        ["proxylessnas_official/mobile_trim.yaml", "ofa_note10/224_lookup_table.yaml"];

    #[test]
    fn published_tables_pass_in_silence_and_in_another_unit_are_told_by_it() {
        for path in PUBLISHED {
            let Some(text) = published(path) else { continue };
            assert_eq!(read(&text, None).unwrap().remarks, [""; 0], "{path}");
            for (factor, unit) in [(1e3, TimeUnit::Microseconds), (1e-3, TimeUnit::Seconds)] {
                let wrong = scaled(&text, factor);
                let error = read(&wrong, None).unwrap_err();
                let TableError::Unit { line: 3..=7, guess, .. } = &error else { panic!("{error}") };
                assert_eq!(*guess, Some(unit));
                let right = read(&wrong, Some(unit)).unwrap();
                assert_eq!(right.remarks, [""; 0], "{path}");
                let stated = read(&wrong, Some(TimeUnit::Milliseconds)).unwrap();
                assert_eq!(stated.remarks, [error.to_string()]);
            }
        }
    }

    #[test]
    fn any_single_row_in_another_unit_is_told_by_line_and_value() {
        for path in PUBLISHED {
            let Some(text) = published(path) else { continue };
            let lines: Vec<&str> = text.lines().collect();
            let means = (0..lines.len()).filter(|index| lines[*index].starts_with("  mean"));
            for index in means {
                for factor in [1e3, 1e-3] {
                    let mut lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
                    lines[index] = scaled(&lines[index], factor).trim_end().to_owned();
                    let error = read(&lines.join("\n"), None).unwrap_err().to_string();
                    let start = format!("line {}, mean of `", index + 1);
                    assert!(error.starts_with(&start), "{error}");
                    assert!(error.contains("looks like another unit than theirs"), "{error}");
                    assert!(error.contains(lines[index].trim_start_matches("  mean: ")));
                }
            }
        }
    }

    #[test]
    fn rates_of_devices_between_the_usual_and_the_impossible_are_remarked() {
        let table = table_of(&small_space());
        let csv = Format::Csv.export(&table, crate::ExportedValue::Mean).unwrap().text;
        // A million multiply-accumulates per millisecond, of which seconds make 1e9.
        let read = |unit| read(&csv, Some(unit)).unwrap().remarks;
        assert_eq!(read(TimeUnit::Milliseconds), [""; 0]);
        let remarks = read(TimeUnit::Microseconds);
        assert!(remarks[0].contains("which is fast for a phone or a computer"), "{remarks:?}");
        let remarks = read(TimeUnit::Seconds);
        assert!(remarks[0].contains("they look like milliseconds"), "{remarks:?}");
    }
}
