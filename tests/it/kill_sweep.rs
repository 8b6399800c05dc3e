//! Killed at any instant and resumed, a run ends as one that was never killed, and every completed
//! effect happened once (`design.md` 3, rule 8).

use std::time::Duration;

use pchadr::cli::rehearse::Stage;
use pchadr::rehearsal::cmdlets::{FaultKind as CmdletFault, PowerShellFault};
use pchadr::rehearsal::simulated::Change;
use pchadr::rehearsal::world::{Executed, FaultKind, SqlFault};
use pchadr::run::event::{Outcome, StepOutcome};
use pchadr::run::store::MemoryStore;

use crate::site::{
    Drill, Undisturbed, assert_once, assert_same_effects, assert_same_end, effects, end, litware,
    paused,
};
use crate::sweep::{NoReturn, sweep_around};

/// Goes on with what survived, and compares with the undisturbed run.
pub(crate) async fn resume_and_compare(
    drill: &Drill,
    mut stage: Stage,
    store: MemoryStore,
    undisturbed: &Undisturbed,
    what: &str,
) {
    stage.reopen(&drill.site);
    let finished = drill
        .run(&stage, &store)
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
    let made = effects(&stage);
    assert_once(&made, what);
    assert_same_effects(&made, &undisturbed.effects, what);
    assert_same_end(&end(&stage), &undisturbed.end, what);
    assert_eq!(stage.simulated.unknown(), Vec::<String>::new(), "{what}");
}

/// Kills the run before each of its records.
pub(crate) fn kill_before_records(drill: &Drill) {
    let whole = drill.undisturbed();
    let records = whole.journal.split(|byte| *byte == b'\n').count() - 1;
    assert!(records > 40, "{records} records are no sweep");
    let points: Vec<usize> = (1..=records).collect();
    let always = [NoReturn::of(drill, &whole).record];
    sweep_around(&points, &always, |n| {
        // What was not synced is lost, but for a torn piece of it, of a length that varies.
        let torn = (n * 37) % 90;
        paused(async {
            let stage = drill.stage();
            let store = MemoryStore::default();
            store.fail_append(*n);
            let ended = drill.run(&stage, &store).await;
            assert!(ended.is_err(), "record {n} was to fail");
            let what = format!("killed before record {n}, {torn} torn bytes kept");
            resume_and_compare(drill, stage, store.crash(torn), &whole, &what).await;
        });
    });
}

/// Where a run falls silent for good.
enum Silence {
    Sql(Executed, FaultKind),
    Cmdlet(usize, CmdletFault),
}

/// Kills the run between each command and its effect, and after the effect.
pub(crate) fn kill_around_effects(drill: &Drill) {
    kill_around(drill, |_| true, 40);
}

/// The same for these commands, of which there are so many points.
pub(crate) fn kill_around(drill: &Drill, of: fn(&Change) -> bool, least: usize) {
    let whole = drill.undisturbed();
    let no_return = NoReturn::of(drill, &whole).change;
    let mut cmdlets = 0;
    let (mut points, mut always) = (Vec::new(), Vec::new());
    for (n, change) in whole.changes.iter().enumerate() {
        if n == no_return {
            always.extend([points.len(), points.len() + 1]);
        }
        match change {
            Change::Sql(executed) if of(change) => {
                for kind in [FaultKind::SilenceBefore, FaultKind::SilenceAfter] {
                    points.push(Silence::Sql(executed.clone(), kind));
                }
            }
            Change::Cmdlet { .. } => {
                cmdlets += 1;
                if of(change) {
                    for kind in [CmdletFault::SilenceBefore, CmdletFault::SilenceAfter] {
                        points.push(Silence::Cmdlet(cmdlets, kind));
                    }
                }
            }
            Change::Sql(_) | Change::File(_) => {}
        }
    }
    assert!(points.len() >= least, "{} are no sweep", points.len());
    sweep_around(&points, &always, |point| {
        paused(async {
            let stage = drill.stage();
            let what = match point {
                Silence::Sql(executed, kind) => {
                    stage.simulated.world.with(|state| {
                        state.faults.push(SqlFault {
                            instance: executed.instance,
                            contains: executed.text.clone(),
                            nth: 1,
                            kind: *kind,
                        });
                    });
                    format!("killed at {kind:?} of `{}`", executed.text)
                }
                Silence::Cmdlet(nth, kind) => {
                    stage.simulated.cmdlets.fail(PowerShellFault {
                        cmdlet: "*".to_owned(),
                        nth: *nth,
                        kind: *kind,
                    });
                    format!("killed at {kind:?} of change {nth}")
                }
            };
            kill_in_the_silence(drill, stage, &whole, &what).await;
        });
    });
}

/// Runs until the fault has struck, and a second longer, then drops the run.
async fn kill_in_the_silence(drill: &Drill, stage: Stage, whole: &Undisturbed, what: &str) {
    let store = MemoryStore::default();
    {
        let running = drill.run(&stage, &store);
        tokio::pin!(running);
        let mut struck = false;
        while !struck {
            struck = stage.simulated.world.with(|state| state.faults.is_empty())
                && !stage.simulated.cmdlets.has_faults();
            let ended = tokio::time::timeout(Duration::from_secs(1), &mut running).await;
            assert!(ended.is_err(), "{what}: nothing was silent");
        }
    }
    resume_and_compare(drill, stage, store.crash(0), whole, what).await;
}

/// Kills the run at so many moments.
pub(crate) fn kill_at_moments(drill: &Drill, moments: u32) {
    let whole = drill.undisturbed();
    let points: Vec<u32> = (0..moments).collect();
    let part = NoReturn::of(drill, &whole).seconds / whole.seconds;
    let always = points
        .iter()
        .filter(|at| f64::from(**at) <= part * f64::from(moments));
    sweep_around(&points, &[always.count()], |moment| {
        let at = Duration::from_secs_f64(whole.seconds * f64::from(*moment) / f64::from(moments));
        paused(async {
            let stage = drill.stage();
            let store = MemoryStore::default();
            let ended = tokio::time::timeout(at, drill.run(&stage, &store)).await;
            assert!(ended.is_err(), "the run ended before {at:?}");
            let what = format!("killed after {:.3} s", at.as_secs_f64());
            let survived = store.crash(0);
            resume_and_compare(drill, stage, survived, &whole, &what).await;
        });
    });
}

#[test]
fn a_run_that_is_killed_before_any_record_ends_the_same_when_it_is_resumed() {
    kill_before_records(&Drill::failover(litware()));
}

#[test]
fn a_run_that_is_killed_between_a_command_and_its_effect_or_after_it_ends_the_same() {
    kill_around_effects(&Drill::failover(litware()));
}

#[test]
fn a_run_that_is_killed_at_any_moment_ends_the_same_when_it_is_resumed() {
    kill_at_moments(&Drill::failover(litware()), 60);
}

#[test]
fn a_failback_that_is_killed_before_any_record_ends_the_same_when_it_is_resumed() {
    kill_before_records(&Drill::failback(litware()));
}

#[test]
fn a_failback_that_is_killed_between_a_command_and_its_effect_or_after_it_ends_the_same() {
    kill_around_effects(&Drill::failback(litware()));
}

#[test]
fn a_failback_that_is_killed_at_any_moment_ends_the_same_when_it_is_resumed() {
    kill_at_moments(&Drill::failback(litware()), 50);
}

#[test]
fn a_failback_that_is_killed_around_the_stop_or_start_of_a_service_ends_the_same() {
    let of = |change: &Change| matches!(change, Change::Cmdlet { cmdlet, .. } if cmdlet.contains("WindowsService"));
    kill_around(&crate::holding_on::drill_for_both(litware()), of, 12);
}

#[test]
fn a_failback_over_an_old_primary_that_is_killed_around_any_effect_ends_the_same() {
    kill_around_effects(&Drill::powered_off(litware()));
}

#[test]
fn a_failback_over_an_old_primary_that_is_killed_at_any_moment_ends_the_same() {
    kill_at_moments(&Drill::powered_off(litware()), 30);
}
