//! The saved log-shipping configuration: what F1 destroys and failback rebuilds
//! (`procedure.md`, "leaves out" 1; `steps.md` 5.1).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::observe::database::Database;
use super::observe::log_shipping::{Job, Primary, Schedule, Secondary};

/// Name of the document in the run folder.
pub const DOCUMENT: &str = "log-shipping.json";

/// What was read before it was destroyed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// Version of this format.
    pub version: u32,
    /// Run that saved it.
    pub run: String,
    /// When, UTC.
    pub taken_at: Timestamp,
    /// The backup's half.
    pub backup: SavedSecondary,
    /// The primary's half, where it answered.
    pub primary: Option<SavedPrimary>,
    /// The primary mirror's half, where it answered.
    pub primary_mirror: Option<SavedPrimary>,
}

/// The secondary half.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedSecondary {
    /// Rows: one a database under the secondary id.
    pub rows: Vec<Secondary>,
    /// Copy and restore jobs.
    pub jobs: Vec<Job>,
    /// Their schedules.
    pub schedules: Vec<Schedule>,
    /// The chat database as it was.
    pub database: Option<Database>,
}

/// A primary half.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedPrimary {
    /// Rows.
    pub rows: Vec<Primary>,
    /// Backup job.
    pub jobs: Vec<Job>,
    /// Its schedules.
    pub schedules: Vec<Schedule>,
    /// The chat database as it was.
    pub database: Option<Database>,
}

impl Saved {
    /// Reads a saved document.
    ///
    /// # Errors
    /// When it is none, or of a later format.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let saved: Self = serde_json::from_slice(bytes).map_err(|cause| cause.to_string())?;
        if saved.version == 1 {
            Ok(saved)
        } else {
            Err(format!(
                "format {} is not known to this version",
                saved.version
            ))
        }
    }
}
