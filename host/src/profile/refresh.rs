//! A profile's refresh asks whether a table still holds: it has the device measure a sample of the table's
//! rows again, just as they were measured, and keeps the table, rescales it, or says that it is to be
//! measured anew.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{Context, anyhow};
use latency_tables::refresh::{self, Decision, Evidence, Refresh, Rescaling};
use latency_tables::{LatencyTable, NetworkRole, TableContext, TableRow, file};
use op_catalog::SearchSpace;
use op_catalog::wire::{Item, JobRequest, Outcome, PROTOCOL_VERSION, Row};
use serde_json::json;

use super::ProfileArgs;
use super::job::{self, fresh_label};
use super::network_plan::references;
use crate::connection::DeviceArgs;
use crate::journal::{Beginning, Journal};
use crate::report::Column::{Number, Text};
use crate::{report, wait_for};
use command_line::hint::WithHint;
use command_line::{output, resolve};

/// Measures a sample of the table's rows and writes the table that holds now to `--out`, or in the place of
/// the old one; where none holds, profiles as the old table was. Nothing is written where the user stops it.
pub(crate) fn run(args: &ProfileArgs, path: &Path) -> anyhow::Result<ExitCode> {
    let old = resolve::table(path)?;
    args.device.check()?;
    let asked = request(&old, refresh::DEFAULT_ROWS, args.seed)?;
    let Some(rows) = measure(&args.device, &old, path, asked)? else {
        output::note("interrupted: the table stays as it was");
        return Ok(ExitCode::FAILURE);
    };
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let (refreshed, refresh) = apply(&old, &rows, now)?;
    let out = args.out.as_deref().unwrap_or(path);
    let Some(table) = refreshed else {
        output::note(&text(&refresh));
        let (args, space) = as_measured(args, &old, out)?;
        return super::profile(&args, &space);
    };
    file::write(out, &table)?;
    tell(&refresh, args.json)?;
    Ok(ExitCode::SUCCESS)
}

/// The rows of the request, measured now; nothing where the user stops it. What is measured is kept until
/// all of it is there.
fn measure(
    device: &DeviceArgs,
    old: &LatencyTable,
    path: &Path,
    asked: JobRequest,
) -> anyhow::Result<Option<Vec<Row>>> {
    let folder = Journal::folder_for(&refresh_path(path));
    let mut journal = Journal::open(&folder, &device.device, asked, Beginning::Resume)?;
    let ended = wait_for(async {
        let ended = job::measure(device, &mut journal, "rows of the old table").await?;
        if !ended.is_interrupted() {
            ended.connected.client.forget(&journal.current_id()).await?;
        }
        Ok(ended)
    })?;
    if ended.is_interrupted() {
        return Ok(None);
    }
    let then = old.context.device.as_ref().map(|device| device.fingerprint.as_str());
    if then.is_some_and(|then| then != ended.device.fingerprint) {
        output::note("warning: the device or its runtime is another version than the table's");
    }
    let rows = journal.rows().cloned().collect();
    drop(ended);
    journal.remove()?;
    Ok(Some(rows))
}

/// The arguments of a profile like the one that made the old table, and its space.
///
/// # Errors
/// A table that does not say its space or how it was measured.
fn as_measured(
    args: &ProfileArgs,
    old: &LatencyTable,
    out: &Path,
) -> anyhow::Result<(ProfileArgs, SearchSpace)> {
    let hint = "profile the device anew, without --refresh";
    let space = resolve::space_for(old, None)?
        .ok_or_else(|| anyhow!("the table does not say for which space it was made"))
        .hint(hint)?;
    let request = request(old, refresh::DEFAULT_ROWS, args.seed)?;
    let of_role = |role| old.networks().iter().filter(|network| network.role == role).count();
    let args = ProfileArgs {
        space: space.name().to_owned(),
        runtime: request.runtime.into(),
        threads: request.threads,
        batch: request.batch,
        target_error: request.protocol.target_relative_error,
        networks: of_role(NetworkRole::Fit),
        held_out: of_role(NetworkRole::HeldOut).saturating_sub(references(&space).len()),
        core: request.core,
        out: Some(out.to_owned()),
        refresh: None,
        ..args.clone()
    };
    Ok((args, space))
}

/// What the journal of a refresh is named after, so that it is not that of a profile.
fn refresh_path(table: &Path) -> PathBuf {
    let mut name = table.as_os_str().to_owned();
    name.push(".refresh");
    PathBuf::from(name)
}

/// A sample of the table's rows, to be measured as they were.
///
/// # Errors
/// A table that does not say how it was measured.
pub(crate) fn request(table: &LatencyTable, count: usize, seed: u64) -> anyhow::Result<JobRequest> {
    let TableContext { runtime, threads, batch, precision, weight_seed, core, protocol, .. } =
        table.context.clone();
    let told = |part: &str| {
        let message =
            format!("the table does not say its {part}, so that no row can be measured again");
        anyhow!("{message}")
    };
    let hint = "profile the device anew, without --refresh";
    let item = |key: &op_catalog::PlacedOp| Item { id: key.to_string(), blocks: vec![*key] };
    let items: Vec<Item> = refresh::sample(table, count, seed).iter().map(item).collect();
    if items.is_empty() {
        return Err(anyhow!("the table has no measured row")).hint(hint);
    }
    Ok(JobRequest {
        protocol_version: PROTOCOL_VERSION,
        label: fresh_label(),
        runtime: runtime.ok_or_else(|| told("runtime")).hint(hint)?,
        threads: threads.ok_or_else(|| told("number of threads")).hint(hint)?,
        batch: batch.ok_or_else(|| told("batch")).hint(hint)?,
        precision: precision.ok_or_else(|| told("precision")).hint(hint)?,
        weight_seed: weight_seed.ok_or_else(|| told("seed of the weights")).hint(hint)?,
        core,
        protocol: protocol.ok_or_else(|| told("protocol")).hint(hint)?,
        items,
    })
}

/// The table that holds after these rows were measured again, if it is a multiple of the old one, and
/// why. Operations that could not be measured this time are told and left out. `now` is for the note in
/// a rescaled table.
pub(crate) fn apply(
    old: &LatencyTable,
    rows: &[Row],
    now: String,
) -> anyhow::Result<(Option<LatencyTable>, Refresh)> {
    let mut fresh = Vec::new();
    for row in rows {
        match (&row.outcome, row.blocks.first()) {
            (Outcome::Measured(measurement), Some(key)) => {
                fresh.push(TableRow::from_measurement(*key, measurement));
            }
            (Outcome::Failed(failure), _) => {
                output::note(&format!("failed: {}: {}", row.id, failure.message));
            }
            (Outcome::Measured(_), None) => {}
        }
    }
    let refresh = refresh::decide(old, &fresh).context("comparing with the old table")?;
    let table = match refresh.decision {
        Decision::Keep => Some(old.clone()),
        Decision::Remeasure => None,
        Decision::Rescale { factor, .. } => {
            let mut table = refresh::rescaled(old, factor)?;
            let note = table.context.rescaled.take();
            table.context.rescaled = note.map(|note| Rescaling { rescaled_at: Some(now), ..note });
            Some(table)
        }
    };
    Ok((table, refresh))
}

fn tell(refresh: &Refresh, as_json: bool) -> anyhow::Result<()> {
    if as_json { output::json(&json!({"refresh": refresh})) } else { output::data(&text(refresh)) }
}

/// The rows, farthest first, and what they come to.
fn text(refresh: &Refresh) -> String {
    let Evidence { rows, left_out, .. } = &refresh.evidence;
    let mut grid = report::table(&[
        Text("key"),
        Number("old ms"),
        Number("now ms"),
        Number("difference %"),
        Number("± %"),
        Text("note"),
    ]);
    let mut rows = rows.clone();
    rows.sort_by(|a, b| b.logarithm.abs().total_cmp(&a.logarithm.abs()));
    for row in &rows {
        grid.add_row([
            row.key.to_string(),
            report::time(Some(row.old_ms)),
            report::time(Some(row.fresh_ms)),
            report::signed_percent(Some(100.0 * (row.logarithm.exp() - 1.0))),
            report::percent(Some(100.0 * row.standard_error)),
            if row.key == *left_out { "left out".to_owned() } else { String::new() },
        ]);
    }
    format!("{}\n\n{}", grid.trim_fmt(), verdict(refresh))
}

fn verdict(refresh: &Refresh) -> String {
    let Evidence { factor, interval: [low, high], tolerance, q, p_value, tau_percent, .. } =
        &refresh.evidence;
    let found = format!(
        "common factor {factor:.4}, with 90 % between {low:.4} and {high:.4}; rows vary by {tau_percent:.2} % \
         beyond their errors (Q {q:.1}, p {p_value:.4})"
    );
    let tolerance = 100.0 * tolerance;
    let verdict = match refresh.decision {
        Decision::Keep => {
            format!("the table is kept: the device is what it was within {tolerance} %")
        }
        Decision::Rescale { factor, .. } => {
            format!("the table is rescaled: all its rows take {factor:.4} of the time")
        }
        Decision::Remeasure => {
            "the table is to be measured anew: its rows changed each in their own way".to_owned()
        }
    };
    format!("{found}\n{verdict}")
}

#[cfg(test)]
mod tests {
    use latency_tables::refresh::DEFAULT_ROWS;
    use op_catalog::wire::row::{Failure, FailureKind, Headline, HeadlineStatistic, Measurement};
    use op_catalog::wire::{MeasuringProtocol, Precision, Runtime};
    use op_catalog::{Cost, Milliseconds, PlacedOp, SpaceDefinition};

    use super::*;
    use command_line::hint;

    fn measurement(ms: f64) -> Measurement {
        let time = |factor: f64| Milliseconds(ms * factor);
        let headline = Headline {
            statistic: HeadlineStatistic::ThreadCpuP50,
            value: time(1.0),
            ci_low: time(0.995),
            ci_high: time(1.005),
            confidence: 0.96875,
            relative_error: 0.005,
            reason: "asked for".to_owned(),
        };
        Measurement {
            n: 60,
            runs_per_sample: 1,
            instantiations: 6,
            min: time(0.98),
            p10: time(0.99),
            p50: time(1.0),
            mean: time(1.0),
            p90: time(1.1),
            variance: 0.01,
            thread_cpu: None,
            headline,
            clean_fraction: None,
            converged: true,
            unmet: Vec::new(),
            flags: Vec::new(),
            first_run: time(2.0),
            preparation: time(5.0),
            visits: vec![time(1.0); 6],
            rounds: (0..6).collect(),
        }
    }

    fn ms(key: &PlacedOp) -> f64 {
        Cost::of(&key.lower()).macs as f64 / 1e6
    }

    fn table() -> LatencyTable {
        let space = SpaceDefinition::built_in("proxyless-small").unwrap();
        let context = TableContext {
            runtime: Some(Runtime::Mock),
            threads: Some(2),
            batch: Some(3),
            precision: Some(Precision::F32),
            weight_seed: Some(7),
            core: Some(1),
            protocol: Some(MeasuringProtocol {
                instantiations: 9,
                ..MeasuringProtocol::standard()
            }),
            ..TableContext::named("board")
        };
        let mut table = LatencyTable::new(context).with_space(space.clone());
        for key in space.build().unwrap().placed_ops() {
            table.insert(TableRow::from_measurement(key, &measurement(ms(&key))));
        }
        table
    }

    /// The answer of a device on which each operation takes this factor of its time.
    fn answer(table: &LatencyTable, factor: fn(&PlacedOp) -> f64) -> Vec<Row> {
        let request = request(table, DEFAULT_ROWS, 1).unwrap();
        let row = |item: Item| {
            let key = item.blocks[0];
            let measured = measurement(ms(&key) * factor(&key));
            Row { id: item.id, blocks: item.blocks, outcome: Outcome::Measured(Box::new(measured)) }
        };
        request.items.into_iter().map(row).collect()
    }

    fn applied(factor: fn(&PlacedOp) -> f64) -> (Option<LatencyTable>, Refresh) {
        apply(&table(), &answer(&table(), factor), "2026-01-02T03:04:05Z".to_owned()).unwrap()
    }

    #[test]
    fn a_sample_is_asked_for_as_the_table_was_measured() {
        let asked = request(&table(), DEFAULT_ROWS, 1).unwrap();
        assert_eq!((asked.items.len(), asked.runtime, asked.core), (12, Runtime::Mock, Some(1)));
        assert_eq!((asked.threads, asked.batch, asked.weight_seed), (2, 3, 7));
        assert_eq!(asked.protocol.instantiations, 9);
        let mut bare = table();
        bare.context.protocol = None;
        let error = request(&bare, DEFAULT_ROWS, 1).unwrap_err();
        assert!(error.to_string().starts_with("the table does not say its protocol"));
        assert!(hint::of(&error).unwrap().contains("--refresh"));
    }

    #[test]
    fn the_same_times_keep_the_table_as_it_is() {
        let (kept, refresh) = applied(|_| 1.002);
        assert_eq!(kept, Some(table()));
        assert!(text(&refresh).ends_with("the device is what it was within 1.5 %"));
    }

    #[test]
    fn times_that_grew_alike_rescale_the_table_and_the_context_says_so() {
        let (rescaled, refresh) = applied(|_| 1.04);
        let rescaled = rescaled.unwrap();
        for row in rescaled.rows() {
            assert!((row.headline().0 / (1.04 * ms(&row.key)) - 1.0).abs() < 1e-9);
        }
        let note = rescaled.context.rescaled.unwrap();
        assert!((note.factor - 1.04).abs() < 1e-9);
        assert_eq!(note.rescaled_at.as_deref(), Some("2026-01-02T03:04:05Z"));
        assert!(text(&refresh).contains("all its rows take 1.0400 of the time"));
    }

    #[test]
    fn times_that_changed_each_in_their_own_way_leave_nothing_to_rescale() {
        let (table, refresh) = applied(|key| if key.stride() > 1 { 1.15 } else { 1.0 });
        assert_eq!((table, refresh.decision), (None, Decision::Remeasure));
        assert!(text(&refresh).ends_with("changed each in their own way"));
    }

    #[test]
    fn what_fails_now_is_left_out_and_too_much_of_it_is_an_error() {
        let failed = || {
            Outcome::Failed(Failure {
                kind: FailureKind::ChildDied,
                message: "killed by SIGKILL".to_owned(),
                attempts: 2,
            })
        };
        let mut rows = answer(&table(), |_| 1.0);
        rows[0].outcome = failed();
        let (kept, refresh) = apply(&table(), &rows, String::new()).unwrap();
        assert!(kept.is_some());
        assert_eq!(refresh.evidence.rows.len(), DEFAULT_ROWS - 1);
        for row in &mut rows {
            row.outcome = failed();
        }
        let error = apply(&table(), &rows, String::new()).unwrap_err();
        assert!(format!("{error:#}").contains("takes at least 5"), "{error:#}");
    }
}
