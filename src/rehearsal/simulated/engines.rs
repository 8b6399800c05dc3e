//! The folders in memory, as the simulated engines open them.

use crate::rehearsal::backup_set::BackupSet;
use crate::rehearsal::folders::{Folders, OsError};
use crate::rehearsal::world::{FileView, Files};

/// The folders as the engines see them.
pub(super) struct Engines(pub(super) Folders);

impl Files for Engines {
    fn open(&self, viewer: &str, path: &str) -> Result<FileView, u32> {
        let view = self.0.open(viewer, path).map_err(|OsError(n)| n)?;
        // A file that is not whole is no backup to an engine: 3241.
        let sets: Vec<BackupSet> = if view.whole {
            view.sets.to_vec()
        } else {
            Vec::new()
        };
        Ok(FileView {
            size: view.size,
            sets,
            damaged: view.damaged,
        })
    }

    fn write_backup(
        &self,
        viewer: &str,
        path: &str,
        sets: Vec<BackupSet>,
        size: u64,
        overwrite: bool,
    ) -> Result<(), u32> {
        self.0
            .write_backup(viewer, path, sets, size, overwrite)
            .map_err(|OsError(n)| n)
    }
}
