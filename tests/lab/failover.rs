//! A whole failover on a lab, as its operator, a second client and `status` see it.

use std::fs;
use std::io::Write as _;
use std::process::Command;

use pchadr::model::Role;
use serde_json::Value;

use crate::bench::{Lab, program, run};
use crate::drive::{
    CONSENT, Machine, Raw, commands, end_state, failed_over, files, outcomes, records, text,
};

const DISASTER: &[&str] = &["--state", "disaster", "--logs", "24"];

#[test]
fn a_failover_ends_with_everything_as_the_vendor_wants_it_and_a_second_one_changes_nothing() {
    let lab = Lab::open(DISASTER);
    let machine = Machine::of(&lab);
    let before = machine.status();
    assert_eq!(before["pool"]["state"], "Normal");
    let shipping = &before["instances"]["backup"]["log_shipping"];
    assert_eq!(shipping["role"], "secondary", "{before}");
    assert_eq!(shipping["copy_job"], "enabled", "{before}");
    assert!(shipping["last_restored"].is_string(), "{before}");

    let said = machine.failover(&[]);
    let told = text(&said.stderr);
    assert_eq!(said.status.code(), Some(0), "{told}");
    assert!(
        text(&said.stdout).contains("pool            FailedOver"),
        "{said:?}"
    );
    let journal = machine.journal();
    let ends = outcomes(&journal);
    assert_eq!(ends.len(), 11);
    for (step, outcome) in &ends {
        let expected = if step == "end-connections" {
            "done_before"
        } else {
            "done"
        };
        assert_eq!(outcome, expected, "{step}");
    }
    assert_eq!(journal[0]["clock"], "wall");
    let host = journal[0]["host"].as_str().unwrap();
    assert!(!host.is_empty() && host != "not known", "{host}");

    // As another client sees it.
    let mut backup = Raw::to(&lab, Role::Backup);
    let mut mirror = Raw::to(&lab, Role::BackupMirror);
    let state = "select state_desc from sys.databases where name = 'mgc'";
    assert_eq!(backup.value(state), "ONLINE");
    assert_eq!(mirror.value(state), "RESTORING");
    let mirrored = "select mirroring_role_desc + ' ' + mirroring_state_desc \
                    from sys.database_mirroring where database_id = db_id('mgc')";
    assert_eq!(backup.value(mirrored), "PRINCIPAL SYNCHRONIZED");
    assert_eq!(mirror.value(mirrored), "MIRROR SYNCHRONIZED");
    for table in ["log_shipping_secondary", "log_shipping_secondary_databases"] {
        let rows = backup.ask(&format!("select primary_server from msdb.dbo.{table}"));
        let rows = rows
            .or_else(|_| backup.ask(&format!("select secondary_database from msdb.dbo.{table}")));
        assert_eq!(rows, Ok(Vec::new()), "{table}");
    }
    let jobs = "select name from msdb.dbo.sysjobs where name like 'LS%'";
    assert_eq!(backup.value(jobs), "");
    // As `status` sees it.
    let status = machine.status();
    assert_eq!(end_state(&status), failed_over());
    for role in ["primary", "primary_mirror", "backup", "backup_mirror"] {
        let server = status["instances"][role]["server"].as_str().unwrap();
        assert!(server.starts_with("127.0.0.1,"), "{status}");
    }

    // The record: its documents, its log, its second copy, and its report.
    let run = machine.runs().remove(0);
    let told = text(&said.stdout);
    let place = format!("\nrecord          {}\n", run.display());
    let name = run.file_name().unwrap().to_str().unwrap();
    let (_, report) = told.split_once(&place).unwrap_or_else(|| panic!("{told}"));
    assert!(
        report.starts_with("report          pchadr runs report"),
        "{told}"
    );
    assert!(
        report.ends_with(&format!("{name} --output html\n")),
        "{told}"
    );
    let page = text(&machine.run(&["runs", "report", name]).stdout);
    for part in [
        "<p class=\"verdict\">done: everything is as the runbook wants it</p>",
        "RESTORE DATABASE [mgc] WITH RECOVERY;",
        "<dd><del>RESTORING</del> <ins>ONLINE</ins></dd>",
        "not known<small>the record does not say when the disaster was",
    ] {
        assert!(page.contains(part), "{part} is missing: {page}");
    }
    let mirrored = lab
        .folder
        .join("shares/copy/pchadr-runs")
        .join(run.file_name().unwrap());
    for name in [
        "journal.jsonl",
        "plan.json",
        "site.json",
        "log-shipping.json",
    ] {
        let bytes = fs::read(run.join(name)).unwrap();
        assert_eq!(bytes, fs::read(mirrored.join(name)).unwrap(), "{name}");
    }
    let log = fs::read_to_string(run.join("log.txt")).unwrap();
    assert!(
        log.contains("RESTORE DATABASE [mgc] WITH RECOVERY"),
        "{log}"
    );
    assert!(log.contains("Set-CsPersistentChatState"), "{log}");
    assert!(!log.contains("TRACE") && !log.contains('\u{1b}'), "{log}");

    // Again.
    let kept = files(&lab.folder.join("shares"));
    let said = machine.failover(&[]);
    let told = text(&said.stderr);
    assert_eq!(said.status.code(), Some(0), "{told}");
    assert!(told.contains("there was nothing to do"), "{told}");
    let again = machine.journal();
    assert_eq!(commands(&again), Vec::<String>::new());
    assert!(again.iter().all(|record| record["event"] != "step_started"));
    assert!(
        outcomes(&again)
            .values()
            .all(|outcome| outcome == "done_before"),
        "{told}"
    );
    assert_eq!(files(&lab.folder.join("shares")), kept);
    assert_eq!(machine.status(), status);
    // What the first run kept is found, though the site file names nothing.
    let first = run.file_name().unwrap().to_str().unwrap();
    assert!(told.contains(&format!("run {first} kept it")), "{told}");
}

#[test]
fn what_was_typed_by_hand_before_is_reported_done_before() {
    let lab = Lab::open(DISASTER);
    let machine = Machine::of(&lab);
    let mut backup = Raw::to(&lab, Role::Backup);
    let jobs = backup
        .ask("select name from msdb.dbo.sysjobs where name like 'LS%'")
        .unwrap();
    assert_eq!(jobs.len(), 2);
    for job in jobs {
        backup.value(&format!(
            "exec  msdb..sp_update_job\n @job_name='{job}' , @enabled = 0"
        ));
    }
    // F1, F2 by hand too, F3, F4
    backup.value("EXECUTE [master].[dbo].[sp_delete_log_shipping_secondary_database] @secondary_database=N'mgc';");
    let copy = lab.folder.join("shares/copy");
    for file in lab.files("backup") {
        let target = copy.join(file.file_name().unwrap());
        fs::copy(&file, target).unwrap();
    }
    for (index, file) in lab.files("copy").iter().enumerate() {
        let said = backup.ask(&format!(
            "Restore  Log [mgc]\n\tFrom Disk=N'{}' /* F3 */ With NoRecovery,\n File = 1",
            file.display()
        ));
        // The first three were restored before the disaster: 4326, but for the last of them.
        assert!(said.is_ok() || index < 3, "{index}: {said:?}");
    }
    backup.value("restore database\nmgc with recovery -- F4");

    let said = machine.failover(&[]);
    let told = text(&said.stderr);
    assert_eq!(said.status.code(), Some(0), "{told}");
    let journal = machine.journal();
    let ends = outcomes(&journal);
    for step in [
        "save-log-shipping",
        "stop-log-shipping-jobs",
        "drop-log-shipping",
        "copy-backups",
        "apply-logs",
        "end-connections",
        "recover-database",
    ] {
        assert!(
            ["done_before", "overtaken"].contains(&ends[step].as_str()),
            "{step}: {}",
            ends[step]
        );
    }
    for step in ["drop-log-shipping", "recover-database"] {
        assert_eq!(ends[step], "done_before", "{told}");
    }
    let rest = [
        "set-pool-state",
        "install-mirror",
        "set-active-servers",
        "mirror-compliance",
    ];
    for step in rest {
        assert_eq!(ends[step], "done", "{told}");
    }
    let of_rest = |command: &String| rest.iter().any(|step| command.starts_with(step));
    assert!(commands(&journal).iter().all(of_rest));
    assert_eq!(end_state(&machine.status()), failed_over());
}

#[test]
fn what_is_streamed_as_json_is_the_journal_byte_for_byte() {
    let lab = Lab::open(DISASTER);
    let machine = Machine::of(&lab);
    let said = machine.failover(&["--output", "json"]);
    assert_eq!(said.status.code(), Some(0), "{said:?}");
    assert_eq!(text(&said.stderr), "");
    let run = machine.runs().remove(0);
    let journal = fs::read(run.join("journal.jsonl")).unwrap();
    assert!(!records(&run).is_empty());
    assert_eq!(text(&said.stdout), text(&journal));
}

/// A terminal for a program: runs it, types an answer whenever it asks to go on, and ends as it.
const TERMINAL: &str = r#"
import os, pty, select, sys, time

answers, command = sys.argv[1].split(","), sys.argv[2:]
child, terminal = pty.fork()
if child == 0:
    os.execv(command[0], command)
seen, asked, end = b"", 0, time.time() + 50
while True:
    if time.time() > end:
        os.kill(child, 9)
        sys.exit(99)
    if not select.select([terminal], [], [], 0.1)[0]:
        continue
    try:
        piece = os.read(terminal, 65536)
    except OSError:
        break
    if not piece:
        break
    seen += piece
    sys.stdout.buffer.write(piece)
    if seen.count(b"to go on: ") > asked:
        os.write(terminal, answers[min(asked, len(answers) - 1)].encode() + b"\r")
        asked += 1
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"#;

/// Runs a failover with `--pause` at a terminal.
fn at_a_terminal(machine: &Machine, answers: &str, words: &[&str]) -> Option<(i32, String)> {
    if Command::new("python3")
        .arg("-c")
        .arg("import pty")
        .output()
        .is_err()
    {
        let mut err = std::io::stderr();
        // Past the test runner, which would swallow it.
        err.write_all(b"SKIPPED: python3 is not there to make a terminal\n")
            .unwrap();
        return None;
    }
    let words = [&["failover", "--pause"], words].concat();
    let driven = machine.command(&words);
    let mut command = Command::new("python3");
    command
        .args(["-c", TERMINAL, answers, program()])
        .args(driven.get_args())
        .env("PCHADR_STATE", machine.state())
        .env("TERM", "xterm");
    let said = run(&mut command, "");
    Some((said.status.code().unwrap(), text(&said.stdout)))
}

#[test]
fn with_pause_every_step_waits_for_the_operator() {
    let lab = Lab::open(DISASTER);
    let machine = Machine::of(&lab);
    let loss = ["--accept-loss-after", "end-of-chain"];
    let Some((exit, seen)) = at_a_terminal(&machine, "no", &loss) else {
        return;
    };
    assert_eq!(exit, 1, "nothing was changed: {seen}");
    assert_eq!(commands(&machine.journal()), Vec::<String>::new());

    // A yes to the first, then the operator stops.
    let (exit, seen) = at_a_terminal(&machine, "go,go,stop", &loss).unwrap();
    assert_eq!(exit, 4, "{seen}");
    assert!(seen.contains("--resume="), "{seen}");

    // The steps that are left, and the point of no return, which wants more than a `go`.
    let answers = "go,go,pchat.litwareinc.com,go";
    let (exit, seen) =
        at_a_terminal(&machine, answers, &[&loss[..], &["--resume"]].concat()).unwrap();
    assert_eq!(exit, 0, "{seen}");
    assert!(
        seen.contains("Type `pchat.litwareinc.com` to go on"),
        "{seen}"
    );
    let typed = |record: &Value| record["event"] == "consent" && record["by"] == "typed";
    assert!(machine.journal().iter().any(typed));
    assert_eq!(end_state(&machine.status()), failed_over());
    assert_eq!(CONSENT[0], "--yes", "which was not given here");
}

#[test]
fn log_backups_that_no_instance_may_read_on_the_share_are_copied_first_and_all_applied() {
    let mut lab = Lab::open(&["--state", "disaster", "--logs", "24", "--compressed"]);
    assert!(lab.happen("close share").contains("done"));
    let machine = Machine::of(&lab);
    // A time says nothing before they are copied.
    let refused = machine.run(&[
        "failover",
        "--yes",
        "--accept-loss-after",
        "2026-01-01T00:00:00",
    ]);
    let told = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(5), "{told}");
    assert!(
        told.contains("is known when `copy-backups` is done"),
        "{told}"
    );
    let said = machine.failover(&[]);
    let told = text(&said.stderr);
    assert_eq!(said.status.code(), Some(0), "{told}");
    let sent = commands(&machine.journal());
    assert!(
        sent.iter().any(|it| it.starts_with("apply-logs")),
        "{sent:?}"
    );
    assert_eq!(end_state(&machine.status()), failed_over());
}
