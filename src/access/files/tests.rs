#![allow(clippy::unwrap_used)]

use tempfile::TempDir;

use super::cause::windows;
use super::copying::rename_looking;
use super::*;

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn put(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

#[tokio::test]
async fn a_list_says_what_each_name_stands_for() {
    let place = Place::new();
    place.put("a.trn", b"12345");
    place.put("ä b.TRN", b"");
    fs::create_dir(place.path("folder")).unwrap();
    let mut entries = Files.list(&place.path("")).await.unwrap();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    let told: Vec<_> = entries
        .iter()
        .map(|it| (it.name.as_str(), it.kind, it.size))
        .collect();
    assert_eq!(
        told,
        [
            ("a.trn", EntryKind::File, 5),
            ("folder", EntryKind::Folder, 0),
            ("ä b.TRN", EntryKind::File, 0)
        ]
    );
    assert!(entries[0].modified > 1_700_000_000);
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_no_file_is_listed_as_what_it_is_and_hides_nothing() {
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::symlink;
    let place = Place::new();
    place.put("a.trn", b"1");
    let link = |to: &str, name: &str| symlink(to, place.path(name)).unwrap();
    link("a.trn", "b link to a file");
    link("nowhere", "c link to nothing");
    link("d loop", "d loop");
    link("/dev/null", "e device");
    let pipe = std::process::Command::new("mkfifo")
        .arg(place.path("f pipe"))
        .status();
    assert!(pipe.unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(place.path("g socket")).unwrap();
    let name = std::ffi::OsStr::from_bytes(b"h \xff.trn");
    fs::write(place.0.path().join(name), b"1").unwrap();

    let mut entries = Files.list(&place.path("")).await.unwrap();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    let told: Vec<_> = entries
        .iter()
        .map(|it| (it.name.as_str(), it.kind))
        .collect();
    assert_eq!(
        told,
        [
            ("a.trn", EntryKind::File),
            ("b link to a file", EntryKind::File),
            (
                "c link to nothing",
                EntryKind::Other("a link that leads nowhere")
            ),
            ("d loop", EntryKind::Other("a link that leads nowhere")),
            ("e device", EntryKind::Other("a device")),
            ("f pipe", EntryKind::Other("a pipe")),
            ("g socket", EntryKind::Other("a socket")),
            (
                "h \u{fffd}.trn",
                EntryKind::Other("its name is no Unicode text")
            ),
        ]
    );
}

#[tokio::test]
async fn no_folder_a_file_and_an_empty_folder_are_three_answers() {
    let place = Place::new();
    let missing = Files.list(&place.path("missing")).await.unwrap_err();
    assert_eq!(missing.cause, Cause::NotFound);
    let file = Files.list(&place.put("file", b"x")).await.unwrap_err();
    assert_eq!(
        (file.cause, file.text.as_str()),
        (Cause::Other, "not a folder")
    );
    fs::remove_file(place.path("file")).unwrap();
    assert_eq!(Files.list(&place.path("")).await, Ok(Vec::new()));
}

#[tokio::test]
async fn the_ends_of_long_short_and_empty_files() {
    let place = Place::new();
    let ends = Files
        .ends(&place.put("long", b"0123456789"), 4)
        .await
        .unwrap();
    assert_eq!(
        (ends.head, ends.tail, ends.size),
        (b"0123".to_vec(), b"6789".to_vec(), 10)
    );
    let ends = Files.ends(&place.put("short", b"01"), 4).await.unwrap();
    assert_eq!(
        (ends.head, ends.tail, ends.size),
        (b"01".to_vec(), b"01".to_vec(), 2)
    );
    let ends = Files.ends(&place.put("empty", b""), 4).await.unwrap();
    assert_eq!((ends.head, ends.tail, ends.size), (vec![], vec![], 0));
    assert!(Files.ends(&place.path(""), 4).await.is_err());
}

#[tokio::test]
async fn reading_and_digest_are_over_all_bytes() {
    let place = Place::new();
    let bytes = vec![7; CHUNK * 2 + 3];
    let path = place.put("a", &bytes);
    assert_eq!(Files.read(&path).await.unwrap(), bytes);
    let digest: [u8; 32] = Sha256::digest(&bytes).into();
    assert_eq!(Files.digest(&path).await, Ok(digest));
    let missing = Files.digest(&place.path("b")).await.unwrap_err();
    assert_eq!(
        (missing.cause, missing.path),
        (Cause::NotFound, place.path("b"))
    );
}

#[tokio::test]
async fn a_copy_in_pieces_is_the_file() {
    let place = Place::new();
    let bytes: Vec<u8> = (0..=255).cycle().take(CHUNK + 1000).collect();
    let (from, to) = (place.put("a.trn", &bytes), place.path("a.wrk"));
    Files.create(&to).await.unwrap();
    let mut offset = 0;
    loop {
        let piece = Files
            .append_from(&from, offset, 700_000, &to)
            .await
            .unwrap();
        offset += piece;
        if piece == 0 {
            break;
        }
    }
    assert_eq!(fs::read(&to).unwrap(), bytes);
    assert_eq!(Files.append_from(&from, 1 << 40, 10, &to).await, Ok(0));
}

#[tokio::test]
async fn a_refused_append_names_the_side_that_refused() {
    let place = Place::new();
    let from = place.put("from", b"x");
    let to = Files.append_from(&from, 0, 1, &place.path("to")).await;
    assert_eq!(to.unwrap_err().path, place.path("to"));
    let source = Files.append_from(&place.path("no"), 0, 1, &from).await;
    assert_eq!(source.unwrap_err().path, place.path("no"));
    // Appending needs what `create` made: it makes no file itself.
    assert_eq!(place.names(), ["from"]);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_is_told_of_the_side_that_is_full() {
    let place = Place::new();
    let from = place.put("from", b"x");
    let full = Files
        .append_from(&from, 0, 1, "/dev/full")
        .await
        .unwrap_err();
    assert_eq!((full.cause, full.path.as_str()), (Cause::Full, "/dev/full"));
}

#[tokio::test]
async fn create_empties_its_own_name_only() {
    let place = Place::new();
    let work = place.put("a.wrk", b"whole");
    // As a crash inside `settle` leaves them: two names of one file.
    fs::hard_link(&work, place.path("a.trn")).unwrap();
    Files.create(&work).await.unwrap();
    assert_eq!(fs::read(&work).unwrap(), b"");
    assert_eq!(fs::read(place.path("a.trn")).unwrap(), b"whole");
}

#[tokio::test]
async fn settling_gives_the_name_once_and_never_replaces() {
    let place = Place::new();
    let (work, whole) = (place.put("a.wrk", b"new"), place.path("a.trn"));
    Files.settle(&work, &whole).await.unwrap();
    assert_eq!(place.names(), ["a.trn"]);
    assert_eq!(fs::read(&whole).unwrap(), b"new");

    place.put("a.wrk", b"other");
    let refused = Files.settle(&work, &whole).await.unwrap_err();
    assert_eq!((refused.cause, &refused.path), (Cause::Exists, &whole));
    assert_eq!(fs::read(&whole).unwrap(), b"new");
    assert_eq!(fs::read(&work).unwrap(), b"other");

    let missing = Files
        .settle(&place.path("no.wrk"), &place.path("no.trn"))
        .await;
    assert_eq!(missing.unwrap_err().cause, Cause::NotFound);
}

#[test]
fn without_second_names_settling_still_replaces_nothing() {
    let place = Place::new();
    let (work, whole) = (place.put("a.wrk", b"new"), place.put("a.trn", b"old"));
    let refused = rename_looking(&work, &whole).unwrap_err();
    assert_eq!((refused.cause, &refused.path), (Cause::Exists, &whole));
    assert_eq!(fs::read(&whole).unwrap(), b"old");
    fs::remove_file(&whole).unwrap();
    rename_looking(&work, &whole).unwrap();
    assert_eq!(place.names(), ["a.trn"]);
}

#[tokio::test]
async fn writing_makes_folders_replaces_and_leaves_nothing_aside() {
    let place = Place::new();
    let path = place.path("runs/one/plan.json");
    Files.write(&path, b"first").await.unwrap();
    Files.write(&path, b"second").await.unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"second");
    assert_eq!(fs::read_dir(place.path("runs/one")).unwrap().count(), 1);
    Files.remove(&path).await.unwrap();
    let gone = Files.remove(&path).await.unwrap_err();
    assert_eq!(gone.cause, Cause::NotFound);
}

#[tokio::test]
async fn a_write_over_a_folder_fails_and_leaves_nothing_aside() {
    let place = Place::new();
    fs::create_dir(place.path("taken")).unwrap();
    fs::write(place.path("taken/file"), b"").unwrap();
    assert!(Files.write(&place.path("taken"), b"x").await.is_err());
    assert_eq!(place.names(), ["taken"]);
}

#[test]
fn windows_numbers_are_told_apart() {
    for (code, expected) in [
        (2, Cause::NotFound),
        (3, Cause::NotFound),
        (5, Cause::Denied),
        (32, Cause::InUse),
        (33, Cause::InUse),
        (53, Cause::Unreachable),
        (59, Cause::Unreachable),
        (64, Cause::Unreachable),
        (67, Cause::Unreachable),
        (121, Cause::Unreachable),
        (1326, Cause::Unreachable),
        (39, Cause::Full),
        (112, Cause::Full),
        (80, Cause::Exists),
        (183, Cause::Exists),
        (267, Cause::Other),
    ] {
        assert_eq!(windows(code), expected, "{code}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn linux_numbers_are_told_apart() {
    for (code, expected) in [
        (2, Cause::NotFound),
        (5, Cause::Other),
        (13, Cause::Denied),
        (16, Cause::InUse),
        (17, Cause::Exists),
        (28, Cause::Full),
        (110, Cause::Unreachable),
        (112, Cause::Unreachable),
        (113, Cause::Unreachable),
        (116, Cause::Unreachable),
        (122, Cause::Full),
    ] {
        let error = io::Error::from_raw_os_error(code);
        assert_eq!(cause(&error), expected, "{code}");
        assert!(at("p")(error).text.contains(&format!("os error {code}")));
    }
}
