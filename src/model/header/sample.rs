//! Backup files made for tests, laid out as `reference/backup-files.md` describes them.

use jiff::civil::DateTime;

use super::{BackupHeader, BackupKind};
use crate::model::Lsn;

/// A log backup with these LSNs, made at `started`.
pub(crate) fn header(first: Lsn, last: Lsn, started: DateTime) -> BackupHeader {
    BackupHeader {
        server: r"SQL1\CHAT".to_owned(),
        database: "mgc".to_owned(),
        kind: BackupKind::Log,
        position: 1,
        first_lsn: first,
        last_lsn: last,
        checkpoint_lsn: first,
        database_backup_lsn: Lsn::new(1, 2, 3),
        database_created: jiff::civil::date(2020, 2, 29).at(1, 2, 3, 0),
        started,
        finished: Some(started),
        software: (13, 0, 5081),
        compatibility_level: 130,
        database_version: 852,
        complete: true,
    }
}

/// A whole file with physical blocks of `physical` bytes that says `header` of itself. `filler`
/// stands for the log: other filler, other bytes.
pub(crate) fn file(header: &BackupHeader, physical: usize, filler: u8) -> Vec<u8> {
    let block = physical.max(1024);
    let opening = configuration(header, None);
    let closing = configuration(header, header.finished);
    let mut file = Vec::new();
    put(&mut file, *b"TAPE", block, &[]);
    put(&mut file, *b"SFMB", physical, &[]);
    put(&mut file, *b"SSET", block, &number(10));
    put(&mut file, *b"VOLB", block, &[]);
    put(&mut file, *b"MSCI", 4 * block, &opening);
    file.extend(std::iter::repeat_n(filler, 16 * 1024));
    put(
        &mut file,
        *b"MSLS",
        3072usize.next_multiple_of(block),
        &closing,
    );
    put(&mut file, *b"SFMB", physical, &[]);
    let mut end = number(26);
    if let Some(finished) = header.finished {
        end.extend(date(finished));
    }
    put(&mut file, *b"ESET", block, &end);
    put(&mut file, *b"TSMP", block, &[]);
    put(&mut file, *b"ESET", block, &end);
    put(&mut file, *b"SFMB", physical, &[]);
    file
}

/// First and last bytes of a file, as a share gives them.
pub(crate) fn ends(file: &[u8]) -> (&[u8], &[u8]) {
    let bytes = file.len().min(super::END_BYTES);
    (&file[..bytes], &file[file.len() - bytes..])
}

fn number(offset: usize) -> Vec<u8> {
    let mut body = vec![0; offset];
    body.extend(1u16.to_le_bytes());
    body
}

fn put(file: &mut Vec<u8>, name: [u8; 4], length: usize, body: &[u8]) {
    let at = file.len();
    file.extend(name);
    file.resize(at + 8, 0);
    file.extend(0x38u16.to_le_bytes());
    file.resize(at + 50, 0);
    let sum = xor(&file[at..]);
    file.extend(sum.to_le_bytes());
    file.extend(body);
    file.resize(at + length, 0);
}

fn xor(bytes: &[u8]) -> u16 {
    let (words, _) = bytes.as_chunks::<2>();
    words.iter().fold(0, |xor, w| xor ^ u16::from_le_bytes(*w))
}

/// The body of a configuration block: four bytes, the stream's header, `SCIN`.
fn configuration(header: &BackupHeader, finished: Option<DateTime>) -> Vec<u8> {
    let utf16 =
        |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let (database, server) = (utf16(&header.database), utf16(&header.server));
    let names = 0x100usize;
    let length = names + database.len() + server.len();
    let word = |value: usize| u16::try_from(value).unwrap().to_le_bytes();

    let mut scin = b"SCIN".to_vec();
    scin.extend(word(length));
    scin.resize(length, 0);
    let mut set =
        |offset: usize, bytes: &[u8]| scin[offset..][..bytes.len()].copy_from_slice(bytes);
    let (major, minor, build) = header.software;
    set(0x18, &build.to_le_bytes());
    set(0x1A, &[minor, major]);
    set(0x20, &lsn(header.first_lsn));
    set(0x2A, &lsn(header.last_lsn));
    set(0x34, &lsn(header.checkpoint_lsn));
    set(0x3E, &lsn(header.database_backup_lsn));
    set(0x48, &date(header.database_created));
    set(0x4D, &date(header.started));
    if let Some(finished) = finished {
        set(0x52, &date(finished));
    }
    set(
        0x57,
        match header.kind {
            BackupKind::Log => b"L",
            BackupKind::Full => b"D",
            BackupKind::Differential => b"I",
        },
    );
    set(0x5B, &[header.compatibility_level]);
    set(0x5E, &header.database_version.to_le_bytes());
    set(0x68, &word(database.len()));
    set(0x6A, &word(names));
    set(0x6C, &word(server.len()));
    set(0x6E, &word(names + database.len()));
    set(names, &database);
    set(names + database.len(), &server);

    let mut stream = b"MQCI\0\0\0\0".to_vec();
    stream.extend((scin.len() as u64).to_le_bytes());
    stream.resize(20, 0);
    let sum = xor(&stream);
    let mut body = vec![0; 4];
    body.extend(stream);
    body.extend(sum.to_le_bytes());
    body.extend(scin);
    body
}

fn lsn(lsn: Lsn) -> Vec<u8> {
    let mut bytes = lsn.vlf.to_le_bytes().to_vec();
    bytes.extend(lsn.block.to_le_bytes());
    bytes.extend(lsn.slot.to_le_bytes());
    bytes
}

fn date(date: DateTime) -> [u8; 5] {
    let mut bits = u64::try_from(date.year()).unwrap();
    let parts = [
        (date.month(), 4),
        (date.day(), 5),
        (date.hour(), 5),
        (date.minute(), 6),
        (date.second(), 6),
    ];
    for (value, width) in parts {
        bits = bits << width | u64::try_from(value).unwrap();
    }
    let [_, _, _, bytes @ ..] = bits.to_be_bytes();
    bytes
}
