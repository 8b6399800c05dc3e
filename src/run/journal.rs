//! The journal of a run: one record a line, each chained to the line before (`design.md` 5, 8).

use std::io;

use jiff::Timestamp;

use super::event::{Event, Record};
use super::reading::digest;
use super::store::Store;
use crate::model::Document;

pub use super::reading::{JournalError, Reading, read};

/// The journal of a run that is under way. Once a write failed, every later call fails.
pub struct Journal {
    store: Box<dyn Store>,
    seq: u64,
    tip: String,
    failed: Option<String>,
}

impl Journal {
    /// Begins a journal in an empty store.
    pub fn begin(store: Box<dyn Store>) -> Self {
        Self {
            store,
            seq: 0,
            tip: "0".repeat(64),
            failed: None,
        }
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
        let journal = Self {
            store,
            seq: reading.records.len() as u64,
            tip: reading.tip,
            failed: None,
        };
        Ok((journal, reading.records))
    }

    /// Adds a record. It may be lost in a crash until [`Journal::sync`].
    pub fn append(&mut self, at: Timestamp, event: Event) -> Result<Record, JournalError> {
        self.usable()?;
        let record = Record {
            seq: self.seq + 1,
            at,
            prev: self.tip.clone(),
            event,
        };
        let mut line = readable(&record).map_err(|error| JournalError::Refused {
            seq: record.seq,
            reason: error.to_string(),
        })?;
        let tip = digest(&line);
        line.push(b'\n');
        let written = self.store.append(&line);
        self.check("written", written)?;
        self.seq = record.seq;
        self.tip = tip;
        Ok(record)
    }

    /// Returns when every record so far would survive a crash.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.usable()?;
        let synced = self.store.sync();
        self.check("synced", synced)
    }

    /// Number that the next record will have.
    pub fn next_seq(&self) -> u64 {
        self.seq + 1
    }

    /// Keeps a document beside the journal. A failure does not spoil the journal.
    pub fn keep(&mut self, document: Document, bytes: &[u8]) -> io::Result<()> {
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
