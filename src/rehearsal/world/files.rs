//! Backup files as the engine of an instance sees them: what the world needs of folders.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::rehearsal::backup_set::BackupSet;

/// A backup file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileView {
    /// Size in bytes.
    pub size: u64,
    /// Its sets, by position; none where it is no backup file, or not a whole one (error 3241).
    pub sets: Vec<BackupSet>,
    /// The data inside is damaged: HEADERONLY answers, RESTORE and VERIFYONLY fail.
    pub damaged: bool,
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

    /// Writes a file that holds exactly these sets, `size` bytes long: whoever appends gives the
    /// sets that are kept, too. With `overwrite` what was there is gone.
    ///
    /// # Errors
    /// As for [`Files::open`]; 80 when a file is there and `overwrite` is not set, 112 when the disk
    /// is full.
    fn write_backup(
        &self,
        viewer: &str,
        path: &str,
        sets: Vec<BackupSet>,
        size: u64,
        overwrite: bool,
    ) -> Result<(), u32>;
}

/// Folders in memory that every viewer sees alike, by path in any case.
#[derive(Debug, Default)]
pub struct MemoryFiles {
    files: Mutex<BTreeMap<String, FileView>>,
    refused: Mutex<BTreeMap<String, u32>>,
}

impl MemoryFiles {
    /// No files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes every path that begins with `prefix` answer this OS error.
    pub fn refuse(&self, prefix: &str, error: u32) {
        lock(&self.refused).insert(prefix.to_lowercase(), error);
    }

    /// Puts a file there, whatever it holds.
    pub fn put(&self, path: &str, view: FileView) {
        lock(&self.files).insert(path.to_lowercase(), view);
    }

    /// Every path, lower case.
    pub fn paths(&self) -> Vec<String> {
        lock(&self.files).keys().cloned().collect()
    }

    fn check(&self, path: &str) -> Result<(), u32> {
        let path = path.to_lowercase();
        lock(&self.refused)
            .iter()
            .find(|(prefix, _)| path.starts_with(prefix.as_str()))
            .map_or(Ok(()), |(_, error)| Err(*error))
    }
}

impl Files for MemoryFiles {
    fn open(&self, _viewer: &str, path: &str) -> Result<FileView, u32> {
        self.check(path)?;
        lock(&self.files)
            .get(&path.to_lowercase())
            .cloned()
            .ok_or(2)
    }

    fn write_backup(
        &self,
        _viewer: &str,
        path: &str,
        sets: Vec<BackupSet>,
        size: u64,
        overwrite: bool,
    ) -> Result<(), u32> {
        self.check(path)?;
        let mut files = lock(&self.files);
        let path = path.to_lowercase();
        if !overwrite && files.contains_key(&path) {
            return Err(80);
        }
        let damaged = false;
        files.insert(
            path,
            FileView {
                size,
                sets,
                damaged,
            },
        );
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
