//! The undoing of a failback at sites that are not as they should be.

use std::time::Duration;

use pchadr::cli::rehearse::Stage;
use pchadr::model::states::{DatabaseState, MirroringRole};
use pchadr::model::{Document, Role};
use pchadr::rehearsal::world::{FaultKind, SqlFault};
use pchadr::run::event::{Event, Outcome, RunFinished};
use pchadr::run::store::MemoryStore;

use super::super::{assert_undone, killed, record_of, records, starts};
use super::{
    BACKUP, POINT_OF_NO_RETURN, PRIMARY, PRIMARY_MIRROR, abort_through, assert_back,
    assert_new_failback, chat, drill, stands,
};
use crate::site::{Drill, assert_one_writable, effects, paused, primary_mirror_is_principal};
use crate::sweep::sweep;

/// A failback that was killed when this step was about to begin.
pub(super) async fn killed_at(drill: &Drill, step: &str) -> (Stage, MemoryStore) {
    let whole = drill.undisturbed_here().await.journal;
    killed(drill, record_of(&whole, starts(step))).await
}

/// Sends a statement as a person would, past the tool.
async fn by_hand(stage: &Stage, at: pchadr::model::Instance, statement: &str) {
    let session = stage.access.sql.open(at);
    let mut session = Box::pin(session).await.expect("a session");
    Box::pin(session.send(statement)).await.expect("it is done");
}

pub(super) fn state(stage: &Stage, at: pchadr::model::Instance) -> DatabaseState {
    chat(stage, at).expect("mgc").state
}

fn assert_stopped(finished: &RunFinished, words: &str) {
    assert_eq!(finished.outcome, Outcome::Stopped);
    let error = finished.error.as_ref().expect("a reason");
    assert!(error.why.contains(words), "{error:?}");
    assert!(!error.hint.contains("--resume"), "{error:?}");
}

#[test]
fn a_failback_that_is_killed_at_any_moment_can_be_undone() {
    let drill = drill();
    let whole = drill.undisturbed();
    let records = pchadr::run::journal::read(&whole.journal).expect("a journal");
    let ours = record_of(&whole.journal, starts(POINT_OF_NO_RETURN));
    let (first, last) = (records.records[0].at, records.records[ours - 1].at);
    let seconds = last.duration_since(first).as_secs_f64();
    let points: Vec<u32> = (0..60).collect();
    sweep(&points, |moment| {
        let at = Duration::from_secs_f64(seconds * f64::from(*moment) / 60.0);
        paused(Box::pin(async {
            let mut stage = drill.stage();
            let before = stands(&stage);
            let store = MemoryStore::default();
            let ended = tokio::time::timeout(at, drill.run(&stage, &store)).await;
            assert!(ended.is_err(), "the run ended before {at:?}");
            stage.reopen(&drill.site);
            let store = store.crash(0);
            let what = format!("killed after {:.3} s", at.as_secs_f64());
            if super::super::records(&store).is_empty() {
                return;
            }
            abort_through(&drill, &mut stage, &store, &what).await;
            assert_back(&stage, &store, &before, &what);
        }));
    });
}

#[test]
fn the_backup_stays_closed_while_the_primary_or_its_mirror_does_not_answer() {
    let drill = drill();
    for (lost, step) in [
        (Role::Primary, "restore-database"),
        (Role::PrimaryMirror, "configure-log-shipping"),
    ] {
        paused(Box::pin(async {
            let before = stands(&drill.stage());
            let (mut stage, store) = killed_at(&drill, step).await;
            stage.simulated.world.down(lost);
            let made = effects(&stage).len();
            let finished = drill.abort(&stage, &store).await.expect("a record");
            assert_stopped(&finished, "not reachable");
            let error = finished.error.as_ref().expect("a cause");
            assert!(
                error.hint.contains("--override primary-lost=REASON"),
                "{error:?}"
            );
            assert_eq!(state(&stage, BACKUP), DatabaseState::Restoring);
            assert_eq!(effects(&stage).len(), made, "nothing was sent");
            stage.simulated.world.up(lost);
            stage.reopen(&drill.site);
            let what = "the instance is back";
            abort_through(&drill, &mut stage, &store, what).await;
            assert_back(&stage, &store, &before, what);
        }));
    }
}

#[test]
fn an_old_primary_that_serves_keeps_the_backup_closed_until_a_person_takes_it_offline() {
    let mut drill = Drill::powered_off(drill().site).in_vendor_order();
    paused(Box::pin(async {
        let before = stands(&drill.stage());
        let (mut stage, store) = killed_at(&drill, "restore-database").await;
        let finished = drill.abort(&stage, &store).await.expect("a record");
        assert_stopped(&finished, "two writable ones");
        assert_eq!(finished.exit, 4);
        assert_eq!(state(&stage, BACKUP), DatabaseState::Restoring);
        let offline = "ALTER DATABASE [mgc] SET OFFLINE WITH ROLLBACK IMMEDIATE";
        by_hand(&stage, PRIMARY, offline).await;
        stage.reopen(&drill.site);
        abort_through(&drill, &mut stage, &store, "taken OFFLINE").await;
        let mut is = stands(&stage);
        // Its jobs and rows are gone on purpose.
        for role in [PRIMARY, PRIMARY_MIRROR] {
            let was = before.instances.instances[&role].clone();
            is.instances.instances.insert(role, was);
        }
        assert_eq!(is, before);

        // What it holds cannot be kept again: a person says that it may go.
        stage.reopen(&drill.site);
        let finished = drill.run_again(&stage).await;
        assert_eq!((finished.outcome, finished.exit), (Outcome::Refused, 3));
        let why = finished.error.expect("a reason").hint;
        assert!(why.contains("old-database-unreadable"), "{why}");
        let reason = "it is in the archive of the first run".to_owned();
        let interlock = "old-database-unreadable".to_owned();
        drill.terms.overrides.insert(interlock, reason);
        stage.reopen(&drill.site);
        let finished = drill.run_again(&stage).await;
        assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
    }));
}

#[test]
fn a_failback_over_an_old_primary_is_undone_from_every_step_but_where_that_one_serves_on() {
    let mut drill = Drill::powered_off(drill().site);
    let whole = drill.undisturbed();
    // The old copy of the primary mirror is asked about, as the undoing says.
    let interlock = "old-database-unreadable".to_owned();
    let reason = "the archive has it".to_owned();
    drill.terms.overrides.insert(interlock, reason);
    let steps = [
        "prove-share",
        "clear-active-servers",
        "remove-mirroring",
        "back-up-database",
        "fence-backup",
        "install-primary-mirror",
        POINT_OF_NO_RETURN,
    ];
    sweep(&steps, |step| {
        paused(Box::pin(async {
            let mut stage = drill.stage();
            let before = chat(&stage, BACKUP).expect("mgc").messages;
            stage.reopen(&drill.site);
            let (mut stage, store) = killed(&drill, record_of(&whole.journal, starts(step))).await;
            abort_through(&drill, &mut stage, &store, step).await;
            let backup = chat(&stage, BACKUP).expect("mgc");
            assert_eq!(backup.state, DatabaseState::Online, "{step}");
            assert_eq!(backup.messages, before, "{step}");
            let role = backup.mirroring.map(|it| it.0);
            assert_eq!(role, Some(MirroringRole::Principal), "{step}");
            assert_one_writable(&stage);
            assert_new_failback(&drill, &mut stage, &whole.end, step).await;
        }));
    });
}

#[test]
fn what_the_primary_mirror_serves_by_then_is_unmirrored_and_taken_offline_there() {
    let drill = drill();
    paused(Box::pin(async {
        let before = stands(&drill.stage());
        let (mut stage, store) = killed_at(&drill, POINT_OF_NO_RETURN).await;
        stage.simulated.world.synchronize();
        primary_mirror_is_principal(&stage, &drill.site);
        assert_eq!(state(&stage, PRIMARY_MIRROR), DatabaseState::Online);
        abort_through(&drill, &mut stage, &store, "").await;
        assert_back(&stage, &store, &before, "the mirror was the principal");
        assert_eq!(state(&stage, PRIMARY_MIRROR), DatabaseState::Offline);
        assert_eq!(state(&stage, PRIMARY), DatabaseState::Restoring);
        let told = records(&store).into_iter().any(|it| {
            matches!(it.event, Event::StepFinished { id, note, .. }
                if id == "restore-database" && note.contains("drop it there, with its files"))
        });
        assert!(told, "the next failback needs a hand, and that is said");
        stage.reopen(&drill.site);
        let made = effects(&stage).len();
        let finished = drill.run_again(&stage).await;
        assert_eq!((finished.outcome, finished.exit), (Outcome::Refused, 3));
        assert_eq!(effects(&stage).len(), made);
    }));
}

#[test]
fn the_list_is_put_back_as_it_was_and_not_as_the_site_file_has_it() {
    let mut drill = drill();
    drill.prepare = |stage, site| {
        let mut pool = stage.simulated.pool.lock().expect("the pool");
        let one = site.pool.failed_over[1].to_string();
        pool.set_active(vec![one]);
        stage
            .simulated
            .world
            .chat_servers_changed(pool.active(), true);
    };
    paused(Box::pin(async {
        let before = stands(&drill.stage());
        assert_eq!(before.active.len(), 1);
        let (mut stage, store) = killed_at(&drill, "remove-mirroring").await;
        abort_through(&drill, &mut stage, &store, "").await;
        assert_back(&stage, &store, &before, "one server");
    }));
}

#[test]
fn a_list_that_was_not_kept_is_that_of_the_site_file_and_is_called_so() {
    let drill = drill();
    paused(Box::pin(async {
        let before = stands(&drill.stage());
        let (mut stage, store) = killed_at(&drill, "remove-mirroring").await;
        let forgetful = MemoryStore::with(&store.bytes());
        abort_through(&drill, &mut stage, &forgetful, "").await;
        assert_back(&stage, &forgetful, &before, "the site file's list");
        let told = records(&forgetful).into_iter().any(|it| {
            matches!(it.event, Event::StepFinished { id, note, .. }
                if id == "clear-active-servers" && note.contains("was not kept"))
        });
        assert!(told, "it says so");
    }));
}

#[test]
fn what_was_written_down_and_cannot_be_read_stops_the_undoing_before_it_guesses() {
    let drill = drill();
    paused(Box::pin(async {
        let (stage, store) = killed_at(&drill, "remove-mirroring").await;
        pchadr::run::store::Store::keep(&mut store.clone(), Document::BeforeFailback, b"{}")
            .expect("kept");
        let made = effects(&stage).len();
        let finished = drill.abort(&stage, &store).await.expect("a record");
        assert_stopped(&finished, Document::BeforeFailback.name());
        assert_eq!(effects(&stage).len(), made);
    }));
}

#[test]
fn a_compliance_database_that_was_mirrored_is_mirrored_again() {
    let drill = drill();
    paused(Box::pin(async {
        let before = stands(&drill.stage());
        let (mut stage, store) = killed_at(&drill, "fence-backup").await;
        abort_through(&drill, &mut stage, &store, "").await;
        assert_back(&stage, &store, &before, "compliance was mirrored");
    }));
}

#[test]
fn what_was_mirrored_is_still_known_after_a_resume_in_the_middle_of_its_removal() {
    let drill = drill();
    paused(Box::pin(async {
        let mut stage = drill.stage();
        let before = stands(&stage);
        let store = MemoryStore::default();
        for text in ["[mgccomp] SET PARTNER OFF", "-tail.bak' WITH INIT"] {
            stage.simulated.world.with(|state| {
                state.faults.push(SqlFault {
                    instance: BACKUP,
                    contains: text.to_owned(),
                    nth: 1,
                    kind: FaultKind::ErrorBefore(5000),
                });
            });
            let finished = drill.run(&stage, &store).await.expect("a record");
            assert_eq!(finished.outcome, Outcome::Stopped, "{text}");
            stage.reopen(&drill.site);
        }
        abort_through(&drill, &mut stage, &store, "").await;
        assert_back(&stage, &store, &before, "both were mirrored");
    }));
}

#[test]
fn what_was_not_mirrored_before_is_not_mirrored_by_the_undoing() {
    let mut drill = drill();
    drill.prepare = |stage, _| {
        stage.simulated.world.with(|state| {
            for server in state.instances.values_mut() {
                let mgc = server.databases.iter_mut().filter(|it| it.is("mgc"));
                mgc.for_each(|it| it.mirroring = None);
            }
        });
    };
    paused(Box::pin(async {
        let before = stands(&drill.stage());
        let (mut stage, store) = killed_at(&drill, "restore-database").await;
        abort_through(&drill, &mut stage, &store, "").await;
        assert_back(
            &stage,
            &store,
            &before,
            "the chat database was not mirrored",
        );
    }));
}

#[test]
fn nobody_is_made_active_while_the_database_does_not_serve() {
    let drill = drill();
    paused(Box::pin(async {
        let before = stands(&drill.stage());
        let (mut stage, store) = killed_at(&drill, "fence-backup").await;
        let offline = "ALTER DATABASE [mgc] SET OFFLINE WITH ROLLBACK IMMEDIATE";
        by_hand(&stage, BACKUP, offline).await;
        let made = effects(&stage).len();
        let finished = drill.abort(&stage, &store).await.expect("a record");
        assert_stopped(&finished, "nobody is made active before it serves");
        assert_eq!(effects(&stage).len(), made);
        by_hand(&stage, BACKUP, "ALTER DATABASE [mgc] SET ONLINE").await;
        stage.reopen(&drill.site);
        abort_through(&drill, &mut stage, &store, "ONLINE again").await;
        assert_back(&stage, &store, &before, "ONLINE again");
    }));
}

#[test]
fn an_old_copy_on_the_primary_mirror_is_asked_about_by_the_next_failback() {
    let drill = Drill::powered_off(drill().site);
    paused(Box::pin(async {
        let (mut stage, store) = killed_at(&drill, "prove-share").await;
        abort_through(&drill, &mut stage, &store, "").await;
        assert_eq!(state(&stage, PRIMARY_MIRROR), DatabaseState::Restoring);
        stage.reopen(&drill.site);
        let made = effects(&stage).len();
        let finished = drill.run_again(&stage).await;
        assert_eq!((finished.outcome, finished.exit), (Outcome::Refused, 3));
        let hint = finished.error.expect("a reason").hint;
        assert!(hint.contains("old-database-unreadable"), "{hint}");
        assert_eq!(effects(&stage).len(), made);
    }));
}

#[test]
fn a_mirror_that_cannot_be_set_up_keeps_nobody_from_chatting() {
    let drill = drill();
    paused(Box::pin(async {
        let (stage, store) = killed_at(&drill, POINT_OF_NO_RETURN).await;
        let active = drill.site.pool.failed_over.len();
        stage.simulated.world.down(Role::BackupMirror);
        let finished = drill.abort(&stage, &store).await.expect("a record");
        assert_undone(&finished, "the mirror is lost");
        let told = records(&store).into_iter().any(|record| {
            matches!(record.event, Event::StepFinished { id, note, .. }
                if id == "remove-mirroring" && note.contains("not mirrored again"))
        });
        assert!(told, "what is left to do is said");
        let pool = stage
            .simulated
            .pool
            .lock()
            .expect("the pool")
            .active()
            .len();
        assert_eq!(pool, active, "they are active");
    }));
}

#[test]
fn while_the_backup_mirror_still_is_the_principal_the_list_is_put_back_for_it() {
    let mut drill = drill().in_vendor_order();
    drill.prepare = |stage, site| {
        let mirror = site.chat(Role::BackupMirror).expect("a mirror");
        let world = &stage.simulated.world;
        world.synchronize();
        world.fail_over(false, mirror, false).expect("in step");
    };
    paused(Box::pin(async {
        let before = stands(&drill.stage());
        let (mut stage, store) = killed_at(&drill, "remove-mirroring").await;
        assert_ne!(stands(&stage), before);
        abort_through(&drill, &mut stage, &store, "").await;
        assert_eq!(stands(&stage), before);
    }));
}

#[test]
fn a_copy_that_shipped_its_log_since_is_not_written_over_without_asking() {
    let drill = drill();
    paused(Box::pin(async {
        let (mut stage, store) = killed_at(&drill, "install-primary-mirror").await;
        abort_through(&drill, &mut stage, &store, "").await;
        // Somebody opened it, used it and closed it again.
        for statement in [
            "ALTER DATABASE [mgc] SET ONLINE",
            r"BACKUP LOG [mgc] TO DISK = N'\\fs1\pchat-logs\by-hand.trn' WITH INIT",
            "ALTER DATABASE [mgc] SET OFFLINE WITH ROLLBACK IMMEDIATE",
        ] {
            by_hand(&stage, PRIMARY, statement).await;
        }
        stage.reopen(&drill.site);
        let made = effects(&stage).len();
        let part = drill.part(&stage, "second");
        let finished = part.execute(Box::new(MemoryStore::default()), Vec::new());
        let finished = finished.await.expect("a record");
        assert_eq!((finished.outcome, finished.exit), (Outcome::Refused, 3));
        let hint = finished.error.expect("a reason").hint;
        assert!(hint.contains("old-database-unreadable"), "{hint}");
        assert_eq!(effects(&stage).len(), made);
    }));
}

#[test]
fn log_backups_of_a_copy_that_was_given_up_do_not_hinder_the_next_failback() {
    let drill = drill();
    let whole = drill.undisturbed();
    paused(Box::pin(async {
        let (mut stage, store) = killed_at(&drill, "configure-log-shipping").await;
        // Its log goes far beyond where the backup's will be.
        stage.simulated.world.with(|state| {
            let primary = state.instances.get_mut(&PRIMARY).expect("the primary");
            primary.database_mut("mgc").expect("mgc").write_log(50_000);
        });
        let log = r"BACKUP LOG [mgc] TO DISK = N'\\fs1\pchat-mirror\far.trn' WITH INIT";
        by_hand(&stage, PRIMARY, log).await;
        abort_through(&drill, &mut stage, &store, "").await;
        assert_new_failback(&drill, &mut stage, &whole.end, "a far log").await;
    }));
}

#[test]
fn an_undoing_waits_for_a_recovery_no_longer_than_its_own_limit() {
    let mut drill = drill();
    drill.site.limits.restore = Some(Duration::from_hours(2));
    for (at, steps) in [
        // On the backup, as long as a restore may take; on the primary, as long as a step.
        ("restore-database", Duration::from_mins(150)),
        ("install-primary-mirror", Duration::from_mins(33)),
    ] {
        paused(Box::pin(async {
            let before = stands(&drill.stage());
            let (mut stage, store) = killed_at(&drill, at).await;
            stage.simulated.world.with(|state| {
                state.service.recovering = Duration::from_hours(30);
                if at == "install-primary-mirror" {
                    let primary = state.instances.get_mut(&PRIMARY).expect("the primary");
                    let mgc = primary.database_mut("mgc").expect("mgc");
                    mgc.state = DatabaseState::Recovering;
                }
            });
            let began = tokio::time::Instant::now();
            let finished = drill.abort(&stage, &store).await.expect("a record");
            assert_stopped(&finished, "did not end within its limit");
            let took = began.elapsed();
            assert!(took < steps + Duration::from_mins(5), "{at}: {took:?}");
            assert!(took + Duration::from_mins(10) > steps, "{at}: {took:?}");
            if at == "install-primary-mirror" {
                stage.simulated.world.with(|state| {
                    let primary = state.instances.get_mut(&PRIMARY).expect("the primary");
                    let mgc = primary.database_mut("mgc").expect("mgc");
                    mgc.state = DatabaseState::Online;
                    state.service.recovering = Duration::ZERO;
                });
            } else {
                tokio::time::sleep(Duration::from_hours(30)).await;
            }
            stage.reopen(&drill.site);
            abort_through(&drill, &mut stage, &store, at).await;
            assert_back(&stage, &store, &before, at);
        }));
    }
}
