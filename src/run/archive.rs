//! The runs of this machine, and their second copies: one folder a run (`design.md` 5, "The run folder").

mod kept;
mod look;
mod site;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::fold::RunState;
use super::store::{
    Apart, FolderStore, HERE, JOURNAL, Mirrored, Note, Reach, Store, THERE, make_folders,
};
use super::stored::{SiteIdentity, StoredPlan};
use crate::model::Document;
use crate::model::document::Unread;

pub use kept::{Kept, Unreadable};
pub use look::{Copy, CopyIs, Lost};

/// Where runs are kept.
#[derive(Clone, Debug)]
pub struct Archive {
    /// `<state>/runs`
    local: PathBuf,
    /// `[run] mirror`
    mirror: PathBuf,
    here: Reach,
    there: Reach,
}

/// A run that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its id.
    pub run: String,
    /// Where it stands.
    pub state: RunState,
    /// How many records say so.
    pub whole: usize,
    /// The site then.
    pub site: Kept<SiteIdentity>,
    /// The plan then.
    pub plan: Kept<StoredPlan>,
    /// Its two copies: here, and in the mirror.
    pub copies: [Copy; 2],
}

/// The runs that were found, oldest first.
#[derive(Debug, Default)]
pub struct Runs {
    /// Those whose record tells where they stand.
    pub read: Vec<Found>,
    /// Those whose record does not.
    pub lost: Vec<Lost>,
    /// The folders that could not be looked into.
    pub unreadable: Vec<Unreadable>,
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
    /// Its record tells nobody where it stands.
    #[error(transparent)]
    Lost(Box<Lost>),
}

impl Archive {
    /// The runs below a state folder, with their second copies below `mirror`.
    pub fn new(state: &Path, mirror: &str) -> Self {
        Self {
            local: state.join("runs"),
            mirror: PathBuf::from(mirror),
            here: Reach::within(HERE),
            there: Reach::within(THERE),
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
    pub fn create(&self, run: &str, note: Note) -> Result<Box<dyn Store>, ArchiveError> {
        let folder = self.folder(run);
        let path = folder.clone();
        let first = self.here.ask(move || FolderStore::create(&path));
        let first = first.and_then(|store| Apart::new(store, HERE));
        let first = first.map_err(|source| ArchiveError::Folder {
            path: folder,
            source,
        })?;
        let second = self.create_mirror(run);
        Ok(self.join(run, first, second, note))
    }

    /// Opens the record of a run to go on with it, also one that only the mirror has.
    ///
    /// # Errors
    /// When there is none, or its folder cannot be opened.
    pub fn open(&self, run: &str, note: Note) -> Result<Box<dyn Store>, ArchiveError> {
        let (here, there) = (self.folder(run), self.mirror.join(run));
        let is_there = |reach: &Reach, path: &Path| {
            let path = path.join(JOURNAL);
            reach.ask(move || Ok(path.is_file())).unwrap_or(false)
        };
        if !is_there(&self.here, &here) {
            if !is_there(&self.there, &there) {
                return Err(ArchiveError::NoRun {
                    run: run.to_owned(),
                    local: self.local.clone(),
                    mirror: self.mirror.clone(),
                });
            }
            let (from, to) = (there.clone(), here.clone());
            let brought = self.here.ask(move || bring_home(&from, &to));
            brought.map_err(|source| ArchiveError::Folder {
                path: here.clone(),
                source,
            })?;
        }
        let path = here.clone();
        let first = self.here.ask(move || FolderStore::open(&path));
        let first = first
            .and_then(|store| Apart::new(store, HERE))
            .map_err(|source| ArchiveError::Folder { path: here, source })?;
        let second = if is_there(&self.there, &there) {
            self.there.ask(move || FolderStore::open(&there))
        } else {
            let folder = there.clone();
            let begun = self.there.ask(move || Ok(folder.is_dir()));
            match begun {
                Ok(true) => self.there.ask(move || FolderStore::renew(&there)),
                Ok(false) => self.create_mirror(run),
                Err(error) => Err(error),
            }
        };
        Ok(self.join(run, first, second, note))
    }

    /// Both copies as one store; the first alone where there is no second, which is told.
    fn join(
        &self,
        run: &str,
        first: Apart,
        second: io::Result<FolderStore>,
        mut note: Note,
    ) -> Box<dyn Store> {
        match second.and_then(|store| Apart::new(store, THERE)) {
            Ok(second) => Box::new(Mirrored::new(run, first, second, note)),
            Err(error) => {
                note(&self.no_mirror(&error));
                Box::new(first)
            }
        }
    }

    /// Every run, of this machine and of the mirror.
    pub fn runs(&self) -> Runs {
        let mut ids = self.ids();
        let mut runs = Runs {
            unreadable: std::mem::take(&mut ids.unreadable),
            ..Runs::default()
        };
        for run in &ids.read {
            match self.find(run) {
                Ok(found) => runs.read.push(found),
                Err(ArchiveError::Lost(lost)) => runs.lost.push(*lost),
                Err(ArchiveError::NoRun { .. } | ArchiveError::Folder { .. }) => {}
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
            let kept = kept::copies(self.places(run), document, &read);
            if kept.is_empty() {
                continue;
            }
            let found = match self.find(run) {
                Ok(found) => found,
                Err(ArchiveError::Lost(lost)) => {
                    let unreadable = lost.unreadable();
                    // What a run kept is there, though its journal is damaged further on.
                    let Some(found) = lost.found else {
                        newest.unreadable.extend(unreadable);
                        continue;
                    };
                    found
                }
                Err(ArchiveError::NoRun { .. } | ArchiveError::Folder { .. }) => continue,
            };
            if wanted(&found) {
                newest.unreadable.extend(found.site.unreadable);
                newest.unreadable.extend(kept.unreadable);
                newest.read = kept.read;
            }
            if !newest.read.is_empty() {
                break;
            }
        }
        newest
    }

    /// The same, with what asks there.
    fn places(&self, run: &str) -> [(&Reach, PathBuf); 2] {
        let [here, there] = self.folders(run);
        [(&self.here, here), (&self.there, there)]
    }

    /// The two folders of a run.
    fn folders(&self, run: &str) -> [PathBuf; 2] {
        [self.folder(run), self.mirror.join(run)]
    }

    /// Ids of all runs, oldest first: they begin with their time. Folders that are no run are among
    /// them.
    fn ids(&self) -> Kept<String> {
        let mut ids = Kept::default();
        for (reach, folder) in [(&self.here, &self.local), (&self.there, &self.mirror)] {
            let path = folder.clone();
            let names = reach.ask(move || {
                let entries = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
                let names = entries.into_iter().map(|entry| entry.file_name());
                // What no run is called is none of ours, whatever lies in it: others may write there.
                let names = names.filter_map(|name| name.into_string().ok());
                let names = names.filter(|name| is_name(name));
                Ok(names.collect::<Vec<_>>())
            });
            match names {
                Ok(names) => ids.read.extend(names),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => ids.unreadable.push(Unreadable::refused(folder, &error)),
            }
        }
        ids.read.sort();
        ids.read.dedup();
        ids
    }

    /// Makes the folder of a run's second copy.
    fn create_mirror(&self, run: &str) -> io::Result<FolderStore> {
        let (mirror, folder) = (self.mirror.clone(), self.mirror.join(run));
        self.there.ask(move || {
            above(&mirror)?;
            FolderStore::create(&folder)
        })
    }

    fn no_mirror(&self, error: &io::Error) -> String {
        format!(
            "the run's record has no second copy: `{}`: {error}",
            self.mirror.display()
        )
    }
}

/// Whether a run can be called so: its id stands in commands and on screens.
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(plain)
}

/// What the mirror lies in must be there: by default it is the copy folder, and one that is made here
/// would look like one that log shipping fills.
fn above(mirror: &Path) -> io::Result<()> {
    match mirror.parent() {
        Some(above) => fs::metadata(above).map(|_| ()),
        None => Ok(()),
    }
}

/// Copies a run's record from its mirror to this machine, journal last: a folder without a journal
/// is no run.
fn bring_home(from: &Path, to: &Path) -> io::Result<()> {
    make_folders(to)?;
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
