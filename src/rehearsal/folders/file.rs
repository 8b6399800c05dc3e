//! One file: real bytes at its ends, zeros between.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::OsError;
use crate::rehearsal::backup_file::{self, END};
use crate::rehearsal::backup_set::{BackupSet, Form};

/// Most bytes of a file that are ever made at once.
const MOST: u64 = 64 << 20;

/// A file, whole or the first part of one.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    /// Name with its folders below the volume, verbatim, `/` between.
    pub(super) path: String,
    /// Seconds since 1970 UTC.
    pub(super) modified: i64,
    /// The whole file that this one is, or is becoming.
    body: Arc<Body>,
    /// Bytes of `body` that are there.
    pub(super) length: u64,
    /// Another program has it open.
    pub(super) held: bool,
    /// Nobody but its owner may read it.
    pub(super) denied: bool,
    /// It is no file: what it is.
    pub(super) special: Option<&'static str>,
    /// Where the bytes came from, for a copy.
    pub(super) source: Option<String>,
}

#[derive(Debug, Default)]
struct Body {
    head: Vec<u8>,
    tail: Vec<u8>,
    size: u64,
    sets: Arc<Vec<BackupSet>>,
    /// Changes with every damage to the middle.
    flaws: u32,
    damaged: bool,
    form: Form,
}

impl Stored {
    fn new(body: Body) -> Self {
        Self {
            path: String::new(),
            modified: 0,
            length: body.size,
            body: Arc::new(body),
            held: false,
            denied: false,
            special: None,
            source: None,
        }
    }

    pub(super) fn bytes(bytes: &[u8]) -> Self {
        Self::new(Body {
            head: bytes.to_vec(),
            size: bytes.len() as u64,
            ..Body::default()
        })
    }

    /// A backup file: at least its two ends, in whole sectors.
    pub(super) fn backup(sets: Vec<BackupSet>, size: u64, form: Form) -> Self {
        if sets.is_empty() {
            return Self::bytes(&[]);
        }
        let size = size.clamp(2 * END as u64, u64::MAX / 4);
        let (head, tail) = backup_file::formed(&sets, form);
        Self::new(Body {
            head,
            tail,
            size: size.next_multiple_of(512),
            damaged: sets.iter().any(|set| set.damaged),
            sets: Arc::new(sets),
            flaws: 0,
            form,
        })
    }

    /// What stands under a name and is no file.
    pub(super) fn special(what: &'static str) -> Self {
        Self {
            special: Some(what),
            ..Self::bytes(&[])
        }
    }

    pub(super) fn form(&self) -> Form {
        self.body.form
    }

    /// None where it is not whole: that is no backup to an engine.
    pub(super) fn sets(&self) -> &[BackupSet] {
        if self.length == self.body.size {
            &self.body.sets
        } else {
            &[]
        }
    }

    pub(super) fn is_damaged(&self) -> bool {
        self.body.damaged || self.body.flaws > 0
    }

    pub(super) fn damage(&mut self) {
        let body = self.own_body();
        self.body = Arc::new(Body {
            flaws: body.flaws + 1,
            ..body
        });
    }

    pub(super) fn damage_header(&mut self) {
        let mut body = self.own_body();
        // FirstLSN in `SCIN`: 0xE4E + 0x20 (`backup-files.md`).
        if let Some(byte) = body.head.get_mut(0xE6E) {
            *byte ^= 0x10;
        }
        self.body = Arc::new(body);
    }

    fn own_body(&self) -> Body {
        Body {
            head: self.body.head.clone(),
            tail: self.body.tail.clone(),
            size: self.body.size,
            sets: Arc::clone(&self.body.sets),
            flaws: self.body.flaws,
            damaged: self.body.damaged,
            form: self.body.form,
        }
    }

    /// The bytes from `start` to `end`, as far as there are any.
    pub(super) fn range(&self, start: u64, end: u64) -> Result<Vec<u8>, OsError> {
        let end = end.min(self.length);
        let start = start.min(end);
        if end - start > MOST {
            return Err(OsError(223));
        }
        let mut bytes = vec![0; usize::try_from(end - start).map_err(|_| OsError(223))?];
        let mut lay = |part: &[u8], at: u64| {
            let from = start.max(at);
            let to = end.min(at + part.len() as u64);
            // Both differences are no larger than the two lengths in memory.
            if let (true, Ok(target), Ok(source), Ok(length)) = (
                from < to,
                usize::try_from(from.saturating_sub(start)),
                usize::try_from(from.saturating_sub(at)),
                usize::try_from(to.saturating_sub(from)),
            ) {
                bytes[target..target + length].copy_from_slice(&part[source..source + length]);
            }
        };
        lay(&self.body.head, 0);
        lay(
            &self.body.tail,
            self.body.size - self.body.tail.len() as u64,
        );
        Ok(bytes)
    }

    /// SHA-256; for a file with a middle, over all that makes it differ from another.
    pub(super) fn digest(&self) -> Result<[u8; 32], OsError> {
        let ends = self.body.head.len() as u64;
        let mut hash = Sha256::new();
        if self.length <= ends {
            hash.update(self.range(0, self.length)?);
        } else {
            hash.update(self.range(0, ends)?);
            hash.update(self.length.to_le_bytes());
            hash.update(self.body.flaws.to_le_bytes());
            hash.update(self.range(self.length - ends, self.length)?);
        }
        Ok(hash.finalize().into())
    }

    /// Appends the `length` bytes of `from` that begin at `offset`; they are there.
    pub(super) fn append(
        &mut self,
        from: &Stored,
        offset: u64,
        length: u64,
    ) -> Result<(), OsError> {
        if offset == 0 && self.length == 0 {
            self.body = Arc::clone(&from.body);
        }
        if offset == self.length && Arc::ptr_eq(&self.body, &from.body) {
            self.length += length;
            return Ok(());
        }
        // Pieces of different files, or out of order: no backup any more, only bytes.
        let size = self.length + length;
        let end = END as u64;
        let piece = |start: u64, stop: u64| -> Result<Vec<u8>, OsError> {
            let mut bytes = self.range(start, stop)?;
            let skip = start.saturating_sub(self.length);
            let take = stop.saturating_sub(self.length).min(length);
            bytes.extend(from.range(offset + skip.min(take), offset + take)?);
            Ok(bytes)
        };
        let body = Body {
            head: piece(0, end.min(size))?,
            tail: piece(size.saturating_sub(end), size)?,
            size,
            ..Body::default()
        };
        self.body = Arc::new(body);
        self.length = size;
        Ok(())
    }
}
