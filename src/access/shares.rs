//! Files on shares: the operations that live folders and the rehearsal's folders in memory both
//! have. What a copy is (chunks, a work name, verify, rename) is built on them, once.

use std::fmt;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::copy::{CopyError, grow_by_pieces};
use crate::model::chain::{LogFile, fingerprint};
use crate::model::header::{END_BYTES, Unreadable};
use crate::model::{Place, Problem};
use crate::site::Verify;

/// Files looked at, or named, at once.
pub(super) const AT_ONCE: usize = 16;

/// What a name in a folder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A file, or a link to one. What is known of it may end here: opening it says more.
    File,
    /// A folder, or a link to one.
    Folder,
    /// Neither, in words: "a link to nothing". It cannot be read.
    Other(&'static str),
}

/// One name in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, verbatim; with U+FFFD in place of what is no Unicode.
    pub name: String,
    /// What it stands for.
    pub kind: EntryKind,
    /// Size in bytes; 0 where it is no file.
    pub size: u64,
    /// When it was last written, seconds since 1970 UTC.
    pub modified: i64,
}

/// First and last bytes of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The first bytes: as many as asked for, fewer where the file is shorter.
    pub head: Vec<u8>,
    /// The last bytes, likewise.
    pub tail: Vec<u8>,
    /// Size in bytes.
    pub size: u64,
}

impl Ends {
    /// The first part in which a copy differs.
    pub fn differs(&self, copy: &Self) -> Option<&'static str> {
        if self.size != copy.size {
            Some("size")
        } else if self.head != copy.head {
            Some("header")
        } else if self.tail != copy.tail {
            Some("closing copy")
        } else {
            None
        }
    }
}

/// What the ends of a file say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// Size in bytes.
    pub size: u64,
    /// Over size and both ends: equal for copies.
    pub fingerprint: [u8; 32],
    /// Its header, or why there is none.
    pub read: Result<LogFile, Unreadable>,
}

impl Looked {
    /// Reads the ends of the file `path`.
    pub fn of(path: String, head: &[u8], tail: &[u8], size: u64) -> Self {
        let read = LogFile::read(path, head, tail, size);
        let fingerprint = match &read {
            Ok(file) => file.fingerprint,
            Err(_) => fingerprint(head, tail, size),
        };
        Self {
            size,
            fingerprint,
            read,
        }
    }
}

/// Why a share refused, as far as it decides what to do next (`reference/skype-powershell.md` 10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The file or folder is not there (Windows 2, 3).
    NotFound,
    /// No right to it (5).
    Denied,
    /// Another program has it open (32, 33).
    InUse,
    /// The host or the share cannot be reached (53, 64, 67, 59, 121, 1326).
    Unreachable,
    /// The disk is full (39, 112).
    Full,
    /// A file of that name is already there (80, 183).
    Exists,
    /// Anything else.
    Other,
}

/// A refusal by a share.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{path}`: {text}")]
pub struct ShareError {
    /// File or folder.
    pub path: String,
    /// What kind of refusal.
    pub cause: Cause,
    /// The system's words, with its number where it has one.
    pub text: String,
}

impl From<&ShareError> for Problem {
    fn from(error: &ShareError) -> Self {
        let mend = match error.cause {
            Cause::NotFound => "see that the path is right and the share is there",
            Cause::Denied => "give this user the right to read and write there",
            Cause::InUse => "see who has the file open",
            Cause::Unreachable => "see that the host of the share is up and reachable from here",
            Cause::Full => "make room on that disk",
            Cause::Exists | Cause::Other => {
                "see that the share is up and that this user may use it"
            }
        };
        Self::new(error.text.clone(), mend).at(Place::Share {
            path: error.path.clone(),
        })
    }
}

impl From<ShareError> for Problem {
    fn from(error: ShareError) -> Self {
        Self::from(&error)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "not found",
            Self::Denied => "access denied",
            Self::InUse => "in use by another program",
            Self::Unreachable => "not reachable",
            Self::Full => "disk full",
            Self::Exists => "already there",
            Self::Other => "failed",
        })
    }
}

/// Answer of a share.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, ShareError>>;

/// Folders with files. Paths are whole, in the spelling of the site file.
pub trait Shares: Send + Sync {
    /// All names in a folder, in no order.
    fn list<'a>(&'a self, folder: &'a str) -> Answer<'a, Vec<Entry>>;

    /// Bytes that this user may still write into a folder, as this machine is told.
    fn free<'a>(&'a self, folder: &'a str) -> Answer<'a, u64>;

    /// First and last `bytes` bytes of a file.
    fn ends<'a>(&'a self, path: &'a str, bytes: usize) -> Answer<'a, Ends>;

    /// What the ends of many files say, in the order of `paths`, several at once. A refusal is that
    /// file's.
    fn look(&self, paths: Vec<String>) -> BoxFuture<'_, Vec<Result<Looked, ShareError>>> {
        let looks = paths.into_iter().map(move |path| async move {
            let ends = self.ends(&path, END_BYTES).await?;
            Ok(Looked::of(path, &ends.head, &ends.tail, ends.size))
        });
        Box::pin(
            futures_util::stream::iter(looks)
                .buffered(AT_ONCE)
                .collect(),
        )
    }

    /// All of a small file.
    fn read<'a>(&'a self, path: &'a str) -> Answer<'a, Vec<u8>>;

    /// SHA-256 over all bytes of a file.
    fn digest<'a>(&'a self, path: &'a str) -> Answer<'a, [u8; 32]>;

    /// Makes an empty file for a copy; what was there under that name is gone.
    fn create<'a>(&'a self, path: &'a str) -> Answer<'a, ()>;

    /// Appends up to `length` bytes of `from`, beginning at `offset`, to `to`, and says how many
    /// they were: 0 at the end of `from`.
    fn append_from<'a>(
        &'a self,
        from: &'a str,
        offset: u64,
        length: u64,
        to: &'a str,
    ) -> Answer<'a, u64>;

    /// Flushes a file to its disk, then gives it another name in the same folder. Refuses
    /// ([`Cause::Exists`]) when that name is taken.
    fn settle<'a>(&'a self, from: &'a str, to: &'a str) -> Answer<'a, ()>;

    /// Fills the file `work` anew with all bytes of `from`, sees that both are alike as far as
    /// `verify` asks, and says how many they are. `progress` hears how many are there.
    ///
    /// # Errors
    /// What the share says, bytes that differ, or a raised `stop`; `work` is then left as it is.
    fn grow<'a>(
        &'a self,
        from: &'a str,
        work: &'a str,
        verify: Verify,
        stop: &'a CancellationToken,
        progress: &'a (dyn Fn(u64) + Send + Sync),
    ) -> BoxFuture<'a, Result<u64, CopyError>> {
        Box::pin(grow_by_pieces(self, from, work, verify, stop, progress))
    }

    /// [`settle`](Self::settle) for many pairs of names: flushed together, where the disk can. Each
    /// has its own answer.
    fn settle_all<'a>(
        &'a self,
        names: &'a [(String, String)],
    ) -> BoxFuture<'a, Vec<Result<(), ShareError>>> {
        let settled = names.iter().map(|(from, to)| self.settle(from, to));
        Box::pin(
            futures_util::stream::iter(settled)
                .buffered(AT_ONCE)
                .collect(),
        )
    }

    /// Removes a file.
    fn remove<'a>(&'a self, path: &'a str) -> Answer<'a, ()>;

    /// Writes a small file whole: makes folders as needed, writes aside, flushes, renames over.
    fn write<'a>(&'a self, path: &'a str, bytes: &'a [u8]) -> Answer<'a, ()>;
}
