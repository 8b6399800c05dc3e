//! O2 to O5, O15, O17: a database, its redo start, its lineage, what was restored there, what it holds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Observed, every, first, table};
use crate::access::Access;
use crate::access::sql::Query;
use crate::model::Problem;
use crate::model::states::{DatabaseState, MirroringRole, MirroringState};
use crate::model::{DatabaseName, Instance, Lsn, quote};

/// O2: a row of `sys.databases` with its mirroring.
#[expect(clippy::struct_excessive_bools, reason = "columns of the catalog")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Database {
    /// State.
    pub state: DatabaseState,
    /// STANDBY shows as ONLINE with this.
    pub standby: bool,
    /// Read-only.
    pub read_only: bool,
    /// 0 `MULTI_USER`, 1 `SINGLE_USER`, 2 `RESTRICTED_USER`.
    pub user_access: i64,
    /// 1 FULL, 2 `BULK_LOGGED`, 3 SIMPLE.
    pub recovery_model: i64,
    /// Non-NULL is the documented proof that connections are possible (`sql-server.md` 4).
    pub collation: Option<String>,
    /// TRUSTWORTHY.
    pub trustworthy: bool,
    /// Service Broker.
    pub broker: bool,
    /// Owner.
    pub owner: Option<String>,
    /// Why the log is not truncated.
    pub log_reuse_wait: Option<String>,
    /// Mirroring, where it is mirrored.
    pub mirroring: Option<Mirroring>,
}

/// Mirroring of a database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mirroring {
    /// State; `None` for a number that the reference does not list.
    pub state: Option<MirroringState>,
    /// Role.
    pub role: Option<MirroringRole>,
    /// `mirroring_partner_instance`.
    pub partner: Option<String>,
}

impl Database {
    /// True when it serves: ONLINE and not STANDBY.
    pub fn serves(&self) -> bool {
        self.state == DatabaseState::Online && !self.standby
    }

    /// True when it is as `recover-database` leaves it (`steps.md` 4).
    pub fn is_sound(&self) -> bool {
        self.serves()
            && !self.read_only
            && self.user_access == 0
            && self.recovery_model == 1
            && self.collation.is_some()
    }

    /// What is not sound about a serving database.
    pub fn unsound(&self) -> Vec<&'static str> {
        let mut wrong = Vec::new();
        if self.collation.is_none() {
            wrong.push("it takes no connections yet");
        }
        if self.read_only {
            wrong.push("it is read-only");
        }
        if self.user_access != 0 {
            wrong.push("it is not MULTI_USER");
        }
        if self.recovery_model != 1 {
            wrong.push("its recovery model is not FULL");
        }
        wrong
    }
}

/// O2. A login without VIEW ANY DATABASE is shown no row of a database that is there: then it is unknown.
pub async fn database(
    access: &Access,
    instance: Instance,
    name: &DatabaseName,
) -> Observed<Database> {
    let row = row(access, instance, name).await;
    if !row.is_absent() {
        return row;
    }
    let query = Query::plain(include_str!("../../sql/sees_databases.sql"));
    let sees = first(table(access, instance, query).await, |row| {
        row.bit("sees_all")
    });
    match sees {
        Observed::Seen(true) => Observed::Absent,
        Observed::Seen(false) | Observed::Absent => Observed::unseen(Problem::new(
            "this login is not shown every database there",
            "sign in as a member of sysadmin on that instance",
        )),
        Observed::Unknown(why) => Observed::Unknown(why),
    }
}

/// The row of the database; in any case of its letters, as the collation of the instance may tell them
/// apart.
async fn row(access: &Access, instance: Instance, name: &DatabaseName) -> Observed<Database> {
    let query = Query::of(include_str!("../../sql/database.sql"), name.as_str());
    first(table(access, instance, query).await, |row| {
        let mirroring = row.text("mirroring_guid").map(|_| Mirroring {
            state: row
                .int("mirroring_state")
                .and_then(MirroringState::from_number),
            role: row
                .int("mirroring_role")
                .and_then(MirroringRole::from_number),
            partner: row.text("mirroring_partner_instance"),
        });
        Some(Database {
            state: DatabaseState::from_number(row.int("state")?)?,
            standby: row.bit("is_in_standby")?,
            read_only: row.bit("is_read_only")?,
            user_access: row.int("user_access")?,
            recovery_model: row.int("recovery_model")?,
            collation: row.text("collation_name"),
            trustworthy: row.bit("is_trustworthy_on")?,
            broker: row.bit("is_broker_enabled")?,
            owner: row.text("owner_name"),
            log_reuse_wait: row.text("log_reuse_wait_desc"),
            mirroring,
        })
    })
}

/// O3: where the next log must begin, and on which fork.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedoStart {
    /// LSN: the minimum over the data files.
    pub lsn: Lsn,
    /// `redo_start_fork_guid` of that file.
    pub fork: Option<String>,
}

/// O3; absent when no data file says one.
pub async fn redo_start(
    access: &Access,
    instance: Instance,
    name: &DatabaseName,
) -> Observed<RedoStart> {
    let query = Query::of(include_str!("../../sql/files.sql"), name.as_str());
    let answer = table(access, instance, query).await;
    match answer {
        Err(why) => Observed::Unknown(why),
        Ok(table) => table
            .rows()
            .filter(|row| row.int("type") == Some(0))
            .filter_map(|row| {
                Some(RedoStart {
                    lsn: row.parse("redo_start_lsn")?,
                    fork: row.text("redo_start_fork_guid"),
                })
            })
            .min_by_key(|redo| redo.lsn)
            .map_or(Observed::Absent, Observed::Seen),
    }
}

/// O4: where the next log backup of a started database begins; absent where it takes none.
pub async fn last_log_backup(
    access: &Access,
    instance: Instance,
    name: &DatabaseName,
) -> Observed<Lsn> {
    let text = include_str!("../../sql/last_log_backup.sql");
    let query = Query::of(text, name.as_str());
    let row = first(table(access, instance, query).await, |row| {
        Some(row.parse("last_log_backup_lsn"))
    });
    match row {
        Observed::Seen(Some(lsn)) => Observed::Seen(lsn),
        Observed::Seen(None) | Observed::Absent => Observed::Absent,
        Observed::Unknown(why) => Observed::Unknown(why),
    }
}

/// O4: lineage of a started database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    /// Stays through restores.
    pub family: Option<String>,
    /// Present fork.
    pub fork: Option<String>,
    /// Where it left the fork before; NULL when only one is left in the log.
    pub fork_point: Option<Lsn>,
}

/// O4.
pub async fn lineage(
    access: &Access,
    instance: Instance,
    name: &DatabaseName,
) -> Observed<Lineage> {
    let query = Query::of(include_str!("../../sql/lineage.sql"), name.as_str());
    first(table(access, instance, query).await, |row| {
        Some(Lineage {
            family: row.text("family_guid"),
            fork: row.text("recovery_fork_guid"),
            fork_point: row.parse("fork_point_lsn"),
        })
    })
}

/// O5: one restore in the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// D, L, I.
    pub kind: String,
    /// WITH RECOVERY.
    pub recovered: bool,
    /// First LSN of the set.
    pub first_lsn: Option<Lsn>,
    /// Last LSN of the set.
    pub last_lsn: Option<Lsn>,
    /// Family of the set.
    pub family: Option<String>,
    /// Fork of the set.
    pub fork: Option<String>,
    /// When the database was created that the set was taken of, local time of its server, whole
    /// seconds.
    pub created: Option<jiff::civil::DateTime>,
    /// When the set ended, local time of the server that wrote it.
    pub finished: Option<jiff::civil::DateTime>,
    /// When it was restored, server's local time.
    pub restored_at: Option<String>,
    /// Hours since then, by the same server's clock.
    pub hours_ago: Option<i64>,
}

/// A date as plain headers have it.
pub(super) fn whole_seconds(at: jiff::civil::DateTime) -> jiff::civil::DateTime {
    at.with().subsec_nanosecond(0).build().unwrap_or(at)
}

/// O5: the newest ten, newest first.
pub async fn history(
    access: &Access,
    instance: Instance,
    name: &DatabaseName,
) -> Observed<Vec<Restored>> {
    let query = Query::of(include_str!("../../sql/restore_history.sql"), name.as_str());
    every(table(access, instance, query).await, |row| {
        let restored_at = row.text("restore_date");
        let hours_ago = restored_at
            .as_deref()
            .and_then(|text| text.parse::<jiff::civil::DateTime>().ok())
            .zip(row.parse::<jiff::civil::DateTime>("now_local"))
            .map(|(then, now)| now.duration_since(then).as_hours());
        Some(Restored {
            kind: row.text("restore_type")?.trim().to_owned(),
            recovered: row.bit("recovery") == Some(true),
            first_lsn: row.parse("first_lsn"),
            last_lsn: row.parse("last_lsn"),
            family: row.text("family_guid"),
            fork: row.text("last_recovery_fork_guid"),
            created: row.parse("database_creation_date").map(whole_seconds),
            finished: row.parse("backup_finish_date"),
            restored_at,
            hours_ago,
        })
    })
}

/// O15: what the chat database holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Rooms with at least one message.
    pub rooms: usize,
    /// Highest message number.
    pub last_message: Option<i64>,
    /// Every room by its id; no part of the record, which need not know thousands of rooms.
    #[serde(skip)]
    pub by_room: BTreeMap<String, Room>,
}

/// A room with messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Highest message number.
    pub last: i64,
    /// How many messages it has.
    pub messages: i64,
}

/// O15, of an ONLINE database only; absent when it has no message.
pub async fn content(
    access: &Access,
    instance: Instance,
    name: &DatabaseName,
) -> Observed<Content> {
    let text = include_str!("../../sql/chat_content.sql")
        .replace("{database}", &quote::identifier(name.as_str()));
    match table(access, instance, Query::plain(&text)).await {
        Err(why) => Observed::Unknown(why),
        Ok(table) if table.is_empty() => Observed::Absent,
        Ok(table) => Observed::Seen(Content {
            rooms: table.rows().count(),
            last_message: table.rows().filter_map(|row| row.int("last_chat_id")).max(),
            by_room: table
                .rows()
                .filter_map(|row| {
                    let last = row.int("last_chat_id")?;
                    let messages = row.int("messages")?;
                    Some((row.text("channelId")?, Room { last, messages }))
                })
                .collect(),
        }),
    }
}

/// Whether the instance has that login; absent when not.
pub async fn login(access: &Access, instance: Instance, name: &str) -> Observed<()> {
    let query = Query::of(include_str!("../../sql/login.sql"), name);
    first(table(access, instance, query).await, |_| Some(()))
}

/// O17: users of an ONLINE database without a login on the instance.
pub async fn orphans(
    access: &Access,
    instance: Instance,
    name: &DatabaseName,
) -> Observed<Vec<String>> {
    let text = include_str!("../../sql/orphans.sql")
        .replace("{database}", &quote::identifier(name.as_str()));
    every(table(access, instance, Query::plain(&text)).await, |row| {
        row.text("name")
    })
}
