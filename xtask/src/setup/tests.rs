//! The setup refuses what it cannot do before it does anything, leaves nothing half-made, and does nothing where
//! all is there. Python and the compiler are stood in for by scripts, so that nothing is downloaded.

use std::os::unix::fs::PermissionsExt;

use super::*;

/// What a Python with pip and enough room says.
const HEALTHY: &str = "echo 2000000000; echo pip";

pub(super) struct Workspace {
    folder: tempfile::TempDir,
}

impl Workspace {
    pub(super) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(super) fn root(&self) -> &Path {
        self.folder.path()
    }

    /// A program of this name that runs this script.
    pub(super) fn program(&self, name: &str, script: &str) -> String {
        let path = self.root().join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Tools of which Python answers the probe with one script and everything else with another.
    fn tools(&self, probe: &str, otherwise: &str) -> Tools {
        let script = format!("case \"$2\" in *disk_usage*) {probe};; *) {otherwise};; esac");
        Tools {
            python: self.program("python", &script),
            c_compiler: self.program("cc", "for last; do :; done; echo linked"),
            cpp_compiler: self.program("c++", "true"),
        }
    }

    #[track_caller]
    fn refusal(&self, tools: &Tools) -> String {
        let message = format!("{:#}", bring(self.root(), tools).unwrap_err());
        assert!(!self.root().join(FOLDER).exists(), "{message}");
        message
    }
}

#[test]
fn what_is_missing_is_named_with_the_next_step_before_anything_is_downloaded() {
    let workspace = Workspace::new();
    let healthy = workspace.tools(HEALTHY, "exit 1");
    let with = |change: fn(&mut Tools)| {
        let mut tools = healthy.clone();
        change(&mut tools);
        workspace.refusal(&tools)
    };
    let again = "and run `cargo xtask setup` again";
    let no_python = with(|tools| tools.python = "/nowhere/python3".to_owned());
    let expected =
        format!("`/nowhere/python3` does not start: install Python 3 with pip, {again}: ");
    assert!(no_python.starts_with(&expected), "{no_python}");
    for missing in [
        with(|tools| tools.c_compiler = "/nowhere/cc".to_owned()),
        with(|tools| tools.cpp_compiler = "/nowhere/cc".to_owned()),
    ] {
        assert_eq!(
            missing,
            format!(
                "`/nowhere/cc` does not start: install a C and a C++ compiler (Debian: build-essential), \
                 {again}"
            )
        );
    }
    let other = Workspace::new();
    let no_pip = other.refusal(&other.tools("echo 2000000000; echo no pip", "exit 1"));
    assert!(no_pip.ends_with(&format!("has no pip: install it (Debian: python3-pip), {again}")));
    let no_room = other.refusal(&other.tools("echo 5000000; echo pip", "exit 1"));
    assert!(
        no_room.ends_with(&format!(
            "has 5 MB left, and libtorch needs 1200 MB while it is unpacked: make room, {again}"
        )),
        "{no_room}"
    );
    let broken = other.refusal(&other.tools("echo no module named shutil >&2; exit 1", "exit 1"));
    assert!(broken.ends_with("does not work: no module named shutil"), "{broken}");
    assert!(!other.root().join(WORKSHOP).exists());
}

#[test]
fn a_download_that_fails_leaves_nothing_but_what_it_has_and_says_how_to_go_on() {
    let workspace = Workspace::new();
    let kept = format!("touch {}/{WORKSHOP}/wheels/a.whl; exit 7", workspace.root().display());
    let message = workspace.refusal(&workspace.tools(HEALTHY, &kept));
    assert!(
        message.contains("`cargo xtask setup` goes on with what is there already"),
        "{message}"
    );
    assert!(message.ends_with("exit status: 7"), "{message}");
    assert!(workspace.root().join(WORKSHOP).join("wheels/a.whl").exists());
}

#[test]
fn packages_that_lack_a_part_are_refused_by_its_name() {
    let workspace = Workspace::new();
    let message = workspace.refusal(&workspace.tools(HEALTHY, "exit 0"));
    assert_eq!(message, "torch/include/ is in none of the packages");
}

#[test]
fn all_parts_make_a_libtorch_that_is_not_made_again() {
    let workspace = Workspace::new();
    // pip finds nothing to do; the unpacking script's arguments are its wheels, its target and the parts.
    let unpack = "if [ \"$1\" = -c ]; then cd \"$(dirname \"$4\")\"; for part in torch/include/ATen.h \
                  torch/lib/libc10.so torch/lib/libgomp.so.1 torch/lib/libtorch_cpu.so \
                  nvidia/cu13/lib/libcudart.so.13 nvidia/cu13/lib/libcupti.so.13; do mkdir -p \
                  \"made/$(dirname $part)\"; touch made/$part; done; fi";
    let tools = workspace.tools(HEALTHY, unpack);
    bring(workspace.root(), &tools).unwrap();
    let torch = workspace.root().join(FOLDER).join("torch");
    assert_eq!(fs::read_to_string(torch.join("build-version")).unwrap(), VERSION);
    assert!(!workspace.root().join(WORKSHOP).exists());
    // The second time asks nothing of any tool.
    let none = ["/nowhere"; 3].map(str::to_owned);
    let [python, c_compiler, cpp_compiler] = none;
    bring(workspace.root(), &Tools { python, c_compiler, cpp_compiler }).unwrap();
}

#[test]
fn only_what_is_asked_for_is_unpacked_with_its_mode() {
    let workspace = Workspace::new();
    let wheels = workspace.root().join("wheels");
    fs::create_dir_all(&wheels).unwrap();
    let pack = "import sys, zipfile\nwith zipfile.ZipFile(sys.argv[1], 'w') as archive:\n    \
                for name in ['a/lib/x.so', 'a/lib/y.so', 'b/include/h']:\n        \
                info = zipfile.ZipInfo(name); info.external_attr = 0o755 << 16\n        \
                archive.writestr(info, name)";
    let mut python = Command::new("python3");
    run(python.args(["-c", pack]).arg(wheels.join("a.whl"))).unwrap();
    let target = workspace.root().join("made");
    let mut python = Command::new("python3");
    run(python.args(["-c", UNPACK]).args([&wheels, &target]).args(["a/lib/x", "b/include/"]))
        .unwrap();
    assert_eq!(fs::read_to_string(target.join("a/lib/x.so")).unwrap(), "a/lib/x.so");
    let mode = fs::metadata(target.join("a/lib/x.so")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
    assert!(target.join("b/include/h").exists() && !target.join("a/lib/y.so").exists());
}

#[test]
fn the_users_own_libtorch_comes_first_and_cargos_setting_is_not_the_users() {
    let root = Path::new("/workspace");
    for (folder, python, expected) in [
        (None, None, Source::Workspace),
        (Some("/workspace/.libtorch/torch"), None, Source::Workspace),
        (Some("/opt/libtorch"), None, Source::Folder("/opt/libtorch".into())),
        (Some("/workspace/.libtorch/torch"), Some("1"), Source::Python),
    ] {
        let found = Source::of(root, folder.map(OsStr::new), python.map(OsStr::new));
        assert_eq!(found, expected, "{folder:?} {python:?}");
    }
}

#[test]
fn a_folder_of_the_users_must_be_a_libtorch_of_the_right_version() {
    let workspace = Workspace::new();
    let folder = workspace.root();
    let missing = check(folder).unwrap_err().to_string();
    assert!(missing.ends_with("include/ATen/ATen.h is not there"), "{missing}");
    fs::create_dir_all(folder.join("include/ATen")).unwrap();
    fs::create_dir_all(folder.join("lib")).unwrap();
    fs::write(folder.join("include/ATen/ATen.h"), "").unwrap();
    check(folder).unwrap();
    fs::write(folder.join("build-version"), "2.13.0+cpu\n").unwrap();
    check(folder).unwrap();
    fs::write(folder.join("build-version"), "2.4.1+cpu\n").unwrap();
    let other = check(folder).unwrap_err().to_string();
    assert_eq!(other, "it is 2.4.1+cpu and not 2.13.0");
}
