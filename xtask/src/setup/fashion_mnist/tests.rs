//! Fashion-MNIST is brought whole or not at all. The programs are stood in for by scripts, so that nothing is
//! downloaded.

use super::*;
use crate::setup::tests::Workspace;

/// `printf clothes | sha256sum`
const CLOTHES: &str = "5c5f9b87778cfb103aa03ec2585398e9a8049da5552591609efcd784ad84d847";

const KNOWN: [File; 1] = [File { name: "images.gz", sha256: CLOTHES }];

/// An apt that leaves a package where it stands.
const DOWNLOADS: &str = "case $1 in --version) ;; *) touch set_1_all.deb;; esac";

/// A dpkg that unpacks a file with this content.
fn unpacks(content: &str) -> String {
    format!(
        "case $1 in --version) ;; *) mkdir -p \"$3/{UNPACKED}\"; printf {content} > \
         \"$3/{UNPACKED}/images.gz\";; esac"
    )
}

fn programs(workspace: &Workspace, apt_get: &str, dpkg_deb: &str) -> Programs {
    Programs {
        apt_get: workspace.program("apt-get", apt_get),
        dpkg_deb: workspace.program("dpkg-deb", dpkg_deb),
    }
}

#[track_caller]
fn refusal(workspace: &Workspace, programs: &Programs) -> String {
    let message = format!("{:#}", bring(workspace.root(), programs, &KNOWN).unwrap_err());
    for folder in [FOLDER, WORKSHOP] {
        assert!(!workspace.root().join(folder).exists(), "{folder} is left: {message}");
    }
    message
}

#[test]
fn the_packages_files_are_brought_once() {
    let workspace = Workspace::new();
    let working = programs(&workspace, DOWNLOADS, &unpacks("clothes"));
    bring(workspace.root(), &working, &KNOWN).unwrap();
    let folder = workspace.root().join(FOLDER);
    assert_eq!(fs::read_to_string(folder.join("images.gz")).unwrap(), "clothes");
    assert!(!workspace.root().join(WORKSHOP).exists());
    // The second time asks nothing of any program.
    let none = Programs { apt_get: "/nowhere".to_owned(), dpkg_deb: "/nowhere".to_owned() };
    bring(workspace.root(), &none, &KNOWN).unwrap();
}

#[test]
fn what_fails_is_told_with_the_next_step_and_leaves_nothing() {
    let workspace = Workspace::new();
    let working = programs(&workspace, DOWNLOADS, &unpacks("clothes"));
    let no_apt = refusal(&workspace, &Programs { apt_get: "/nowhere".to_owned(), ..working });
    let folder = workspace.root().join(FOLDER);
    assert_eq!(
        no_apt,
        format!(
            "`/nowhere` does not start, and Fashion-MNIST is brought from Debian's package \
             dataset-fashion-mnist: put its four files, t10k-images-idx3-ubyte.gz and so on, into {} yourself",
            folder.display()
        )
    );
    let unknown = programs(&workspace, "test $1 = --version", &unpacks("clothes"));
    let unknown = refusal(&workspace, &unknown);
    assert!(unknown.contains("update its lists with `apt-get update` as root"), "{unknown}");
    let nothing = programs(&workspace, "exit 0", &unpacks("clothes"));
    assert_eq!(refusal(&workspace, &nothing), "apt downloaded no package");
    let other = programs(&workspace, DOWNLOADS, &unpacks("shoes"));
    let other = refusal(&workspace, &other);
    assert!(other.starts_with("images.gz of the package is not the file that is known"), "{other}");
    assert!(other.ends_with(&format!("and not {CLOTHES}")), "{other}");
}

#[test]
fn that_it_is_missing_is_said_and_is_no_error() {
    let workspace = Workspace::new();
    let none = Programs { apt_get: "/nowhere".to_owned(), dpkg_deb: "/nowhere".to_owned() };
    bring_or_say(workspace.root(), &none);
    assert!(!workspace.root().join(FOLDER).exists());
}
