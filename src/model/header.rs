//! Backup headers, read without SQL Server (`reference/backup-files.md`).
//!
//! What SQL Server does not document is read as a fast path only: everything that can be checked is
//! checked (blocks and streams by their checksums, the configuration by its closing copy), and a
//! file that is not as described is [`Unreadable`] here, for `RESTORE HEADERONLY` to decide.
//!
//! | physical blocks | |
//! |---|---|
//! | 512 bytes | SQL Server's choice on disk; [`END_BYTES`] of head and tail hold all |
//! | 1024 bytes | likewise, unless the closing copy is longer than 3 KiB: [`Unreadable::NoClosingCopy`] |
//! | 2 KiB to 64 KiB | lie outside of [`END_BYTES`]: [`Unreadable::BlockSize`] or [`Unreadable::NoBlocks`]; read where the caller gives longer ends |

mod blocks;
mod bytes;
mod configuration;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use super::Lsn;
use blocks::Layout;
use bytes::Bytes;
use configuration::Configuration;

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
    /// Position of the set in its file: 1, for files with several sets are not read here.
    pub position: u16,
    /// First LSN in the set.
    pub first_lsn: Lsn,
    /// LSN of the first record after the set: the next set begins here.
    pub last_lsn: Lsn,
    /// LSN of the checkpoint.
    pub checkpoint_lsn: Lsn,
    /// `CheckpointLSN` of the full backup that the set builds on.
    pub database_backup_lsn: Lsn,
    /// When the database was created, server's local time.
    pub database_created: DateTime,
    /// When the backup began, server's local time.
    pub started: DateTime,
    /// When it ended, server's local time; only where the closing copy and the end of the set
    /// agree on it, for no checksum guards it.
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

/// Shorter than this, no file has all its opening blocks.
const SHORTEST: u64 = 0x1000;

/// Why a file's header is not readable here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// No bytes at all.
    #[error("the file is empty")]
    Empty,
    /// Begins as a backup does and ends before its header does.
    #[error("only {size} bytes of a backup: truncated, or still being written")]
    TooShort {
        /// Size in bytes.
        size: u64,
    },
    /// Does not begin as a backup does.
    #[error("no backup: it begins with \"{}\"", .first.escape_ascii())]
    NotABackup {
        /// The first bytes, eight at most.
        first: Vec<u8>,
    },
    /// Written WITH COMPRESSION, or encrypted.
    #[error("compressed or encrypted: only RESTORE HEADERONLY on an instance can read it")]
    Compressed,
    /// A checksum is wrong, or a field has no possible value.
    #[error("damaged: {what} at byte {offset}")]
    Damaged {
        /// Block, stream or field.
        what: &'static str,
        /// Offset in the file, in bytes.
        offset: u64,
    },
    /// The opening and the closing copy of the configuration differ.
    #[error("damaged: its opening and its closing header disagree in {field}")]
    Disagreement {
        /// Field of `reference/backup-files.md`.
        field: &'static str,
    },
    /// Blocks of another size, which do not lie in the bytes given.
    #[error("written with blocks of {bytes} bytes: only RESTORE HEADERONLY can read it")]
    BlockSize {
        /// Size of a physical block.
        bytes: usize,
    },
    /// No known block size fits.
    #[error("damaged, or written with very large blocks: only RESTORE HEADERONLY can tell")]
    NoBlocks,
    /// The end is there, the closing copy is not where it belongs.
    #[error("its closing header is not where it belongs: only RESTORE HEADERONLY can read it")]
    NoClosingCopy,
    /// Several sets were appended to one another.
    #[error("holds {sets} backup sets: only RESTORE HEADERONLY can tell them apart")]
    SeveralSets {
        /// Number of the last one.
        sets: u16,
    },
    /// A set of files or filegroups, or a partial one.
    #[error("a backup of another kind (\"{}\")", letter.escape_ascii())]
    OtherKind {
        /// Letter of its type.
        letter: u8,
    },
}

/// What a file says of the media set that it belongs to (`reference/backup-files.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Media {
    /// Media family ID.
    pub family: u32,
    /// Media sequence number, from 1.
    pub sequence: u16,
}

/// Reads the media block at the beginning of a file; `None` where there is no sound one.
pub fn media(head: &[u8]) -> Option<Media> {
    blocks::media(Bytes::new(head, 0))
}

/// Reads the header of a file from its first and last [`END_BYTES`] (fewer where it is shorter)
/// and its size in bytes.
///
/// A file without its end, whose head is sound, is read with `complete` false; nothing but the head
/// then vouches for the fields.
pub fn read(head: &[u8], tail: &[u8], size: u64) -> Result<BackupHeader, Unreadable> {
    if size == 0 || head.is_empty() {
        return Err(Unreadable::Empty);
    }
    if head.starts_with(b"MSSQLBAK") {
        return Err(Unreadable::Compressed);
    }
    if !head.starts_with(b"TAPE") {
        let first = head.iter().take(8).copied().collect();
        return Err(Unreadable::NotABackup { first });
    }
    if size < SHORTEST {
        return Err(Unreadable::TooShort { size });
    }

    let head = Bytes::new(head, 0);
    let layout = Layout::probe(head)?;
    let opening = Configuration::read(layout.start(head)?)?;

    let tail_at = size.saturating_sub(tail.len() as u64);
    let Some(end) = layout.end(Bytes::new(tail, tail_at), size)? else {
        return opening.header(None, false);
    };
    let closing = Configuration::read(end.configuration)?;
    if let Some(field) = opening.difference(&closing) {
        return Err(Unreadable::Disagreement { field });
    }
    let finished = closing.finished().filter(|date| end.written == Some(*date));
    opening.header(finished, true)
}
