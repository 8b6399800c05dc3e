//! The run's side of [`Ledger`]: the recorder behind a lock, so that two steps of a stage can use it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::event::Event;
use super::fold::RunState;
use super::journal::JournalError;
use super::recorder::Recorder;
use crate::model::Document;
use crate::step::ledger::{Ledger, Progress, Unwritable};

/// A recorder that steps and executor share. The lock is never held across an await.
pub struct RunLedger(Mutex<Recorder>);

impl RunLedger {
    /// Shares a recorder.
    pub fn new(recorder: Recorder) -> Self {
        Self(Mutex::new(recorder))
    }

    /// Records an event.
    pub fn record(&self, event: Event) -> Result<(), JournalError> {
        self.lock().record(event)
    }

    /// Where the run stands; `None` before its first record.
    pub fn state(&self) -> Option<RunState> {
        self.lock().state().cloned()
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
