use super::*;
use crate::run::copies::Split;
use crate::run::event::{ClockKind, Event, FORMAT, RunStarted};
use crate::run::journal::Journal;

const SITE: &[u8] = br#"{"database":{"chat":"mgc"},"sql":{"instances":{}}}"#;

fn started(run: &str) -> Event {
    Event::RunStarted(RunStarted {
        format: FORMAT,
        run: run.to_owned(),
        runbook: "failover".to_owned(),
        plan_digest: "sha256:1".to_owned(),
        site_digest: "sha256:2".to_owned(),
        pool: "pchat.x.com".to_owned(),
        tool: "pchadr".to_owned(),
        host: "h".to_owned(),
        user: "u".to_owned(),
        clock: ClockKind::Wall,
        until: None,
        continues: None,
        approved: None,
        steps: Vec::new(),
    })
}

fn archive(folder: &Path) -> Archive {
    Archive::new(
        &folder.join("state"),
        folder.join("mirror").to_str().unwrap(),
    )
}

fn begin(archive: &Archive, run: &str) {
    let store = archive.create(run, Box::new(|_| ())).unwrap();
    let mut journal = Journal::begin(store);
    journal
        .append(jiff::Timestamp::UNIX_EPOCH, started(run))
        .unwrap();
    journal.sync().unwrap();
    journal.keep(Document::Site, SITE).unwrap();
}

#[test]
fn a_run_is_found_where_it_began_and_in_its_mirror() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive(folder.path());
    begin(&archive, "r1");
    assert_eq!(archive.runs().read.len(), 1);
    fs::remove_dir_all(archive.folder("r1")).unwrap();
    let found = archive.find("r1").unwrap();
    assert_eq!(found.run, "r1");
    assert_eq!(found.site.first(), SiteIdentity::read(SITE).ok().as_ref());
    assert!(!found.state.is_finished());
}

#[test]
fn a_run_that_only_the_mirror_has_is_brought_home_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive(folder.path());
    begin(&archive, "r1");
    fs::remove_dir_all(archive.folder("r1")).unwrap();
    let store = archive.open("r1", Box::new(|_| ())).unwrap();
    let (_, records) = Journal::reopen(store).unwrap();
    assert_eq!(records.len(), 1);
    assert!(archive.folder("r1").join(Document::Site.name()).is_file());
}

#[test]
fn a_folder_whose_name_no_run_has_is_none_though_it_holds_a_record() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive(folder.path());
    begin(&archive, "r1");
    // Others may write there, and a run's id stands in commands that are pasted.
    for name in ["r2;touch x", "r2 - Copy", "$(x)", "--yes", "r2'"] {
        begin(&archive, name);
    }
    let runs: Vec<String> = archive.runs().read.into_iter().map(|it| it.run).collect();
    assert_eq!(runs, ["r1"]);
}

#[test]
fn a_mirror_that_cannot_be_written_is_told_and_done_without() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mirror"), b"a file, no folder").unwrap();
    let archive = archive(folder.path());
    let told = std::sync::Arc::new(std::sync::Mutex::new(0));
    let count = std::sync::Arc::clone(&told);
    archive
        .create("r1", Box::new(move |_| *count.lock().unwrap() += 1))
        .unwrap();
    assert_eq!(*told.lock().unwrap(), 1);
}

#[test]
fn a_run_that_went_on_elsewhere_stands_where_its_longer_copy_says() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive(folder.path());
    begin(&archive, "r1");
    let old = fs::read(archive.folder("r1").join(JOURNAL)).unwrap();
    let (mut journal, _) = Journal::reopen(archive.open("r1", Box::new(|_| ())).unwrap()).unwrap();
    journal
        .append(
            jiff::Timestamp::UNIX_EPOCH,
            Event::RunResumed {
                plan_digest: "sha256:1".to_owned(),
                host: "other".to_owned(),
                user: "u".to_owned(),
                tool: None,
            },
        )
        .unwrap();
    journal.sync().unwrap();
    let long = archive.find("r1").unwrap().state;
    fs::write(archive.folder("r1").join(JOURNAL), old).unwrap();
    assert_eq!(archive.find("r1").unwrap().state, long);
    let mirror = folder.path().join("mirror/r1").join(JOURNAL);
    let mut spoiled = fs::read(&mirror).unwrap();
    spoiled[9] ^= 1;
    fs::write(&mirror, &spoiled).unwrap();
    assert_eq!(archive.find("r1").unwrap().state, long);
    let second = fs::read(archive.folder("r1").join(JOURNAL)).unwrap().len();
    let prev = spoiled[second..]
        .windows(8)
        .position(|at| at == b"\"prev\":\"");
    spoiled[second + prev.unwrap() + 8] ^= 1;
    fs::write(&mirror, spoiled).unwrap();
    let lost = lost(&archive, "r1");
    assert_eq!(lost.split, Some(Split::Behind), "{lost}");
    assert_eq!(lost.whole, 1);
}

fn lost(archive: &Archive, run: &str) -> Lost {
    match archive.find(run) {
        Err(ArchiveError::Lost(lost)) => *lost,
        other => panic!("{other:?}"),
    }
}

fn number(bytes: &[u8]) -> Result<u8, Unread> {
    let text = String::from_utf8_lossy(bytes);
    text.parse().map_err(|_| Unread::Damaged(text.into_owned()))
}

#[test]
fn the_newest_readable_document_of_a_wanted_run_is_found_and_unreadable_ones_are_named() {
    const DOCUMENT: Document = Document::LogShipping;
    let folder = tempfile::tempdir().unwrap();
    let archive = archive(folder.path());
    for (run, text) in [("r1", "1"), ("r2", "2"), ("r3", "no number"), ("r4", "4")] {
        begin(&archive, run);
        fs::write(archive.folder(run).join(DOCUMENT.name()), text).unwrap();
    }
    fs::remove_dir_all(archive.folder("r2")).unwrap();
    let second = folder.path().join("mirror/r2").join(DOCUMENT.name());
    fs::write(second, "2").unwrap();
    let newest = |wanted: &str| {
        let kept = archive.newest(DOCUMENT, |found| found.run != wanted, number);
        let named: Vec<PathBuf> = kept.unreadable.iter().map(|it| it.path.clone()).collect();
        (kept.read.first().copied(), named)
    };
    assert_eq!(newest(""), (Some(4), Vec::new()));
    let third = archive.folder("r3").join(DOCUMENT.name());
    assert_eq!(newest("r4"), (Some(2), vec![third.clone()]));
    let other = archive.newest(Document::BeforeFailback, |_| true, number);
    assert!(other.is_empty());

    // The second copy tells what the first one does not.
    let journal = archive.folder("r4").join(JOURNAL);
    fs::write(&journal, b"{}\n{}\n").unwrap();
    assert_eq!(newest(""), (Some(4), Vec::new()));
    // Nobody can tell of which site the run was.
    let second = folder.path().join("mirror/r4").join(JOURNAL);
    fs::write(&second, b"{}\n{}\n").unwrap();
    assert_eq!(newest(""), (Some(2), vec![journal.clone(), third.clone()]));
    // Its first record tells, though it is damaged behind it.
    let sound = crate::run::copies::tests::journal("r4", 3);
    for path in [&journal, &second] {
        fs::write(path, [&sound[..], b"{}\n{}\n"].concat()).unwrap();
    }
    assert_eq!(newest(""), (Some(4), Vec::new()));
}

#[test]
fn a_run_that_cannot_be_read_is_named_among_the_runs_and_a_folder_without_a_journal_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive(folder.path());
    for run in ["r1", "r2"] {
        begin(&archive, run);
    }
    fs::create_dir(archive.folder("other")).unwrap();
    let journal = archive.folder("r2").join(JOURNAL);
    let text = fs::read_to_string(&journal).unwrap();
    let later = text.replace(&format!("\"format\":{FORMAT}"), "\"format\":7");
    fs::write(&journal, &later).unwrap();
    fs::write(folder.path().join("mirror/r2").join(JOURNAL), &later).unwrap();
    let runs = archive.runs();
    assert_eq!(runs.read.len(), 1);
    let [lost] = runs.lost.as_slice() else {
        panic!("{runs:?}")
    };
    let unreadable = lost.unreadable().unwrap();
    assert_eq!(unreadable.path, journal);
    assert!(
        unreadable
            .why
            .starts_with("it has version 7, written by pchadr;")
    );
    assert!(
        unreadable
            .why
            .ends_with(&format!("reads versions 1 to {FORMAT}"))
    );
    assert_eq!(unreadable.remedy, "use pchadr, or a later one");

    fs::remove_dir_all(folder.path().join("mirror")).unwrap();
    fs::write(folder.path().join("mirror"), b"a file, no folder").unwrap();
    let runs = archive.runs();
    assert_eq!(runs.read.len(), 1);
    assert_eq!(runs.unreadable[0].path, folder.path().join("mirror"));
}

#[test]
fn a_mirror_never_makes_the_folder_that_it_lies_in() {
    let folder = tempfile::tempdir().unwrap();
    let mirror = folder.path().join("no-share/pchadr-runs");
    let archive = Archive::new(&folder.path().join("state"), mirror.to_str().unwrap());
    begin(&archive, "r1");
    archive.open("r1", Box::new(|_| ())).unwrap();
    assert!(!folder.path().join("no-share").exists());
}

#[test]
fn a_run_that_is_nowhere_is_refused_and_one_that_nobody_can_tell_of_is_named_with_both_its_copies()
{
    let folder = tempfile::tempdir().unwrap();
    let archive = archive(folder.path());
    assert!(matches!(
        archive.find("r1"),
        Err(ArchiveError::NoRun { .. })
    ));
    begin(&archive, "r1");
    let paths = [archive.folder("r1"), folder.path().join("mirror/r1")];
    let paths = paths.map(|folder| folder.join(JOURNAL));
    fs::write(&paths[0], b"{}\n{}\n").unwrap();
    assert!(archive.find("r1").is_ok(), "its second copy is sound");
    let sound = crate::run::copies::tests::journal("r1", 3);
    fs::write(&paths[1], [&sound[..], b"{}\n{}\n"].concat()).unwrap();
    let both = lost(&archive, "r1");
    assert_eq!(both.whole, 2, "nothing vouches for the third");
    assert!(both.found.is_some());
    for path in &paths {
        let line = format!("`{}` cannot be read: line", path.display());
        assert!(both.to_string().contains(&line), "{both}");
    }
    fs::remove_file(&paths[0]).unwrap();
    assert_eq!(lost(&archive, "r1").whole, 2);
    fs::remove_file(&paths[1]).unwrap();
    let gone = lost(&archive, "r1");
    assert!(gone.to_string().contains("its journal is gone"), "{gone}");
    // Of a run that has no record nothing is kept yet: it never began.
    for path in &paths {
        fs::write(path, b"").unwrap();
    }
    assert_eq!(lost(&archive, "r1").whole, 0);
    for folder in paths.map(|path| path.parent().unwrap().to_owned()) {
        let _ = fs::remove_file(folder.join(Document::Site.name()));
    }
    assert!(matches!(
        archive.find("r1"),
        Err(ArchiveError::NoRun { .. })
    ));
}

#[test]
fn a_sound_copy_mends_the_damaged_one_when_the_run_goes_on_and_one_that_is_gone_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive(folder.path());
    begin(&archive, "r1");
    let paths = [archive.folder("r1"), folder.path().join("mirror/r1")];
    let paths = paths.map(|folder| folder.join(JOURNAL));
    let sound = fs::read(&paths[0]).unwrap();
    for path in &paths {
        for spoiled in [Some(&b"{}\n{}\n"[..]), Some(b""), None] {
            match spoiled {
                Some(bytes) => fs::write(path, bytes).unwrap(),
                None => fs::remove_file(path).unwrap(),
            }
            let store = archive.open("r1", Box::new(|_| ())).unwrap();
            let (_, records) = Journal::reopen(store).unwrap();
            assert_eq!(records.len(), 1);
            assert_eq!(fs::read(path).unwrap(), sound, "{spoiled:?}");
        }
        let names = fs::read_dir(path.parent().unwrap()).unwrap();
        let aside = names.filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_string_lossy().starts_with("journal-damaged-")
        });
        assert!(aside.count() >= 1);
    }
}

#[cfg(unix)]
#[test]
fn a_copy_that_is_a_link_or_no_file_is_never_read() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive(folder.path());
    begin(&archive, "r1");
    let second = folder.path().join("mirror/r1").join(JOURNAL);
    fs::remove_file(&second).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &second).unwrap();
    let found = archive.find("r1").unwrap();
    assert!(matches!(found.copies[1].is, CopyIs::Refused(_)));
    let first = archive.folder("r1").join(JOURNAL);
    fs::remove_file(&first).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &first).unwrap();
    assert!(lost(&archive, "r1").to_string().contains("it is no file"));
}
