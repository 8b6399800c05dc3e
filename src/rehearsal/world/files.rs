//! Backup files as the engine of an instance sees them: what the world needs of folders.

use crate::rehearsal::backup_set::{BackupSet, Form};

/// A backup file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileView {
    /// Size in bytes.
    pub size: u64,
    /// Its sets, by position; none where it is no backup file, or not a whole one (error 3241).
    pub sets: Vec<BackupSet>,
    /// The data inside is damaged: HEADERONLY answers, RESTORE and VERIFYONLY fail.
    pub damaged: bool,
    /// How it was written.
    pub form: Form,
}

impl FileView {
    /// A whole file of that many bytes.
    pub fn of(sets: Vec<BackupSet>, size: u64) -> Self {
        Self {
            size,
            sets,
            ..Self::default()
        }
    }
}

/// Folders, shared by the instances and by the program under rehearsal.
///
/// Called with the world locked: an implementation never calls the world.
pub trait Files: Send + Sync {
    /// Opens a file. `viewer` is the instance's key in the site file (`backup`,
    /// `compliance.backup`), `path` as the statement names it.
    ///
    /// # Errors
    /// The number of the operating system: 2, 3 not found, 5 denied, 53 host not found, …
    fn open(&self, viewer: &str, path: &str) -> Result<FileView, u32>;

    /// Writes a file that holds exactly these sets, of that size: whoever appends gives the sets that
    /// are kept, too. With `overwrite` what was there is gone.
    ///
    /// # Errors
    /// As for [`Files::open`]; 80 when a file is there and `overwrite` is not set, 112 when the disk
    /// is full.
    fn write_backup(
        &self,
        viewer: &str,
        path: &str,
        file: FileView,
        overwrite: bool,
    ) -> Result<(), u32>;
}
