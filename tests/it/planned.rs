//! A planned failover: the primary lives and gives the end of its log; nothing is lost, and until the
//! backup is recovered everything can be taken back (`steps.md` 6.8).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod closed;
mod outage;

use std::time::Duration;

use pchadr::cli::rehearse::Stage;
use pchadr::model::states::DatabaseState;
use pchadr::model::{Instance, Lsn, Remedy, Role};
use pchadr::rehearsal::simulated::{Change, Logs, Recipe};
use pchadr::rehearsal::world::instance::Kind;
use pchadr::rehearsal::world::msdb::JobKind;
use pchadr::rehearsal::world::{Executed, FaultKind, SqlFault};
use pchadr::run::event::{Event, Outcome};
use pchadr::run::executor::undo::gives_way_to_a_failover;
use pchadr::run::fold::fold;
use pchadr::run::orphaned;
use pchadr::run::store::MemoryStore;
use pchadr::runbook::{Direction, FAILOVER_PLANNED};
use pchadr::site::Site;

use crate::abort::{killed, record_of, records, starts};
use crate::kill_sweep::{kill_around, kill_at_moments, kill_before_records};
use crate::site::{
    Drill, End, assert_once, assert_one_writable, assert_same_end, effects, end, litware, paused,
    plan_by, plan_of,
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
        let home = chat(&stage, PRIMARY);
        assert_eq!(home.0, DatabaseState::Online);
        assert!(home.1 >= written);
        assert_eq!(chat(&stage, BACKUP).0, DatabaseState::Restoring);
        let end = end(&stage);
        assert_eq!(end.pool, "Normal");
        for role in [Role::Primary, Role::PrimaryMirror, Role::Backup] {
            let jobs = &end.instances.instances[&Instance::chat(role)].jobs;
            assert!(jobs.values().all(|enabled| *enabled), "{role}: {jobs:?}");
        }
        assert_eq!(stage.simulated.unknown(), Vec::<String>::new());
    });
}

/// Points between the beginning of the outage and recovery.
fn in_the_outage(drill: &Drill) -> Vec<usize> {
    let journal = drill.undisturbed().journal;
    let first = record_of(&journal, starts("clear-active-servers"));
    let last = record_of(&journal, starts("recover-database"));
    (first + 1..=last).collect()
}

#[test]
fn a_first_data_center_that_is_lost_in_the_outage_leaves_the_way_to_a_failover() {
    let drill = drill(litware());
    let points = in_the_outage(&drill);
    let forced = Drill::failover(litware());
    sweep(&points, |n| {
        paused(async {
            let what = format!("killed before record {n}, then the first data center is lost");
            let (mut stage, store) = killed(&drill, *n).await;
            let folded = fold(&records(&store)).unwrap();
            assert!(gives_way_to_a_failover(&folded), "{what}");
            for role in [Role::Primary, Role::PrimaryMirror] {
                stage.simulated.world.down(role);
            }
            stage.simulated.pool.lock().unwrap().set_alive(true, false);
            stage.reopen(&drill.site);
            let finished = forced.run_again(&stage).await;
            assert_eq!(
                finished.outcome,
                Outcome::Done,
                "{what}: {:?}",
                finished.error
            );
            assert_eq!(chat(&stage, BACKUP).0, DatabaseState::Online, "{what}");
            assert_eq!(end(&stage).pool, "FailedOver", "{what}");
        });
    });
}

#[test]
fn a_stop_in_the_outage_names_since_when_chat_is_down_and_both_ways_besides_going_on() {
    let drill = drill(litware());
    let at = record_of_close(&drill);
    paused(async {
        let (mut stage, store) = killed(&drill, at).await;
        stage.simulated.world.down(Role::Primary);
        stage.reopen(&drill.site);
        let stopped = drill.run(&stage, &store).await.unwrap();
        assert_eq!(stopped.outcome, Outcome::Stopped, "{:?}", stopped.error);
        let error = stopped.error.unwrap();
        let seen = error.evidence.join("; ");
        assert!(seen.contains("chat is down since"), "{seen}");
        let commands: Vec<&str> = error
            .remedies
            .iter()
            .filter(|it| it.kind == "command")
            .map(|it| it.text.as_str())
            .collect();
        assert_eq!(commands, ["pchadr abort", "pchadr failover"], "{error:?}");
    });
}

/// The record with which the primary begins to be closed.
fn record_of_close(drill: &Drill) -> usize {
    record_of(&drill.undisturbed().journal, starts("close-primary"))
}

#[test]
fn a_backup_that_is_lost_in_the_outage_has_the_primary_opened_by_hand() {
    let drill = drill(litware());
    let journal = drill.undisturbed().journal;
    let last = record_of(&journal, starts("recover-database"));
    for (at, is_closed) in [(record_of_close(&drill), false), (last, true)] {
        paused(async {
            let (mut stage, store) = killed(&drill, at).await;
            stage.simulated.world.down(Role::Backup);
            stage.reopen(&drill.site);
            let folded = fold(&records(&store)).unwrap();
            let ways = orphaned::ways(&drill.site, &stage.access, &folded).await;
            let statements: Vec<String> = ways
                .into_iter()
                .filter_map(|way| match way {
                    Remedy::Statement(text) => Some(text.to_string()),
                    _ => None,
                })
                .collect();
            let recovers = "RESTORE DATABASE [mgc] WITH RECOVERY;";
            assert_eq!(
                statements.iter().any(|it| it == recovers),
                is_closed,
                "{statements:?}"
            );
            assert!(
                statements.iter().any(|it| it.contains("pc1.dc1")),
                "{statements:?}"
            );
            if is_closed {
                let mut session = stage.access.sql.open(PRIMARY).await.unwrap();
                session.send(recovers).await.unwrap();
                tokio::time::sleep(Duration::from_mins(1)).await;
            }
            assert_eq!(chat(&stage, PRIMARY).0, DatabaseState::Online);
            assert_one_writable(&stage);
        });
    }
}

/// What stops a planned failover before the outage or in it, and what it is told.
struct Trouble {
    what: &'static str,
    /// Done to the site before the run.
    prepare: fn(&Stage, &Site),
    says: &'static str,
    /// The way on.
    hint: &'static str,
}

#[test]
fn what_sql_server_would_refuse_is_told_before_chat_is_taken_down_with_its_way_on() {
    let troubles = [
        Trouble {
            what: "the primary mirror is the principal",
            prepare: crate::site::primary_mirror_is_principal,
            says: "the primary mirror is the principal of the chat database",
            hint: "ALTER DATABASE [mgc] SET PARTNER FAILOVER",
        },
        Trouble {
            what: "somebody holds the database",
            prepare: |stage, _| {
                stage.simulated.world.with(|state| {
                    let server = state.instances.get_mut(&PRIMARY).unwrap();
                    let chat = server.processes.values().find(|it| it.database == "mgc");
                    let mut desk = chat.unwrap().clone();
                    (desk.spid, desk.host_name) = (99, "DESK7".to_owned());
                    desk.kind = Kind::Client;
                    server.processes.insert(99, desk);
                });
            },
            says: "sessions hold the database",
            hint: "have them closed",
        },
        Trouble {
            what: "a log backup went elsewhere",
            prepare: |stage, _| {
                stage.simulated.world.with(|state| {
                    let server = state.instances.get_mut(&PRIMARY).unwrap();
                    let mgc = server.database_mut("mgc").unwrap();
                    mgc.log_start = mgc.log_end;
                });
            },
            says: "somebody took a log backup to another place",
            hint: "bring the missing file to the log-shipping share",
        },
        Trouble {
            what: "the primary mirror is silent",
            prepare: |stage, _| stage.simulated.world.down(Role::PrimaryMirror),
            says: "its log-shipping backup job cannot be seen",
            hint: "bring it back",
        },
        Trouble {
            what: "the primary is dead",
            prepare: |stage, _| {
                stage.simulated.world.down(Role::Primary);
                stage.simulated.world.down(Role::PrimaryMirror);
            },
            says: "primary",
            hint: "",
        },
    ];
    for trouble in troubles {
        let mut drill = drill(litware());
        drill.prepare = trouble.prepare;
        let what = trouble.what;
        paused(async {
            let stage = drill.stage();
            let before = end(&stage);
            let store = MemoryStore::default();
            let finished = drill.run(&stage, &store).await.unwrap();
            assert_eq!(
                finished.outcome,
                Outcome::Refused,
                "{what}: {:?}",
                finished.error
            );
            let error = finished.error.unwrap();
            assert!(error.why.contains(trouble.says), "{what}: {error:?}");
            assert!(error.hint.contains(trouble.hint), "{what}: {error:?}");
            assert_same_end(&end(&stage), &before, what);
        });
    }
}

#[test]
fn a_log_backup_in_between_is_applied_before_the_end_of_the_log() {
    let mut drill = drill(litware());
    // It was begun while chat was served, and ends while the run copies.
    drill.prepare = |stage, _| {
        let world = &stage.simulated.world;
        world.run_jobs(Role::Primary, &[JobKind::Backup]);
    };
    paused(async {
        let stage = drill.stage();
        let (_, written) = chat(&stage, PRIMARY);
        let store = MemoryStore::default();
        let finished = drill.run(&stage, &store).await.unwrap();
        assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
        assert_eq!(chat(&stage, BACKUP), (DatabaseState::Online, written));
        let history = stage.simulated.world.history();
        let applied = history.iter().filter(|it| it.text.contains("RESTORE LOG"));
        assert!(
            applied.count() >= 3,
            "one that waited, one in between, the end"
        );
    });
}

#[test]
fn a_failover_that_is_refused_because_the_primary_serves_names_a_planned_one_which_is_then_done() {
    let planned = drill(litware());
    let forced = Drill {
        plan: plan_of(Direction::Failover, &planned.site),
        ..drill(litware())
    };
    paused(async {
        let mut stage = forced.stage();
        let refused = forced.run(&stage, &MemoryStore::default()).await.unwrap();
        assert_eq!(refused.outcome, Outcome::Refused);
        let hint = refused.error.unwrap().hint;
        assert!(hint.contains("`pchadr failover --planned`"), "{hint}");
        stage.reopen(&planned.site);
        let finished = planned.run_again(&stage).await;
        assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
    });
}
