#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use super::*;
use crate::run::event::{ClockKind, ErrorRecord, FORMAT, StepLine};
use serde_json::json;

fn started() -> Event {
    let line = |id: &str, effect: Effect| StepLine {
        id: id.to_owned(),
        vendor: None,
        title: String::new(),
        stage: 1,
        effect: effect.into(),
    };
    Event::RunStarted(RunStarted {
        format: FORMAT,
        run: "r1".to_owned(),
        runbook: "failover".to_owned(),
        plan_digest: "p1".to_owned(),
        site_digest: "s1".to_owned(),
        pool: "pchat.litwareinc.com".to_owned(),
        tool: "pchadr 0.1.0".to_owned(),
        host: "adm1".to_owned(),
        user: "ann".to_owned(),
        clock: ClockKind::Simulated,
        until: None,
        continues: None,
        approved: None,
        steps: vec![
            line("save", Effect::ReadOnly),
            line("drop", Effect::Reversible),
            line("recover", Effect::Irreversible),
        ],
    })
}

fn start(id: &str) -> Event {
    Event::StepStarted { id: id.to_owned() }
}

fn command(step: &str) -> Event {
    Event::Command {
        step: step.to_owned(),
        n: 1,
        values: json!({}),
    }
}

fn end(id: &str, outcome: StepOutcome) -> Event {
    Event::StepFinished {
        id: id.to_owned(),
        outcome,
        note: String::new(),
    }
}

fn stopped(id: &str) -> Event {
    Event::RunStopped {
        stopped_at: id.to_owned(),
        error: ErrorRecord::default(),
    }
}

fn resumed(digest: &str) -> Event {
    Event::RunResumed {
        plan_digest: digest.to_owned(),
        host: "adm2".to_owned(),
        user: "bob".to_owned(),
        tool: None,
    }
}

fn changed(from: &str, to: &str) -> Event {
    Event::PlanChanged {
        from: from.to_owned(),
        to: to.to_owned(),
        steps: None,
        approved: None,
    }
}

fn finished(outcome: Outcome, done: &[&str]) -> Event {
    Event::RunFinished(RunFinished {
        run: "r1".to_owned(),
        digest: "p1".to_owned(),
        outcome,
        exit: 0,
        steps: done
            .iter()
            .map(|id| ((*id).to_owned(), StepOutcome::Done))
            .collect::<BTreeMap<_, _>>(),
        stopped_at: None,
        error: None,
        resume: None,
        loss_seconds: None,
        elapsed_seconds: 0.0,
        wall_seconds: 0.0,
    })
}

/// Folds `run_started` and then these.
fn folded(events: &[Event]) -> Result<RunState, String> {
    let records: Vec<Record> = std::iter::once(started())
        .chain(events.iter().cloned())
        .enumerate()
        .map(|(index, event)| Record {
            fence: None,
            seq: index as u64 + 1,
            at: jiff::Timestamp::UNIX_EPOCH,
            prev: String::new(),
            event,
        })
        .collect();
    fold(&records).map_err(|error| error.to_string())
}

use StepOutcome::{Done, DoneBefore, NotReached, Overtaken, Stopped, Undone, Unknown};

#[test]
fn a_run_that_was_killed_goes_on_at_the_first_step_without_an_end() {
    let state = folded(&[
        start("save"),
        end("save", Done),
        start("drop"),
        command("drop"),
    ])
    .unwrap();
    assert!(state.is_done("save"));
    let next = state.next().unwrap();
    assert_eq!((next.id.as_str(), next.state), ("drop", StepState::Started));
    assert!(next.in_doubt() && next.commanded);
    assert_eq!(state.step("recover").unwrap().state, StepState::Untouched);
    assert!(!state.is_finished());
    assert_eq!((state.executions, state.ended), (1, None));
}

#[test]
fn a_step_that_stopped_or_is_unknown_is_in_doubt_only_when_it_had_started() {
    for outcome in [Stopped, Unknown] {
        let state = folded(&[start("drop"), end("drop", outcome)]).unwrap();
        assert!(state.step("drop").unwrap().in_doubt());
        let state = folded(&[end("drop", outcome)]).unwrap();
        assert!(!state.step("drop").unwrap().in_doubt());
        assert!(!state.is_done("drop"));
    }
}

#[test]
fn what_an_earlier_execution_sent_stays_in_doubt_until_the_step_is_done() {
    let mut events = vec![
        start("drop"),
        command("drop"),
        end("drop", Stopped),
        stopped("drop"),
        finished(Outcome::Stopped, &[]),
        resumed("p1"),
    ];
    let state = folded(&events).unwrap();
    assert!(state.step("drop").unwrap().in_doubt());
    events.push(end("drop", Stopped));
    assert!(folded(&events).unwrap().step("drop").unwrap().commanded);
    events.extend([resumed("p1"), start("drop"), end("drop", Done)]);
    let state = folded(&events).unwrap();
    let step = state.step("drop").unwrap();
    assert!(!step.in_doubt() && !step.commanded);
    assert_eq!(state.executions, 3);
}

#[test]
fn a_step_in_doubt_that_is_seen_done_needs_no_second_start() {
    let state = folded(&[start("drop"), resumed("p1"), end("drop", Done)]).unwrap();
    assert!(state.is_done("drop"));
}

#[test]
fn every_illegal_pair_is_named() {
    let over = || finished(Outcome::Done, &[]);
    let cases: Vec<(Vec<Event>, &str)> = vec![
        (vec![started()], "`run_started` twice"),
        (
            vec![command("drop")],
            "`command` of `drop`, which is not started",
        ),
        (
            vec![start("drop"), resumed("p1"), command("drop")],
            "`command` of `drop`, which is not started",
        ),
        (
            vec![start("drop"), end("drop", Done), command("drop")],
            "`command` of `drop`, which is not started",
        ),
        (
            vec![start("drop"), start("drop")],
            "`step_started` of `drop` twice",
        ),
        (
            vec![end("drop", DoneBefore), resumed("p1"), start("drop")],
            "`step_started` of `drop` after it was done",
        ),
        (
            vec![start("drop"), end("drop", Stopped), start("drop")],
            "`step_started` of `drop` after its end, without `run_resumed`",
        ),
        (
            vec![stopped("drop"), start("drop")],
            "`step_started` of `drop` after `run_stopped`",
        ),
        (
            vec![end("drop", Overtaken), end("drop", Overtaken)],
            "`step_finished` of `drop` twice",
        ),
        (
            vec![end("drop", Overtaken), resumed("p1"), end("drop", Stopped)],
            "`step_finished` of `drop` after it was done",
        ),
        (
            vec![end("drop", Done)],
            "`step_finished` of `drop` as done, but it never started",
        ),
        (
            vec![start("drop"), end("drop", NotReached)],
            "`step_finished` of `drop` as not reached, but it started",
        ),
        (vec![start("nap")], "step `nap` is not a step of this run"),
        (
            vec![stopped("drop"), stopped("drop")],
            "`run_stopped` twice in one execution",
        ),
        (
            vec![over(), start("drop")],
            "`step_started` after `run_finished`, without `run_resumed`",
        ),
        (
            vec![over(), over()],
            "`run_finished` after `run_finished`, without `run_resumed`",
        ),
        (
            vec![finished(Outcome::Done, &["drop"])],
            "`run_finished` calls `drop` done, and no record says so",
        ),
        (
            vec![start("drop"), finished(Outcome::Done, &[])],
            "`run_finished` as done, but `drop` is not",
        ),
        (
            vec![end("drop", Unknown), finished(Outcome::Done, &[])],
            "`run_finished` as done, but `drop` is not",
        ),
        (
            vec![
                start("drop"),
                command("drop"),
                finished(Outcome::Refused, &[]),
            ],
            "`run_finished` as refused, but `drop` acted",
        ),
        (
            vec![
                start("drop"),
                end("drop", Done),
                finished(Outcome::Refused, &[]),
            ],
            "`run_finished` as refused, but `drop` acted",
        ),
        (
            vec![resumed("p2"), start("drop")],
            "`step_started` under another plan, without `plan_changed`",
        ),
        (
            vec![changed("p0", "p2")],
            "`plan_changed` from `p0`, but the plan is `p1`",
        ),
    ];
    for (events, why) in cases {
        let seq = events.len() + 1;
        assert_eq!(folded(&events).unwrap_err(), format!("record {seq}: {why}"));
    }
}

#[test]
fn a_changed_plan_may_be_agreed_to_before_or_after_the_resume_is_recorded() {
    let orders = [
        [resumed("p2"), changed("p1", "p2")],
        [changed("p1", "p2"), resumed("p2")],
    ];
    for order in orders {
        let events = [&order[..], &[start("drop")]].concat();
        assert_eq!(folded(&events).unwrap().plan_digest, "p2");
    }
}

#[test]
fn a_refused_resume_does_not_finish_a_run_that_had_changed_something() {
    let refused = || finished(Outcome::Refused, &[]);
    assert!(folded(&[refused()]).unwrap().is_finished());
    let read_only = [start("save"), end("save", Done), refused()];
    assert!(folded(&read_only).unwrap().is_finished());
    let acted = [start("drop"), resumed("p1"), refused()];
    assert!(!folded(&acted).unwrap().is_finished());
}

#[test]
fn a_done_step_can_be_undone_by_a_later_execution() {
    let events = [
        start("drop"),
        end("drop", Done),
        resumed("p1"),
        end("drop", Undone),
        finished(Outcome::Undone, &[]),
    ];
    let state = folded(&events).unwrap();
    assert!(state.is_finished() && !state.has_acted() && !state.is_done("drop"));
}

#[test]
fn a_refused_event_leaves_the_state_as_it_was() {
    let mut state = folded(&[start("drop")]).unwrap();
    let before = state.clone();
    for event in [start("drop"), command("save"), end("save", Done), started()] {
        state.apply(&event).unwrap_err();
        assert_eq!(state, before);
    }
}

#[test]
fn consents_are_kept_and_a_journal_without_a_beginning_is_no_run() {
    let given = Event::Consent {
        step: "recover".to_owned(),
        what: "lose at most 4 min 12 s".to_owned(),
        by: "typed".to_owned(),
        end: None,
    };
    assert_eq!(folded(&[given]).unwrap().consents[0].by, "typed");
    assert_eq!(fold(&[]), Err(FoldError::Empty));
    assert!(RunState::begin(&start("drop")).is_err());
}

#[test]
fn a_run_that_was_killed_after_any_record_can_be_resumed() {
    let events = [
        start("save"),
        end("save", Done),
        start("drop"),
        command("drop"),
        end("drop", Stopped),
        stopped("drop"),
        finished(Outcome::Stopped, &["save"]),
        resumed("p2"),
        changed("p1", "p2"),
        start("drop"),
        command("drop"),
        end("drop", Done),
        end("recover", DoneBefore),
        finished(Outcome::Done, &["save", "drop"]),
    ];
    for length in 0..=events.len() {
        let state = folded(&events[..length]).unwrap();
        assert_eq!(state.is_finished(), length == events.len(), "{length}");
        let digest = state.plan_digest.clone();
        let again = [&events[..length], &[resumed(&digest)]].concat();
        assert!(!folded(&again).unwrap().is_finished());
    }
}

fn undo(id: &str) -> Event {
    Event::UndoStarted { id: id.to_owned() }
}

#[test]
fn a_step_that_is_being_undone_is_in_doubt_until_it_is_undone() {
    let mut events = vec![
        start("drop"),
        end("drop", Done),
        resumed("p1"),
        undo("drop"),
    ];
    let state = folded(&events).unwrap();
    assert!(state.step("drop").unwrap().in_doubt());
    assert!(state.has_acted() && !state.is_done("drop"));
    events.extend([command("drop"), end("drop", Undone)]);
    let state = folded(&events).unwrap();
    assert!(!state.step("drop").unwrap().in_doubt());
    assert!(!state.has_acted());
}

#[test]
fn what_changed_nothing_or_ran_in_this_execution_is_not_undone() {
    let why = folded(&[resumed("p1"), undo("drop")]).unwrap_err();
    assert!(why.contains("changed nothing"), "{why}");
    let why = folded(&[start("drop"), end("drop", Done), undo("drop")]).unwrap_err();
    assert!(why.contains("the execution that it ran in"), "{why}");
}

#[test]
fn a_run_is_not_undone_while_a_change_stands() {
    let events = [
        start("drop"),
        end("drop", Done),
        resumed("p1"),
        finished(Outcome::Undone, &[]),
    ];
    let why = folded(&events).unwrap_err();
    assert!(why.contains("as undone, but `drop` is not"), "{why}");
}
