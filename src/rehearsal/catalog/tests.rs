mod asked;

use std::collections::BTreeMap;
use std::time::Duration;

use self::asked::ASKED;
use super::*;
use crate::model::Instance;
use crate::rehearsal::world::tests::testing::*;
use crate::rehearsal::world::{Backup, Start};

/// What the session with id 51 sees: the first client, or a chat server.
fn see<T>(f: &Fixture, instance: Instance, look: impl FnOnce(&View<'_>) -> T) -> T {
    let now = f.world.now();
    f.world.with(|state| {
        let state: &State = state;
        let server = &state.instances[&instance];
        look(&View {
            state,
            instance: server,
            me: &server.processes[&51],
            now,
            rows: 0,
            error: 0,
            variables: &BTreeMap::new(),
        })
    })
}

fn parts(name: &str) -> Vec<String> {
    name.split('.').map(str::to_owned).collect()
}

fn table(f: &Fixture, instance: Instance, name: &str) -> Relation {
    see(f, instance, |view| {
        view.table(&parts(name)).unwrap().unwrap()
    })
}

fn values(relation: &Relation, column: &str) -> Vec<Datum> {
    let at = relation.columns.iter().position(|c| c.name == column);
    relation
        .rows
        .iter()
        .map(|r| r[at.unwrap()].clone())
        .collect()
}

/// The value of `column` in the row whose `key` is `value`.
fn cell(relation: &Relation, key: &str, value: &Datum, column: &str) -> Datum {
    let row = values(relation, key)
        .iter()
        .position(|v| v == value)
        .unwrap();
    values(relation, column)[row].clone()
}

#[tokio::test(start_paused = true)]
async fn every_column_that_is_asked_for_is_there_and_every_row_is_whole() {
    let f = Fixture::new(|o| {
        o.start = Start::Normal;
        o.backup = Backup::Standby;
    });
    let clients = [f.client(PRIMARY), f.client(BACKUP)];
    for instance in [PRIMARY, BACKUP] {
        for (name, columns) in ASKED {
            let relation = table(&f, instance, name);
            for column in *columns {
                assert!(
                    relation.columns.iter().any(|c| c.name == *column),
                    "{name}.{column}"
                );
            }
            for row in &relation.rows {
                assert_eq!(row.len(), relation.columns.len(), "{name}");
            }
        }
    }
    drop(clients);
}

#[tokio::test(start_paused = true)]
async fn redo_start_shows_while_restoring_and_lineage_while_online() {
    let f = Fixture::new(|_| ());
    let _c = f.client(BACKUP);
    let id = table(&f, BACKUP, "sys.databases");
    let mgc_id = cell(&id, "name", &Datum::Text("mgc".into()), "database_id");
    let files = table(&f, BACKUP, "sys.master_files");
    assert_eq!(
        cell(&files, "database_id", &mgc_id, "redo_start_lsn"),
        Datum::from(f.logs[1].set.last_lsn)
    );
    let status = table(&f, BACKUP, "sys.database_recovery_status");
    assert_eq!(
        cell(&status, "database_id", &mgc_id, "family_guid"),
        Datum::Null
    );
    for shows in [false, true] {
        let f = Fixture::new(|o| {
            o.backup = Backup::Standby;
            o.standby_shows_redo = shows;
        });
        let _c = f.client(BACKUP);
        let files = table(&f, BACKUP, "sys.master_files");
        let shown = cell(&files, "database_id", &mgc_id, "redo_start_lsn");
        assert_eq!(shown != Datum::Null, shows);
    }
    let f = Fixture::new(|o| o.backup = Backup::Recovered);
    let _c = f.client(BACKUP);
    let files = table(&f, BACKUP, "sys.master_files");
    assert_eq!(
        cell(&files, "database_id", &mgc_id, "redo_start_lsn"),
        Datum::Null
    );
    let status = table(&f, BACKUP, "sys.database_recovery_status");
    assert_eq!(
        cell(&status, "database_id", &mgc_id, "fork_point_lsn"),
        Datum::from(f.logs[5].set.last_lsn)
    );
}

#[tokio::test(start_paused = true)]
async fn collation_is_null_until_connections_are_possible() {
    let f = Fixture::new(|o| o.service.recovering = Duration::from_secs(5));
    let mut c = f.client(BACKUP);
    let name = Datum::Text("mgc".into());
    let look = |f: &Fixture| {
        let t = table(f, BACKUP, "sys.databases");
        (
            cell(&t, "name", &name, "collation_name"),
            cell(&t, "name", &name, "state"),
        )
    };
    assert_eq!(look(&f), (Datum::Null, Datum::Int(1)));
    c.ok("RESTORE DATABASE mgc WITH RECOVERY").await;
    assert_eq!(look(&f), (Datum::Null, Datum::Int(2)));
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(look(&f).1, Datum::Int(0));
    assert_ne!(look(&f).0, Datum::Null);
}

#[tokio::test(start_paused = true)]
async fn a_running_restore_shows_as_request_lock_and_progress() {
    let f = Fixture::new(|o| {
        o.restore_job_runs = true;
        o.service.media = Duration::from_secs(10);
    });
    let _c = f.client(BACKUP);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let requests = table(&f, BACKUP, "sys.dm_exec_requests");
    let command = Datum::Text("RESTORE LOG".into());
    let spid = cell(&requests, "command", &command, "session_id");
    assert_eq!(
        cell(&requests, "command", &command, "percent_complete"),
        Datum::Float(50.0)
    );
    // RESTORE runs in master; its target shows by the X lock (`sql-server.md` 3.2).
    assert_eq!(
        cell(&requests, "command", &command, "database_id"),
        Datum::Int(1)
    );
    let locks = table(&f, BACKUP, "sys.dm_tran_locks");
    let mode = Datum::Text("X".into());
    assert_eq!(
        cell(&locks, "request_mode", &mode, "request_session_id"),
        spid
    );
    let activity = table(&f, BACKUP, "msdb.dbo.sysjobactivity");
    let open = values(&activity, "stop_execution_date");
    // Two stale rows of the Agent session before, and the running one.
    assert_eq!(open.iter().filter(|v| **v == Datum::Null).count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_database_that_cannot_be_opened_says_why() {
    let f = Fixture::new(|o| o.start = Start::Normal);
    f.world.chat_servers_changed(&[], false);
    let _clients = [
        f.client(PRIMARY),
        f.client(BACKUP),
        f.client(PRIMARY_MIRROR),
    ];
    let number = |instance, name: &str| {
        see(&f, instance, |view| match view.table(&parts(name)) {
            None => 208,
            Some(Err(error)) => error.number,
            Some(Ok(_)) => 0,
        })
    };
    assert_eq!(number(PRIMARY, "mgc.dbo.tblChat"), 0);
    assert_eq!(number(BACKUP, "mgc.dbo.tblChat"), 927);
    assert_eq!(number(BACKUP, "mgc.sys.database_principals"), 927);
    assert_eq!(number(PRIMARY_MIRROR, "mgc.dbo.tblChat"), 954);
    assert_eq!(number(PRIMARY, "nosuch.dbo.tblChat"), 911);
    assert_eq!(number(PRIMARY, "mgc.dbo.nosuch"), 208);
    assert_eq!(number(PRIMARY, "sysjobs"), 208, "only in msdb");
    assert_eq!(number(PRIMARY, "msdb..sysjobs"), 0);
    assert_eq!(number(PRIMARY, "MSDB.DBO.SysJobs"), 0);
}

#[tokio::test(start_paused = true)]
async fn functions_and_variables_answer_for_this_session() {
    let f = Fixture::new(|o| o.backup = Backup::Recovered);
    let _c = f.client(BACKUP);
    let text = |s: &str| Datum::Text(s.to_owned());
    let call = |name: &str, arguments: &[Datum]| {
        see(&f, BACKUP, |view| {
            view.function(name, arguments).map(|r| r.unwrap().1)
        })
    };
    let id = call("DB_ID", &[text("MGC")]).unwrap();
    assert_eq!(
        call("DB_NAME", std::slice::from_ref(&id)),
        Some(text("mgc"))
    );
    assert_eq!(call("DB_ID", &[text("nosuch")]), Some(Datum::Null));
    assert_eq!(
        call("SERVERPROPERTY", &[text("ServerName")]),
        Some(text(r"SQL3\chat"))
    );
    assert_eq!(
        call("SERVERPROPERTY", &[text("InstanceName")]),
        Some(text("chat"))
    );
    assert_eq!(
        call("SERVERPROPERTY", &[text("EngineEdition")]),
        Some(Datum::Int(2))
    );
    assert_eq!(
        call("IS_SRVROLEMEMBER", &[text("sysadmin")]),
        Some(Datum::Int(1))
    );
    assert_eq!(
        call("SUSER_SNAME", &[Datum::Bytes(vec![1])]),
        Some(text("sa"))
    );
    assert_eq!(
        call("SUSER_SNAME", &[Datum::Bytes(vec![7])]),
        Some(Datum::Null)
    );
    assert_eq!(
        call("DATABASEPROPERTYEX", &[text("mgc"), text("Status")]),
        Some(text("ONLINE"))
    );
    assert_eq!(call("NO_SUCH_FUNCTION", &[]), None);
    let parameters = table(&f, BACKUP, "master.sys.all_parameters");
    let procedure = text("master.sys.sp_delete_log_shipping_secondary_database");
    assert_eq!(
        call("OBJECT_ID", &[procedure]),
        Some(values(&parameters, "object_id")[0].clone())
    );
    let variable = |name: &str| see(&f, BACKUP, |view| view.variable(name).map(|v| v.1));
    assert_eq!(variable("@@SPID"), Some(Datum::Int(51)));
    assert_eq!(variable("@@MAX_PRECISION"), Some(Datum::Int(38)));
    assert_eq!(variable("@@NOSUCH"), None);
}

#[tokio::test(start_paused = true)]
async fn content_and_orphans_are_seen_where_the_database_is_open() {
    let f = Fixture::new(|o| {
        o.backup = Backup::Recovered;
        o.waiting = 3;
        o.orphan = Some("oldapp".into());
    });
    let _c = f.client(BACKUP);
    let chat = table(&f, BACKUP, "mgc.dbo.tblChat");
    assert_eq!(chat.rows.len() as u64, f.logs[5].set.messages);
    let waiting = values(
        &table(&f, BACKUP, "mgccomp.dbo.tblComplianceData"),
        "cmplType",
    );
    assert_eq!(waiting.iter().filter(|v| **v != Datum::Int(9)).count(), 3);
    let users = table(&f, BACKUP, "mgc.sys.database_principals");
    let logins = values(&table(&f, BACKUP, "sys.server_principals"), "sid");
    let orphan = cell(&users, "name", &Datum::Text("oldapp".into()), "sid");
    assert!(!logins.contains(&orphan));
    let service = values(&users, "sid").pop().unwrap();
    assert_eq!(service, orphan, "the orphan is the last");
}
