//! The bytes of a journal, read and verified: each line carries the digest of the line before.

use std::io;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::event::{FORMAT, Record};
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
    /// The disk is full. Only the end of the run can still be written, into the room that was kept.
    #[error("there is no room left for the record of the run: {why}")]
    Full {
        /// The store's words.
        why: String,
    },
    /// A line is not what was written. Nothing was cut or changed.
    #[error("line {line} of the journal is damaged: {reason}")]
    Damaged {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// Another version of the program wrote it.
    #[error("the journal is of another version: {0}")]
    Version(#[from] OtherVersion),
    /// Another run, or another execution of this one, has taken over.
    #[error(
        "another run has taken over: it goes on from here, and this one sends and records nothing more"
    )]
    TakenOver,
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

/// What the first record carries for the digest of a line before.
pub(super) const NOTHING_BEFORE: &str =
    "0000000000000000000000000000000000000000000000000000000000000000";

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
    let (reading, damage) = read_sound(bytes);
    damage.map_or(Ok(reading), Err)
}

/// The same, up to the first damage, and that damage.
pub fn read_sound(bytes: &[u8]) -> (Reading, Option<JournalError>) {
    let mut reading = Reading {
        records: Vec::new(),
        whole: 0,
        tip: NOTHING_BEFORE.to_owned(),
    };
    for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let last = reading.whole + line.len() == bytes.len();
        match next_record(&reading, index, line, last) {
            Ok(Some(record)) => {
                reading.records.push(record);
                reading.whole += line.len();
                reading.tip = digest(&line[..line.len() - 1]);
            }
            Ok(None) => break,
            Err(damage) => return (reading, Some(damage)),
        }
    }
    (reading, None)
}

/// The record of that line; `None` where a crash tore it.
fn next_record(
    so_far: &Reading,
    index: usize,
    line: &[u8],
    last: bool,
) -> Result<Option<Record>, JournalError> {
    let damaged = |reason: String| JournalError::Damaged {
        line: index + 1,
        reason,
    };
    let body = line.strip_suffix(b"\n");
    let text = body.unwrap_or(line);
    if index == 0 {
        check_format(text)?;
    }
    let record = match serde_json::from_slice::<Record>(text) {
        Ok(record) => record,
        Err(_) if last && is_torn(text) => return Ok(None),
        Err(error) => return Err(damaged(error.to_string())),
    };
    if body.is_none() {
        return Ok(None);
    }
    if record.seq != index as u64 + 1 {
        return Err(damaged(format!(
            "its number is {}, not {}",
            record.seq,
            index + 1
        )));
    }
    if record.prev != so_far.tip {
        return Err(damaged(
            "it does not follow from the line before, which was changed or replaced".to_owned(),
        ));
    }
    Ok(Some(record))
}

/// A line that a crash tore holds no whole object. One that does, and is no record, was either
/// joined with its neighbor or written by another version: damage, and never to be cut off.
pub(super) fn is_torn(text: &[u8]) -> bool {
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

pub(super) fn digest(line: &[u8]) -> String {
    hex(&Sha256::digest(line))
}
