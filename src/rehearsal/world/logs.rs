//! A chain of log backups, as a primary and its mirror would have taken them.

use std::time::Duration;

use jiff::civil::DateTime;

use super::{Guids, at_or};
use crate::model::Lsn;
use crate::rehearsal::backup_set::{BackupSet, Form, Guid, SetKind};

/// A log backup: what its file is called and holds.
#[derive(Clone, Debug, PartialEq)]
pub struct MadeLog {
    /// `<database>_<yyyyMMddHHmmss>.trn`, UTC.
    pub name: String,
    /// Its one set.
    pub set: BackupSet,
    /// Size of the file in bytes.
    pub size: u64,
    /// How it was written.
    pub form: Form,
}

/// What chain to make.
#[derive(Clone, Debug)]
pub struct LogRecipe {
    /// The database.
    pub database: String,
    /// `@@SERVERNAME` of who wrote the logs; of two, they take turns every `turn` logs.
    pub servers: Vec<String>,
    /// After how many logs another server writes.
    pub turn: usize,
    /// How many logs.
    pub count: usize,
    /// Finish time of the last one.
    pub last_finish: DateTime,
    /// Between two logs.
    pub every: Duration,
    /// Every n-th log is empty (First = Last); 0: none.
    pub empty_every: usize,
    /// Chat messages that each log that is not empty brings.
    pub messages_each: u64,
    /// Size of a log that is not empty.
    pub bytes: u64,
    /// GUIDs and LSNs follow from it.
    pub seed: u64,
}

impl LogRecipe {
    /// A chain of `count` logs a quarter of an hour apart.
    pub fn new(database: &str, server: &str, count: usize, last_finish: DateTime) -> Self {
        Self {
            database: database.to_owned(),
            servers: vec![server.to_owned()],
            turn: 7,
            count,
            last_finish,
            every: Duration::from_mins(15),
            empty_every: 0,
            messages_each: 3,
            bytes: 128 * 1024,
            seed: 1,
        }
    }

    /// Makes the logs: each begins where the one before ends.
    pub fn make(&self) -> Vec<MadeLog> {
        let mut guids = Guids::new(self.seed ^ 0x6c6f_6773);
        let family = guids.next();
        let fork = guids.next();
        let vlf = 40 + u32::try_from(self.seed % 50).unwrap_or(0);
        let start = Lsn::new(vlf, 1_000, 1);
        let created = at_or(self.last_finish, -400 * 24 * 3600);
        let mut block = start.block;
        let mut messages = 100;
        let mut logs = Vec::new();
        for i in 0..self.count {
            let empty = self.empty_every > 0 && (i + 1) % self.empty_every == 0;
            let first_lsn = Lsn::new(vlf, block, 1);
            if !empty {
                block = block.saturating_add(40 + u32::try_from(i % 23).unwrap_or(0) * 8);
                messages += self.messages_each;
            }
            let before = i64::try_from(self.every.as_secs())
                .unwrap_or(900)
                .saturating_mul(i64::try_from(self.count - 1 - i).unwrap_or(0));
            let finished = at_or(self.last_finish, before.saturating_neg());
            let started = at_or(finished, -1);
            let server = self
                .servers
                .get(i / self.turn.max(1) % self.servers.len().max(1))
                .cloned()
                .unwrap_or_default();
            let name = format!("{}_{}.trn", self.database, started.strftime("%Y%m%d%H%M%S"));
            logs.push(MadeLog {
                name,
                size: if empty { 64 * 1024 } else { self.bytes },
                set: BackupSet {
                    kind: SetKind::Log,
                    position: 1,
                    server,
                    database: self.database.clone(),
                    database_created: created,
                    first_lsn,
                    last_lsn: Lsn::new(vlf, block, 1),
                    checkpoint_lsn: start,
                    database_backup_lsn: start,
                    started,
                    finished,
                    software: (13, 0, 5026),
                    compatibility_level: 110,
                    database_version: 852,
                    set_guid: guids.next(),
                    family,
                    first_fork: fork,
                    fork,
                    fork_point: None,
                    checksums: false,
                    copy_only: false,
                    force_offline: false,
                    damaged: false,
                    messages,
                    files: Vec::new(),
                },
                form: Form::default(),
            });
        }
        logs
    }
}

/// Family and fork of a database that has no log backups yet.
pub(super) struct Lineage {
    pub(super) family: Guid,
    pub(super) fork: Guid,
    pub(super) created: DateTime,
    /// Where the first log begins.
    pub(super) start: Lsn,
    pub(super) messages: u64,
    pub(super) level: u8,
    pub(super) version: u16,
}

impl Lineage {
    /// That of the logs, or an invented one.
    pub(super) fn of(logs: &[MadeLog], guids: &mut Guids, now: DateTime) -> Self {
        match logs.first() {
            Some(MadeLog { set, .. }) => Self {
                family: set.family,
                fork: set.first_fork,
                created: set.database_created,
                start: set.first_lsn,
                messages: set.messages.min(100),
                level: set.compatibility_level,
                version: set.database_version,
            },
            None => Self {
                family: guids.next(),
                fork: guids.next(),
                created: at_or(now, -400 * 24 * 3600),
                start: Lsn::new(40, 1_000, 1),
                messages: 100,
                level: 110,
                version: 852,
            },
        }
    }
}
