//! Whether an act sent anything: what ended before that had no effect that could still show.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use serde_json::Value;

use crate::access::powershell::ProcessId;
use crate::model::Document;
use crate::step::hands::StepError;
use crate::step::ledger::{Ledger, Progress, Said, Unwritable};

/// The record of one act. A command is recorded before it is sent: without one, nothing was.
pub(super) struct Sent<'a> {
    ledger: &'a dyn Ledger,
    any: AtomicBool,
}

impl<'a> Sent<'a> {
    pub(super) fn through(ledger: &'a dyn Ledger) -> Self {
        Self {
            ledger,
            any: AtomicBool::new(false),
        }
    }

    /// How the act ended.
    pub(super) fn judge(&self, acted: Result<(), StepError>) -> Result<(), StepError> {
        acted.map_err(|error| match error {
            StepError::Other(problem) if !self.any.load(Relaxed) => StepError::NotSent(problem),
            other @ (StepError::Sql(_)
            | StepError::Cmdlet(_)
            | StepError::Copy(_)
            | StepError::Share(_)
            | StepError::Unbound(_)
            | StepError::Ledger(_)
            | StepError::NotHeld(_)
            | StepError::Stopped
            | StepError::Other(_)
            | StepError::NotSent(_)
            | StepError::Refused(_)) => other,
        })
    }
}

impl Ledger for Sent<'_> {
    fn command(&self, step: &str, n: usize, values: Value) -> Result<(), Unwritable> {
        // Also where that fails: whether it is on the disk is not known then.
        self.any.store(true, Relaxed);
        self.ledger.command(step, n, values)
    }

    fn powershell(&self, process: &ProcessId) -> Result<(), Unwritable> {
        self.ledger.powershell(process)
    }

    fn said(&self, step: &str, said: Said) -> Result<(), Unwritable> {
        self.ledger.said(step, said)
    }

    fn keep(&self, document: Document, bytes: &[u8]) -> Result<(), Unwritable> {
        self.ledger.keep(document, bytes)
    }

    fn kept(&self, document: Document) -> Result<Option<Vec<u8>>, Unwritable> {
        self.ledger.kept(document)
    }

    fn progress(&self, progress: Progress) {
        self.ledger.progress(progress);
    }
}
