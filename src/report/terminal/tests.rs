use super::*;
use crate::report::sample::{Paper, resumed_run, start, stopped_run};
use crate::run::event::Unit;

fn piped(earlier: &[Record], records: &[Record]) -> String {
    let paper = Paper::default();
    let mut terminal = Terminal::piped(Box::new(paper.clone()));
    for record in earlier {
        terminal.earlier(record);
    }
    for record in records {
        terminal.record(record);
    }
    paper.text()
}

#[test]
fn a_run_that_stopped_says_where_why_what_is_lost_and_how_to_go_on() {
    assert_eq!(
        piped(&[], &stopped_run()),
        r"failover of pchat.litwareinc.com: run r7, 5 steps
by ann on adm1, pchadr 0.1.0, plan sha256:p1
simulated: nothing of the site is touched, and times are the rehearsal's

  interlock   recover-database: a fresh `mgc` is on the primary
              look at it (interlock `recover-database-block`)
  1/5  drop-log-shipping  F1  done before                no row and no job
  2/5  copy-backups       F2  done         2 h 05 min    2 files, 3.1 GB
  3/5  end-connections    F4  overtaken                  `mgc` is restoring
  agreed      recover-database: lose at most 4 min 12 s of chat (--accept-loss-after end-of-chain)
  4/5  recover-database   F4  stopped      24 s          error 3101 in use | by 57
  5/5  set-pool-state     F5  not reached

failover of pchat.litwareinc.com: stopped at `recover-database` (4/5): something was changed, not everything
  time: 2 h 05 min simulated, 2 s real
  loss: at most 4 min 12 s of chat

error: `mgc` was not recovered (on sql3.dc2.litwareinc.com\chat, error 3101)
  why:        Exclusive access could not be obtained because the database is in use.
  what to do: end the sessions that hold `mgc`, then go on

to go on: pchadr failover --resume=r7
"
    );
}

#[test]
fn a_resumed_run_lists_what_was_done_and_what_is_in_doubt() {
    let (first, second) = resumed_run();
    assert_eq!(
        piped(&first, &second),
        r"failover of pchat.litwareinc.com: run r7, 5 steps
by ann on adm1, pchadr 0.1.0, plan sha256:p1
simulated: nothing of the site is touched, and times are the rehearsal's

resumed by bob on adm2
  1/5  drop-log-shipping  F1  done before                no row and no job
  2/5  copy-backups       F2  done         2 h 05 min    2 files, 3.1 GB
  3/5  end-connections    F4  overtaken                  `mgc` is restoring
  4/5  recover-database   F4  in doubt                   it began at 2027-01-15 10:05:07 UTC and no end is recorded: the site is looked at first
  4/5  recover-database   F4  done                       `mgc` is ONLINE
  5/5  set-pool-state     F5  done         1 min 33 s    FailedOver

failover of pchat.litwareinc.com: done: everything is as the runbook wants it
  time: 1 min 35 s simulated, under 1 s real, since it was resumed
"
    );
}

#[test]
fn a_terminal_has_the_same_lines_with_color_and_bars_of_its_own() {
    let paper = Paper::default();
    let target = ProgressDrawTarget::hidden();
    let mut terminal = Terminal::live(Box::new(paper.clone()), true, target);
    for record in &stopped_run() {
        terminal.record(record);
        let progress = Progress {
            step: "copy-backups".to_owned(),
            done: 3,
            total: 7,
            unit: Unit::Bytes,
            detail: "mgc_1.trn\u{1b}[2J".to_owned(),
        };
        terminal.progress(&progress, record.at);
    }
    let text = paper.text();
    let mut plain = text.clone();
    for code in ["32", "1;31", "2", "0"] {
        plain = plain.replace(&format!("\u{1b}[{code}m"), "");
    }
    assert_ne!(text, plain);
    assert_eq!(plain, piped(&[], &stopped_run()));
}

#[test]
fn progress_is_not_shown_where_nobody_watches() {
    let paper = Paper::default();
    let mut terminal = Terminal::piped(Box::new(paper.clone()));
    let progress = Progress {
        step: "copy-backups".to_owned(),
        done: 3,
        total: 7,
        unit: Unit::Files,
        detail: String::new(),
    };
    terminal.progress(&progress, Timestamp::UNIX_EPOCH);
    assert_eq!(paper.text(), "");
}

#[test]
fn a_record_that_fits_nowhere_is_no_reason_to_panic() {
    let mut records = stopped_run();
    records[1].event = start("nap");
    records.remove(0);
    assert!(piped(&[], &records).contains("stopped at `recover-database`"));
}

#[test]
fn a_block_that_an_earlier_step_clears_is_shown_only_when_that_step_ended_without_clearing_it() {
    let mut records = stopped_run();
    let pending = records.remove(1);
    assert!(!piped(&[], &[records[0].clone(), pending.clone()]).contains("logs are not applied"));
    let copied = records.iter().position(
        |record| matches!(&record.event, Event::StepFinished { id, .. } if id == "copy-backups"),
    );
    let copied = copied.unwrap_or_default();
    records.insert(copied + 1, pending);
    let text = piped(&[], &records);
    assert!(
        text.contains("  blocked     recover-database: logs are not applied\n"),
        "{text}"
    );
}

#[test]
fn what_cannot_be_seen_is_told_once_and_not_while_a_step_settles() {
    let first = stopped_run().remove(0);
    let then = |event: Event| Record {
        event,
        ..first.clone()
    };
    let unknown = || {
        then(Event::StepChecked {
            id: "copy-backups".to_owned(),
            standing: crate::step::Standing::Unknown("the share".into()).into(),
            facts: serde_json::Value::Null,
        })
    };
    let told = "  unknown     copy-backups: the share\n";
    let text = piped(&[], &[first.clone(), unknown(), unknown()]);
    assert_eq!(text.matches(told).count(), 1, "{text}");
    let acts = then(start("copy-backups"));
    let text = piped(&[], &[first.clone(), acts, unknown()]);
    assert_eq!(text.matches(told).count(), 0, "{text}");
}
