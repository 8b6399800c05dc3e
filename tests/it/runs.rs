//! `pchadr runs`: every run with where it stands, every copy of a record with how far it is whole.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::fs;
use std::path::PathBuf;

use pchadr::run::event::Event;
use serde_json::Value;

use crate::frozen::{FAILBACK, FAILOVER, Machine, UNDONE, copy};

/// The two copies of a run's journal, the second one made as it is.
fn twice(machine: &Machine, run: &str) -> [PathBuf; 2] {
    let (here, there) = (
        machine.path("state/runs").join(run),
        machine.path("shares/copy/pchadr-runs").join(run),
    );
    copy(&here, &there);
    [here, there].map(|folder| folder.join("journal.jsonl"))
}

/// The frozen failback, cut off behind its first command, with two copies.
fn killed(machine: &Machine) -> [PathBuf; 2] {
    machine.cut(FAILBACK, |event| matches!(event, Event::Command { .. }));
    twice(machine, FAILBACK)
}

/// Spoils that line, from 1.
fn spoil(path: &PathBuf, line: usize) {
    let mut bytes = fs::read(path).unwrap();
    let before = bytes.split_inclusive(|byte| *byte == b'\n').take(line - 1);
    let at: usize = before.map(<[u8]>::len).sum();
    bytes[at + 9] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn the_runs_of_a_site_are_listed_with_where_they_stand_and_what_goes_on() {
    let machine = Machine::new();
    killed(&machine);
    let told = machine.0.run(&["runs", "list"]).done();
    let lines: Vec<&str> = told.lines().collect();
    assert!(
        lines[0].starts_with(FAILOVER) && lines[0].ends_with("  done"),
        "{told}"
    );
    assert!(
        lines[1].starts_with(UNDONE) && lines[1].ends_with("  undone"),
        "{told}"
    );
    assert!(
        lines[2].starts_with(FAILBACK) && lines[2].ends_with("  under way, or killed"),
        "{told}"
    );
    let config = machine.config();
    let resume = format!("  go on with it: pchadr failback{config} --resume={FAILBACK}");
    assert_eq!(lines[3], resume);

    let json = machine.0.run(&["runs", "list", "--output", "json"]).done();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["version"], 1);
    let stands = |n: usize| json["runs"][n]["stands"].as_str().unwrap().to_owned();
    assert_eq!(
        [stands(0), stands(1), stands(2)],
        ["done", "undone", "open"]
    );
    assert_eq!(json["runs"][0]["copies"][1]["is"], "missing");
}

#[test]
fn a_record_is_verified_copy_by_copy_and_the_whole_part_is_told() {
    let machine = Machine::new();
    let [here, there] = killed(&machine);
    let verify = ["runs", "verify", FAILBACK];
    let told = machine.0.run(&verify).done();
    assert_eq!(
        told.matches("each vouches for the one before").count(),
        2,
        "{told}"
    );

    spoil(&there, 7);
    let said = machine.0.run(&verify);
    assert_eq!(said.status, Some(3), "{said:?}");
    assert!(
        said.out.contains(&format!(
            "{}: damaged behind its first 5 records: line 7 of the journal is damaged",
            there.display()
        )),
        "{}",
        said.out
    );
    assert!(said.out.contains("puts both right"), "{}", said.out);

    // In another line both together are still whole; in the same one they are not.
    spoil(&here, 4);
    let said = machine.0.run(&verify);
    assert!(said.out.contains("puts both right"), "{}", said.out);
    fs::copy(&there, &here).unwrap();
    let said = machine.0.run(&verify);
    assert_eq!(said.status, Some(3), "{said:?}");
    for words in [
        "nobody can tell".to_owned(),
        "it is whole up to record 5".to_owned(),
        format!(
            "or begin anew: `pchadr failback{} --override record-lost=REASON`",
            machine.config()
        ),
    ] {
        assert!(said.out.contains(&words), "{words}: {}", said.out);
    }
    let json = machine.0.run(&["runs", "verify", "--output", "json"]);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["runs"][2]["stands"], "lost");
    assert_eq!(json["runs"][2]["whole"], 5);
    // Reading mends nothing.
    assert!(!machine.0.run(&verify).out.is_empty());
    let nowhere = machine.0.run(&["runs", "verify", "r9"]).refused(1);
    assert!(nowhere.contains("there is no run `r9`"), "{nowhere}");
}

type Spoiler = fn(&[PathBuf; 2]);

#[test]
fn a_record_that_tells_nobody_where_its_run_stands_is_named_with_its_ways_on_by_who_would_go_on() {
    let spoilers: [(&str, Spoiler); 5] = [
        ("a byte in both", |both| {
            for path in both {
                spoil(path, 7);
            }
        }),
        ("empty", |both| {
            for path in both {
                fs::write(path, "").unwrap();
            }
        }),
        ("gone", |both| {
            for path in both {
                fs::remove_file(path).unwrap();
            }
        }),
        ("of another run", |both| {
            let other = both[0].parent().unwrap().with_file_name(FAILOVER);
            for path in both {
                fs::copy(other.join("journal.jsonl"), path).unwrap();
            }
        }),
        ("a fork", |both| {
            let text = fs::read_to_string(&both[1]).unwrap();
            let (before, last) = text.trim_end().rsplit_once('\n').unwrap();
            let other = last.replacen("\"n\":1", "\"n\":2", 1);
            assert_ne!(other, last);
            fs::write(&both[1], format!("{before}\n{other}\n")).unwrap();
        }),
    ];
    for (what, spoiler) in spoilers {
        let machine = Machine::new();
        let both = killed(&machine);
        spoiler(&both);
        let before = both.each_ref().map(|path| fs::read(path).ok());
        let told = machine.0.run(&["abort"]).refused(1);
        for words in [
            &format!("run {FAILBACK} may be unfinished")[..],
            &format!("pchadr runs verify{} {FAILBACK}", machine.config()),
            "--override record-lost=REASON",
        ] {
            assert!(told.contains(words), "{what}: {words}: {told}");
        }
        assert_eq!(
            both.each_ref().map(|path| fs::read(path).ok()),
            before,
            "{what}"
        );
    }
}
