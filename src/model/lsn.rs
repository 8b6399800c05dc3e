//! Log sequence numbers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A log sequence number: the place of a record in a database's transaction log.
///
/// Ordered by virtual log file, block, slot, which is the order of its decimal notation,
/// `numeric(25,0)` = VLF × 10^15 + block × 10^5 + slot (`reference/backup-files.md`).
/// Shown, read and serialized in that notation, as `RESTORE HEADERONLY` shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn {
    /// Virtual log file number.
    pub vlf: u32,
    /// Offset of the log block, in units of 512 bytes.
    pub block: u32,
    /// Slot of the record inside the block.
    pub slot: u16,
}

const VLF: u128 = 1_000_000_000_000_000;
const BLOCK: u128 = 100_000;

impl Lsn {
    /// The LSN before all others; SQL Server writes it where there is none.
    pub const ZERO: Lsn = Lsn {
        vlf: 0,
        block: 0,
        slot: 0,
    };

    /// Makes an LSN of its three parts.
    pub const fn new(vlf: u32, block: u32, slot: u16) -> Self {
        Self { vlf, block, slot }
    }

    /// The number in decimal notation.
    pub fn to_u128(self) -> u128 {
        u128::from(self.vlf) * VLF + u128::from(self.block) * BLOCK + u128::from(self.slot)
    }

    /// Reads the decimal notation; `None` where a part does not fit its width.
    pub fn from_u128(number: u128) -> Option<Self> {
        Some(Self {
            vlf: u32::try_from(number / VLF).ok()?,
            block: u32::try_from(number % VLF / BLOCK).ok()?,
            slot: u16::try_from(number % BLOCK).ok()?,
        })
    }

    /// Reads the 10 bytes of a backup header: VLF u32, block u32, slot u16, little-endian.
    pub fn from_bytes(bytes: [u8; 10]) -> Self {
        let word = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let double = |at: usize| u32::from(word(at)) | u32::from(word(at + 2)) << 16;
        Self {
            vlf: double(0),
            block: double(4),
            slot: word(8),
        }
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_u128().to_string())
    }
}

/// Says that a text is no LSN.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no LSN: expected the decimal notation of RESTORE HEADERONLY, up to 25 digits")]
pub struct NoLsn(pub String);

impl FromStr for Lsn {
    type Err = NoLsn;

    fn from_str(text: &str) -> Result<Self, NoLsn> {
        let refuse = || NoLsn(text.to_owned());
        if text.is_empty() || text.len() > 25 || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(refuse());
        }
        let number = text.parse().map_err(|_| refuse())?;
        Self::from_u128(number).ok_or_else(refuse)
    }
}

impl Serialize for Lsn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Lsn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_lsn_reads_back_what_it_shows(vlf: u32, block: u32, slot: u16) {
            let lsn = Lsn::new(vlf, block, slot);
            prop_assert_eq!(lsn.to_string().parse::<Lsn>(), Ok(lsn));
        }

        #[test]
        fn lsns_are_ordered_as_their_numbers(a: (u32, u32, u16), b: (u32, u32, u16)) {
            let a = Lsn::new(a.0, a.1 % 1_000_000_000, a.2);
            let b = Lsn::new(b.0, b.1 % 1_000_000_000, b.2);
            prop_assert_eq!(a.cmp(&b), a.to_u128().cmp(&b.to_u128()));
        }
    }

    #[test]
    fn a_text_that_is_no_lsn_is_refused() {
        // Slot 70000 does not fit in 16 bits.
        for text in ["", "-1", "1.5", "x", "99999999999999999999999999", "70000"] {
            assert!(text.parse::<Lsn>().is_err(), "{text}");
        }
    }
}
