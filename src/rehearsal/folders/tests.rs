#![allow(clippy::unwrap_used)]

use std::time::Instant;

use jiff::civil::datetime;
use tokio::time::Instant as Simulated;

use super::*;
use crate::access::shares::{Ends, Entry, ShareError, Shares};
use crate::model::Lsn;
use crate::rehearsal::backup_set::SetKind;
use crate::rehearsal::world::FileView;
use crate::rehearsal::world::Files;

const LOGS: &str = r"\\fs1\pchat-logs";
const COPY: &str = r"\\sql3\pchat-copy";
const CHUNK: u64 = 4 << 20;

fn set(number: u32) -> BackupSet {
    BackupSet {
        kind: SetKind::Log,
        position: 1,
        server: r"SQL1\CHAT".to_owned(),
        database: "mgc".to_owned(),
        database_created: datetime(2024, 3, 1, 8, 0, 1, 0),
        first_lsn: Lsn::new(39, number, 1),
        last_lsn: Lsn::new(39, number + 1, 1),
        checkpoint_lsn: Lsn::new(39, 1, 1),
        database_backup_lsn: Lsn::new(39, 1, 1),
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

fn site() -> Folders {
    let folders = Folders::new(Arc::new(|| Timestamp::from_second(1_800_000_000).unwrap()));
    folders.add(Volume::new("logs", LOGS, "fs1"));
    folders.add(Volume {
        aliases: vec![("backup".to_owned(), r"E:\pchat-copy".to_owned())],
        ..Volume::new("copy", COPY, "sql3")
    });
    folders
}

fn log(name: &str) -> String {
    format!(r"{LOGS}\{name}")
}

fn copy(name: &str) -> String {
    format!(r"{COPY}\{name}")
}

async fn copy_bytes(folders: &Folders, from: &str, to: &str, most: u64) -> Result<(), ShareError> {
    folders.create(to).await?;
    let mut offset = 0;
    while offset < most {
        let length = CHUNK.min(most - offset);
        let n = folders.append_from(from, offset, length, to).await?;
        if n == 0 {
            break;
        }
        offset += n;
    }
    Ok(())
}

fn cause<T: std::fmt::Debug>(result: Result<T, ShareError>) -> Cause {
    result.unwrap_err().cause
}

#[tokio::test(start_paused = true)]
async fn a_whole_copy_is_the_file_and_its_sets_for_everybody() {
    let folders = site();
    folders
        .put_backup(&log("a.trn"), vec![set(1)], 50 << 20)
        .unwrap();
    copy_bytes(&folders, &log("a.trn"), &copy("a.trn.wrk"), u64::MAX)
        .await
        .unwrap();
    folders
        .settle(&copy("a.trn.wrk"), &copy("a.trn"))
        .await
        .unwrap();
    let view = folders.open("backup", r"e:\PCHAT-copy\A.trn").unwrap();
    assert!(!view.damaged);
    assert_eq!((view.size, view.sets.as_slice()), (50 << 20, &[set(1)][..]));
    let (a, b) = (log("a.trn"), copy("a.trn"));
    assert_eq!(
        folders.ends(&a, 8192).await.unwrap(),
        folders.ends(&b, 8192).await.unwrap()
    );
    assert_eq!(
        folders.digest(&a).await.unwrap(),
        folders.digest(&b).await.unwrap()
    );
    assert_eq!(
        folders.history(),
        [FolderEffect {
            op: Op::Settle,
            by: TOOL.to_owned(),
            from: Some(a),
            to: Some(b),
        }]
    );
}

#[tokio::test(start_paused = true)]
async fn a_partial_copy_has_a_head_and_no_end_and_no_sets() {
    let folders = site();
    folders
        .put_backup(&log("a.trn"), vec![set(1)], 50 << 20)
        .unwrap();
    copy_bytes(&folders, &log("a.trn"), &copy("a.trn"), 10 << 20)
        .await
        .unwrap();
    let Ends { head, tail, size } = folders.ends(&copy("a.trn"), 8192).await.unwrap();
    assert_eq!(size, 10 << 20);
    assert!(head.starts_with(b"TAPE"));
    assert!(tail.iter().all(|byte| *byte == 0));
    let view = folders.open("backup", r"E:\pchat-copy\a.trn").unwrap();
    assert!(view.sets.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_copy_stitched_of_two_files_is_no_backup() {
    let folders = site();
    for (name, number) in [("a.trn", 1), ("b.trn", 2)] {
        folders
            .put_backup(&log(name), vec![set(number)], 65536)
            .unwrap();
    }
    let to = copy("x");
    folders.create(&to).await.unwrap();
    for (name, offset) in [("a.trn", 0), ("b.trn", 20000)] {
        folders
            .append_from(&log(name), offset, 20000, &to)
            .await
            .unwrap();
    }
    let ends = folders.ends(&to, 8192).await.unwrap();
    assert_eq!(ends.size, 40000);
    assert!(ends.head.starts_with(b"TAPE"));
    assert!(folders.open("primary", &to).unwrap().sets.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_taken_name_is_never_overwritten_by_settling() {
    let folders = site();
    folders.write(&copy("A.TRN"), b"other").await.unwrap();
    folders.write(&copy("a.wrk"), b"new").await.unwrap();
    let refused = folders.settle(&copy("a.wrk"), &copy("a.trn")).await;
    assert_eq!(cause(refused), Cause::Exists);
    assert_eq!(folders.read(&copy("a.trn")).await.unwrap(), b"other");
}

#[tokio::test(start_paused = true)]
async fn small_files_keep_their_bytes_and_make_their_folders() {
    let folders = site();
    // The mirrored run folder is spelled with both slashes.
    let path = format!("{COPY}/pchadr-runs/R1/journal.jsonl");
    let bytes = b"{}\n".repeat(10_000);
    folders.write(&path, &bytes).await.unwrap();
    assert_eq!(folders.read(&path).await.unwrap(), bytes);
    let names = |entries: Vec<Entry>| entries.into_iter().map(|e| e.name).collect::<Vec<_>>();
    assert_eq!(
        names(
            folders
                .list(r"\\SQL3\PChat-Copy\pchadr-runs\r1")
                .await
                .unwrap()
        ),
        ["journal.jsonl"]
    );
    assert_eq!(names(folders.list(COPY).await.unwrap()), ["pchadr-runs"]);
    assert_eq!(folders.open("backup", r"E:\pchat-copy\pchadr-runs"), Err(5));
    folders.write(&path, b"short").await.unwrap();
    assert_eq!(folders.read(&path).await.unwrap(), b"short");
    assert_eq!(
        cause(folders.create(&copy(r"no\such.trn")).await),
        Cause::NotFound
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_denied_or_cut_off_is_told_apart() {
    let folders = site();
    let path = log("a.trn");
    folders.put_backup(&path, vec![set(1)], 65536).unwrap();
    assert_eq!(cause(folders.ends(&log("b.trn"), 1).await), Cause::NotFound);
    assert_eq!(folders.open("backup", &log("b.trn")), Err(2));
    assert_eq!(folders.open("backup", &log(r"x\b.trn")), Err(3));
    assert_eq!(folders.open("backup", r"\\fs9\x\b.trn"), Err(53));
    // A drive is its machine's own.
    assert_eq!(folders.open("primary", r"E:\pchat-copy\a.trn"), Err(3));

    folders.change("logs", |v| v.denied = BTreeSet::from(["backup".to_owned()]));
    assert_eq!(folders.open("backup", &path), Err(5));
    assert!(folders.open("primary", &path).is_ok());
    assert_eq!(folders.list(LOGS).await.unwrap().len(), 1);
    folders.change("logs", |v| v.denied = BTreeSet::from([TOOL.to_owned()]));
    assert_eq!(cause(folders.list(LOGS).await), Cause::Denied);

    assert!(folders.set_reachable("logs", false));
    let refusal = folders.list(LOGS).await.unwrap_err();
    assert_eq!(refusal.cause, Cause::Unreachable);
    assert!(
        refusal.text.starts_with("Windows error 53: "),
        "{}",
        refusal.text
    );
    assert_eq!(folders.open("primary", &path), Err(53));
    assert_eq!(folders.open("primary", LOGS), Err(53));
    assert!(!folders.set_reachable("nothing", false));
}

#[tokio::test(start_paused = true)]
async fn an_instance_keeps_its_local_disk_when_the_share_is_cut_off() {
    let folders = site();
    folders
        .put_backup(&copy("a.trn"), vec![set(1)], 65536)
        .unwrap();
    folders.set_reachable("copy", false);
    assert_eq!(cause(folders.list(COPY).await), Cause::Unreachable);
    assert_eq!(folders.open("backup", &copy("a.trn")), Err(53));
    assert!(folders.open("backup", r"E:\pchat-copy\a.trn").is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_refuses_and_a_removal_makes_room() {
    let folders = site();
    folders.change("copy", |v| v.free = 100_000);
    folders
        .put_backup(&log("a.trn"), vec![set(1)], 65536)
        .unwrap();
    let from = log("a.trn");
    copy_bytes(&folders, &from, &copy("1"), u64::MAX)
        .await
        .unwrap();
    assert_eq!(
        cause(copy_bytes(&folders, &from, &copy("2"), u64::MAX).await),
        Cause::Full
    );
    assert_eq!(
        folders.write_backup(
            "backup",
            r"E:\pchat-copy\3",
            FileView::of(vec![set(2)], 65536),
            true
        ),
        Err(112)
    );
    folders.remove(&copy("1")).await.unwrap();
    copy_bytes(&folders, &from, &copy("2"), u64::MAX)
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn faults_strike_as_often_as_asked_before_or_after_the_effect() {
    let folders = site();
    folders.fail_next(Op::Write, "a.TXT", Cause::Denied, 2);
    folders.lose_answer(Op::Remove, "a.txt", 1);
    let path = copy("a.txt");
    for _ in 0..2 {
        assert_eq!(cause(folders.write(&path, b"x").await), Cause::Denied);
        assert!(folders.snapshot().is_empty());
    }
    folders.write(&path, b"x").await.unwrap();
    assert_eq!(cause(folders.remove(&path).await), Cause::Unreachable);
    assert!(folders.snapshot().is_empty());
    assert_eq!(folders.history().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn damage_shows_where_it_would() {
    let folders = site();
    for name in ["a", "b", "c", "d"] {
        folders
            .put_backup(&log(name), vec![set(1)], 1 << 20)
            .unwrap();
    }
    let (a, b) = (log("a"), log("b"));
    folders.corrupt(&b).unwrap();
    let view = folders.open("backup", &b).unwrap();
    assert!(view.damaged && view.sets.len() == 1);
    assert_eq!(
        folders.ends(&a, 8192).await.unwrap(),
        folders.ends(&b, 8192).await.unwrap()
    );
    assert_ne!(
        folders.digest(&a).await.unwrap(),
        folders.digest(&b).await.unwrap()
    );

    folders.truncate(&log("c"), 1 << 19).unwrap();
    assert!(folders.open("backup", &log("c")).unwrap().sets.is_empty());

    folders.corrupt_header(&log("d")).unwrap();
    let ends = folders.ends(&log("d"), 8192).await.unwrap();
    let read = |ends: &Ends| {
        crate::rehearsal::backup_file::set_of(&ends.head, &ends.tail, ends.size, [0; 16], [0; 16])
    };
    assert_eq!(read(&ends), None);
    assert!(read(&folders.ends(&a, 8192).await.unwrap()).is_some());

    folders.hold(&a, true).unwrap();
    assert_eq!(cause(folders.ends(&a, 8192).await), Cause::InUse);
}

#[tokio::test(start_paused = true)]
async fn an_instance_writes_a_backup_that_others_find() {
    let folders = site();
    let path = log("full.bak");
    folders
        .write_backup("backup", &path, FileView::of(vec![set(1)], 70_001), false)
        .unwrap();
    assert_eq!(
        folders.write_backup("backup", &path, FileView::of(vec![set(2)], 70_001), false),
        Err(80)
    );
    folders
        .write_backup(
            "backup",
            &path,
            FileView::of(vec![set(1), set(2)], 70_001),
            true,
        )
        .unwrap();
    let view = folders.open("primary", &path).unwrap();
    assert_eq!((view.sets.len(), view.size % 512), (2, 0));
    let listed = folders.list(LOGS).await.unwrap();
    assert_eq!(listed[0].modified, 1_800_000_000);
    assert_eq!(folders.snapshot(), [(path, view.size)]);
}

#[tokio::test(start_paused = true)]
async fn transfers_take_their_time_and_share_the_line() {
    let folders = site();
    folders.change("logs", |v| {
        v.throughput = Some(10 << 20);
        v.latency = Duration::from_millis(2);
    });
    for name in ["a", "b"] {
        folders
            .put_backup(&log(name), vec![set(1)], 100 << 20)
            .unwrap();
    }
    let start = Simulated::now();
    let (from_a, to_a, from_b, to_b) = (log("a"), copy("a"), log("b"), copy("b"));
    let (first, second) = tokio::join!(
        copy_bytes(&folders, &from_a, &to_a, u64::MAX),
        copy_bytes(&folders, &from_b, &to_b, u64::MAX)
    );
    first.and(second).unwrap();
    // 200 MiB at 10 MiB a second.
    let took = start.elapsed().as_secs_f64();
    assert!((20.0..21.0).contains(&took), "{took}");
}

#[tokio::test(start_paused = true)]
async fn the_hook_hears_every_effect_and_may_look() {
    let heard: Arc<Mutex<Vec<usize>>> = Arc::default();
    let folders = site();
    let (list, looked) = (Arc::clone(&heard), folders.clone());
    let folders = folders.with_hook(Arc::new(move |_| {
        list.lock().unwrap().push(looked.snapshot().len());
    }));
    folders.write(&copy("a"), b"x").await.unwrap();
    folders.remove(&copy("a")).await.unwrap();
    assert_eq!(*heard.lock().unwrap(), [1, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_files_are_copied_in_moments() {
    let folders = site();
    for i in 0..1000 {
        folders
            .put_backup(&log(&format!("{i}.trn")), vec![set(i)], 40 << 20)
            .unwrap();
    }
    let start = Instant::now();
    for i in 0..1000 {
        let (from, to) = (log(&format!("{i}.trn")), copy(&format!("{i}.trn")));
        copy_bytes(&folders, &from, &to, u64::MAX).await.unwrap();
    }
    // 11 operations a file; the limit is generous to a busy machine and an unoptimized build.
    let took = start.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
}
