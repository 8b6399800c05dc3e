use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use tempfile::TempDir;

use super::*;
use crate::access::files::Files;
use crate::access::shares::{Answer, Ends, Entry};

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn put(&self, name: &str, bytes: &[u8]) -> String {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name)
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

fn bytes(length: usize) -> Vec<u8> {
    (0..length)
        .map(|n| u8::try_from(n % 251).unwrap())
        .collect()
}

/// The real files, operation by operation: what is grown and named in one piece there is made of
/// the single operations here, and a settle can be refused.
struct Pieces {
    refuse_settles: AtomicUsize,
    settles: AtomicUsize,
    /// How many are named at a time, and how often that may happen.
    batches: Mutex<Vec<usize>>,
    open: Semaphore,
}

impl Pieces {
    fn refusing(settles: usize) -> Self {
        Self {
            refuse_settles: AtomicUsize::new(settles),
            settles: AtomicUsize::default(),
            batches: Mutex::default(),
            open: Semaphore::new(1000),
        }
    }
}

impl Shares for Pieces {
    fn list<'a>(&'a self, folder: &'a str) -> Answer<'a, Vec<Entry>> {
        Files.list(folder)
    }
    fn free<'a>(&'a self, folder: &'a str) -> Answer<'a, u64> {
        Files.free(folder)
    }
    fn ends<'a>(&'a self, path: &'a str, bytes: usize) -> Answer<'a, Ends> {
        Files.ends(path, bytes)
    }
    fn read<'a>(&'a self, path: &'a str) -> Answer<'a, Vec<u8>> {
        Files.read(path)
    }
    fn digest<'a>(&'a self, path: &'a str) -> Answer<'a, [u8; 32]> {
        Files.digest(path)
    }
    fn create<'a>(&'a self, path: &'a str) -> Answer<'a, ()> {
        Files.create(path)
    }
    fn append_from<'a>(
        &'a self,
        from: &'a str,
        offset: u64,
        length: u64,
        to: &'a str,
    ) -> Answer<'a, u64> {
        Files.append_from(from, offset, length, to)
    }
    fn settle<'a>(&'a self, from: &'a str, to: &'a str) -> Answer<'a, ()> {
        self.settles.fetch_add(1, Ordering::Relaxed);
        let refuse =
            self.refuse_settles
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                    left.checked_sub(1)
                });
        if refuse.is_ok() {
            let refusal = ShareError {
                path: to.to_owned(),
                cause: Cause::Unreachable,
                text: "the network is gone".to_owned(),
            };
            return Box::pin(async move { Err(refusal) });
        }
        Files.settle(from, to)
    }
    fn settle_all<'a>(
        &'a self,
        names: &'a [(String, String)],
    ) -> BoxFuture<'a, Vec<Result<(), ShareError>>> {
        self.batches.lock().unwrap().push(names.len());
        Box::pin(async move {
            self.open.acquire().await.unwrap().forget();
            let mut results = Vec::new();
            for (from, to) in names {
                results.push(self.settle(from, to).await);
            }
            results
        })
    }
    fn remove<'a>(&'a self, path: &'a str) -> Answer<'a, ()> {
        Files.remove(path)
    }
    fn write<'a>(&'a self, path: &'a str, bytes: &'a [u8]) -> Answer<'a, ()> {
        Files.write(path, bytes)
    }
}

async fn copied(
    shares: &dyn Shares,
    from: &str,
    to: &str,
    verify: Verify,
) -> Result<u64, CopyError> {
    let stop = CancellationToken::new();
    let copies = Copies::new(shares, verify, 2, &stop);
    copies.copy(from, to, &|_| {}).await
}

#[tokio::test]
async fn a_copy_of_any_size_is_the_file_however_it_is_proved_and_made() {
    let place = Place::new();
    let pieces = Pieces::refusing(0);
    let shares: [&dyn Shares; 2] = [&Files, &pieces];
    for length in [
        0,
        1,
        511,
        8192,
        8193,
        82 * 1024,
        (4 << 20) - 1,
        4 << 20,
        (9 << 20) + 7,
    ] {
        let from = place.put("from", &bytes(length));
        for (n, shares) in shares.into_iter().enumerate() {
            for verify in [Verify::Header, Verify::Hash] {
                let to = place.path(&format!("{length}-{n}-{verify:?}.trn"));
                let size = copied(shares, &from, &to, verify).await.unwrap();
                assert_eq!(size, length as u64);
                assert!(fs::read(&to).unwrap() == bytes(length), "{to}");
                fs::remove_file(&to).unwrap();
            }
        }
    }
    assert_eq!(place.names(), ["from"]);
}

#[tokio::test]
async fn a_whole_work_file_of_somebody_else_is_never_written_over() {
    let place = Place::new();
    let from = place.put("from", b"new");
    let theirs = place.put("mgc_1.wrk", b"a whole log backup");
    copied(&Files, &from, &place.path("mgc_1.trn"), Verify::Header)
        .await
        .unwrap();
    assert_eq!(fs::read(theirs).unwrap(), b"a whole log backup");
    assert_eq!(fs::read(place.path("mgc_1.trn")).unwrap(), b"new");
    assert_eq!(place.names(), ["from", "mgc_1.trn", "mgc_1.wrk"]);
}

#[tokio::test]
async fn a_name_that_is_taken_is_refused_and_what_has_it_stays() {
    let place = Place::new();
    let from = place.put("from", b"new");
    let to = place.put("a.trn", b"old");
    let refused = copied(&Files, &from, &to, Verify::Header)
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, CopyError::Share(error) if error.cause == Cause::Exists && error.path == to),
        "{refused:?}"
    );
    assert_eq!(fs::read(&to).unwrap(), b"old");
}

#[tokio::test]
async fn a_work_file_that_a_crash_left_is_grown_anew_and_its_other_name_stays() {
    let place = Place::new();
    let from = place.put("from", b"new");
    let work = place.put(
        "a.trn.pchadr.wrk",
        b"whole, and named just before the crash",
    );
    fs::hard_link(&work, place.path("b.trn")).unwrap();
    copied(&Files, &from, &place.path("a.trn"), Verify::Header)
        .await
        .unwrap();
    assert_eq!(fs::read(place.path("a.trn")).unwrap(), b"new");
    let other = fs::read(place.path("b.trn")).unwrap();
    assert_eq!(other, b"whole, and named just before the crash");
}

#[tokio::test]
async fn a_refusal_names_the_side_that_refused() {
    let place = Place::new();
    let from = place.put("from", b"new");
    let missing = copied(
        &Files,
        &place.path("no"),
        &place.path("a.trn"),
        Verify::Hash,
    )
    .await;
    let nowhere = copied(&Files, &from, &place.path("no/a.trn"), Verify::Hash).await;
    for (refused, path) in [
        (missing, place.path("no")),
        (nowhere, place.path("no/a.trn.pchadr.wrk")),
    ] {
        let CopyError::Share(error) = refused.unwrap_err() else {
            panic!("another error");
        };
        assert_eq!((error.cause, error.path), (Cause::NotFound, path));
    }
}

#[tokio::test]
async fn a_raised_stop_flag_ends_a_copy_between_two_chunks() {
    let place = Place::new();
    let from = place.put("from", &bytes(9 << 20));
    for shares in [&Files as &dyn Shares, &Pieces::refusing(0)] {
        let stop = CancellationToken::new();
        let copies = Copies::new(shares, Verify::Header, 1, &stop);
        stop.cancel();
        let stopped = copies.copy(&from, &place.path("a.trn"), &|_| {}).await;
        assert_eq!(stopped, Err(CopyError::Stopped { path: from.clone() }));
        assert!(!fs::exists(place.path("a.trn")).unwrap());
    }
}

#[tokio::test]
async fn progress_is_told_chunk_by_chunk_to_the_whole() {
    let place = Place::new();
    let from = place.put("from", &bytes(9 << 20));
    let told = Mutex::new(Vec::new());
    let stop = CancellationToken::new();
    let copies = Copies::new(&Files, Verify::Header, 1, &stop);
    let progress = |done| told.lock().unwrap().push(done);
    copies
        .copy(&from, &place.path("a.trn"), &progress)
        .await
        .unwrap();
    let told = told.into_inner().unwrap();
    assert!(told.len() >= 3 && told.is_sorted(), "{told:?}");
    assert_eq!(told.last(), Some(&(9 << 20)));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_may_pass_is_tried_again_three_times() {
    let place = Place::new();
    let from = place.put("from", b"new");
    let to = place.path("a.trn");
    copied(&Pieces::refusing(3), &from, &to, Verify::Header)
        .await
        .unwrap();
    assert_eq!(place.names(), ["a.trn", "from"]);
    fs::remove_file(&to).unwrap();
    let always = Pieces::refusing(usize::MAX);
    let refused = copied(&always, &from, &to, Verify::Header).await;
    assert!(matches!(refused, Err(CopyError::Share(_))), "{refused:?}");
    assert_eq!(always.settles.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn of_many_copies_each_has_its_own_outcome() {
    let place = Place::new();
    let mut pairs = Vec::new();
    for n in 0..300_usize {
        let from = place.put(&format!("{n}"), &bytes(n * 100));
        let to = place.path(&format!("{n}.trn"));
        match n % 10 {
            3 => fs::write(&to, b"taken").unwrap(),
            7 => fs::remove_file(&from).unwrap(),
            _ => {}
        }
        pairs.push((from, to));
    }
    let stop = CancellationToken::new();
    let copies = Copies::new(&Files, Verify::Header, 8, &stop);
    let copies = &copies;
    let all = pairs.iter().map(|(from, to)| async move {
        let no_progress = |_| {};
        copies.copy(from, to, &no_progress).await
    });
    let outcomes: Vec<_> = futures_util::stream::iter(all)
        .buffered(copies.at_once())
        .collect()
        .await;
    assert_eq!(outcomes.len(), 300);
    for (n, outcome) in outcomes.into_iter().enumerate() {
        match (n % 10, outcome) {
            (3, Err(CopyError::Share(error))) => assert_eq!(error.cause, Cause::Exists),
            (7, Err(CopyError::Share(error))) => assert_eq!(error.cause, Cause::NotFound),
            (_, Ok(size)) => {
                assert_eq!(size, n as u64 * 100);
                assert!(fs::read(&pairs[n].1).unwrap() == bytes(n * 100));
            }
            (_, Err(error)) => panic!("{n}: {error}"),
        }
    }
}

#[tokio::test]
async fn while_the_disk_flushes_others_grow_and_are_flushed_together_and_none_is_named_before() {
    let place = Place::new();
    let slow = Pieces {
        open: Semaphore::new(0),
        ..Pieces::refusing(0)
    };
    let stop = CancellationToken::new();
    let copies = Copies::new(&slow, Verify::Header, 2, &stop);
    let from = place.put("from", b"new");
    let (copies, from, place, slow) = (&copies, &from, &place, &slow);
    let all = (0..20).map(|n| async move {
        let no_progress = |_| {};
        let to = place.path(&format!("{n}.trn"));
        copies.copy(from, &to, &no_progress).await
    });
    let all = futures_util::stream::iter(all)
        .buffered(copies.at_once())
        .collect::<Vec<_>>();
    let disk = async {
        while place
            .names()
            .iter()
            .filter(|it| it.ends_with(".pchadr.wrk"))
            .count()
            < 20
            || copies.lock().len() < 19
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(
            !place
                .names()
                .iter()
                .any(|it| !it.ends_with(WORK) && it != "from")
        );
        slow.open.add_permits(20);
    };
    let (outcomes, ()) = futures_util::join!(all, disk);
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(*slow.batches.lock().unwrap(), [1, 19]);
    assert_eq!(place.names().len(), 21);
}
