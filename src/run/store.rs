//! Where a run's record is kept: its journal, and the documents beside it.

mod apart;
mod folder;
mod memory;

use std::io;

use super::copies::{Damage, Inspected, Which, settle};
use crate::model::Document;

pub(super) use apart::{Apart, HERE, Reach, THERE};
pub use folder::FolderStore;
pub(super) use folder::{JOURNAL, keep_in, make_folders, read_file};
pub use memory::{Disk, MemoryStore, Operation};

/// Keeps one journal, and small documents beside it.
pub trait Store: Send {
    /// All bytes of the journal.
    fn load(&mut self) -> io::Result<Vec<u8>>;

    /// Adds bytes to the end of the journal. They may be lost in a crash until [`Store::sync`].
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Returns when all that was appended would survive a crash.
    fn sync(&mut self) -> io::Result<()>;

    /// Cuts the journal to `length` bytes, durably.
    fn truncate(&mut self, length: u64) -> io::Result<()>;

    /// Keeps a document, whole or not at all, durably; replaces an earlier one.
    fn keep(&mut self, document: Document, bytes: &[u8]) -> io::Result<()>;

    /// The document, where it was kept.
    fn kept(&mut self, document: Document) -> io::Result<Option<Vec<u8>>>;

    /// What the journal holds behind what was loaded and appended here: somebody else wrote it.
    fn written_by_others(&mut self) -> io::Result<Vec<u8>> {
        Ok(Vec::new())
    }

    /// Writes no more into a copy that somebody else wrote into; an error where it is the only one.
    fn leave_to_others(&mut self) -> io::Result<()> {
        Err(io::Error::other("somebody else writes it too"))
    }

    /// Keeps what the journal holds now under another name, and says which: it is about to be
    /// mended.
    fn set_aside(&mut self) -> io::Result<String>;

    /// Takes so much of the disk that the end of a run fits there, where it has not yet; for nothing
    /// but [`Store::make_room`].
    fn reserve(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Gives that back. False: there was nothing.
    fn make_room(&mut self) -> io::Result<bool> {
        Ok(false)
    }
}

/// Room in bytes that is kept for the end of a run: its last records take a few KiB each.
pub const ROOM: usize = 256 << 10;

/// Takes a sentence about the two copies, for the operator.
pub type Note = Box<dyn FnMut(&str) + Send>;

/// A store with a second copy.
///
/// The first decides: its errors are the store's. The second is written at once as well, so that a
/// run can be resumed elsewhere; when it fails, a note says so and it is left alone for the rest of
/// this execution, because a copy with a hole would be a fork. The next [`Store::load`] brings it up
/// to date.
pub struct Mirrored<A, B> {
    run: String,
    first: A,
    second: Option<B>,
    note: Note,
}

impl<A: Store, B: Store> Mirrored<A, B> {
    /// Joins two stores of the record of that run.
    pub fn new(run: &str, first: A, second: B, note: Note) -> Self {
        Self {
            run: run.to_owned(),
            first,
            second: Some(second),
            note,
        }
    }

    fn mend_second(&mut self, damage: &Damage) {
        if let Some(aside) = self.second(Store::set_aside) {
            (self.note)(&was_mended("second", "first", damage, &aside));
        }
    }

    fn second<T>(&mut self, act: impl FnOnce(&mut B) -> io::Result<T>) -> Option<T> {
        match act(self.second.as_mut()?) {
            Ok(value) => Some(value),
            Err(error) => {
                (self.note)(&format!(
                    "the second copy of the run's record is not written any more: {error}"
                ));
                self.second = None;
                None
            }
        }
    }
}

impl<A: Store, B: Store> Store for Mirrored<A, B> {
    /// Makes the two copies equal: of two sound ones the longer counts, a damaged one is mended by
    /// the other, told. Where they do not tell where the run stands, an error of kind `InvalidData`.
    fn load(&mut self) -> io::Result<Vec<u8>> {
        let first = self.first.load()?;
        let Some(second) = self.second(Store::load) else {
            return Ok(first);
        };
        let [here, there] = [&first, &second].map(|bytes| Inspected::read(&self.run, bytes));
        let settled = settle(&here, &there)
            .map_err(|split| io::Error::new(io::ErrorKind::InvalidData, split))?;
        if let Some(damage) = &there.damage {
            self.mend_second(damage);
        }
        if let Some(damage) = &here.damage {
            let aside = self.first.set_aside()?;
            (self.note)(&was_mended("first", "second", damage, &aside));
        }
        match settled.from {
            Which::First if there.is_less_than(&settled) => {
                for document in reconciled() {
                    if let Some(bytes) = self.first.kept(document)? {
                        self.second(|store| store.keep(document, &bytes));
                    }
                }
            }
            Which::Second if here.is_less_than(&settled) => {
                for document in reconciled() {
                    if let Some(Some(bytes)) = self.second(|store| store.kept(document)) {
                        self.first.keep(document, &bytes)?;
                    }
                }
            }
            Which::First | Which::Second => {}
        }
        let settled = settled.bytes;
        // The one that is cut comes last: a crash in between then loses no line that it alone had.
        let is_cut = |have: &[u8]| !settled.starts_with(have);
        if is_cut(&second) {
            make_equal(&mut self.first, &first, &settled)?;
            self.second(|store| make_equal(store, &second, &settled));
        } else {
            self.second(|store| make_equal(store, &second, &settled));
            make_equal(&mut self.first, &first, &settled)?;
        }
        Ok(settled)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.first.append(bytes)?;
        self.second(|store| store.append(bytes));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.first.sync()?;
        self.second(Store::sync);
        Ok(())
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.first.truncate(length)?;
        self.second(|store| store.truncate(length));
        Ok(())
    }

    fn keep(&mut self, document: Document, bytes: &[u8]) -> io::Result<()> {
        self.first.keep(document, bytes)?;
        self.second(|store| store.keep(document, bytes));
        Ok(())
    }

    fn kept(&mut self, document: Document) -> io::Result<Option<Vec<u8>>> {
        match self.first.kept(document)? {
            Some(bytes) => Ok(Some(bytes)),
            None => Ok(self.second(|store| store.kept(document)).flatten()),
        }
    }

    fn set_aside(&mut self) -> io::Result<String> {
        self.first.set_aside()
    }

    /// The second copy may end before the first.
    fn reserve(&mut self) -> io::Result<()> {
        self.first.reserve()
    }

    fn make_room(&mut self) -> io::Result<bool> {
        self.first.make_room()
    }

    fn written_by_others(&mut self) -> io::Result<Vec<u8>> {
        let first = self.first.written_by_others()?;
        if !first.is_empty() {
            return Ok(first);
        }
        Ok(self.second(Store::written_by_others).unwrap_or_default())
    }

    fn leave_to_others(&mut self) -> io::Result<()> {
        if !self.first.written_by_others()?.is_empty() {
            return self.first.leave_to_others();
        }
        self.second(Store::leave_to_others);
        Ok(())
    }
}

/// The documents whose two copies are made equal where one went further.
fn reconciled() -> impl Iterator<Item = Document> {
    let all = Document::ALL.iter().copied();
    all.filter(|document| document.is_reconciled())
}

/// Makes a store that holds `have` hold `want`.
fn make_equal(store: &mut impl Store, have: &[u8], want: &[u8]) -> io::Result<()> {
    let common = have.iter().zip(want).take_while(|(a, b)| a == b).count();
    if common < have.len() {
        store.truncate(common as u64)?;
    }
    if common < want.len() {
        store.append(&want[common..])?;
        store.sync()?;
    }
    Ok(())
}

fn was_mended(which: &str, by: &str, damage: &Damage, aside: &str) -> String {
    format!(
        "the {which} copy of the run's record was damaged and is put right by the {by} one: {damage}; what it held is kept as `{aside}`"
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
