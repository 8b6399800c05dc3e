//! `pchadr logs`, by the program. What it shows is tested beside its code, what it reads from real
//! files in `fixtures_headers.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::fs;

use serde_json::{Value, json};

use crate::program::{Program, no_mirrors};

#[test]
fn a_folder_without_backups_is_shown_and_a_missing_one_is_told_with_status_1() {
    let program = Program::new();
    fs::create_dir(program.folder.path().join("logs")).unwrap();
    program.write("logs/readme.txt", "hello");
    program.write("logs/mgc_1.wrk", "");
    program.write("logs/mgc.tuf", "");
    let said = program.run(&["logs", "logs", "missing", "--output", "json"]);
    assert_eq!(said.status, Some(1));
    let told: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(told["version"], 1);
    assert_eq!(told["files"], json!([]));
    let paths: Vec<_> = told["unreadable"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["path"].as_str().unwrap())
        .collect();
    assert_eq!(paths, ["missing", "logs/mgc_1.wrk", "logs/readme.txt"]);
    let lines: Vec<_> = said.err.lines().collect();
    assert_eq!(
        lines[..2],
        [
            "note: logs/mgc.tuf: not read: the undo file of a standby",
            "error: the folder `missing` cannot be read"
        ]
    );
    assert!(said.err.contains("\n  what to do: "), "{}", said.err);
}

#[test]
fn without_a_folder_the_two_shares_of_the_site_are_read() {
    let program = Program::new();
    let [logs, copy] = ["logs", "copy"].map(|name| program.folder.path().join(name));
    fs::create_dir(&logs).unwrap();
    fs::create_dir(&copy).unwrap();
    program.write("logs/a.trn", "no backup");
    program.write("copy/b.trn", "no backup");
    let site = fs::read_to_string(no_mirrors())
        .unwrap()
        .replace("/srv/pchat logs", logs.to_str().unwrap())
        .replace("/srv/pchat-copy", copy.to_str().unwrap());
    program.write("site.toml", &site);
    let said = program.run(&["logs"]);
    assert_eq!(said.status, Some(3), "{}", said.err);
    let out = said.out;
    for name in ["a.trn", "b.trn"] {
        assert!(out.contains(name), "{name} is missing: {out}");
    }
}

#[test]
fn what_lies_in_a_subfolder_is_not_read_and_the_folder_is_named() {
    let program = Program::new();
    fs::create_dir_all(program.folder.path().join("logs/old")).unwrap();
    let said = program.run(&["logs", "logs", "--output", "json"]);
    assert_eq!(said.status, Some(0), "{}", said.err);
    let told: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(told["folders"], json!(["logs/old"]));
    assert_eq!(said.err, "note: logs/old: not read: a folder\n");
}

#[test]
fn a_site_to_compare_with_that_is_not_there_is_refused_before_anything_is_read() {
    let program = Program::new();
    let err = program.run(&["logs", "--against", "no.toml"]).refused(2);
    assert!(err.contains("no.toml"), "{err}");
}

#[test]
fn without_a_folder_and_a_site_file_it_says_where_it_looked() {
    // Where the machine has a site file of its own there is nothing to see here.
    if fs::exists("/etc/pchadr/site.toml").unwrap_or(true) {
        return;
    }
    let program = Program::new().with("ProgramData", "none");
    let err = program.run(&["logs"]).refused(2);
    for part in [
        "error: there is no site file",
        "--config is not given",
        "`site.toml` is not there",
        "what to do: ",
    ] {
        assert!(err.contains(part), "{part} is missing: {err}");
    }
}
