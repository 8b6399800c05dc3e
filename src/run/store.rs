//! Where a run's record is kept: its journal, and the documents beside it.

mod folder;
mod memory;

use std::io;

use crate::model::Document;

pub use folder::FolderStore;
pub(super) use folder::{JOURNAL, keep_in, make_folders};
pub use memory::{MemoryStore, Operation};

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
}

/// Two copies of one journal that share a beginning and then differ: no copy can be trusted over
/// the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("two copies of the journal differ from line {line} on")]
pub struct Fork {
    /// First line that differs, from 1.
    pub line: usize,
}

/// Decides between two copies of one journal: the longer wins when it begins with the other.
///
/// Only whole lines count: a torn last line is content of neither copy, and not in the result.
pub fn reconcile(a: &[u8], b: &[u8]) -> Result<Vec<u8>, Fork> {
    let (a, b) = (whole(a), whole(b));
    let (longer, shorter) = if a.len() < b.len() { (b, a) } else { (a, b) };
    if longer.starts_with(shorter) {
        return Ok(longer.to_vec());
    }
    let lines = |bytes| <[u8]>::split(bytes, |byte| *byte == b'\n');
    let same = lines(longer)
        .zip(lines(shorter))
        .take_while(|(x, y)| x == y)
        .count();
    Err(Fork { line: same + 1 })
}

fn whole(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte == b'\n');
    &bytes[..end.map_or(0, |at| at + 1)]
}

/// Takes a sentence about the second copy, for the operator.
pub type Note = Box<dyn FnMut(&str) + Send>;

/// A store with a second copy.
///
/// The first decides: its errors are the store's. The second is written at once as well, so that a
/// run can be resumed elsewhere; when it fails, a note says so and it is left alone for the rest of
/// this execution, because a copy with a hole would be a fork. The next [`Store::load`] brings it up
/// to date.
pub struct Mirrored<A, B> {
    first: A,
    second: Option<B>,
    note: Note,
}

impl<A: Store, B: Store> Mirrored<A, B> {
    /// Joins two stores.
    pub fn new(first: A, second: B, note: Note) -> Self {
        Self {
            first,
            second: Some(second),
            note,
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
    /// Reconciles the two copies and makes both equal; a fork is an error of kind `InvalidData`.
    fn load(&mut self) -> io::Result<Vec<u8>> {
        let first = self.first.load()?;
        let Some(second) = self.second(Store::load) else {
            return Ok(first);
        };
        let settled = reconcile(&first, &second)
            .map_err(|fork| io::Error::new(io::ErrorKind::InvalidData, fork))?;
        // The documents are those of the copy that went further.
        if whole(&first).len() < settled.len() {
            for document in reconciled() {
                if let Some(Some(bytes)) = self.second(|store| store.kept(document)) {
                    self.first.keep(document, &bytes)?;
                }
            }
        } else if whole(&second).len() < settled.len() {
            for document in reconciled() {
                if let Some(bytes) = self.first.kept(document)? {
                    self.second(|store| store.keep(document, &bytes));
                }
            }
        }
        settle(&mut self.first, &first, &settled)?;
        self.second(|store| settle(store, &second, &settled));
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

/// Makes a store that holds `have` hold `want`; whole lines of `have` are a beginning of `want`.
fn settle(store: &mut impl Store, have: &[u8], want: &[u8]) -> io::Result<()> {
    let common = whole(have).len();
    if common < have.len() {
        store.truncate(common as u64)?;
    }
    if let Some(rest) = want.get(common..).filter(|rest| !rest.is_empty()) {
        store.append(rest)?;
        store.sync()?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_document_comes_from_the_copy_that_went_further() {
        let kept = |bytes: &[u8]| Some(bytes.to_vec());
        let all = || Document::ALL.iter().copied();
        for further_is_first in [true, false] {
            let [mut short, mut long] = [MemoryStore::default(), MemoryStore::default()];
            for store in [&mut short, &mut long] {
                store.append(b"one\n").unwrap();
            }
            long.append(b"two\n").unwrap();
            for document in all() {
                short.keep(document, b"old").unwrap();
                long.keep(document, b"new").unwrap();
            }
            let (first, second) = if further_is_first {
                (long.clone(), short.clone())
            } else {
                (short.clone(), long.clone())
            };
            let note: Note = Box::new(|_| ());
            let mut both = Mirrored::new(first, second, note);
            assert_eq!(both.load().unwrap(), b"one\ntwo\n");
            let mut second = both.second.take().unwrap();
            for document in all().filter(|document| document.is_reconciled()) {
                assert_eq!(both.first.kept(document).unwrap(), kept(b"new"));
                assert_eq!(second.kept(document).unwrap(), kept(b"new"));
            }
        }
    }

    /// What every store must do.
    fn suite(store: &mut dyn Store) {
        assert_eq!(store.load().unwrap(), b"");
        store.append(b"one\n").unwrap();
        store.append(b"two\nthr").unwrap();
        store.sync().unwrap();
        assert_eq!(store.load().unwrap(), b"one\ntwo\nthr");
        store.truncate(8).unwrap();
        assert_eq!(store.load().unwrap(), b"one\ntwo\n");
        store.append(b"three\n").unwrap();
        assert_eq!(store.load().unwrap(), b"one\ntwo\nthree\n");

        assert_eq!(store.kept(Document::Plan).unwrap(), None);
        store.keep(Document::Plan, b"{}").unwrap();
        store.keep(Document::Plan, b"{\"version\":1}").unwrap();
        assert_eq!(
            store.kept(Document::Plan).unwrap().as_deref(),
            Some(&b"{\"version\":1}"[..])
        );
        assert_eq!(store.kept(Document::Site).unwrap(), None);
        assert_eq!(store.load().unwrap(), b"one\ntwo\nthree\n");
    }

    #[test]
    fn a_store_in_memory_keeps_what_it_is_given() {
        suite(&mut MemoryStore::default());
    }

    #[test]
    fn a_folder_keeps_what_it_is_given_and_shows_it_when_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("state/runs/r1");
        suite(&mut FolderStore::create(&run).unwrap());
        let mut again = FolderStore::open(&run).unwrap();
        assert_eq!(again.load().unwrap(), b"one\ntwo\nthree\n");
        assert!(again.kept(Document::Plan).unwrap().is_some());
        let mut names: Vec<_> = std::fs::read_dir(&run)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["journal.jsonl", "plan.json"]);
    }

    #[test]
    fn a_run_folder_is_made_once_and_never_opened_before() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("r1");
        let missing = FolderStore::open(&run).err().unwrap();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        FolderStore::create(&run).unwrap();
        let taken = FolderStore::create(&run).err().unwrap();
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn a_mirrored_store_keeps_everything_twice() {
        let (first, second) = (MemoryStore::default(), MemoryStore::default());
        let mut store = Mirrored::new(first.clone(), second.clone(), silent());
        store.append(b"one\ntwo\nthr").unwrap();
        store.truncate(8).unwrap();
        store.append(b"three\n").unwrap();
        store.sync().unwrap();
        store.keep(Document::Plan, b"{}").unwrap();
        for copy in [first.crash(0), second.crash(0)] {
            assert_eq!(copy.bytes(), b"one\ntwo\nthree\n");
            assert!(copy.clone().kept(Document::Plan).unwrap().is_some());
        }
        let mut elsewhere = Mirrored::new(MemoryStore::default(), second, silent());
        assert_eq!(elsewhere.load().unwrap(), b"one\ntwo\nthree\n");
        assert!(elsewhere.kept(Document::Plan).unwrap().is_some());
    }

    #[test]
    fn a_crash_loses_what_was_not_synced() {
        let mut store = MemoryStore::default();
        store.append(b"one\n").unwrap();
        store.sync().unwrap();
        store.append(b"two\n").unwrap();
        assert_eq!(store.synced(), 4);
        assert_eq!(store.crash(0).bytes(), b"one\n");
        assert_eq!(store.crash(2).bytes(), b"one\ntw");
        assert_eq!(store.crash(99).bytes(), b"one\ntwo\n");
        assert_eq!(
            store.operations(),
            [Operation::Append(4), Operation::Sync, Operation::Append(4)]
        );
    }

    #[test]
    fn a_second_copy_that_fails_is_named_once_and_does_not_stop_the_first() {
        let second = MemoryStore::default();
        second.fail_append(2);
        let notes = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&notes);
        let note = Box::new(move |note: &str| taken.lock().unwrap().push(note.to_owned()));
        let mut store = Mirrored::new(MemoryStore::default(), second.clone(), note);
        for line in [b"one\n", b"two\n", b"tri\n"] {
            store.append(line).unwrap();
            store.sync().unwrap();
        }
        assert_eq!(store.load().unwrap(), b"one\ntwo\ntri\n");
        assert_eq!(second.bytes(), b"one\n", "a copy never has a hole");
        assert_eq!(
            *notes.lock().unwrap(),
            ["the second copy of the run's record is not written any more: told to fail"]
        );
    }

    #[test]
    fn a_first_copy_that_fails_is_an_error() {
        let first = MemoryStore::default();
        first.fail_sync(1);
        let mut store = Mirrored::new(first, MemoryStore::default(), silent());
        store.append(b"one\n").unwrap();
        assert!(store.sync().is_err());
    }

    #[test]
    fn loading_brings_the_copy_that_is_behind_up_to_date() {
        let ahead = MemoryStore::with(b"one\ntwo\n");
        let behind = MemoryStore::with(b"one\ntw");
        for (first, second) in [(&ahead, &behind), (&behind.crash(99), &ahead.crash(99))] {
            let mut store = Mirrored::new(first.clone(), second.clone(), silent());
            assert_eq!(store.load().unwrap(), b"one\ntwo\n");
            assert_eq!(first.crash(0).bytes(), b"one\ntwo\n");
            assert_eq!(second.crash(0).bytes(), b"one\ntwo\n");
        }
    }

    #[test]
    fn a_fork_is_refused_and_its_line_named() {
        assert_eq!(
            reconcile(b"one\ntwo\n", b"one\nzwei\n"),
            Err(Fork { line: 2 })
        );
        assert_eq!(
            reconcile(b"one\nzwei\ndrei\n", b"one\ntwo\n"),
            Err(Fork { line: 2 })
        );
        let first = MemoryStore::with(b"one\ntwo\n");
        let second = MemoryStore::with(b"uno\n");
        let mut store = Mirrored::new(first.clone(), second.clone(), silent());
        assert_eq!(store.load().unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(first.bytes(), b"one\ntwo\n");
        assert_eq!(second.bytes(), b"uno\n");
    }

    proptest! {
        #[test]
        fn any_beginning_of_a_copy_reconciles_to_the_longer_one(
            lines in prop::collection::vec("[a-c]{0,3}", 0..6), cut in 0usize..30,
        ) {
            let bytes: Vec<u8> = lines.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect();
            let shorter = &bytes[..cut.min(bytes.len())];
            prop_assert_eq!(reconcile(&bytes, shorter), Ok(bytes.clone()));
            prop_assert_eq!(reconcile(shorter, &bytes), Ok(bytes));
        }
    }

    fn silent() -> Note {
        Box::new(|_| {})
    }
}
