use std::sync::{Arc, Mutex};

use super::*;
use crate::run::copies::tests::{journal, other_journal};

/// The first records of a run.
fn lines(n: usize) -> Vec<u8> {
    journal("r1", n)
}

#[test]
fn every_document_comes_from_the_copy_that_went_further() {
    let kept = |bytes: &[u8]| Some(bytes.to_vec());
    let all = || Document::ALL.iter().copied();
    for further_is_first in [true, false] {
        let [mut short, mut long] = [MemoryStore::default(), MemoryStore::default()];
        for store in [&mut short, &mut long] {
            store.append(&lines(1)).unwrap();
        }
        long.append(&lines(2)[lines(1).len()..]).unwrap();
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
        let mut both = Mirrored::new("r1", first, second, note);
        assert_eq!(both.load().unwrap(), lines(2));
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
    let mut store = Mirrored::new("r1", first.clone(), second.clone(), silent());
    let (two, three) = (lines(2), lines(3));
    store.append(&two).unwrap();
    store.append(&three[two.len()..two.len() + 9]).unwrap();
    store.truncate(two.len() as u64).unwrap();
    store.append(&three[two.len()..]).unwrap();
    store.sync().unwrap();
    store.keep(Document::Plan, b"{}").unwrap();
    for copy in [first.crash(0), second.crash(0)] {
        assert_eq!(copy.bytes(), three);
        assert!(copy.clone().kept(Document::Plan).unwrap().is_some());
    }
    let mut elsewhere = Mirrored::new("r1", MemoryStore::default(), second, silent());
    assert_eq!(elsewhere.load().unwrap(), three);
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
    let (note, notes) = noted();
    let mut store = Mirrored::new("r1", MemoryStore::default(), second.clone(), note);
    let mut length = 0;
    for n in 1..=3 {
        store.append(&lines(n)[length..]).unwrap();
        store.sync().unwrap();
        length = lines(n).len();
    }
    assert_eq!(store.load().unwrap(), lines(3));
    assert_eq!(second.bytes(), lines(1), "a copy never has a hole");
    assert_eq!(
        *notes.lock().unwrap(),
        ["the second copy of the run's record is not written any more: told to fail"]
    );
}

#[test]
fn a_first_copy_that_fails_is_an_error() {
    let first = MemoryStore::default();
    first.fail_sync(1);
    let mut store = Mirrored::new("r1", first, MemoryStore::default(), silent());
    store.append(b"one\n").unwrap();
    assert!(store.sync().is_err());
}

#[test]
fn loading_brings_the_copy_that_is_behind_up_to_date() {
    let ahead = MemoryStore::with(&lines(2));
    let behind = MemoryStore::with(&lines(2)[..lines(1).len() + 7]);
    for (first, second) in [(&ahead, &behind), (&behind.crash(99), &ahead.crash(99))] {
        let (note, notes) = noted();
        let mut store = Mirrored::new("r1", first.clone(), second.clone(), note);
        assert_eq!(store.load().unwrap(), lines(2));
        assert_eq!(first.crash(0).bytes(), lines(2));
        assert_eq!(second.crash(0).bytes(), lines(2));
        assert_eq!(*notes.lock().unwrap(), Vec::<String>::new());
    }
}

#[test]
fn a_damaged_copy_is_put_right_by_the_sound_one_which_is_told() {
    let mut bytes = lines(3);
    bytes[lines(1).len() + 9] ^= 1;
    for damaged_is_first in [true, false] {
        let (sound, damaged) = (MemoryStore::with(&lines(3)), MemoryStore::with(&bytes));
        let (first, second) = if damaged_is_first {
            (&damaged, &sound)
        } else {
            (&sound, &damaged)
        };
        let (note, notes) = noted();
        let mut store = Mirrored::new("r1", first.clone(), second.clone(), note);
        assert_eq!(store.load().unwrap(), lines(3));
        for store in [&sound, &damaged] {
            assert_eq!(store.crash(0).bytes(), lines(3));
        }
        // What it held was kept before it was cut.
        assert_eq!(damaged.operations()[0], Operation::SetAside);
        assert_eq!(sound.operations(), []);
        let told = notes.lock().unwrap().join("\n");
        let which = if damaged_is_first { "first" } else { "second" };
        assert!(
            told.starts_with(&format!("the {which} copy of the run's record was damaged")),
            "{told}"
        );
        assert!(told.contains("line 2 of the journal is damaged"), "{told}");
    }
}

#[test]
fn a_crash_while_a_damaged_copy_is_put_right_loses_no_line_that_it_alone_had() {
    let mut bytes = lines(4);
    bytes[lines(1).len() + 9] ^= 1;
    for damaged_is_first in [true, false] {
        let (short, damaged) = (MemoryStore::with(&lines(3)), MemoryStore::with(&bytes));
        let (first, second) = if damaged_is_first {
            (&damaged, &short)
        } else {
            (&short, &damaged)
        };
        damaged.fail_append(1);
        let mut store = Mirrored::new("r1", first.clone(), second.clone(), silent());
        assert_eq!(store.load().is_err(), damaged_is_first);
        assert!(damaged.bytes().len() < lines(4).len());
        let (first, second) = (first.crash(0), second.crash(0));
        let mut store = Mirrored::new("r1", first, second, silent());
        assert_eq!(store.load().unwrap(), lines(4));
    }
}

#[test]
fn a_fork_is_refused_and_neither_copy_is_touched() {
    let first = MemoryStore::with(&lines(3));
    let second = MemoryStore::with(&other_journal("r1", 2));
    let mut store = Mirrored::new("r1", first.clone(), second.clone(), silent());
    let error = store.load().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert_eq!(
        error.to_string(),
        "two copies of the journal differ from line 2 on"
    );
    assert_eq!(first.bytes(), lines(3));
    assert_eq!(second.bytes(), other_journal("r1", 2));
}

fn noted() -> (Note, Arc<Mutex<Vec<String>>>) {
    let notes = Arc::new(Mutex::new(Vec::new()));
    let taken = Arc::clone(&notes);
    let note = Box::new(move |note: &str| taken.lock().unwrap().push(note.to_owned()));
    (note, notes)
}

fn silent() -> Note {
    Box::new(|_| {})
}
