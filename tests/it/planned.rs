//! A planned failover: the primary lives and gives the end of its log; nothing is lost, and until the
//! backup is recovered everything can be taken back (`steps.md` 6.8).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::time::Duration;

use pchadr::cli::rehearse::Stage;
use pchadr::model::states::DatabaseState;
use pchadr::model::{Instance, Lsn, Role};
use pchadr::rehearsal::simulated::{Change, Logs, Recipe};
use pchadr::rehearsal::world::{Executed, FaultKind, SqlFault};
use pchadr::run::event::{Event, Outcome};
use pchadr::run::fold::fold;
use pchadr::run::store::MemoryStore;
use pchadr::runbook::{Direction, FAILOVER_PLANNED};
use pchadr::site::Site;

use crate::abort::{killed, record_of, records, starts};
use crate::kill_sweep::{kill_around, kill_at_moments, kill_before_records};
use crate::site::{
    Drill, End, assert_once, assert_one_writable, assert_same_end, effects, end, litware, paused,
    plan_by,
};
use crate::sweep::sweep;

const PRIMARY: Instance = Instance::chat(Role::Primary);
const BACKUP: Instance = Instance::chat(Role::Backup);

/// A planned failover of a site in its normal state, log shipping one log backup behind.
pub(crate) fn drill(site: Site) -> Drill {
    Drill {
        plan: plan_by(FAILOVER_PLANNED, Direction::Failover, &site),
        recipe: Recipe::in_step(Logs::Made(16)),
        ..Drill::failover(site)
    }
}

fn chat(stage: &Stage, at: Instance) -> (DatabaseState, u64) {
    let summary = stage.simulated.world.summary();
    let mgc = summary.database(at, "mgc").unwrap();
    (mgc.state, mgc.messages)
}

#[test]
fn a_planned_failover_loses_nothing_and_leaves_the_primary_closed_at_the_end_of_its_log() {
    let drill = drill(litware());
    paused(async {
        let stage = drill.stage();
        let (_, written) = chat(&stage, PRIMARY);
        let (_, shipped) = chat(&stage, BACKUP);
        assert!(written > shipped, "there is something to lose");
        let store = MemoryStore::default();
        let finished = drill.run(&stage, &store).await.unwrap();
        assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
        assert_eq!(finished.loss_seconds, Some(0));
        assert_eq!(chat(&stage, BACKUP), (DatabaseState::Online, written));
        assert_eq!(chat(&stage, PRIMARY).0, DatabaseState::Restoring);
        let end = end(&stage);
        assert_eq!(end.pool, "FailedOver");
        // Log shipping waits for the way home: nothing of it is dropped, none of its jobs runs.
        for role in [Role::Primary, Role::PrimaryMirror, Role::Backup] {
            let jobs = &end.instances.instances[&Instance::chat(role)].jobs;
            assert!(!jobs.is_empty(), "{role}");
            assert!(jobs.values().all(|enabled| !enabled), "{role}: {jobs:?}");
        }
    });
}

#[test]
fn a_planned_failover_that_is_killed_before_any_record_ends_the_same_when_it_is_resumed() {
    kill_before_records(&drill(litware()));
}

#[test]
fn a_planned_failover_that_is_killed_between_a_command_and_its_effect_or_after_it_ends_the_same() {
    kill_around(&drill(litware()), |_| true, 30);
}

#[test]
fn a_planned_failover_that_is_killed_at_any_moment_ends_the_same_when_it_is_resumed() {
    kill_at_moments(&drill(litware()), 40);
}

/// How the site stands, but for copies, for LSNs, and for how far a mirror is.
fn stands(stage: &Stage) -> End {
    stage.simulated.world.synchronize();
    let mut end = end(stage);
    end.files.clear();
    for server in end.instances.instances.values_mut() {
        for database in server.databases.values_mut() {
            database.lsn = Lsn::ZERO;
        }
    }
    // What the set-up of a mirror restores there has both off (`sql-server.md` 6.4).
    let mirror = Instance::chat(Role::PrimaryMirror);
    let mirror = end.instances.instances.get_mut(&mirror).unwrap();
    let copy = mirror.databases.get_mut("mgc").unwrap();
    (copy.trustworthy, copy.broker) = (false, false);
    let backup = end.instances.instances.get_mut(&BACKUP).unwrap();
    backup.databases.get_mut("mgc").unwrap().messages = 0;
    end
}

/// Undoes it, and sees that the site stands as before, and that log shipping goes on.
async fn abort_and_compare(
    drill: &Drill,
    stage: &Stage,
    store: &MemoryStore,
    before: &End,
    what: &str,
) {
    let finished = drill.abort(stage, store).await.unwrap();
    assert_eq!(
        finished.outcome,
        Outcome::Undone,
        "{what}: {:?}",
        finished.error
    );
    assert_same_end(&stands(stage), before, what);
    assert_once(&effects(stage), what);
    assert_eq!(stage.simulated.unknown(), Vec::<String>::new(), "{what}");
    let folded = fold(&records(store)).unwrap();
    assert!(folded.is_finished() && !folded.has_acted(), "{what}");
    assert_one_writable(stage);
    // A log backup that is taken now joins what the backup has: it is a secondary still.
    let (begins, redo) = stage.simulated.world.with(|state| {
        let mgc = |at: Instance| state.instances[&at].database("mgc").unwrap();
        (mgc(PRIMARY).log_start, mgc(BACKUP).redo_start)
    });
    let was_closed = records(store)
        .iter()
        .any(|it| matches!(&it.event, Event::Command { step, .. } if step == "remove-mirroring"));
    assert!(!was_closed || begins <= redo, "{what}: {begins} > {redo}");
}

#[test]
fn a_planned_failover_that_is_killed_before_any_record_before_recovery_can_be_undone() {
    let drill = drill(litware());
    let whole = drill.undisturbed();
    let last = record_of(&whole.journal, starts("recover-database"));
    let points: Vec<usize> = (2..=last).collect();
    assert!(points.len() > 40, "{} points are no sweep", points.len());
    sweep(&points, |n| {
        paused(async {
            let before = stands(&drill.stage());
            let (stage, store) = killed(&drill, *n).await;
            let what = format!("killed before record {n}");
            abort_and_compare(&drill, &stage, &store, &before, &what).await;
        });
    });
}

#[test]
fn a_planned_failover_that_is_killed_around_any_statement_before_recovery_can_be_undone() {
    let drill = drill(litware());
    let whole = drill.undisturbed();
    let sql = whole.changes.iter().filter_map(|change| match change {
        Change::Sql(executed) => Some(executed),
        Change::Cmdlet { .. } | Change::File(_) => None,
    });
    let sql: Vec<&Executed> = sql
        .take_while(|executed| !executed.text.contains("WITH RECOVERY"))
        .collect();
    let kinds = [FaultKind::SilenceBefore, FaultKind::SilenceAfter];
    let points: Vec<_> = sql
        .into_iter()
        .flat_map(|it| kinds.map(|kind| (it, kind)))
        .collect();
    assert!(points.len() >= 16, "{} points are no sweep", points.len());
    sweep(&points, |(executed, kind)| {
        paused(async {
            let what = format!("killed at {kind:?} of `{}`", executed.text);
            let mut stage = drill.stage();
            let before = stands(&drill.stage());
            stage.simulated.world.with(|state| {
                state.faults.push(SqlFault {
                    instance: executed.instance,
                    contains: executed.text.clone(),
                    nth: 1,
                    kind: *kind,
                });
            });
            let store = MemoryStore::default();
            {
                let running = drill.run(&stage, &store);
                tokio::pin!(running);
                while stage.simulated.world.with(|state| !state.faults.is_empty()) {
                    let ended = tokio::time::timeout(Duration::from_secs(1), &mut running).await;
                    assert!(ended.is_err(), "{what}: nothing was silent");
                }
            }
            stage.reopen(&drill.site);
            let store = store.crash(0);
            abort_and_compare(&drill, &stage, &store, &before, &what).await;
        });
    });
}

#[test]
fn the_way_home_from_a_planned_failover_is_a_failback() {
    let there = drill(litware());
    let home = Drill::failback(litware());
    paused(async {
        let mut stage = there.stage();
        let store = MemoryStore::default();
        let finished = there.run(&stage, &store).await.unwrap();
        assert_eq!(finished.outcome, Outcome::Done);
        let (_, written) = chat(&stage, BACKUP);
        stage.reopen(&home.site);
        let finished = home.run_again(&stage).await;
        assert_eq!(finished.outcome, Outcome::Done, "{:#?}", finished.error);
        let (state, messages) = chat(&stage, PRIMARY);
        assert_eq!(state, DatabaseState::Online);
        assert!(messages >= written);
    });
}
