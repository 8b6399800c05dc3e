//! Folders in memory, for tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::rehearsal::world::{FileView, Files};

/// Folders in memory that every viewer sees alike, by path in any case.
#[derive(Debug, Default)]
pub(in crate::rehearsal) struct MemoryFiles {
    files: Mutex<BTreeMap<String, FileView>>,
    refused: Mutex<BTreeMap<String, u32>>,
}

impl MemoryFiles {
    /// No files.
    pub(in crate::rehearsal) fn new() -> Self {
        Self::default()
    }

    /// Makes every path that begins with `prefix` answer this OS error.
    pub(in crate::rehearsal) fn refuse(&self, prefix: &str, error: u32) {
        lock(&self.refused).insert(prefix.to_lowercase(), error);
    }

    /// Puts a file there, whatever it holds.
    pub(in crate::rehearsal) fn put(&self, path: &str, view: FileView) {
        lock(&self.files).insert(path.to_lowercase(), view);
    }

    /// Every path, lower case.
    pub(in crate::rehearsal) fn paths(&self) -> Vec<String> {
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
        file: FileView,
        overwrite: bool,
    ) -> Result<(), u32> {
        self.check(path)?;
        let mut files = lock(&self.files);
        let path = path.to_lowercase();
        if !overwrite && files.contains_key(&path) {
            return Err(80);
        }
        files.insert(path, file);
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
