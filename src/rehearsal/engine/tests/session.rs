use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::model::Role;
use crate::rehearsal::tds::{Login, Parameter, Request};
use crate::rehearsal::value::{Datum, SqlType};
use crate::rehearsal::world::tests::testing::*;
use crate::rehearsal::world::{Backup, FaultKind, Outcome, SqlFault, Start};

const LOCK: &str = "DECLARE @rc int; EXEC @rc = master.dbo.sp_getapplock @Resource = N'pchadr', @LockMode = 'Exclusive', @LockOwner = 'Session', @LockTimeout = 0; PRINT @rc";

#[tokio::test(start_paused = true)]
async fn sessions_get_numbers_and_give_them_back() {
    let f = Fixture::new(|_| ());
    let (a, b) = (f.client(BACKUP), f.client(BACKUP));
    let spids = |f: &Fixture| f.at(BACKUP, |s| s.processes.keys().copied().collect::<Vec<_>>());
    assert_eq!(spids(&f), [51, 52]);
    drop(a);
    assert_eq!(spids(&f), [52]);
    drop(b);
    assert!(spids(&f).is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_may_sign_in_is_what_the_options_say() {
    let f = Fixture::new(|o| o.password = Some("right".into()));
    let server = f.world.server(BACKUP);
    let login = |user: &str, password: &str, database: &str| {
        server
            .login(&Login {
                user: user.into(),
                password: password.into(),
                database: database.into(),
                ..Login::default()
            })
            .err()
            .map(|e| e.number)
    };
    assert_eq!(login("pchadr", "right", ""), None);
    assert_eq!(login("", "", "master"), None);
    assert_eq!(login("pchadr", "wrong", ""), Some(18456));
    assert_eq!(login("", "", "mgc"), Some(4060));
}

#[tokio::test(start_paused = true)]
async fn a_kill_ends_another_session_and_only_that() {
    let f = Fixture::new(|o| {
        o.backup = Backup::Recovered;
        o.chat_sessions = vec!["pc5".into()];
    });
    let victim = f.client(BACKUP);
    let mut c = f.client(BACKUP);
    let token = victim.0.killed();
    for (sql, number) in [
        ("KILL 0", 6101),
        ("KILL -1", 6101),
        ("KILL 53", 6104),
        ("KILL 99", 6106),
        ("KILL 9", 6107),
        ("KILL 52 WITH STATUSONLY", 6120),
    ] {
        assert_eq!(c.numbers(sql).await, [number], "{sql}");
    }
    assert!(!token.is_cancelled());
    c.ok("KILL 52").await;
    assert!(token.is_cancelled());
    // A chat server's session, here 51, goes at once.
    c.ok("KILL 51").await;
    assert_eq!(c.numbers("KILL 51").await, [6106]);
}

#[tokio::test(start_paused = true)]
async fn an_application_lock_belongs_to_a_session_and_a_database() {
    let f = Fixture::new(|_| ());
    let (mut a, mut b) = (f.client(BACKUP), f.client(BACKUP));
    assert_eq!(a.ok(LOCK).await.printed(), ["0"]);
    assert_eq!(a.ok(LOCK).await.printed(), ["0"]);
    assert_eq!(b.ok(LOCK).await.printed(), ["-1"]);
    b.ok("USE msdb").await;
    assert_eq!(b.ok(LOCK).await.printed(), ["0"]);
    b.ok("USE master").await;
    let release = "EXEC sp_releaseapplock @Resource = N'pchadr', @LockOwner = 'Session'";
    a.ok(release).await;
    assert_eq!(
        b.ok(LOCK).await.printed(),
        ["-1"],
        "taken twice, released once"
    );
    let waiting = LOCK.replace("@LockTimeout = 0", "@LockTimeout = 5000");
    drop(a);
    assert_eq!(b.ok(&waiting).await.printed(), ["0"]);
    b.ok(release).await;
    assert_eq!(b.numbers(release).await, [1223]);
    assert!(f.world.history().iter().all(|e| !e.effect));
}

#[tokio::test(start_paused = true)]
async fn variables_control_flow_and_print_work_without_tables() {
    let f = Fixture::new(|_| ());
    let mut c = f.client(BACKUP);
    let told = c
        .ok("SET NOCOUNT ON; DECLARE @a int = 5, @b nvarchar(3) = N'hello'; SET @a = 7 PRINT @a PRINT @b; PRINT @@SERVERNAME; WAITFOR DELAY '00:00:01'")
        .await;
    assert_eq!(told.printed(), ["7", "hel", r"SQL3\chat"]);
    assert_eq!(c.numbers("SET @nope = 1").await, [137]);
}

#[tokio::test(start_paused = true)]
async fn parameters_are_variables_and_procedures_are_called_by_name() {
    let f = Fixture::new(|_| ());
    let mut c = f.client(BACKUP);
    let text = |name: &str, value: &str| Parameter {
        name: name.into(),
        sql_type: SqlType::NVarChar(Some(4000)),
        value: Datum::Text(value.into()),
    };
    let mut told = Told::default();
    let request = Request::Batch {
        sql: "RESTORE LOG @P1 FROM DISK = @P2 WITH NORECOVERY".into(),
        parameters: vec![text("@P1", "mgc"), text("@P2", &copied(&f.logs[2]))],
    };
    c.0.run(request, &mut told).await;
    assert_eq!(told.numbers(), [0_u32; 0]);
    let request = Request::Procedure {
        name: "sp_delete_log_shipping_secondary_database".into(),
        parameters: vec![text("", "mgc")],
    };
    c.0.run(request, &mut told).await;
    assert!(f.at(BACKUP, |s| s.msdb.secondaries.is_empty()));
    assert_eq!(
        f.world.history().last().unwrap().text,
        "EXEC sp_delete_log_shipping_secondary_database N'mgc'"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_not_known_is_said_and_kept() {
    let f = Fixture::new(|_| ());
    let mut c = f.client(BACKUP);
    assert_eq!(c.numbers("EXEC sp_nosuch 1").await, [2812]);
    assert_eq!(c.numbers("CREATE TABLE x (y int)").await, [102]);
    assert_eq!(
        c.numbers("sp_delete_log_shipping_secondary_database @x = 1")
            .await,
        [8145]
    );
    assert_eq!(f.world.unknown().len(), 3);
    let f = Fixture::new(|o| o.answer_102_to_everything = true);
    assert_eq!(f.client(BACKUP).numbers("PRINT 1").await, [102]);
}

#[tokio::test(start_paused = true)]
async fn behind_a_statement_that_fails_the_next_one_runs_unless_its_error_ends_the_batch() {
    let f = Fixture::new(|_| ());
    let mut c = f.client(BACKUP);
    // Nothing of a batch runs that cannot be compiled.
    let told = c.run("PRINT 'a'; RESTORE NONSENSE").await;
    assert!(told.infos.is_empty());
    let restore = "RESTORE LOG mgc FROM DISK = 'x' WITH NORECOVERY";
    for (on_the_way, printed) in [
        (restore, &["a", "b"][..]),
        ("ALTER DATABASE nope SET MULTI_USER", &["a", "b"]),
        ("KILL 99", &["a", "b"]),
        ("THROW 51000, N'no', 1", &["a"]),
        ("DECLARE @n int = N'x'", &["a"]),
        ("SET XACT_ABORT ON; KILL 99", &["a"]),
        ("SET XACT_ABORT OFF; KILL 99", &["a", "b"]),
    ] {
        let told = c.run(&format!("PRINT 'a'; {on_the_way}; PRINT 'b'")).await;
        assert!(!told.numbers().is_empty(), "{on_the_way}");
        assert_eq!(told.printed(), printed, "{on_the_way}");
    }
    let told = c.run("KILL 99; PRINT @@ERROR; PRINT @@ERROR").await;
    assert_eq!(told.printed(), ["6106", "0"]);
    // The first error is the one that is remembered of the batch.
    c.run(&format!("{restore}; KILL 99")).await;
    assert_eq!(
        f.world.history().last().unwrap().outcome,
        Outcome::Failed(3201)
    );
}

#[tokio::test(start_paused = true)]
async fn media_statements_refuse_a_transaction() {
    let f = Fixture::new(|_| ());
    let mut c = f.client(BACKUP);
    c.ok("BEGIN TRAN").await;
    assert_eq!(c.numbers(&f.restore(2)).await, [3021, 3013]);
    assert_eq!(c.numbers("ALTER DATABASE mgc SET MULTI_USER").await, [226]);
    assert_eq!(c.numbers("KILL 99").await, [6115]);
    c.ok("ROLLBACK").await;
    c.ok(&f.restore(2)).await;
}

fn fault(kind: FaultKind, nth: u32) -> SqlFault {
    SqlFault {
        instance: BACKUP,
        contains: "restore log".into(),
        nth,
        kind,
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_strikes_once_before_or_after_the_effect() {
    for (kind, cut, errors, effect) in [
        (FaultKind::ErrorBefore(3203), false, vec![3203], false),
        (FaultKind::ErrorAfter(3009), false, vec![3009], true),
        (FaultKind::CutBefore, true, vec![], false),
        (FaultKind::CutAfter, true, vec![], true),
    ] {
        let f = Fixture::new(|o| o.faults = vec![fault(kind, 1)]);
        let before = f.logs[1].set.last_lsn;
        let told = f.client(BACKUP).run(&f.restore(2)).await;
        assert_eq!((told.cut, told.numbers()), (cut, errors), "{kind:?}");
        let redo = f.at(BACKUP, |s| s.database("mgc").unwrap().redo_start);
        assert_eq!(redo > before, effect, "{kind:?}");
        f.client(BACKUP).ok(&f.restore(2)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn silence_lasts_until_the_client_leaves_and_the_history_tells_what_happened() {
    for (kind, done) in [(FaultKind::SilenceBefore, 1), (FaultKind::SilenceAfter, 2)] {
        let f = Fixture::new(|o| o.faults = vec![fault(kind, 2)]);
        let mut c = f.client(BACKUP);
        c.ok(&f.restore(2)).await;
        assert!(!c.drop_after(&f.restore(3), Duration::from_hours(1)).await);
        let outcomes: Vec<Outcome> = f.world.history().iter().map(|e| e.outcome).collect();
        assert_eq!(outcomes, vec![Outcome::Done; done], "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_history_holds_each_batch_as_sent_and_the_hook_hears_of_it() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = heard.clone();
    let f = Fixture::new(|o| {
        o.hook = Some(Arc::new(move |e| ear.lock().unwrap().push(e.clone())));
    });
    let mut c = f.client(BACKUP);
    c.ok("USE master").await;
    let sql = format!("{}  -- as sent", f.restore(2));
    c.ok(&sql).await;
    let history = f.world.history();
    assert_eq!(*heard.lock().unwrap(), history);
    assert_eq!(
        (history[1].text.as_str(), history[1].effect),
        (sql.as_str(), true)
    );
    assert!(!history[0].effect);
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_goes_down_cuts_its_sessions() {
    let f = Fixture::new(|o| o.service.media = Duration::from_secs(10));
    let mut c = f.client(BACKUP);
    f.world.down(Role::Backup);
    assert!(c.0.killed().is_cancelled());
    assert!(!f.world.is_up(BACKUP));
    assert!(c.run("PRINT 1").await.cut);
    f.world.up(Role::Backup);
    assert!(c.run("PRINT 1").await.cut, "the session is gone for good");
    let mut other = f.client(BACKUP);
    drop(c);
    other.ok("PRINT 1").await;
}

#[tokio::test(start_paused = true)]
async fn chat_servers_hold_the_databases_that_the_pool_uses() {
    let f = Fixture::new(|o| o.start = Start::Normal);
    let hosts = |f: &Fixture, instance| f.world.summary().instances[&instance].chat.clone();
    let own = |host: &str, db: &str| (host.to_owned(), db.to_owned());
    assert_eq!(
        hosts(&f, PRIMARY),
        [
            own("pc1", "mgc"),
            own("pc1", "mgccomp"),
            own("pc2", "mgc"),
            own("pc2", "mgccomp")
        ]
    );
    f.world.down(Role::Primary);
    let active = [
        "pc1.litwareinc.com".to_owned(),
        "pc5.litwareinc.com".to_owned(),
    ];
    f.world.chat_servers_changed(&active, true);
    // mgc is not there yet; pc1 died with its data center.
    assert_eq!(hosts(&f, BACKUP), [own("pc5", "mgccomp")]);
    f.client(BACKUP)
        .ok("RESTORE DATABASE mgc WITH RECOVERY")
        .await;
    assert_eq!(
        hosts(&f, BACKUP),
        [own("pc5", "mgc"), own("pc5", "mgccomp")]
    );
    f.world.chat_servers_changed(&[], true);
    assert!(hosts(&f, BACKUP).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_cut_in_a_restore_leaves_the_set_half_done() {
    let f = Fixture::new(|o| o.service.media = Duration::from_secs(10));
    f.world.with(|state| {
        state.faults.push(SqlFault {
            instance: BACKUP,
            contains: "RESTORE LOG".to_owned(),
            nth: 1,
            kind: FaultKind::CutAmid,
        });
    });
    let told = f.client(BACKUP).run(&f.restore(2)).await;
    assert!(told.cut && told.errors.is_empty(), "{:?}", told.numbers());
    let mut c = f.client(BACKUP);
    assert_eq!(c.numbers(&f.restore(3)).await, [4319, 3013]);
    c.ok(&f.restore(2)).await;
    let ended = f.world.history().into_iter().find(|it| it.effect);
    assert_eq!(ended.map(|it| it.outcome), Some(Outcome::Interrupted));
}
