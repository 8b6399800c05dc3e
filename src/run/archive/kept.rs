//! What was kept, and what of it cannot be read: named, never passed over.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::model::Document;
use crate::model::document::Unread;
use crate::run::store::Reach;

/// Something that was kept and cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` cannot be read: {why}", .path.display())]
pub struct Unreadable {
    /// Where it is.
    pub path: PathBuf,
    /// Why.
    pub why: String,
    /// What to do.
    pub remedy: String,
    /// True where its bytes are there and cannot be understood: writing over them would lose what they
    /// hold. False where they could not be reached.
    pub is_there: bool,
}

impl Unreadable {
    pub(super) fn refused(path: &Path, error: &io::Error) -> Self {
        Self {
            path: path.to_owned(),
            why: error.to_string(),
            remedy: "see that this user may read it".to_owned(),
            is_there: false,
        }
    }
}

/// What was found of something that is kept twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept<T> {
    /// What could be read, the best first.
    pub read: Vec<T>,
    /// What could not.
    pub unreadable: Vec<Unreadable>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self {
            read: Vec::new(),
            unreadable: Vec::new(),
        }
    }
}

impl<T> Kept<T> {
    /// The best of what could be read.
    pub fn first(&self) -> Option<&T> {
        self.read.first()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.read.is_empty() && self.unreadable.is_empty()
    }
}

/// The copies of a document in these folders.
pub(super) fn copies<T>(
    folders: [(&Reach, PathBuf); 2],
    document: Document,
    read: impl Fn(&[u8]) -> Result<T, Unread>,
) -> Kept<T> {
    let mut kept = Kept::default();
    for (reach, folder) in folders {
        let path = folder.join(document.name());
        let asked = path.clone();
        match reach.ask(move || fs::read(asked)) {
            Ok(bytes) => match read(&bytes) {
                Ok(value) => kept.read.push(value),
                Err(unread) => kept.unreadable.push(Unreadable {
                    path,
                    why: unread.to_string(),
                    remedy: unread.remedy(),
                    is_there: true,
                }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => kept.unreadable.push(Unreadable::refused(&path, &error)),
        }
    }
    kept
}
