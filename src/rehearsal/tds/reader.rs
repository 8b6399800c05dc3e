//! Reads what a client sent: every read is checked against the bounds, nothing panics.

use crate::rehearsal::message::message;
use crate::rehearsal::value::ServerError;

/// Bytes that break the protocol: what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the incoming TDS stream is incorrect: {0}")]
pub(super) struct Malformed(pub(super) &'static str);

impl From<Malformed> for std::io::Error {
    fn from(malformed: Malformed) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, malformed)
    }
}

impl From<Malformed> for ServerError {
    fn from(malformed: Malformed) -> Self {
        message(4002, &[malformed.0])
    }
}

/// The bytes not yet read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The byte that comes next, unread.
    pub(super) fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    pub(super) fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self
            .0
            .split_at_checked(length)
            .ok_or(Malformed("it ended unexpectedly"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self
            .0
            .split_first_chunk()
            .ok_or(Malformed("it ended unexpectedly"))?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(super) fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(super) fn u16_big_endian(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A text of so many UTF-16 units.
    pub(super) fn text(&mut self, units: usize) -> Result<String, Malformed> {
        utf16(self.take(units * 2)?)
    }

    /// A text whose length in UTF-16 units stands before it in one byte.
    pub(super) fn b_varchar(&mut self) -> Result<String, Malformed> {
        let units = self.u8()?;
        self.text(units.into())
    }

    /// Steps over `ALL_HEADERS`, with which batches, calls and transaction requests begin.
    pub(super) fn skip_headers(&mut self) -> Result<(), Malformed> {
        let length = self.u32()?;
        let length = usize::try_from(length).map_err(|_| Malformed("its headers are too long"))?;
        let others = length
            .checked_sub(4)
            .ok_or(Malformed("its headers are too short"))?;
        self.take(others).map(drop)
    }
}

/// Decodes UTF-16LE. A lone surrogate becomes U+FFFD: SQL Server takes it, our texts cannot.
pub(super) fn utf16(bytes: &[u8]) -> Result<String, Malformed> {
    let (units, []) = bytes.as_chunks::<2>() else {
        return Err(Malformed("a text has half a character"));
    };
    let units = units.iter().map(|unit| u16::from_le_bytes(*unit));
    Ok(char::decode_utf16(units)
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect())
}
