//! The folder of a lab: what is whose, who may read it, what is left.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use pchadr::rehearsal::lab::MARK;

use crate::bench::{Lab, program, run};

fn refused(folder: &Path, arguments: &[&str], status: i32) -> String {
    let mut command = Command::new(program());
    command.arg("lab").arg("--dir").arg(folder).args(arguments);
    let said = run(&mut command, "");
    assert_eq!(said.status.code(), Some(status), "{said:?}");
    assert!(said.stdout.is_empty());
    String::from_utf8(said.stderr).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn files_that_no_lab_wrote_are_left_alone() {
    for name in [
        "site.toml",
        "ca.pem",
        "password.txt",
        "shell-token.txt",
        "shares",
        "lab.lock",
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), "mine").unwrap();
        let said = refused(folder.path(), &["--state", "disaster"], 1);
        assert!(
            said.contains(name) && said.contains("no lab wrote it"),
            "{said}"
        );
        assert_eq!(names(folder.path()), [name]);
        assert_eq!(fs::read(folder.path().join(name)).unwrap(), b"mine");
    }
    // A lab was there, and then somebody wrote a site file.
    let folder = tempfile::tempdir().unwrap();
    drop(Lab::open_in(
        folder.path(),
        &["--state", "normal", "--logs", "1"],
    ));
    fs::write(folder.path().join("site.toml"), "# mine\n").unwrap();
    refused(folder.path(), &["--state", "disaster"], 1);
    assert_eq!(
        fs::read(folder.path().join("site.toml")).unwrap(),
        b"# mine\n"
    );
}

#[test]
fn a_lab_opens_again_in_its_folder_and_starts_anew() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("notes.txt"), "other").unwrap();
    let first = Lab::open_in(folder.path(), &["--state", "disaster", "--logs", "9"]);
    let password = first.password();
    let said = refused(folder.path(), &["--state", "disaster"], 1);
    assert!(said.contains("another lab is open"), "{said}");
    drop(first);
    let second = Lab::open_in(folder.path(), &["--state", "normal", "--logs", "3"]);
    assert_ne!(second.password(), password);
    assert_eq!(second.files("backup").len(), 3);
    assert_eq!(second.files("copy").len(), 2);
    assert_eq!(fs::read(folder.path().join("notes.txt")).unwrap(), b"other");
}

#[test]
fn a_lab_ends_when_it_is_told_to_and_leaves_its_folder() {
    for signal in ["INT", "TERM", "HUP"] {
        let mut lab = Lab::open(&["--state", "disaster", "--logs", "2"]);
        assert_eq!(lab.signal(signal), Some(0), "{signal}");
        let left = [
            "ca.pem",
            "lab.lock",
            "password.txt",
            "shares",
            "shell-token.txt",
            "site.toml",
        ];
        assert_eq!(names(&lab.folder), left);
        for secret in ["password.txt", "shell-token.txt"] {
            let mode = fs::metadata(lab.folder.join(secret))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{secret}");
        }
        let text = fs::read_to_string(lab.folder.join("site.toml")).unwrap();
        assert!(text.starts_with(MARK));
        assert!(!text.contains(&lab.password()));
    }
}

#[test]
fn the_site_of_a_file_is_simulated_by_its_own_names() {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/no-mirrors.toml");
    let given = pchadr::site::Site::load(&config).unwrap();
    let lab = Lab::open(&["--state", "disaster", "--config", config.to_str().unwrap()]);
    assert_eq!(lab.site.pool, given.pool);
    assert_eq!(lab.site.database, given.database);
    let instances =
        |site: &pchadr::site::Site| -> Vec<_> { site.sql.instances.keys().copied().collect() };
    assert_eq!(instances(&lab.site), instances(&given));
    assert_eq!(lab.site.shares.copy, lab.site.shares.copy_local);
}

#[test]
fn the_log_chain_of_a_lab_is_read_by_the_program() {
    let lab = Lab::open(&["--state", "disaster", "--logs", "12"]);
    let mut command = Command::new(program());
    let site = lab.folder.join("site.toml");
    command
        .args(["logs", "--output", "json", "--config"])
        .arg(site);
    let said = run(&mut command, "");
    assert_eq!(said.status.code(), Some(0), "{said:?}");
    let told: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(told["chains"][0]["gaps"], serde_json::json!([]));
    assert_eq!(told["chains"][0]["files"].as_array().unwrap().len(), 12);
    assert_eq!(told["unreadable"], serde_json::json!([]));
}
