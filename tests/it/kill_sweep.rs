//! Killed at any instant and resumed, a run ends as one that was never killed, and every completed
//! effect happened once (DESIGN 3, rule 8).

use std::time::Duration;

use pchadr::cli::rehearse::Stage;
use pchadr::rehearsal::cmdlets::{FaultKind as CmdletFault, PowerShellFault};
use pchadr::rehearsal::simulated::Change;
use pchadr::rehearsal::world::{FaultKind, SqlFault};
use pchadr::run::event::{Outcome, StepOutcome};
use pchadr::run::store::MemoryStore;

use crate::site::{
    Undisturbed, assert_once, assert_same_end, disaster, effects, end, litware, paused, plan, run,
    undisturbed,
};

/// Goes on with what survived, and compares with the undisturbed run.
async fn resume_and_compare(
    mut stage: Stage,
    store: MemoryStore,
    undisturbed: &Undisturbed,
    what: &str,
) {
    let (site, plan) = (litware(), plan(&litware()));
    stage.reopen(&site);
    let finished = run(&site, &plan, &stage, &store)
        .await
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(
        finished.outcome,
        Outcome::Done,
        "{what}: {:?}",
        finished.error
    );
    assert!(
        finished.steps.values().all(|outcome| matches!(
            outcome,
            StepOutcome::Done | StepOutcome::DoneBefore | StepOutcome::Overtaken
        )),
        "{what}: {:?}",
        finished.steps
    );
    let mut made = effects(&stage);
    assert_once(&made, what);
    let mut wanted = undisturbed.effects.clone();
    made.sort();
    wanted.sort();
    assert_eq!(made, wanted, "{what}: other changes");
    assert_same_end(&end(&stage), &undisturbed.end, what);
    assert_eq!(stage.simulated.unknown(), Vec::<String>::new(), "{what}");
}

#[test]
fn a_run_that_is_killed_before_any_record_ends_the_same_when_it_is_resumed() {
    let (site, plan) = (litware(), plan(&litware()));
    let whole = undisturbed(&site, &plan, &disaster());
    let records = whole.journal.split(|byte| *byte == b'\n').count() - 1;
    assert!(records > 40, "{records} records are no sweep");
    for n in 1..=records {
        // What was not synced is lost, but for a torn piece of it, of a length that varies.
        let torn = (n * 37) % 90;
        paused(async {
            let stage = Stage::build(&site, &disaster()).expect("a site");
            let store = MemoryStore::default();
            store.fail_append(n);
            let ended = run(&site, &plan, &stage, &store).await;
            assert!(ended.is_err(), "record {n} was to fail");
            let what = format!("killed before record {n}, {torn} torn bytes kept");
            resume_and_compare(stage, store.crash(torn), &whole, &what).await;
        });
    }
}

#[test]
fn a_run_that_is_killed_between_a_command_and_its_effect_or_after_it_ends_the_same() {
    let (site, plan) = (litware(), plan(&litware()));
    let whole = undisturbed(&site, &plan, &disaster());
    let changes = paused(async {
        let stage = Stage::build(&site, &disaster()).expect("a site");
        let store = MemoryStore::default();
        run(&site, &plan, &stage, &store).await.expect("a record");
        stage.simulated.changes.all()
    });
    let mut cmdlets = 0;
    let mut points = 0;
    for change in changes {
        let after = [false, true];
        match change {
            Change::Sql(executed) => {
                for after in after {
                    points += 1;
                    let kind = if after {
                        FaultKind::SilenceAfter
                    } else {
                        FaultKind::SilenceBefore
                    };
                    let what = format!("killed at {kind:?} of `{}`", executed.text);
                    paused(async {
                        let stage = Stage::build(&site, &disaster()).expect("a site");
                        stage.simulated.world.with(|state| {
                            state.faults.push(SqlFault {
                                instance: executed.instance,
                                contains: executed.text.clone(),
                                nth: 1,
                                kind,
                            });
                        });
                        kill_in_the_silence(stage, &whole, &what).await;
                    });
                }
            }
            Change::Cmdlet { cmdlet, .. } => {
                cmdlets += 1;
                for after in after {
                    points += 1;
                    let kind = if after {
                        CmdletFault::SilenceAfter
                    } else {
                        CmdletFault::SilenceBefore
                    };
                    let what = format!("killed at {kind:?} of change {cmdlets}, {cmdlet}");
                    paused(async {
                        let stage = Stage::build(&site, &disaster()).expect("a site");
                        stage.simulated.cmdlets.fail(PowerShellFault {
                            cmdlet: "*".to_owned(),
                            nth: cmdlets,
                            kind,
                        });
                        kill_in_the_silence(stage, &whole, &what).await;
                    });
                }
            }
            Change::File(_) => {}
        }
    }
    assert!(points > 40, "{points} points are no sweep");
}

/// Runs until the fault has struck, and a second longer, then drops the run.
async fn kill_in_the_silence(stage: Stage, whole: &Undisturbed, what: &str) {
    let (site, plan) = (litware(), plan(&litware()));
    let store = MemoryStore::default();
    {
        let running = run(&site, &plan, &stage, &store);
        tokio::pin!(running);
        let mut struck = false;
        while !struck {
            struck = stage.simulated.world.with(|state| state.faults.is_empty())
                && !stage.simulated.cmdlets.has_faults();
            let ended = tokio::time::timeout(Duration::from_secs(1), &mut running).await;
            assert!(ended.is_err(), "{what}: nothing was silent");
        }
    }
    resume_and_compare(stage, store.crash(0), whole, what).await;
}

#[test]
fn a_run_that_is_killed_at_any_moment_ends_the_same_when_it_is_resumed() {
    const MOMENTS: u32 = 70;
    let (site, plan) = (litware(), plan(&litware()));
    let whole = undisturbed(&site, &plan, &disaster());
    for moment in 0..MOMENTS {
        let at = Duration::from_secs_f64(whole.seconds * f64::from(moment) / f64::from(MOMENTS));
        paused(async {
            let stage = Stage::build(&site, &disaster()).expect("a site");
            let store = MemoryStore::default();
            let ended = tokio::time::timeout(at, run(&site, &plan, &stage, &store)).await;
            assert!(ended.is_err(), "the run ended before {at:?}");
            let what = format!("killed after {:.3} s", at.as_secs_f64());
            let survived = store.crash(0);
            resume_and_compare(stage, survived, &whole, &what).await;
        });
    }
}
