//! The journal of a run: one record a line, each chained to the line before (`design.md` 5, 8).

mod ours;

use std::io;

use jiff::Timestamp;

use super::event::{Event, Record};
use super::reading::{NOTHING_BEFORE, digest};
use super::store::Store;
use crate::model::Document;

pub use super::reading::{JournalError, Reading, read};

/// The journal of a run that is under way. Once a write failed, every later call fails.
///
/// A full disk is another matter: the room that was kept is given up for it, and what ends the run
/// can still be written.
pub struct Journal {
    store: Box<dyn Store>,
    seq: u64,
    tip: String,
    /// The number that the records carry.
    fence: Option<u64>,
    failed: Option<String>,
    /// Length in bytes up to the last sync.
    durable: u64,
    /// What was written since.
    pending: Vec<u8>,
    /// The record that came last, while it may have to be taken back.
    last: Option<Last>,
    /// Why there is no room left.
    full: Option<String>,
    taken_over: bool,
}

struct Last {
    ends: bool,
    /// Digest of the line before it.
    prev: String,
    /// Length of what was pending before it.
    pending: usize,
}

impl Journal {
    /// Begins a journal in an empty store.
    pub fn begin(store: Box<dyn Store>) -> Self {
        Self::at(store, 0, NOTHING_BEFORE.to_owned(), 0)
    }

    /// Goes on with a journal: verifies it ([`read`]), cuts off a torn last line, and returns the
    /// records. A journal that is refused is left as it was found.
    pub fn reopen(mut store: Box<dyn Store>) -> Result<(Self, Vec<Record>), JournalError> {
        let bytes = store.load().map_err(|source| JournalError::Store {
            action: "read",
            source,
        })?;
        let reading = read(&bytes)?;
        if reading.whole < bytes.len() {
            store
                .truncate(reading.whole as u64)
                .map_err(|source| JournalError::Store {
                    action: "cut",
                    source,
                })?;
        }
        let seq = reading.records.len() as u64;
        let journal = Self::at(store, seq, reading.tip, reading.whole as u64);
        Ok((journal, reading.records))
    }

    fn at(store: Box<dyn Store>, seq: u64, tip: String, durable: u64) -> Self {
        Self {
            store,
            seq,
            tip,
            fence: None,
            failed: None,
            durable,
            pending: Vec::new(),
            last: None,
            full: None,
            taken_over: false,
        }
    }

    /// Adds a record. It may be lost in a crash until [`Journal::sync`].
    pub fn append(&mut self, at: Timestamp, event: Event) -> Result<Record, JournalError> {
        self.usable()?;
        self.see_it_is_ours()?;
        let ends = ends_something(&event);
        if let (Some(why), false) = (&self.full, ends) {
            return Err(JournalError::Full { why: why.clone() });
        }
        let record = Record {
            seq: self.seq + 1,
            at,
            prev: self.tip.clone(),
            fence: self.fence,
            event,
        };
        let mut line = readable(&record).map_err(|error| JournalError::Refused {
            seq: record.seq,
            reason: error.to_string(),
        })?;
        let tip = digest(&line);
        line.push(b'\n');
        if let Err(error) = self.store.append(&line) {
            let why = self.give_up_room("written", error)?;
            if !ends {
                return Err(JournalError::Full { why });
            }
            let written = self.store.append(&line);
            self.check("written", written)?;
        }
        self.last = Some(Last {
            ends,
            prev: std::mem::replace(&mut self.tip, tip),
            pending: self.pending.len(),
        });
        self.pending.extend_from_slice(&line);
        self.seq = record.seq;
        Ok(record)
    }

    /// Returns when every record so far would survive a crash.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.usable()?;
        if let Err(error) = self.store.sync() {
            if !is_full(&error) {
                return self.check("synced", Err(error));
            }
            // What the disk holds of the last record nobody knows: it is taken back, or written anew.
            let refused = match self.last.take() {
                Some(last) if !last.ends => {
                    self.pending.truncate(last.pending);
                    self.tip = last.prev;
                    self.seq -= 1;
                    true
                }
                Some(_) | None => false,
            };
            let why = self.give_up_room("synced", error)?;
            if refused {
                return Err(JournalError::Full { why });
            }
        }
        self.durable += self.pending.len() as u64;
        self.pending.clear();
        self.last = None;
        Ok(())
    }

    /// Keeps room for the end of the run, before the first effect.
    pub fn reserve(&mut self) -> Result<(), JournalError> {
        self.store.reserve().map_err(|source| JournalError::Store {
            action: "given room for its end",
            source,
        })
    }

    /// Gives the room back that was kept: the end of the run is written.
    pub fn give_back_room(&mut self) {
        // It is of no use any more, and of no harm where it stays.
        let _ = self.store.make_room();
    }

    /// On a full disk: gives up the room that was kept, and brings the journal back to its last
    /// record. Gives the store's words; any other failure spoils the journal for good.
    fn give_up_room(
        &mut self,
        action: &'static str,
        error: io::Error,
    ) -> Result<String, JournalError> {
        let why = error.to_string();
        let mended = is_full(&error) && self.mend().unwrap_or(false);
        if !mended {
            self.check(action, Err(error))?;
        }
        self.full = Some(why.clone());
        Ok(why)
    }

    fn mend(&mut self) -> io::Result<bool> {
        if !self.store.make_room()? {
            return Ok(false);
        }
        self.store.truncate(self.durable)?;
        self.store.append(&self.pending)?;
        self.store.sync()?;
        self.durable += self.pending.len() as u64;
        self.pending.clear();
        Ok(true)
    }

    /// Number that the next record will have.
    pub fn next_seq(&self) -> u64 {
        self.seq + 1
    }

    /// Keeps a document beside the journal. A failure does not spoil the journal.
    pub fn keep(&mut self, document: Document, bytes: &[u8]) -> io::Result<()> {
        self.see_it_is_ours().map_err(io::Error::other)?;
        self.store.keep(document, bytes)
    }

    /// A document beside the journal.
    pub fn kept(&mut self, document: Document) -> io::Result<Option<Vec<u8>>> {
        self.store.kept(document)
    }

    fn usable(&self) -> Result<(), JournalError> {
        match &self.failed {
            None => Ok(()),
            Some(first) => Err(JournalError::Poisoned {
                first: first.clone(),
            }),
        }
    }

    /// After a failed write or sync the disk may hold any part of the line: nothing may follow it.
    fn check(&mut self, action: &'static str, done: io::Result<()>) -> Result<(), JournalError> {
        done.map_err(|source| {
            self.failed = Some(source.to_string());
            JournalError::Store { action, source }
        })
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// What can still be written where there is no room for more.
fn ends_something(event: &Event) -> bool {
    match event {
        Event::StepFinished { .. } | Event::RunStopped { .. } | Event::RunFinished(_) => true,
        Event::RunStarted(_)
        | Event::StepChecked { .. }
        | Event::Consent { .. }
        | Event::StepStarted { .. }
        | Event::UndoStarted { .. }
        | Event::Command { .. }
        | Event::StepReopened { .. }
        | Event::PlanChanged { .. }
        | Event::RunResumed { .. }
        | Event::FenceTaken { .. }
        | Event::PowerShell { .. }
        | Event::CmdletSaid { .. }
        | Event::SendersGone { .. } => false,
    }
}

/// The record's line, once it was seen to be readable: a number that is none, or facts nested too
/// deep, would otherwise make a journal that no resume can open.
fn readable(record: &Record) -> serde_json::Result<Vec<u8>> {
    let line = serde_json::to_vec(record)?;
    serde_json::from_slice::<Record>(&line)?;
    Ok(line)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
