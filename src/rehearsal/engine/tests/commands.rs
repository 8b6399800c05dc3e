use std::time::Duration;

use crate::model::Role;
use crate::model::states::{DatabaseState, MirroringRole, MirroringState};
use crate::rehearsal::world::database::UserAccess;
use crate::rehearsal::world::tests::testing::*;
use crate::rehearsal::world::{Backup, ServiceTimes, Start};

const DROP: &str = "DECLARE @rc int; EXEC @rc = master.dbo.sp_delete_log_shipping_secondary_database @secondary_database = N'mgc'; PRINT @rc";

#[tokio::test(start_paused = true)]
async fn dropping_log_shipping_removes_rows_and_jobs_once() {
    let f = Fixture::new(|_| ());
    let mut c = f.client(BACKUP);
    let told = c.ok(DROP).await;
    assert_eq!(told.printed(), ["0"]);
    f.at(BACKUP, |s| {
        assert!(s.msdb.secondaries.is_empty() && s.msdb.jobs.is_empty());
    });
    let told = c.run(DROP).await;
    assert_eq!((told.numbers(), told.printed()), (vec![32014], vec!["1"]));
}

#[tokio::test(start_paused = true)]
async fn siblings_keep_the_jobs() {
    let f = Fixture::new(|o| o.siblings = vec!["other".into()]);
    f.client(BACKUP)
        .ok("exec sp_delete_log_shipping_secondary_database mgc")
        .await;
    f.at(BACKUP, |s| {
        assert_eq!((s.msdb.secondaries.len(), s.msdb.jobs.len()), (1, 2));
    });
}

#[tokio::test(start_paused = true)]
async fn a_dead_monitor_refuses_unless_it_is_ignored_and_can_be() {
    let f = Fixture::new(|o| o.monitor_dead = Some(32054));
    let mut c = f.client(BACKUP);
    assert_eq!(c.numbers(DROP).await, [32054]);
    let ignoring = DROP.replace("N'mgc'", "N'mgc', @ignoreremotemonitor = 1");
    c.ok(&ignoring).await;
    let f = Fixture::new(|o| {
        o.monitor_dead = Some(32054);
        o.knows_ignore_monitor = false;
    });
    assert_eq!(f.client(BACKUP).numbers(&ignoring).await, [8145]);
    assert!(f.world.unknown().is_empty());
    let f = Fixture::new(|o| o.nameless = true);
    assert_eq!(f.client(BACKUP).numbers(DROP).await, [32053]);
}

#[tokio::test(start_paused = true)]
async fn jobs_are_disabled_started_and_stopped_by_id() {
    let f = Fixture::new(|o| o.service = ServiceTimes::REAL);
    let mut c = f.client(BACKUP);
    let id = f.at(BACKUP, |s| {
        crate::rehearsal::hex::guid_text(&s.msdb.jobs[0].id)
    });
    c.ok(&format!(
        "EXEC msdb.dbo.sp_update_job @job_id = '{id}', @enabled = 0"
    ))
    .await;
    assert!(f.at(BACKUP, |s| !s.msdb.jobs[0].enabled
        && s.msdb.jobs[1].enabled));
    let stop = format!("EXEC msdb.dbo.sp_stop_job @job_id = '{id}'");
    assert_eq!(c.numbers(&stop).await, [22022]);
    let start = format!("EXEC msdb.dbo.sp_start_job @job_id = '{id}'");
    c.ok(&start).await;
    assert_eq!(c.numbers(&start).await, [22022]);
    c.ok(&stop).await;
    let missing = "EXEC msdb.dbo.sp_update_job @job_name = N'none', @enabled = 0";
    assert_eq!(c.numbers(missing).await, [14262]);
}

#[tokio::test(start_paused = true)]
async fn a_linked_server_that_is_dead_says_so_before_its_error() {
    let f = Fixture::new(|o| o.monitor_dead = Some(53));
    let told = f.client(BACKUP).run(DROP).await;
    assert_eq!(told.numbers(), [53]);
    let before: Vec<u32> = told.infos.iter().map(|it| it.number).collect();
    assert!(before.starts_with(&[7412]), "{before:?}");
    // The procedures' own error has no provider in front of it.
    let f = Fixture::new(|o| o.monitor_dead = Some(32054));
    let told = f.client(BACKUP).run(DROP).await;
    assert!(told.infos.iter().all(|it| it.number != 7412));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_starts_late_does_not_run_before() {
    let f = Fixture::new(|_| ());
    f.world.with(|state| {
        state.jobs_late = Duration::from_secs(20);
        state.service.copy_job = Duration::from_secs(10);
    });
    let id = f.at(BACKUP, |s| {
        crate::rehearsal::hex::guid_text(&s.msdb.jobs[0].id)
    });
    let mut c = f.client(BACKUP);
    c.ok(&format!("EXEC msdb.dbo.sp_start_job @job_id = '{id}'"))
        .await;
    let runs = || {
        f.world.tick();
        f.at(BACKUP, |s| s.msdb.jobs[0].is_running())
    };
    assert!(!runs());
    tokio::time::sleep(Duration::from_secs(19)).await;
    assert!(!runs());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(runs());
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(!runs());
}

#[tokio::test(start_paused = true)]
async fn a_job_is_deleted_by_id_or_name_and_what_ships_keeps_its_rows() {
    let f = Fixture::new(|_| ());
    let mut c = f.client(BACKUP);
    let (id, name) = f.at(BACKUP, |s| {
        let id = crate::rehearsal::hex::guid_text(&s.msdb.jobs[0].id);
        (id, s.msdb.jobs[1].name.clone())
    });
    let delete = format!("EXEC msdb.dbo.sp_delete_job @job_id = '{id}'");
    c.ok(&delete).await;
    assert_eq!(c.numbers(&delete).await, [14262]);
    c.ok(&format!(
        "EXEC msdb.dbo.sp_delete_job @job_name = N'{name}', @delete_unused_schedule = 0"
    ))
    .await;
    f.at(BACKUP, |s| {
        assert!(s.msdb.jobs.is_empty());
        assert_eq!(s.msdb.loose_schedules.len(), 1, "that of the second");
        assert_eq!(s.msdb.secondaries.len(), 1);
    });
    assert_eq!(f.world.unknown(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_running_restore_job_holds_the_database_until_it_is_through() {
    let f = Fixture::new(|o| {
        o.restore_job_runs = true;
        o.service.media = Duration::from_secs(10);
    });
    let mut c = f.client(BACKUP);
    assert_eq!(c.numbers(&f.restore(2)).await, [3101, 3013]);
    assert!(f.at(BACKUP, |s| s.msdb.jobs[1].is_running()));
    // Two files wait in the copy folder.
    tokio::time::sleep(Duration::from_secs(21)).await;
    f.at(BACKUP, |s| {
        assert!(!s.msdb.jobs[1].is_running());
        assert_eq!(
            s.database("mgc").unwrap().redo_start,
            f.logs[3].set.last_lsn
        );
        assert_eq!(
            s.msdb.secondaries[0].databases[0].last_restored_file,
            Some(copied(&f.logs[3]))
        );
    });
}

#[tokio::test(start_paused = true)]
async fn a_restore_job_that_is_killed_leaves_its_set_half_done() {
    let f = Fixture::new(|o| {
        o.restore_job_runs = true;
        o.service.media = Duration::from_secs(10);
    });
    let mut c = f.client(BACKUP);
    let id = f.at(BACKUP, |s| {
        crate::rehearsal::hex::guid_text(&s.msdb.jobs[1].id)
    });
    c.ok(&format!("EXEC msdb.dbo.sp_stop_job @job_id = '{id}'"))
        .await;
    assert_eq!(c.numbers(&f.restore(3)).await, [4319, 3013]);
    c.ok(&f.restore(2)).await;
}

#[tokio::test(start_paused = true)]
async fn a_copy_job_copies_what_its_folder_lacks() {
    let f = Fixture::new(|o| {
        o.copy_job_runs = true;
        o.service.copy_job = Duration::from_secs(10);
    });
    let there = |f: &Fixture| {
        f.files
            .paths()
            .iter()
            .filter(|p| p.starts_with("e:"))
            .count()
    };
    assert_eq!(there(&f), 4);
    tokio::time::sleep(Duration::from_secs(11)).await;
    f.world.tick();
    assert_eq!(there(&f), 6);
}

#[tokio::test(start_paused = true)]
async fn a_restoring_database_takes_no_options() {
    let f = Fixture::new(|_| ());
    let mut c = f.client(BACKUP);
    assert_eq!(
        c.numbers("ALTER DATABASE mgc SET MULTI_USER").await,
        [5052, 5069]
    );
    assert_eq!(
        c.numbers("ALTER DATABASE nosuch SET MULTI_USER").await,
        [5011, 5069]
    );
    assert_eq!(
        c.numbers("ALTER DATABASE mgc SET PARTNER OFF").await,
        [1416]
    );
    assert_eq!(c.numbers("USE mgc").await, [927]);
    assert_eq!(c.numbers("USE nosuch").await, [911]);
}

#[tokio::test(start_paused = true)]
async fn single_user_throws_others_out_only_when_told_to() {
    let f = Fixture::new(|o| {
        o.backup = Backup::Recovered;
        o.chat_sessions = vec!["pc5".into()];
    });
    let mut c = f.client(BACKUP);
    assert_eq!(
        c.numbers("ALTER DATABASE mgc SET SINGLE_USER").await,
        [5070, 5069]
    );
    c.ok("ALTER DATABASE mgc SET SINGLE_USER WITH ROLLBACK IMMEDIATE")
        .await;
    f.at(BACKUP, |s| {
        assert!(s.users_of("mgc", 0).is_empty());
        assert_eq!(s.database("mgc").unwrap().access, UserAccess::Single);
    });
    c.ok("USE mgc").await;
    let mut other = f.client(BACKUP);
    assert_eq!(other.numbers("USE mgc").await, [924]);
    assert_eq!(
        other.numbers("ALTER DATABASE mgc SET MULTI_USER").await,
        [5064, 5069]
    );
    c.ok("ALTER DATABASE mgc SET MULTI_USER").await;
}

#[tokio::test(start_paused = true)]
async fn a_database_that_is_offline_is_opened_by_nobody_and_tells_nothing_of_itself() {
    const OFFLINE: &str = "ALTER DATABASE mgc SET OFFLINE";
    const TOLD: &str = "IF EXISTS (SELECT 1 FROM sys.databases WHERE name = N'mgc' AND state = 6 \
        AND collation_name IS NULL) PRINT 'offline'; \
        IF EXISTS (SELECT 1 FROM master.sys.database_recovery_status WHERE database_id = DB_ID(N'mgc') \
        AND family_guid IS NULL) PRINT 'silent'; \
        IF EXISTS (SELECT 1 FROM sys.master_files WHERE database_id = DB_ID(N'mgc')) PRINT 'placed'";
    let f = Fixture::new(|o| {
        o.backup = Backup::Recovered;
        o.chat_sessions = vec!["pc5".into()];
    });
    let mut c = f.client(BACKUP);
    assert_eq!(c.numbers(OFFLINE).await, [5070, 5069]);
    c.ok(&format!("{OFFLINE} WITH ROLLBACK IMMEDIATE")).await;
    f.at(BACKUP, |s| assert!(s.users_of("mgc", 0).is_empty()));
    assert_eq!(c.ok(TOLD).await.printed(), ["offline", "silent", "placed"]);
    assert_eq!(c.numbers("USE mgc").await, [942]);
    assert_eq!(
        c.numbers("RESTORE DATABASE mgc WITH RECOVERY").await[0],
        3101
    );
    // Nothing says that it may be said twice.
    assert_eq!(c.numbers(OFFLINE).await, [5052, 5069]);
    c.ok("ALTER DATABASE mgc SET ONLINE").await;
    c.ok("USE mgc").await;
    // A secondary, which is RESTORING, and a mirrored one are not taken OFFLINE.
    let f = Fixture::new(|_| ());
    let numbers = f.client(BACKUP).numbers(OFFLINE).await;
    assert_eq!(numbers, [5052, 5069]);
    let f = Fixture::new(|o| o.start = Start::Normal);
    let numbers = f.client(PRIMARY).numbers(OFFLINE).await;
    assert_eq!(numbers, [1468, 5069]);
}

#[tokio::test(start_paused = true)]
async fn an_owner_has_to_be_a_login() {
    let f = Fixture::new(|o| o.backup = Backup::Recovered);
    let mut c = f.client(BACKUP);
    let sql = "ALTER AUTHORIZATION ON DATABASE::[mgc] TO [pchadr]";
    c.ok(sql).await;
    assert_eq!(
        f.at(BACKUP, |s| s.database("mgc").unwrap().owner.clone())
            .as_deref(),
        Some("pchadr")
    );
    assert_eq!(c.numbers(&sql.replace("pchadr", "nobody")).await, [15151]);
}

#[tokio::test(start_paused = true)]
async fn a_mirror_is_installed_gets_in_step_and_is_removed_on_both_sides() {
    let f = Fixture::new(|o| {
        o.backup = Backup::Recovered;
        o.service.synchronizing = Duration::from_secs(30);
    });
    let install = |drop| {
        f.world.install_mirror(
            "sql3.dc2.litwareinc.com",
            Some("chat"),
            "PersistentChat",
            drop,
        )
    };
    install(false).unwrap();
    let side = |instance| {
        f.at(instance, |s| {
            s.database("mgc").unwrap().mirroring.clone().unwrap()
        })
    };
    assert_eq!(side(BACKUP).state, MirroringState::Synchronizing);
    // What was restored on the mirror is in its history, with the set that its principal took.
    let taken = f.at(BACKUP, |s| {
        let sets = s.msdb.backups.iter().rev().take(2);
        sets.map(|row| row.set.set_guid).collect::<Vec<_>>()
    });
    f.at(BACKUP_MIRROR, |s| {
        let sets = s.msdb.backups.iter().rev().map(|row| row.set.set_guid);
        assert_eq!(sets.collect::<Vec<_>>(), taken);
        let kinds = s.msdb.restores.iter().map(|row| row.kind);
        assert_eq!(kinds.collect::<Vec<_>>(), ["D", "L"]);
    });
    assert_eq!(side(BACKUP).role, MirroringRole::Principal);
    assert_eq!(side(BACKUP_MIRROR).partner_instance, r"SQL3\chat");
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(side(BACKUP_MIRROR).state, MirroringState::Synchronized);
    let logs = f.at(BACKUP, |s| {
        let last = s.msdb.backups.last().unwrap();
        (last.device.clone(), last.set.kind)
    });
    assert!(logs.0.starts_with(r"\\fs1\pchat-mirror\mgc_"));
    assert!(install(true).is_err(), "mirrored already");
    let mut c = f.client(BACKUP);
    c.ok("ALTER DATABASE [mgc] SET PARTNER OFF").await;
    assert_eq!(
        c.numbers("ALTER DATABASE [mgc] SET PARTNER OFF").await,
        [1416]
    );
    f.at(BACKUP_MIRROR, |s| {
        let left = s.database("mgc").unwrap();
        assert!(left.mirroring.is_none());
        assert_eq!(left.state, DatabaseState::Restoring);
    });
    assert!(install(false).is_err(), "a leftover is there");
    install(true).unwrap();
    assert!(
        f.world
            .install_mirror("nowhere", None, "PersistentChat", true)
            .is_err()
    );
}

#[tokio::test(start_paused = true)]
async fn a_principal_in_step_can_fail_over_and_back() {
    let f = Fixture::new(|o| o.start = Start::Normal);
    f.client(PRIMARY)
        .ok("ALTER DATABASE mgc SET PARTNER FAILOVER")
        .await;
    f.at(PRIMARY_MIRROR, |s| {
        assert!(s.database("mgc").unwrap().serves());
    });
    f.at(PRIMARY, |s| assert!(!s.database("mgc").unwrap().serves()));
    assert_eq!(
        f.client(PRIMARY)
            .numbers("ALTER DATABASE mgc SET PARTNER FAILOVER")
            .await,
        [1422]
    );
    f.client(PRIMARY_MIRROR)
        .ok("ALTER DATABASE mgc SET PARTNER FAILOVER")
        .await;
    f.at(PRIMARY, |s| assert!(s.database("mgc").unwrap().serves()));
}

#[tokio::test(start_paused = true)]
async fn log_shipping_is_configured_and_one_cycle_runs() {
    let f = Fixture::new(|o| {
        o.start = Start::Normal;
        o.restored = 6;
        o.copied = 6;
    });
    let (mut p, mut b) = (f.client(PRIMARY), f.client(BACKUP));
    p.ok(r"EXEC master.dbo.sp_delete_log_shipping_primary_secondary @primary_database = N'mgc', @secondary_server = N'SQL3\chat', @secondary_database = N'mgc'").await;
    p.ok("EXEC master.dbo.sp_delete_log_shipping_primary_database @database = N'mgc'")
        .await;
    f.client(BACKUP).ok(DROP).await;
    let told = p.ok(r"DECLARE @j uniqueidentifier, @p uniqueidentifier, @s int;
        EXEC master.dbo.sp_add_log_shipping_primary_database @database = N'mgc', @backup_directory = N'\\fs1\pchat-logs',
            @backup_share = N'\\fs1\pchat-logs', @backup_job_name = N'LSBackup_mgc', @backup_job_id = @j OUTPUT, @primary_id = @p OUTPUT;
        EXEC msdb.dbo.sp_add_schedule @schedule_name = N'x', @enabled = 1, @freq_type = 4, @schedule_id = @s OUTPUT;
        EXEC msdb.dbo.sp_attach_schedule @job_id = @j, @schedule_id = @s;
        EXEC msdb.dbo.sp_update_job @job_id = @j, @enabled = 1;
        EXEC master.dbo.sp_add_log_shipping_primary_secondary @primary_database = N'mgc', @secondary_server = N'SQL3\chat', @secondary_database = N'mgc';
        PRINT @j").await;
    assert_eq!(told.printed()[0].len(), 36);
    b.ok(r"EXEC master.dbo.sp_add_log_shipping_secondary_primary @primary_server = N'SQL1\chat', @primary_database = N'mgc',
            @backup_source_directory = N'\\fs1\pchat-logs', @backup_destination_directory = N'E:\pchat-copy', @copy_job_name = N'c', @restore_job_name = N'r';
        EXEC master.dbo.sp_add_log_shipping_secondary_database @secondary_database = N'mgc', @primary_server = N'SQL1\chat', @primary_database = N'mgc'").await;
    f.world.write_messages(PRIMARY, 4);
    p.ok("EXEC msdb.dbo.sp_start_job @job_name = N'LSBackup_mgc'")
        .await;
    b.ok(
        "EXEC msdb.dbo.sp_start_job @job_name = N'c'; EXEC msdb.dbo.sp_start_job @job_name = N'r'",
    )
    .await;
    let end = f.at(PRIMARY, |s| s.database("mgc").unwrap().log_start);
    let (redo, messages) = f.at(BACKUP, |s| {
        let d = s.database("mgc").unwrap();
        (d.redo_start, d.messages)
    });
    assert_eq!(redo, end);
    assert_eq!(
        messages,
        f.at(PRIMARY, |s| s.database("mgc").unwrap().messages)
    );
}

#[tokio::test(start_paused = true)]
async fn a_mirror_is_set_up_over_a_given_share_and_fails_over_by_name() {
    let f = Fixture::new(|o| o.backup = Backup::Recovered);
    let server = |text: &str| text.parse().unwrap();
    let (b, bm) = (
        server(r"sql3.dc2.litwareinc.com\chat"),
        server(r"sql4.dc2.litwareinc.com\chat"),
    );
    f.world
        .set_up_mirror(false, &b, &bm, r"\\fs9\x", false)
        .unwrap();
    assert!(
        f.files
            .paths()
            .iter()
            .any(|p| p.starts_with(r"\\fs9\x\mgc_"))
    );
    f.world.fail_over(false, &bm, false).unwrap();
    f.at(BACKUP_MIRROR, |s| {
        assert!(s.database("mgc").unwrap().serves());
    });
    f.world.fail_over(false, &b, false).unwrap();
    f.world.down(Role::Backup);
    assert!(f.world.fail_over(false, &bm, false).is_err());
    f.world.fail_over(false, &bm, true).unwrap();
    f.at(BACKUP_MIRROR, |s| {
        assert!(s.database("mgc").unwrap().serves());
    });
    assert!(f.world.fail_over(true, &server("nowhere"), true).is_err());
}
