//! The run folder on a disk or a share.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::Store;
use crate::model::Document;

/// File name of the journal in a run folder.
pub(in crate::run) const JOURNAL: &str = "journal.jsonl";

/// A run folder: `journal.jsonl` and the documents beside it.
pub struct FolderStore {
    folder: PathBuf,
    journal: File,
}

impl FolderStore {
    /// Makes the folder, with the folders above it, and an empty journal. Refuses a folder that is
    /// already there: a run id is used once.
    pub fn create(folder: &Path) -> io::Result<Self> {
        let mut missing: Vec<&Path> = folder
            .ancestors()
            .skip(1)
            .take_while(|above| !above.as_os_str().is_empty() && !above.exists())
            .collect();
        missing.reverse();
        for above in missing {
            match fs::create_dir(above) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => sync_parent(above)?,
            }
        }
        fs::create_dir(folder)?;
        let journal = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(folder.join(JOURNAL))?;
        // The journal's name must survive a crash as well as its bytes: its folder, and the
        // folder's own name.
        sync_folder(folder)?;
        sync_parent(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            journal,
        })
    }

    /// Opens the folder of a run that began earlier.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let journal = OpenOptions::new().append(true).open(folder.join(JOURNAL))?;
        Ok(Self {
            folder: folder.to_owned(),
            journal,
        })
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Store for FolderStore {
    fn load(&mut self) -> io::Result<Vec<u8>> {
        fs::read(self.folder.join(JOURNAL))
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.journal.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        // Data and length are enough: nobody reads the times.
        self.journal.sync_data()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        // On Windows a handle that may only append may not cut.
        let journal = OpenOptions::new()
            .write(true)
            .open(self.folder.join(JOURNAL))?;
        journal.set_len(length)?;
        journal.sync_all()
    }

    fn keep(&mut self, document: Document, bytes: &[u8]) -> io::Result<()> {
        keep_in(&self.folder, document, bytes)
    }

    fn kept(&mut self, document: Document) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.folder.join(document.name())) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Writes a document to a folder that is there, durably, over one of that name.
pub(in crate::run) fn keep_in(folder: &Path, document: Document, bytes: &[u8]) -> io::Result<()> {
    let name = document.name();
    // Written aside and synced before it gets its name: the name never stands for half of it.
    let aside = folder.join(format!(".{name}.new"));
    let mut file = File::create(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&aside, folder.join(name))?;
    sync_folder(folder)
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_folder(parent),
        Some(_) => sync_folder(Path::new(".")),
        None => Ok(()),
    }
}

/// Makes the names in a folder durable. Windows has no such call: NTFS logs them itself.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the other system's can fail")]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}
