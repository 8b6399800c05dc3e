//! A look at the two copies of a run: where it stands, or why nobody can tell.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::kept::{self, Kept, Unreadable};
use super::{Archive, ArchiveError, Found};
use crate::model::Document;
use crate::run::copies::{Damage, Inspected, Split, settle};
use crate::run::event::Record;
use crate::run::fold::fold;
use crate::run::store::{JOURNAL, Reach, read_file};
use crate::run::stored::{SiteIdentity, StoredPlan};

/// One copy of a run's journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Where it is, or would be.
    pub path: PathBuf,
    /// What is there.
    pub is: CopyIs,
}

/// What is there of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyIs {
    /// Nothing.
    Missing,
    /// Something that cannot be read.
    Refused(String),
    /// A chain that verifies.
    Sound {
        /// How many records it has.
        records: usize,
        /// A last line behind them was torn by a crash; it is no record.
        torn: bool,
    },
    /// A chain that verifies up to a record.
    Damaged {
        /// That record's number.
        records: usize,
        /// What is wrong behind it.
        damage: Damage,
    },
}

/// A run whose record does not tell where it stands: it may be unfinished.
#[derive(Debug)]
pub struct Lost {
    /// Its id.
    pub run: String,
    /// Its two copies: here, and in the mirror.
    pub copies: [Copy; 2],
    /// Why neither counts, where that is not said of one of them.
    pub split: Option<Split>,
    /// The record up to which it is whole; 0 = none.
    pub whole: usize,
    /// Where that record leaves the run.
    pub found: Option<Found>,
    /// The site then.
    pub site: Kept<SiteIdentity>,
}

impl Lost {
    /// The first copy that cannot be used.
    pub fn unreadable(&self) -> Option<Unreadable> {
        self.copies.iter().find_map(Copy::unreadable)
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the record of run `{}` cannot be used: ", self.run)?;
        let mut told: Vec<String> = self
            .copies
            .iter()
            .filter_map(|copy| Some(copy.unreadable()?.to_string()))
            .collect();
        match self.split {
            Some(split @ (Split::Fork { .. } | Split::Behind)) => told.push(split.to_string()),
            None if told.is_empty() => {
                told.push("its journal is gone, or empty, though the run had begun".to_owned());
            }
            Some(Split::Neither) | None => {}
        }
        f.write_str(&told.join("; "))?;
        match self.whole {
            0 => f.write_str("; not one record of it is whole"),
            whole => write!(f, "; it is whole up to record {whole}"),
        }
    }
}

impl std::error::Error for Lost {}

impl Copy {
    /// Why it cannot be used, if so.
    fn unreadable(&self) -> Option<Unreadable> {
        let (why, remedy, is_there) = match &self.is {
            CopyIs::Missing | CopyIs::Sound { .. } => return None,
            CopyIs::Refused(why) => {
                let remedy = "see that this user may read it".to_owned();
                (why.clone(), remedy, false)
            }
            CopyIs::Damaged { damage, .. } => {
                let remedy = match damage {
                    Damage::Version(other) => other.remedy(),
                    Damage::Changed(_) | Damage::OtherRun(_) => {
                        "put a sound copy in its place".to_owned()
                    }
                };
                (damage.to_string(), remedy, true)
            }
        };
        Some(Unreadable {
            path: self.path.clone(),
            why,
            remedy,
            is_there,
        })
    }
}

impl Archive {
    /// One run.
    ///
    /// # Errors
    /// When there is none, or its record does not tell where it stands.
    pub fn find(&self, run: &str) -> Result<Found, ArchiveError> {
        self.read(run).map(|(found, _)| found)
    }

    /// One run with all its records, of the copy that counts.
    ///
    /// # Errors
    /// Those of [`Archive::find`].
    pub fn read(&self, run: &str) -> Result<(Found, Vec<Record>), ArchiveError> {
        let folders = self.folders(run);
        let read = self
            .places(run)
            .map(|(reach, folder)| read_journal(reach, folder.join(JOURNAL)));
        let [here, there] = read.each_ref().map(|read| {
            let bytes = read.as_ref().ok().and_then(Option::as_ref);
            bytes.map(|bytes| Inspected::read(run, bytes))
        });
        let copies = [
            copy(&folders[0], &read[0], here.as_ref()),
            copy(&folders[1], &read[1], there.as_ref()),
        ];
        let mut split = None;
        let together = match (&here, &there) {
            (Some(here), Some(there)) => settle(here, there)
                .map_err(|no| split = Some(no))
                .ok()
                .map(|settled| settled.bytes),
            (Some(_), None) | (None, Some(_) | None) => None,
        };
        let together = together.as_deref().map(|bytes| Inspected::read(run, bytes));
        let used = match (&here, &there) {
            (Some(_), Some(_)) => together.as_ref(),
            // A mirror that cannot be read is a mirror that is not there, as long as there is one copy.
            (Some(here), None) => Some(here),
            (None, Some(there)) => Some(there).filter(|_| read[0].is_ok()),
            (None, None) => None,
        };
        let used = used.filter(|it| it.damage.is_none());
        let nowhere = read.iter().all(|read| matches!(read, Ok(None)));
        let is_empty = used.is_some_and(|used| used.state.is_none());
        if (nowhere || is_empty) && !has_begun(self.places(run)) {
            return Err(ArchiveError::NoRun {
                run: run.to_owned(),
                local: self.local.clone(),
                mirror: self.mirror.clone(),
            });
        }
        let site = kept::copies(self.places(run), Document::Site, SiteIdentity::read);
        let found = |state, whole, site| Found {
            run: run.to_owned(),
            whole,
            state,
            site,
            plan: kept::copies(self.places(run), Document::Plan, StoredPlan::read),
            copies: copies.clone(),
        };
        if let Some(used) = used
            && let Some(state) = &used.state
        {
            let found = found(state.clone(), used.records.len(), site);
            return Ok((found, used.records.clone()));
        }
        let best = [&here, &there].into_iter().flatten();
        let best = best.max_by_key(|it| it.records.len());
        let mut records = best.map_or(&[][..], |it| &it.records);
        if let Some(Split::Fork { line }) = split {
            records = &records[..records.len().min(line - 1)];
        }
        Err(ArchiveError::Lost(Box::new(Lost {
            run: run.to_owned(),
            split,
            whole: records.len(),
            found: fold(records)
                .ok()
                .map(|state| found(state, records.len(), site.clone())),
            site,
            copies,
        })))
    }
}

/// A journal that is made before the run's first record is empty; what stands beside it comes after.
fn has_begun(places: [(&Reach, PathBuf); 2]) -> bool {
    places.into_iter().any(|(reach, folder)| {
        let there = reach.ask(move || {
            Ok([Document::Plan, Document::Site]
                .iter()
                .any(|document| fs::symlink_metadata(folder.join(document.name())).is_ok()))
        });
        there.unwrap_or(false)
    })
}

fn read_journal(reach: &Reach, path: PathBuf) -> io::Result<Option<Vec<u8>>> {
    match reach.ask(move || read_file(&path)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

fn copy(
    folder: &Path,
    read: &io::Result<Option<Vec<u8>>>,
    inspected: Option<&Inspected<'_>>,
) -> Copy {
    let is = match (read, inspected) {
        (Err(error), _) => CopyIs::Refused(error.to_string()),
        (Ok(_), None) => CopyIs::Missing,
        (Ok(_), Some(it)) => {
            let records = it.records.len();
            match &it.damage {
                None => CopyIs::Sound {
                    records,
                    torn: it.is_torn(),
                },
                Some(damage) => CopyIs::Damaged {
                    records,
                    damage: damage.clone(),
                },
            }
        }
    };
    Copy {
        path: folder.join(JOURNAL),
        is,
    }
}
