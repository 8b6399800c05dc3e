//! Trouble that is practiced with `--rehearse --with KIND`: what each kind comes to is what the run on
//! the real site would come to.

use std::collections::BTreeSet;

use pchadr::cli::rehearse;
use pchadr::rehearsal::simulated::{Logs, Recipe};
use pchadr::rehearsal::trouble::Trouble;
use pchadr::run::event::{Outcome, RunFinished, StepOutcome};
use pchadr::run::store::MemoryStore;
use pchadr::runbook::Direction;
use pchadr::step::terms::Terms;

use crate::program::Program;
use crate::site::{litware, plan_of};

/// Kind, exit status, and a part of what is said: of the error, or of the steps where there is none.
type Row = (&'static str, u8, &'static str);

const OVER: &[Row] = &[
    ("mirror-down", 3, "no answer from the instance"),
    ("mirror-full", 3, "has room for 0 bytes"),
    ("monitor-dead", 0, "drop-log-shipping Done"),
    ("standby-reader", 0, "apply-logs Done"),
    ("chat-late", 0, "set-active-servers Done"),
    ("job-running", 0, "stop-log-shipping-jobs Done"),
    ("cmdlet-warns", 0, "set-pool-state Done"),
    ("cmdlet-errs", 0, "set-pool-state Done"),
    ("cmdlet-fails", 4, "Set-CsPersistentChatState"),
    ("store-dead", 3, "failover --until recover-database"),
    ("powershell-missing", 3, "failover --until recover-database"),
    ("log-damaged", 4, "3183"),
    ("log-gap", 5, "gap"),
    ("log-late", 0, "apply-logs Done"),
    ("share-gone", 3, "the share of the log backups"),
    ("share-closed", 0, "copy-backups Done"),
    ("restore-cut", 4, "the connection broke"),
    ("primary-garbage", 3, "recover-database"),
    ("primary-serves", 3, "there would be two writable ones"),
    ("primary-at-once", 4, "run `pchadr fence`"),
    ("primary-returns", 4, "run `pchadr fence`"),
];

const BACK: &[Row] = &[
    ("mirror-down", 0, "set-pool-state Done"),
    ("chat-late", 0, "set-active-servers Done"),
    ("job-late", 0, "configure-log-shipping Done"),
    ("cmdlet-warns", 0, "set-pool-state Done"),
    ("cmdlet-errs", 0, "set-pool-state Done"),
    ("cmdlet-fails", 4, "Set-CsPersistentChatState"),
    ("store-dead", 1, "Central Management Store"),
    ("powershell-missing", 1, "PowerShell did not start"),
];

fn practice(direction: Direction, kind: &str) -> RunFinished {
    let site = litware();
    let logs = Logs::Made(16);
    let mut recipe = match direction {
        Direction::Failover => Recipe::disaster(logs),
        Direction::Failback => Recipe::failed_over(logs),
        Direction::Fence => Recipe::returned(logs),
    };
    recipe.with = vec![Trouble::named(kind).expect("a kind")];
    let mut status = Vec::new();
    rehearse::run(
        &site,
        &plan_of(direction, &site),
        Terms::default(),
        &recipe,
        Box::new(MemoryStore::default()),
        Vec::new(),
        &mut status,
    )
    .unwrap_or_else(|error| panic!("{kind}: {error}"))
}

fn told(finished: &RunFinished) -> String {
    if let Some(error) = &finished.error {
        let (seen, number) = (error.evidence.join("; "), error.number);
        return format!(
            "{}: {} {number:?} {seen}; {}",
            error.what, error.why, error.hint
        );
    }
    let steps = finished.steps.iter();
    let steps: Vec<String> = steps.map(|(id, it)| format!("{id} {it:?}")).collect();
    steps.join(", ")
}

fn assert_rows(direction: Direction, rows: &[Row]) {
    let all: BTreeSet<&str> = Trouble::of(direction).map(|it| it.name).collect();
    let tried: BTreeSet<&str> = rows.iter().map(|it| it.0).collect();
    assert_eq!(tried, all, "every kind has its row");
    for (kind, exit, part) in rows {
        let finished = practice(direction, kind);
        let told = told(&finished);
        assert_eq!(finished.exit, *exit, "{kind}: {told}");
        assert!(told.contains(part), "{kind}: {told}");
        // A stopped run names the command that goes on (`design.md` 3, rule 12).
        let stopped = finished.outcome == Outcome::Stopped;
        assert_eq!(finished.resume.is_some(), stopped, "{kind}");
    }
}

#[test]
fn each_kind_of_trouble_in_a_failover_ends_as_it_does_on_a_site() {
    assert_rows(Direction::Failover, OVER);
}

#[test]
fn each_kind_of_trouble_in_a_failback_ends_as_it_does_on_a_site() {
    assert_rows(Direction::Failback, BACK);
}

#[test]
fn a_rehearsal_without_trouble_ends_otherwise_than_one_with_it() {
    let site = litware();
    let mut status = Vec::new();
    let finished = rehearse::run(
        &site,
        &plan_of(Direction::Failover, &site),
        Terms::default(),
        &Recipe::disaster(Logs::Made(16)),
        Box::new(MemoryStore::default()),
        Vec::new(),
        &mut status,
    )
    .expect("it can be held");
    assert_eq!(finished.steps["install-mirror"], StepOutcome::Done);
    assert_eq!(finished.exit, 0);
}

#[test]
fn the_end_of_a_rehearsal_names_what_was_practiced_and_the_way_on() {
    let site = crate::program::litware();
    let program = Program::new();
    let path = site.display().to_string();
    let words = ["failover", "--config", &path, "--rehearse"];
    let with = [
        &words[..],
        &["--with", "restore-cut", "--with", "cmdlet-warns"],
    ]
    .concat();
    let said = program.run(&with);
    assert_eq!(said.status, Some(4), "{said:?}");
    let way_on = format!("to go on: pchadr failover --config {path} --resume=rehearsal");
    for part in [
        way_on.as_str(),
        "practiced       restore-cut: the connection to the backup is cut in the middle of a RESTORE\n",
        "\n                cmdlet-warns: ",
        "a rehearsal keeps no record",
    ] {
        assert!(said.err.contains(part), "{part} is missing: {}", said.err);
    }
    let help = program.run(&["failback", "--help"]).done();
    for trouble in pchadr::rehearsal::trouble::TROUBLES {
        assert!(help.contains(trouble.name), "{}: {help}", trouble.name);
    }
}

#[test]
fn a_kind_that_is_unknown_or_of_another_runbook_is_refused_with_the_list() {
    let site = crate::program::litware();
    let path = site.display().to_string();
    for (runbook, kind, parts) in [
        ("failover", "rain", ["no such trouble", "mirror-down"]),
        (
            "failback",
            "log-gap",
            ["no trouble of a failback", "job-late"],
        ),
        (
            "failover",
            "job-late",
            ["no trouble of a failover", "log-gap"],
        ),
    ] {
        let said = Program::new().run(&[runbook, "--config", &path, "--rehearse", "--with", kind]);
        let err = said.refused(2);
        assert!(parts.iter().all(|part| err.contains(part)), "{kind}: {err}");
    }
    let said = Program::new().run(&["failover", "--with", "mirror-down"]);
    assert!(said.refused(2).contains("--rehearse"));
}
