//! Bytes of a file at a known place, every access bounds-checked.

use jiff::civil::DateTime;

use super::Unreadable;
use crate::model::Lsn;

/// A part of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes<'a> {
    bytes: &'a [u8],
    /// Offset of the first byte in the file.
    at: u64,
}

impl<'a> Bytes<'a> {
    pub(super) fn new(bytes: &'a [u8], at: u64) -> Self {
        Self { bytes, at }
    }

    pub(super) fn len(self) -> usize {
        self.bytes.len()
    }

    /// The same bytes from `offset` on; empty behind the end.
    pub(super) fn from(self, offset: usize) -> Self {
        Self {
            bytes: self.bytes.get(offset..).unwrap_or_default(),
            at: self.at.saturating_add(offset as u64),
        }
    }

    /// Says that what lies at `offset` is not as it should be.
    pub(super) fn damaged(self, what: &'static str, offset: usize) -> Unreadable {
        Unreadable::Damaged {
            what,
            offset: self.at.saturating_add(offset as u64),
        }
    }

    /// True when the four letters `name` stand at `offset`.
    pub(super) fn is(self, name: [u8; 4], offset: usize) -> bool {
        self.array(offset) == Some(name)
    }

    pub(super) fn array<const N: usize>(self, offset: usize) -> Option<[u8; N]> {
        self.bytes.get(offset..)?.first_chunk().copied()
    }

    pub(super) fn u8(self, offset: usize) -> Option<u8> {
        self.bytes.get(offset).copied()
    }

    pub(super) fn u16(self, offset: usize) -> Option<u16> {
        self.array(offset).map(u16::from_le_bytes)
    }

    pub(super) fn u32(self, offset: usize) -> Option<u32> {
        self.array(offset).map(u32::from_le_bytes)
    }

    pub(super) fn u64(self, offset: usize) -> Option<u64> {
        self.array(offset).map(u64::from_le_bytes)
    }

    pub(super) fn lsn(self, offset: usize) -> Option<Lsn> {
        self.array(offset).map(Lsn::from_bytes)
    }

    /// Five bytes, most significant bit first: year 14 bits, month 4, day 5, hour 5, minute 6,
    /// second 6. `None` also where that is no date.
    pub(super) fn date(self, offset: usize) -> Option<DateTime> {
        let bytes: [u8; 5] = self.array(offset)?;
        let bits = bytes
            .iter()
            .fold(0, |bits, byte| bits << 8 | u64::from(*byte));
        let field = |shift: u32, width: u32| {
            i16::try_from(bits >> shift & ((1 << width) - 1)).unwrap_or(i16::MAX)
        };
        let small = |shift, width| i8::try_from(field(shift, width)).ok();
        DateTime::new(
            field(26, 14),
            small(22, 4)?,
            small(17, 5)?,
            small(12, 5)?,
            small(6, 6)?,
            small(0, 6)?,
            0,
        )
        .ok()
    }

    /// The UTF-16 text whose tape address (size, offset) stands at `offset`, inside the first
    /// `within` bytes.
    pub(super) fn text(self, offset: usize, within: usize) -> Option<String> {
        let size = usize::from(self.u16(offset)?);
        let start = usize::from(self.u16(offset + 2)?);
        let end = start.checked_add(size).filter(|end| *end <= within)?;
        let (units, []) = self.bytes.get(start..end)?.as_chunks::<2>() else {
            return None;
        };
        let units: Vec<u16> = units.iter().copied().map(u16::from_le_bytes).collect();
        String::from_utf16(&units).ok()
    }

    /// True when the little-endian word at `words * 2` is the XOR of the `words` before it.
    pub(super) fn xor_holds(self, words: usize) -> bool {
        let Some(covered) = self.bytes.get(..words * 2) else {
            return false;
        };
        let (pairs, _) = covered.as_chunks::<2>();
        let xor = pairs
            .iter()
            .fold(0, |xor, word| xor ^ u16::from_le_bytes(*word));
        self.u16(words * 2) == Some(xor)
    }
}
