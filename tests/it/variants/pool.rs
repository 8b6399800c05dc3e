//! The pool, the Central Management Store, the mirror, and the servers that chat.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use pchadr::cli::rehearse::Stage;
use pchadr::model::states::DatabaseState;
use pchadr::model::{Instance, Role};
use pchadr::rehearsal::simulated::Change;
use pchadr::rehearsal::world::WorldOptions;
use pchadr::run::event::{Outcome, Progress, Record, StepOutcome};
use pchadr::run::recorder::Sink;
use pchadr::run::store::MemoryStore;

use super::{BACKUP, hold, hold_on, hold_shown, hold_varied, vary};
use crate::site::{Drill, disaster, litware, paused, terms};

/// Chat servers hear of a change of the pool that much later.
fn replicated_after(minutes: u64) -> fn(&mut WorldOptions) {
    match minutes {
        3 => |options| options.replication = Duration::from_mins(3),
        _ => |options| options.replication = Duration::from_mins(20),
    }
}

/// Keeps what is shown of a step while it is waited for.
#[derive(Clone, Default)]
struct Shown(Arc<Mutex<Vec<String>>>);

impl Sink for Shown {
    fn record(&mut self, _record: &Record) {}

    fn progress(&mut self, progress: &Progress, now: Timestamp) {
        if progress.step == "set-active-servers" {
            let line = format!("{} {}", now.strftime("%H:%M:%S"), progress.detail);
            self.0.lock().expect("the lines").push(line);
        }
    }
}

#[test]
fn chat_servers_that_hear_of_the_change_minutes_later_are_waited_for_and_until_when_is_shown() {
    let shown = Shown::default();
    let held = paused(async {
        let recipe = vary(replicated_after(3));
        let mut stage = Stage::build(&litware(), &recipe).expect("the site can be simulated");
        let sinks: Vec<Box<dyn Sink>> = vec![Box::new(shown.clone())];
        hold_shown(
            &litware(),
            &mut stage,
            &terms(),
            &MemoryStore::default(),
            sinks,
        )
        .await
    });
    held.assert_done();
    let lines = shown.0.lock().expect("the lines");
    let first = lines.first().expect("it is shown");
    for told in [
        "waiting for replication of the Central Management Store",
        "no session on the database yet from pc5.dc2.litwareinc.com",
    ] {
        assert!(first.contains(told), "{first}");
    }
    let time = |text: &str| -> jiff::civil::Time { text.parse().expect("a time") };
    let (now, until) = (&first[..8], first.split("until ").nth(1).expect("an end"));
    let minutes = (time(&until[..8]) - time(now)).get_minutes();
    // A look or two of the quarter of an hour are over.
    assert!((14..=15).contains(&minutes), "{first}");
}

#[test]
fn chat_servers_that_never_hear_of_the_change_end_the_wait_with_what_was_waited_for() {
    let mut site = litware();
    site.limits.replication = Duration::from_mins(18);
    let store = MemoryStore::default();
    paused(async {
        let recipe = vary(replicated_after(20));
        let mut built = Stage::build(&site, &recipe).expect("the site can be simulated");
        let held = hold_on(&site, &mut built, &terms(), &store).await;
        assert_eq!(held.finished.outcome, Outcome::Stopped);
        assert_eq!(
            held.finished.stopped_at.as_deref(),
            Some("set-active-servers")
        );
        let why = held.finished.error.expect("an error").why;
        assert!(
            why.contains("within 1080 s")
                && why.contains("waiting for replication of the Central Management Store"),
            "{why}"
        );
        // A few minutes more, and the same run goes on to its end.
        hold_on(&site, &mut built, &terms(), &store)
            .await
            .assert_done();
    });
}

#[test]
fn a_failback_waits_for_replication_of_the_pools_state() {
    let mut drill = Drill::failback(litware());
    drill.recipe.vary = replicated_after(3);
    let store = MemoryStore::default();
    paused(async {
        let stage = drill.stage();
        let finished = drill.run(&stage, &store).await.expect("a record");
        assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
    });
}

#[test]
fn a_site_without_a_backup_mirror_fails_over_without_one() {
    let mut site = litware();
    site.sql
        .instances
        .remove(&Instance::chat(Role::BackupMirror));
    site.shares.mirror = None;
    let held = hold(&site, &disaster(), &terms(), async |_| ());
    held.assert_done_without_mirror();
    assert_eq!(held.step("install-mirror"), StepOutcome::DoneBefore);
    assert_eq!(held.chat().mirroring, None);
}

#[test]
fn a_backup_mirror_that_only_the_topology_has_is_blocked() {
    let mut site = litware();
    let mirror = site
        .sql
        .instances
        .remove(&Instance::chat(Role::BackupMirror));
    let held = hold(&site, &disaster(), &terms(), async |stage| {
        let mut pool = stage.simulated.pool.lock().expect("the pool");
        let server = mirror.clone().expect("the backup mirror");
        pool.databases
            .insert(Instance::chat(Role::BackupMirror), server);
    });
    held.assert_refused(
        3,
        "install-mirror",
        &["the topology has a backup mirror on `sql4.dc2.litwareinc.com`"],
        &["[sql] backup_mirror"],
    );
}

#[test]
fn a_copy_left_restoring_on_the_backup_mirror_is_replaced() {
    let held = hold_varied(|options| options.leftover = Some(DatabaseState::Restoring));
    held.assert_done();
    let over: Vec<bool> = held
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::Cmdlet { cmdlet, parameters } if cmdlet == "Install-CsMirrorDatabase" => {
                Some(parameters["DropExistingDatabasesOnMirror"] == true)
            }
            _ => None,
        })
        .collect();
    // The compliance database was not left there.
    assert_eq!(over, [true, false]);
}

#[test]
fn a_database_online_on_the_backup_mirror_is_somebodys_data_and_blocks() {
    let held = hold_varied(|options| options.leftover = Some(DatabaseState::Online));
    held.assert_refused(
        3,
        "install-mirror",
        &["the backup mirror has a chat database that is ONLINE"],
        &["see what it holds"],
    );
}

#[test]
fn a_central_management_store_that_is_down_is_refused_before_anything_is_changed() {
    let held = hold(&litware(), &disaster(), &terms(), async |stage| {
        let mut pool = stage.simulated.pool.lock().expect("the pool");
        pool.store.reachable = false;
    });
    held.assert_refused(
        3,
        "set-pool-state",
        &["the Central Management Store does not answer"],
        &["fail it over first"],
    );
}

#[test]
fn a_central_management_store_without_a_master_is_blocked() {
    let held = hold(&litware(), &disaster(), &terms(), async |stage| {
        let mut pool = stage.simulated.pool.lock().expect("the pool");
        pool.store.active_master = None;
    });
    held.assert_refused(
        3,
        "set-pool-state",
        &["no active master"],
        &["Invoke-CsManagementServerFailover"],
    );
}

#[test]
fn a_topology_that_names_another_backup_is_blocked() {
    let held = hold(&litware(), &disaster(), &terms(), async |stage| {
        let mut pool = stage.simulated.pool.lock().expect("the pool");
        let server = pool.databases.get_mut(&BACKUP).expect("the backup");
        server.host = "sql9.dc2.litwareinc.com".to_owned();
    });
    held.assert_refused(
        3,
        "set-pool-state",
        &[
            "the topology's backup is on `sql9.dc2.litwareinc.com`",
            "`sql3.dc2.litwareinc.com`",
        ],
        &["[sql] backup", "Topology Builder"],
    );
}

#[test]
fn a_wanted_chat_server_that_is_dead_stops_the_run_at_the_active_servers() {
    let held = hold(&litware(), &disaster(), &terms(), async |stage| {
        let mut pool = stage.simulated.pool.lock().expect("the pool");
        let server = pool.server_mut("pc5.dc2.litwareinc.com");
        server.expect("the server").alive = false;
    });
    held.assert_stopped(
        "set-active-servers",
        &["pc5.dc2.litwareinc.com"],
        &["--resume"],
    );
    assert_eq!(
        held.end.active,
        ["pc5.dc2.litwareinc.com", "pc6.dc2.litwareinc.com"]
    );
    assert_eq!(held.step("install-mirror"), StepOutcome::Done);
}

#[test]
fn a_compliance_database_that_is_not_online_is_blocked() {
    let held = hold(&litware(), &disaster(), &terms(), async |stage| {
        stage.simulated.world.with(|state| {
            let server = state.instances.get_mut(&BACKUP).expect("the backup");
            let compliance = server.database_mut("mgccomp").expect("mgccomp");
            compliance.state = DatabaseState::RecoveryPending;
        });
    });
    held.assert_refused(
        3,
        "set-active-servers",
        &["compliance is on", "RECOVERY_PENDING"],
        &["bring it online"],
    );
}

#[test]
fn without_compliance_nobody_asks_for_its_database() {
    let mut site = litware();
    site.database.compliance = None;
    let held = hold(&site, &disaster(), &terms(), async |_| ());
    held.assert_done();
}

#[test]
fn a_store_that_is_lost_behind_the_command_leaves_its_outcome_unknown() {
    let site = litware();
    crate::site::paused(async {
        let mut stage = pchadr::cli::rehearse::Stage::build(&site, &disaster()).expect("the site");
        let store = pchadr::run::store::MemoryStore::default();
        let (pool, changes) = (
            stage.simulated.pool.clone(),
            stage.simulated.changes.clone(),
        );
        let lost = tokio::spawn(async move {
            while !format!("{:?}", changes.all()).contains("Set-CsPersistentChatState") {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            pool.lock().expect("the pool").store.reachable = false;
        });
        let held = super::hold_on(&site, &mut stage, &terms(), &store).await;
        lost.await.expect("lost");
        held.assert_stopped("set-pool-state", &["not known"], &["--resume"]);
        assert_eq!(held.step("set-pool-state"), StepOutcome::Unknown);
        stage
            .simulated
            .pool
            .lock()
            .expect("the pool")
            .store
            .reachable = true;
        let resumed = super::hold_on(&site, &mut stage, &terms(), &store).await;
        resumed.assert_done();
    });
}

/// A client sends the computer's `NetBIOS` name: 15 characters at most (`sql-server.md` 3.1).
#[test]
fn chat_servers_whose_names_are_longer_than_netbios_names_are_known_by_their_sessions() {
    let mut site = litware();
    let long: Vec<_> = (5..7)
        .map(|n| {
            let name = format!("pc{n}-persistent-chat.dc2.litwareinc.com");
            name.parse().expect("a name")
        })
        .collect();
    site.pool.backup_servers.clone_from(&long);
    site.pool.failed_over = long;
    let held = hold(&site, &disaster(), &terms(), async |_| ());
    assert_eq!(held.step("set-active-servers"), StepOutcome::Done);
    assert_eq!((held.finished.exit, held.end.active.len()), (0, 2));
    // Users on the database that is to be recovered are recognized.
    let recipe = vary(|options| {
        options.chat_sessions = vec!["pc5-persistent-chat.dc2.litwareinc.com".to_owned()];
    });
    let held = hold(&site, &recipe, &terms(), async |_| ());
    held.assert_refused(3, "end-connections", &["a chat server holds"], &[]);
}
