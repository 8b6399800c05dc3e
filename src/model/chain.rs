//! The log chain: which log backups follow one another from a redo start (`reference/steps.md` 2,
//! `reference/sql-server.md` 2.3).

use serde::Serialize;

use super::{BackupHeader, Lsn};

/// A log backup file whose header was read, wherever it lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogFile {
    /// Path as the caller names it.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// What the set says of itself.
    pub header: BackupHeader,
    /// SHA-256 over size, head and tail: equal for copies of one another.
    pub fingerprint: [u8; 32],
}

/// A link of the chain: one set, in one or more places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    /// First LSN.
    pub first_lsn: Lsn,
    /// Last LSN; equal to the first where the database was idle.
    pub last_lsn: Lsn,
    /// Indexes into the given files, every sound copy, in the order given.
    pub files: Vec<usize>,
}

/// A hole in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// LSN at which the missing set begins.
    pub after: Lsn,
    /// FirstLSN of the nearest set behind the hole.
    pub before: Lsn,
}

/// A file that does not belong to the chain, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Index into the given files.
    pub file: usize,
    /// Why it is left out, a sentence without its subject.
    pub reason: String,
}

/// Log backups in LSN order, from one LSN to the first gap or the end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LogChain {
    /// Where it begins.
    pub from: Lsn,
    /// Where it ends: before the first gap, or at the last set.
    pub to: Lsn,
    /// The sets from `from` to `to`, in order, empty ones too.
    pub links: Vec<Link>,
    /// All else.
    pub left_out: Vec<LeftOut>,
    /// Every hole, in order.
    pub gaps: Vec<Gap>,
}
