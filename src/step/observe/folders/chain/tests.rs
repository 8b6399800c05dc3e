use std::sync::Arc;

use super::super::super::super::sample::{lsn, site, time};
use super::super::Observed;
use super::*;
use crate::model::header::sample::header;
use Observed::{Seen, Unknown};

fn file(folder: &str, name: &str, first: u16, last: u16) -> Arc<LogFile> {
    Arc::new(LogFile {
        path: format!(r"{folder}\{name}"),
        size: 1024,
        fingerprint: [u8::try_from(first % 256).unwrap(); 32],
        header: header(lsn(first), lsn(last), time("03:00")),
    })
}

fn shared(name: &str, first: u16, last: u16) -> Arc<LogFile> {
    file(r"\\fs1\logs", name, first, last)
}

fn copied(name: &str, first: u16, last: u16) -> Arc<LogFile> {
    file(r"\\sql3\copy", name, first, last)
}

fn folder(files: Vec<Arc<LogFile>>) -> Observed<Folder> {
    let mut seen = Folder {
        path: r"\\x\y".parse().unwrap(),
        engine: r"\\x\y".parse().unwrap(),
        files: Vec::new(),
    };
    for log in files {
        let name = log.path.rsplit('\\').next().unwrap();
        match seen.files.iter_mut().find(|file| file.name == name) {
            Some(File {
                holds: Holds::Sets(sets),
                ..
            }) => sets.push(log),
            _ => seen.files.push(File {
                folder: seen.path.clone(),
                name: name.to_owned(),
                path: log.path.clone(),
                size: log.size,
                modified: 0,
                fingerprint: Some(log.fingerprint),
                holds: Holds::Sets(vec![log]),
                broken_off: false,
            }),
        }
    }
    Seen(seen)
}

fn unreadable(folder: &Observed<Folder>, name: &str) -> Observed<Folder> {
    let mut folder = folder.seen().unwrap().clone();
    folder.files.push(File {
        folder: folder.path.clone(),
        name: name.to_owned(),
        path: folder.path.join(name),
        size: 9,
        modified: 0,
        fingerprint: None,
        holds: Holds::Unread("damaged".to_owned(), None),
        broken_off: false,
    });
    Seen(folder)
}

fn of(share: &Observed<Folder>, copies: &Observed<Folder>) -> Chain {
    with_kin(share, copies, &Kin::default())
}

fn with_kin(share: &Observed<Folder>, copies: &Observed<Folder>, kin: &Kin) -> Chain {
    let place = |path: &str, folder: &Observed<Folder>| match folder.clone() {
        Seen(mut folder) => {
            folder.path = path.parse().unwrap();
            folder.engine = folder.path.clone();
            for file in &mut folder.files {
                file.folder = folder.path.clone();
            }
            Seen(folder)
        }
        other @ (Observed::Absent | Unknown(_)) => other,
    };
    let folders = Folders {
        sources: vec![(r"\\fs1\logs".parse().unwrap(), place(r"\\fs1\logs", share))],
        copies: place(r"\\sql3\copy", copies),
        nowhere: Vec::new(),
    };
    chain(&site(), &folders, lsn(10), kin)
}

#[test]
fn a_chain_is_taken_from_both_folders_and_says_where_each_set_lies() {
    let share = folder(vec![shared("a.trn", 10, 20), shared("b.trn", 20, 30)]);
    let copies = folder(vec![copied("a.trn", 10, 20), copied("old.trn", 1, 10)]);
    let chain = of(&share, &copies);
    assert_eq!((chain.from, chain.to), (lsn(10), lsn(30)));
    let places: Vec<_> = chain
        .sets
        .iter()
        .map(|set| {
            (
                set.in_copy.as_deref(),
                set.source.as_ref().map(|it| it.name.as_str()),
            )
        })
        .collect();
    assert_eq!(
        places,
        [(Some("a.trn"), Some("a.trn")), (None, Some("b.trn"))]
    );
    assert_eq!(chain.to_copy.len(), 1);
    let (path, _, position) = chain.last.clone().unwrap();
    assert_eq!((path.as_str(), position), (r"\\fs1\logs\b.trn", 1));
    assert!(chain.whole && chain.share_is_known);
}

#[test]
fn the_recovery_point_is_known_where_everything_is_applied_and_redo_start_lies_beyond_the_last_set()
{
    let mut last = shared("b.trn", 5, 9);
    Arc::make_mut(&mut last).header.finished = Some(time("03:20"));
    let share = folder(vec![shared("a.trn", 1, 5), last]);
    let chain = of(&share, &folder(Vec::new()));
    assert_eq!(chain.sets_to_apply, 0);
    assert_eq!(chain.last_finished, Some(time("03:20")));
    assert!(chain.whole);
}

#[test]
fn an_empty_set_moves_the_recovery_point_and_needs_no_restore() {
    let mut empty = shared("b.trn", 20, 20);
    Arc::make_mut(&mut empty).header.finished = Some(time("04:00"));
    let chain = of(
        &folder(vec![shared("a.trn", 10, 20), empty]),
        &folder(Vec::new()),
    );
    assert_eq!(chain.sets.len(), 1);
    assert_eq!(chain.last_finished, Some(time("04:00")));
}

#[test]
fn a_gap_ends_the_chain_and_it_is_not_whole() {
    let share = folder(vec![shared("a.trn", 10, 20), shared("c.trn", 30, 40)]);
    let chain = of(&share, &folder(Vec::new()));
    assert_eq!((chain.to, chain.gaps.len()), (lsn(20), 1));
    assert!(!chain.whole);
}

#[test]
fn an_unknown_share_adds_nothing_and_is_told() {
    let copies = folder(vec![copied("a.trn", 10, 20)]);
    let chain = of(&Unknown("down".into()), &copies);
    assert_eq!(chain.to, lsn(20));
    assert!(!chain.share_is_known);
}

/// The same folder with one more file, which is not read.
fn with_unread(
    folder: &Observed<Folder>,
    name: &str,
    size: u64,
    head: Option<Arc<LogFile>>,
) -> Observed<Folder> {
    let Seen(mut folder) = unreadable(folder, name) else {
        panic!("a folder");
    };
    let file = folder.files.last_mut().unwrap();
    file.size = size;
    file.fingerprint = head.as_ref().map(|it| it.fingerprint);
    file.holds = Holds::Unread("damaged".to_owned(), head);
    Seen(folder)
}

#[test]
fn a_file_is_called_unreadable_unless_a_sound_one_is_its_copy_as_far_as_can_be_seen() {
    const OWN: &str = "MGC_20260114023300.trn";
    const FIXED: &str = "mgc.trn";
    let head = |first, last| Some(shared("x", first, last));
    for (name, size, head, named) in [
        // Log shipping gives a name once, and both are of one backup.
        (OWN, 1024, None, false),
        (OWN, 1024, head(30, 40), false),
        // What is larger holds more.
        (OWN, 1025, None, true),
        // A job may give its one name to every hour.
        (FIXED, 90, None, true),
        (FIXED, 90, head(30, 40), true),
        (FIXED, 90, head(15, 25), true),
        (FIXED, 1024, head(10, 20), false),
        (FIXED, 90, head(12, 18), false),
    ] {
        let sound = name.to_lowercase();
        let copies = folder(vec![copied(&sound, 10, 20)]);
        let share = with_unread(&folder(Vec::new()), name, size, head.clone());
        let unread = of(&share, &copies).unreadable;
        assert_eq!(!unread.is_empty(), named, "{name}, {size}, {head:?}");
    }
    let share = folder(vec![shared("mgc_20260114023300.trn", 10, 20)]);
    let alone = unreadable(&share, "z.trn");
    let copies = unreadable(&folder(Vec::new()), "mgc_20260114023300.trn");
    assert_eq!(of(&alone, &copies).unreadable.len(), 1);
}

#[test]
fn a_name_that_the_copy_folder_has_with_other_content_is_never_overwritten() {
    let share = folder(vec![shared("a.trn", 10, 20)]);
    let copies = unreadable(&folder(Vec::new()), "A.TRN");
    let chain = of(&share, &copies);
    let name = chain.sets[0].copy_name().unwrap();
    assert_eq!(name, format!("a_{}.trn", lsn(10)));
}

#[test]
fn two_sets_of_one_file_are_copied_once_and_to_one_name() {
    let mut second = shared("a.trn", 20, 30);
    Arc::make_mut(&mut second).header.position = 2;
    let share = folder(vec![shared("a.trn", 10, 20), second]);
    let copies = unreadable(&folder(Vec::new()), "a.trn");
    let chain = of(&share, &copies);
    assert_eq!(chain.to_copy.len(), 1);
    let names: Vec<_> = chain.sets.iter().map(Set::copy_name).collect();
    assert_eq!(names[0], names[1]);
    assert_eq!(chain.sets[1].position, 2);
}

#[test]
fn other_databases_and_full_backups_are_no_part_of_it() {
    let mut other = shared("x.trn", 20, 30);
    "hr".clone_into(&mut Arc::make_mut(&mut other).header.database);
    let mut full = shared("f.bak", 20, 30);
    Arc::make_mut(&mut full).header.kind = BackupKind::Full;
    let share = folder(vec![shared("a.trn", 10, 20), other, full]);
    let chain = of(&share, &folder(Vec::new()));
    assert_eq!(chain.to, lsn(20));
    assert!(chain.whole && chain.left_out.is_empty());
}

#[test]
fn a_foreign_set_of_a_file_says_nothing_of_the_other_sets_there() {
    let mut ours = shared("mgc.trn", 10, 20);
    Arc::make_mut(&mut ours).header.position = 2;
    let mut foreign = shared("mgc.trn", 500, 900);
    Arc::make_mut(&mut foreign).fingerprint = ours.fingerprint;
    let kin = Kin {
        strangers: [(print(&foreign), "another family".to_owned())].into(),
        ..Kin::default()
    };
    let share = folder(vec![Arc::clone(&foreign), ours]);
    let chain = with_kin(&share, &folder(Vec::new()), &kin);
    assert_eq!((chain.to, chain.gaps.len()), (lsn(20), 0));
    assert_eq!(
        chain.left_out,
        [(foreign.path.clone(), "another family".to_owned())]
    );
}
