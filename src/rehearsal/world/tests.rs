pub(in crate::rehearsal) mod memory;
pub(in crate::rehearsal) mod testing;

use super::*;
use crate::model::states::{DatabaseState, MirroringState};
use memory::MemoryFiles;
use testing::*;

#[tokio::test(start_paused = true)]
async fn made_logs_join_by_lsn_and_are_named_by_time() {
    let mut recipe = LogRecipe::new("mgc", r"SQL1\chat", 9, utc(clock()()));
    recipe.servers.push(r"SQL2\chat".into());
    recipe.turn = 1;
    recipe.empty_every = 4;
    let logs = World::make_logs(&recipe);
    for (a, b) in logs.iter().zip(&logs[1..]) {
        assert_eq!(a.set.last_lsn, b.set.first_lsn);
        assert_ne!(a.set.server, b.set.server);
        assert!(a.name < b.name && a.set.messages <= b.set.messages);
    }
    let empty = |log: &&MadeLog| log.set.first_lsn == log.set.last_lsn;
    assert_eq!(logs.iter().filter(empty).count(), 2);
    assert_eq!(logs[8].name, "mgc_20240506070808.trn");
    assert_eq!(logs[8].set.finished, recipe.last_finish);
}

#[tokio::test(start_paused = true)]
async fn a_disaster_is_the_normal_state_with_the_primary_data_center_down() {
    let normal = Fixture::new(|o| o.start = Start::Normal).world.summary();
    let disaster = Fixture::new(|_| ()).world.summary();
    assert_eq!(normal.instances[&BACKUP], disaster.instances[&BACKUP]);
    assert_eq!(
        normal.instances[&BACKUP_MIRROR],
        disaster.instances[&BACKUP_MIRROR]
    );
    let up = |s: &Summary| s.instances.values().map(|i| i.up).collect::<Vec<_>>();
    assert_eq!(up(&normal), [true; 4]);
    assert_eq!(up(&disaster), [false, false, true, true]);
    let mgc = normal.database(PRIMARY, "mgc").unwrap();
    assert_eq!(
        mgc.mirroring.as_ref().unwrap().1,
        MirroringState::Synchronized
    );
    assert_eq!(normal.instances[&PRIMARY].primary_rows, 1);
    assert_eq!(normal.instances[&PRIMARY_MIRROR].primary_rows, 1);
    assert_eq!(normal.instances[&BACKUP].secondary_rows, 1);
    assert_eq!(
        normal.instances[&BACKUP].jobs.keys().collect::<Vec<_>>(),
        [r"LSCopy_SQL1\chat_mgc", r"LSRestore_SQL1\chat_mgc"]
    );
}

#[tokio::test(start_paused = true)]
async fn every_variant_of_the_backup_is_what_its_name_says() {
    let mgc = |change: fn(&mut WorldOptions)| {
        Fixture::new(change)
            .world
            .summary()
            .database(BACKUP, "mgc")
            .cloned()
    };
    let secondary = mgc(|_| ()).unwrap();
    assert_eq!(
        (secondary.state, secondary.standby),
        (DatabaseState::Restoring, false)
    );
    let standby = mgc(|o| o.backup = Backup::Standby).unwrap();
    assert_eq!(
        (standby.state, standby.standby),
        (DatabaseState::Online, true)
    );
    let recovered = mgc(|o| o.backup = Backup::Recovered).unwrap();
    let early = mgc(|o| o.backup = Backup::RecoveredEarly).unwrap();
    assert_eq!(recovered.state, DatabaseState::Online);
    assert!(early.messages < recovered.messages);
    let empty = mgc(|o| o.backup = Backup::CreatedEmpty).unwrap();
    assert_eq!((empty.state, empty.messages), (DatabaseState::Online, 0));
    assert_eq!(mgc(|o| o.backup = Backup::Missing), None);
}

#[tokio::test(start_paused = true)]
async fn a_primary_may_live_or_be_rebuilt() {
    let side = |change: fn(&mut WorldOptions)| Fixture::new(change).world.summary();
    let alive = side(|o| o.primary = PrimarySide::Alive);
    let mgc = alive.database(PRIMARY, "mgc").unwrap();
    assert_eq!(mgc.state, DatabaseState::Online);
    assert_eq!(
        mgc.mirroring.as_ref().unwrap().1,
        MirroringState::Disconnected
    );
    let fresh = side(|o| o.primary = PrimarySide::Fresh);
    let mgc = fresh.database(PRIMARY, "mgc").unwrap();
    assert_eq!((mgc.messages, &mgc.mirroring), (0, &None));
    assert_eq!(fresh.instances[&PRIMARY].primary_rows, 0);
    assert!(fresh.instances[&PRIMARY].up && fresh.instances[&PRIMARY_MIRROR].up);
}

#[tokio::test(start_paused = true)]
async fn a_site_without_mirrors_or_compliance_has_a_world_too() {
    let mut small = site();
    small.sql.instances.remove(&PRIMARY_MIRROR);
    small.sql.instances.remove(&BACKUP_MIRROR);
    small.database.compliance = None;
    let world = World::build(
        &small,
        &WorldOptions::new(clock(), Arc::new(MemoryFiles::new())),
    );
    let summary = world.summary();
    assert_eq!(summary.instances.len(), 2);
    assert_eq!(summary.instances[&BACKUP].databases.len(), 1);
    assert!(
        world
            .install_mirror(
                "sql3.dc2.litwareinc.com",
                Some("chat"),
                "PersistentChat",
                true
            )
            .is_err()
    );
}

#[tokio::test(start_paused = true)]
async fn compliance_lives_on_instances_of_its_own_where_the_site_has_them() {
    let mut own = site();
    let key = Instance::compliance(Role::Backup);
    own.sql
        .instances
        .insert(key, "sql7.dc2.litwareinc.com".parse().unwrap());
    let world = World::build(
        &own,
        &WorldOptions::new(clock(), Arc::new(MemoryFiles::new())),
    );
    let summary = world.summary();
    assert!(summary.database(key, "mgccomp").is_some());
    assert!(summary.database(BACKUP, "mgccomp").is_none());
}

#[tokio::test(start_paused = true)]
async fn every_instance_has_a_name_of_its_own() {
    let mut lab = site();
    for (n, server) in (0_u16..).zip(lab.sql.instances.values_mut()) {
        *server = format!("127.0.0.1,{}", 14_330 + n).parse().unwrap();
    }
    let mut names: Vec<String> = World::server_names(&lab).into_values().collect();
    assert_eq!(names, ["SQL1", "SQL2", "SQL3", "SQL4"]);
    names = World::server_names(&site()).into_values().collect();
    assert_eq!(names[0], r"SQL1\chat");
}

#[tokio::test(start_paused = true)]
async fn a_summary_tells_nothing_that_a_seed_makes() {
    let of = |seed| Fixture::new(|o| o.seed = seed).world.summary();
    assert_eq!(of(1), of(2));
    let f = Fixture::new(|_| ());
    let before = f.world.summary();
    f.client(BACKUP).ok(&f.restore(2)).await;
    assert_ne!(f.world.summary(), before);
}

#[tokio::test(start_paused = true)]
async fn partners_get_in_step_again_when_one_is_back_and_learn_of_a_removal() {
    let f = Fixture::new(|o| o.start = Start::Normal);
    let state = |f: &Fixture, instance| {
        let summary = f.world.summary();
        let mgc = summary.database(instance, "mgc").unwrap();
        mgc.mirroring.as_ref().map(|m| m.1)
    };
    f.world.down(Role::PrimaryMirror);
    assert_eq!(state(&f, PRIMARY), Some(MirroringState::Disconnected));
    f.world.up(Role::PrimaryMirror);
    assert_eq!(state(&f, PRIMARY), Some(MirroringState::Synchronized));
    f.world.down(Role::PrimaryMirror);
    f.client(PRIMARY)
        .ok("ALTER DATABASE mgc SET PARTNER OFF")
        .await;
    f.world.up(Role::PrimaryMirror);
    assert_eq!(state(&f, PRIMARY_MIRROR), None);
}

#[tokio::test(start_paused = true)]
async fn a_backup_job_ships_what_was_written_and_skips_a_mirror() {
    let f = Fixture::new(|o| {
        o.start = Start::Normal;
        o.unshipped = 5;
    });
    let start = |instance| {
        let now = f.world.now();
        f.world.with(|state| {
            let job = state.instances[&instance].msdb.jobs[0].id;
            state.start_job(instance, &job, now);
        });
        f.at(instance, |s| s.msdb.primaries[0].last_backup_file.clone())
    };
    let before = f.at(PRIMARY_MIRROR, |s| {
        s.msdb.primaries[0].last_backup_file.clone()
    });
    assert_eq!(start(PRIMARY_MIRROR), before);
    let path = start(PRIMARY).unwrap();
    let view = f.files.open("x", &path).unwrap();
    assert_eq!(view.sets[0].first_lsn, f.logs[5].set.last_lsn);
    assert_eq!(view.sets[0].messages, f.logs[5].set.messages + 5);
}

#[tokio::test(start_paused = true)]
async fn the_variants_of_msdb_and_the_mirror_are_there() {
    let f = Fixture::new(|o| {
        o.msdb_purged = true;
        o.jobs_disabled = true;
        o.leftover = Some(DatabaseState::Restoring);
    });
    f.at(BACKUP, |s| {
        assert!(s.msdb.restores.is_empty() && s.msdb.backups.is_empty());
        assert!(s.msdb.jobs.iter().all(|j| !j.enabled));
    });
    let summary = f.world.summary();
    let left = summary.database(BACKUP_MIRROR, "mgc").unwrap();
    assert_eq!(
        (left.state, &left.mirroring),
        (DatabaseState::Restoring, &None)
    );
}

#[tokio::test(start_paused = true)]
async fn enabled_jobs_run_by_their_schedules_where_the_world_keeps_them() {
    let f = Fixture::new(|o| {
        o.start = Start::Normal;
        o.schedules = true;
        o.service.media = Duration::from_secs(2);
        o.service.copy_job = Duration::from_secs(10);
    });
    f.world.write_messages(PRIMARY, 9);
    tokio::time::sleep(Duration::from_hours(2)).await;
    let summary = f.world.summary();
    let messages = |instance| summary.database(instance, "mgc").unwrap().messages;
    assert_eq!(messages(BACKUP), messages(PRIMARY));
    f.at(BACKUP, |s| {
        s.msdb.jobs.iter_mut().for_each(|j| j.enabled = false);
    });
    f.world.write_messages(PRIMARY, 9);
    tokio::time::sleep(Duration::from_hours(2)).await;
    assert_eq!(
        f.world.summary().database(BACKUP, "mgc").unwrap().messages,
        messages(PRIMARY)
    );
}

#[tokio::test(start_paused = true)]
async fn a_second_writable_database_of_one_family_is_noticed_when_it_becomes_so() {
    let f = Fixture::new(|o| {
        o.start = Start::FailedOver;
        o.primary = PrimarySide::Unchanged;
        o.backup = Backup::Recovered;
    });
    // Two served when this world began.
    assert_eq!(f.world.two_writable(), Vec::<String>::new());
    let change = |instance, state| {
        f.at(instance, |s| s.database_mut("mgc").unwrap().state = state);
    };
    change(BACKUP, DatabaseState::Restoring);
    change(BACKUP, DatabaseState::Online);
    let noticed = ["the backup, while the primary was".to_owned()];
    assert_eq!(f.world.two_writable(), noticed);
    change(PRIMARY, DatabaseState::Offline);
    change(BACKUP, DatabaseState::Restoring);
    change(BACKUP, DatabaseState::Online);
    assert_eq!(f.world.two_writable(), noticed);
    f.world.rebuild();
    assert_eq!(f.world.two_writable(), noticed, "another family");
}

#[tokio::test(start_paused = true)]
async fn chat_servers_use_the_partner_that_is_the_principal() {
    let f = Fixture::new(|o| {
        o.start = Start::FailedOver;
        o.backup = Backup::Recovered;
    });
    f.world
        .install_mirror(
            "sql3.dc2.litwareinc.com",
            Some("chat"),
            "PersistentChat",
            false,
        )
        .unwrap();
    f.world.synchronize();
    f.world
        .chat_servers_changed(&["pc5.litwareinc.com".to_owned()], true);
    let users = |instance| f.at(instance, |s| s.users_of("mgc", 0).len());
    assert_eq!((users(BACKUP), users(BACKUP_MIRROR)), (1, 0));
    let mirror = site().sql.instances[&BACKUP_MIRROR].clone();
    f.world.fail_over(false, &mirror, false).unwrap();
    f.world.tick();
    assert_eq!((users(BACKUP), users(BACKUP_MIRROR)), (0, 1));
}
