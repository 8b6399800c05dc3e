//! `pchadr runs show` and `pchadr runs report`: what people keep of a run, from its record alone.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::fs;

use pchadr::report::account::Account;
use pchadr::report::figures::Figures;
use pchadr::report::show::Origin;
use pchadr::report::{html, markdown, show};
use pchadr::run::journal;
use serde_json::Value;

use crate::frozen::{FAILBACK, FAILOVER, Machine, UNDONE, copy};
use crate::program::root;

/// The journals of every format, and how each run ended.
const FROZEN: [(&str, &str); 7] = [
    (
        "version-1/state/runs/20261128T011743Z-failover-8f2856/journal.jsonl",
        "done: everything is as the runbook wants it",
    ),
    (
        "version-1/state/runs/20261128T011751Z-failback-8250b9/journal.jsonl",
        "undone: chat is served as before",
    ),
    (
        "version-1/state/runs/20261128T011758Z-failback-2d63ef/journal.jsonl",
        "done: everything is as the runbook wants it",
    ),
    (
        "version-2/journal.jsonl",
        "done: everything is as the runbook wants it",
    ),
    (
        "version-3/journal.jsonl",
        "done: everything is as the runbook wants it",
    ),
    (
        "version-4/part.jsonl",
        "done as far as it was to go: 4 steps not reached",
    ),
    (
        "version-4/rest.jsonl",
        "done: everything is as the runbook wants it",
    ),
];

#[test]
fn a_record_of_every_format_has_a_page_a_ticket_and_an_account() {
    for (name, sentence) in FROZEN {
        let path = root().join("tests/it/frozen").join(name);
        let records = journal::read(&fs::read(path).unwrap()).unwrap().records;
        let account = Account::of(&records);
        let origin = Origin {
            path: name.to_owned(),
            records: records.len(),
        };
        let mut page = Vec::new();
        html::write_run(&account, None, &origin, &mut page).unwrap();
        let mut ticket = Vec::new();
        markdown::write_run(&account, None, &mut ticket).unwrap();
        let mut shown = Vec::new();
        show::human(&account, &origin, "pchadr runs report", &mut shown).unwrap();
        for bytes in [page, ticket, shown] {
            let text = String::from_utf8(bytes).unwrap();
            assert!(text.contains(sentence), "{name}: {text}");
            for step in &account.steps {
                assert!(text.contains(&step.line.id), "{name}: {}", step.line.id);
            }
        }
        // Every failover can say when it served users; no old record says when the disaster was.
        let figures = Figures::of(&account);
        let serves = account.started.as_ref().unwrap().runbook == "failover";
        assert_eq!(figures.service().is_some(), serves, "{name}");
        assert_eq!(figures.disaster_at, None, "{name}");
    }
}

#[test]
fn a_rehearsal_knows_its_loss_and_a_run_without_the_time_of_the_disaster_says_that_it_does_not() {
    let figures = |name: &str| {
        let path = root().join("tests/it/frozen").join(name);
        let records = journal::read(&fs::read(path).unwrap()).unwrap().records;
        let account = Account::of(&records);
        let figures = Figures::of(&account);
        (figures.loss(&account).unwrap(), figures)
    };
    let (loss, known) = figures("version-3/journal.jsonl");
    assert!(loss.starts_with("at most "), "{loss}");
    assert_eq!(known.last_log_lsn.as_deref(), Some("41000000370400001"));
    let (loss, live) = figures(FROZEN[0].0);
    assert!(loss.starts_with("not known: "), "{loss}");
    let finished = live.last_log_finished.unwrap().to_string();
    assert_eq!(finished, "2026-11-28T01:10:42");
    let (loss, _) = figures("version-4/part.jsonl");
    assert!(loss.contains("it recovered no database"), "{loss}");
}

#[test]
fn the_last_run_of_the_site_is_shown_and_any_other_by_its_name() {
    let machine = Machine::new();
    let last = machine.0.run(&["runs", "show"]).done();
    assert!(
        last.starts_with("failback of pchat.litwareinc.com: done: everything"),
        "{last}"
    );
    let folder = machine.path("state/runs").join(FAILBACK);
    let config = machine.config();
    for line in [
        format!("record              {} (", folder.display()),
        format!("all of it           pchadr runs report{config} {FAILBACK} --output html"),
        "downtime            ".to_owned(),
        " 1/11  retire-old-primary".to_owned(),
    ] {
        assert!(last.contains(&line), "{line} is missing: {last}");
    }
    let undone = machine.0.run(&["runs", "show", UNDONE]).done();
    assert!(
        undone.contains("undone: chat is served as before"),
        "{undone}"
    );
    assert_eq!(undone.matches("\nresumed ").count(), 2, "{undone}");

    let json = machine
        .0
        .run(&["runs", "show", FAILOVER, "--output", "json"]);
    let json: Value = serde_json::from_str(&json.done()).unwrap();
    assert_eq!(json["outcome"], "done");
    let step = &json["steps"][5];
    assert_eq!(step["id"], "end-connections");
    assert_eq!(step["outcome"], "done_before");
    let recovery = &json["steps"][6];
    assert_eq!(recovery["before"]["standing"]["is"], "pending");
    assert_eq!(recovery["after"]["standing"]["is"], "satisfied");
    // By the plan that the run kept, though today's is another.
    assert_eq!(
        recovery["commands"][0]["texts"][0],
        "RESTORE DATABASE [mgc] WITH RECOVERY;"
    );
}

#[test]
fn a_report_is_one_page_with_what_was_sent_and_what_changed() {
    let machine = Machine::new();
    let page = machine.0.run(&["runs", "report", FAILOVER]).done();
    for part in [
        "<!doctype html>",
        "<h1>Failover of pchat.litwareinc.com</h1>",
        "RESTORE LOG [mgc] FROM DISK = N&#39;/srv/pchadr/lab/shares/copy/mgc_20261128011041.trn&#39; WITH FILE = 1, NORECOVERY;",
        "Set-CsPersistentChatState -Identity &#39;PersistentChatServer:pchat.litwareinc.com&#39;",
        "<dt>files.look.database.state</dt>\n<dd><del>RESTORING</del> <ins>ONLINE</ins></dd>",
        "from the beginning of the run",
        "</html>",
    ] {
        assert!(page.contains(part), "{part} is missing");
    }
    assert!(!page.contains("<script"));
    let ticket = ["runs", "report", FAILOVER, "--output", "markdown"];
    let ticket = machine.0.run(&ticket).done();
    for part in [
        "# failover of pchat.litwareinc.com\n",
        "| files.look.database.state | RESTORING | ONLINE |",
        "  RESTORE DATABASE [mgc] WITH RECOVERY;\n",
    ] {
        assert!(ticket.contains(part), "{part} is missing: {ticket}");
    }
    // Forecast and measure of a failback, side by side.
    let page = machine.0.run(&["runs", "report"]).done();
    for part in [
        "<h2>Downtime</h2>",
        "× size / throughput",
        "class=\"forecast\"",
    ] {
        assert!(page.contains(part), "{part} is missing");
    }
}

#[test]
fn a_run_that_only_the_mirror_has_is_reported_and_nothing_is_brought_home() {
    let machine = Machine::new();
    let (here, there) = (
        machine.path("state/runs").join(FAILBACK),
        machine.path("shares/copy/pchadr-runs").join(FAILBACK),
    );
    copy(&here, &there);
    fs::remove_dir_all(&here).unwrap();
    let told = machine.0.run(&["runs", "show"]).done();
    assert!(told.contains(&there.display().to_string()), "{told}");
    assert!(!here.exists());
}

#[test]
fn a_run_that_is_not_there_or_whose_record_is_damaged_is_refused_as_by_verify() {
    let machine = Machine::new();
    for words in [["runs", "show", "r9"], ["runs", "report", "r9"]] {
        let told = machine.0.run(&words).refused(1);
        assert!(told.contains("there is no run `r9`"), "{told}");
    }
    let path = machine
        .path("state/runs")
        .join(FAILBACK)
        .join("journal.jsonl");
    let text = fs::read_to_string(&path)
        .unwrap()
        .replacen("step_started", "step_startet", 1);
    fs::write(&path, text).unwrap();
    for words in [&["runs", "show"][..], &["runs", "report", FAILBACK]] {
        let told = machine.0.run(words).refused(1);
        let verify = format!("pchadr runs verify{} {FAILBACK}", machine.config());
        assert!(told.contains(&verify), "{told}");
    }
    let elsewhere = Machine::new();
    fs::remove_dir_all(elsewhere.path("state")).unwrap();
    let told = elsewhere.0.run(&["runs", "show"]).refused(1);
    assert!(told.contains("no run of this site is kept"), "{told}");
}
