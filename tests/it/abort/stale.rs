//! A copy of a record that ends early: its machine wrote on, and the copy could not be written any more.
//! Undoing it must never say that everything is as it was where the run went further.

use pchadr::run::event::Outcome;
use pchadr::run::executor::undo::NotUndone;
use pchadr::run::store::MemoryStore;

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
