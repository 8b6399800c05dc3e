//! Killed at any place and resumed, stopped by the operator, run twice at once.

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pchadr::model::Role;
use serde_json::Value;

use crate::bench::{Lab, Tsql};
use crate::drive::{Machine, end_state, failed_over, outcomes, text};

/// Many logs: a kill lands inside the restores.
const DISASTER: &[&str] = &["--state", "disaster", "--logs", "200"];

/// Where to kill: when that event of that step is recorded (of a command, that number), and so many
/// milliseconds later.
const PLACES: [(&str, &str, u64, u64); 13] = [
    ("step_checked", "copy-backups", 0, 0),
    ("step_started", "save-log-shipping", 0, 0),
    ("command", "stop-log-shipping-jobs", 1, 0),
    ("step_finished", "stop-log-shipping-jobs", 0, 0),
    ("command", "drop-log-shipping", 1, 0),
    ("command", "copy-backups", 1, 3),
    ("command", "apply-logs", 3, 25),
    ("command", "apply-logs", 3, 120),
    ("command", "recover-database", 1, 0),
    ("command", "set-pool-state", 1, 2),
    ("command", "install-mirror", 1, 5),
    ("command", "set-active-servers", 1, 0),
    ("command", "mirror-compliance", 1, 5),
];

fn is(record: &Value, event: &str, step: &str, n: u64) -> bool {
    record["event"] == event
        && (record["id"] == step || record["step"] == step)
        && (n == 0 || record["n"] == n)
}

/// Starts a failover and kills it there. True: the kill came before its end.
fn killed_at(machine: &Machine, (event, step, n, later): (&str, &str, u64, u64)) -> bool {
    let running = machine.start(&[]);
    machine.wait_for(&format!("{event} of {step}"), |record| {
        is(record, event, step, n)
    });
    std::thread::sleep(Duration::from_millis(later));
    running.kill();
    machine.journal().last().unwrap()["event"] != "run_finished"
}

/// The journal holds one line of records, and each command of a step that was never in doubt once.
fn assert_whole(machine: &Machine, what: &str) {
    let run = machine.runs().pop().unwrap();
    let bytes = fs::read(run.join("journal.jsonl")).unwrap();
    let read = pchadr::run::journal::read(&bytes).unwrap();
    assert!(!read.records.is_empty(), "{what}");
    let journal = machine.journal();
    let ends = outcomes(&journal);
    assert!(
        ends.values()
            .all(|outcome| ["done", "done_before", "overtaken"].contains(&outcome.as_str())),
        "{what}: {ends:?}"
    );
    let recovered = journal
        .iter()
        .filter(|record| is(record, "step_finished", "recover-database", 0));
    assert_eq!(recovered.count(), 1, "{what}");
}

/// What is in the copy folder is whole and from the share; nothing else is there.
fn assert_no_halves(lab: &Lab, what: &str) {
    let copies = lab.files("copy");
    assert!(copies.len() > 150, "{what}: {}", copies.len());
    for copy in copies.iter().filter(|path| path.is_file()) {
        let name = copy.file_name().unwrap();
        let made = fs::read(lab.folder.join("shares/backup").join(name));
        let same = made.is_ok_and(|made| made == fs::read(copy).unwrap());
        assert!(same, "{what}: {}", copy.display());
    }
}

/// Kills a run there and resumes it. False: it had ended before the kill came.
fn kill_and_resume(place: (&str, &str, u64, u64)) -> bool {
    let what = format!("killed at {place:?}");
    let lab = Lab::open(DISASTER);
    let machine = Machine::of(&lab);
    if !killed_at(&machine, place) {
        return false;
    }
    let said = machine.failover(&["--resume"]);
    assert_eq!(
        said.status.code(),
        Some(0),
        "{what}: {}",
        text(&said.stderr)
    );
    assert_eq!(machine.runs().len(), 1, "{what}");
    assert_eq!(end_state(&machine.status()), failed_over(), "{what}");
    assert_whole(&machine, &what);
    assert_no_halves(&lab, &what);
    true
}

#[test]
fn a_run_that_is_killed_at_any_of_thirteen_places_and_resumed_ends_as_one_that_was_not() {
    // A run waits for seconds in all: several at once, each on a lab of its own.
    let places = Mutex::new(PLACES.iter());
    let killed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let next = places.lock().unwrap().next();
                    let Some(place) = next else { return };
                    // Near its end a run may be faster than the kill: then once more.
                    if (0..3).any(|_| kill_and_resume(*place)) {
                        killed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let killed = killed.into_inner();
    assert!(killed >= 10, "killed in time at {killed} places only");
}

#[test]
fn a_run_that_is_killed_while_it_makes_the_job_of_log_backups_makes_it_once_and_sees_it_work() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("site.toml");
    let example = include_str!("../../runbooks/litware.toml");
    let wanted = "[log_backups]\nfolder = 'D:\\own'\nevery = 1\n";
    fs::write(&config, format!("{example}\n{wanted}")).unwrap();
    let config = config.to_str().unwrap();
    let mut seen = 0;
    for n in [2, 3, 5, 7] {
        let what = format!("killed at command {n}");
        let lab = Lab::open(&["--state", "disaster", "--config", config]);
        let machine = Machine::of(&lab);
        if killed_at(&machine, ("command", "start-log-backups", n, 0)) {
            let said = machine.failover(&["--resume"]);
            assert!(said.status.success(), "{what}: {}", text(&said.stderr));
            seen += 1;
        }
        let made = lab.files("log-backups");
        assert!(!made.is_empty(), "{what}");
        let header = fs::read(&made[0]).unwrap();
        assert!(header.starts_with(b"TAPE"), "{what}: {}", made[0].display());
        for role in [Role::Backup, Role::BackupMirror] {
            let Some(tsql) = Tsql::of(&lab, role) else {
                continue;
            };
            let jobs =
                "SET NOCOUNT ON; SELECT name FROM msdb.dbo.sysjobs WHERE name LIKE N'pchadr%'";
            let named = ["name", "pchadr log backups of mgc"];
            assert_eq!(tsql.rows(jobs), named, "{what}");
        }
    }
    assert!(seen >= 2, "killed in time {seen} times only");
}

#[test]
fn a_run_whose_machine_is_lost_goes_on_elsewhere_from_its_second_copy() {
    let lab = Lab::open(DISASTER);
    let machine = Machine::of(&lab);
    assert!(killed_at(&machine, ("command", "apply-logs", 3, 25)));
    let run = machine.runs().pop().unwrap();
    let run = run.file_name().unwrap().to_str().unwrap().to_owned();
    fs::remove_dir_all(machine.state()).unwrap();
    drop(machine);

    let other = Machine::of(&lab);
    let said = other.failover(&[]);
    let told = text(&said.stderr);
    assert_eq!(said.status.code(), Some(1), "{told}");
    assert!(told.contains(&format!("--resume={run}")), "{told}");
    let said = other.failover(&["--resume"]);
    assert_eq!(said.status.code(), Some(0), "{}", text(&said.stderr));
    let here = fs::read(other.runs().pop().unwrap().join("journal.jsonl")).unwrap();
    let there = lab.folder.join("shares/copy/pchadr-runs").join(&run);
    assert_eq!(here, fs::read(there.join("journal.jsonl")).unwrap());
    assert_eq!(end_state(&other.status()), failed_over());
    assert_whole(&other, "elsewhere");
}

#[test]
fn one_interrupt_stops_at_a_safe_point_and_the_named_command_goes_on() {
    for signal in ["INT", "TERM"] {
        let lab = Lab::open(DISASTER);
        let machine = Machine::of(&lab);
        let running = machine.start(&[]);
        machine.wait_for("the first command", |record| record["event"] == "command");
        running.signal(signal);
        let (exit, told) = running.end();
        assert_eq!(exit, Some(4), "{told}");
        assert!(told.contains("stopping at the next safe point"), "{told}");
        let command = told
            .lines()
            .find_map(|line| line.strip_prefix("to go on: pchadr "))
            .unwrap();
        let journal = machine.journal();
        assert_eq!(
            journal.last().unwrap()["resume"],
            format!("pchadr {command}")
        );
        assert_eq!(journal.last().unwrap()["outcome"], "stopped");
        // A stop is no end: a new run is refused, and told how to go on.
        let said = machine.failover(&[]);
        let told = text(&said.stderr);
        assert_eq!(said.status.code(), Some(1), "{told}");
        let resume = command
            .split_whitespace()
            .find(|word| word.starts_with("--resume="))
            .unwrap();
        assert!(told.contains(resume), "{told}");
        for part in ["error: ", "why:  ", "what to do: "] {
            assert!(told.contains(part), "{told}");
        }
        assert_eq!(machine.runs().len(), 1);

        let said = machine.failover(&[resume]);
        assert_eq!(said.status.code(), Some(0), "{}", text(&said.stderr));
        assert_eq!(end_state(&machine.status()), failed_over());
    }
}

#[test]
fn a_second_interrupt_leaves_at_once_and_the_run_is_resumed() {
    let lab = Lab::open(DISASTER);
    let machine = Machine::of(&lab);
    let running = machine.start(&[]);
    machine.wait_for("the first command", |record| record["event"] == "command");
    // A site that does not answer: the safe point is far.
    lab.send("STOP");
    running.signal("INT");
    std::thread::sleep(Duration::from_millis(300));
    running.signal("INT");
    let (exit, told) = running.end();
    lab.send("CONT");
    assert_eq!(exit, Some(4), "{told}");
    assert!(told.contains("go on with: pchadr failover"), "{told}");
    assert_ne!(machine.journal().last().unwrap()["event"], "run_finished");
    let said = machine.failover(&["--resume"]);
    assert_eq!(said.status.code(), Some(0), "{}", text(&said.stderr));
    assert_eq!(end_state(&machine.status()), failed_over());
}

#[test]
fn of_two_runs_at_once_the_second_is_told_who_holds_the_site() {
    let lab = Lab::open(DISASTER);
    let machine = Machine::of(&lab);
    let running = machine.start(&[]);
    machine.wait_for("the beginning", |record| record["event"] == "run_started");
    for (second, words) in [
        (&machine, &[][..]),
        (&machine, &["--resume"]),
        (&Machine::of(&lab), &[]),
    ] {
        let said = second.failover(words);
        let told = text(&said.stderr);
        assert_eq!(said.status.code(), Some(6), "{told}");
        assert!(told.contains("error: the lock of the site"), "{told}");
        assert!(
            told.contains("pchadr") && told.contains("session"),
            "{told}"
        );
        assert!(
            told.contains("what to do: wait until that run has ended"),
            "{told}"
        );
    }
    let (exit, told) = running.end();
    assert_eq!(exit, Some(0), "{told}");
    assert_eq!(end_state(&machine.status()), failed_over());
}

#[test]
fn what_was_agreed_to_be_lost_stays_agreed_to_after_a_kill_while_no_more_is_lost() {
    let lab = Lab::open(DISASTER);
    let machine = Machine::of(&lab);
    assert!(killed_at(
        &machine,
        ("command", "stop-log-shipping-jobs", 1, 0)
    ));
    // Of the files that were there when it was agreed, the last one is gone now.
    let share = lab.folder.join("shares/backup");
    let last = lab.files("backup").pop().unwrap();
    let aside = lab.folder.join("aside.trn");
    fs::rename(&last, &aside).unwrap();
    let copy = lab
        .files("copy")
        .into_iter()
        .find(|it| it.file_name() == last.file_name());
    if let Some(copy) = &copy {
        fs::remove_file(copy).unwrap();
    }
    let more = machine.run(&["failover", "--resume", "--yes"]);
    let told = text(&more.stderr);
    assert_eq!(more.status.code(), Some(4), "{told}");
    assert!(told.contains("accepted was only"), "{told}");
    fs::rename(&aside, share.join(last.file_name().unwrap())).unwrap();
    let said = machine.run(&["failover", "--resume", "--yes"]);
    assert_eq!(said.status.code(), Some(0), "{}", text(&said.stderr));
    assert_eq!(end_state(&machine.status()), failed_over());
}

/// `design.md` 3, rule 17: who is taken over sends and records nothing more, and ends with 6.
#[test]
fn a_run_that_slept_while_another_took_over_says_so_and_ends_with_its_own_status() {
    let lab = Lab::open(DISASTER);
    let Some(tsql) = Tsql::of(&lab, Role::Backup) else {
        return;
    };
    let sleeper = Machine::of(&lab);
    let running = sleeper.start(&[]);
    sleeper.wait_for("the first command", |record| record["event"] == "command");
    running.signal("STOP");
    // The server lets go of it, as after a cut of the network.
    let sessions = "select session_id from sys.dm_exec_sessions where program_name like 'pchadr %'";
    let (rows, _) = tsql.run(&format!("{sessions}\ngo\n"));
    for spid in rows
        .lines()
        .filter_map(|line| line.trim().parse::<u32>().ok())
    {
        tsql.run(&format!("kill {spid}\ngo\n"));
    }
    let other = Machine::of(&lab);
    let said = other.failover(&["--resume"]);
    assert_eq!(said.status.code(), Some(0), "{}", text(&said.stderr));
    running.signal("CONT");
    let (exit, told) = running.end();
    assert_eq!(exit, Some(6), "{told}");
    assert!(told.contains("another run has taken over"), "{told}");
    assert!(!told.contains("room and rights"), "{told}");
}
