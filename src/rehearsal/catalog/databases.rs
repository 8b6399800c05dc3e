//! `sys.databases` and what else is about databases.

use super::{CHAR, SHORT, SID, View, started};
use crate::model::states::{DatabaseState, MirroringRole, MirroringState};
use crate::rehearsal::value::SqlType::{BigInt, Bit, DateTime, Int, NVarChar, TinyInt, VarBinary};
use crate::rehearsal::value::{Datum, GUID, LSN, NAME, Relation, relation};
use crate::rehearsal::world::database::{DataFile, Database};
use crate::rehearsal::world::instance::SqlInstance;

impl View<'_> {
    pub(super) fn database_view(&self, object: &str) -> Option<Relation> {
        Some(match object {
            "databases" => self.databases(),
            "master_files" => self.master_files(),
            "dm_os_volume_stats" => self.volume_stats(),
            "dm_database_encryption_keys" => self.encryption_keys(),
            "database_recovery_status" => self.recovery_status(),
            "database_mirroring" => self.mirroring(),
            _ => return None,
        })
    }

    /// Without VIEW ANY DATABASE only `master` and `tempdb` are shown (`sql-server.md` 4).
    pub(super) fn sees_databases(&self) -> bool {
        self.instance.sysadmin || self.instance.sees_databases
    }

    fn shown(&self) -> impl Iterator<Item = &Database> {
        let all = self.sees_databases();
        let databases = self.instance.databases.iter();
        databases.filter(move |it| all || matches!(it.name.as_str(), "master" | "tempdb"))
    }

    fn databases(&self) -> Relation {
        relation! {
            for d in self.shown();
            let online = d.state == DatabaseState::Online;
            let used = d.log_end.block > d.log_start.block.saturating_add(64);
            let full = online && d.model == 1 && used;
            let owner = d.owner.as_deref().unwrap_or("a login of another instance");
            "name": NAME => &d.name,
            "database_id": Int => d.id,
            "owner_sid": SID => SqlInstance::sid(owner),
            "create_date": DateTime => d.created,
            "compatibility_level": TinyInt => d.level,
            // NULL until connections are possible (`sql-server.md` 4).
            "collation_name": NAME => online.then_some(&self.instance.collation),
            "user_access": TinyInt => d.access.number(),
            "user_access_desc": SHORT => d.access.word(),
            "is_read_only": Bit => d.standby,
            "state": TinyInt => d.state.number(),
            "state_desc": SHORT => d.state.to_string(),
            "is_in_standby": Bit => d.standby,
            "is_cleanly_shutdown": Bit => d.state == DatabaseState::Offline,
            "recovery_model": TinyInt => d.model,
            "recovery_model_desc": SHORT => d.model_word(),
            "log_reuse_wait": TinyInt => if full { 2 } else { 0 },
            "log_reuse_wait_desc": SHORT => if full { "LOG_BACKUP" } else { "NOTHING" },
            "is_trustworthy_on": Bit => d.trustworthy,
            "is_broker_enabled": Bit => d.broker,
            "is_encrypted": Bit => d.encrypted.is_some(),
            "replica_id": GUID => Datum::Null,
            "group_database_id": GUID => Datum::Null,
        }
    }

    /// Every file of every database.
    fn files(&self) -> impl Iterator<Item = (&Database, &DataFile)> {
        let databases = self.instance.databases.iter();
        databases.flat_map(|d| d.files.iter().map(move |file| (d, file)))
    }

    fn master_files(&self) -> Relation {
        relation! {
            for (d, file) in self.files();
            // Documented NULL unless the state is RESTORING or RECOVERY_PENDING
            // (`sql-server.md` 2.2).
            let waits = matches!(d.state, DatabaseState::Restoring | DatabaseState::RecoveryPending);
            let redo = waits || d.standby && self.instance.standby_shows_redo;
            "database_id": Int => d.id,
            "file_id": Int => file.id,
            "type": TinyInt => file.log,
            "type_desc": SHORT => if file.log { "LOG" } else { "ROWS" },
            "data_space_id": Int => !file.log,
            "name": NAME => &file.name,
            "physical_name": NVarChar(Some(260)) => &file.path,
            "state": TinyInt => d.state.number(),
            "state_desc": SHORT => d.state.to_string(),
            "size": Int => file.bytes / 8192,
            "max_size": Int => -1,
            "growth": Int => 8192,
            "redo_start_lsn": LSN => redo.then_some(d.redo_start),
            "redo_start_fork_guid": GUID => redo.then_some(d.fork),
        }
    }

    /// What `sys.dm_os_volume_stats` finds for every file.
    fn volume_stats(&self) -> Relation {
        let rows = self.files().filter_map(|(d, file)| {
            let volume = self.instance.volume_of(&file.path)?;
            Some((d, file, volume))
        });
        relation! {
            for (d, file, volume) in rows;
            "database_id": Int => d.id,
            "file_id": Int => file.id,
            "volume_mount_point": NVarChar(Some(512)) => &volume.mount,
            "logical_volume_name": NVarChar(Some(512)) => "",
            "file_system_type": NVarChar(Some(512)) => "NTFS",
            "total_bytes": BigInt => volume.total,
            "available_bytes": BigInt => volume.free,
        }
    }

    fn encryption_keys(&self) -> Relation {
        let rows = self.instance.databases.iter();
        let rows = rows.filter_map(|d| Some((d, d.encrypted.clone()?)));
        relation! {
            for (d, thumbprint) in rows;
            "database_id": Int => d.id,
            "encryption_state": Int => 3,
            "key_algorithm": NAME => "AES",
            "encryptor_thumbprint": VarBinary(Some(20)) => thumbprint,
        }
    }

    fn recovery_status(&self) -> Relation {
        relation! {
            for d in &self.instance.databases;
            // NULL when the database is not started (`sql-server.md` 2.2).
            let on = started(d);
            "database_id": Int => d.id,
            "database_guid": GUID => on.then_some(d.guid),
            "family_guid": GUID => on.then_some(d.family),
            "last_log_backup_lsn": LSN => (on && d.model != 3).then_some(d.log_start),
            "recovery_fork_guid": GUID => on.then_some(d.fork),
            "first_recovery_fork_guid": GUID => on.then_some(d.first_fork),
            "fork_point_lsn": LSN => d.fork_point.filter(|_| on),
        }
    }

    fn mirroring(&self) -> Relation {
        relation! {
            for d in self.shown();
            let m = d.mirroring.as_ref();
            "database_id": Int => d.id,
            "mirroring_guid": GUID => m.map(|m| m.guid),
            "mirroring_state": TinyInt => m.map(|m| state_number(m.state)),
            "mirroring_state_desc": SHORT => m.map(|m| m.state.to_string()),
            "mirroring_role": TinyInt => m.map(|m| role(m.role).0),
            "mirroring_role_desc": SHORT => m.map(|m| role(m.role).1),
            "mirroring_role_sequence": Int => m.map(|_| 1),
            "mirroring_safety_level": TinyInt => m.map(|_| 2),
            "mirroring_safety_level_desc": SHORT => m.map(|_| "FULL"),
            "mirroring_partner_name": NAME => m.map(|m| &m.partner_name),
            "mirroring_partner_instance": NAME => m.map(|m| &m.partner_instance),
            "mirroring_witness_name": NAME => m.map(|_| ""),
            "mirroring_witness_state": TinyInt => m.map(|_| 0),
            "mirroring_witness_state_desc": SHORT => m.map(|_| "UNKNOWN"),
            "mirroring_failover_lsn": LSN => m.map(|_| d.log_end),
            "mirroring_connection_timeout": Int => m.map(|_| 10),
        }
    }

    /// Tables of the chat and compliance databases, as far as they are documented for reading.
    pub(super) fn user_table(&self, database: &Database, object: &str) -> Option<Relation> {
        let chat = database.is(self.state.chat_name());
        match object {
            "tblchat" if chat => Some(relation! {
                for id in 1..=database.messages;
                "channelId": Int => 1 + (id - 1) % 3,
                "chatId": BigInt => id,
            }),
            // One placeholder of a file transfer (type 9) may always stay.
            "tblcompliancedata" if database.compliance => Some(relation! {
                for id in 0..=database.waiting;
                "cmplId": Int => id,
                "cmplType": Int => if id == 0 { 9 } else { 1 },
            }),
            _ => None,
        }
    }
}

pub(super) fn principals(database: &Database) -> Relation {
    let owner = database.owner.as_deref().unwrap_or("sa");
    let built_in = [
        ("dbo", Some(SqlInstance::sid(owner))),
        ("guest", None),
        ("INFORMATION_SCHEMA", None),
        ("sys", None),
    ];
    let built_in = built_in.map(|(name, sid)| (name, "S", sid));
    let users = database.users.iter();
    let users = users.map(|user| (user.name.as_str(), user.kind, Some(user.sid.clone())));
    let rows = (1_i64..).zip(built_in.into_iter().chain(users));
    relation! {
        for (id, (name, kind, sid)) in rows;
        let (description, authentication, words) = match (kind, &sid) {
            ("U", _) => ("WINDOWS_USER", 3, "WINDOWS"),
            ("G", _) => ("WINDOWS_GROUP", 3, "WINDOWS"),
            (_, Some(_)) => ("SQL_USER", 1, "INSTANCE"),
            (_, None) => ("SQL_USER", 0, "NONE"),
        };
        "name": NAME => name,
        "principal_id": Int => id,
        "type": CHAR => kind,
        "type_desc": SHORT => description,
        "default_schema_name": NAME => "dbo",
        "sid": SID => sid,
        "authentication_type": Int => authentication,
        "authentication_type_desc": SHORT => words,
    }
}

fn state_number(state: MirroringState) -> i64 {
    match state {
        MirroringState::Suspended => 0,
        MirroringState::Disconnected => 1,
        MirroringState::Synchronizing => 2,
        MirroringState::PendingFailover => 3,
        MirroringState::Synchronized => 4,
        MirroringState::Unsynchronized => 5,
    }
}

/// Number and word of a role.
fn role(role: MirroringRole) -> (i64, &'static str) {
    match role {
        MirroringRole::Principal => (1, "PRINCIPAL"),
        MirroringRole::Mirror => (2, "MIRROR"),
    }
}
