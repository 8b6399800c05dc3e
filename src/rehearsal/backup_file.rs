//! The bytes of a backup file as SQL Server lays them out: written for the files that the simulated
//! site makes, and read from real ones that a rehearsal takes in (`backup-files.md`).
//!
//! Shares no code with `model::header`: what the product reads is what somebody else wrote.

mod reader;

pub use reader::set_of;

use jiff::civil::DateTime;

use super::backup_set::{BackupSet, Form, SetKind};
use crate::model::Lsn;

/// Bytes at each end of a file that hold all of its headers.
pub const END: usize = 8192;

/// Offsets of the blocks in the head.
mod head {
    pub(super) const SFMB: usize = 0x400;
    pub(super) const SSET: usize = 0x600;
    pub(super) const VOLB: usize = 0xA00;
    pub(super) const MSCI: usize = 0xE00;
    /// Where data or log begins; real files of 2016 have it here.
    pub(super) const DATA: usize = 0x1E00;
}

/// Offsets from the end of the file.
mod tail {
    pub(super) const FIRST_FILEMARK: usize = 0x1000;
    pub(super) const CATALOG: usize = 0xE00;
    pub(super) const ESET: usize = 0x600;
    pub(super) const SFMB: usize = 0x200;
}

/// Length of the common header of a block.
const COMMON: usize = 52;
/// Length of a stream header.
const STREAM: usize = 22;
/// Offset of the configuration stream in its block.
const CONFIGURATION: usize = 0x38;
/// Offset of `SCIN` in the block of the configuration.
const SCIN: usize = CONFIGURATION + STREAM;
/// Where the closing block of 2016 stands, from the end; 2008 R2 writes the other.
const CLOSING: [usize; 2] = [0x2000, 0x1C00];

/// First and last 8192 bytes of a whole file that holds `set`.
///
/// A file of several sets has the head of its first and the tail of its last: their headers then
/// differ, and a reader has to ask an instance.
pub fn bytes_of(set: &BackupSet) -> (Vec<u8>, Vec<u8>) {
    (head_of(set), tail_of(set))
}

/// First and last 8192 bytes of a file that holds these sets, written in that way.
pub fn formed(sets: &[BackupSet], form: Form) -> (Vec<u8>, Vec<u8>) {
    let (Some(first), Some(last)) = (sets.first(), sets.last()) else {
        return (Vec::new(), Vec::new());
    };
    if form.opaque {
        return (opaque(b"MSSQLBAK", first, form), opaque(b"", last, form));
    }
    let mut tail = if form.broken_off {
        // The data of a set that never got its end.
        vec![0; END]
    } else {
        tail_of(last)
    };
    if form.stripe.1 > 1 {
        // Where a set's descriptors end: no reader looks there, and stripes are not copies.
        tail[END - tail::FIRST_FILEMARK - 2] = form.stripe.0.to_le_bytes()[0];
    }
    (head_of(first), tail)
}

/// One end of a file that only an instance reads: a beginning, then what no other file has.
fn opaque(beginning: &[u8], set: &BackupSet, form: Form) -> Vec<u8> {
    let mut bytes = vec![0; END];
    put(&mut bytes, 0, beginning);
    put(&mut bytes, 64, &set.set_guid);
    put(&mut bytes, 96, &form.stripe.0.to_le_bytes());
    bytes
}

fn head_of(set: &BackupSet) -> Vec<u8> {
    let mut bytes = vec![0; END];
    let software = "Microsoft SQL Server";

    let tape = Block {
        stream: 0x8C,
        strings: 2,
        ..Block::default()
    };
    // A name is told by its size and its offset in the block.
    text(&mut bytes, 0, COMMON + 28, 0x5E, software);
    put(&mut bytes, 0x54, &[0, 4, 0, 0x12]);
    date(&mut bytes, 0x57, set.started);
    tape.write(&mut bytes, 0, "TAPE", 0x0003_0000);
    pad(&mut bytes, 0xC4, head::SFMB);

    filemark(&mut bytes, head::SFMB, 0);

    let at = head::SSET;
    put(&mut bytes, at + COMMON, &attributes(set).to_le_bytes());
    put(&mut bytes, at + COMMON + 10, &set.position.to_le_bytes());
    date(&mut bytes, at + COMMON + 36, set.started);
    Block {
        stream: 0x90,
        strings: 2,
        ..Block::default()
    }
    .write(&mut bytes, at, "SSET", 0);
    pad(&mut bytes, at + 0x90, head::VOLB);

    let at = head::VOLB;
    let machine = set.server.split('\\').next().unwrap_or_default();
    text(&mut bytes, at, at + COMMON + 4, 0x49, "C:");
    text(&mut bytes, at, at + COMMON + 12, 0x4D, machine);
    date(&mut bytes, at + COMMON + 16, set.started);
    Block {
        stream: 0x1D0,
        strings: 2,
        address: 1,
        number: 1,
    }
    .write(&mut bytes, at, "VOLB", 0);
    pad(&mut bytes, at + 0x1D0, head::MSCI);

    configuration(&mut bytes, head::MSCI, head::DATA, "MSCI", set, 2, false);

    let data = if set.kind == SetKind::Log {
        "MSTL"
    } else {
        "MSDA"
    };
    Block {
        stream: 0x1E0,
        address: 6,
        number: 3,
        ..Block::default()
    }
    .write(&mut bytes, head::DATA, data, 0);
    bytes
}

fn tail_of(set: &BackupSet) -> Vec<u8> {
    let mut bytes = vec![0; END];
    let closing = CLOSING[usize::from(set.software.0 < 13)];
    let mark = END - tail::FIRST_FILEMARK;
    configuration(&mut bytes, END - closing, mark, "MSLS", set, 3, true);
    filemark(&mut bytes, mark, 1);
    for at in [END - tail::CATALOG, END - tail::ESET] {
        put(&mut bytes, at + COMMON, &attributes(set).to_le_bytes());
        put(&mut bytes, at + 0x4E, &set.position.to_le_bytes());
        date(&mut bytes, at + 0x50, set.finished);
        Block {
            stream: 0x58,
            ..Block::default()
        }
        .write(&mut bytes, at, "ESET", 0);
    }
    pad(
        &mut bytes,
        END - tail::CATALOG + 0x58,
        END - tail::CATALOG + 0x400,
    );
    pad(&mut bytes, END - tail::ESET + 0x58, END - tail::SFMB);
    filemark(&mut bytes, END - tail::SFMB, 2);
    bytes
}

/// SSET attributes: copy-only, normal, differential.
fn attributes(set: &BackupSet) -> u32 {
    match set.kind {
        SetKind::Differential => 0x8,
        _ if set.copy_only => 0x2,
        _ => 0x4,
    }
}

/// Type of the set as the configuration spells it.
fn letter(kind: SetKind) -> u8 {
    match kind {
        SetKind::Full => b'D',
        SetKind::Log => b'L',
        SetKind::Differential => b'I',
    }
}

/// The configuration block, opening or closing: `MQCI` with `SCIN` in it, padded up to `end`.
fn configuration(
    bytes: &mut [u8],
    at: usize,
    end: usize,
    name: &str,
    set: &BackupSet,
    number: u32,
    closing: bool,
) {
    Block {
        stream: 0x38,
        strings: 2,
        address: u64::from(number),
        number,
    }
    .write(bytes, at, name, 0);
    // The closing block of 2008 R2 has the least room: 3072 bytes. Both copies have one length.
    let length = 0xA78;
    stream(bytes, at + CONFIGURATION, "MQCI", length);

    let scin = at + SCIN;
    put(bytes, scin, b"SCIN");
    let (major, minor, build) = set.software;
    put(bytes, scin + 0x18, &build.to_le_bytes());
    put(bytes, scin + 0x1A, &[minor, major]);
    for (offset, lsn) in [
        (0x20, set.first_lsn),
        (0x2A, set.last_lsn),
        (0x34, set.checkpoint_lsn),
        (0x3E, set.database_backup_lsn),
    ] {
        put(bytes, scin + offset, &lsn_bytes(lsn));
    }
    date(bytes, scin + 0x48, set.database_created);
    date(bytes, scin + 0x4D, set.started);
    if closing {
        date(bytes, scin + 0x52, set.finished);
    }
    put(bytes, scin + 0x57, &[letter(set.kind)]);
    put(bytes, scin + 0x5A, &[set.compatibility_level]);
    put(bytes, scin + 0x5D, &set.database_version.to_le_bytes());
    // Where real files have GUIDs; their order is not known, so nothing may read them.
    put(bytes, scin + 0x7A, &set.set_guid);
    put(bytes, scin + 0x9C, &set.fork);
    put(bytes, scin + 0xB8, &set.first_fork);
    put(bytes, scin + 0xC8, &set.family);
    let name = text(bytes, scin, scin + 0x68, 0x190, &set.database);
    let server = text(bytes, scin, scin + 0x6C, 0x190 + name, &set.server);
    let part = u16::try_from(0x190 + name + server).unwrap_or(u16::MAX);
    put(bytes, scin + 4, &part.to_le_bytes());
    pad(bytes, at + SCIN + length, end);
}

/// A soft filemark: one block of 512 bytes.
fn filemark(bytes: &mut [u8], at: usize, number: u32) {
    put(bytes, at + COMMON, &number.to_le_bytes());
    put(bytes, at + COMMON + 4, &[0x48]);
    Block {
        stream: 0x200,
        ..Block::default()
    }
    .write(bytes, at, "SFMB", 0x8000_0000);
}

/// What differs between the common headers of two blocks.
#[derive(Default)]
struct Block {
    /// Offset of the first stream.
    stream: u16,
    /// 2 = UTF-16LE.
    strings: u8,
    /// Logical address.
    address: u64,
    /// Control block id.
    number: u32,
}

impl Block {
    fn write(&self, bytes: &mut [u8], at: usize, name: &str, attributes: u32) {
        put(bytes, at, name.as_bytes());
        put(bytes, at + 4, &attributes.to_le_bytes());
        put(bytes, at + 8, &self.stream.to_le_bytes());
        // OS id and version: Windows NT, as every real file says.
        put(bytes, at + 10, &[0x0E, 0x01]);
        put(bytes, at + 20, &self.address.to_le_bytes());
        put(bytes, at + 36, &self.number.to_le_bytes());
        put(bytes, at + 48, &[self.strings]);
        let sum = words(&bytes[at..at + 50]);
        put(bytes, at + 50, &sum.to_le_bytes());
    }
}

/// A stream header, with its checksum.
fn stream(bytes: &mut [u8], at: usize, name: &str, length: usize) {
    put(bytes, at, name.as_bytes());
    put(bytes, at + 8, &(length as u64).to_le_bytes());
    let sum = words(&bytes[at..at + 20]);
    put(bytes, at + 20, &sum.to_le_bytes());
}

/// A padding stream up to `end`.
fn pad(bytes: &mut [u8], at: usize, end: usize) {
    stream(bytes, at, "SPAD", end - at - STREAM);
}

/// XOR of the little-endian words of some bytes.
fn words(bytes: &[u8]) -> u16 {
    bytes.chunks_exact(2).fold(0, |sum, pair| {
        sum ^ (u16::from(pair[0]) | (u16::from(pair[1]) << 8))
    })
}

/// Writes a UTF-16LE text at `base + offset`, its tape address at `address`; gives its length in
/// bytes. No text is longer than a SQL Server name, so that none leaves its block.
fn text(bytes: &mut [u8], base: usize, address: usize, offset: usize, text: &str) -> usize {
    let mut units: Vec<u16> = text.encode_utf16().collect();
    units.truncate(160);
    let encoded: Vec<u8> = units.iter().flat_map(|u| u.to_le_bytes()).collect();
    put(bytes, base + offset, &encoded);
    for (at, number) in [(address, encoded.len()), (address + 2, offset)] {
        put(
            bytes,
            at,
            &u16::try_from(number).unwrap_or_default().to_le_bytes(),
        );
    }
    encoded.len()
}

fn date(bytes: &mut [u8], at: usize, moment: DateTime) {
    // Years before 0 do not occur; an absurd one becomes 0, which no reader takes for a date.
    let year = u64::try_from(moment.year()).unwrap_or_default();
    let part = |number: i8| u64::from(number.unsigned_abs());
    let packed = year << 26
        | part(moment.month()) << 22
        | part(moment.day()) << 17
        | part(moment.hour()) << 12
        | part(moment.minute()) << 6
        | part(moment.second());
    put(bytes, at, &packed.to_be_bytes()[3..]);
}

fn lsn_bytes(lsn: Lsn) -> [u8; 10] {
    let mut bytes = [0; 10];
    bytes[..4].copy_from_slice(&lsn.vlf.to_le_bytes());
    bytes[4..8].copy_from_slice(&lsn.block.to_le_bytes());
    bytes[8..].copy_from_slice(&lsn.slot.to_le_bytes());
    bytes
}

fn put(bytes: &mut [u8], at: usize, part: &[u8]) {
    bytes[at..at + part.len()].copy_from_slice(part);
}

#[cfg(test)]
mod tests;
