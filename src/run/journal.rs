//! The journal of a run: one record a line, each chained to the line before (`design.md` 5, 8).

mod ours;

use std::io;

use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::event::{Event, FORMAT, Record};
use super::store::Store;
use crate::model::Document;
use crate::model::document::{OtherVersion, check_version};
use crate::plan::hex;

/// Why a journal cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The store refused.
    #[error("the journal cannot be {action}: {source}")]
    Store {
        /// `read`, `written`, `synced`, `cut`.
        action: &'static str,
        /// Its words.
        source: io::Error,
    },
    /// An earlier write failed; what is on the disk since then is not known.
    #[error("the journal could not be written before ({first})")]
    Poisoned {
        /// The failure that came first.
        first: String,
    },
    /// A line is not what was written. Nothing was cut or changed.
    #[error("line {line} of the journal is damaged: {reason}")]
    Damaged {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// Another run, or another execution of this one, has taken over.
    #[error(
        "another run has taken over: it goes on from here, and this one sends and records nothing more"
    )]
    TakenOver,
    /// Another version of the program wrote it.
    #[error("the journal is of another version: {0}")]
    Version(#[from] OtherVersion),
    /// A record that could not be read back, or must not follow the ones before it: a defect of
    /// the caller. Nothing was written.
    #[error("record {seq} is refused: {reason}")]
    Refused {
        /// Number that it would have had.
        seq: u64,
        /// Why.
        reason: String,
    },
}

/// What a journal's bytes hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Every whole record, in order.
    pub records: Vec<Record>,
    /// Length in bytes up to the end of the last whole record: what follows is a torn last line.
    pub whole: usize,
    /// SHA-256 of the last whole line, in hex: the next record's `prev`.
    pub tip: String,
}

/// Reads a journal and verifies its chain. Changes nothing.
///
/// A last line that a crash tore is left out. Any other damage is an error: numbers that do not
/// count up from 1, a line that does not carry the digest of the line before, a record of a kind
/// that is not known. Damage inside the last whole line cannot be told, as nothing follows it.
pub fn read(bytes: &[u8]) -> Result<Reading, JournalError> {
    let mut reading = Reading {
        records: Vec::new(),
        whole: 0,
        tip: "0".repeat(64),
    };
    for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let damaged = |reason: String| JournalError::Damaged {
            line: index + 1,
            reason,
        };
        let body = line.strip_suffix(b"\n");
        let text = body.unwrap_or(line);
        if index == 0 {
            check_format(text)?;
        }
        let last = reading.whole + line.len() == bytes.len();
        let record = match serde_json::from_slice::<Record>(text) {
            Ok(record) => record,
            Err(_) if last && is_torn(text) => break,
            Err(error) => return Err(damaged(error.to_string())),
        };
        if body.is_none() {
            break;
        }
        if record.seq != index as u64 + 1 {
            return Err(damaged(format!(
                "its number is {}, not {}",
                record.seq,
                index + 1
            )));
        }
        if record.prev != reading.tip {
            return Err(damaged(
                "it does not follow from the line before, which was changed or replaced".to_owned(),
            ));
        }
        reading.records.push(record);
        reading.whole += line.len();
        reading.tip = digest(text);
    }
    Ok(reading)
}

/// A line that a crash tore holds no whole object. One that does, and is no record, was either
/// joined with its neighbor or written by another version: damage, and never to be cut off.
fn is_torn(text: &[u8]) -> bool {
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<Value>();
    !matches!(values.next(), Some(Ok(Value::Object(_))))
}

/// Asked before anything else is read: another format may have other records.
fn check_format(text: &[u8]) -> Result<(), JournalError> {
    let first: Value = serde_json::from_slice(text).unwrap_or_default();
    let by = first.get("tool").and_then(Value::as_str);
    match first.get("format").and_then(Value::as_u64) {
        Some(found) => Ok(check_version(found, FORMAT, by)?),
        None => Ok(()),
    }
}

fn digest(line: &[u8]) -> String {
    hex(&Sha256::digest(line))
}

/// The journal of a run that is under way. Once a write failed, every later call fails.
pub struct Journal {
    store: Box<dyn Store>,
    seq: u64,
    tip: String,
    /// The number that the records carry.
    fence: Option<u64>,
    failed: Option<String>,
    taken_over: bool,
}

impl Journal {
    /// Begins a journal in an empty store.
    pub fn begin(store: Box<dyn Store>) -> Self {
        Self {
            store,
            seq: 0,
            tip: "0".repeat(64),
            fence: None,
            failed: None,
            taken_over: false,
        }
    }

    /// Goes on with a journal: verifies it ([`read`]), cuts off a torn last line, and returns the
    /// records. A journal that is refused is left as it was found.
    pub fn reopen(mut store: Box<dyn Store>) -> Result<(Self, Vec<Record>), JournalError> {
        let bytes = store.load().map_err(|source| JournalError::Store {
            action: "read",
            source,
        })?;
        let reading = read(&bytes)?;
        if reading.whole < bytes.len() {
            store
                .truncate(reading.whole as u64)
                .map_err(|source| JournalError::Store {
                    action: "cut",
                    source,
                })?;
        }
        let journal = Self {
            store,
            seq: reading.records.len() as u64,
            tip: reading.tip,
            fence: None,
            failed: None,
            taken_over: false,
        };
        Ok((journal, reading.records))
    }

    /// Adds a record. It may be lost in a crash until [`Journal::sync`].
    pub fn append(&mut self, at: Timestamp, event: Event) -> Result<Record, JournalError> {
        self.usable()?;
        self.see_it_is_ours()?;
        let record = Record {
            seq: self.seq + 1,
            at,
            prev: self.tip.clone(),
            fence: self.fence,
            event,
        };
        let mut line = readable(&record).map_err(|error| JournalError::Refused {
            seq: record.seq,
            reason: error.to_string(),
        })?;
        let tip = digest(&line);
        line.push(b'\n');
        let written = self.store.append(&line);
        self.check("written", written)?;
        self.seq = record.seq;
        self.tip = tip;
        Ok(record)
    }

    /// Returns when every record so far would survive a crash.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.usable()?;
        let synced = self.store.sync();
        self.check("synced", synced)
    }

    /// Number that the next record will have.
    pub fn next_seq(&self) -> u64 {
        self.seq + 1
    }

    /// Keeps a document beside the journal. A failure does not spoil the journal.
    pub fn keep(&mut self, document: Document, bytes: &[u8]) -> io::Result<()> {
        self.see_it_is_ours().map_err(io::Error::other)?;
        self.store.keep(document, bytes)
    }

    /// A document beside the journal.
    pub fn kept(&mut self, document: Document) -> io::Result<Option<Vec<u8>>> {
        self.store.kept(document)
    }

    fn usable(&self) -> Result<(), JournalError> {
        match &self.failed {
            None => Ok(()),
            Some(first) => Err(JournalError::Poisoned {
                first: first.clone(),
            }),
        }
    }

    /// After a failed write or sync the disk may hold any part of the line: nothing may follow it.
    fn check(&mut self, action: &'static str, done: io::Result<()>) -> Result<(), JournalError> {
        done.map_err(|source| {
            self.failed = Some(source.to_string());
            JournalError::Store { action, source }
        })
    }
}

/// The record's line, once it was seen to be readable: a number that is none, or facts nested too
/// deep, would otherwise make a journal that no resume can open.
fn readable(record: &Record) -> serde_json::Result<Vec<u8>> {
    let line = serde_json::to_vec(record)?;
    serde_json::from_slice::<Record>(&line)?;
    Ok(line)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::run::event::{Outcome, RunFinished, StepOutcome};
    use crate::run::store::{MemoryStore, Operation};
    use proptest::prelude::*;
    use serde_json::json;

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
        let line =
            json!({"seq": 2, "at": "2027-01-15T08:00:00Z", "prev": tip, "event": "step_dreamt"});
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
        let line =
            br#"{"seq":1,"event":"run_started","format":4,"steps":{},"tool":"pchadr 9.2.0"}"#;
        let told = read(line).unwrap_err().to_string();
        for words in [
            "version 4, written by pchadr 9.2.0;",
            "reads versions 1 to 3",
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
}
