//! The disk of the record: full, frozen or torn at any byte, one of two copies failing, a byte changed
//! in either. Every run goes on, or says that nobody can tell where it stands (rules 5, 8, 12).

use pchadr::cli::rehearse::Stage;
use pchadr::run::archive::{Archive, ArchiveError};
use pchadr::run::copies::{Inspected, Which, settle};
use pchadr::run::event::{Event, Outcome, RunFinished};
use pchadr::run::journal::{self, JournalError};
use pchadr::run::store::{Disk, MemoryStore, Mirrored, ROOM};

use crate::kill_sweep::resume_and_compare;
use crate::site::{Drill, assert_one_writable, effects, litware, paused};
use crate::sweep::{seed, sweep};

/// Length of the journal up to the end of each record.
fn ends(journal: &[u8]) -> Vec<usize> {
    let lines = journal.split_inclusive(|byte| *byte == b'\n');
    let ends = lines.scan(0, |end, line| {
        *end += line.len();
        Some(*end)
    });
    ends.collect()
}

/// Runs the drill on a disk that has so many bytes for its record.
async fn on_a_disk(
    drill: &Drill,
    stage: &Stage,
    bytes: usize,
    then: Disk,
) -> (MemoryStore, Result<RunFinished, JournalError>) {
    let store = MemoryStore::default();
    store.bound(bytes, then);
    let ended = drill.run(stage, &store).await;
    (store, ended)
}

fn last(store: &MemoryStore) -> Event {
    let reading = journal::read(&store.bytes()).expect("a sound journal");
    assert_eq!(reading.whole, store.bytes().len(), "nothing torn is left");
    reading.records.last().expect("a record").event.clone()
}

/// Full within each record: the run ends as stopped, its end is written, and it goes on.
fn fill_at_any_record(drill: &Drill) {
    let whole = drill.undisturbed();
    let points: Vec<(usize, usize)> = ends(&whole.journal).into_iter().enumerate().collect();
    sweep(&points, |(record, end)| {
        paused(async {
            let stage = drill.stage();
            // What is kept beside the journal takes room too: the disk fills there or before.
            let torn = 1 + (record * 37) % 90;
            let bytes = ROOM + end - torn;
            let (store, ended) = on_a_disk(drill, &stage, bytes, Disk::Full).await;
            let what = format!("full within record {}", record + 1);
            if *record == 0 {
                assert!(ended.is_err(), "{what}: there is no record of it");
                assert!(effects(&stage).is_empty(), "{what}");
                return;
            }
            let finished = ended.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(matches!(last(&store), Event::RunFinished(_)), "{what}");
            match (finished.outcome, finished.exit) {
                (Outcome::Refused, 1) => assert!(effects(&stage).is_empty(), "{what}"),
                (Outcome::Stopped, 4) => {
                    let error = finished.error.expect("a cause");
                    let says = error.why.contains("no room left") || error.why.contains("full");
                    assert!(says, "{what}: {error:?}");
                    let survived = store.crash(0);
                    resume_and_compare(drill, stage, survived, &whole, &what).await;
                }
                // The end of the last step, and what ends the run, fit into the room that was kept.
                (Outcome::Done, 0) => assert!(record + 2 >= points.len(), "{what}"),
                other => panic!("{what}: {other:?}"),
            }
        });
    });
}

#[test]
fn rule_12_a_failover_whose_disk_is_full_at_any_record_stops_and_goes_on_when_there_is_room() {
    fill_at_any_record(&Drill::failover(litware()));
}

#[test]
fn rule_12_a_failback_whose_disk_is_full_at_any_record_stops_and_goes_on_when_there_is_room() {
    fill_at_any_record(&Drill::failback(litware()));
}

#[test]
fn no_effect_is_sent_where_there_is_no_room_for_the_end_of_the_run() {
    let drill = Drill::failover(litware());
    paused(async {
        let stage = drill.stage();
        let (store, ended) = on_a_disk(&drill, &stage, ROOM - 1, Disk::Full).await;
        let error = ended.expect_err("no room").to_string();
        assert!(error.contains("given room for its end"), "{error}");
        assert!(store.bytes().is_empty() && effects(&stage).is_empty());
    });
}

#[test]
fn a_run_whose_disk_freezes_at_any_record_goes_on_from_what_is_on_it() {
    let drill = Drill::failover(litware());
    let whole = drill.undisturbed();
    let points: Vec<(usize, usize)> = ends(&whole.journal).into_iter().enumerate().collect();
    sweep(&points, |(record, end)| {
        paused(async {
            let stage = drill.stage();
            let torn = 1 + (record * 37) % 90;
            let (store, ended) = on_a_disk(&drill, &stage, ROOM + end - torn, Disk::Frozen).await;
            let what = format!("frozen within record {}", record + 1);
            assert!(ended.is_err(), "{what}");
            resume_and_compare(&drill, stage, store.crash(torn), &whole, &what).await;
        });
    });
}

/// Runs the drill with two copies, of which one has a disk of so many bytes; what is left of both.
async fn with_two_copies(
    drill: &Drill,
    stage: &Stage,
    second: usize,
) -> ([MemoryStore; 2], RunFinished) {
    let copies = [MemoryStore::default(), MemoryStore::default()];
    copies[1].bound(second, Disk::Full);
    let [here, there] = copies.clone();
    let store = Mirrored::new("rehearsal", here, there, Box::new(|_| ()));
    let part = drill.part(stage, "rehearsal");
    let ended = part.execute(Box::new(store), Vec::new()).await;
    assert_one_writable(stage);
    (copies, ended.expect("a record"))
}

#[test]
fn a_second_copy_that_fails_at_any_byte_stops_nothing_and_is_a_beginning_of_the_first() {
    let drill = Drill::failover(litware());
    let whole = drill.undisturbed();
    let points: Vec<usize> = ends(&whole.journal);
    sweep(&points, |at| {
        paused(async {
            let stage = drill.stage();
            let ([first, second], finished) = with_two_copies(&drill, &stage, at - 5).await;
            assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
            let [first, second] = [first, second].map(|copy| copy.bytes());
            let [one, two] = [&first, &second].map(|copy| Inspected::read("rehearsal", copy));
            let from = |one, other| settle(one, other).map(|it| it.from);
            assert_eq!(from(&one, &two), Ok(Which::First));
            assert_eq!(from(&two, &one), Ok(Which::Second));
            assert!(two.sound().len() < first.len());
        });
    });
}

/// A run that was killed before that record; what is left of it, and the site.
async fn killed_before(drill: &Drill, record: usize) -> (Stage, MemoryStore) {
    let stage = drill.stage();
    let store = MemoryStore::default();
    store.fail_append(record);
    assert!(drill.run(&stage, &store).await.is_err());
    (stage, store.crash(0))
}

/// Numbers that are drawn by a point of a sweep, each below another.
fn drawn(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed;
    move |below| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).expect("31 bits") % below
    }
}

#[test]
fn a_run_with_a_byte_changed_in_either_copy_goes_on_to_the_same_end_or_is_named() {
    let drill = Drill::failover(litware());
    let whole = drill.undisturbed();
    let records = ends(&whole.journal).len();
    let points: Vec<usize> = (2..=records).collect();
    sweep(&points, |record| {
        paused(async {
            let (stage, store) = killed_before(&drill, *record).await;
            let sound = store.bytes();
            let mut draw = drawn(seed() ^ *record as u64);
            let at = draw(sound.len());
            let copies = [store.crash(0), store.crash(0)];
            copies[draw(2)].change(at, 1 << draw(8));
            let what = format!("killed before record {record}, byte {at} changed");
            let [here, there] = copies.clone();
            let mut both = Mirrored::new("rehearsal", here, there, Box::new(|_| ()));
            let last = sound[..sound.len() - 1]
                .iter()
                .rposition(|byte| *byte == b'\n');
            match pchadr::run::store::Store::load(&mut both) {
                Ok(bytes) => {
                    assert!(bytes == sound, "{what}");
                    resume_and_compare(&drill, stage, copies[0].crash(0), &whole, &what).await;
                }
                // Nothing follows the last line: nobody can tell which of the two is the right one.
                Err(error) => assert!(last.is_none_or(|last| at > last), "{what}: {error}"),
            }
        });
    });
}

/// In folders, as the program keeps it: cut within its last record, changed at any byte of either copy
/// or of both, a run is found where it stood or one record before, or is named.
#[test]
fn a_cut_of_the_last_record_and_a_change_of_either_copy_leave_a_run_that_is_found_or_named() {
    let drill = Drill::failover(litware());
    let whole = drill.undisturbed();
    let ends = ends(&whole.journal);
    // A run of which a few records are left: each of many looks reads them anew.
    sweep(&[2, 3, 6], |records| {
        let records = *records;
        let home = tempfile::tempdir().expect("a folder");
        let mirror = home.path().join("mirror");
        let archive = Archive::new(&home.path().join("state"), mirror.to_str().expect("a path"));
        drop(
            archive
                .create("rehearsal", Box::new(|_| ()))
                .expect("a folder"),
        );
        let paths = [archive.folder("rehearsal"), mirror.join("rehearsal")];
        let paths = paths.map(|folder| folder.join("journal.jsonl"));
        let write = |here: &[u8], there: &[u8]| {
            std::fs::write(&paths[0], here).expect("written");
            std::fs::write(&paths[1], there).expect("written");
        };
        let bytes = &whole.journal[..ends[records - 1]];
        let before = ends[records - 2];
        let standing = |bytes: &[u8]| Inspected::read("rehearsal", bytes).state.expect("a run");
        let (stood, one_before) = (standing(bytes), standing(&bytes[..before]));
        let mut draw = drawn(seed() ^ records as u64);
        let cuts = (0..20).map(|_| before + draw(bytes.len() - before));
        for cut in cuts.chain([before, bytes.len() - 1]) {
            write(&bytes[..cut], &bytes[..cut]);
            let found = archive.find("rehearsal").expect("a run");
            assert_eq!(found.state, one_before, "cut at {cut}");
            write(&bytes[..cut], bytes);
            assert_eq!(archive.find("rehearsal").expect("a run").state, stood);
        }
        for n in 0..120 {
            let mut copies = [bytes.to_vec(), bytes.to_vec()];
            let which = [&[0][..], &[1], &[0, 1]][n % 3];
            let mut places = Vec::new();
            for copy in which {
                let at = draw(bytes.len());
                copies[*copy][at] ^= 1 << draw(8);
                places.push(at);
            }
            write(&copies[0], &copies[1]);
            match archive.find("rehearsal") {
                Ok(found) => assert!(
                    found.state == stood || found.state == one_before,
                    "copies {which:?} changed at {places:?}"
                ),
                Err(ArchiveError::Lost(lost)) => {
                    assert!(lost.whole < records, "{lost}");
                    let in_the_last = places.iter().any(|at| *at >= before);
                    assert!(which.len() == 2 || in_the_last, "{places:?}: {lost}");
                }
                Err(other) => panic!("copies {which:?} changed at {places:?}: {other}"),
            }
        }
    });
}
