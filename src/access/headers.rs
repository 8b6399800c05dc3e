//! The files of folders and their headers: one reader for all commands. A header is read once: kept
//! by path, size and time (`design.md` 9). The error of one file is that file's (rule 15).

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt as _;

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

/// Files that an instance is being asked about. Dropped, it is asked about none of them any more.
pub struct Asking<'a> {
    headers: &'a Headers,
    left: Mutex<usize>,
}

impl Asking<'_> {
    /// It has answered so many.
    pub fn told(&self, files: usize) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let files = files.min(*left);
        *left -= files;
        self.end(files as u64);
    }

    fn end(&self, files: u64) {
        let (done, total) = &self.headers.asking;
        if done.fetch_add(files, Relaxed) + files >= total.load(Relaxed) {
            done.store(0, Relaxed);
            total.store(0, Relaxed);
        }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.told(usize::MAX);
    }
}

impl NotRead {
    /// True where an instance can tell what is in the file.
    pub fn asks_instance(&self) -> bool {
        match self {
            Self::Header(
                Unreadable::Compressed
                | Unreadable::BlockSize { .. }
                | Unreadable::NoBlocks
                | Unreadable::NoClosingCopy
                | Unreadable::SeveralSets { .. }
                | Unreadable::TooShort { .. }
                | Unreadable::NotABackup { .. }
                | Unreadable::Damaged { .. }
                | Unreadable::Disagreement { .. },
            ) => true,
            Self::Header(Unreadable::Empty | Unreadable::OtherKind { .. })
            | Self::Share(_)
            | Self::Folder
            | Self::NoFile(_)
            | Self::Undo => false,
        }
    }

    /// True where the file `name` may hold log, or have held it, though it is not read. What begins
    /// as no backup does counts under a log backup's name only.
    pub fn may_hold_log(&self, name: &str) -> bool {
        match self {
            Self::Header(Unreadable::Empty | Unreadable::NotABackup { .. }) => {
                let log =
                    |it: &str| it.eq_ignore_ascii_case("trn") || it.eq_ignore_ascii_case("wrk");
                ending(name).is_some_and(log)
            }
            Self::Header(Unreadable::OtherKind { .. }) | Self::Folder | Self::Undo => false,
            Self::Header(
                Unreadable::TooShort { .. }
                | Unreadable::Compressed
                | Unreadable::Damaged { .. }
                | Unreadable::Disagreement { .. }
                | Unreadable::BlockSize { .. }
                | Unreadable::NoBlocks
                | Unreadable::NoClosingCopy
                | Unreadable::SeveralSets { .. },
            )
            | Self::Share(_)
            | Self::NoFile(_) => true,
        }
    }
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

/// Files that are looked at together.
const BATCH: usize = 512;

/// Names of a folder with their paths, and what is known of them.
type Batch = Vec<(Entry, String, Option<Kept>)>;

/// What was seen of those of a batch that were not known.
type Looks = Vec<Result<Looked, ShareError>>;

/// What is kept of a file while it is as it was; found by its path.
#[derive(Clone)]
struct Kept {
    size: u64,
    modified: i64,
    read: Result<Arc<LogFile>, Arc<Refused>>,
}

/// A file that gives no header.
struct Refused {
    path: String,
    fingerprint: [u8; 32],
    why: Unreadable,
}

impl Borrow<str> for Kept {
    fn borrow(&self) -> &str {
        match &self.read {
            Ok(file) => &file.path,
            Err(refused) => &refused.path,
        }
    }
}

impl Hash for Kept {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Borrow::<str>::borrow(self).hash(state);
    }
}

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        Borrow::<str>::borrow(self) == Borrow::<str>::borrow(other)
    }
}

impl Eq for Kept {}

impl Kept {
    fn of(look: Looked, entry: &Entry, path: &str) -> Self {
        let fingerprint = look.fingerprint;
        let refused = |why| {
            Arc::new(Refused {
                path: path.to_owned(),
                fingerprint,
                why,
            })
        };
        Self {
            size: look.size,
            modified: entry.modified,
            read: look.read.map(Arc::new).map_err(refused),
        }
    }

    /// True while the file is as it was read.
    fn is_of(&self, entry: &Entry) -> bool {
        self.size == entry.size && self.modified == entry.modified
    }

    fn file(self, entry: Entry, path: String) -> FolderFile {
        let (fingerprint, read) = match self.read {
            Ok(file) => (file.fingerprint, Ok(file)),
            Err(it) => (it.fingerprint, Err(NotRead::Header(it.why.clone()))),
        };
        FolderFile {
            path,
            name: entry.name,
            size: self.size,
            modified: self.modified,
            fingerprint: Some(fingerprint),
            read,
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

/// Files with one fingerprint that an instance found damaged: path and why.
type Damage = Vec<(String, String)>;

/// The headers read so far, here and by an instance.
#[derive(Default)]
pub struct Headers {
    kept: Mutex<HashSet<Kept>>,
    /// By fingerprint: copies of a file hold the same.
    answers: Mutex<HashMap<[u8; 32], Answers>>,
    /// Folders, as an instance sees them, that it may not read.
    closed: Mutex<HashSet<String>>,
    /// Files that could not be copied, and why.
    refused: Mutex<HashMap<String, String>>,
    /// Files that an instance is being asked about: those that it answered, and all.
    asking: (AtomicU64, AtomicU64),
    /// By fingerprint.
    damaged: Mutex<HashMap<[u8; 32], Damage>>,
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
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let mut files = Vec::with_capacity(entries.len());
        let mut entries = entries.into_iter().peekable();
        // In batches: what is read of ten thousand files need not be held twice. The next is looked
        // at while one is taken in.
        let batches = std::iter::from_fn(|| {
            entries.peek()?;
            let batch = entries.by_ref().take(BATCH).map(|entry| {
                let path = join(&entry.name);
                (entry, path)
            });
            Some(self.look(shares, batch.collect()))
        });
        let mut batches = std::pin::pin!(futures_util::stream::iter(batches).buffered(2));
        while let Some((batch, looks)) = batches.next().await {
            self.take_in(batch, looks, &mut files);
        }
        Ok(files)
    }

    /// Looks at the files of a batch that are not known.
    async fn look(&self, shares: &dyn Shares, batch: Vec<(Entry, String)>) -> (Batch, Looks) {
        let known = |entry: &Entry, path: &str| {
            let kept = self.lock();
            kept.get(path).filter(|kept| kept.is_of(entry)).cloned()
        };
        let batch: Batch = batch
            .into_iter()
            .map(|(entry, path)| {
                let known = known(&entry, &path);
                (entry, path, known)
            })
            .collect();
        let new = batch
            .iter()
            .filter(|(entry, _, known)| is_read(entry) && known.is_none())
            .map(|(_, path, _)| path.clone())
            .collect();
        (batch, shares.look(new).await)
    }

    fn take_in(&self, batch: Batch, looks: Looks, files: &mut Vec<FolderFile>) {
        let mut looks = looks.into_iter();
        let mut kept = self.lock();
        for (entry, path, known) in batch {
            let why = match entry.kind {
                EntryKind::File if !is_read(&entry) => NotRead::Undo,
                EntryKind::File => {
                    let known = known.map_or_else(
                        || {
                            let look = looks.next()?.map(|look| {
                                let new = Kept::of(look, &entry, &path);
                                kept.replace(new.clone());
                                new
                            });
                            Some(look)
                        },
                        |known| Some(Ok(known)),
                    );
                    match known {
                        Some(Ok(known)) => {
                            files.push(known.file(entry, path));
                            continue;
                        }
                        Some(Err(refusal)) if refusal.cause != Cause::NotFound => {
                            NotRead::Share(refusal)
                        }
                        // It vanished meanwhile.
                        Some(Err(_)) | None => continue,
                    }
                }
                EntryKind::Folder => NotRead::Folder,
                EntryKind::Other(what) => NotRead::NoFile(what),
            };
            files.push(FolderFile {
                path,
                name: entry.name,
                size: entry.size,
                modified: entry.modified,
                fingerprint: None,
                read: Err(why),
            });
        }
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

    /// How many files an instance is being asked about, and how many it has answered; `None` where it
    /// is not.
    pub fn asking(&self) -> Option<(u64, u64)> {
        let (done, total) = &self.asking;
        let total = total.load(Relaxed);
        (total > 0).then(|| (done.load(Relaxed).min(total), total))
    }

    /// Says that an instance is asked about so many files more.
    pub fn ask_about(&self, files: usize) -> Asking<'_> {
        self.asking.1.fetch_add(files as u64, Relaxed);
        let left = Mutex::new(files);
        Asking {
            headers: self,
            left,
        }
    }

    /// Why a file could not be copied, where that was tried.
    pub fn not_copied(&self, path: &str) -> Option<String> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.get(path).cloned()
    }

    /// Says that a file could not be copied: it is not tried again by this program.
    pub fn keep_not_copied(&self, path: String, why: String) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.insert(path, why);
    }

    /// Why a file is known to be damaged inside, where neither header shows it: an instance said so
    /// of it, or of two copies, and then there is no sound one to be had from it.
    pub fn damaged(&self, path: &str, fingerprint: &[u8; 32]) -> Option<String> {
        let damaged = self.damaged.lock().unwrap_or_else(PoisonError::into_inner);
        let known = damaged.get(fingerprint)?;
        let own = known.iter().find(|(other, _)| other == path);
        let copies = known.get(1).filter(|_| own.is_none());
        own.or(copies).map(|(_, why)| why.clone())
    }

    /// Keeps that an instance found the data of a file damaged.
    pub fn keep_damaged(&self, path: String, fingerprint: [u8; 32], why: String) {
        let mut damaged = self.damaged.lock().unwrap_or_else(PoisonError::into_inner);
        damaged.entry(fingerprint).or_default().push((path, why));
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

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<Kept>> {
        // A set of whole entries stays usable whoever panicked while holding it.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What stands behind the last dot of a name.
pub fn ending(name: &str) -> Option<&str> {
    name.rsplit_once('.').map(|(_, ending)| ending)
}
