//! What a failback must never do, each tried on purpose: two writable databases, something written
//! over that is not kept, a beginning that cannot end.

use pchadr::cli::rehearse::Stage;
use pchadr::model::states::DatabaseState;
use pchadr::model::{Instance, Role};
use pchadr::rehearsal::world::summary::DatabaseSummary;
use pchadr::rehearsal::world::{FaultKind, SqlFault};
use pchadr::run::event::Outcome;
use pchadr::run::store::MemoryStore;

use crate::site::{Drill, effects, litware, paused};

const PRIMARY: Instance = Instance::chat(Role::Primary);
const BACKUP: Instance = Instance::chat(Role::Backup);

fn chat(stage: &Stage, instance: Instance) -> DatabaseSummary {
    let summary = stage.simulated.world.summary();
    summary
        .database(instance, "mgc")
        .expect("the chat database")
        .clone()
}

/// Runs, and stops at that statement, which is refused.
async fn stop_at(drill: &Drill, stage: &Stage, store: &MemoryStore, at: (Instance, &str)) {
    stage.simulated.world.with(|state| {
        state.faults.push(SqlFault {
            instance: at.0,
            contains: at.1.to_owned(),
            nth: 1,
            kind: FaultKind::ErrorBefore(5000),
        });
    });
    let finished = drill.run(stage, store).await.expect("a record");
    assert_eq!(finished.outcome, Outcome::Stopped, "{:?}", finished.error);
}

/// Sends a statement as a person would, past the tool.
async fn by_hand(stage: &Stage, instance: Instance, statement: &str) {
    let mut session = Box::pin(stage.access.sql.open(instance))
        .await
        .expect("a session");
    Box::pin(session.send(statement)).await.expect("it is done");
    tokio::time::sleep(std::time::Duration::from_mins(1)).await;
}

#[test]
fn a_backup_that_somebody_opened_again_keeps_the_primary_closed() {
    let drill = Drill::failback(litware());
    paused(Box::pin(async {
        for at in [
            "-tail.bak' WITH FILE = 1",
            "RESTORE DATABASE [mgc] WITH RECOVERY",
        ] {
            let mut stage = drill.stage();
            let store = MemoryStore::default();
            stop_at(&drill, &stage, &store, (PRIMARY, at)).await;
            assert_eq!(chat(&stage, BACKUP).state, DatabaseState::Restoring);
            by_hand(&stage, BACKUP, "RESTORE DATABASE [mgc] WITH RECOVERY").await;
            stage.reopen(&drill.site);
            let before = chat(&stage, PRIMARY);
            let finished = drill.run(&stage, &store).await.expect("a record");
            assert_eq!(finished.outcome, Outcome::Stopped);
            let why = finished.error.expect("a reason").why;
            assert!(why.contains("two writable ones"), "{why}");
            assert_eq!(chat(&stage, PRIMARY), before, "stopped at {at}");
        }
    }));
}

#[test]
fn an_old_primary_that_cannot_be_kept_is_left_as_it_is() {
    let drill = Drill::powered_off(litware());
    paused(async {
        let stage = drill.stage();
        let changed = stage.simulated.folders.change("archive", |volume| {
            volume.denied.insert("primary".to_owned());
        });
        assert!(changed, "there is an archive");
        let before = chat(&stage, PRIMARY);
        let finished = drill.run(&stage, &MemoryStore::default()).await;
        let finished = finished.expect("a record");
        assert_ne!(finished.outcome, Outcome::Done);
        assert_eq!(chat(&stage, PRIMARY), before);
        for effect in effects(&stage) {
            assert!(
                effect.contains("sp_update_job"),
                "nothing is removed before it is kept: {effect}"
            );
        }
    });
}

#[test]
fn an_archive_that_is_damaged_counts_for_nothing() {
    let drill = Drill::powered_off(litware());
    paused(async {
        let mut stage = drill.stage();
        let store = MemoryStore::default();
        let off = (PRIMARY, "SET PARTNER OFF");
        stop_at(&drill, &stage, &store, off).await;
        let files = stage.simulated.folders.snapshot();
        let kept = files.iter().find(|(path, _)| path.contains("archive"));
        let path = &kept.expect("the archive").0;
        stage.simulated.folders.corrupt(path).expect("damaged");
        stage.reopen(&drill.site);
        let finished = drill.run(&stage, &store).await.expect("a record");
        assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
        let backups = effects(&stage);
        let written = backups
            .iter()
            .filter(|it| it.contains("COPY_ONLY, INIT, CHECKSUM"));
        assert_eq!(written.count(), 2, "it was written once more: {backups:#?}");
    });
}

#[test]
fn a_command_that_does_not_show_is_not_sent_again_and_again() {
    for (drill, at, enabled, step, what) in [
        (
            Drill::powered_off(litware()),
            PRIMARY,
            true,
            "retire-old-primary",
            "disable a backup job on the primary",
        ),
        (
            Drill::failback(litware()),
            BACKUP,
            false,
            "configure-log-shipping",
            "enable the jobs of the backup",
        ),
    ] {
        paused(Box::pin(async {
            let stage = drill.stage();
            let world = stage.simulated.world.clone();
            // Whatever is sent, somebody takes it back at once.
            let undoing = tokio::spawn(async move {
                loop {
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                    world.with(|state| {
                        let server = state.instances.get_mut(&at).expect("the instance");
                        for job in &mut server.msdb.jobs {
                            job.enabled = enabled;
                        }
                    });
                }
            });
            let store = MemoryStore::default();
            let finished = drill.run(&stage, &store).await.expect("a record");
            undoing.abort();
            assert_eq!(finished.stopped_at.as_deref(), Some(step));
            let why = finished.error.expect("a reason").why;
            let said = format!("it was sent and did not show: {what}");
            assert!(why.contains(&said), "{why}");
        }));
    }
}
