//! A database of a simulated instance.

use jiff::civil::DateTime;

use crate::model::states::{DatabaseState, MirroringRole, MirroringState};
use crate::model::{Instance, Lsn};
use crate::rehearsal::backup_set::{BackupSet, Guid, SetKind};

/// `sys.databases.user_access`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserAccess {
    /// 0
    Multi,
    /// 1
    Single,
    /// 2
    Restricted,
}

impl UserAccess {
    /// The number of the catalog.
    pub fn number(self) -> i64 {
        match self {
            Self::Multi => 0,
            Self::Single => 1,
            Self::Restricted => 2,
        }
    }

    /// The word of the catalog.
    pub fn word(self) -> &'static str {
        match self {
            Self::Multi => "MULTI_USER",
            Self::Single => "SINGLE_USER",
            Self::Restricted => "RESTRICTED_USER",
        }
    }
}

/// A file of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFile {
    /// From 1; the log is file 2.
    pub id: i64,
    /// Logical name.
    pub name: String,
    /// Path on the instance's host.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// True for the transaction log.
    pub log: bool,
}

/// A user of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its name.
    pub name: String,
    /// `S`, `U`, `G`
    pub kind: &'static str,
    /// The SID of its login.
    pub sid: Vec<u8>,
}

/// A mirroring session, as one partner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirroring {
    /// The same on both sides.
    pub guid: Guid,
    /// This side's part.
    pub role: MirroringRole,
    /// How it stands.
    pub state: MirroringState,
    /// The other instance.
    pub partner: Instance,
    /// `TCP://host:5022` of the other side.
    pub partner_name: String,
    /// `@@SERVERNAME` of the other side.
    pub partner_instance: String,
}

/// A database.
#[expect(clippy::struct_excessive_bools, reason = "columns of the catalog")]
#[derive(Clone, Debug)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// `database_id`
    pub id: i64,
    /// `state`
    pub state: DatabaseState,
    /// ONLINE for reading between two restores.
    pub standby: bool,
    /// `user_access`
    pub access: UserAccess,
    /// `recovery_model`: 1 FULL, 2 `BULK_LOGGED`, 3 SIMPLE.
    pub model: i64,
    /// Owner's login; `None` where its SID belongs to no login here.
    pub owner: Option<String>,
    /// `is_trustworthy_on`
    pub trustworthy: bool,
    /// `is_broker_enabled`
    pub broker: bool,
    /// `create_date`: of this copy.
    pub created: DateTime,
    /// Creation date that its backups carry.
    pub origin: DateTime,
    /// Compatibility level.
    pub level: u8,
    /// Internal version.
    pub version: u16,
    /// `family_guid`
    pub family: Guid,
    /// `database_guid`
    pub guid: Guid,
    /// `first_recovery_fork_guid`
    pub first_fork: Guid,
    /// `recovery_fork_guid`; of a RESTORING database: `redo_start_fork_guid`.
    pub fork: Guid,
    /// Where `fork` begins.
    pub fork_point: Option<Lsn>,
    /// Where the next log must begin; meaningful while RESTORING or in standby.
    pub redo_start: Lsn,
    /// `FirstLSN` of the next log backup.
    pub log_start: Lsn,
    /// End of the log.
    pub log_end: Lsn,
    /// Last checkpoint.
    pub checkpoint: Lsn,
    /// `CheckpointLSN` of the newest full backup; ZERO before any.
    pub base: Lsn,
    /// A restore that was interrupted: set and path.
    pub interrupted: Option<(Guid, String)>,
    /// Its files.
    pub files: Vec<DataFile>,
    /// Bytes of its data files without a page in use.
    pub unused: u64,
    /// Mirroring session.
    pub mirroring: Option<Mirroring>,
    /// Chat messages in it.
    pub messages: u64,
    /// Compliance events that wait.
    pub waiting: u64,
    /// Its users beside the built-in ones.
    pub users: Vec<User>,
    /// True for `mgccomp`.
    pub compliance: bool,
    /// Thumbprint of the certificate that its encryption key is encrypted by, where it has one.
    pub encrypted: Option<Vec<u8>>,
}

impl Database {
    /// Says whether it bears this name, as a case-insensitive collation compares.
    pub fn is(&self, name: &str) -> bool {
        self.name.to_lowercase() == name.to_lowercase()
    }

    /// `recovery_model_desc`
    pub fn model_word(&self) -> &'static str {
        match self.model {
            1 => "FULL",
            2 => "BULK_LOGGED",
            _ => "SIMPLE",
        }
    }

    /// Can be read and written.
    pub fn serves(&self) -> bool {
        self.state == DatabaseState::Online && !self.standby
    }

    /// Bytes of the pages in use: what a full backup holds.
    pub fn data_bytes(&self) -> u64 {
        let data = self.files.iter().filter(|file| !file.log);
        let whole: u64 = data.map(|file| file.bytes).sum();
        whole.saturating_sub(self.unused)
    }

    /// Moves the end of the log, as any writing does.
    pub fn write_log(&mut self, blocks: u32) {
        self.log_end = Lsn::new(
            self.log_end.vlf,
            self.log_end.block.saturating_add(blocks.max(1)),
            1,
        );
    }

    /// Takes over what a restored set carries.
    pub fn roll_to(&mut self, set: &BackupSet) {
        self.redo_start = set.last_lsn;
        self.log_start = set.last_lsn;
        self.log_end = set.last_lsn;
        self.checkpoint = set.checkpoint_lsn;
        self.first_fork = set.first_fork;
        self.fork = set.fork;
        self.fork_point = set.fork_point;
        self.messages = set.messages;
        self.interrupted = None;
        self.state = DatabaseState::Restoring;
        self.standby = false;
        // `steps.md` 5.5: the next log brings MULTI_USER back.
        self.access = UserAccess::Multi;
    }

    /// Starts a new recovery fork at redo start and begins recovery (`sql-server.md` 4).
    pub fn recover(&mut self, fork: Guid, guid: Guid, login: &str) {
        self.first_fork = self.fork;
        self.fork = fork;
        self.guid = guid;
        self.fork_point = Some(self.redo_start);
        self.log_start = self.redo_start;
        self.log_end = self.redo_start;
        self.write_log(8);
        self.checkpoint = self.log_end;
        self.state = DatabaseState::Recovering;
        self.standby = false;
        self.interrupted = None;
        // `sql-server.md` 6.4: owner is who restored; TRUSTWORTHY and broker go off.
        self.owner.get_or_insert_with(|| login.to_owned());
        self.trustworthy = false;
        self.broker = false;
    }

    /// The set that a backup taken now holds. Its LSNs are final when the backup ends.
    pub fn backup_set(
        &self,
        kind: SetKind,
        position: u16,
        server: &str,
        software: (u8, u8, u16),
        now: DateTime,
    ) -> BackupSet {
        let (first_lsn, last_lsn) = match kind {
            SetKind::Log => (self.log_start, self.log_end),
            SetKind::Full | SetKind::Differential => (self.checkpoint, self.log_end),
        };
        let forked = kind == SetKind::Log && self.fork_point.is_some_and(|p| p >= first_lsn);
        BackupSet {
            kind,
            position,
            server: server.to_owned(),
            database: self.name.clone(),
            database_created: self.origin,
            first_lsn,
            last_lsn,
            checkpoint_lsn: self.checkpoint,
            database_backup_lsn: self.base,
            started: now,
            finished: now,
            software,
            compatibility_level: self.level,
            database_version: self.version,
            set_guid: [0; 16],
            family: self.family,
            first_fork: if forked { self.first_fork } else { self.fork },
            fork: self.fork,
            fork_point: self.fork_point.filter(|_| forked),
            checksums: false,
            copy_only: false,
            force_offline: false,
            damaged: false,
            messages: self.messages,
            files: Vec::new(),
        }
    }
}

/// Says whether a log continues the fork on which a database stands (`sql-server.md` 2.2): a set in
/// which the fork changes continues the old fork up to the fork point, the new one from there.
pub fn fork_fits(database: &Database, set: &BackupSet) -> bool {
    match set.fork_point {
        Some(point) => {
            (database.redo_start <= point && database.fork == set.first_fork)
                || (database.redo_start >= point && database.fork == set.fork)
        }
        None => database.fork == set.first_fork,
    }
}
