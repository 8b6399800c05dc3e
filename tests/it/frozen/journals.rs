//! Frozen journals of the later formats.

use std::fs;

use pchadr::approval::{Approved, digest, proof};
use pchadr::model::document::PROGRAM;
use pchadr::run::event::{Event, Outcome, ProcessIs};
use pchadr::run::executor::undo::{refusal, to_undo};
use pchadr::run::fold::{RunState, fold};
use pchadr::run::journal;

use crate::program::root;

/// The journal of a rehearsed failover: format 3 has the number that fences older runs off, which an
/// earlier version of the program would not heed.
#[test]
fn a_journal_of_version_3_carries_the_number_that_its_run_took() {
    let path = root().join("tests/it/frozen/version-3/journal.jsonl");
    let records = journal::read(&fs::read(path).unwrap()).unwrap().records;
    let taken = records.iter().position(|record| match &record.event {
        Event::FenceTaken { number, .. } => *number == 1,
        _ => false,
    });
    let (before, after) = records.split_at(taken.unwrap());
    assert!(before.iter().all(|record| record.fence.is_none()));
    assert!(after.iter().all(|record| record.fence == Some(1)));
    let powershell = records.iter().position(|record| match &record.event {
        Event::PowerShell { is, .. } => *is == ProcessIs::Sending,
        _ => false,
    });
    // It is known before the first cmdlet is sent; what the run started ends with it.
    let state = fold(&records[..=powershell.unwrap()]).unwrap();
    assert!(state.powershell().is_some_and(|it| it.host == "simulated"));
    let state = fold(&records).unwrap();
    assert_eq!(state.powershell(), None);
    assert_eq!((state.fence, state.ended), (1, Some(Outcome::Done)));
    assert_eq!(state.on_their_way("backup").count(), 0);
}

/// The journals of a failover in two parts: format 4 has the step that a run ends behind, the run that
/// another one continues, and the steps of a plan that changed, which an earlier version would not heed.
#[test]
fn journals_of_version_4_say_which_part_of_a_failover_they_are() {
    let read = |name: &str| {
        let path = root().join("tests/it/frozen/version-4").join(name);
        journal::read(&fs::read(path).unwrap()).unwrap().records
    };
    let records = read("part.jsonl");
    let began = fold(&records[..1]).unwrap();
    let ids = |state: &RunState| {
        let ids = state.steps.iter().map(|step| step.id.clone());
        ids.collect::<Vec<String>>()
    };
    let part = fold(&records).unwrap();
    assert_eq!(part.until.as_deref(), Some("end-connections"));
    assert_eq!(part.ended, Some(Outcome::Done));
    let rest = part.left_to_later().map(|step| step.id.as_str());
    assert_eq!(rest, Some("recover-database"));
    // It was resumed with the mirror behind what serves users.
    assert_ne!(ids(&began), ids(&part));
    assert_eq!(ids(&part).last().unwrap(), "install-mirror");
    let undone = to_undo(&part).unwrap();
    assert_eq!(undone.len(), 4, "{undone:?}");
    assert_eq!(refusal(&part), None);

    let whole = fold(&read("rest.jsonl")).unwrap();
    let continues = whole.continues.as_ref().unwrap();
    assert_eq!(
        (&continues.run, continues.from.as_deref()),
        (&part.run, Some("recover-database"))
    );
    assert!(whole.is_done("apply-logs"));
    assert_eq!(
        (whole.ended, whole.left_to_later()),
        (Some(Outcome::Done), None)
    );
}

/// The journal of a rehearsed failover and the approval that it ran under: format 5 has the digest of that,
/// which an earlier version would not heed: it would go on with a plan that nobody approved.
#[test]
fn a_journal_of_version_5_names_the_approval_that_stands_beside_it() {
    let folder = root().join("tests/it/frozen/version-5");
    let records = journal::read(&fs::read(folder.join("journal.jsonl")).unwrap()).unwrap();
    let kept = fs::read(folder.join("approval.json")).unwrap();
    let state = fold(&records.records).unwrap();
    assert_eq!(state.approved.as_ref(), Some(&digest(&kept)));
    let proof = proof::of(&records.records, Some(&kept)).unwrap();
    assert_eq!((proof.why, proof.commands), (None, 10));

    let read = Approved::read(kept.clone()).unwrap().approval;
    assert!(read.facts.len() > 40, "{}", read.facts.len());
    let was = String::from_utf8(kept).unwrap();
    let again = String::from_utf8(read.to_json().unwrap()).unwrap();
    let program = format!(r#""program": "{PROGRAM}""#);
    assert_eq!(
        again,
        was.replacen(r#""program": "pchadr 0.1.0""#, &program, 1)
    );
}
