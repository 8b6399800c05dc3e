//! The files of folders and their headers: one reader for all commands. A header is read once: kept
//! by path, size and time (`design.md` 9). The error of one file is that file's (rule 15).

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::shares::{Cause, Entry, EntryKind, Looked, ShareError, Shares};
use super::sql::Table;
use crate::model::chain::LogFile;
use crate::model::header::Unreadable;

/// Why a file gives no header here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRead {
    /// Its bytes were read, and are not understood here.
    #[error(transparent)]
    Header(#[from] Unreadable),
    /// The share refused it.
    #[error("{}: {}", .0.cause, .0.text)]
    Share(ShareError),
    /// It is a folder.
    #[error("a folder")]
    Folder,
    /// It is no file.
    #[error("{0}")]
    NoFile(&'static str),
    /// The undo file of a STANDBY database: told, and never touched (`sql-server.md` 1.6).
    #[error("the undo file of a standby")]
    Undo,
}

/// One name in a folder.
#[derive(Clone, Debug)]
pub struct FolderFile {
    /// Its path.
    pub path: String,
    /// Its name.
    pub name: String,
    /// Size in bytes; 0 where it is no file.
    pub size: u64,
    /// When it was last written, seconds since 1970 UTC.
    pub modified: i64,
    /// Over size and both ends: equal for copies. `None` where they were not read.
    pub fingerprint: Option<[u8; 32]>,
    /// Its header, or why there is none.
    pub read: Result<Arc<LogFile>, NotRead>,
}

#[derive(Clone)]
struct Kept {
    size: u64,
    modified: i64,
    fingerprint: [u8; 32],
    read: Result<Arc<LogFile>, Unreadable>,
}

impl Kept {
    fn of(look: Looked, entry: &Entry) -> Self {
        Self {
            size: look.size,
            modified: entry.modified,
            fingerprint: look.fingerprint,
            read: look.read.map(Arc::new),
        }
    }

    /// True while the file is as it was read.
    fn is_of(&self, entry: &Entry) -> bool {
        self.size == entry.size && self.modified == entry.modified
    }

    fn file(self, entry: Entry, path: String) -> FolderFile {
        FolderFile {
            path,
            name: entry.name,
            size: self.size,
            modified: self.modified,
            fingerprint: Some(self.fingerprint),
            read: self.read.map_err(NotRead::Header),
        }
    }
}

/// Whether a name stands for a file that is looked into: all but the undo file of a standby.
fn is_read(entry: &Entry) -> bool {
    let undo = ending(&entry.name).is_some_and(|it| it.eq_ignore_ascii_case("tuf"));
    entry.kind == EntryKind::File && !undo
}

/// What an instance answered of a file: the result sets of a batch. Told by path, by which it saw
/// the file.
type Answers = Vec<(String, Arc<Vec<Table>>)>;

/// The headers read so far, here and by an instance.
#[derive(Default)]
pub struct Headers {
    kept: Mutex<HashMap<String, Kept>>,
    /// By fingerprint: copies of a file hold the same.
    answers: Mutex<HashMap<[u8; 32], Answers>>,
    /// Folders, as an instance sees them, that it may not read.
    closed: Mutex<HashSet<String>>,
}

impl Headers {
    /// Reads a folder: every name in it, whatever its ending. The order is that of the names.
    ///
    /// # Errors
    /// What the share says of the folder. What it says of a file is that file's; a file that
    /// vanished meanwhile is left out.
    pub async fn folder(
        &self,
        shares: &dyn Shares,
        folder: &str,
        join: impl Fn(&str) -> String,
    ) -> Result<Vec<FolderFile>, ShareError> {
        let mut entries = shares.list(folder).await?;
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let entries: Vec<(Entry, String)> = entries
            .into_iter()
            .map(|entry| {
                let path = join(&entry.name);
                (entry, path)
            })
            .collect();
        let known: Vec<Option<Kept>> = {
            let kept = self.lock();
            let known = |(entry, path): &(Entry, String)| {
                let known = kept.get(path).filter(|kept| kept.is_of(entry));
                known.cloned()
            };
            entries.iter().map(known).collect()
        };
        let new: Vec<String> = entries
            .iter()
            .zip(&known)
            .filter(|((entry, _), known)| is_read(entry) && known.is_none())
            .map(|((_, path), _)| path.clone())
            .collect();
        let mut looks = shares.look(&new).await.into_iter();
        let mut kept = self.lock();
        let files = entries.into_iter().zip(known);
        let files = files.filter_map(|((entry, path), known)| {
            let why = match entry.kind {
                EntryKind::File if !is_read(&entry) => NotRead::Undo,
                EntryKind::File => {
                    let known = match known {
                        Some(known) => Ok(known),
                        None => looks.next()?.map(|look| {
                            let new = Kept::of(look, &entry);
                            kept.insert(path.clone(), new.clone());
                            new
                        }),
                    };
                    match known {
                        Ok(known) => return Some(known.file(entry, path)),
                        Err(gone) if gone.cause == Cause::NotFound => return None,
                        Err(refusal) => NotRead::Share(refusal),
                    }
                }
                EntryKind::Folder => NotRead::Folder,
                EntryKind::Other(what) => NotRead::NoFile(what),
            };
            Some(FolderFile {
                path,
                name: entry.name,
                size: entry.size,
                modified: entry.modified,
                fingerprint: None,
                read: Err(why),
            })
        });
        Ok(files.collect())
    }

    /// What an instance answered of the file by that path, or else of a copy of it.
    pub fn answer(&self, path: &str, fingerprint: &[u8; 32]) -> Option<Arc<Vec<Table>>> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let known = answers.get(fingerprint)?;
        let own = known.iter().find(|(other, _)| other == path);
        own.or(known.first()).map(|(_, answer)| Arc::clone(answer))
    }

    /// Keeps what an instance answered of a file.
    pub fn keep_answer(&self, path: &str, fingerprint: [u8; 32], answer: Vec<Table>) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let known = answers.entry(fingerprint).or_default();
        known.push((path.to_owned(), Arc::new(answer)));
    }

    /// Whether an instance was found not to read that folder.
    pub fn is_closed(&self, folder: &str) -> bool {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        closed.contains(folder)
    }

    /// Says that an instance may not read that folder: it is not asked there again.
    pub fn close(&self, folder: &str) {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        closed.insert(folder.to_owned());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Kept>> {
        // A map of whole entries stays usable whoever panicked while holding it.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What stands behind the last dot of a name.
pub fn ending(name: &str) -> Option<&str> {
    name.rsplit_once('.').map(|(_, ending)| ending)
}
