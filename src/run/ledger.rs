//! The run's side of [`Ledger`]: the recorder behind a lock, so that two steps of a stage can use it.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::Value;

use super::event::{Event, ProcessIs};
use super::fold::{FoldError, RunState};
use super::journal::{Journal, JournalError};
use super::recorder::{Recorder, Sink};
use super::store::Store;
use crate::access::Clock;
use crate::access::powershell::ProcessId;
use crate::model::Document;
use crate::step::ledger::{Ledger, Progress, Said, Unwritable};

/// A recorder that steps and executor share. The lock is never held across an await.
pub struct RunLedger(Mutex<Recorder>);

impl RunLedger {
    /// Shares a recorder.
    pub fn new(recorder: Recorder) -> Self {
        Self(Mutex::new(recorder))
    }

    /// Shares a recorder over a store: of a new run, or of the one that the store holds. Room for its
    /// end is kept from here on.
    ///
    /// # Errors
    /// When the journal in the store cannot be read or written, or tells of no run.
    pub fn open(
        store: Box<dyn Store>,
        clock: Clock,
        sinks: Vec<Box<dyn Sink>>,
    ) -> Result<Self, JournalError> {
        let (mut journal, records) = Journal::reopen(store)?;
        journal.reserve()?;
        let recorder = if records.is_empty() {
            Recorder::new(journal, clock, sinks)
        } else {
            let untold = |error: FoldError| JournalError::Damaged {
                line: 0,
                reason: error.to_string(),
            };
            Recorder::resume(journal, &records, clock, sinks).map_err(untold)?
        };
        Ok(Self::new(recorder))
    }

    /// Records an event.
    pub fn record(&self, event: Event) -> Result<(), JournalError> {
        self.lock().record(event)
    }

    /// Keeps a document of the run itself, as soon as it has a record.
    ///
    /// # Errors
    /// That it cannot be kept.
    pub fn keep_of_run(&self, document: Document, bytes: &[u8]) -> io::Result<()> {
        self.lock().keep_of_run(document, bytes)
    }

    /// Where the run stands; `None` before its first record.
    pub fn state(&self) -> Option<RunState> {
        self.lock().state().cloned()
    }

    /// When the run began; `None` before its first record.
    pub fn began(&self) -> Option<Timestamp> {
        self.lock().began()
    }

    /// Since when chat is down by what the run did; `None` where it is not.
    pub fn down_since(&self) -> Option<Timestamp> {
        self.lock().down_since()
    }

    /// Another run goes on: nothing more is recorded.
    pub fn hand_over(&self) {
        self.lock().hand_over();
    }

    fn lock(&self) -> MutexGuard<'_, Recorder> {
        // A recorder that failed refuses by itself; a panic elsewhere does not make it wrong.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<JournalError> for Unwritable {
    fn from(error: JournalError) -> Self {
        Self(error.to_string())
    }
}

impl Ledger for RunLedger {
    fn command(&self, step: &str, n: usize, values: Value) -> Result<(), Unwritable> {
        let step = step.to_owned();
        Ok(self.record(Event::Command { step, n, values })?)
    }

    fn powershell(&self, process: &ProcessId) -> Result<(), Unwritable> {
        let mut recorder = self.lock();
        let known = recorder.state().and_then(RunState::powershell);
        if known.is_some_and(|known| known.process == *process && known.is_ours) {
            return Ok(());
        }
        Ok(recorder.record(Event::PowerShell {
            process: process.number,
            since: process.since.clone(),
            is: ProcessIs::Sending,
        })?)
    }

    fn said(&self, step: &str, said: Said) -> Result<(), Unwritable> {
        let Said {
            cmdlet,
            errors,
            warnings,
        } = said;
        Ok(self.record(Event::CmdletSaid {
            step: step.to_owned(),
            cmdlet,
            errors,
            warnings,
        })?)
    }

    fn keep(&self, document: Document, bytes: &[u8]) -> Result<(), Unwritable> {
        self.lock()
            .keep(document, bytes)
            .map_err(|cause| Unwritable(format!("`{}`: {cause}", document.name())))
    }

    fn kept(&self, document: Document) -> Result<Option<Vec<u8>>, Unwritable> {
        self.lock()
            .kept(document)
            .map_err(|cause| Unwritable(format!("`{}`: {cause}", document.name())))
    }

    fn progress(&self, progress: Progress) {
        self.lock().progress(progress);
    }
}
