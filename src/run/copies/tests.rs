use super::*;
use crate::run::event::{ClockKind, Event, FORMAT, RunStarted, StepLine};
use crate::run::journal::Journal;
use crate::run::store::MemoryStore;
use crate::step::Effect;
use proptest::prelude::*;

/// The first records of a run, as they stand in its journal.
pub(in crate::run) fn journal(run: &str, records: usize) -> Vec<u8> {
    written(run, records, "the site is as it was")
}

/// Those of one that differs from the second record on.
pub(in crate::run) fn other_journal(run: &str, records: usize) -> Vec<u8> {
    written(run, records, "somebody was here")
}

fn written(run: &str, records: usize, why: &str) -> Vec<u8> {
    let store = MemoryStore::default();
    let mut journal = Journal::begin(Box::new(store.clone()));
    let began = Event::RunStarted(RunStarted {
        format: FORMAT,
        run: run.to_owned(),
        runbook: "failover".to_owned(),
        plan_digest: "p1".to_owned(),
        site_digest: "s1".to_owned(),
        pool: "pchat.litwareinc.com".to_owned(),
        tool: "pchadr 0.1.0".to_owned(),
        host: "adm1".to_owned(),
        user: "ann".to_owned(),
        clock: ClockKind::Simulated,
        until: None,
        continues: None,
        approved: None,
        steps: vec![StepLine {
            id: "drop".to_owned(),
            vendor: None,
            title: String::new(),
            stage: 1,
            effect: Effect::Reversible.into(),
        }],
    });
    let check = |n: usize| Event::StepChecked {
        id: "drop".to_owned(),
        standing: crate::step::Standing::Unknown(why.into()).into(),
        facts: serde_json::json!({ "looked": n }),
    };
    for n in 0..records {
        let event = if n == 0 { began.clone() } else { check(n) };
        journal.append(jiff::Timestamp::UNIX_EPOCH, event).unwrap();
    }
    store.bytes()
}

fn read(bytes: &[u8]) -> Inspected<'_> {
    Inspected::read("r1", bytes)
}

fn settled(first: &[u8], second: &[u8]) -> Result<Vec<u8>, Split> {
    Ok(settle(&read(first), &read(second))?.bytes)
}

fn from(first: &[u8], second: &[u8]) -> Which {
    settle(&read(first), &read(second)).unwrap().from
}

/// One bit of a line changed, where it is still a record that follows the one before.
fn changed(bytes: &[u8], line: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let start = length_of(&bytes, line);
    let here = bytes[start..]
        .windows(7)
        .position(|at| at == b"the sit" || at == b"p1\",\"si");
    bytes[start + here.unwrap()] ^= 1;
    bytes
}

/// The line that a byte stands in, from 0.
fn line_of(bytes: &[u8], at: usize) -> usize {
    bytes[..at].split(|byte| *byte == b'\n').count() - 1
}

#[test]
fn of_two_sound_copies_the_longer_counts_and_a_fork_is_named() {
    let (two, three) = (journal("r1", 2), journal("r1", 3));
    for (first, second, counts) in [
        (&two[..], &three[..], Which::Second),
        (&three, &two, Which::First),
        (&three, &three, Which::First),
        (b"", &three, Which::Second),
    ] {
        assert_eq!(settled(first, second).as_ref(), Ok(&three));
        assert_eq!(from(first, second), counts);
    }
    let other = other_journal("r1", 2);
    for (first, second) in [(&three, &other), (&other, &three)] {
        assert_eq!(settled(first, second), Err(Split::Fork { line: 2 }));
    }
}

#[test]
fn a_journal_of_another_run_a_line_twice_and_nothing_at_all_are_mended_by_the_sound_copy() {
    let sound = journal("r1", 4);
    let twice = |line: usize| {
        let mut lines: Vec<&[u8]> = lines(&sound).collect();
        lines.insert(line, lines[line]);
        lines.concat()
    };
    let others = [
        journal("r2", 9),
        twice(0),
        twice(1),
        twice(3),
        Vec::new(),
        b"\0\0\0\0".to_vec(),
    ];
    for other in &others {
        assert_eq!(settled(&sound, other).as_ref(), Ok(&sound));
        assert_eq!(settled(other, &sound).as_ref(), Ok(&sound));
        assert_eq!(from(&sound, other), Which::First);
        assert_eq!(from(other, &sound), Which::Second);
        let is_used = read(other).damage.is_none() && !read(other).records.is_empty();
        assert!(!is_used, "{other:?}");
    }
    // A line twice is no secret: the others are all there.
    assert_eq!(settled(&twice(1), &journal("r2", 9)).as_ref(), Ok(&sound));
    assert_eq!(
        settled(&journal("r3", 2), &journal("r2", 9)),
        Err(Split::Neither)
    );
}

#[test]
fn a_damaged_copy_that_went_further_gives_what_follows_the_end_of_the_sound_one() {
    let (short, long) = (journal("r1", 3), journal("r1", 6));
    for line in 0..2 {
        let damaged = changed(&long, line);
        assert!(read(&damaged).damage.is_some());
        assert_eq!(settled(&short, &damaged).as_ref(), Ok(&long), "line {line}");
        assert_eq!(settled(&damaged, &short).as_ref(), Ok(&long), "line {line}");
        // It went further: what it kept beside its journal is newer.
        assert_eq!(from(&short, &damaged), Which::Second);
    }
}

#[test]
fn two_copies_that_are_damaged_in_different_lines_make_one_that_is_whole() {
    let sound = journal("r1", 6);
    for (one, other) in (0..5).flat_map(|one| (0..5).map(move |other| (one, other))) {
        let [first, second] = [one, other].map(|line| changed(&sound, line));
        if one == other {
            // What follows needs the line that neither has.
            assert_eq!(settled(&first, &second), Err(Split::Behind), "line {one}");
        } else {
            assert_eq!(
                settled(&first, &second).as_ref(),
                Ok(&sound),
                "{one}, {other}"
            );
        }
    }
}

#[test]
fn a_damaged_copy_is_not_mended_where_a_record_that_only_it_had_is_damaged() {
    let (short, mut long) = (journal("r1", 3), journal("r1", 6));
    let whole = long.clone();
    for at in [short.len() + 9, length_of(&long, 4) + 9] {
        long[at] ^= 1;
        assert!(read(&long).damage.is_some(), "byte {at}");
        assert_eq!(settled(&short, &long), Err(Split::Behind), "byte {at}");
        assert_eq!(settled(&long, &short), Err(Split::Behind), "byte {at}");
        long.clone_from(&whole);
    }
}

#[test]
fn records_that_are_no_run_are_damage_from_the_first_illegal_one_on() {
    let store = MemoryStore::with(&journal("r1", 2));
    let (mut written, _) = Journal::reopen(Box::new(store.clone())).unwrap();
    let done = Event::StepFinished {
        id: "drop".to_owned(),
        outcome: crate::run::event::StepOutcome::Done,
        note: String::new(),
    };
    written.append(jiff::Timestamp::UNIX_EPOCH, done).unwrap();
    let bytes = store.bytes();
    let seen = read(&bytes);
    assert_eq!(seen.records.len(), 2);
    assert_eq!(seen.sound(), journal("r1", 2));
    let damage = seen.damage.unwrap().to_string();
    assert!(damage.starts_with("record 3: "), "{damage}");
}

/// One bit of one copy is mended, wherever it is; of the last line alone nobody can tell what it was,
/// as nothing follows it: then the copies fork there.
#[test]
fn each_bit_of_either_copy_is_mended_by_the_other_or_named_in_the_last_line() {
    let sound = journal("r1", 3);
    let mut forks = 0;
    for at in 0..sound.len() {
        for bit in 0..8 {
            let mut flipped = sound.clone();
            flipped[at] ^= 1 << bit;
            for verdict in [settled(&sound, &flipped), settled(&flipped, &sound)] {
                if verdict == Err(Split::Fork { line: 3 }) && line_of(&sound, at) == 2 {
                    forks += 1;
                } else {
                    // A last line that is no record any more is a torn one: the other is longer.
                    assert_eq!(verdict.as_ref(), Ok(&sound), "byte {at}, bit {bit}");
                }
            }
        }
    }
    assert!(forks > 0);
}

#[test]
fn a_run_that_is_killed_at_any_byte_of_its_last_record_stands_where_the_record_before_left_it() {
    let bytes = journal("r1", 3);
    let before = journal("r1", 2);
    for cut in before.len()..bytes.len() {
        let seen = read(&bytes[..cut]);
        assert_eq!(seen.damage, None, "{cut}");
        assert_eq!(seen.sound(), before, "{cut}");
        assert_eq!(from(&bytes[..cut], &bytes), Which::Second, "{cut}");
        assert_eq!(from(&bytes, &bytes[..cut]), Which::First, "{cut}");
    }
}

proptest! {
    #[test]
    fn any_beginning_of_a_copy_gives_way_to_the_longer_one(
        records in 1usize..6, cut in any::<prop::sample::Index>(),
    ) {
        let bytes = journal("r1", records);
        let shorter = &bytes[..cut.index(bytes.len() + 1)];
        for (first, second) in [(&bytes[..], shorter), (shorter, &bytes[..])] {
            prop_assert_eq!(settled(first, second), Ok(bytes.clone()));
        }
    }

    /// Both copies spoiled: the one that is used has every record of the run, or none is used.
    #[test]
    fn two_spoiled_copies_never_pass_for_a_shorter_run(
        records in 2usize..6,
        spoiled in [(any::<prop::sample::Index>(), 1u8..), (any::<prop::sample::Index>(), 1u8..)],
    ) {
        let bytes = journal("r1", records);
        let [first, second] = spoiled.map(|(at, flip)| {
            let mut copy = bytes.clone();
            copy[at.index(bytes.len())] ^= flip;
            copy
        });
        let Ok(used) = settled(&first, &second) else {
            return Ok(());
        };
        // The last record alone may be missing or be another, as if the run had been killed before it:
        // nothing follows it.
        let sure = length_of(&bytes, records - 1);
        prop_assert_eq!(used.get(..sure), Some(&bytes[..sure]));
    }
}
