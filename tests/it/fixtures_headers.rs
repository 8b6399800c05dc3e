//! Reads real backup files, made by SQL Server 2008 R2 and 2016.

#![allow(clippy::unwrap_used, clippy::explicit_write)]

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use pchadr::model::Lsn;
use pchadr::model::chain::{LogChain, LogFile, survey};
use pchadr::model::header::{self, BackupHeader, BackupKind, END_BYTES};

/// The folder of real files, or `None`, said loudly, where this checkout has none beside it.
fn fixtures() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures/backups");
    if folder.is_dir() {
        return Some(folder);
    }
    // Not `eprintln!`: the test runner would swallow it.
    writeln!(io::stderr(), "SKIPPED: {} is not there", folder.display()).unwrap();
    None
}

fn ends(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.len().min(END_BYTES);
    (&bytes[..end], &bytes[bytes.len() - end..])
}

fn folder(name: &str) -> Option<Vec<LogFile>> {
    let mut paths: Vec<_> = fs::read_dir(fixtures()?.join(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let read = |path: &PathBuf| {
        let bytes = fs::read(path).unwrap();
        let (head, tail) = ends(&bytes);
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        LogFile::read(name, head, tail, bytes.len() as u64).unwrap()
    };
    Some(paths.iter().map(read).collect())
}

fn lsns(header: &BackupHeader) -> [String; 4] {
    [
        header.first_lsn.to_string(),
        header.last_lsn.to_string(),
        header.checkpoint_lsn.to_string(),
        header.database_backup_lsn.to_string(),
    ]
}

#[test]
fn the_files_of_2016_are_read_field_by_field() {
    let Some(files) = folder("sql2016") else {
        return;
    };
    assert_eq!(files.len(), 7);
    for file in &files {
        let header = &file.header;
        assert_eq!(header.database, "RestoreTimeClean");
        assert_eq!(header.server, r"WIN-JNMR8KM0U3B\SQL2016");
        assert_eq!(header.software, (13, 0, 5081));
        assert_eq!(header.database_created.to_string(), "2019-05-02T19:20:02");
        assert_eq!(header.database_version, 852);
        assert_eq!((header.position, header.complete), (1, true));
        assert_eq!(header.finished, Some(header.started));
    }
    let first = files.iter().find(|it| it.path == "RestoreTimeClean_1.trn");
    let header = &first.unwrap().header;
    assert_eq!(header.kind, BackupKind::Log);
    assert_eq!(header.started.to_string(), "2019-05-02T21:05:55");
    assert_eq!(header.compatibility_level, 100);
    let expected = [
        "39000000047400001",
        "39000000054100001",
        "39000000048800071",
        "39000000048800071",
    ];
    assert_eq!(lsns(header), expected);
    let differential = files.iter().find(|it| it.path == "RestoreTimeClean2.bak");
    assert_eq!(differential.unwrap().header.kind, BackupKind::Differential);
}

#[test]
fn the_files_of_2008_r2_are_read_field_by_field() {
    let Some(files) = folder("sql2008r2") else {
        return;
    };
    assert_eq!(files.len(), 7);
    for file in &files {
        let header = &file.header;
        assert_eq!(header.database, "RestoreTimeClean");
        assert_eq!(header.server, "SQL2008");
        assert_eq!(header.software, (10, 50, 1600));
        assert_eq!(header.database_created.to_string(), "2017-06-01T12:59:12");
        assert_eq!(header.database_version, 661);
        assert_eq!(header.compatibility_level, 100);
        assert!(header.complete);
        assert_eq!(header.finished, Some(header.started));
    }
    let last = files.iter().find(|it| it.path == "RestoreTimeClean2_3.trn");
    let header = &last.unwrap().header;
    assert_eq!(header.started.to_string(), "2017-06-01T13:29:13");
    let expected = [
        "25000000021000001",
        "25000000022000001",
        "25000000017300038",
        "25000000006200170",
    ];
    assert_eq!(lsns(header), expected);
}

/// Both names in the folders are files of one database: the second three go on where the first end.
#[test]
fn the_six_log_backups_of_a_folder_are_one_chain() {
    for (name, from, to) in [
        ("sql2016", "39000000047400001", "39000000064200001"),
        ("sql2008r2", "25000000006200170", "25000000022000001"),
    ] {
        let Some(files) = folder(name) else { return };
        let chains = survey(&files);
        assert_eq!(chains.len(), 1, "{name}");
        let (database, chain) = &chains[0];
        assert_eq!(database, "RestoreTimeClean");
        assert_eq!(
            (chain.from, chain.to),
            (from.parse().unwrap(), to.parse().unwrap())
        );
        assert!(chain.is_whole());
        let order: Vec<_> = chain
            .links
            .iter()
            .map(|it| &files[it.files[0]].path)
            .collect();
        let expected = [
            "RestoreTimeClean_1.trn",
            "RestoreTimeClean_2.trn",
            "RestoreTimeClean_3.trn",
            "RestoreTimeClean2_1.trn",
            "RestoreTimeClean2_2.trn",
            "RestoreTimeClean2_3.trn",
        ];
        assert_eq!(order, expected);
        assert_eq!(chain.left_out.len(), 1);
        assert_eq!(chain.left_out[0].reason, "a differential backup");
    }
}

#[test]
fn a_real_file_that_is_missing_is_a_gap_between_its_lsns() {
    let Some(mut files) = folder("sql2016") else {
        return;
    };
    let missing = files
        .iter()
        .position(|it| it.path == "RestoreTimeClean_3.trn");
    let missing = files.remove(missing.unwrap()).header;
    let start: Lsn = "39000000048800071".parse().unwrap();
    let chain = LogChain::build(&files, "restoretimeclean", start);
    assert_eq!((chain.links.len(), chain.to), (2, missing.first_lsn));
    let gaps: Vec<_> = chain.gaps.iter().map(|it| (it.after, it.before)).collect();
    assert_eq!(gaps, [(missing.first_lsn, missing.last_lsn)]);
}

/// See `reference/backup-files.md`: what no checksum guards, the closing copy does.
#[test]
fn a_flipped_byte_in_a_real_file_is_never_a_wrong_field() {
    let Some(folder) = fixtures() else { return };
    for name in [
        "sql2016/RestoreTimeClean_2.trn",
        "sql2008r2/RestoreTimeClean_2.trn",
    ] {
        let mut bytes = fs::read(folder.join(name)).unwrap();
        let size = bytes.len();
        let (head, tail) = ends(&bytes);
        let sound = header::read(head, tail, size as u64).unwrap();
        for at in (0..END_BYTES).chain(size - END_BYTES..size) {
            for flip in [0x01, 0x10, 0xFF] {
                bytes[at] ^= flip;
                let (head, tail) = ends(&bytes);
                if let Ok(read) = header::read(head, tail, size as u64) {
                    let expected = BackupHeader {
                        finished: sound.finished.filter(|_| read.finished.is_some()),
                        complete: read.complete,
                        ..sound.clone()
                    };
                    assert_eq!(read, expected, "{name}: {flip:#x} at {at:#x}");
                }
                bytes[at] ^= flip;
            }
        }
    }
}

#[test]
fn a_real_file_cut_anywhere_is_incomplete_or_unreadable() {
    let Some(folder) = fixtures() else { return };
    let bytes = fs::read(folder.join("sql2016/RestoreTimeClean_2.trn")).unwrap();
    for size in (0..bytes.len()).step_by(97) {
        let (head, tail) = ends(&bytes[..size]);
        if let Ok(read) = header::read(head, tail, size as u64) {
            assert!(!read.complete, "{size}");
        }
    }
}
