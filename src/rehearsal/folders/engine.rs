//! What a simulated instance sees: no waiting here, its time is the world's matter.

use super::file::Stored;
use super::{Folders, Op, OsError};
use crate::rehearsal::world::{FileView, Files};

impl Folders {
    /// Opens a file as an instance does. `viewer` is the instance's key; errors are those that
    /// error 3201 quotes: 2, 3, 5, 32, 53.
    pub fn open(&self, viewer: &str, path: &str) -> Result<FileView, u32> {
        let found = self.operate(Op::Open, &[path], |state| {
            let place = state.place(viewer, path)?;
            if state.is_folder(&place) {
                return Err(OsError(5));
            }
            let file = state.free_file(&place)?;
            Ok(FileView {
                size: file.length,
                sets: file.sets().to_vec(),
                damaged: file.is_damaged(),
                form: file.form(),
            })
        });
        found.map_err(|OsError(number)| number)
    }
}

impl Files for Folders {
    fn open(&self, viewer: &str, path: &str) -> Result<FileView, u32> {
        self.open(viewer, path)
    }

    /// In whole sectors and at least 16 KiB.
    fn write_backup(
        &self,
        viewer: &str,
        path: &str,
        file: FileView,
        overwrite: bool,
    ) -> Result<(), u32> {
        let written = self.operate(Op::Backup, &[path], |state| {
            let place = state.place(viewer, path)?;
            if !overwrite && state.file(&place).is_ok() {
                return Err(OsError(80));
            }
            let mut file = Stored::backup(file.sets, file.size, file.form);
            file.modified = state.now;
            state.store(&place, file)?;
            state.record(Op::Backup, viewer, None, Some(path));
            Ok(())
        });
        written.map_err(|OsError(number)| number)
    }
}
