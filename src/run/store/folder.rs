//! The run folder on a disk or a share.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::{ROOM, Store};
use crate::model::Document;

/// File name of the journal in a run folder.
pub(in crate::run) const JOURNAL: &str = "journal.jsonl";

/// File name of the room that is kept for the end of the run.
const RESERVE: &str = "reserve";

/// A run folder: `journal.jsonl` and the documents beside it.
pub struct FolderStore {
    folder: PathBuf,
    journal: File,
    /// Bytes that were loaded and appended here; `None` before that.
    known: Option<u64>,
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
            match ours().create(above) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => sync_parent(above)?,
            }
        }
        ours().create(folder)?;
        Self::renew(folder)
    }

    /// Makes an empty journal in a folder that is there and has none.
    pub fn renew(folder: &Path) -> io::Result<Self> {
        let journal = new_file().append(true).open(folder.join(JOURNAL))?;
        // The journal's name must survive a crash as well as its bytes: its folder, and the
        // folder's own name.
        sync_folder(folder)?;
        sync_parent(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            journal,
            known: Some(0),
        })
    }

    /// Opens the folder of a run that began earlier.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join(JOURNAL);
        see_file(&path)?;
        let journal = OpenOptions::new().append(true).open(path)?;
        Ok(Self {
            folder: folder.to_owned(),
            journal,
            known: None,
        })
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Store for FolderStore {
    fn load(&mut self) -> io::Result<Vec<u8>> {
        let bytes = read_file(&self.folder.join(JOURNAL))?;
        self.known = Some(bytes.len() as u64);
        Ok(bytes)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.journal.write_all(bytes)?;
        self.known = self.known.map(|known| known + bytes.len() as u64);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        // Data and length are enough: nobody reads the times.
        self.journal.sync_data()?;
        // What was deleted, or moved away, can still be written, and is no record any more.
        let path = self.folder.join(JOURNAL);
        if is_at(&self.journal, &path)? {
            Ok(())
        } else {
            Err(io::Error::other(format!(
                "`{}` is not the journal that this run writes: it was deleted or replaced",
                path.display()
            )))
        }
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        // On Windows a handle that may only append may not cut.
        let journal = OpenOptions::new()
            .write(true)
            .open(self.folder.join(JOURNAL))?;
        journal.set_len(length)?;
        self.known = Some(length);
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

    fn set_aside(&mut self) -> io::Result<String> {
        let random = getrandom::u64().map_err(io::Error::other)?;
        let name = format!("journal-damaged-{random:016x}.jsonl");
        let mut file = new_file().write(true).open(self.folder.join(&name))?;
        file.write_all(&self.load()?)?;
        file.sync_all()?;
        Ok(name)
    }

    fn reserve(&mut self) -> io::Result<()> {
        let path = self.folder.join(RESERVE);
        match fs::symlink_metadata(&path) {
            Ok(there) if there.is_file() && there.len() == ROOM as u64 => return Ok(()),
            Ok(_) => fs::remove_file(&path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        // Bytes that no file system makes smaller.
        let mut bytes = vec![0; ROOM];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        let mut file = new_file().write(true).open(&path)?;
        let kept = file.write_all(&bytes).and_then(|()| file.sync_all());
        if kept.is_err() {
            // Half of it is no room.
            let _ = fs::remove_file(&path);
        }
        kept
    }

    fn make_room(&mut self) -> io::Result<bool> {
        match fs::remove_file(self.folder.join(RESERVE)) {
            Ok(()) => sync_folder(&self.folder).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn written_by_others(&mut self) -> io::Result<Vec<u8>> {
        // By its length, which costs next to nothing; it is read only where it grew.
        match self.known {
            Some(known) if self.journal.metadata()?.len() > known => {
                let bytes = fs::read(self.folder.join(JOURNAL))?;
                let known = usize::try_from(known).unwrap_or(usize::MAX);
                Ok(bytes.get(known..).unwrap_or_default().to_vec())
            }
            Some(_) | None => Ok(Vec::new()),
        }
    }
}

/// The bytes of a file: no link, and nothing that never ends.
pub(in crate::run) fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    see_file(path)?;
    fs::read(path)
}

fn see_file(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_file() {
        Ok(())
    } else {
        Err(io::Error::other(
            "it is no file, or a link to another place",
        ))
    }
}

/// Writes a document to a folder that is there, durably, over one of that name.
pub(in crate::run) fn keep_in(folder: &Path, document: Document, bytes: &[u8]) -> io::Result<()> {
    let name = document.name();
    // Written aside and synced before it gets its name: the name never stands for half of it.
    // New, under a name that nobody can guess: nothing that lies there is written through.
    let random = getrandom::u64().map_err(io::Error::other)?;
    let aside = folder.join(format!(".{name}.{random:016x}"));
    let mut file = new_file().write(true).open(&aside)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    drop(file);
    let kept = written.and_then(|()| fs::rename(&aside, folder.join(name)));
    if kept.is_err() {
        // What is left of it says nothing.
        let _ = fs::remove_file(&aside);
    }
    kept?;
    sync_folder(folder)
}

/// Makes a folder and those above it, for this user alone.
pub(in crate::run) fn make_folders(folder: &Path) -> io::Result<()> {
    ours().recursive(true).create(folder)
}

/// Makes folders that only this user may enter, where the system has such rights.
fn ours() -> DirBuilder {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    #[cfg(not(unix))]
    builder.recursive(false);
    builder
}

/// Makes a file that was not there, which only this user may read; never through a link.
fn new_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Whether an open file is the one at a path.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let there = match fs::symlink_metadata(path) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    Ok(same(&file.metadata()?, &there))
}

#[cfg(unix)]
fn same(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Windows tells no identity here; a file that is open there cannot be deleted or replaced unseen.
#[cfg(not(unix))]
fn same(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    one.len() == other.len()
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

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_record_that_was_deleted_or_replaced_is_not_written_on() {
        let home = tempfile::tempdir().unwrap();
        let changes: [fn(&Path); 3] = [
            |folder| fs::remove_file(folder.join(JOURNAL)).unwrap(),
            |folder| fs::remove_dir_all(folder).unwrap(),
            |folder| {
                fs::rename(folder.join(JOURNAL), folder.join("away")).unwrap();
                fs::write(folder.join(JOURNAL), b"one\n").unwrap();
            },
        ];
        for (n, change) in changes.into_iter().enumerate() {
            let folder = home.path().join(n.to_string());
            let mut store = FolderStore::create(&folder).unwrap();
            store.append(b"one\n").unwrap();
            store.sync().unwrap();
            change(&folder);
            store.append(b"two\n").unwrap();
            assert!(store.sync().is_err(), "{n}");
        }
    }

    #[test]
    fn room_is_kept_on_the_disk_whole_and_given_back_once() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("run");
        let mut store = FolderStore::create(&folder).unwrap();
        let kept = || fs::metadata(folder.join(RESERVE)).map(|it| it.len()).ok();
        store.reserve().unwrap();
        assert_eq!(kept(), Some(ROOM as u64));
        // What a run that was killed left is kept; half of it is no room.
        fs::write(folder.join(RESERVE), b"half").unwrap();
        store.reserve().unwrap();
        assert_eq!(kept(), Some(ROOM as u64));
        assert!(store.make_room().unwrap());
        assert_eq!(kept(), None);
        assert!(!store.make_room().unwrap());
    }

    #[test]
    fn nothing_is_written_through_a_link_and_only_this_user_reads_it() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("runs/run");
        let mut store = FolderStore::create(&folder).unwrap();
        let precious = home.path().join("precious");
        fs::write(&precious, b"precious").unwrap();
        let name = Document::LogShipping.name();
        symlink(&precious, folder.join(name)).unwrap();
        symlink(&precious, folder.join(format!(".{name}.new"))).unwrap();
        store.keep(Document::LogShipping, b"{}").unwrap();
        assert_eq!(fs::read(&precious).unwrap(), b"precious");
        assert_eq!(store.kept(Document::LogShipping).unwrap().unwrap(), b"{}");
        let rights = |path: &Path| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(rights(&folder), 0o700);
        assert_eq!(rights(folder.parent().unwrap()), 0o700);
        assert_eq!(rights(&folder.join(JOURNAL)), 0o600);
        assert_eq!(rights(&folder.join(name)), 0o600);
        drop(store);
        fs::remove_file(folder.join(JOURNAL)).unwrap();
        symlink(&precious, folder.join(JOURNAL)).unwrap();
        assert!(FolderStore::open(&folder).is_err());
    }
}
