#![allow(clippy::unwrap_used)]

mod against;

use std::collections::BTreeMap;
use std::fs;
use std::path::MAIN_SEPARATOR as SEPARATOR;

use jiff::civil::date;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::access::files::Files;
use crate::access::shares::Cause;
use crate::model::Lsn;
use crate::model::header::{BackupHeader, sample};

fn log(first: u32, last: u32) -> BackupHeader {
    let started = date(2024, 5, 6).at(7, 8, 9, 0);
    sample::header(Lsn::new(39, first, 1), Lsn::new(39, last, 1), started)
}

fn folder(files: &BTreeMap<&str, Vec<u8>>) -> (TempDir, String) {
    let folder = TempDir::new().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    let path = folder.path().to_str().unwrap().to_owned();
    (folder, path)
}

async fn told(dirs: &[String], json: bool) -> (String, Aside) {
    let mut out = Vec::new();
    let aside = run(dirs, None, json, &Files, &mut out).await.unwrap();
    (String::from_utf8(out).unwrap(), aside)
}

fn busy() -> BTreeMap<&'static str, Vec<u8>> {
    BTreeMap::from([
        ("1", sample::file(&log(10, 20), 512, 0)),
        ("2 b.trn", sample::file(&log(20, 30), 512, 0)),
        ("4.trn", sample::file(&log(40, 50), 512, 0)),
        ("5.WRK", sample::file(&log(50, 60), 512, 0)),
        ("mgc.tuf", vec![1]),
        ("readme.txt", b"hello\x1b[2J".to_vec()),
    ])
}

#[tokio::test]
async fn the_json_has_the_agreed_shape() {
    let (_folder, dir) = folder(&busy());
    let (text, aside) = told(std::slice::from_ref(&dir), true).await;
    let told: Value = serde_json::from_str(&text).unwrap();
    let path = |name: &str| format!("{dir}{SEPARATOR}{name}");
    let size = busy()["1"].len();
    assert_eq!(
        told["files"][0],
        json!({
            "path": path("1"), "size": size, "server": r"SQL1\CHAT", "database": "mgc",
            "type": "L", "position": 1,
            "first_lsn": "39000000001000001", "last_lsn": "39000000002000001",
            "checkpoint_lsn": "39000000001000001", "database_backup_lsn": "1000000000200003",
            "started": "2024-05-06T07:08:09", "finished": "2024-05-06T07:08:09", "software": "13.0.5081", "complete": true,
        })
    );
    assert_eq!(told["version"], 1);
    assert_eq!(told["files"].as_array().unwrap().len(), 4);
    let unreadable = json!([
        { "path": path("readme.txt"), "reason": "no backup: it begins with \"hello\\x1b[2\"" }
    ]);
    assert_eq!(told["unreadable"], unreadable);
    assert_eq!(
        told["chains"],
        json!([{
            "database": "mgc",
            "from": "39000000001000001", "to": "39000000003000001",
            "files": [path("1"), path("2 b.trn")],
            "left_out": [
                { "path": path("4.trn"), "reason": "behind the gap at 39000000003000001" },
                { "path": path("5.WRK"), "reason": "behind the gap at 39000000003000001" },
            ],
            "gaps": [{ "after": "39000000003000001", "before": "39000000004000001" }],
        }])
    );
    let keys: Vec<_> = told.as_object().unwrap().keys().collect();
    assert_eq!(keys.len(), 4, "{keys:?}");
    let undo = format!("{}: not read: the undo file of a standby", path("mgc.tuf"));
    assert_eq!(aside.notes, [undo]);
    assert!(aside.failures.is_empty());
}

/// A line with the folder as `D/`, on every system.
fn shown_in(line: &str, folder: &str) -> String {
    line.replace(&format!("{folder}{SEPARATOR}"), "D/")
}

#[tokio::test]
async fn the_table_is_aligned_and_names_gap_and_reasons() {
    let (_folder, dir) = folder(&busy());
    let (text, _) = told(std::slice::from_ref(&dir), false).await;
    let lines: Vec<_> = text.lines().map(|line| shown_in(line, &dir)).collect();
    let size = busy()["1"].len();
    let width = dir.len() + "/2 b.trn".len() - "File".len();
    assert_eq!(
        lines[0],
        format!(
            "File{:width$}  Server                 Database  Type               First LSN           Last LSN  Started              Finished              Size",
            ""
        )
    );
    assert_eq!(
        lines[1],
        format!(
            "D/1{:6}  SQL1\\CHAT (13.0.5081)  mgc       log        39000000001000001  39000000002000001  2024-05-06 07:08:09  2024-05-06 07:08:09  {size}",
            ""
        )
    );
    assert!(lines[4].contains("  log, .wrk  "), "{}", lines[4]);
    assert_eq!(
        &lines[5..],
        [
            "",
            "Log chain of mgc",
            "  from  39000000001000001",
            "  to    39000000003000001",
            "  sets  2",
            "  GAP   39000000003000001 to 39000000004000001 is missing",
            "  left out",
            "    D/4.trn  behind the gap at 39000000003000001",
            "    D/5.WRK  behind the gap at 39000000003000001",
            "",
            "Not readable here",
            "    D/readme.txt  no backup: it begins with \"hello\\x1b[2\"",
        ]
    );
}

#[tokio::test]
async fn copies_in_two_folders_are_one_chain_and_named_as_copies() {
    let file = BTreeMap::from([("a.trn", sample::file(&log(10, 20), 512, 0))]);
    let (_one, share) = folder(&file);
    let (_two, copy) = folder(&file);
    let (text, _) = told(&[share.clone(), copy.clone()], true).await;
    let told: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(told["files"].as_array().unwrap().len(), 2);
    assert_eq!(
        told["chains"][0]["files"],
        json!([format!("{share}{SEPARATOR}a.trn")])
    );
    let left = json!([{
        "path": format!("{copy}{SEPARATOR}a.trn"),
        "reason": format!("a copy of `{share}{SEPARATOR}a.trn`")
    }]);
    assert_eq!(told["chains"][0]["left_out"], left);
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_a_failure_and_the_others_are_read() {
    let (_folder, dir) = folder(&busy());
    let missing = format!("{dir}/missing");
    let (text, aside) = told(&[missing.clone(), dir.clone(), dir], true).await;
    assert_eq!(aside.failures.len(), 1);
    assert_eq!(aside.failures[0].path, missing);
    assert_eq!(aside.failures[0].cause, Cause::NotFound);
    let told: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(told["files"].as_array().unwrap().len(), 4);
    assert_eq!(told["unreadable"][0]["path"], missing);
}

#[tokio::test]
async fn a_truncated_last_file_shows_that_there_is_more_log() {
    let mut last = sample::file(&log(20, 30), 512, 0);
    last.truncate(20_000);
    let (_folder, dir) = folder(&BTreeMap::from([
        ("a.trn", sample::file(&log(10, 20), 512, 0)),
        ("b.trn", last),
    ]));
    let (text, _) = told(&[dir], false).await;
    assert!(text.contains("  MORE  log up to 39000000003000001 is in files left out"));
    assert!(text.contains("without its end"));
    assert!(text.contains("log, cut off"));
}

#[tokio::test]
async fn an_empty_folder_is_no_failure() {
    let (_folder, dir) = folder(&BTreeMap::new());
    let (text, aside) = told(std::slice::from_ref(&dir), false).await;
    assert_eq!(
        (text.as_str(), aside),
        ("No backup header was read.\n", Aside::default())
    );
    let (text, _) = told(&[dir], true).await;
    let told: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        told,
        json!({ "version": 1, "files": [], "unreadable": [], "chains": [] })
    );
}

#[tokio::test]
async fn a_name_that_a_terminal_would_obey_is_defused() {
    let mut header = log(10, 20);
    header.database = "mgc\u{1b}[2J".to_owned();
    let (_folder, dir) = folder(&BTreeMap::from([("a", sample::file(&header, 512, 0))]));
    let (text, _) = told(std::slice::from_ref(&dir), false).await;
    assert!(!text.contains('\u{1b}'));
    let (text, _) = told(&[dir], true).await;
    let told: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(told["files"][0]["database"], header.database);
}

/// What is told of these files, and what beside it.
async fn of(files: &BTreeMap<&str, Vec<u8>>, need: Option<Need>) -> (String, Value, Aside) {
    let (_folder, dir) = folder(files);
    let dirs = [dir];
    let mut texts = [false, true].map(|json| (json, Vec::new()));
    let again = need.as_ref().map(|need| Need {
        server: need.server.clone(),
        database: need.database.clone(),
        start: need.start.clone(),
    });
    let [human, json] = &mut texts;
    run(&dirs, need, human.0, &Files, &mut human.1)
        .await
        .unwrap();
    let aside = run(&dirs, again, json.0, &Files, &mut json.1)
        .await
        .unwrap();
    let text = shown_in(&String::from_utf8(human.1.clone()).unwrap(), &dirs[0]);
    let value = shown_in(&String::from_utf8(json.1.clone()).unwrap(), &dirs[0]);
    (text, serde_json::from_str(&value).unwrap(), aside)
}

fn whole(first: u32, last: u32) -> Vec<u8> {
    sample::file(&log(first, last), 512, 0)
}

/// Says in the last block of the set that it is the second one of its file.
fn of_two_sets(mut file: Vec<u8>) -> Vec<u8> {
    let end = file.len() - 1536;
    file[end + 52 + 26] = 2;
    file
}

#[tokio::test]
async fn files_stand_in_the_order_of_their_chain_whatever_they_are_called() {
    let mut other = log(15, 25);
    other.database = "another".to_owned();
    let (text, told, aside) = of(
        &BTreeMap::from([
            ("a", whole(30, 40)),
            ("b", whole(10, 20)),
            ("c", whole(20, 30)),
            ("d", sample::file(&other, 512, 0)),
        ]),
        None,
    )
    .await;
    let paths: Vec<_> = told["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["path"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(paths, ["D/d", "D/b", "D/c", "D/a"]);
    let places = ["D/d", "D/b", "D/c", "D/a"].map(|name| text.find(name).unwrap());
    assert!(places.is_sorted(), "{text}");
    assert!(!aside.incomplete);
}

#[tokio::test]
async fn a_gap_or_a_file_that_may_hold_log_and_is_not_read_is_incomplete_and_nothing_else_is() {
    let chain = || BTreeMap::from([("1.trn", whole(10, 20)), ("2.trn", whole(20, 30))]);
    for (name, bytes, incomplete) in [
        ("3.trn", whole(30, 40), false),
        ("4.trn", whole(40, 50), true),
        ("5.trn", b"garbage".to_vec(), true),
        ("5.WRK", Vec::new(), true),
        ("6.trn", of_two_sets(whole(30, 40)), true),
        ("7.trn", whole(30, 40)[..20_000].to_vec(), true),
        ("readme.txt", b"hello".to_vec(), false),
        ("empty", Vec::new(), false),
        ("mgc.tuf", b"undo".to_vec(), false),
    ] {
        let mut files = chain();
        files.insert(name, bytes);
        let (text, _, aside) = of(&files, None).await;
        assert_eq!(aside.incomplete, incomplete, "{name}: {text}");
    }
}

#[tokio::test]
async fn every_file_that_could_fill_a_gap_is_named_under_it() {
    let mut damaged = whole(25, 30);
    damaged[0xE40] ^= 1;
    let (text, told, _) = of(
        &BTreeMap::from([
            ("1.trn", whole(10, 20)),
            ("2 cut.trn", whole(20, 30)[..20_000].to_vec()),
            ("3 damaged.trn", damaged),
            ("4 empty.trn", Vec::new()),
            ("5 stripe.trn", sample::file(&log(20, 30), 512, 1)),
            ("5 stripe 2.trn", sample::file(&log(20, 30), 512, 2)),
            ("6 cut, elsewhere.trn", whole(5, 9)[..20_000].to_vec()),
            ("7.trn", whole(30, 40)),
            ("readme.txt", b"hello".to_vec()),
        ]),
        None,
    )
    .await;
    // The instance may read what is damaged to this reader.
    let gap = "  OPEN  39000000002000001 to 39000000003000001 is in no header read here; an instance can tell whether it is in";
    let after = text.split_once(gap).unwrap_or_else(|| panic!("{text}")).1;
    let under: Vec<_> = after
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with("          D/"))
        .map(|line| line.trim().split_once(".trn").unwrap().0)
        .collect();
    assert_eq!(
        under,
        [
            "D/2 cut",
            "D/5 stripe 2",
            "D/5 stripe",
            "D/3 damaged",
            "D/4 empty"
        ]
    );
    let gap = &told["chains"][0]["gaps"][0];
    assert_eq!(gap["after"], "39000000002000001");
    assert_eq!(gap["may_fill"].as_array().unwrap().len(), 5);
    assert_eq!(gap["may_fill"][4]["reason"], "the file is empty");
}

#[tokio::test]
async fn what_only_an_instance_can_read_is_no_gap_but_named_as_what_may_fill_it() {
    let (text, told, aside) = of(
        &BTreeMap::from([
            ("1.trn", whole(10, 20)),
            ("2.trn", of_two_sets(whole(20, 30))),
            ("3.trn", whole(30, 40)),
        ]),
        None,
    )
    .await;
    assert!(!text.contains("GAP"), "{text}");
    let open = "  OPEN  39000000002000001 to 39000000003000001 is in no header read here; an instance can tell whether it is in\n          D/2.trn  holds 2 backup sets";
    assert!(text.contains(open), "{text}");
    let filler = &told["chains"][0]["gaps"][0]["may_fill"][0];
    assert_eq!(
        (&filler["path"], &filler["ask_instance"]),
        (&json!("D/2.trn"), &json!(true))
    );
    assert!(aside.incomplete);
}

#[tokio::test]
async fn a_stripe_is_named_with_its_media_set() {
    let stripe = |filler, family: u32| {
        let mut file = sample::file(&log(10, 20), 512, filler);
        file[52..56].copy_from_slice(&family.to_le_bytes());
        file[60] = 1;
        file
    };
    let (text, ..) = of(
        &BTreeMap::from([
            ("a.trn", stripe(1, 0x53A6_C862)),
            ("b.trn", stripe(2, 0x3867_EB25)),
        ]),
        None,
    )
    .await;
    for media in [
        "media family 53A6C862, medium 1",
        "media family 3867EB25, medium 1",
    ] {
        assert!(text.contains(media), "{text}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn no_name_steers_a_terminal_in_any_form_and_json_gives_it_back_verbatim() {
    let name = "a\u{1b}[2J\u{7}\u{202e}\u{9b}\nb.trn";
    let mut header = log(10, 20);
    header.server = "SQL\u{202e}1\u{7}".to_owned();
    let files = BTreeMap::from([
        (name, sample::file(&header, 512, 0)),
        ("\u{7}.trn", b"\x1b".to_vec()),
    ]);
    let (_folder, dir) = folder(&files);
    for json in [false, true] {
        let (text, _) = told(std::slice::from_ref(&dir), json).await;
        let steers = |c: char| c != '\n' && c.is_control() || c == '\u{202e}';
        assert!(!text.contains(steers), "{text:?}");
        if json {
            let told: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(told["files"][0]["path"], format!("{dir}/{name}"));
            assert_eq!(told["files"][0]["server"], header.server);
        }
    }
}

#[test]
fn folders_keep_their_own_separator() {
    for (dir, path) in [
        ("/srv/logs", "/srv/logs/a"),
        ("/srv/logs/", "/srv/logs/a"),
        ("logs", "logs/a"),
        (r"\\fs1\logs", r"\\fs1\logs\a"),
        (r"E:\", r"E:\a"),
        (r"é", "é/a"),
    ] {
        assert_eq!(join(dir, "a"), path);
    }
}
