use std::time::Duration;

use proptest::prelude::*;

use crate::model::states::DatabaseState;
use crate::model::{Instance, Lsn};
use crate::rehearsal::backup_set::{Form, SetKind};
use crate::rehearsal::value::Datum;
use crate::rehearsal::world::tests::testing::*;
use crate::rehearsal::world::{Backup, FileView, Files, Outcome, ServiceTimes};

const RECOVER: &str = "RESTORE DATABASE [mgc] WITH RECOVERY";

fn redo(f: &Fixture) -> Lsn {
    f.at(BACKUP, |s| s.database("mgc").unwrap().redo_start)
}

fn state(f: &Fixture, instance: Instance) -> DatabaseState {
    f.at(instance, |s| s.database("mgc").unwrap().state)
}

#[tokio::test(start_paused = true)]
async fn logs_in_order_move_redo_start_and_are_written_into_the_history() {
    let f = Fixture::new(|_| ());
    assert_eq!(redo(&f), f.logs[1].set.last_lsn);
    let mut c = f.client(BACKUP);
    c.ok(&f.restore(2)).await;
    c.ok(&f.restore(3)).await;
    assert_eq!(redo(&f), f.logs[3].set.last_lsn);
    let (rows, last) = f.at(BACKUP, |s| {
        let row = s.msdb.restores.last().unwrap().clone();
        let set = s.msdb.backups.iter().find(|b| b.id == row.backup_set_id);
        (
            s.msdb.restores.len(),
            (row.kind, set.unwrap().device.clone()),
        )
    });
    // The seed, two by the job, two here.
    assert_eq!(rows, 5);
    assert_eq!(last, ("L", copied(&f.logs[3])));
    assert_eq!(state(&f, BACKUP), DatabaseState::Restoring);
}

#[tokio::test(start_paused = true)]
async fn a_log_out_of_order_is_refused_with_3013_behind_the_telling_error() {
    let f = Fixture::new(|o| o.copied = 6);
    let mut c = f.client(BACKUP);
    let told = c.run(&f.restore(3)).await;
    assert_eq!(told.numbers(), [4305, 3013]);
    assert!(told.errors[0].message.contains(&redo(&f).to_string()));
    assert_eq!(c.numbers(&f.restore(0)).await, [4326, 3013]);
    assert_eq!(redo(&f), f.logs[1].set.last_lsn);
}

#[tokio::test(start_paused = true)]
async fn the_last_log_again_is_harmless() {
    let f = Fixture::new(|_| ());
    let before = redo(&f);
    f.client(BACKUP).ok(&f.restore(1)).await;
    assert_eq!(redo(&f), before);
}

#[tokio::test(start_paused = true)]
async fn every_wrong_file_has_its_own_number() {
    let f = Fixture::new(|_| ());
    let mut c = f.client(BACKUP);
    let put = |name: &str, change: &dyn Fn(&mut crate::rehearsal::backup_set::BackupSet)| {
        let mut set = f.logs[2].set.clone();
        change(&mut set);
        let view = FileView {
            size: 1,
            sets: vec![set],
            damaged: false,
            form: Form::default(),
        };
        f.files.put(name, view);
        format!("RESTORE LOG mgc FROM DISK = '{name}' WITH NORECOVERY")
    };
    let family = put("a", &|s| s.family = [9; 16]);
    let fork = put("b", &|s| s.first_fork = [9; 16]);
    let damaged = put("c", &|s| s.damaged = true);
    let full = put("d", &|s| s.kind = SetKind::Full);
    let newer = put("e", &|s| s.software = (14, 0, 1));
    f.files.put("f", FileView::default());
    for (sql, number) in [
        (family, 3154),
        (fork, 4330),
        (damaged, 3183),
        (full, 3135),
        (newer, 3169),
        (
            "RESTORE LOG mgc FROM DISK = 'f' WITH NORECOVERY".into(),
            3241,
        ),
        (
            "RESTORE LOG mgc FROM DISK = 'none' WITH NORECOVERY".into(),
            3201,
        ),
        (f.restore(2).replace("FILE = 1", "FILE = 2"), 4038),
        (f.restore(2).replace("mgc]", "nosuch]"), 3118),
    ] {
        assert_eq!(c.numbers(&sql).await, [number, 3013], "{sql}");
    }
    assert_eq!(redo(&f), f.logs[1].set.last_lsn);
    f.files.refuse(r"\\fs1", 53);
    let told = c
        .run(r"RESTORE LOG mgc FROM DISK = N'\\fs1\x' WITH NORECOVERY")
        .await;
    assert!(told.errors[0].message.contains("53(The network path"));
}

#[tokio::test(start_paused = true)]
async fn a_restore_needs_the_database_alone() {
    let f = Fixture::new(|o| o.backup = Backup::Standby);
    let mut c = f.client(BACKUP);
    let mut other = f.client(BACKUP);
    other.ok("USE mgc").await;
    assert_eq!(c.numbers(&f.restore(2)).await, [3101, 3013]);
    assert_eq!(other.numbers(&f.restore(2)).await, [3102, 3013]);
    drop(other);
    c.ok(&f.restore(2)).await;
}

#[tokio::test(start_paused = true)]
async fn a_mirrored_database_takes_no_restore() {
    let f = Fixture::new(|o| o.start = crate::rehearsal::world::Start::Normal);
    f.world.chat_servers_changed(&[], false);
    for instance in [PRIMARY, PRIMARY_MIRROR] {
        let mut c = f.client(instance);
        assert_eq!(c.numbers(&f.restore(2)).await, [3104, 3013]);
    }
}

#[tokio::test(start_paused = true)]
async fn recovery_is_the_default_and_ends_the_chain() {
    let f = Fixture::new(|_| ());
    let mut c = f.client(BACKUP);
    c.ok(&f.restore(2).replace(", NORECOVERY", "")).await;
    assert_eq!(state(&f, BACKUP), DatabaseState::Online);
    assert_eq!(c.numbers(&f.restore(3)).await, [3117, 3013]);
}

#[tokio::test(start_paused = true)]
async fn recovery_starts_a_fork_at_redo_start_and_takes_its_time() {
    let f = Fixture::new(|o| {
        o.owner = None;
        o.service.recovering = Duration::from_secs(5);
    });
    let (old, point) = f.at(BACKUP, |s| {
        let d = s.database("mgc").unwrap();
        (d.fork, d.redo_start)
    });
    let mut c = f.client(BACKUP);
    c.ok(RECOVER).await;
    assert_eq!(state(&f, BACKUP), DatabaseState::Recovering);
    assert_eq!(c.numbers("USE mgc").await, [922]);
    tokio::time::sleep(Duration::from_secs(6)).await;
    let d = f.at(BACKUP, |s| s.database("mgc").unwrap().clone());
    assert_eq!(d.state, DatabaseState::Online);
    assert_eq!((d.first_fork, d.fork_point), (old, Some(point)));
    assert_ne!(d.fork, old);
    assert_eq!(d.owner.as_deref(), Some("pchadr"));
    assert!(!d.trustworthy && !d.broker);
    assert_eq!(c.numbers(RECOVER).await, [3153, 3013]);
    c.ok("USE mgc").await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_during_a_restore_leaves_that_set_half_done() {
    let f = Fixture::new(|o| o.service = ServiceTimes::REAL);
    let mut c = f.client(BACKUP);
    assert!(
        !c.drop_after(&f.restore(2), Duration::from_millis(100))
            .await
    );
    assert_eq!(redo(&f), f.logs[1].set.last_lsn);
    assert_eq!(state(&f, BACKUP), DatabaseState::Restoring);
    assert_eq!(
        f.world.history().last().unwrap().outcome,
        Outcome::Interrupted
    );
    assert_eq!(c.numbers(&f.restore(3)).await, [4319, 3013]);
    assert_eq!(c.numbers(RECOVER).await, [4333, 3013]);
    c.ok(&f.restore(2)).await;
    c.ok(&f.restore(3)).await;
}

#[tokio::test(start_paused = true)]
async fn a_running_restore_is_seen_and_keeps_others_out() {
    let f = Fixture::new(|o| {
        o.service = ServiceTimes::ZERO;
        o.service.media = Duration::from_secs(10);
    });
    let world = f.world.clone();
    let sql = f.restore(2);
    let running =
        tokio::spawn(async move { Client::new(&world, BACKUP).run(&sql).await.numbers() });
    tokio::time::sleep(Duration::from_secs(5)).await;
    let mut c = f.client(BACKUP);
    assert_eq!(c.numbers(&f.restore(2)).await, [3101, 3013]);
    let seen = f.at(BACKUP, |s| {
        s.processes
            .values()
            .find_map(|p| p.running.clone())
            .unwrap()
    });
    assert_eq!(
        (seen.command, seen.target.as_deref()),
        ("RESTORE LOG", Some("mgc"))
    );
    assert_eq!(running.await.unwrap(), [0_u32; 0]);
    assert_eq!(redo(&f), f.logs[2].set.last_lsn);
}

#[tokio::test(start_paused = true)]
async fn a_standby_secondary_is_made_restoring_in_one_batch() {
    let f = Fixture::new(|o| {
        o.backup = Backup::Standby;
        o.chat_sessions = vec!["report1".into()];
    });
    let mut c = f.client(BACKUP);
    c.ok(LEAVE_STANDBY).await;
    let d = f.at(BACKUP, |s| s.database("mgc").unwrap().clone());
    assert_eq!((d.state, d.standby), (DatabaseState::Restoring, false));
    // SINGLE_USER stays until the next log (`steps.md` 5.5).
    assert_eq!(d.access.number(), 1);
    c.ok(&f.restore(2)).await;
    assert_eq!(
        f.at(BACKUP, |s| s.database("mgc").unwrap().access.number()),
        0
    );
}

const LEAVE_STANDBY: &str = "ALTER DATABASE [mgc] SET SINGLE_USER WITH ROLLBACK IMMEDIATE; RESTORE DATABASE [mgc] WITH NORECOVERY";

#[tokio::test(start_paused = true)]
async fn who_takes_the_single_slot_of_a_standby_database_stays_there_until_killed() {
    let f = Fixture::new(|o| {
        o.backup = Backup::Standby;
        o.chat_sessions = vec!["report1".into(), "report2".into()];
        o.readers_return = 3;
    });
    let mut c = f.client(BACKUP);
    // One of the two thrown out comes again before the RESTORE does.
    assert_eq!(c.numbers(LEAVE_STANDBY).await, [3101, 3013]);
    let readers = || f.at(BACKUP, |s| s.users_of("mgc", 0));
    assert_eq!(readers().len(), 1);
    // The ALTER fails, and the RESTORE behind it is run all the same.
    let in_use = [5064, 5069, 3101, 3013];
    assert_eq!(c.numbers(LEAVE_STANDBY).await, in_use);
    assert_eq!(c.numbers(LEAVE_STANDBY).await, in_use);
    for left in [1, 1, 0] {
        c.ok(&format!("KILL {}", readers()[0])).await;
        assert_eq!(readers().len(), left);
    }
    c.ok(LEAVE_STANDBY).await;
    assert_eq!(state(&f, BACKUP), DatabaseState::Restoring);
}

#[tokio::test(start_paused = true)]
async fn a_log_restored_with_standby_leaves_the_database_readable_and_the_chain_open() {
    let f = Fixture::new(|_| ());
    let mut c = f.client(BACKUP);
    let standby = f
        .restore(2)
        .replace("NORECOVERY", r"STANDBY = N'E:\undo.tuf'");
    c.ok(&standby).await;
    let seen = f.at(BACKUP, |s| {
        let d = s.database("mgc").unwrap();
        (d.state, d.standby)
    });
    assert_eq!(seen, (DatabaseState::Online, true));
    let recovered = f.at(BACKUP, |s| s.msdb.restores.last().unwrap().recovery);
    assert!(!recovered);
    c.ok(&f.restore(3)).await;
    assert_eq!(state(&f, BACKUP), DatabaseState::Restoring);
    assert_eq!(redo(&f), f.logs[3].set.last_lsn);
}

#[tokio::test(start_paused = true)]
async fn the_header_of_every_set_is_shown() {
    let f = Fixture::new(|_| ());
    let mut second = f.logs[1].set.clone();
    second.position = 2;
    let sets = vec![f.logs[0].set.clone(), second];
    f.files
        .write_backup("x", &copied(&f.logs[0]), FileView::of(sets, 1), true)
        .unwrap();
    let mut c = f.client(BACKUP);
    let sql = format!(
        "DECLARE @f nvarchar(260) = N'{}'; RESTORE HEADERONLY FROM DISK = @f",
        copied(&f.logs[0])
    );
    let told = c.ok(&sql).await;
    let set = &told.sets[0];
    assert_eq!((set.columns.len(), set.rows.len()), (56, 2));
    let at = |name: &str| set.columns.iter().position(|c| c.name == name).unwrap();
    assert_eq!(set.rows[1][at("Position")], Datum::Int(2));
    assert_eq!(set.rows[0][at("BackupType")], Datum::Int(2));
    assert_eq!(set.rows[0].len(), set.columns.len());
    assert!(f.world.history().iter().all(|e| !e.effect));
    for (subject, columns) in [("FILELISTONLY", 22), ("LABELONLY", 13)] {
        let sql = format!("RESTORE {subject} FROM DISK = '{}'", copied(&f.logs[0]));
        assert_eq!(c.ok(&sql).await.sets[0].columns.len(), columns);
    }
    let sql = format!("RESTORE VERIFYONLY FROM DISK = '{}'", copied(&f.logs[0]));
    assert_eq!(c.ok(&sql).await.infos[0].number, 3262);
}

#[tokio::test(start_paused = true)]
async fn failback_carries_everything_home_and_lets_the_backup_follow() {
    let f = Fixture::new(|o| {
        o.backup = Backup::Recovered;
        o.primary = crate::rehearsal::world::PrimarySide::Fresh;
        o.unshipped = 5;
    });
    f.world.write_messages(BACKUP, 7);
    let total = f.at(BACKUP, |s| s.database("mgc").unwrap().messages);
    let (mut b, mut p) = (f.client(BACKUP), f.client(PRIMARY));
    b.ok(r"BACKUP DATABASE mgc TO DISK = N'\\fs1\full.bak' WITH INIT, CHECKSUM, STATS = 5")
        .await;
    b.ok(r"BACKUP LOG mgc TO DISK = N'\\fs1\tail.trn' WITH INIT, CHECKSUM, NORECOVERY")
        .await;
    assert_eq!(state(&f, BACKUP), DatabaseState::Restoring);
    let full = r"RESTORE DATABASE mgc FROM DISK = N'\\fs1\full.bak' WITH FILE = 1, ";
    assert_eq!(p.numbers(&format!("{full}NORECOVERY")).await, [3154, 3013]);
    p.ok(&format!(
        "{full}REPLACE, MOVE 'mgc_data' TO 'F:\\d.mdf', CHECKSUM, NORECOVERY"
    ))
    .await;
    p.ok(r"RESTORE LOG mgc FROM DISK = N'\\fs1\tail.trn' WITH FILE = 1, NORECOVERY")
        .await;
    p.ok(RECOVER).await;
    let d = f.at(PRIMARY, |s| s.database("mgc").unwrap().clone());
    assert_eq!((d.state, d.messages), (DatabaseState::Online, total));
    assert_eq!(d.files[0].path, r"F:\d.mdf");
    // The fenced backup can follow the new fork, for it begins where the tail ends.
    p.ok(r"BACKUP LOG mgc TO DISK = N'\\fs1\next.trn' WITH INIT")
        .await;
    b.ok(r"RESTORE LOG mgc FROM DISK = N'\\fs1\next.trn' WITH NORECOVERY")
        .await;
    assert_eq!(f.at(BACKUP, |s| s.database("mgc").unwrap().fork), d.fork);
    // A log of the abandoned fork cannot be applied to it.
    assert_eq!(b.numbers(&f.restore(3)).await[0], 4326);
}

#[tokio::test(start_paused = true)]
async fn a_replaced_database_is_lost_when_its_restore_is_broken_off() {
    let f = Fixture::new(|o| {
        o.backup = Backup::Recovered;
        o.primary = crate::rehearsal::world::PrimarySide::Fresh;
        o.service.media = Duration::from_secs(10);
    });
    let (mut b, mut p) = (f.client(BACKUP), f.client(PRIMARY));
    b.ok(r"BACKUP DATABASE mgc TO DISK = 'full' WITH INIT")
        .await;
    let sql = "RESTORE DATABASE mgc FROM DISK = 'full' WITH REPLACE";
    assert!(!p.drop_after(sql, Duration::from_secs(1)).await);
    assert_eq!(state(&f, PRIMARY), DatabaseState::Restoring);
    assert_eq!(p.numbers(RECOVER).await, [4333, 3013]);
    p.ok(sql).await;
    assert_eq!(state(&f, PRIMARY), DatabaseState::Online);
}

#[tokio::test(start_paused = true)]
async fn a_backup_is_refused_where_there_is_nothing_to_back_up() {
    let f = Fixture::new(|o| o.start = crate::rehearsal::world::Start::Normal);
    let sql = "BACKUP LOG mgc TO DISK = 'x' WITH INIT";
    assert_eq!(f.client(BACKUP).numbers(sql).await, [927, 3013]);
    assert_eq!(f.client(PRIMARY_MIRROR).numbers(sql).await, [3059, 3013]);
    f.client(PRIMARY).ok(sql).await;
    let fence = "BACKUP LOG mgc TO DISK = 'x' WITH NORECOVERY";
    assert_eq!(f.client(PRIMARY).numbers(fence).await, [1468, 3013]);
    let probe = "BACKUP DATABASE [model] TO DISK = 'probe' WITH COPY_ONLY, INIT";
    f.client(BACKUP).ok(probe).await;
    f.files.refuse("denied", 5);
    let denied = "BACKUP DATABASE [model] TO DISK = 'denied' WITH COPY_ONLY, INIT";
    assert_eq!(f.client(BACKUP).numbers(denied).await, [3201, 3013]);
}

#[tokio::test(start_paused = true)]
async fn a_backup_appends_unless_told_otherwise_and_a_damaged_file_fails() {
    let f = Fixture::new(|o| o.backup = Backup::Recovered);
    let mut c = f.client(BACKUP);
    let sets = |f: &Fixture| f.files.open("backup", "x").unwrap().sets.len();
    c.ok("BACKUP DATABASE mgc TO DISK = 'x'").await;
    c.ok("BACKUP LOG mgc TO DISK = 'x'").await;
    assert_eq!(sets(&f), 2);
    c.ok("BACKUP LOG mgc TO DISK = 'x' WITH INIT").await;
    assert_eq!(sets(&f), 1);
    let mut view = f.files.open("backup", "x").unwrap();
    view.damaged = true;
    f.files.put("x", view);
    assert_eq!(
        c.numbers("RESTORE VERIFYONLY FROM DISK = 'x'").await,
        [3189, 3013]
    );
    c.ok("RESTORE HEADERONLY FROM DISK = 'x'").await;
}

#[tokio::test(start_paused = true)]
async fn damage_is_told_by_the_number_of_the_build_and_moves_nothing() {
    let f = Fixture::new(|_| ());
    let mut set = f.logs[2].set.clone();
    set.damaged = true;
    f.files.put("x", FileView::of(vec![set], 1));
    for (damage, words) in [
        (3183, "page (1:1127)"),
        (3203, "failed: 13(The data is invalid.)"),
        (3256, "'x' was terminated"),
        (11801, "corrupted pages"),
        (9004, "database 'mgc'"),
    ] {
        f.world.with(|state| state.damage = damage);
        let before = redo(&f);
        let mut c = f.client(BACKUP);
        let sql = "RESTORE LOG mgc FROM DISK = 'x' WITH NORECOVERY";
        let told = c.run(sql).await.errors;
        assert_eq!(told[0].number, damage, "{told:?}");
        assert!(told[0].message.contains(words), "{told:?}");
        assert_eq!(redo(&f), before);
    }
}

/// What a client may do to a secondary.
#[derive(Clone, Debug)]
enum Act {
    Restore(usize),
    Leave(usize),
    Recover,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0_usize..6).prop_map(Act::Restore),
        2 => (0_usize..6).prop_map(Act::Leave),
        1 => Just(Act::Recover),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever was tried before, in any order: redo start never goes back, no log is left out, and
    /// what is not recovered can be rolled forward to the end.
    #[test]
    fn no_order_of_restores_loses_a_log(acts in prop::collection::vec(act(), 0..24)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let f = Fixture::new(|o| {
                o.copied = 6;
                o.service.media = Duration::from_secs(10);
            });
            let mut c = f.client(BACKUP);
            let mut before = redo(&f);
            for act in acts {
                match act {
                    Act::Restore(n) => drop(c.run(&f.restore(n)).await),
                    Act::Leave(n) => {
                        c.drop_after(&f.restore(n), Duration::from_secs(5)).await;
                    }
                    Act::Recover => drop(c.run(RECOVER).await),
                }
                let now = redo(&f);
                let next = f.logs.iter().find(|l| l.set.first_lsn == before);
                assert!(now == before || next.is_some_and(|l| l.set.last_lsn == now));
                before = now;
            }
            if state(&f, BACKUP) != DatabaseState::Restoring {
                return;
            }
            for log in 0..6 {
                if f.logs[log].set.last_lsn >= redo(&f) {
                    let told = c.run(&f.restore(log)).await;
                    // A set that was broken off before must come first, even one that is done.
                    assert!(told.errors.is_empty() || told.numbers()[0] == 4319, "{:?}", told.errors);
                }
            }
            assert_eq!(redo(&f), f.logs[5].set.last_lsn);
        });
    }
}
