#![allow(clippy::unwrap_used)]

use jiff::civil::{DateTime, date};
use proptest::prelude::*;

use super::sample::{ends, file};
use super::*;

fn started() -> DateTime {
    date(2024, 5, 6).at(23, 59, 58, 0)
}

fn sample() -> BackupHeader {
    let mut header = sample::header(Lsn::new(39, 474, 1), Lsn::new(39, 541, 1), started());
    header.finished = Some(date(2024, 5, 7).at(0, 0, 1, 0));
    header
}

fn read_file(file: &[u8]) -> Result<BackupHeader, Unreadable> {
    let (head, tail) = ends(file);
    read(head, tail, file.len() as u64)
}

#[test]
fn a_file_says_what_was_put_in() {
    for kind in [BackupKind::Log, BackupKind::Full, BackupKind::Differential] {
        let header = BackupHeader { kind, ..sample() };
        assert_eq!(read_file(&file(&header, 512, 0)), Ok(header));
    }
}

#[test]
fn names_of_any_script_are_read_verbatim() {
    let header = BackupHeader {
        database: "Чат \u{1F4AC}\t2".to_owned(),
        server: r"ПЕРВЫЙ\chat".to_owned(),
        ..sample()
    };
    assert_eq!(read_file(&file(&header, 512, 0)), Ok(header));
}

#[test]
fn blocks_of_1024_bytes_are_read_too_and_larger_ones_are_named() {
    assert_eq!(read_file(&file(&sample(), 1024, 0)), Ok(sample()));
    let named = Err(Unreadable::BlockSize { bytes: 2048 });
    assert_eq!(read_file(&file(&sample(), 2048, 0)), named);
    for physical in [4096, 65536] {
        assert_eq!(
            read_file(&file(&sample(), physical, 0)),
            Err(Unreadable::NoBlocks),
            "{physical}"
        );
    }
}

#[test]
fn large_blocks_are_read_where_the_caller_gives_longer_ends() {
    for physical in [2048, 4096, 65536] {
        let file = file(&sample(), physical, 0);
        assert_eq!(read(&file, &file, file.len() as u64), Ok(sample()));
    }
}

#[test]
fn what_is_no_backup_is_told_apart() {
    assert_eq!(read_file(b""), Err(Unreadable::Empty));
    let text = read_file(b"<html>").unwrap_err();
    assert_eq!(text.to_string(), "no backup: it begins with \"<html>\"");
    assert_eq!(
        read_file(&[0; 9000]),
        Err(Unreadable::NotABackup { first: vec![0; 8] })
    );
    assert_eq!(read_file(b"MSSQLBAK\x02"), Err(Unreadable::Compressed));
    let short = &file(&sample(), 512, 0)[..0xFFF];
    assert_eq!(read_file(short), Err(Unreadable::TooShort { size: 0xFFF }));
}

#[test]
fn a_file_without_its_end_is_read_as_incomplete() {
    let whole = file(&sample(), 512, 0);
    let header = BackupHeader {
        finished: None,
        complete: false,
        ..sample()
    };
    for cut in [1, 512, 1024, 1536, 4096, 7168, 9000] {
        let cut = &whole[..whole.len() - cut];
        assert_eq!(read_file(cut), Ok(header.clone()));
    }
    let mut preallocated = whole.clone();
    preallocated.resize(whole.len() + 4096, 0);
    assert_eq!(read_file(&preallocated), Ok(header));
}

#[test]
fn appended_sets_are_counted_not_read() {
    let mut file = file(&sample(), 512, 0);
    let end = file.len() - 1536;
    file[end + 78] = 3;
    assert_eq!(read_file(&file), Err(Unreadable::SeveralSets { sets: 3 }));
}

#[test]
fn a_field_that_differs_between_the_copies_is_named() {
    let mut file = file(&sample(), 512, 0);
    file[0xE4E + 0x2A + 4] ^= 1;
    let text = read_file(&file).unwrap_err().to_string();
    assert!(text.ends_with("disagree in LastLSN"), "{text}");
}

#[test]
fn a_wrong_checksum_is_named_with_its_place() {
    let mut file = file(&sample(), 512, 0);
    file[0xE38 + 9] ^= 1;
    assert_eq!(
        read_file(&file),
        Err(Unreadable::Damaged {
            what: "configuration stream (MQCI)",
            offset: 0xE38
        })
    );
}

#[test]
fn every_byte_of_a_block_header_is_guarded() {
    let mut file = file(&sample(), 512, 0);
    let size = file.len();
    let end = |from_end: usize| size - from_end;
    for block in [
        0,
        0x400,
        0x600,
        0xA00,
        0xE00,
        end(7168),
        end(1536),
        end(512),
    ] {
        for at in block..block + 52 {
            file[at] ^= 0x04;
            let told = read_file(&file);
            let cut = told.as_ref().is_ok_and(|header| !header.complete);
            assert!(told.is_err() || cut, "{at:#x}: {told:?}");
            file[at] ^= 0x04;
        }
    }
}

#[test]
fn a_file_of_broken_sectors_has_no_end_whatever_its_last_bytes_say() {
    let file = file(&sample(), 512, 0);
    let (head, tail) = ends(&file);
    let told = read(head, tail, file.len() as u64 + 1);
    assert!(!told.unwrap().complete);
}

#[test]
fn a_file_or_filegroup_backup_is_of_another_kind() {
    let mut file = file(&sample(), 512, 0);
    for at in [0xE4E, file.len() - 7168 + 0x4E] {
        file[at + 0x57] = b'F';
    }
    assert_eq!(
        read_file(&file),
        Err(Unreadable::OtherKind { letter: b'F' })
    );
}

#[test]
fn a_finish_date_that_nothing_confirms_is_withheld() {
    let mut file = file(&sample(), 512, 0);
    let end = file.len() - 1536;
    file[end + 80..end + 85].fill(0);
    let header = BackupHeader {
        finished: None,
        ..sample()
    };
    assert_eq!(read_file(&file), Ok(header));
}

/// A flipped byte leaves every field as it was, or is an error, or costs the finish date, or makes
/// the file look as if its end were missing: never a wrong field.
fn harmless(flipped: Result<BackupHeader, Unreadable>, sound: &BackupHeader) -> bool {
    let Ok(flipped) = flipped else { return true };
    let expected = BackupHeader {
        finished: sound.finished.filter(|_| flipped.finished.is_some()),
        complete: flipped.complete,
        ..sound.clone()
    };
    flipped == expected && (flipped.complete || flipped.finished.is_none())
}

#[test]
fn every_byte_of_both_ends_is_guarded_or_not_looked_at() {
    let sound = file(&sample(), 512, 0);
    let mut file = sound.clone();
    let ends = (0..END_BYTES).chain(sound.len() - END_BYTES..sound.len());
    for at in ends {
        for flip in [0x01, 0x20, 0x80, 0xFF] {
            file[at] ^= flip;
            assert!(
                harmless(read_file(&file), &sample()),
                "{flip:#x} at {at:#x}"
            );
            file[at] ^= flip;
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(head: Vec<u8>, tail: Vec<u8>, size: u64) {
        let _ = read(&head, &tail, size);
        let _ = read(&[b"TAPE", head.as_slice()].concat(), &tail, size);
    }

    #[test]
    fn no_damage_makes_it_panic(
        damage in proptest::collection::vec((0usize..26_000, any::<u8>()), 1..40),
        cut in 0usize..26_000,
    ) {
        let mut file = file(&sample(), 512, 0);
        for (at, byte) in damage {
            if let Some(place) = file.get_mut(at) {
                *place = byte;
            }
        }
        let _ = read_file(&file);
        let _ = read_file(&file[..cut.min(file.len())]);
    }
}
