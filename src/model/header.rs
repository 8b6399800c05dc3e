//! Backup headers, read without SQL Server (`reference/backup-files.md`).

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use super::Lsn;

/// Kind of a backup set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BackupKind {
    /// Transaction log.
    #[serde(rename = "L")]
    Log,
    /// Full database.
    #[serde(rename = "D")]
    Full,
    /// Differential.
    #[serde(rename = "I")]
    Differential,
}

/// What a backup set says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupHeader {
    /// `server\instance` that wrote it.
    pub server: String,
    /// Database it is of.
    pub database: String,
    /// Log, full or differential.
    pub kind: BackupKind,
    /// Position of the set in its file, from 1.
    pub position: u16,
    /// First LSN in the set.
    pub first_lsn: Lsn,
    /// LSN of the first record after the set: the next set begins here.
    pub last_lsn: Lsn,
    /// LSN of the checkpoint.
    pub checkpoint_lsn: Lsn,
    /// CheckpointLSN of the full backup that the set builds on.
    pub database_backup_lsn: Lsn,
    /// When the database was created, server's local time.
    pub database_created: DateTime,
    /// When the backup began, server's local time.
    pub started: DateTime,
    /// When it ended, server's local time; only where the closing copy is there.
    pub finished: Option<DateTime>,
    /// Version of the software that wrote it: major, minor, build.
    pub software: (u8, u8, u16),
    /// Compatibility level of the database.
    pub compatibility_level: u8,
    /// Internal database version.
    pub database_version: u16,
    /// True when the file has its end: closing copy, ESET and filemark.
    pub complete: bool,
}

/// Bytes of a file's head and of its tail that hold all that [`read`] looks at.
pub const END_BYTES: usize = 8192;

/// Why a file's header is not readable here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Placeholder of the contract; the reader adds the causes.
    #[error("no backup")]
    NotABackup,
}

/// Reads the header of a file from its first and last [`END_BYTES`] (fewer where it is shorter)
/// and its size in bytes.
pub fn read(head: &[u8], tail: &[u8], size: u64) -> Result<BackupHeader, Unreadable> {
    let _ = (head, tail, size);
    Err(Unreadable::NotABackup)
}
