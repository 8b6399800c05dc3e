//! The runs of this machine, and their second copies: one folder a run (`design.md` 5, "The run folder").

mod kept;
mod site;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::fold::{RunState, fold};
use super::journal::{self, JournalError};
use super::store::{FolderStore, JOURNAL, Mirrored, Note, Store, reconcile};
use super::stored::{SiteIdentity, StoredPlan};
use crate::model::Document;
use crate::model::document::Unread;

pub use kept::{Kept, Unreadable};

/// Where runs are kept.
#[derive(Clone, Debug)]
pub struct Archive {
    /// `<state>/runs`
    local: PathBuf,
    /// `[run] mirror`
    mirror: PathBuf,
}

/// A run that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its id.
    pub run: String,
    /// Where it stands.
    pub state: RunState,
    /// The site then.
    pub site: Kept<SiteIdentity>,
    /// The plan then.
    pub plan: Kept<StoredPlan>,
}

/// Why a run cannot be found or opened.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The folder of the runs refuses.
    #[error("`{path}`: {source}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No such run, here or in the mirror.
    #[error("there is no run `{run}`, neither in `{local}` nor in `{mirror}`")]
    NoRun {
        /// Its id.
        run: String,
        /// Where it was looked for first.
        local: PathBuf,
        /// And then.
        mirror: PathBuf,
    },
    /// Its journal is damaged, or of another version.
    #[error("the record of run `{run}` cannot be used: {}", .journal.why)]
    Unreadable {
        /// Its id.
        run: String,
        /// Its journal.
        journal: Unreadable,
    },
}

impl ArchiveError {
    /// What of a run cannot be read; none where there is no run.
    fn unreadable(self) -> Option<Unreadable> {
        match self {
            Self::Unreadable { journal, .. } => Some(journal),
            Self::NoRun { .. } => None,
            Self::Folder { path, source } => Some(Unreadable::refused(&path, &source)),
        }
    }
}

impl Archive {
    /// The runs below a state folder, with their second copies below `mirror`.
    pub fn new(state: &Path, mirror: &str) -> Self {
        Self {
            local: state.join("runs"),
            mirror: PathBuf::from(mirror),
        }
    }

    /// Folder of a run on this machine.
    pub fn folder(&self, run: &str) -> PathBuf {
        self.local.join(run)
    }

    /// Begins the record of a new run. A mirror that cannot be written is told and done without.
    ///
    /// # Errors
    /// When the run folder cannot be made.
    pub fn create(&self, run: &str, mut note: Note) -> Result<Box<dyn Store>, ArchiveError> {
        let folder = self.folder(run);
        let first = FolderStore::create(&folder).map_err(|source| ArchiveError::Folder {
            path: folder,
            source,
        })?;
        Ok(match self.create_mirror(run) {
            Ok(second) => Box::new(Mirrored::new(first, second, note)),
            Err(error) => {
                note(&self.no_mirror(&error));
                Box::new(first)
            }
        })
    }

    /// Opens the record of a run to go on with it, also one that only the mirror has.
    ///
    /// # Errors
    /// When there is none, or its folder cannot be opened.
    pub fn open(&self, run: &str, mut note: Note) -> Result<Box<dyn Store>, ArchiveError> {
        let (here, there) = (self.folder(run), self.mirror.join(run));
        if !here.join(JOURNAL).is_file() {
            if !there.join(JOURNAL).is_file() {
                return Err(ArchiveError::NoRun {
                    run: run.to_owned(),
                    local: self.local.clone(),
                    mirror: self.mirror.clone(),
                });
            }
            bring_home(&there, &here).map_err(|source| ArchiveError::Folder {
                path: here.clone(),
                source,
            })?;
        }
        let first = FolderStore::open(&here)
            .map_err(|source| ArchiveError::Folder { path: here, source })?;
        let second = if there.join(JOURNAL).is_file() {
            FolderStore::open(&there)
        } else {
            self.create_mirror(run)
        };
        Ok(match second {
            Ok(second) => Box::new(Mirrored::new(first, second, note)),
            Err(error) => {
                note(&self.no_mirror(&error));
                Box::new(first)
            }
        })
    }

    /// Every run, oldest first, of this machine and of the mirror.
    pub fn runs(&self) -> Kept<Found> {
        let mut ids = self.ids();
        let mut runs = Kept {
            read: Vec::new(),
            unreadable: std::mem::take(&mut ids.unreadable),
        };
        for run in &ids.read {
            match self.find(run) {
                Ok(found) => runs.read.push(found),
                Err(error) => runs.unreadable.extend(error.unreadable()),
            }
        }
        runs
    }

    /// A document of the newest run that kept a readable one and is `wanted`, and every one that is
    /// newer and cannot be read.
    pub fn newest<T>(
        &self,
        document: Document,
        wanted: impl Fn(&Found) -> bool,
        read: impl Fn(&[u8]) -> Result<T, Unread>,
    ) -> Kept<T> {
        let mut ids = self.ids();
        let mut newest = Kept {
            read: Vec::new(),
            unreadable: std::mem::take(&mut ids.unreadable),
        };
        for run in ids.read.iter().rev() {
            let kept = kept::copies(&self.folders(run), document, &read);
            if kept.is_empty() {
                continue;
            }
            match self.find(run) {
                Ok(found) if wanted(&found) => {
                    newest.unreadable.extend(found.site.unreadable);
                    newest.unreadable.extend(kept.unreadable);
                    newest.read = kept.read;
                }
                Ok(_) => {}
                Err(error) => newest.unreadable.extend(error.unreadable()),
            }
            if !newest.read.is_empty() {
                break;
            }
        }
        newest
    }

    /// The two folders of a run.
    fn folders(&self, run: &str) -> [PathBuf; 2] {
        [self.folder(run), self.mirror.join(run)]
    }

    /// Ids of all runs, oldest first: they begin with their time. Folders that are no run are among
    /// them.
    fn ids(&self) -> Kept<String> {
        let mut ids = Kept::default();
        for folder in [&self.local, &self.mirror] {
            let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
            match entries {
                // A name that is no Unicode is none of ours.
                Ok(entries) => ids.read.extend(
                    entries
                        .into_iter()
                        .filter_map(|entry| entry.file_name().into_string().ok()),
                ),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => ids.unreadable.push(Unreadable::refused(folder, &error)),
            }
        }
        ids.read.sort();
        ids.read.dedup();
        ids
    }

    /// One run.
    ///
    /// # Errors
    /// When there is none, or its journal cannot be read.
    pub fn find(&self, run: &str) -> Result<Found, ArchiveError> {
        let folders = self.folders(run);
        let paths = folders.each_ref().map(|folder| folder.join(JOURNAL));
        let [here, there] = paths.each_ref().map(|path| match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        });
        let unreadable = |journal| ArchiveError::Unreadable {
            run: run.to_owned(),
            journal,
        };
        let refused = |path, error| unreadable(Unreadable::refused(path, &error));
        let damaged = |path: &Path, why: String, remedy: Option<String>| {
            unreadable(Unreadable {
                path: path.to_owned(),
                why,
                remedy: remedy
                    .unwrap_or_else(|| "put back its second copy, from `[run] mirror`".to_owned()),
                is_there: true,
            })
        };
        let [path, second] = &paths;
        let (path, bytes) = match (here.map_err(|error| refused(path, error))?, there) {
            (Some(here), Ok(Some(there))) => {
                let settled = reconcile(&here, &there);
                (
                    path,
                    settled.map_err(|fork| damaged(path, fork.to_string(), None))?,
                )
            }
            // A mirror that cannot be read is a mirror that is not there, as long as there is one copy.
            (Some(bytes), Ok(None) | Err(_)) => (path, bytes),
            (None, Ok(Some(bytes))) => (second, bytes),
            (None, Err(error)) => return Err(refused(second, error)),
            (None, Ok(None)) => {
                return Err(ArchiveError::NoRun {
                    run: run.to_owned(),
                    local: self.local.clone(),
                    mirror: self.mirror.clone(),
                });
            }
        };
        let reading = journal::read(&bytes).map_err(|error| match error {
            JournalError::Version(other) => damaged(path, other.to_string(), Some(other.remedy())),
            other @ (JournalError::Store { .. }
            | JournalError::Poisoned { .. }
            | JournalError::Damaged { .. }
            | JournalError::TakenOver
            | JournalError::Refused { .. }) => damaged(path, other.to_string(), None),
        })?;
        let state =
            fold(&reading.records).map_err(|error| damaged(path, error.to_string(), None))?;
        Ok(Found {
            run: run.to_owned(),
            state,
            site: kept::copies(&folders, Document::Site, SiteIdentity::read),
            plan: kept::copies(&folders, Document::Plan, StoredPlan::read),
        })
    }

    /// Makes the folder of a run's second copy.
    fn create_mirror(&self, run: &str) -> io::Result<FolderStore> {
        self.above_the_mirror()?;
        FolderStore::create(&self.mirror.join(run))
    }

    /// What the mirror lies in must be there: by default it is the copy folder, and one that is made
    /// here would look like one that log shipping fills.
    fn above_the_mirror(&self) -> io::Result<()> {
        match self.mirror.parent() {
            Some(above) => fs::metadata(above).map(|_| ()),
            None => Ok(()),
        }
    }

    fn no_mirror(&self, error: &io::Error) -> String {
        format!(
            "the run's record has no second copy: `{}`: {error}",
            self.mirror.display()
        )
    }
}

/// Copies a run's record from its mirror to this machine, journal last: a folder without a journal
/// is no run.
fn bring_home(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    let mut entries: Vec<PathBuf> = fs::read_dir(from)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<_>>()?;
    entries.sort_by_key(|path| path.ends_with(JOURNAL));
    for path in entries.iter().filter(|path| path.is_file()) {
        if let Some(name) = path.file_name() {
            fs::copy(path, to.join(name))?;
        }
    }
    Ok(())
}
