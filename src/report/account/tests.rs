//! The account of runs that went well, stopped, and were resumed.

use super::*;
use crate::report::sample::{resumed_run, stopped_run};

/// The sentence of a run that ended so, its steps with these outcomes.
fn sentence(mut records: Vec<Record>, outcome: Outcome, step: StepOutcome) -> Option<String> {
    if let Some(Record {
        event: Event::RunFinished(finished),
        ..
    }) = records.last_mut()
    {
        finished.outcome = outcome;
        for value in finished.steps.values_mut() {
            *value = step;
        }
    }
    Account::of(&records).sentence()
}

fn sentence_of_done(mut records: Vec<Record>) -> Option<String> {
    if let Some(Record {
        event: Event::RunFinished(finished),
        ..
    }) = records.last_mut()
    {
        finished.outcome = Outcome::Done;
    }
    Account::of(&records).sentence()
}

#[test]
fn every_end_of_a_run_has_its_sentence() {
    use StepOutcome::{Done, DoneBefore, NotReached, Undone};
    let cases = [
        (
            Outcome::Done,
            Done,
            "done: everything is as the runbook wants it",
        ),
        (Outcome::Done, DoneBefore, "done: there was nothing to do"),
        (
            Outcome::Done,
            NotReached,
            "done as far as it was to go: 5 steps not reached",
        ),
        (Outcome::Undone, Undone, "undone: everything is as it was"),
        (Outcome::Refused, NotReached, "refused: nothing was changed"),
    ];
    for (outcome, step, said) in cases {
        let found = sentence(stopped_run(), outcome, step);
        assert_eq!(found.as_deref(), Some(said));
    }
}

#[test]
fn a_run_that_went_on_without_a_mirror_says_so() {
    let mut records = stopped_run();
    if let Some(Record {
        event: Event::RunFinished(finished),
        ..
    }) = records.last_mut()
    {
        let mirror = "install-mirror".to_owned();
        finished.steps.insert(mirror, StepOutcome::Left);
    }
    assert_eq!(
        sentence_of_done(records).as_deref(),
        Some("done, without a mirror")
    );
}

#[test]
fn a_failback_that_was_undone_does_not_say_that_everything_is_as_it_was() {
    let mut records = stopped_run();
    for record in &mut records {
        if let Event::RunStarted(started) = &mut record.event {
            Direction::Failback.key().clone_into(&mut started.runbook);
        }
    }
    let said = sentence(records, Outcome::Undone, StepOutcome::Undone);
    let said = said.unwrap_or_default();
    assert!(said.contains("chat is served as before"), "{said}");
    assert!(!said.contains("everything"), "{said}");
}

#[test]
fn a_resume_that_was_refused_does_not_say_that_nothing_was_changed() {
    let (first, second) = resumed_run();
    let records = [first, second].concat();
    assert_eq!(
        sentence(records, Outcome::Refused, StepOutcome::NotReached).as_deref(),
        Some("refused: nothing more was changed")
    );
}

#[test]
fn a_step_that_spans_two_executions_has_no_time() {
    let (first, second) = resumed_run();
    let account = Account::of(&[first, second].concat());
    let took = |id: &str| account.step(id).and_then(|(_, step)| step.took);
    assert_eq!(took("recover-database"), None);
    assert_eq!(took("set-pool-state"), Some(Duration::from_secs(93)));
}
