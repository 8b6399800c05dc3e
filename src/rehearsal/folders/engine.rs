//! What a simulated instance and its jobs see: no waiting here, their time is the world's matter.

use std::sync::Arc;

use super::file::Stored;
use super::{Folders, Op, OsError};
use crate::access::shares::Entry;
use crate::rehearsal::backup_set::BackupSet;

/// A file as an instance finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileView {
    /// Size in bytes.
    pub size: u64,
    /// Its backup sets; none in a file that is not whole, or is no backup.
    pub sets: Arc<Vec<BackupSet>>,
    /// False for a copy that was cut short.
    pub whole: bool,
    /// The data inside is damaged: HEADERONLY answers, RESTORE and VERIFYONLY fail.
    pub damaged: bool,
    /// Seconds since 1970 UTC.
    pub modified: i64,
}

impl Folders {
    /// Opens a file as an instance does. `viewer` is the instance's key; errors are those that
    /// error 3201 quotes: 2, 3, 5, 32, 53.
    pub fn open(&self, viewer: &str, path: &str) -> Result<FileView, OsError> {
        self.operate(Op::Open, &[path], |state| {
            let place = state.place(viewer, path)?;
            if state.is_folder(&place) {
                return Err(OsError(5));
            }
            let file = state.free_file(&place)?;
            Ok(FileView {
                size: file.length,
                sets: file.sets(),
                whole: file.is_whole(),
                damaged: file.is_damaged(),
                modified: file.modified,
            })
        })
    }

    /// Writes a backup as an instance does, in whole sectors and at least 16 KiB. All sets of the
    /// file are given, those that a NOINIT keeps too; without `overwrite` a file of that name is
    /// error 80.
    pub fn write_backup(
        &self,
        viewer: &str,
        path: &str,
        sets: Vec<BackupSet>,
        size: u64,
        overwrite: bool,
    ) -> Result<(), OsError> {
        self.operate(Op::Backup, &[path], |state| {
            let place = state.place(viewer, path)?;
            if !overwrite && state.file(&place).is_ok() {
                return Err(OsError(80));
            }
            let mut file = Stored::backup(sets, size);
            file.modified = state.now;
            state.store(&place, file)?;
            state.record(Op::Backup, viewer, None, Some(path));
            Ok(())
        })
    }

    /// Says whether an instance finds a folder there.
    pub fn has_folder(&self, viewer: &str, path: &str) -> bool {
        let state = self.lock();
        let place = state.place(viewer, path);
        place.is_ok_and(|place| state.is_folder(&place))
    }

    /// Files of a folder, as a job of an instance lists them.
    pub fn list_as(&self, viewer: &str, folder: &str) -> Result<Vec<Entry>, OsError> {
        self.operate(Op::List, &[folder], |state| {
            state.list(&state.place(viewer, folder)?)
        })
    }

    /// Copies the first `bytes` bytes of a file, as the copy job does, over what is there; all of
    /// it where `bytes` is at least its size.
    pub fn copy_as(&self, viewer: &str, from: &str, to: &str, bytes: u64) -> Result<(), OsError> {
        self.operate(Op::JobCopy, &[from, to], |state| {
            let source = state.place(viewer, from)?;
            let copy = state.place(viewer, to)?;
            // The source is looked at first: a failed copy makes no file.
            state.free_file(&source)?;
            let mut file = Stored::bytes(&[]);
            file.modified = state.now;
            state.store(&copy, file)?;
            state.append(&source, 0, bytes, &copy, from)?;
            state.record(Op::JobCopy, viewer, Some(from), Some(to));
            Ok(())
        })
    }

    /// Renames a file inside its folder, as the copy job does with its `.wrk`.
    pub fn rename_as(&self, viewer: &str, from: &str, to: &str) -> Result<(), OsError> {
        self.operate(Op::Settle, &[from, to], |state| {
            let old = state.place(viewer, from)?;
            let new = state.place(viewer, to)?;
            state.rename(&old, &new)?;
            state.record(Op::Settle, viewer, Some(from), Some(to));
            Ok(())
        })
    }

    /// Removes a file, as a job does when its retention has passed.
    pub fn remove_as(&self, viewer: &str, path: &str) -> Result<(), OsError> {
        self.operate(Op::Remove, &[path], |state| {
            let place = state.place(viewer, path)?;
            state.take(&place)?;
            state.record(Op::Remove, viewer, Some(path), None);
            Ok(())
        })
    }
}
