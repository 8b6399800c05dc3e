//! `fence`: what came back in the first data center is closed, and never the only one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use pchadr::cli::rehearse::{Stage, saved_before};
use pchadr::model::states::DatabaseState;
use pchadr::model::{Instance, Role};
use pchadr::rehearsal::simulated::{Change, Recipe};
use pchadr::rehearsal::world::{FaultKind, PrimarySide, SqlFault, Start};
use pchadr::run::event::{Outcome, RunFinished};
use pchadr::run::executor::undo::NotUndone;
use pchadr::run::store::MemoryStore;
use pchadr::status::Status;

use crate::program::{Program, litware as file};
use crate::site::{
    Drill, assert_once, assert_same_effects, assert_same_end, changes, effects, end, litware,
    paused, primary_mirror_is_principal,
};
use crate::variants::{events, overriding, statements};

const PRIMARY: Instance = Instance::chat(Role::Primary);
const MIRROR: Instance = Instance::chat(Role::PrimaryMirror);
const BACKUP: Instance = Instance::chat(Role::Backup);

async fn hold(drill: &Drill, stage: &Stage) -> RunFinished {
    drill.run(stage, &MemoryStore::default()).await.unwrap()
}

fn state(stage: &Stage, at: Instance) -> DatabaseState {
    stage
        .simulated
        .world
        .summary()
        .database(at, "mgc")
        .unwrap()
        .state
}

fn jobs_are_on(stage: &Stage) -> bool {
    stage.simulated.world.with(|state| {
        let jobs = |at: Instance| state.instances[&at].msdb.jobs.iter();
        jobs(PRIMARY).chain(jobs(MIRROR)).all(|job| job.enabled)
    })
}

/// Statements that changed something, in order.
fn sent(stage: &Stage) -> Vec<String> {
    let changes = changes(stage);
    statements(&changes)
        .into_iter()
        .map(str::to_owned)
        .collect()
}

#[test]
fn what_came_back_is_closed_keeps_what_it_holds_and_the_failover_that_waited_goes_on() {
    let failover = Drill::failover(litware());
    let fence = Drill::fence(litware());
    for principal in [PRIMARY, MIRROR] {
        paused(async {
            let stage = failover.stage();
            let store = MemoryStore::default();
            let world = &stage.simulated.world;
            let up = || {
                world.up(Role::Primary);
                world.up(Role::PrimaryMirror);
                if principal == MIRROR {
                    world.synchronize();
                    primary_mirror_is_principal(&stage, &failover.site);
                }
                world.write_messages(principal, 7);
            };
            world.returns(Role::Primary, std::time::Duration::from_secs(200));
            let part = failover.part(&stage, "failover");
            let stopped = part
                .execute(Box::new(store.clone()), Vec::new())
                .await
                .unwrap();
            assert_eq!(stopped.outcome, Outcome::Stopped, "{:?}", stopped.error);
            up();
            let held = world.summary().database(principal, "mgc").unwrap().messages;

            let part = fence.part(&stage, "fence");
            let closed = part
                .execute(Box::new(MemoryStore::default()), Vec::new())
                .await
                .unwrap();
            assert_eq!(closed.outcome, Outcome::Done, "{:?}", closed.error);
            assert_eq!(state(&stage, principal), DatabaseState::Offline);
            assert!(!jobs_are_on(&stage));
            let other = if principal == PRIMARY {
                MIRROR
            } else {
                PRIMARY
            };
            assert_eq!(state(&stage, other), DatabaseState::Restoring);
            let after = world.summary().database(principal, "mgc").unwrap().messages;
            assert_eq!(after, held, "nothing is lost");
            let status = Status::observe(&fence.site, &stage.access).await;
            assert_eq!(status.two, None);

            let part = failover.part(&stage, "failover");
            let done = part
                .execute(Box::new(store.clone()), Vec::new())
                .await
                .unwrap();
            assert_eq!(done.outcome, Outcome::Done, "{:?}", done.error);
            assert_eq!(stage.simulated.unknown(), Vec::<String>::new());
            assert_eq!(state(&stage, BACKUP), DatabaseState::Online);
        });
    }
}

#[test]
fn the_only_one_that_serves_is_never_closed_whatever_is_overridden() {
    let everything = crate::variants::database::EVERY_INTERLOCK;
    let alive = |options: &mut pchadr::rehearsal::world::WorldOptions| {
        options.primary = PrimarySide::Alive;
    };
    for (start, what) in [(Start::Normal, "normal"), (Start::Disaster, "disaster")] {
        let mut drill = Drill::fence(litware());
        drill.recipe = Recipe {
            start,
            vary: alive,
            ..drill.recipe
        };
        for terms in [crate::site::terms(), overriding(everything)] {
            drill.terms = terms;
            paused(async {
                let stage = drill.stage();
                let finished = hold(&drill, &stage).await;
                assert_eq!(
                    (finished.outcome, finished.exit),
                    (Outcome::Refused, 3),
                    "{what}"
                );
                let error = finished.error.unwrap();
                assert!(
                    error.why.contains("may be the only one"),
                    "{what}: {error:?}"
                );
                assert_eq!(sent(&stage), [""; 0], "{what}");
            });
        }
    }
    // The second data center was recovered, and is lost in its turn.
    let drill = Drill::fence(litware());
    paused(async {
        let stage = drill.stage();
        stage.simulated.world.down(Role::Backup);
        stage.simulated.world.down(Role::BackupMirror);
        let finished = hold(&drill, &stage).await;
        assert_eq!(finished.exit, 3, "{:?}", finished.error);
        assert_eq!(state(&stage, PRIMARY), DatabaseState::Online);
        assert_eq!(sent(&stage), [""; 0]);
    });
}

#[test]
fn a_fresh_installation_is_left_alone_and_one_of_another_family_with_messages_refused() {
    let drill = Drill::fence(litware());
    paused(async {
        let stage = drill.stage();
        stage.simulated.world.rebuild();
        let finished = hold(&drill, &stage).await;
        assert_eq!(finished.exit, 0, "{:?}", finished.error);
        assert_eq!(sent(&stage), [""; 0]);
        stage.simulated.world.write_messages(PRIMARY, 3);
        let finished = hold(&drill, &stage).await;
        assert_eq!(finished.exit, 3, "{:?}", finished.error);
        let error = finished.error.unwrap();
        assert!(error.why.contains("another family"), "{error:?}");
        assert_eq!(sent(&stage), [""; 0]);
    });
}

#[test]
fn one_that_is_alone_is_closed_too_and_its_mirror_when_it_is_back() {
    let drill = Drill::fence(litware());
    paused(async {
        let mut stage = drill.stage();
        stage.simulated.world.down(Role::PrimaryMirror);
        let finished = hold(&drill, &stage).await;
        assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
        assert_eq!(state(&stage, PRIMARY), DatabaseState::Offline);
        stage.simulated.world.up(Role::PrimaryMirror);
        stage.reopen(&drill.site);
        let finished = hold(&drill, &stage).await;
        assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
        assert!(!jobs_are_on(&stage));
        assert_eq!(state(&stage, MIRROR), DatabaseState::Restoring);
    });
}

#[test]
fn a_database_that_is_starting_is_closed_as_soon_as_it_is_online() {
    let drill = Drill::fence(litware());
    paused(async {
        let stage = drill.stage();
        let starts = |to| {
            stage.simulated.world.with(|state| {
                let server = state.instances.get_mut(&PRIMARY).unwrap();
                let database = server.database_mut("mgc").unwrap();
                // A start, and no want of a quorum.
                database.mirroring = None;
                database.state = to;
            });
        };
        starts(DatabaseState::Recovering);
        let wakes = async {
            tokio::time::sleep(std::time::Duration::from_mins(5)).await;
            starts(DatabaseState::Online);
        };
        let (finished, ()) = tokio::join!(hold_judged_later(&drill, &stage), wakes);
        assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
        assert_eq!(state(&stage, PRIMARY), DatabaseState::Offline);
    });
}

/// A principal without quorum: only the end of its mirroring ends that (`sql-server.md` 4).
#[test]
fn a_principal_that_stays_recovering_is_closed_all_the_same() {
    let drill = Drill::fence(litware());
    paused(async {
        let stage = drill.stage();
        stage.simulated.world.with(|state| {
            let server = state.instances.get_mut(&PRIMARY).unwrap();
            let database = server.database_mut("mgc").unwrap();
            assert!(database.mirroring.is_some());
            database.state = DatabaseState::Recovering;
        });
        let finished = hold_judged_later(&drill, &stage).await;
        assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
        assert_eq!(state(&stage, PRIMARY), DatabaseState::Offline);
    });
}

/// That it came up is the world's doing.
async fn hold_judged_later(drill: &Drill, stage: &Stage) -> RunFinished {
    let part = drill.part(stage, "fence");
    part.execute(Box::new(MemoryStore::default()), Vec::new())
        .await
        .unwrap()
}

#[test]
fn killed_at_any_moment_and_resumed_a_fence_ends_as_one_that_was_not() {
    let drill = Drill::fence(litware());
    let whole = drill.undisturbed();
    let records = whole.journal.split(|byte| *byte == b'\n').count() - 1;
    for n in 1..=records {
        paused(async {
            let mut stage = drill.stage();
            let store = MemoryStore::default();
            store.fail_append(n);
            assert!(drill.run(&stage, &store).await.is_err());
            stage.reopen(&drill.site);
            let done = drill.run(&stage, &store.crash(17)).await.unwrap();
            assert_eq!(done.outcome, Outcome::Done, "record {n}: {:?}", done.error);
            let what = format!("before record {n}");
            let made = effects(&stage);
            assert_once(&made, &what);
            assert_same_effects(&made, &whole.effects, &what);
            assert_same_end(&end(&stage), &whole.end, &what);
        });
    }
    for change in &whole.changes {
        let Change::Sql(executed) = change else {
            continue;
        };
        for kind in [FaultKind::CutBefore, FaultKind::CutAfter] {
            paused(async {
                let stage = drill.stage();
                stage.simulated.world.with(|state| {
                    state.faults.push(SqlFault {
                        instance: executed.instance,
                        contains: executed.text.clone(),
                        nth: 1,
                        kind,
                    });
                });
                let store = MemoryStore::default();
                let first = drill.run(&stage, &store).await.unwrap();
                if first.outcome != Outcome::Done {
                    let done = drill.run(&stage, &store).await.unwrap();
                    assert_eq!(done.outcome, Outcome::Done, "{:?}", done.error);
                }
                let what = format!("{kind:?} of {}", executed.text);
                assert_once(&effects(&stage), &what);
                assert_same_end(&end(&stage), &whole.end, &what);
            });
        }
    }
}

#[test]
fn undone_before_it_closed_anything_the_jobs_are_on_again_and_after_that_nothing_makes_two() {
    let drill = Drill::fence(litware());
    let whole = drill.undisturbed();
    let records = whole.journal.split(|byte| *byte == b'\n').count() - 1;
    let (mut undone, mut refused, mut unheld) = (0, 0, 0);
    for n in 2..=records {
        for backup_lives in [true, false] {
            paused(async {
                let mut stage = drill.stage();
                let store = MemoryStore::default();
                store.fail_append(n);
                assert!(drill.run(&stage, &store).await.is_err());
                let store = store.crash(0);
                let before = state(&stage, PRIMARY);
                let closed = before == DatabaseState::Offline;
                if !backup_lives {
                    stage.simulated.world.down(Role::Backup);
                    stage.simulated.world.down(Role::BackupMirror);
                }
                stage.reopen(&drill.site);
                let what = format!("record {n}, the backup lives: {backup_lives}");
                let ended = match drill.abort(&stage, &store).await {
                    Ok(ended) => ended,
                    Err(NotUndone::Refused(_)) => return,
                    Err(error) => panic!("{what}: {error}"),
                };
                if !backup_lives {
                    // The lock of the site lies there: who cannot hold it sends nothing.
                    unheld += usize::from(ended.outcome == Outcome::Stopped);
                    if let Some(error) = ended.error {
                        assert!(
                            error.what.contains("the lock of the site"),
                            "{what}: {error:?}"
                        );
                    }
                    assert_eq!(state(&stage, PRIMARY), before, "{what}");
                } else if closed {
                    refused += 1;
                    assert_eq!(ended.outcome, Outcome::Stopped, "{what}");
                    let error = ended.error.unwrap();
                    assert!(error.why.contains("two writable ones"), "{what}: {error:?}");
                    assert_eq!(state(&stage, PRIMARY), DatabaseState::Offline, "{what}");
                    let done = drill.run(&stage, &store).await.unwrap();
                    assert_eq!(done.outcome, Outcome::Done, "{what}: {:?}", done.error);
                } else {
                    undone += 1;
                    assert_eq!(ended.outcome, Outcome::Undone, "{what}: {:?}", ended.error);
                    assert_eq!(state(&stage, PRIMARY), DatabaseState::Online, "{what}");
                    assert!(jobs_are_on(&stage), "{what}");
                }
            });
        }
    }
    assert!(
        undone > 5 && refused > 1 && unheld > 5,
        "{undone}, {refused}, {unheld}"
    );
}

#[test]
fn a_failback_writes_over_what_was_closed_only_when_it_is_told_to() {
    let fence = Drill::fence(litware());
    let mut failback = Drill::powered_off(litware());
    paused(async {
        let mut stage = fence.stage();
        let closed = hold(&fence, &stage).await;
        assert_eq!(closed.outcome, Outcome::Done, "{:?}", closed.error);
        stage.reopen(&fence.site);
        let saved = saved_before(&failback.site, &failback.recipe)
            .await
            .unwrap();
        failback.saved = saved;
        let refused = hold(&failback, &stage).await;
        assert_eq!(refused.exit, 3, "{:?}", refused.error);
        let error = refused.error.unwrap();
        assert!(
            error
                .hint
                .contains("--override old-database-unreadable=REASON"),
            "{error:?}"
        );
        failback.terms = overriding(&["old-database-unreadable"]);
        let home = hold(&failback, &stage).await;
        assert_eq!(home.outcome, Outcome::Done, "{:?}", home.error);
        assert_eq!(state(&stage, PRIMARY), DatabaseState::Online);
    });
}

#[test]
fn it_has_a_plan_and_a_rehearsal_and_its_statements_are_those_of_the_plan() {
    let text = Program::new()
        .run(&["fence", "--dry-run", "--config", file().to_str().unwrap()])
        .done();
    let drill = Drill::fence(litware());
    paused(async {
        let stage = drill.stage();
        let store = MemoryStore::default();
        let finished = drill.run(&stage, &store).await.unwrap();
        assert_eq!(finished.outcome, Outcome::Done);
        let sent = sent(&stage);
        assert_eq!(sent.len(), 4, "{sent:#?}");
        for statement in sent.iter().filter(|it| it.starts_with("ALTER")) {
            assert!(
                text.contains(statement.as_str()),
                "{statement} is not in {text}"
            );
        }
        let consents = events(&store).into_iter().filter(|event| {
            matches!(event, pchadr::run::event::Event::Consent { step, .. } if step == "close-database")
        });
        assert_eq!(consents.count(), 1);
    });
    let rehearsed =
        Program::new().run(&["fence", "--rehearse", "--config", file().to_str().unwrap()]);
    assert_eq!(rehearsed.status, Some(0), "{rehearsed:?}");
    assert!(rehearsed.out.contains("mgc: OFFLINE"), "{rehearsed:?}");
}
