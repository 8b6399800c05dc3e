//! The runs of this machine, and their second copies: one folder a run (DESIGN 5, "The run folder").

mod site;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::fold::{RunState, fold};
use super::journal;
use super::store::{FolderStore, Mirrored, Note, Store, reconcile};

/// Name of the plan in a run folder.
pub const PLAN: &str = "plan.json";

/// Name of the site as loaded in a run folder.
pub const SITE: &str = "site.json";

/// Name of the journal in a run folder.
const JOURNAL: &str = "journal.jsonl";

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
    /// The site as it was loaded then, JSON; `None` where it was not kept.
    pub site: Option<Vec<u8>>,
    /// The plan then, JSON.
    pub plan: Option<Vec<u8>>,
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
    /// Its journal is damaged.
    #[error("the record of run `{run}` cannot be used: {why}")]
    Damaged {
        /// Its id.
        run: String,
        /// Why.
        why: String,
    },
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

    /// Every run, oldest first, of this machine and of the mirror. A run whose journal cannot be
    /// read is left out here and refused by [`Archive::open`].
    pub fn runs(&self) -> Vec<Found> {
        self.ids()
            .iter()
            .filter_map(|run| self.find(run).ok())
            .collect()
    }

    /// A document of the newest run that kept a readable one and is `wanted`.
    pub fn newest<T, E>(
        &self,
        document: &str,
        wanted: impl Fn(&Found) -> bool,
        read: impl Fn(&[u8]) -> Result<T, E>,
    ) -> Option<T> {
        self.ids().iter().rev().find_map(|run| {
            let bytes = self.document(run, document)?;
            let found = self.find(run).ok()?;
            wanted(&found).then(|| read(&bytes).ok())?
        })
    }

    /// A document of a run, from here or from its mirror.
    fn document(&self, run: &str, name: &str) -> Option<Vec<u8>> {
        [&self.local, &self.mirror]
            .iter()
            .find_map(|folder| fs::read(folder.join(run).join(name)).ok())
    }

    /// Ids of all runs, oldest first: they begin with their time.
    fn ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = [&self.local, &self.mirror]
            .into_iter()
            .filter_map(|folder| fs::read_dir(folder).ok())
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        ids.sort();
        ids.dedup();
        ids
    }

    /// One run.
    ///
    /// # Errors
    /// When there is none, or its journal is damaged.
    pub fn find(&self, run: &str) -> Result<Found, ArchiveError> {
        let damaged = |why: String| ArchiveError::Damaged {
            run: run.to_owned(),
            why,
        };
        let folders = [self.folder(run), self.mirror.join(run)];
        let [here, there] = folders
            .each_ref()
            .map(|folder| match fs::read(folder.join(JOURNAL)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                read => read.map(Some),
            });
        // A mirror that cannot be read is a mirror that is not there.
        let there = there.unwrap_or(None);
        let bytes = match (here.map_err(|error| damaged(error.to_string()))?, there) {
            (Some(here), Some(there)) => {
                reconcile(&here, &there).map_err(|fork| damaged(fork.to_string()))?
            }
            (Some(bytes), None) | (None, Some(bytes)) => bytes,
            (None, None) => {
                return Err(ArchiveError::NoRun {
                    run: run.to_owned(),
                    local: self.local.clone(),
                    mirror: self.mirror.clone(),
                });
            }
        };
        let reading = journal::read(&bytes).map_err(|error| damaged(error.to_string()))?;
        let state = fold(&reading.records).map_err(|error| damaged(error.to_string()))?;
        Ok(Found {
            run: run.to_owned(),
            state,
            site: self.document(run, SITE),
            plan: self.document(run, PLAN),
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::run::event::{ClockKind, Event, FORMAT, RunStarted};
    use crate::run::journal::Journal;

    fn started(run: &str) -> Event {
        Event::RunStarted(RunStarted {
            format: FORMAT,
            run: run.to_owned(),
            runbook: "failover".to_owned(),
            plan_digest: "sha256:1".to_owned(),
            site_digest: "sha256:2".to_owned(),
            pool: "pchat.x.com".to_owned(),
            tool: "pchadr".to_owned(),
            host: "h".to_owned(),
            user: "u".to_owned(),
            clock: ClockKind::Wall,
            steps: Vec::new(),
        })
    }

    fn archive(folder: &Path) -> Archive {
        Archive::new(
            &folder.join("state"),
            folder.join("mirror").to_str().unwrap(),
        )
    }

    fn begin(archive: &Archive, run: &str) {
        let store = archive.create(run, Box::new(|_| ())).unwrap();
        let mut journal = Journal::begin(store);
        journal
            .append(jiff::Timestamp::UNIX_EPOCH, started(run))
            .unwrap();
        journal.sync().unwrap();
        journal.keep(SITE, b"{}").unwrap();
    }

    #[test]
    fn a_run_is_found_where_it_began_and_in_its_mirror() {
        let folder = tempfile::tempdir().unwrap();
        let archive = archive(folder.path());
        begin(&archive, "r1");
        assert_eq!(archive.runs().len(), 1);
        fs::remove_dir_all(archive.folder("r1")).unwrap();
        let found = archive.find("r1").unwrap();
        assert_eq!(
            (found.run.as_str(), found.site.as_deref()),
            ("r1", Some(&b"{}"[..]))
        );
        assert!(!found.state.is_finished());
    }

    #[test]
    fn a_run_that_only_the_mirror_has_is_brought_home_to_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let archive = archive(folder.path());
        begin(&archive, "r1");
        fs::remove_dir_all(archive.folder("r1")).unwrap();
        let store = archive.open("r1", Box::new(|_| ())).unwrap();
        let (_, records) = Journal::reopen(store).unwrap();
        assert_eq!(records.len(), 1);
        assert!(archive.folder("r1").join(SITE).is_file());
    }

    #[test]
    fn a_mirror_that_cannot_be_written_is_told_and_done_without() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("mirror"), b"a file, no folder").unwrap();
        let archive = archive(folder.path());
        let told = std::sync::Arc::new(std::sync::Mutex::new(0));
        let count = std::sync::Arc::clone(&told);
        archive
            .create("r1", Box::new(move |_| *count.lock().unwrap() += 1))
            .unwrap();
        assert_eq!(*told.lock().unwrap(), 1);
    }

    #[test]
    fn a_run_that_went_on_elsewhere_stands_where_its_longer_copy_says() {
        let folder = tempfile::tempdir().unwrap();
        let archive = archive(folder.path());
        begin(&archive, "r1");
        let old = fs::read(archive.folder("r1").join(JOURNAL)).unwrap();
        let (mut journal, _) =
            Journal::reopen(archive.open("r1", Box::new(|_| ())).unwrap()).unwrap();
        journal
            .append(
                jiff::Timestamp::UNIX_EPOCH,
                Event::RunResumed {
                    plan_digest: "sha256:1".to_owned(),
                    host: "other".to_owned(),
                    user: "u".to_owned(),
                },
            )
            .unwrap();
        journal.sync().unwrap();
        let long = archive.find("r1").unwrap().state;
        fs::write(archive.folder("r1").join(JOURNAL), old).unwrap();
        assert_eq!(archive.find("r1").unwrap().state, long);
        let fork = folder.path().join("mirror/r1").join(JOURNAL);
        fs::write(fork, b"{}\n{}\n").unwrap();
        assert!(matches!(
            archive.find("r1"),
            Err(ArchiveError::Damaged { .. })
        ));
    }

    #[test]
    fn the_newest_readable_document_of_a_wanted_run_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let archive = archive(folder.path());
        for (run, text) in [("r1", "1"), ("r2", "2"), ("r3", "no number"), ("r4", "4")] {
            begin(&archive, run);
            fs::write(archive.folder(run).join("n.json"), text).unwrap();
        }
        fs::remove_dir_all(archive.folder("r2")).unwrap();
        fs::write(folder.path().join("mirror/r2/n.json"), "2").unwrap();
        let read = |bytes: &[u8]| String::from_utf8_lossy(bytes).parse::<u8>();
        let newest = |wanted: &str| archive.newest("n.json", |found| found.run != wanted, read);
        assert_eq!(newest(""), Some(4));
        assert_eq!(newest("r4"), Some(2));
        assert_eq!(archive.newest("other.json", |_| true, read), None);
    }

    #[test]
    fn a_mirror_never_makes_the_folder_that_it_lies_in() {
        let folder = tempfile::tempdir().unwrap();
        let mirror = folder.path().join("no-share/pchadr-runs");
        let archive = Archive::new(&folder.path().join("state"), mirror.to_str().unwrap());
        begin(&archive, "r1");
        archive.open("r1", Box::new(|_| ())).unwrap();
        assert!(!folder.path().join("no-share").exists());
    }

    #[test]
    fn a_run_that_is_nowhere_and_one_that_is_damaged_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let archive = archive(folder.path());
        assert!(matches!(
            archive.find("r1"),
            Err(ArchiveError::NoRun { .. })
        ));
        begin(&archive, "r1");
        fs::write(archive.folder("r1").join(JOURNAL), b"{}\n{}\n").unwrap();
        assert!(matches!(
            archive.find("r1"),
            Err(ArchiveError::Damaged { .. })
        ));
    }
}
