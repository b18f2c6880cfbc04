//! What a search survives: kills at any moment, a full disk, a loss that is not finite.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tests::{children_of, kill_now, program};

use crate::small_search::{SEARCH, host, images, profiled, succeed, target};

/// Kills a run and whatever it has started, as a power cut would.
fn kill(mut run: Child) {
    let children = children_of(run.id());
    kill_now(&mut run);
    for child in children {
        tests::kill_pid(child);
    }
}

#[test]
fn a_search_that_is_killed_at_any_moment_ends_with_the_same_logits_to_the_last_bit() {
    let folder = profiled();
    let folder = folder.path();
    let (target, images) = (target(folder), images());
    for algorithm in ["gradient", "reinforce"] {
        let algorithm_option = ["--algorithm", algorithm, "--samples", "3"];
        let (whole, parts) = (format!("{algorithm}-whole"), format!("{algorithm}-parts"));
        let search = |out: &str| -> Vec<String> {
            let run = ["--data", &images, "--target", &target, "--out", out];
            let all = [&SEARCH[..], &run, &algorithm_option].concat();
            all.into_iter().map(str::to_owned).collect()
        };
        let of = |run: &str| fs::read(folder.join(run).join("logits.json"));
        let start = |arguments: &[String]| {
            Command::new(program("host"))
                .args(arguments)
                .current_dir(folder)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        };
        assert!(start(&search(&whole)).wait().unwrap().success());
        let mut run = start(&search(&parts));
        for milliseconds in [600, 900, 1300, 700, 1600] {
            std::thread::sleep(Duration::from_millis(milliseconds));
            kill(run);
            let is_begun = folder.join(&parts).join("config.toml").is_file();
            run = if is_begun {
                start(&["search".to_owned(), "--resume".to_owned(), parts.clone()])
            } else {
                start(&search(&parts))
            };
        }
        assert!(run.wait().unwrap().success());
        assert_eq!(of(&parts).unwrap(), of(&whole).unwrap(), "{algorithm}");
        let metrics =
            |run: &str| fs::read_to_string(folder.join(run).join("metrics.jsonl")).unwrap();
        assert_eq!(metrics(&parts).lines().count(), metrics(&whole).lines().count());
    }
}

/// A search on a disk that has room for one checkpoint and a half; when it has ended, the disk grows, and the search goes
/// on. A mount of its own, in a namespace of its own.
const SMALL_DISK: &str = r#"
mkdir small
mount -t tmpfs -o "size=$SIZE" tmpfs small || exit 77
"$HOST" "$@" --out small/run 2> full.txt && exit 41
mount -o remount,size=256m small
"$HOST" search --resume small/run 2> on.txt || exit 42
cp small/run/logits.json found.json
"#;

#[test]
fn a_search_whose_disk_is_full_keeps_its_last_checkpoint_and_goes_on_where_there_is_room() {
    let folder = profiled();
    let folder = folder.path();
    let (target, images) = (target(folder), images());
    let run = ["--data", &images, "--target", &target];
    let search = [&SEARCH[..], &run].concat();
    succeed(folder, &[&search[..], &["--out", "whole"]].concat());
    let bytes_below = |path: &str| -> u64 {
        let output = Command::new("du").args(["-sb", path]).current_dir(folder).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_whitespace().next().unwrap().parse().unwrap()
    };
    // Two checkpoints are kept.
    let checkpoint = bytes_below("whole/checkpoints") / 2;
    let size = bytes_below("whole/table.json") + bytes_below("whole/metrics.jsonl");
    let size = size + checkpoint * 3 / 2 + (1 << 16);
    let ended = Command::new("unshare")
        .args(["-rm", "sh", "-c", SMALL_DISK, "sh"])
        .args(&search)
        .env("HOST", program("host"))
        .env("SIZE", size.to_string())
        .current_dir(folder)
        .status();
    if !ended
        .as_ref()
        .is_ok_and(|status| status.success() || matches!(status.code(), Some(41 | 42)))
    {
        eprintln!("a disk of its own cannot be mounted here, so that none was full: {ended:?}");
        return;
    }
    let read = |file: &str| fs::read_to_string(folder.join(file)).unwrap_or_default();
    let full = read("full.txt");
    assert!(ended.unwrap().success(), "{full} {}", read("on.txt"));
    for part in ["No space left on device", "small/run", "hint: ", "goes on after step 7"] {
        assert!(full.contains(part), "{full}");
    }
    assert!(read("on.txt").contains("going on after step 7"), "{}", read("on.txt"));
    assert_eq!(read("found.json"), read("whole/logits.json"));
}

#[test]
fn a_loss_that_is_not_finite_stops_the_run_at_its_step_with_the_last_good_checkpoint() {
    let folder = profiled();
    let folder = folder.path();
    let target = target(folder);
    let mut every_step = SEARCH;
    let option = every_step.iter().position(|argument| *argument == "--checkpoint-every").unwrap();
    every_step[option + 1] = "1";
    let run =
        ["--data", "synthetic", "--target", &target, "--out", "run", "--learning-rate", "1e30"];
    let output = host(folder, &[&every_step[..], &run].concat());
    assert_eq!(output.status.code(), Some(3), "a status of its own");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("the loss is NaN") && said.contains("learning_rate"), "{said}");
    let number_after = |text: &str| -> u64 {
        let rest = said.split(text).nth(1).unwrap();
        rest.split(|sign: char| !sign.is_ascii_digit()).next().unwrap().parse().unwrap()
    };
    let failed = number_after("error: step ");
    assert!(failed >= 2, "{said}");
    assert_eq!(number_after("goes on after step "), failed - 1, "{said}");
}
