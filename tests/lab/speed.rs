//! How fast log backups are applied. What a round trip costs is counted in the log of the run; how
//! long it takes is measured against a bare loop of the driver in the same process, on request:
//! `cargo test --release --test lab speed -- --ignored --nocapture`.

use std::fs;
use std::io::Write as _;
use std::time::Instant;

use jiff::Timestamp;
use pchadr::model::Role;
use serde_json::Value;

use crate::bench::Lab;
use crate::drive::{Machine, Raw, text};

/// A lab of that many log backups, which the copy folder has already.
fn copied(logs: usize) -> Lab {
    let lab = Lab::open(&["--state", "disaster", "--logs", &logs.to_string()]);
    let copy = lab.folder.join("shares/copy");
    for file in lab.files("backup") {
        fs::copy(&file, copy.join(file.file_name().unwrap())).unwrap();
    }
    lab
}

fn failed_over(lab: &Lab) -> Machine {
    let machine = Machine::of(lab);
    let said = machine.failover(&[]);
    assert_eq!(said.status.code(), Some(0), "{}", text(&said.stderr));
    machine
}

/// The values of every restore of a run.
fn applied(machine: &Machine) -> Vec<Value> {
    let journal = machine.journal();
    let command = |record: &&Value| record["event"] == "command" && record["step"] == "apply-logs";
    let record = journal.iter().find(command).unwrap();
    record["values"].as_array().unwrap().clone()
}

#[test]
fn each_log_costs_one_round_trip_and_redo_start_is_read_every_hundred() {
    let lab = copied(240);
    let machine = failed_over(&lab);
    let sets = applied(&machine);
    assert!(sets.len() > 150, "{}", sets.len());
    let log = fs::read_to_string(machine.runs()[0].join("log.txt")).unwrap();
    let ours = |line: &&str| line.contains("pchadr::access::sql");
    let lines: Vec<&str> = log.lines().filter(ours).collect();
    let is_restore = |line: &&str| line.contains("RESTORE LOG");
    let first = lines.iter().position(is_restore).unwrap();
    let last = lines.iter().rposition(is_restore).unwrap();
    let between = &lines[first..=last];
    let restores = between.iter().filter(|line| is_restore(line)).count();
    assert_eq!(restores, sets.len(), "one for each log");
    // Each look at redo start is one read of the state, and one of the history.
    let others = between.len() - restores;
    let looks = sets.len() / 100;
    assert!(
        (looks..=3 * looks).contains(&others),
        "{others} other round trips in {looks} looks: {between:#?}"
    );
}

/// Seconds from the end of the first restore to that of the last, as the log of the run has them.
fn seconds_of_run(machine: &Machine) -> f64 {
    let log = fs::read_to_string(machine.runs()[0].join("log.txt")).unwrap();
    let times: Vec<Timestamp> = log
        .lines()
        .filter(|line| line.contains("RESTORE LOG"))
        .map(|line| line.split_whitespace().next().unwrap().parse().unwrap())
        .collect();
    let (first, last) = (times.first().unwrap(), times.last().unwrap());
    last.duration_since(*first).as_secs_f64()
}

/// So many that a thousand are left to apply: the restore job was there before.
const LOGS: usize = 1_300;

#[test]
#[ignore = "a measurement, for a machine that does nothing else"]
fn applying_a_thousand_logs_is_nearly_as_fast_as_a_bare_loop() {
    let (mut best_ours, mut best_bare) = (f64::MAX, f64::MAX);
    for _ in 0..5 {
        let lab = copied(LOGS);
        let machine = failed_over(&lab);
        let sets = applied(&machine);
        assert!(sets.len() >= 1_000, "{}", sets.len());
        let ours = seconds_of_run(&machine);

        // The same lab again: the same files, the same LSNs.
        let other = copied(LOGS);
        let (here, there) = (
            lab.folder.display().to_string(),
            other.folder.display().to_string(),
        );
        let mut backup = Raw::to(&other, Role::Backup);
        let names: Vec<_> = other.files("copy");
        let statements: Vec<String> = sets
            .iter()
            .map(|set| {
                let file = set["file"].as_str().unwrap().replace(&here, &there);
                // Labs opened at another moment name their files by another moment.
                let at = lab
                    .files("copy")
                    .iter()
                    .position(|path| path.to_str() == set["file"].as_str());
                let file = at.map_or(file, |at| names[at].display().to_string());
                let position = &set["position"];
                format!(
                    "RESTORE LOG [mgc] FROM DISK = N'{file}' WITH FILE = {position}, NORECOVERY;"
                )
            })
            .collect();
        let (first, others) = statements.split_first().unwrap();
        backup.ask(first).unwrap();
        let began = Instant::now();
        for statement in others {
            backup.ask(statement).unwrap();
        }
        let bare = began.elapsed().as_secs_f64();
        tell(&format!(
            "{} logs: {ours:.2} s, a bare loop {bare:.2} s",
            sets.len()
        ));
        best_ours = best_ours.min(ours);
        best_bare = best_bare.min(bare);
    }
    let ratio = best_ours / best_bare;
    tell(&format!("best of five: ratio {ratio:.2} of 1.3"));
    assert!(ratio <= 1.3, "{ratio}");
}

/// Says it past the test runner, which would swallow it.
fn tell(text: &str) {
    let mut err = std::io::stderr();
    err.write_all(format!("apply-logs: {text}\n").as_bytes())
        .unwrap();
}
