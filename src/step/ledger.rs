//! The ledger: what a step tells the run it is part of. The run's recorder is behind it.

use serde_json::Value;

use crate::access::powershell::ProcessId;
use crate::model::Document;

/// How far a step is: shown, never journaled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Step.
    pub step: String,
    /// Done so far, in `unit`.
    pub done: u64,
    /// Of so many; 0 = not known.
    pub total: u64,
    /// What is counted.
    pub unit: Unit,
    /// The file, the LSN, the state at this moment.
    pub detail: String,
}

/// What shows how far a look is stands under this instead of a step.
pub const LOOK: &str = "look";

/// What progress counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Files.
    Files,
    /// Percent.
    Percent,
    /// Nothing: it waits.
    Waiting,
}

/// What a cmdlet said besides its objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Which.
    pub cmdlet: String,
    /// Its errors, in order.
    pub errors: Vec<String>,
    /// Its warnings.
    pub warnings: Vec<String>,
}

/// Says that the record of the run cannot be written: nothing more may be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the record of the run cannot be written: {0}")]
pub struct Unwritable(pub String);

/// Where a step's commands are recorded and its progress is shown.
pub trait Ledger: Send + Sync {
    /// Records, durably, that command `n` of `step` is about to be sent with these values.
    ///
    /// # Errors
    /// When the record cannot be written: the command must not be sent.
    fn command(&self, step: &str, n: usize, values: Value) -> Result<(), Unwritable>;

    /// Records, durably, to which PowerShell process cmdlets are about to be sent.
    ///
    /// # Errors
    /// When the record cannot be written: the cmdlet must not be sent.
    fn powershell(&self, process: &ProcessId) -> Result<(), Unwritable>;

    /// Records and shows what a cmdlet of `step` said: errors, warnings.
    ///
    /// # Errors
    /// When the record cannot be written.
    fn said(&self, step: &str, said: Said) -> Result<(), Unwritable>;

    /// Keeps a document in the run's folder, durably, and with its second copy.
    ///
    /// # Errors
    /// When it cannot be written.
    fn keep(&self, document: Document, bytes: &[u8]) -> Result<(), Unwritable>;

    /// Reads a kept document back.
    ///
    /// # Errors
    /// When it cannot be read.
    fn kept(&self, document: Document) -> Result<Option<Vec<u8>>, Unwritable>;

    /// Shows how far a step is.
    fn progress(&self, progress: Progress);
}
