//! Whatever a cmdlet says is shown and recorded, and where its effect does not show, it is why the step
//! stopped (`skype-powershell.md` 1.4: failures may come as warnings only).

use pchadr::rehearsal::cmdlets::{FaultKind, PowerShellFault};
use pchadr::run::event::{Event, Outcome, RunFinished};
use pchadr::run::journal;
use pchadr::run::store::MemoryStore;

use crate::site::{Drill, litware, paused};

const SET: &str = "Set-CsPersistentChatState";

/// How a failover ends in which that cmdlet goes wrong so, and how many errors and warnings of it are
/// recorded.
fn ended(kind: FaultKind) -> (RunFinished, (usize, usize)) {
    let drill = Drill::failover(litware());
    paused(async {
        let stage = drill.stage();
        let store = MemoryStore::default();
        stage.simulated.cmdlets.fail(PowerShellFault {
            cmdlet: SET.to_owned(),
            nth: 1,
            kind,
        });
        let finished = drill.run(&stage, &store).await.expect("a record");
        let mut said = (0, 0);
        for record in journal::read(&store.bytes()).expect("a journal").records {
            if let Event::CmdletSaid {
                step,
                cmdlet,
                errors,
                warnings,
            } = record.event
            {
                assert_eq!((&step[..], &cmdlet[..]), ("set-pool-state", SET));
                said = (said.0 + errors.len(), said.1 + warnings.len());
            }
        }
        (finished, said)
    })
}

#[test]
fn a_cmdlet_that_only_warns_and_does_nothing_ends_its_step_with_what_it_said() {
    let (finished, said) = ended(FaultKind::WarningBefore);
    assert_eq!(finished.outcome, Outcome::Stopped);
    let why = finished.error.expect("an error").why;
    assert!(why.contains("remote registry"), "{why}");
    assert!(why.contains("encountered errors"), "{why}");
    assert_eq!(said, (0, 2));
}

#[test]
fn what_a_cmdlet_says_that_took_effect_is_recorded_too() {
    let (finished, said) = ended(FaultKind::WarningAfter);
    assert_eq!((finished.outcome, said), (Outcome::Done, (0, 2)));
    let (finished, said) = ended(FaultKind::ErrorAfter);
    assert_eq!((finished.outcome, said), (Outcome::Done, (2, 0)));
}

#[test]
fn a_second_error_is_told_with_the_first() {
    let (finished, said) = ended(FaultKind::ErrorBefore);
    assert_eq!(finished.outcome, Outcome::Stopped);
    let why = finished.error.expect("an error").why;
    assert!(why.contains("transient failure"), "{why}");
    assert!(why.contains("Task execution failed"), "{why}");
    assert_eq!(said, (2, 0));
}
