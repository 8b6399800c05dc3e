//! A store that counts the records that are written through it, and gives no finished run to go on with.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pchadr::model::Document;
use pchadr::run::fold::fold;
use pchadr::run::journal;
use pchadr::run::store::Store;

/// Why a finished run is not gone on with.
pub(crate) const FINISHED: &str = "it is finished";

/// Tells of every record, whichever run writes it.
pub(crate) struct Counted {
    pub(crate) store: Box<dyn Store>,
    pub(crate) written: Arc<AtomicUsize>,
}

impl Store for Counted {
    /// The program goes on with nothing that is finished; it reads that under the lock, as here.
    fn load(&mut self) -> io::Result<Vec<u8>> {
        let bytes = self.store.load()?;
        let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
        let last = String::from_utf8_lossy(lines.next_back().unwrap_or_default()).into_owned();
        if !last.contains("run_finished") {
            return Ok(bytes);
        }
        let read = journal::read(&bytes).ok();
        let state = read.and_then(|it| fold(&it.records).ok());
        if state.is_some_and(|it| it.is_finished()) {
            return Err(io::Error::other(FINISHED));
        }
        Ok(bytes)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.store.append(bytes)?;
        self.written.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.store.sync()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.store.truncate(length)
    }

    fn keep(&mut self, document: Document, bytes: &[u8]) -> io::Result<()> {
        self.store.keep(document, bytes)
    }

    fn kept(&mut self, document: Document) -> io::Result<Option<Vec<u8>>> {
        self.store.kept(document)
    }

    fn written_by_others(&mut self) -> io::Result<Vec<u8>> {
        self.store.written_by_others()
    }

    fn leave_to_others(&mut self) -> io::Result<()> {
        self.store.leave_to_others()
    }

    fn set_aside(&mut self) -> io::Result<String> {
        self.store.set_aside()
    }

    fn reserve(&mut self) -> io::Result<()> {
        self.store.reserve()
    }

    fn make_room(&mut self) -> io::Result<bool> {
        self.store.make_room()
    }
}
