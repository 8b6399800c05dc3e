use super::*;
use crate::run::event::{Outcome, RunFinished, StepOutcome};
use crate::run::store::{MemoryStore, Operation};
use proptest::prelude::*;
use serde_json::{Value, json};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn event(kind: u8) -> Event {
    let id = format!("step-{kind}");
    match kind % 4 {
        0 => Event::StepStarted { id },
        1 => Event::Command {
            step: id,
            n: 1,
            values: json!({"file": "a\u{2028}\"\\\n", "position": kind}),
        },
        2 => Event::StepFinished {
            id,
            outcome: StepOutcome::Done,
            note: "größer, {\"seq\":1}\n".to_owned(),
        },
        _ => Event::StepChecked {
            id,
            standing: crate::step::Standing::Unknown("the share".into()).into(),
            facts: json!({"files": [kind, null, 1.5, -3]}),
        },
    }
}

fn written(kinds: &[u8]) -> (Vec<u8>, Vec<Record>) {
    let store = MemoryStore::default();
    let mut journal = Journal::begin(Box::new(store.clone()));
    let records = (0..).zip(kinds);
    let records = records
        .map(|(second, kind)| journal.append(at(second), event(*kind)).unwrap())
        .collect();
    journal.sync().unwrap();
    (store.bytes(), records)
}

fn reopen(bytes: &[u8]) -> Result<(MemoryStore, Journal, Vec<Record>), JournalError> {
    let store = MemoryStore::with(bytes);
    let (journal, records) = Journal::reopen(Box::new(store.clone()))?;
    Ok((store, journal, records))
}

#[test]
fn a_journal_is_chained_lines_of_json() {
    let (bytes, _) = written(&[0, 2]);
    let text = String::from_utf8(bytes).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        format!(
            r#"{{"seq":1,"at":"2027-01-15T08:00:00Z","prev":"{}","event":"step_started","id":"step-0"}}"#,
            "0".repeat(64)
        )
    );
    let second: Value = serde_json::from_str(lines[1]).unwrap();
    assert_eq!(second["prev"], digest(lines[0].as_bytes()));
    assert_eq!(lines.len(), 2);
}

#[test]
fn a_flipped_newline_before_the_last_line_is_damage_and_not_a_torn_line() {
    let (mut bytes, _) = written(&[0, 1, 2]);
    let newlines: Vec<usize> = (0..bytes.len()).filter(|i| bytes[*i] == b'\n').collect();
    bytes[newlines[1]] = b' ';
    let found = read(&bytes).unwrap_err().to_string();
    assert!(
        found.starts_with("line 2 of the journal is damaged"),
        "{found}"
    );
}

#[test]
fn a_record_of_an_unknown_kind_is_refused_even_as_the_last() {
    let (mut bytes, _) = written(&[0]);
    let tip = digest(&bytes[..bytes.len() - 1]);
    let line = json!({"seq": 2, "at": "2027-01-15T08:00:00Z", "prev": tip, "event": "step_dreamt"});
    bytes.extend_from_slice(line.to_string().as_bytes());
    for end in ["\n", ""] {
        let bytes = [&bytes[..], end.as_bytes()].concat();
        let found = reopen(&bytes).err().unwrap().to_string();
        assert!(found.contains("line 2"), "{found}");
        assert!(found.contains("step_dreamt"), "{found}");
    }
}

#[test]
fn a_journal_of_another_format_is_refused_with_both_formats_and_the_program_named() {
    let line = br#"{"seq":1,"event":"run_started","format":9,"steps":{},"tool":"pchadr 9.2.0"}"#;
    let told = read(line).unwrap_err().to_string();
    for words in [
        "version 9, written by pchadr 9.2.0;",
        "reads versions 1 to 5",
    ] {
        assert!(told.contains(words), "{told}");
    }
}

#[test]
fn a_hole_in_the_numbers_is_refused() {
    let (bytes, _) = written(&[0, 1, 2, 3]);
    let lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
    let holed = [lines[0], lines[2], lines[3]].concat();
    assert_eq!(
        read(&holed).unwrap_err().to_string(),
        "line 2 of the journal is damaged: its number is 3, not 2"
    );
}

#[test]
fn a_journal_that_could_not_be_written_or_synced_is_never_written_again() {
    let by_append: fn(&MemoryStore) = |store| store.fail_append(2);
    let by_sync: fn(&MemoryStore) = |store| store.fail_sync(2);
    for fail in [by_append, by_sync] {
        let store = MemoryStore::default();
        fail(&store);
        let mut journal = Journal::begin(Box::new(store.clone()));
        journal.append(at(0), event(0)).unwrap();
        journal.sync().unwrap();
        let failed = journal
            .append(at(1), event(1))
            .and_then(|_| journal.sync())
            .unwrap_err();
        assert!(matches!(failed, JournalError::Store { .. }), "{failed}");
        let before = store.bytes();
        let later = journal.append(at(2), event(2)).unwrap_err();
        assert!(matches!(later, JournalError::Poisoned { .. }));
        assert!(matches!(journal.sync(), Err(JournalError::Poisoned { .. })));
        assert_eq!(store.bytes(), before);
    }
}

#[test]
fn a_record_that_could_not_be_read_back_is_refused_and_leaves_the_journal_usable() {
    let store = MemoryStore::default();
    let mut journal = Journal::begin(Box::new(store.clone()));
    let finished = RunFinished {
        run: "r1".to_owned(),
        digest: String::new(),
        outcome: Outcome::Done,
        exit: 0,
        steps: std::collections::BTreeMap::new(),
        stopped_at: None,
        error: None,
        resume: None,
        loss_seconds: None,
        elapsed_seconds: f64::NAN,
        wall_seconds: 0.0,
    };
    let refused = journal.append(at(0), Event::RunFinished(finished));
    assert!(matches!(refused, Err(JournalError::Refused { seq: 1, .. })));
    assert_eq!(store.operations(), []);
    assert_eq!(journal.append(at(0), event(0)).unwrap().seq, 1);
}

#[test]
fn a_torn_line_is_cut_before_the_first_append() {
    let (bytes, _) = written(&[0, 1]);
    let (store, mut journal, records) = reopen(&bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(records.len(), 1);
    assert_eq!(
        store.operations(),
        [Operation::Truncate(
            bytes.iter().position(|b| *b == b'\n').unwrap() as u64 + 1
        )]
    );
    journal.append(at(9), event(2)).unwrap();
    assert_eq!(read(&store.bytes()).unwrap().records.len(), 2);
}

#[test]
fn a_last_line_that_a_file_system_filled_with_zeros_is_torn() {
    let (mut bytes, records) = written(&[0, 1]);
    bytes.extend_from_slice(&[0; 40]);
    assert_eq!(read(&bytes).unwrap().records, records);
    bytes.push(b'\n');
    assert_eq!(read(&bytes).unwrap().records, records);
}

/// A disk that tells that it is full when it is synced, until room is made.
struct FullWhenSynced(MemoryStore, bool);

impl Store for FullWhenSynced {
    fn load(&mut self) -> io::Result<Vec<u8>> {
        self.0.load()
    }
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.append(bytes)
    }
    fn sync(&mut self) -> io::Result<()> {
        if self.1 {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        self.0.sync()
    }
    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.0.truncate(length)
    }
    fn keep(&mut self, document: Document, bytes: &[u8]) -> io::Result<()> {
        self.0.keep(document, bytes)
    }
    fn kept(&mut self, document: Document) -> io::Result<Option<Vec<u8>>> {
        self.0.kept(document)
    }
    fn set_aside(&mut self) -> io::Result<String> {
        self.0.set_aside()
    }
    fn make_room(&mut self) -> io::Result<bool> {
        Ok(std::mem::take(&mut self.1))
    }
}

/// Kind 0 starts a step, 2 ends one.
#[test]
fn on_a_full_disk_what_would_begin_is_refused_and_what_ends_is_written_into_the_room_that_was_kept()
{
    let by_append = |store: &MemoryStore| -> Box<dyn Store> {
        let mut full = store.clone();
        full.reserve().unwrap();
        full.bound(9, crate::run::store::Disk::Full);
        Box::new(full)
    };
    let by_sync =
        |store: &MemoryStore| -> Box<dyn Store> { Box::new(FullWhenSynced(store.clone(), true)) };
    for (what, full) in [
        (
            "append",
            &by_append as &dyn Fn(&MemoryStore) -> Box<dyn Store>,
        ),
        ("sync", &by_sync),
    ] {
        for (kind, is_written) in [(0, false), (2, true)] {
            let (bytes, records) = written(&[0, 3]);
            let store = MemoryStore::with(&bytes);
            let (mut journal, _) = Journal::reopen(full(&store)).unwrap();
            let written = journal
                .append(at(9), event(kind))
                .and_then(|_| journal.sync());
            match (written, is_written) {
                (Ok(()), true) | (Err(JournalError::Full { .. }), false) => {}
                (other, _) => panic!("{what}, {kind}: {other:?}"),
            }
            // Nothing begins any more; ends are chained to what is there.
            let begun = journal.append(at(10), event(0));
            assert!(matches!(begun, Err(JournalError::Full { .. })), "{what}");
            journal.append(at(11), event(2)).unwrap();
            journal.sync().unwrap();
            let reading = read(&store.crash(0).bytes()).unwrap();
            assert_eq!(reading.whole, store.bytes().len(), "{what}: nothing torn");
            let wanted = records.len() + 1 + usize::from(is_written);
            assert_eq!(reading.records.len(), wanted, "{what}, {kind}");
        }
    }
}

#[test]
fn a_full_disk_without_room_kept_spoils_the_journal() {
    let store = MemoryStore::default();
    store.bound(9, crate::run::store::Disk::Full);
    let mut journal = Journal::begin(Box::new(store));
    let failed = journal.append(at(0), event(2)).unwrap_err();
    assert!(matches!(failed, JournalError::Store { .. }), "{failed}");
    let later = journal.append(at(0), event(2)).unwrap_err();
    assert!(matches!(later, JournalError::Poisoned { .. }));
}

proptest! {
    #[test]
    fn any_cut_reopens_to_a_beginning_of_the_records_and_goes_on_validly(
        kinds in prop::collection::vec(any::<u8>(), 0..8), cut in any::<prop::sample::Index>(),
    ) {
        let (bytes, records) = written(&kinds);
        let cut = &bytes[..cut.index(bytes.len() + 1)];
        let whole = cut.split(|byte| *byte == b'\n').count() - 1;
        let (store, mut journal, reopened) = reopen(cut).unwrap();
        prop_assert_eq!(&reopened[..], &records[..whole]);
        let added = journal.append(at(99), event(1)).unwrap();
        journal.sync().unwrap();
        let again = read(&store.bytes()).unwrap();
        prop_assert_eq!(again.whole, store.bytes().len());
        prop_assert_eq!(again.records, [&records[..whole], &[added]].concat());
    }

    #[test]
    fn any_changed_byte_before_the_last_line_is_refused_and_nothing_is_cut(
        kinds in prop::collection::vec(any::<u8>(), 2..6),
        place in any::<prop::sample::Index>(), flip in 1u8..,
    ) {
        let (mut bytes, _) = written(&kinds);
        let last = bytes[..bytes.len() - 1].iter().rposition(|b| *b == b'\n').unwrap() + 1;
        bytes[place.index(last)] ^= flip;
        let store = MemoryStore::with(&bytes);
        let refused = Journal::reopen(Box::new(store.clone())).err();
        let is_named = matches!(
            refused,
            Some(JournalError::Damaged { .. } | JournalError::Version(_))
        );
        prop_assert!(is_named, "{refused:?}");
        prop_assert_eq!(store.bytes(), bytes);
    }

    #[test]
    fn no_bytes_at_all_make_the_reader_panic(bytes in any::<Vec<u8>>()) {
        let _ = read(&bytes);
    }
}
