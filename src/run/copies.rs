//! The two copies of a run's journal: how far each is sound, and what they hold together: each record
//! carries the digest of the one before, so that a line proves its place whichever copy it stands in
//! (`design.md` 5, "The run folder"). Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::event::Record;
use super::fold::{FoldError, RunState, fold};
use super::reading::{JournalError, NOTHING_BEFORE, digest, is_torn, read_sound};
use crate::model::document::OtherVersion;

/// One copy of a run's journal, as far as it is sound.
#[derive(Clone, Debug)]
pub struct Inspected<'a> {
    bytes: &'a [u8],
    /// Those of them that can hold records of this run.
    usable: &'a [u8],
    /// The sound records, from the first on.
    pub records: Vec<Record>,
    /// Length in bytes up to the end of the last of them.
    whole: usize,
    /// Where they leave the run; `None` where there is none.
    pub state: Option<RunState>,
    /// Why the copy ends there; `None` where it is sound. A last line that a crash tore is no damage.
    pub damage: Option<Damage>,
}

/// Why a copy cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It is not what was written.
    #[error("{0}")]
    Changed(String),
    /// It is the journal of another run.
    #[error("it is the record of run `{0}`")]
    OtherRun(String),
    /// Another version of the program wrote it.
    #[error(transparent)]
    Version(#[from] OtherVersion),
}

/// Why two copies do not tell where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Split {
    /// Neither is sound, and what they hold together is no run.
    #[error("neither copy is sound")]
    Neither,
    /// They share a beginning and then differ.
    #[error("two copies of the journal differ from line {line} on")]
    Fork {
        /// First line that differs, from 1.
        line: usize,
    },
    /// A damaged one went further than what is sound of both.
    #[error("what is sound of the two copies ends before the damage does")]
    Behind,
}

/// One of two copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The first.
    First,
    /// The second.
    Second,
}

/// What two copies hold together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The journal.
    pub bytes: Vec<u8>,
    /// The copy that went as far: its documents count.
    pub from: Which,
}

impl<'a> Inspected<'a> {
    /// Reads a copy of that run's journal as far as it is sound.
    pub fn read(run: &str, bytes: &'a [u8]) -> Self {
        let (mut reading, broken) = read_sound(bytes);
        if broken.is_some() {
            // Nothing that is sound vouches for the record before the damage.
            reading.records.pop();
            reading.whole = length_of(bytes, reading.records.len());
        }
        let mut usable = bytes;
        let mut damage = broken.map(|error| match error {
            JournalError::Version(other) => {
                usable = &[];
                Damage::Version(other)
            }
            JournalError::Store { .. }
            | JournalError::Poisoned { .. }
            | JournalError::Full { .. }
            | JournalError::TakenOver
            | JournalError::Damaged { .. }
            | JournalError::Refused { .. } => Damage::Changed(error.to_string()),
        });
        let mut state = match fold(&reading.records) {
            Ok(state) => Some(state),
            Err(FoldError::Empty) => None,
            Err(error @ FoldError::Illegal { seq, .. }) => {
                let sound = usize::try_from(seq).unwrap_or(usize::MAX).saturating_sub(1);
                reading.records.truncate(sound);
                reading.whole = length_of(bytes, sound);
                usable = &bytes[..reading.whole];
                damage = Some(Damage::Changed(error.to_string()));
                fold(&reading.records).ok()
            }
        };
        if let Some(other) = state.as_ref().filter(|state| state.run != run) {
            damage = Some(Damage::OtherRun(other.run.clone()));
            reading.records.clear();
            reading.whole = 0;
            usable = &[];
            state = None;
        }
        Self {
            bytes,
            usable,
            records: reading.records,
            whole: reading.whole,
            state,
            damage,
        }
    }

    /// Its sound bytes.
    pub fn sound(&self) -> &'a [u8] {
        &self.bytes[..self.whole]
    }

    /// True where a last line that a crash tore follows the sound records.
    pub fn is_torn(&self) -> bool {
        self.damage.is_none() && self.whole < self.bytes.len()
    }

    /// True where more was written here than there is in `settled`: it is damaged, and may be records.
    fn went_beyond(&self, settled: &[u8]) -> bool {
        match self.damage {
            None | Some(Damage::OtherRun(_)) => return false,
            Some(Damage::Changed(_) | Damage::Version(_)) => {}
        }
        // A line twice is nothing new, and one that a crash tore at the end is no record.
        let mut lines: Vec<&[u8]> = lines(self.bytes).collect();
        if lines.last().is_some_and(|last| is_torn(last)) {
            lines.pop();
        }
        let lines: BTreeSet<&[u8]> = lines.into_iter().collect();
        lines.iter().map(|line| line.len()).sum::<usize>() > settled.len()
    }

    /// True where it lacks a line of that, or is damaged.
    pub fn is_less_than(&self, settled: &Settled) -> bool {
        self.damage.is_some() || self.whole < settled.bytes.len()
    }

    /// True where the last line of a journal stands here too.
    fn holds_the_end_of(&self, settled: &[u8]) -> bool {
        lines(settled)
            .last()
            .is_none_or(|last| lines(self.bytes).any(|line| line == last))
    }
}

/// What two copies of one journal hold together: of two sound ones the longer; where one is damaged, or
/// both, every line that follows from the line before, in whichever copy it stands.
///
/// # Errors
/// Where they differ, or where more was written than can be read.
pub fn settle(first: &Inspected<'_>, second: &Inspected<'_>) -> Result<Settled, Split> {
    let bytes = match (&first.damage, &second.damage) {
        (None, None) => longer(first.sound(), second.sound())?,
        (Some(_), _) | (_, Some(_)) => woven(first.usable, second.usable)?,
    };
    if [first, second].iter().any(|copy| copy.went_beyond(&bytes)) {
        return Err(Split::Behind);
    }
    let is_sound = |copy: &Inspected<'_>| copy.damage.is_none() && copy.sound() == bytes;
    if !is_sound(first) && !is_sound(second) && !is_run(&bytes) {
        return Err(Split::Neither);
    }
    // What is damaged stands on a disk that is not to be trusted with the documents either.
    let ends = |copy: &Inspected<'_>| (copy.holds_the_end_of(&bytes), copy.damage.is_none());
    let from = if ends(second) > ends(first) {
        Which::Second
    } else {
        Which::First
    };
    Ok(Settled { bytes, from })
}

/// The longer of two sound journals.
fn longer(first: &[u8], second: &[u8]) -> Result<Vec<u8>, Split> {
    let (short, long) = if second.len() > first.len() {
        (first, second)
    } else {
        (second, first)
    };
    if long.starts_with(short) {
        return Ok(long.to_vec());
    }
    let same = lines(long).zip(lines(short));
    let same = same.take_while(|(one, other)| one == other).count();
    Err(Split::Fork { line: same + 1 })
}

/// The lines of both, each behind the one whose digest it carries. Of two that follow the same line the
/// one that is followed itself is the one that was written.
fn woven(first: &[u8], second: &[u8]) -> Result<Vec<u8>, Split> {
    let mut following: BTreeMap<String, BTreeSet<&[u8]>> = BTreeMap::new();
    for line in lines(first).chain(lines(second)) {
        let record = line
            .strip_suffix(b"\n")
            .map(serde_json::from_slice::<Record>);
        if let Some(Ok(record)) = record {
            following.entry(record.prev).or_default().insert(line);
        }
    }
    let digest_of = |line: &[u8]| digest(&line[..line.len() - 1]);
    let mut bytes = Vec::new();
    let mut tip = NOTHING_BEFORE.to_owned();
    for line in 1.. {
        let Some(next) = following.get(&tip) else {
            break;
        };
        let mut next: Vec<&[u8]> = next.iter().copied().collect();
        if next.len() > 1 {
            next.retain(|line| following.contains_key(&digest_of(line)));
        }
        let [next] = next[..] else {
            return Err(Split::Fork { line });
        };
        bytes.extend_from_slice(next);
        tip = digest_of(next);
    }
    Ok(bytes)
}

/// True where bytes are the journal of a run that began.
fn is_run(bytes: &[u8]) -> bool {
    let (reading, damage) = read_sound(bytes);
    damage.is_none() && fold(&reading.records).is_ok()
}

/// Length in bytes of so many lines.
fn length_of(bytes: &[u8], count: usize) -> usize {
    lines(bytes).take(count).map(<[u8]>::len).sum()
}

/// Lines, each with its end.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n')
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests;
