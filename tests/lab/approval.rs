//! A plan that is approved while all is well, and run when the first data center is lost, on the lab.

use std::fs;

use pchadr::approval::digest;
use serde_json::Value;

use crate::bench::Lab;
use crate::drive::{CONSENT, Machine, end_state, failed_over, records, text};

#[test]
fn a_plan_that_was_approved_in_the_normal_state_runs_in_the_disaster_and_its_record_proves_it() {
    let mut lab = Lab::open(&["--state", "normal", "--logs", "6"]);
    let machine = Machine::of(&lab);
    let plan = machine.state().with_file_name("plan.json");
    let file = plan.display().to_string();
    let said = machine.run(&["failover", "--plan-out", &file, "--output", "json"]);
    assert_eq!(said.status.code(), Some(0), "{}", text(&said.stderr));
    let told: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(told["not_seen"], serde_json::json!([]), "{told}");
    assert_eq!(machine.runs().len(), 0, "no run began");
    let verify = ["plan", "verify", &file, "--live"];
    let said = machine.run(&verify);
    assert_eq!(said.status.code(), Some(0), "{}", text(&said.stdout));

    lab.happen("down primary");
    let said = machine.run(&verify);
    let out = text(&said.stdout);
    assert_eq!(said.status.code(), Some(0), "{out}");
    assert!(out.contains("primary: instance: not seen now"), "{out}");

    let mut words = vec!["failover", "--approved", &file];
    words.extend(CONSENT);
    let said = machine.run(&words);
    let told = text(&said.stderr);
    assert_eq!(said.status.code(), Some(0), "{told}");
    assert!(told.contains("primary: instance: not seen now"), "{told}");
    assert_eq!(end_state(&machine.status()), failed_over());
    let run = machine.runs().pop().unwrap();
    let began = &records(&run)[0];
    assert_eq!(began["approved"], digest(&fs::read(&plan).unwrap()));
    let said = machine.run(&["runs", "verify"]);
    let out = text(&said.stdout);
    assert_eq!(said.status.code(), Some(0), "{out}");
    assert!(out.contains("each of the approved plan"), "{out}");

    // Failed over, the site is not what was approved: each fact by its name, and nothing is begun.
    let said = machine.run(&words);
    let told = text(&said.stderr);
    assert_eq!(said.status.code(), Some(3), "{told}");
    for wanted in [
        "pool: state: state: approved Normal, now FailedOver",
        "backup: database mgc: state: approved RESTORING, now ONLINE",
        "--plan-out failover-plan.json",
    ] {
        assert!(told.contains(wanted), "{wanted}: {told}");
    }
    assert_eq!(machine.runs().len(), 1);

    // What was kept is not what was approved.
    let kept = run.join("approval.json");
    let mut bytes = fs::read(&kept).unwrap();
    bytes.push(b'\n');
    fs::write(&kept, &bytes).unwrap();
    fs::remove_file(&plan).unwrap();
    let mirror = lab.folder.join("shares");
    for copy in copies(&mirror, "approval.json") {
        fs::write(copy, &bytes).unwrap();
    }
    let said = machine.run(&["runs", "verify"]);
    let out = text(&said.stdout);
    assert_eq!(said.status.code(), Some(3), "{out}");
    assert!(out.contains("not the one that was recorded"), "{out}");
}

/// Every file of that name below a folder.
fn copies(folder: &std::path::Path, name: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(copies(&path, name));
        } else if path.file_name().is_some_and(|it| it == name) {
            found.push(path);
        }
    }
    found
}
