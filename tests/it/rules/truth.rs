//! Rules 6 and 7: the site is the truth, and what is not known is called unknown.

use std::time::Duration;

use pchadr::cli::rehearse::Stage;
use pchadr::model::states::{DatabaseState, PoolState};
use pchadr::model::{Instance, Role};
use pchadr::rehearsal::cmdlets::{FaultKind as CmdletFault, PowerShellFault};
use pchadr::rehearsal::world::{FaultKind, SqlFault};
use pchadr::run::event::{Event, Outcome, StepOutcome};
use pchadr::run::store::MemoryStore;

use crate::site::{Drill, disaster, end, litware, paused, terms};
use crate::variants::{BACKUP, events, hold, hold_on};

const EFFECTS: [(&str, &str); 5] = [
    ("stop-log-shipping-jobs", "sp_update_job"),
    ("drop-log-shipping", "EXEC @rc = master.dbo.sp_delete"),
    ("apply-logs", "RESTORE LOG"),
    ("recover-database", "WITH RECOVERY"),
    ("apply-logs", "RESTORE LOG"),
];

/// Which sending of it: the last RESTORE LOG too.
const NTH: [u32; 5] = [2, 1, 1, 1, 13];

#[test]
fn rule_6_a_statement_that_took_effect_and_answered_an_error_counts_as_done() {
    for ((step, contains), nth) in EFFECTS.into_iter().zip(NTH) {
        let held = hold(&litware(), &disaster(), &terms(), async |stage| {
            stage.simulated.world.with(|state| {
                state.faults.push(SqlFault {
                    instance: BACKUP,
                    contains: contains.to_owned(),
                    nth,
                    kind: FaultKind::ErrorAfter(5000),
                });
            });
        });
        if (step, nth) == ("apply-logs", 1) {
            // The others were not sent: it stops, and that one is not sent again.
            held.assert_stopped(step, &["5000"], &[]);
            assert_eq!(held.count(contains), 1);
        } else {
            assert_eq!(held.step(step), StepOutcome::Done, "{step}");
            held.assert_done();
        }
    }
}

#[test]
fn rule_6_a_cmdlet_that_took_effect_and_answered_an_error_counts_as_done() {
    for (nth, cmdlet) in [
        (1, "Set-CsPersistentChatState"),
        (1, "Install-CsMirrorDatabase"),
        (4, "Set-CsPersistentChatActiveServer"),
    ] {
        let held = hold(&litware(), &disaster(), &terms(), async |stage| {
            stage.simulated.cmdlets.fail(PowerShellFault {
                cmdlet: cmdlet.to_owned(),
                nth,
                kind: CmdletFault::ErrorAfter,
            });
        });
        assert!(
            held.finished.exit == 0,
            "{cmdlet}: {:?}",
            held.finished.error
        );
        held.assert_done();
    }
}

/// Undoes an effect as soon as it shows: to the run it is a success without effect.
fn undo(stage: &Stage, undo: impl Fn(&Stage2) + Send + 'static) -> tokio::task::JoinHandle<()> {
    let site = Stage2 {
        world: stage.simulated.world.clone(),
        pool: stage.simulated.pool.clone(),
    };
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(1)).await;
            undo(&site);
        }
    })
}

/// What is undone of a site.
struct Stage2 {
    world: pchadr::rehearsal::world::Shared,
    pool: std::sync::Arc<std::sync::Mutex<pchadr::rehearsal::cmdlets::Pool>>,
}

#[test]
fn rule_6_a_success_without_effect_is_not_done() {
    let site = litware();
    paused(async {
        let mut stage = Stage::build(&site, &disaster()).expect("the site");
        let task = undo(&stage, |site| {
            site.world.with(|state| {
                let server = state.instances.get_mut(&BACKUP).expect("the backup");
                for job in &mut server.msdb.jobs {
                    job.enabled = true;
                }
            });
        });
        let store = MemoryStore::default();
        let held = hold_on(&site, &mut stage, &terms(), &store).await;
        task.abort();
        held.assert_stopped(
            "stop-log-shipping-jobs",
            &["its effect did not show", "still to do: disable 2 jobs"],
            &["pchadr status", "--resume"],
        );
        let held = hold_on(&site, &mut stage, &terms(), &store).await;
        held.assert_done();
    });
    paused(async {
        let mut stage = Stage::build(&site, &disaster()).expect("the site");
        let task = undo(&stage, |site| {
            let mut pool = site.pool.lock().expect("the pool");
            if pool.state() == PoolState::FailedOver {
                pool.set_state(PoolState::Normal);
            }
        });
        let store = MemoryStore::default();
        let held = hold_on(&site, &mut stage, &terms(), &store).await;
        task.abort();
        held.assert_stopped(
            "set-pool-state",
            &["its effect did not show", "set the pool to FailedOver"],
            &["--resume"],
        );
        assert_eq!(
            held.end.active.len(),
            2,
            "F7 was sent to a pool that is Normal"
        );
        assert!(held.end.active[0].starts_with("pc1."));
    });
}

#[test]
fn rule_7_an_outcome_that_cannot_be_seen_is_unknown_and_is_settled_by_looking() {
    let site = litware();
    for (contains, step) in [
        ("WITH RECOVERY", "recover-database"),
        ("EXEC @rc = master.dbo.sp_delete", "drop-log-shipping"),
    ] {
        for kind in [FaultKind::CutAfter, FaultKind::CutBefore] {
            paused(async {
                let mut stage = Stage::build(&site, &disaster()).expect("the site");
                stage.simulated.world.with(|state| {
                    state.faults.push(SqlFault {
                        instance: BACKUP,
                        contains: contains.to_owned(),
                        nth: 1,
                        kind,
                    });
                });
                let world = stage.simulated.world.clone();
                let changes = stage.simulated.changes.clone();
                let struck = tokio::spawn(async move {
                    loop {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                        let sent = match kind {
                            FaultKind::CutBefore => world.with(|state| state.faults.is_empty()),
                            _ => format!("{:?}", changes.all()).contains(contains),
                        };
                        if sent {
                            world.down(Role::Backup);
                            return;
                        }
                    }
                });
                let store = MemoryStore::default();
                let held = hold_on(&site, &mut stage, &terms(), &store).await;
                struck.await.expect("struck");
                held.assert_stopped(step, &["not known"], &[]);
                assert_eq!(held.step(step), StepOutcome::Unknown);
                stage.simulated.world.up(Role::Backup);
                let resumed = hold_on(&site, &mut stage, &terms(), &store).await;
                resumed.assert_done();
                // Once, in both executions together.
                let again = resumed.count(contains);
                assert_eq!(
                    again,
                    usize::from(kind == FaultKind::CutBefore),
                    "{contains}"
                );
            });
        }
    }
}

#[test]
fn rule_7_what_cannot_be_seen_before_the_act_is_refused_as_unknown() {
    let held = hold(&litware(), &disaster(), &terms(), async |stage| {
        stage.simulated.world.down(Role::Backup);
    });
    held.assert_refused(
        1,
        "save-log-shipping",
        &["no answer from the instance within"],
        &["the SQL Server service runs"],
    );
    let state = held.chat().state;
    assert_eq!(state, DatabaseState::Restoring);
}

/// A failover that was killed before that record from its end (0: the last), and its site changed by
/// hand then.
async fn killed_and_changed(
    drill: &Drill,
    from_the_end: usize,
    change: ByHand,
) -> (Stage, MemoryStore) {
    let whole = drill.undisturbed_here().await;
    let records = whole.journal.split(|byte| *byte == b'\n').count() - 1;
    let stage = drill.stage();
    let store = MemoryStore::default();
    store.fail_append(records - from_the_end);
    assert!(drill.run(&stage, &store).await.is_err());
    change(&stage);
    let mut stage = stage;
    stage.reopen(&drill.site);
    (stage, store.crash(0))
}

type ByHand = fn(&Stage);

fn no_mirror(stage: &Stage) {
    stage.simulated.world.with(|state| {
        for role in [Role::Backup, Role::BackupMirror] {
            let server = state.instances.get_mut(&Instance::chat(role));
            let server = server.expect("an instance");
            let chat = server.database_mut("mgc").expect("mgc");
            assert!(chat.mirroring.take().is_some());
        }
    });
}

fn as_before_the_disaster(stage: &Stage) {
    let mut pool = stage.simulated.pool.lock().expect("the pool");
    pool.set_state(PoolState::Normal);
}

fn restoring_again(stage: &Stage) {
    no_mirror(stage);
    stage.simulated.world.with(|state| {
        let server = state.instances.get_mut(&BACKUP).expect("the backup");
        server.database_mut("mgc").expect("mgc").state = DatabaseState::Restoring;
    });
}

#[test]
fn rule_6_a_run_that_was_killed_before_its_end_looks_at_the_site_again_and_does_what_is_not_so_any_more()
 {
    let drill = Drill::failover(litware());
    // Before its end, and before the end of its last step.
    let changes: [(&str, ByHand, &[usize]); 2] = [
        ("install-mirror", no_mirror, &[0]),
        // The mirror's set-up is the last step to end.
        ("set-pool-state", as_before_the_disaster, &[0, 1]),
    ];
    for (step, change, places) in changes {
        for from_the_end in places {
            paused(async {
                let (stage, store) = killed_and_changed(&drill, *from_the_end, change).await;
                let finished = drill.run(&stage, &store).await.expect("a record");
                assert_eq!(finished.exit, 0, "{step}: {:?}", finished.error);
                let again = events(&store)
                    .into_iter()
                    .any(|event| matches!(event, Event::StepReopened { id, .. } if id == step));
                assert!(again, "{step} was not done again");
                let end = end(&stage);
                let chat = end.instances.database(BACKUP, "mgc").expect("mgc");
                assert!(chat.mirroring.is_some(), "{step}");
                assert_eq!(end.pool, PoolState::FailedOver.to_string(), "{step}");
            });
        }
    }
}

#[test]
fn rule_6_what_cannot_be_done_again_and_is_not_so_any_more_is_never_called_done() {
    let drill = Drill::failover(litware());
    paused(async {
        let (stage, store) = killed_and_changed(&drill, 0, restoring_again).await;
        let finished = drill.run(&stage, &store).await.expect("a record");
        assert_eq!((finished.outcome, finished.exit), (Outcome::Stopped, 4));
    });
}

#[test]
fn rule_6_an_undoing_that_was_killed_before_its_end_looks_at_the_site_again() {
    let drill = Drill::failover(litware());
    let whole = drill.undisturbed();
    let lines = String::from_utf8(whole.journal).expect("text");
    let dropped = r#""event":"step_finished","id":"drop-log-shipping""#;
    let dropped = lines.lines().position(|line| line.contains(dropped));
    // The records of an undoing that nothing disturbed, then one that is killed before its last.
    let mut records = 0;
    for is_killed in [false, true] {
        paused(async {
            let mut stage = drill.stage();
            let store = MemoryStore::default();
            store.fail_append(dropped.expect("it is dropped") + 2);
            assert!(drill.run(&stage, &store).await.is_err());
            stage.reopen(&drill.site);
            let store = store.crash(0);
            let before = events(&store).len();
            if is_killed {
                store.fail_append(records);
            }
            let undone = drill.abort(&stage, &store).await;
            if !is_killed {
                assert_eq!(undone.expect("a record").outcome, Outcome::Undone);
                records = events(&store).len() - before;
                return;
            }
            assert!(undone.is_err());
            stage.reopen(&drill.site);
            let mut session = Box::pin(stage.access.sql.open(BACKUP))
                .await
                .expect("a session");
            let by_hand = "EXEC master.dbo.sp_delete_log_shipping_secondary_database @secondary_database = N'mgc';";
            session.send(by_hand).await.expect("sent");
            tokio::time::sleep(Duration::from_mins(1)).await;
            let undone = drill
                .abort(&stage, &store.crash(0))
                .await
                .expect("a record");
            assert_eq!((undone.outcome, undone.exit), (Outcome::Stopped, 4));
            let why = undone.error.expect("a cause").why;
            assert!(why.contains("undone"), "{why}");
        });
    }
}
