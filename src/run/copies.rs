//! The two copies of a run's journal: how far each is sound, which of them is used, and whether it can
//! mend the other (`design.md` 5, "The run folder"). Pure.

use std::collections::BTreeSet;

use super::event::Record;
use super::fold::{FoldError, RunState, fold};
use super::reading::{JournalError, is_torn, read_sound};
use crate::model::document::OtherVersion;

/// One copy of a run's journal, as far as it is sound.
#[derive(Clone, Debug)]
pub struct Inspected<'a> {
    bytes: &'a [u8],
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

/// Why neither of two copies can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Split {
    /// Neither is sound.
    #[error("neither copy is sound")]
    Neither,
    /// They share a beginning and then differ.
    #[error("two copies of the journal differ from line {line} on")]
    Fork {
        /// First line that differs, from 1.
        line: usize,
    },
    /// The damaged one went further than the sound one.
    #[error("the copy that is sound ends before the one that is damaged")]
    Behind,
}

/// Which of two copies is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Used {
    /// The first.
    First,
    /// The second.
    Second,
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
        let mut damage = broken.map(|error| match error {
            JournalError::Version(other) => Damage::Version(other),
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
                damage = Some(Damage::Changed(error.to_string()));
                fold(&reading.records).ok()
            }
        };
        if let Some(other) = state.as_ref().filter(|state| state.run != run) {
            damage = Some(Damage::OtherRun(other.run.clone()));
            reading.records.clear();
            reading.whole = 0;
            state = None;
        }
        Self {
            bytes,
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

    /// True where more was written here than there is in `sound`: it is damaged, and may be records.
    fn went_beyond(&self, sound: &Self) -> bool {
        if matches!(self.damage, Some(Damage::OtherRun(_))) {
            return false;
        }
        // A line twice is nothing new, and one that a crash tore at the end is no record.
        let mut lines: Vec<&[u8]> = self.bytes.split_inclusive(is_newline).collect();
        if lines.last().is_some_and(|last| is_torn(last)) {
            lines.pop();
        }
        let lines: BTreeSet<&[u8]> = lines.into_iter().collect();
        lines.iter().map(|line| line.len()).sum::<usize>() > sound.whole
    }
}

/// Decides between two copies of one journal: the sound one is used, of two sound ones the longer. The
/// other one then holds nothing that it lacks.
///
/// # Errors
/// Where neither can be trusted over the other.
pub fn choose(first: &Inspected<'_>, second: &Inspected<'_>) -> Result<Used, Split> {
    let used = match (&first.damage, &second.damage) {
        (Some(_), Some(_)) => return Err(Split::Neither),
        (None, None) if second.whole > first.whole => Used::Second,
        (None, _) => Used::First,
        (Some(_), None) => Used::Second,
    };
    let (used_one, other) = match used {
        Used::First => (first, second),
        Used::Second => (second, first),
    };
    if other.damage.is_some() && other.went_beyond(used_one) {
        return Err(Split::Behind);
    }
    if !used_one.sound().starts_with(other.sound()) {
        let lines = used_one.sound().split(is_newline);
        let same = lines.zip(other.sound().split(is_newline));
        let same = same.take_while(|(one, other)| one == other).count();
        return Err(Split::Fork { line: same + 1 });
    }
    Ok(used)
}

/// Length in bytes of so many lines.
fn length_of(bytes: &[u8], lines: usize) -> usize {
    let lines = bytes.split_inclusive(is_newline).take(lines);
    lines.map(<[u8]>::len).sum()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what `split` asks for")]
fn is_newline(byte: &u8) -> bool {
    *byte == b'\n'
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests;
