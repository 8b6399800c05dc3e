//! `sys.databases` and what else is about databases.

use super::{CHAR, LSN, NAME, SHORT, SID, View, lsn, maybe, number, relation, started, text};
use crate::model::states::{DatabaseState, MirroringRole, MirroringState};
use crate::rehearsal::value::{Datum, Relation, SqlType};
use crate::rehearsal::world::database::{Database, UserAccess};
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

    fn databases(&self) -> Relation {
        let rows = self.instance.databases.iter().map(|d| {
            let online = d.state == DatabaseState::Online;
            let full =
                online && d.model == 1 && d.log_end.block > d.log_start.block.saturating_add(64);
            vec![
                text(&d.name),
                number(d.id),
                Datum::Bytes(match &d.owner {
                    Some(owner) => SqlInstance::sid(owner),
                    None => SqlInstance::sid("a login of another instance"),
                }),
                Datum::DateTime(d.created),
                number(d.level),
                // NULL until connections are possible (`sql-server.md` 4).
                if online {
                    text(&self.instance.collation)
                } else {
                    Datum::Null
                },
                number(d.access.number()),
                text(match d.access {
                    UserAccess::Multi => "MULTI_USER",
                    UserAccess::Single => "SINGLE_USER",
                    UserAccess::Restricted => "RESTRICTED_USER",
                }),
                number(i64::from(d.standby)),
                number(d.state.number()),
                text(d.state.to_string()),
                number(i64::from(d.standby)),
                number(i64::from(d.state == DatabaseState::Offline)),
                number(d.model),
                text(match d.model {
                    1 => "FULL",
                    2 => "BULK_LOGGED",
                    _ => "SIMPLE",
                }),
                number(if full { 2 } else { 0 }),
                text(if full { "LOG_BACKUP" } else { "NOTHING" }),
                number(i64::from(d.trustworthy)),
                number(i64::from(d.broker)),
                number(i64::from(d.encrypted.is_some())),
                Datum::Null,
                Datum::Null,
            ]
        });
        relation(
            &[
                ("name", NAME),
                ("database_id", SqlType::Int),
                ("owner_sid", SID),
                ("create_date", SqlType::DateTime),
                ("compatibility_level", SqlType::TinyInt),
                ("collation_name", NAME),
                ("user_access", SqlType::TinyInt),
                ("user_access_desc", SHORT),
                ("is_read_only", SqlType::Bit),
                ("state", SqlType::TinyInt),
                ("state_desc", SHORT),
                ("is_in_standby", SqlType::Bit),
                ("is_cleanly_shutdown", SqlType::Bit),
                ("recovery_model", SqlType::TinyInt),
                ("recovery_model_desc", SHORT),
                ("log_reuse_wait", SqlType::TinyInt),
                ("log_reuse_wait_desc", SHORT),
                ("is_trustworthy_on", SqlType::Bit),
                ("is_broker_enabled", SqlType::Bit),
                ("is_encrypted", SqlType::Bit),
                ("replica_id", SqlType::UniqueIdentifier),
                ("group_database_id", SqlType::UniqueIdentifier),
            ],
            rows.collect(),
        )
    }

    fn master_files(&self) -> Relation {
        let mut rows = Vec::new();
        for d in &self.instance.databases {
            // Documented NULL unless the state is RESTORING or RECOVERY_PENDING
            // (`sql-server.md` 2.2).
            let redo = matches!(
                d.state,
                DatabaseState::Restoring | DatabaseState::RecoveryPending
            ) || d.standby && self.instance.standby_shows_redo;
            for file in &d.files {
                rows.push(vec![
                    number(d.id),
                    number(file.id),
                    number(i64::from(file.log)),
                    text(if file.log { "LOG" } else { "ROWS" }),
                    number(i64::from(!file.log)),
                    text(&file.name),
                    text(&file.path),
                    number(d.state.number()),
                    text(d.state.to_string()),
                    number(i64::try_from(file.bytes / 8192).unwrap_or(i64::MAX)),
                    number(-1),
                    number(8192),
                    maybe(redo.then_some(d.redo_start), lsn),
                    maybe(redo.then_some(d.fork), Datum::Guid),
                ]);
            }
        }
        relation(
            &[
                ("database_id", SqlType::Int),
                ("file_id", SqlType::Int),
                ("type", SqlType::TinyInt),
                ("type_desc", SHORT),
                ("data_space_id", SqlType::Int),
                ("name", NAME),
                ("physical_name", SqlType::NVarChar(Some(260))),
                ("state", SqlType::TinyInt),
                ("state_desc", SHORT),
                ("size", SqlType::Int),
                ("max_size", SqlType::Int),
                ("growth", SqlType::Int),
                ("redo_start_lsn", LSN),
                ("redo_start_fork_guid", SqlType::UniqueIdentifier),
            ],
            rows,
        )
    }

    /// What `sys.dm_os_volume_stats` finds for every file.
    fn volume_stats(&self) -> Relation {
        let bytes = |bytes: u64| number(i64::try_from(bytes).unwrap_or(i64::MAX));
        let mut rows = Vec::new();
        for d in &self.instance.databases {
            for file in &d.files {
                if let Some(volume) = self.instance.volume_of(&file.path) {
                    rows.push(vec![
                        number(d.id),
                        number(file.id),
                        text(&volume.mount),
                        text(""),
                        text("NTFS"),
                        bytes(volume.total),
                        bytes(volume.free),
                    ]);
                }
            }
        }
        relation(
            &[
                ("database_id", SqlType::Int),
                ("file_id", SqlType::Int),
                ("volume_mount_point", SqlType::NVarChar(Some(512))),
                ("logical_volume_name", SqlType::NVarChar(Some(512))),
                ("file_system_type", SqlType::NVarChar(Some(512))),
                ("total_bytes", SqlType::BigInt),
                ("available_bytes", SqlType::BigInt),
            ],
            rows,
        )
    }

    fn encryption_keys(&self) -> Relation {
        let rows = self.instance.databases.iter().filter_map(|d| {
            let thumbprint = d.encrypted.clone()?;
            Some(vec![
                number(d.id),
                number(3),
                text("AES"),
                Datum::Bytes(thumbprint),
            ])
        });
        relation(
            &[
                ("database_id", SqlType::Int),
                ("encryption_state", SqlType::Int),
                ("key_algorithm", NAME),
                ("encryptor_thumbprint", SqlType::VarBinary(Some(20))),
            ],
            rows.collect(),
        )
    }

    fn recovery_status(&self) -> Relation {
        let rows = self.instance.databases.iter().map(|d| {
            // NULL when the database is not started (`sql-server.md` 2.2).
            let on = started(d);
            vec![
                number(d.id),
                maybe(on.then_some(d.guid), Datum::Guid),
                maybe(on.then_some(d.family), Datum::Guid),
                maybe((on && d.model != 3).then_some(d.log_start), lsn),
                maybe(on.then_some(d.fork), Datum::Guid),
                maybe(on.then_some(d.first_fork), Datum::Guid),
                maybe(d.fork_point.filter(|_| on), lsn),
            ]
        });
        relation(
            &[
                ("database_id", SqlType::Int),
                ("database_guid", SqlType::UniqueIdentifier),
                ("family_guid", SqlType::UniqueIdentifier),
                ("last_log_backup_lsn", LSN),
                ("recovery_fork_guid", SqlType::UniqueIdentifier),
                ("first_recovery_fork_guid", SqlType::UniqueIdentifier),
                ("fork_point_lsn", LSN),
            ],
            rows.collect(),
        )
    }

    fn mirroring(&self) -> Relation {
        let rows = self.instance.databases.iter().map(|d| {
            let m = d.mirroring.as_ref();
            vec![
                number(d.id),
                maybe(m, |m| Datum::Guid(m.guid)),
                maybe(m, |m| number(state_number(m.state))),
                maybe(m, |m| text(m.state.to_string())),
                maybe(m, |m| number(role_number(m.role))),
                maybe(m, |m| {
                    text(match m.role {
                        MirroringRole::Principal => "PRINCIPAL",
                        MirroringRole::Mirror => "MIRROR",
                    })
                }),
                maybe(m, |_| number(1)),
                maybe(m, |_| number(2)),
                maybe(m, |_| text("FULL")),
                maybe(m, |m| text(&m.partner_name)),
                maybe(m, |m| text(&m.partner_instance)),
                maybe(m, |_| text("")),
                maybe(m, |_| number(0)),
                maybe(m, |_| text("UNKNOWN")),
                maybe(m, |_| lsn(d.log_end)),
                maybe(m, |_| number(10)),
            ]
        });
        relation(
            &[
                ("database_id", SqlType::Int),
                ("mirroring_guid", SqlType::UniqueIdentifier),
                ("mirroring_state", SqlType::TinyInt),
                ("mirroring_state_desc", SHORT),
                ("mirroring_role", SqlType::TinyInt),
                ("mirroring_role_desc", SHORT),
                ("mirroring_role_sequence", SqlType::Int),
                ("mirroring_safety_level", SqlType::TinyInt),
                ("mirroring_safety_level_desc", SHORT),
                ("mirroring_partner_name", NAME),
                ("mirroring_partner_instance", NAME),
                ("mirroring_witness_name", NAME),
                ("mirroring_witness_state", SqlType::TinyInt),
                ("mirroring_witness_state_desc", SHORT),
                ("mirroring_failover_lsn", LSN),
                ("mirroring_connection_timeout", SqlType::Int),
            ],
            rows.collect(),
        )
    }

    /// Tables of the chat and compliance databases, as far as they are documented for reading.
    pub(super) fn user_table(&self, database: &Database, object: &str) -> Option<Relation> {
        let chat = database.is(self.state.chat_name());
        match object {
            "tblchat" if chat => {
                let rows = (1..=database.messages).map(|n| {
                    let id = i64::try_from(n).unwrap_or(i64::MAX);
                    vec![number(1 + (id - 1) % 3), number(id)]
                });
                Some(relation(
                    &[("channelId", SqlType::Int), ("chatId", SqlType::BigInt)],
                    rows.collect(),
                ))
            }
            "tblcompliancedata" if database.compliance => {
                // One placeholder of a file transfer (type 9) may always stay.
                let rows = (0..=database.waiting).map(|n| {
                    vec![
                        number(i64::try_from(n).unwrap_or(0)),
                        number(if n == 0 { 9 } else { 1 }),
                    ]
                });
                Some(relation(
                    &[("cmplId", SqlType::Int), ("cmplType", SqlType::Int)],
                    rows.collect(),
                ))
            }
            _ => None,
        }
    }
}

pub(super) fn principals(database: &Database) -> Relation {
    let built_in = [
        (
            "dbo",
            1_i64,
            "S",
            Some(database.owner.as_deref().unwrap_or("sa")),
        ),
        ("guest", 2, "S", None),
        ("INFORMATION_SCHEMA", 3, "S", None),
        ("sys", 4, "S", None),
    ];
    let mut rows: Vec<Vec<Datum>> = built_in
        .into_iter()
        .map(|(name, id, kind, login)| {
            vec![
                text(name),
                number(id),
                text(kind),
                text("SQL_USER"),
                text("dbo"),
                maybe(login, |l| Datum::Bytes(SqlInstance::sid(l))),
                number(i64::from(login.is_some())),
                text(if login.is_some() { "INSTANCE" } else { "NONE" }),
            ]
        })
        .collect();
    for (id, user) in (5_i64..).zip(&database.users) {
        let windows = user.kind != "S";
        rows.push(vec![
            text(&user.name),
            number(id),
            text(user.kind),
            text(match user.kind {
                "U" => "WINDOWS_USER",
                "G" => "WINDOWS_GROUP",
                _ => "SQL_USER",
            }),
            text("dbo"),
            Datum::Bytes(user.sid.clone()),
            number(if windows { 3 } else { 1 }),
            text(if windows { "WINDOWS" } else { "INSTANCE" }),
        ]);
    }
    relation(
        &[
            ("name", NAME),
            ("principal_id", SqlType::Int),
            ("type", CHAR),
            ("type_desc", SHORT),
            ("default_schema_name", NAME),
            ("sid", SID),
            ("authentication_type", SqlType::Int),
            ("authentication_type_desc", SHORT),
        ],
        rows,
    )
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

fn role_number(role: MirroringRole) -> i64 {
    match role {
        MirroringRole::Principal => 1,
        MirroringRole::Mirror => 2,
    }
}
