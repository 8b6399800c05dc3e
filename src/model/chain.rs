//! The log chain: which log backups follow one another from a redo start (`reference/steps.md` 2,
//! `reference/sql-server.md` 2.3). By LSN alone: names and dates of files say nothing certain, and
//! recovery forks are known only to an instance.
//!
//! | set | |
//! |---|---|
//! | `FirstLSN` ≤ current LSN < `LastLSN` | a link; the next set begins at its `LastLSN` |
//! | `FirstLSN` = `LastLSN` = current LSN | a link that needs no RESTORE: the database was idle |
//! | `LastLSN` ≤ redo start | left out: already applied |
//! | several fit | the one that begins at the current LSN, then the longest; the others are covered |
//! | same LSNs and start date, same bytes | copies: one link |
//! | same LSNs and start date, other bytes | one link of those that hold it alone, as an instance says; else stripes or a conflict, and all left out |
//! | anything behind a hole | left out |

mod build;
mod survey;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use jiff::civil::DateTime;
use serde::Serialize;

use super::header::{self, Unreadable};
use super::{BackupHeader, Lsn};
use build::Members;
pub use survey::survey;

/// A backup file whose header was read, wherever it lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogFile {
    /// Path as the caller names it.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// What the set says of itself.
    pub header: BackupHeader,
    /// Of [`fingerprint`]: equal for copies of one another.
    pub fingerprint: [u8; 32],
}

/// What an instance said of a file, as far as a chain asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing: of several files with the LSNs and start of one set, none is taken.
    Nothing,
    /// It is no stripe: it holds its sets alone, and either of two such files will do.
    Alone,
    /// It is no log of the database, and makes no gap: why.
    Stranger(String),
    /// It cannot be applied, and what it holds is lost with it: why.
    Unfit(String),
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
    /// `FirstLSN` of the nearest set behind the hole.
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
    /// All other files, by index.
    pub left_out: Vec<LeftOut>,
    /// Every hole, in order.
    pub gaps: Vec<Gap>,
    /// Highest `LastLSN` that any log backup of the database names, usable or not. Beyond `to` where
    /// there is more log than the chain gives: behind a gap, or in files that were refused.
    pub reaches: Lsn,
}

impl LogFile {
    /// What copies and stripes of a set have in common.
    pub fn identity(&self) -> (Lsn, Lsn, DateTime) {
        let header = &self.header;
        (header.first_lsn, header.last_lsn, header.started)
    }

    /// Reads a file from its first and last [`header::END_BYTES`] and its size in bytes.
    pub fn read(path: String, head: &[u8], tail: &[u8], size: u64) -> Result<Self, Unreadable> {
        Ok(Self {
            path,
            size,
            header: header::read(head, tail, size)?,
            fingerprint: fingerprint(head, tail, size),
        })
    }
}

/// A number over the size and both ends of a file: equal for copies of one another. It tells files
/// apart and proves nothing: who wants to deceive changes the middle. So it is a fast one, not a
/// cryptographic one.
pub fn fingerprint(head: &[u8], tail: &[u8], size: u64) -> [u8; 32] {
    // Odd, and half of the bits set: golden ratio, and three more of xxHash.
    const FACTORS: [u64; 4] = [
        0x9E37_79B9_7F4A_7C15,
        0xC2B2_AE3D_27D4_EB4F,
        0x1656_67B1_9E37_79F9,
        0x85EB_CA77_C2B2_AE63,
    ];
    // For one lane, every step maps different words to different values: a single changed byte is
    // always seen.
    let mut lanes = FACTORS;
    let mut take = |words: [u64; 4]| {
        for ((lane, word), factor) in lanes.iter_mut().zip(words).zip(FACTORS) {
            *lane = (*lane ^ word).wrapping_mul(factor).rotate_left(29);
        }
    };
    let words = |block: &[u8; 32]| {
        let (words, _) = block.as_chunks::<8>();
        [0, 1, 2, 3].map(|n| u64::from_le_bytes(words[n]))
    };
    take([size, head.len() as u64, tail.len() as u64, 0]);
    for part in [head, tail] {
        let (blocks, rest) = part.as_chunks::<32>();
        for block in blocks {
            take(words(block));
        }
        let mut last = [0; 32];
        last[..rest.len()].copy_from_slice(rest);
        take(words(&last));
    }
    // The last bytes reach every bit of their lane.
    take([0; 4]);
    take([0; 4]);
    let mut print = [0; 32];
    let (places, _) = print.as_chunks_mut::<8>();
    for (place, lane) in places.iter_mut().zip(lanes) {
        *place = lane.to_le_bytes();
    }
    print
}

impl Link {
    /// True where it holds no log, and so needs no RESTORE.
    pub fn is_empty(&self) -> bool {
        self.first_lsn == self.last_lsn
    }
}

impl LogChain {
    /// Builds the chain of `database` (compared without case) from a redo start on. Every file that
    /// is in no link stands in `left_out`. The order of `files` plays no part.
    pub fn build(files: &[LogFile], database: &str, redo_start: Lsn) -> Self {
        Self::of(files, database, redo_start, None, |_, _| Known::Nothing)
    }

    /// The same, of a database whose source was created at that date, where it is known: where sets
    /// compete, its own go first. `known` says what else is known of a file, by its index.
    pub fn of(
        files: &[LogFile],
        database: &str,
        redo_start: Lsn,
        created: Option<DateTime>,
        known: impl Fn(usize, &LogFile) -> Known,
    ) -> Self {
        let database = database.to_lowercase();
        let mut left_out = Vec::new();
        let mut members = Vec::new();
        let mut alone = HashSet::new();
        let mut unfit = Lsn::ZERO;
        for (file, it) in files.iter().enumerate() {
            let other = it.header.database.to_lowercase() != database;
            let known = if other {
                Known::Stranger(format!("of database `{}`", it.header.database))
            } else {
                known(file, it)
            };
            let reason = match known {
                Known::Nothing => {
                    members.push(file);
                    continue;
                }
                Known::Alone => {
                    alone.insert(file);
                    members.push(file);
                    continue;
                }
                Known::Stranger(reason) => reason,
                Known::Unfit(reason) => {
                    unfit = unfit.max(it.header.last_lsn);
                    reason
                }
            };
            left_out.push(LeftOut { file, reason });
        }
        let members = Members {
            files: members,
            alone,
        };
        let chain = build::build(files, members, Some(redo_start), created, left_out);
        let reaches = chain.reaches.max(unfit);
        Self { reaches, ..chain }
    }

    /// The links that need a RESTORE.
    pub fn applicable(&self) -> impl Iterator<Item = &Link> {
        self.links.iter().filter(|link| !link.is_empty())
    }

    /// True when the chain gives all the log that any of its files names: no gap, and nothing
    /// beyond its end in a file that was refused.
    pub fn is_whole(&self) -> bool {
        self.gaps.is_empty() && self.reaches <= self.to
    }
}
