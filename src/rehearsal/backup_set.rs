//! What a simulated backup set holds beside its header: all that `RESTORE HEADERONLY` answers and a
//! RESTORE needs, and that the plain bytes of the header do not give away.

use jiff::civil::DateTime;

use crate::model::Lsn;

/// A GUID, in the order in which it is shown.
pub type Guid = [u8; 16];

/// Kind of a set, as `BackupType` numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetKind {
    /// 1
    Full,
    /// 2
    Log,
    /// 5
    Differential,
}

impl SetKind {
    /// Its letter, as `msdb` and the bytes of a file have it.
    pub fn letter(self) -> &'static str {
        match self {
            Self::Full => "D",
            Self::Log => "L",
            Self::Differential => "I",
        }
    }
}

/// One backup set of a file (`reference/sql-server.md` 2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a column of RESTORE HEADERONLY"
)]
pub struct BackupSet {
    /// Full, log or differential.
    pub kind: SetKind,
    /// From 1.
    pub position: u16,
    /// `server\instance` that wrote it.
    pub server: String,
    /// Database it is of.
    pub database: String,
    /// Creation date of that database.
    pub database_created: DateTime,
    /// First LSN.
    pub first_lsn: Lsn,
    /// LSN of the first record after the set.
    pub last_lsn: Lsn,
    /// LSN of the checkpoint.
    pub checkpoint_lsn: Lsn,
    /// `CheckpointLSN` of the full backup below.
    pub database_backup_lsn: Lsn,
    /// UTC: all simulated servers keep UTC.
    pub started: DateTime,
    /// UTC.
    pub finished: DateTime,
    /// Major, minor, build of the software that wrote it.
    pub software: (u8, u8, u16),
    /// Compatibility level of the database.
    pub compatibility_level: u8,
    /// Internal database version.
    pub database_version: u16,
    /// `BackupSetGUID`
    pub set_guid: Guid,
    /// `FamilyGUID`: stays through restores.
    pub family: Guid,
    /// `FirstRecoveryForkID`
    pub first_fork: Guid,
    /// `RecoveryForkID`
    pub fork: Guid,
    /// `ForkPointLSN`, where the fork changed inside the set.
    pub fork_point: Option<Lsn>,
    /// Checksums were written.
    pub checksums: bool,
    /// Taken WITH `COPY_ONLY`.
    pub copy_only: bool,
    /// A tail taken WITH NORECOVERY (`IsForceOffline`).
    pub force_offline: bool,
    /// Damaged inside: RESTORE fails with 3183, HEADERONLY still answers.
    pub damaged: bool,
    /// Number of chat messages committed up to `last_lsn`, by which the world counts loss.
    pub messages: u64,
    /// Data of a full backup: logical name, physical path, bytes of every file.
    pub files: Vec<(String, String, u64)>,
}

/// How a backup file was written, beyond its sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Form {
    /// Only an instance reads it, as one WITH COMPRESSION. The bytes are a form of this simulation's
    /// own: no real compressed log backup was at hand (`backup-files.md`).
    pub opaque: bool,
    /// A further set was begun behind the whole ones, and broken off: HEADERONLY shows a last row
    /// "*** INCOMPLETE ***", which is lost, and the others can be restored (`backup-files.md`).
    pub broken_off: bool,
    /// This stripe of so many, from 1; (0, 0) where it is not striped. Stripes are restored
    /// together or not at all (3132; `sql-server.md` 2.1).
    pub stripe: (u16, u16),
}
