//! Facts for the tests of the steps: a sound site in the middle of a failover.

use jiff::civil::DateTime;

use super::backup_database::Look;
use super::failover::copy_backups;
use super::observe::Observed::{self, Absent, Seen, Unknown};
use super::observe::database::{Content, Database, Mirroring, RedoStart, Restored};
use super::observe::folders::{Chain, Set, Source, ToCopy};
use super::observe::instance::Identity;
use super::observe::log_shipping::{Job, Secondary};
use super::observe::pool::Service;
use super::observe::sessions::{Holder, RunningRestore};
use super::{Block, Lift, Standing};
use crate::access::sql::{Failure, Fate, SqlError};
use crate::model::states::{DatabaseState, MirroringRole, MirroringState, PoolState};
use crate::model::{Instance, Lsn, Role};
use crate::site::Site;
use crate::step::observe::sets::SetHeader;

pub(super) const SITE: &str = r"[pool]
fqdn = 'pchat.x.com'
[pool.servers]
primary = ['pc1.dc1.x.com', 'pc2.dc1.x.com']
backup = ['pc5.dc2.x.com', 'pc6.dc2.x.com']
[pool.active_servers]
normal = ['pc1.dc1.x.com', 'pc2.dc1.x.com']
failed_over = ['pc5.dc2.x.com', 'pc6.dc2.x.com']
[database]
chat = 'mgc'
compliance = 'mgccomp'
[sql]
primary = 'sql1.dc1.x.com\chat'
primary_mirror = 'sql2.dc1.x.com\chat'
backup = 'sql3.dc2.x.com\chat'
backup_mirror = 'sql4.dc2.x.com\chat'
[shares]
backup = '\\fs1\logs'
copy = '\\sql3\copy'
copy_local = 'E:\copy'
mirror = '\\fs1\mirror'
";

pub(super) fn site() -> Site {
    Site::parse(SITE, "site.toml", std::path::Path::new("/")).unwrap()
}

pub(super) fn unknown<T>() -> Observed<T> {
    Unknown("no answer".into())
}

pub(super) fn lsn(slot: u16) -> Lsn {
    Lsn::new(36, 100, slot)
}

pub(super) fn time(text: &str) -> DateTime {
    format!("2026-11-24T{text}:00").parse().unwrap()
}

pub(super) fn database(state: DatabaseState) -> Database {
    let online = state == DatabaseState::Online;
    Database {
        state,
        standby: false,
        read_only: false,
        user_access: 0,
        recovery_model: 1,
        collation: online.then(|| "Latin1_General_CI_AS".to_owned()),
        trustworthy: false,
        broker: false,
        owner: Some("sa".to_owned()),
        log_reuse_wait: None,
        mirroring: None,
    }
}

pub(super) fn online() -> Database {
    database(DatabaseState::Online)
}

pub(super) fn restoring() -> Database {
    database(DatabaseState::Restoring)
}

pub(super) fn standby() -> Database {
    Database {
        standby: true,
        read_only: true,
        ..online()
    }
}

pub(super) fn mirrored(
    database: Database,
    role: MirroringRole,
    state: MirroringState,
    partner: &str,
) -> Database {
    Database {
        mirroring: Some(Mirroring {
            state: Some(state),
            role: Some(role),
            partner: Some(partner.to_owned()),
        }),
        ..database
    }
}

pub(super) fn restored(kind: &str, hours_ago: i64) -> Restored {
    Restored {
        kind: kind.to_owned(),
        recovered: false,
        first_lsn: Some(lsn(1)),
        last_lsn: Some(lsn(10)),
        family: Some("FAMILY".to_owned()),
        fork: Some("FORK".to_owned()),
        created: None,
        finished: Some(time("03:00")),
        restored_at: None,
        hours_ago: Some(hours_ago),
    }
}

pub(super) fn content() -> Observed<Content> {
    Seen(Content {
        by_room: std::collections::BTreeMap::new(),
        rooms: 3,
        last_message: Some(77),
    })
}

/// A RESTORING secondary; of a serving database, one recovered an hour ago at the end of the chain.
pub(super) fn look(database: Database) -> Look {
    let serves = database.serves();
    Look {
        database: Seen(database),
        history: Seen(vec![restored("L", 1), restored("D", 900)]),
        log_shipping: Absent,
        lineage: Absent,
        content: if serves { content() } else { Absent },
        pool: if serves {
            Seen(PoolState::Normal)
        } else {
            Absent
        },
        sets_beyond: if serves { Seen(0) } else { Absent },
        loss_is_accepted: false,
        called_recovered: false,
    }
}

pub(super) fn in_service() -> Look {
    Look {
        pool: Seen(PoolState::FailedOver),
        ..look(online())
    }
}

pub(super) fn set(first: u16, last: u16) -> Set {
    Set {
        first_lsn: lsn(first),
        last_lsn: lsn(last),
        position: 1,
        size: 1024,
        in_copy: Some(format!("mgc_{first}.trn")),
        fingerprint: [u8::try_from(first).unwrap(); 32],
        source: Some(Source {
            folder: r"\\fs1\logs".parse().unwrap(),
            name: format!("mgc_{first}.trn"),
        }),
        planned: None,
        server: r"SQL1\CHAT".to_owned(),
        finished: Some(time("03:15")),
        major: 13,
    }
}

/// A chain of these sets from LSN 10 on, whole, with the share known.
pub(super) fn chain(sets: Vec<Set>) -> Chain {
    Chain {
        from: lsn(10),
        to: sets.last().map_or(lsn(10), |set| set.last_lsn),
        sets_to_apply: sets.len(),
        last_finished: Some(time("03:15")),
        whole: true,
        share_is_known: true,
        to_copy: sets
            .iter()
            .filter(|set| set.in_copy.is_none())
            .filter_map(|set| {
                let source = set.source.clone()?;
                let target = source.name.clone();
                let size = set.size;
                Some(ToCopy {
                    source,
                    target,
                    size,
                    needed: true,
                })
            })
            .collect(),
        sets,
        ..Chain::default()
    }
}

/// The folders' facts of a RESTORING secondary with that chain.
pub(super) fn files(chain: Chain) -> copy_backups::Facts {
    copy_backups::Facts {
        database: "mgc".to_owned(),
        look: look(restoring()),
        redo: Seen(RedoStart {
            lsn: chain.from,
            fork: Some("FORK".to_owned()),
        }),
        share: Seen(9),
        copies: Seen(9),
        chain: Some(chain),
        share_called_lost: false,
        life: None,
        room: Observed::Absent,
        room_is_accepted: false,
    }
}

pub(super) fn set_facts() -> SetHeader {
    SetHeader {
        kind: 2,
        database: "mgc".to_owned(),
        position: 1,
        first_lsn: lsn(10),
        last_lsn: lsn(20),
        family: Some("FAMILY".to_owned()),
        first_fork: Some("FORK".to_owned()),
        fork: Some("FORK".to_owned()),
        fork_point: None,
        set: None,
        checksums: false,
        damaged: false,
        copy_only: false,
        force_offline: false,
        major: Some(13),
        encryptor: None,
        header: None,
    }
}

/// A statement that the backup instance refused.
pub(super) fn refused(number: u32, text: &str) -> SqlError {
    SqlError {
        instance: Instance::chat(Role::Backup),
        server: r"SQL3\CHAT".to_owned(),
        statement: "RESTORE".to_owned(),
        failure: Failure::Server {
            number,
            state: 1,
            class: 16,
            text: text.to_owned(),
        },
        fate: Fate::Refused,
        before: Vec::new(),
    }
}

pub(super) fn identity(name: &str) -> Identity {
    Identity {
        server_name: name.to_owned(),
        at_servername: Some(name.to_owned()),
        major: 13,
        version: "13.0.5108.50".to_owned(),
        edition: 2,
        sysadmin: true,
    }
}

/// A log-shipping job of `row`, disabled and idle.
pub(super) fn job(id: &str) -> Job {
    Job {
        id: id.to_owned(),
        name: format!("LS{id}_sql1_mgc"),
        enabled: false,
        owner: Some("sa".to_owned()),
        category: format!("Log Shipping {id}"),
        command: Some(format!("sqllogship.exe -{id} ID")),
        proxy: None,
        started_and_not_stopped: false,
    }
}

pub(super) fn row(database: &str) -> Secondary {
    Secondary {
        secondary_id: "ID".to_owned(),
        primary_server: r"SQL1\CHAT".to_owned(),
        primary_database: "mgc".to_owned(),
        source: r"\\fs1\logs".to_owned(),
        destination: r"E:\copy".to_owned(),
        copy_job: "Copy".to_owned(),
        restore_job: "Restore".to_owned(),
        monitor: None,
        database: Some(database.to_owned()),
        restore_delay: Some(0),
        standby_mode: Some(false),
        restore_all: Some(true),
        disconnect_users: Some(false),
        block_size: None,
        buffer_count: None,
        max_transfer_size: None,
        monitor_security: Some(1),
        threshold_alert: Some(14421),
        file_retention: Some(4320),
        restore_threshold: Some(45),
        alert_enabled: Some(true),
        history_retention: Some(5760),
        last_copied_file: None,
        last_restored_file: None,
    }
}

pub(super) fn holder(session: i64, host: &str) -> Holder {
    Holder {
        session,
        login_time: "2026-11-24T03:00:00".to_owned(),
        login: Some("report".to_owned()),
        host: Some(host.to_owned()),
        program: Some("Excel".to_owned()),
    }
}

pub(super) fn restore(session: i64) -> RunningRestore {
    RunningRestore {
        by: holder(session, "sql3"),
        command: "RESTORE LOG".to_owned(),
        percent: 10,
    }
}

pub(super) fn service() -> Service {
    let host = |name: &str| Seen(name.to_owned());
    Service {
        identity: "PersistentChatServer:pchat.x.com".to_owned(),
        registrar: None,
        active_servers: Some(vec!["pc5.dc2.x.com".to_owned(), "pc6.dc2.x.com".to_owned()]),
        inactive_servers: None,
        primary: host("sql1.dc1.x.com"),
        primary_mirror: host("sql2.dc1.x.com"),
        backup: host("sql3.dc2.x.com"),
        backup_mirror: host("sql4.dc2.x.com"),
    }
}

pub(super) fn hosts() -> Vec<(Role, String)> {
    let site = site();
    Role::ALL
        .into_iter()
        .map(|role| (role, site.chat(role).unwrap().host.clone()))
        .collect()
}

/// `satisfied`, `pending`, `underway`, `unknown`, or the ids of the blocks.
pub(super) fn in_short(standing: &Standing) -> String {
    match standing {
        Standing::Satisfied { .. } => "satisfied".to_owned(),
        Standing::Pending { underway: true, .. } => "underway".to_owned(),
        Standing::Pending { .. } => "pending".to_owned(),
        Standing::Unknown(_) => "unknown".to_owned(),
        Standing::Blocked { blocks } => {
            let ids: Vec<&str> = blocks.iter().map(|block| block.id.as_str()).collect();
            ids.join(" ")
        }
    }
}

/// What the standing says, the reasons of all blocks joined.
pub(super) fn words(standing: &Standing) -> String {
    match standing {
        Standing::Satisfied { why } => why.clone(),
        Standing::Pending { what, .. } => what.clone(),
        Standing::Unknown(problem) => problem.to_string(),
        Standing::Blocked { blocks } => {
            let why: Vec<String> = blocks.iter().map(Block::why).collect();
            why.join("; ")
        }
    }
}

/// The one block of a standing.
pub(super) fn only_block(standing: Standing) -> Block {
    let Standing::Blocked { mut blocks } = standing else {
        panic!("{standing:?}");
    };
    assert_eq!(blocks.len(), 1, "{blocks:?}");
    blocks.remove(0)
}

/// Step that clears the one block, and what lifts it.
pub(super) fn way_out(standing: Standing) -> (Option<String>, Lift) {
    let block = only_block(standing);
    (block.cleared_by, block.lift)
}
