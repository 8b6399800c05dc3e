//! Reads the set of a real file from its two ends.

use jiff::civil::DateTime;
use sha2::{Digest, Sha256};

use super::{CLOSING, COMMON, CONFIGURATION, END, SCIN, STREAM, head, tail, words};
use crate::model::Lsn;
use crate::rehearsal::backup_set::{BackupSet, Guid, SetKind};

/// Reads the one set of a whole, uncompressed file from its first and last 8192 bytes and its size;
/// `None` where it is anything else. Family and fork are not readable in a file and are the
/// caller's; the set's own GUID follows from its bytes.
pub fn set_of(first: &[u8], last: &[u8], size: u64, family: Guid, fork: Guid) -> Option<BackupSet> {
    let sectors = size.is_multiple_of(512) && size >= END as u64;
    if !sectors || first.len() < END || last.len() < END {
        return None;
    }
    let first = &first[..END];
    let last = &last[last.len() - END..];
    for (at, name) in [
        (0, "TAPE"),
        (head::SFMB, "SFMB"),
        (head::SSET, "SSET"),
        (head::VOLB, "VOLB"),
        (head::MSCI, "MSCI"),
    ] {
        block(first, at, name)?;
    }
    block(last, END - tail::ESET, "ESET")?;
    block(last, END - tail::SFMB, "SFMB")?;
    let opening = configuration(first, head::MSCI)?;
    let closing = CLOSING
        .iter()
        .map(|from_end| END - from_end)
        .find(|at| block(last, *at, "MSLS").is_some())
        .and_then(|at| configuration(last, at))?;
    // No checksum covers the fields; the second copy does. The finish date and two counters differ.
    let same = (0..256).all(|i| {
        matches!(i, 0x52..=0x56 | 0x61 | 0x62)
            || opening.get(i).is_some_and(|b| closing.get(i) == Some(b))
    });
    let named = |at| string(opening, at);
    if !same || named(0x68) != string(closing, 0x68) || named(0x6C) != string(closing, 0x6C) {
        return None;
    }

    let sset = head::SSET + COMMON;
    let set_guid = Sha256::digest(first)[..16].try_into().ok()?;
    let lsn = |at: usize| Some(Lsn::from_bytes(opening.get(at..at + 10)?.try_into().ok()?));
    Some(BackupSet {
        kind: match opening[0x57] {
            b'D' => SetKind::Full,
            b'L' => SetKind::Log,
            b'I' => SetKind::Differential,
            _ => return None,
        },
        position: number(first, sset + 10)?,
        server: named(0x6C)?,
        database: named(0x68)?,
        database_created: date(opening, 0x48)?,
        first_lsn: lsn(0x20)?,
        last_lsn: lsn(0x2A)?,
        checkpoint_lsn: lsn(0x34)?,
        database_backup_lsn: lsn(0x3E)?,
        started: date(opening, 0x4D)?,
        finished: date(closing, 0x52)?,
        software: (opening[0x1B], opening[0x1A], number(opening, 0x18)?),
        compatibility_level: opening[0x5A],
        database_version: number(opening, 0x5D)?,
        set_guid,
        family,
        first_fork: fork,
        fork,
        fork_point: None,
        checksums: false,
        copy_only: first[sset] & 0x2 != 0,
        force_offline: false,
        damaged: false,
        messages: 0,
        files: Vec::new(),
    })
}

/// The block's name and checksum hold.
fn block(bytes: &[u8], at: usize, name: &str) -> Option<()> {
    let header = bytes.get(at..at + COMMON)?;
    let sum = number(header, 50)?;
    (header.starts_with(name.as_bytes()) && words(&header[..50]) == sum).then_some(())
}

/// `SCIN` up to the end of what is at hand, where the stream around it holds.
fn configuration(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let header = bytes.get(at + CONFIGURATION..at + CONFIGURATION + STREAM)?;
    let sound = header.starts_with(b"MQCI") && words(&header[..20]) == number(header, 20)?;
    let scin = bytes.get(at + SCIN..)?;
    (sound && scin.starts_with(b"SCIN") && scin.len() >= 256).then_some(scin)
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn string(scin: &[u8], at: usize) -> Option<String> {
    let size = usize::from(number(scin, at)?);
    let offset = usize::from(number(scin, at + 2)?);
    let part = scin.get(offset..offset + size)?;
    let units: Vec<u16> = part
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    String::from_utf16(&units).ok().filter(|t| !t.is_empty())
}

fn date(bytes: &[u8], at: usize) -> Option<DateTime> {
    let packed = bytes
        .get(at..at + 5)?
        .iter()
        .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    let part = |shift: u32, bits: u32| i16::try_from(packed >> shift & ((1 << bits) - 1)).ok();
    let small = |shift, bits| i8::try_from(part(shift, bits)?).ok();
    DateTime::new(
        part(26, 14)?,
        small(22, 4)?,
        small(17, 5)?,
        small(12, 5)?,
        small(6, 6)?,
        small(0, 6)?,
        0,
    )
    .ok()
}
