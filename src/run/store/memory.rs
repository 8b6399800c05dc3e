//! A store in memory: the rehearsal's, and the one that tests look into.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{ROOM, Store};
use crate::model::Document;

/// Keeps a run's record in memory. A clone is the same store: it can be looked at while a run
/// writes.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    inner: Arc<Mutex<Inner>>,
    /// Bytes that were loaded and appended through this handle.
    known: usize,
}

#[derive(Debug, Default)]
struct Inner {
    bytes: Vec<u8>,
    synced: usize,
    documents: Vec<(Document, Vec<u8>)>,
    operations: Vec<Operation>,
    fail_append: Option<usize>,
    fail_sync: Option<usize>,
    /// Bytes that still fit, and what comes behind them.
    disk: Option<(usize, Disk)>,
    reserved: usize,
}

/// What becomes of a disk behind the bytes that still fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disk {
    /// It is full.
    Full,
    /// It does not answer any more, whatever is asked.
    Frozen,
}

impl Inner {
    /// Takes room for so many bytes; what fits of them where not all do, and why.
    fn take(&mut self, bytes: usize) -> Result<(), (usize, io::Error)> {
        match &mut self.disk {
            None => Ok(()),
            Some((left, _)) if *left >= bytes => {
                *left -= bytes;
                Ok(())
            }
            Some((left, disk)) => {
                let kind = match disk {
                    Disk::Full => io::ErrorKind::StorageFull,
                    Disk::Frozen => io::ErrorKind::TimedOut,
                };
                Err((std::mem::take(left), kind.into()))
            }
        }
    }

    /// A disk that is frozen answers nothing.
    fn answers(&self) -> io::Result<()> {
        match self.disk {
            Some((0, Disk::Frozen)) => Err(io::ErrorKind::TimedOut.into()),
            Some(_) | None => Ok(()),
        }
    }

    fn give_back(&mut self, bytes: usize) {
        if let Some((left, Disk::Full)) = &mut self.disk {
            *left += bytes;
        }
    }
}

/// What was asked of a [`MemoryStore`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// So many bytes were appended.
    Append(usize),
    /// All was made durable.
    Sync,
    /// The journal was cut to this length.
    Truncate(u64),
    /// The document was kept.
    Keep(Document),
    /// What the journal held was kept aside.
    SetAside,
}

impl MemoryStore {
    /// A store whose journal holds `bytes`, durably.
    pub fn with(bytes: &[u8]) -> Self {
        Self {
            inner: Arc::new(Mutex::new(Inner {
                bytes: bytes.to_vec(),
                synced: bytes.len(),
                ..Inner::default()
            })),
            known: bytes.len(),
        }
    }

    /// The journal at this moment.
    pub fn bytes(&self) -> Vec<u8> {
        self.inner().bytes.clone()
    }

    /// How many bytes of the journal would survive a crash.
    pub fn synced(&self) -> usize {
        self.inner().synced
    }

    /// Everything that was asked so far and succeeded, in order.
    pub fn operations(&self) -> Vec<Operation> {
        self.inner().operations.clone()
    }

    /// Lets the `n`-th append from now (from 1) and all later ones fail.
    pub fn fail_append(&self, n: usize) {
        self.inner().fail_append = Some(n);
    }

    /// Lets the `n`-th sync from now (from 1) and all later ones fail.
    pub fn fail_sync(&self, n: usize) {
        self.inner().fail_sync = Some(n);
    }

    /// Lets so many bytes more onto the disk; what comes behind them is written in part, and fails.
    pub fn bound(&self, bytes: usize, then: Disk) {
        self.inner().disk = Some((bytes, then));
    }

    /// Changes a byte of the journal where those bits are set.
    pub fn change(&self, at: usize, bits: u8) {
        self.inner().bytes[at] ^= bits;
    }

    /// What would survive a crash at this moment, as a store of its own: documents, synced bytes,
    /// and up to `torn` bytes of what was not synced. Nothing fails in it.
    #[must_use]
    pub fn crash(&self, torn: usize) -> Self {
        let inner = self.inner();
        let end = inner.synced.saturating_add(torn).min(inner.bytes.len());
        Self {
            inner: Arc::new(Mutex::new(Inner {
                bytes: inner.bytes[..end].to_vec(),
                synced: end,
                documents: inner.documents.clone(),
                ..Inner::default()
            })),
            known: end,
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // A test that panicked while holding it leaves whole values behind.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts down to the failure that was asked for, and stays there.
fn strike(count: &mut Option<usize>) -> io::Result<()> {
    match count {
        None => Ok(()),
        Some(0 | 1) => {
            *count = Some(0);
            Err(io::Error::other("told to fail"))
        }
        Some(n) => {
            *n -= 1;
            Ok(())
        }
    }
}

impl Store for MemoryStore {
    fn load(&mut self) -> io::Result<Vec<u8>> {
        let bytes = self.bytes();
        self.known = bytes.len();
        Ok(bytes)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.inner();
        strike(&mut inner.fail_append)?;
        if let Err((fits, error)) = inner.take(bytes.len()) {
            inner.bytes.extend_from_slice(&bytes[..fits]);
            return Err(error);
        }
        inner.bytes.extend_from_slice(bytes);
        inner.operations.push(Operation::Append(bytes.len()));
        drop(inner);
        self.known += bytes.len();
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut inner = self.inner();
        strike(&mut inner.fail_sync)?;
        inner.answers()?;
        inner.synced = inner.bytes.len();
        inner.operations.push(Operation::Sync);
        Ok(())
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        let mut inner = self.inner();
        inner.answers()?;
        let kept = usize::try_from(length).unwrap_or(usize::MAX);
        let cut = inner.bytes.len().saturating_sub(kept);
        inner.give_back(cut);
        inner.bytes.truncate(kept);
        inner.synced = inner.bytes.len();
        inner.operations.push(Operation::Truncate(length));
        drop(inner);
        self.known = kept;
        Ok(())
    }

    fn keep(&mut self, document: Document, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.inner();
        inner.take(bytes.len()).map_err(|(_, error)| error)?;
        inner.documents.retain(|(kept, _)| *kept != document);
        inner.documents.push((document, bytes.to_vec()));
        inner.operations.push(Operation::Keep(document));
        Ok(())
    }

    fn kept(&mut self, document: Document) -> io::Result<Option<Vec<u8>>> {
        let inner = self.inner();
        let mut kept = inner.documents.iter();
        Ok(kept
            .find(|(kept, _)| *kept == document)
            .map(|(_, bytes)| bytes.clone()))
    }

    fn set_aside(&mut self) -> io::Result<String> {
        self.inner().operations.push(Operation::SetAside);
        Ok("aside".to_owned())
    }

    fn reserve(&mut self) -> io::Result<()> {
        let mut inner = self.inner();
        if inner.reserved == 0 {
            inner.take(ROOM).map_err(|(_, error)| error)?;
            inner.reserved = ROOM;
        }
        Ok(())
    }

    fn make_room(&mut self) -> io::Result<bool> {
        let mut inner = self.inner();
        inner.answers()?;
        let reserved = std::mem::take(&mut inner.reserved);
        inner.give_back(reserved);
        Ok(reserved > 0)
    }

    fn written_by_others(&mut self) -> io::Result<Vec<u8>> {
        let inner = self.inner();
        Ok(inner.bytes.get(self.known..).unwrap_or_default().to_vec())
    }
}
