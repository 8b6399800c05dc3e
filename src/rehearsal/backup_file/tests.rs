#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use jiff::civil::datetime;
use proptest::prelude::*;

use super::*;

pub(crate) fn sample() -> BackupSet {
    BackupSet {
        kind: SetKind::Log,
        position: 1,
        server: r"SQL1\CHAT".to_owned(),
        database: "mgc".to_owned(),
        database_created: datetime(2024, 3, 1, 8, 0, 1, 0),
        first_lsn: Lsn::new(39, 474, 1),
        last_lsn: Lsn::new(39, 541, 1),
        checkpoint_lsn: Lsn::new(39, 488, 71),
        database_backup_lsn: Lsn::new(39, 400, 37),
        started: datetime(2026, 10, 17, 10, 45, 0, 0),
        finished: datetime(2026, 10, 17, 10, 45, 3, 0),
        software: (13, 0, 5081),
        compatibility_level: 130,
        database_version: 852,
        set_guid: [1; 16],
        family: [2; 16],
        first_fork: [3; 16],
        fork: [3; 16],
        fork_point: None,
        checksums: false,
        copy_only: false,
        force_offline: false,
        damaged: false,
        messages: 0,
        files: Vec::new(),
    }
}

/// Blocks of a file's two ends with sound checksums: where they stand (tail: from the end) and what
/// stream each begins with. Written from the reference alone.
fn blocks(bytes: &[u8], from_end: bool) -> Vec<(usize, String, String)> {
    let known = [
        "TAPE", "SFMB", "SSET", "VOLB", "MSCI", "MSDA", "MSTL", "MSLS", "ESET",
    ];
    (0..bytes.len())
        .step_by(512)
        .filter_map(|at| {
            let header = &bytes[at..at + 52];
            let name = String::from_utf8(header[..4].to_vec()).ok()?;
            let mut sum = 0;
            for i in (0..50).step_by(2) {
                sum ^= u16::from_le_bytes([header[i], header[i + 1]]);
            }
            let told = u16::from_le_bytes([header[50], header[51]]);
            if !known.contains(&name.as_str()) || sum != told {
                return None;
            }
            let first = at + usize::from(u16::from_le_bytes([header[8], header[9]]));
            let stream = bytes.get(first..first + 4).unwrap_or(b"----");
            let place = if from_end { bytes.len() - at } else { at };
            Some((place, name, String::from_utf8_lossy(stream).into_owned()))
        })
        .collect()
}

fn fixtures() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures/backups");
    let mut files = Vec::new();
    for version in ["sql2008r2", "sql2016"] {
        let Ok(folder) = std::fs::read_dir(root.join(version)) else {
            continue;
        };
        files.extend(folder.map(|entry| entry.unwrap().path()));
    }
    files.sort();
    files
}

fn ends(path: &Path) -> (Vec<u8>, Vec<u8>, u64) {
    let bytes = std::fs::read(path).unwrap();
    (
        bytes[..END].to_vec(),
        bytes[bytes.len() - END..].to_vec(),
        bytes.len() as u64,
    )
}

#[test]
fn every_real_file_gives_its_set_and_its_bytes_are_laid_out_as_ours() {
    let files = fixtures();
    for path in &files {
        let (first, last, size) = ends(path);
        let set = set_of(&first, &last, size, [7; 16], [8; 16])
            .unwrap_or_else(|| panic!("{} was not read", path.display()));
        assert!(set.database.starts_with("RestoreTimeClean"), "{set:?}");
        assert!(set.finished >= set.started && set.last_lsn >= set.first_lsn);

        let (our_head, our_tail) = bytes_of(&set);
        // Up to the configuration every block has one place; behind it real files differ by version.
        let opening = |bytes: &[u8]| {
            blocks(&bytes[..0x1000], false)
                .into_iter()
                .map(|(at, name, _)| (at, name))
                .collect::<Vec<_>>()
        };
        assert_eq!(opening(&our_head), opening(&first), "{}", path.display());
        let end = |bytes: &[u8]| {
            blocks(bytes, true)
                .into_iter()
                .filter(|(_, name, _)| name != "MSTL" && name != "MSDA")
                .map(|(at, name, _)| (at, name))
                .collect::<Vec<_>>()
        };
        assert_eq!(end(&our_tail), end(&last), "{}", path.display());
        // Every field of the reference's table but the places of the two names.
        let scin = head::MSCI + SCIN;
        for (from, to) in [
            (0x18, 0x1C),
            (0x20, 0x52),
            (0x57, 0x58),
            (0x5A, 0x5B),
            (0x5D, 0x5F),
        ] {
            assert_eq!(
                our_head[scin + from..scin + to],
                first[scin + from..scin + to],
                "{} at {from:#x}",
                path.display()
            );
        }
    }
    assert!(
        files.is_empty() || files.len() == 14,
        "{} fixtures",
        files.len()
    );
}

#[test]
fn real_logs_of_one_database_join() {
    for version in ["sql2008r2", "sql2016"] {
        let mut sets: Vec<BackupSet> = fixtures()
            .iter()
            .filter(|path| path.to_string_lossy().contains(version))
            .filter(|path| path.to_string_lossy().contains("Clean_"))
            .map(|path| {
                let (first, last, size) = ends(path);
                set_of(&first, &last, size, [7; 16], [8; 16]).unwrap()
            })
            .collect();
        sets.sort_by_key(|set| set.first_lsn);
        for pair in sets.windows(2) {
            assert_eq!(pair[0].last_lsn, pair[1].first_lsn);
        }
    }
}

#[test]
fn every_stream_and_block_of_ours_has_a_sound_checksum() {
    for software in [(10, 50, 4042), (13, 0, 5081)] {
        let set = BackupSet {
            software,
            ..sample()
        };
        let (first, last) = bytes_of(&set);
        let names: Vec<_> = blocks(&first, false)
            .into_iter()
            .map(|(_, n, _)| n)
            .collect();
        assert_eq!(names, ["TAPE", "SFMB", "SSET", "VOLB", "MSCI", "MSTL"]);
        for bytes in [&first, &last] {
            for at in 0..END - STREAM {
                let stream = &bytes[at..at + STREAM];
                if stream.starts_with(b"SPAD") || stream.starts_with(b"MQCI") {
                    let told = u16::from_le_bytes([stream[20], stream[21]]);
                    assert_eq!(words(&stream[..20]), told, "stream at {at:#x}");
                }
            }
        }
        let closing = if software.0 < 13 { 7168 } else { 8192 };
        assert!(blocks(&last, true).contains(&(closing, "MSLS".to_owned(), "MQCI".to_owned())));
    }
}

#[test]
fn a_flipped_byte_in_one_copy_of_a_field_is_noticed() {
    let (first, last) = bytes_of(&sample());
    for field in [
        0x18, 0x20, 0x2A, 0x34, 0x3E, 0x48, 0x4D, 0x57, 0x5A, 0x68, 0x190,
    ] {
        let mut bad = first.clone();
        bad[head::MSCI + SCIN + field] ^= 1;
        assert_eq!(
            set_of(&bad, &last, 65536, [2; 16], [3; 16]),
            None,
            "{field:#x}"
        );
    }
}

#[test]
fn a_truncated_file_gives_no_set() {
    let (first, last) = bytes_of(&sample());
    assert_eq!(set_of(&first, &[0; END], 65536, [2; 16], [3; 16]), None);
    assert_eq!(set_of(&first[..512], &last, 65536, [2; 16], [3; 16]), None);
    assert_eq!(set_of(&first, &last, 65537, [2; 16], [3; 16]), None);
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        database in "[^\u{0}]{1,128}",
        host in "[A-Z0-9-]{1,63}",
        lsns in proptest::array::uniform4(any::<(u32, u32, u16)>()),
        (position, build, log) in (1_u16.., any::<u16>(), any::<bool>()),
        new in any::<bool>(),
        (year, second) in (1753_i16..=9999, 0_i8..60),
    ) {
        let database: String = database.encode_utf16().take(128)
            .collect::<Vec<_>>().split(|u| (0xD800..0xE000).contains(u)).next()
            .and_then(|units| String::from_utf16(units).ok())
            .filter(|name| !name.is_empty()).unwrap_or_else(|| "mgc".to_owned());
        let lsn = |i: usize| Lsn::new(lsns[i].0, lsns[i].1, lsns[i].2);
        let set = BackupSet {
            kind: if log { SetKind::Log } else { SetKind::Full },
            position,
            database,
            server: host,
            first_lsn: lsn(0),
            last_lsn: lsn(1),
            checkpoint_lsn: lsn(2),
            database_backup_lsn: lsn(3),
            started: datetime(year, 2, 28, 23, 59, second, 0),
            software: (if new { 15 } else { 10 }, 50, build),
            ..sample()
        };
        let (first, last) = bytes_of(&set);
        let read = set_of(&first, &last, 65536, set.family, set.fork);
        let read = read.map(|read| BackupSet { set_guid: set.set_guid, ..read });
        prop_assert_eq!(read, Some(set));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(
        places in proptest::collection::vec((0_usize..END * 2, any::<u8>()), 0..64),
        size in any::<u64>(),
    ) {
        let (mut first, mut last) = bytes_of(&sample());
        for (at, byte) in places {
            if at < END { first[at] = byte } else { last[at - END] = byte }
        }
        let _ = set_of(&first, &last, size, [0; 16], [0; 16]);
    }
}
