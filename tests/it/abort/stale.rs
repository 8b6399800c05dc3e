//! A copy of a record that ends early: its machine wrote on, and the copy could not be written any more.
//! Undoing it must never say that everything is as it was where the run went further.

use pchadr::run::event::Outcome;
use pchadr::run::executor::undo::NotUndone;
use pchadr::run::store::MemoryStore;

use super::{killed, record_of, stands, starts};
use crate::site::{Drill, effects, litware, paused};
use crate::sweep::sweep;

/// For each record at which the copy can end, undoes what a finished run did, by that copy alone.
fn undo_by_each_beginning(drill: &Drill) {
    let whole = drill.undisturbed();
    let records = whole.journal.split(|byte| *byte == b'\n').count() - 1;
    let points: Vec<usize> = (1..records).collect();
    sweep(&points, |records| {
        paused(Box::pin(async {
            let mut stage = drill.stage();
            let store = MemoryStore::default();
            drill.run(&stage, &store).await.expect("a record");
            let made = effects(&stage);
            let lines = whole.journal.split_inclusive(|byte| *byte == b'\n');
            let beginning: Vec<u8> = lines.take(*records).flatten().copied().collect();
            stage.reopen(&drill.site);
            let undone = drill.abort(&stage, &MemoryStore::with(&beginning)).await;
            let what = format!("a copy of {records} records");
            match undone {
                Err(NotUndone::Refused(problem)) => {
                    assert!(!problem.remedies.is_empty(), "{what}: {problem}");
                    assert_eq!(effects(&stage), made, "{what}");
                }
                Ok(finished) => assert_eq!(
                    finished.outcome,
                    Outcome::Stopped,
                    "{what}: {:?}",
                    finished.error
                ),
                Err(other) => panic!("{what}: {other}"),
            }
        }));
    });
}

#[test]
fn a_failover_that_is_done_is_never_called_undone_by_a_copy_that_ends_early() {
    undo_by_each_beginning(&Drill::failover(litware()));
}

#[test]
fn a_failback_that_is_done_is_never_called_undone_by_a_copy_that_ends_early() {
    undo_by_each_beginning(&Drill::failback(litware()));
}

/// Killed with all done that can be undone: what a beginning of the record does not know of is still
/// seen, by the number that the run took, or by a step that finds more than it did.
#[test]
fn a_failover_that_can_be_undone_is_undone_whole_or_not_by_a_copy_that_ends_early() {
    let drill = Drill::failover(litware());
    let last = record_of(&drill.undisturbed().journal, starts("recover-database"));
    // Seconds in all: every point, as the first two alone show that the number is looked at.
    for records in 1..last {
        paused(Box::pin(async {
            let before = stands(&drill.stage());
            let (stage, store) = killed(&drill, last).await;
            let bytes = store.bytes();
            let lines = bytes.split_inclusive(|byte| *byte == b'\n');
            let beginning: Vec<u8> = lines.take(records).flatten().copied().collect();
            let undone = drill.abort(&stage, &MemoryStore::with(&beginning)).await;
            let what = format!("a copy of {records} records");
            match undone {
                Err(NotUndone::Refused(problem)) => {
                    assert!(!problem.remedies.is_empty(), "{what}: {problem}");
                }
                Ok(finished) if finished.outcome == Outcome::Undone => {
                    assert!(stands(&stage) == before, "{what}: undone, and it is not");
                }
                Ok(finished) => assert_eq!(finished.outcome, Outcome::Stopped, "{what}"),
                Err(other) => panic!("{what}: {other}"),
            }
        }));
    }
}
