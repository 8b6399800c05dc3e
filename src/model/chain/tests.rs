#![allow(clippy::unwrap_used)]

use jiff::civil::{DateTime, date};
use proptest::prelude::*;

use sha2::{Digest, Sha256};

use super::*;
use crate::model::header::{BackupKind, sample};

fn lsn(block: u32) -> Lsn {
    Lsn::new(39, block, 1)
}

fn minute(minute: i64) -> DateTime {
    let start = date(2024, 5, 6).at(0, 0, 0, 0);
    start
        .checked_add(jiff::Span::new().minutes(minute))
        .unwrap()
}

/// A log backup of mgc from block `first` to block `last`, begun in minute `first`.
fn log(path: &str, first: u32, last: u32) -> LogFile {
    let header = sample::header(lsn(first), lsn(last), minute(i64::from(first)));
    LogFile {
        path: path.to_owned(),
        size: 100,
        header,
        fingerprint: fingerprint(path),
    }
}

fn fingerprint(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

fn copy_of(file: &LogFile, path: &str) -> LogFile {
    LogFile {
        path: path.to_owned(),
        ..file.clone()
    }
}

fn build(files: &[LogFile], from: u32) -> LogChain {
    LogChain::build(files, "mgc", lsn(from))
}

/// Paths of the links, copies joined by `+`.
fn links(files: &[LogFile], chain: &LogChain) -> Vec<String> {
    let path = |file: &usize| files[*file].path.as_str();
    let link = |link: &Link| link.files.iter().map(path).collect::<Vec<_>>().join("+");
    chain.links.iter().map(link).collect()
}

fn reason<'a>(files: &[LogFile], chain: &'a LogChain, path: &str) -> &'a str {
    let left = |it: &&LeftOut| files[it.file].path == path;
    &chain.left_out.iter().find(left).unwrap().reason
}

fn gap(after: u32, before: u32) -> Gap {
    Gap {
        after: lsn(after),
        before: lsn(before),
    }
}

#[test]
fn sets_that_join_are_one_chain_whatever_their_order() {
    let files = [log("c", 30, 40), log("a", 10, 20), log("b", 20, 30)];
    let chain = build(&files, 10);
    assert_eq!(links(&files, &chain), ["a", "b", "c"]);
    assert_eq!((chain.from, chain.to), (lsn(10), lsn(40)));
    assert!(chain.is_whole() && chain.left_out.is_empty());
}

#[test]
fn a_set_that_holds_redo_start_inside_applies_and_one_that_ends_there_does_not() {
    let files = [log("a", 10, 20), log("b", 20, 30)];
    let chain = build(&files, 25);
    assert_eq!(links(&files, &chain), ["b"]);
    let chain = build(&files, 20);
    assert_eq!(links(&files, &chain), ["b"]);
    let text = reason(&files, &chain, "a");
    assert_eq!(text, format!("already applied: it ends at {}", lsn(20)));
}

#[test]
fn the_sets_of_two_hosts_are_one_chain() {
    let mut files = [log("a", 10, 20), log("b", 20, 30), log("c", 30, 40)];
    files[1].header.server = r"SQL2\CHAT".to_owned();
    files[1].header.database_created = minute(0);
    assert_eq!(links(&files, &build(&files, 10)), ["a", "b", "c"]);
    let chains = survey(&files);
    assert_eq!(chains.len(), 1);
    assert_eq!(links(&files, &chains[0].1), ["a", "b", "c"]);
}

#[test]
fn empty_sets_at_the_current_lsn_are_links_that_need_no_restore() {
    let mut files = [
        log("a", 10, 20),
        log("idle2", 20, 20),
        log("idle1", 20, 20),
        log("b", 20, 30),
        log("idle3", 30, 30),
        log("inside", 15, 15),
        log("before", 5, 5),
    ];
    files[1].header.started = minute(60);
    let chain = build(&files, 10);
    assert_eq!(links(&files, &chain), ["a", "idle1", "idle2", "b", "idle3"]);
    assert_eq!(chain.applicable().count(), 2);
    assert_eq!(reason(&files, &chain, "inside"), "covered by `a`");
    assert!(reason(&files, &chain, "before").starts_with("already applied"));
    assert!(chain.is_whole());
}

#[test]
fn an_empty_set_behind_a_hole_shows_the_hole() {
    let files = [log("a", 10, 20), log("idle", 30, 30)];
    let chain = build(&files, 10);
    assert_eq!(chain.gaps, [gap(20, 30)]);
    assert_eq!(chain.to, lsn(20));
}

#[test]
fn every_gap_is_named_and_what_lies_behind_the_first_is_left_out() {
    let files = [
        log("a", 10, 20),
        log("c", 30, 40),
        log("d", 40, 50),
        log("f", 60, 70),
    ];
    let chain = build(&files, 10);
    assert_eq!(chain.gaps, [gap(20, 30), gap(50, 60)]);
    assert_eq!(
        (links(&files, &chain), chain.to),
        (vec!["a".to_owned()], lsn(20))
    );
    for path in ["c", "d", "f"] {
        assert!(reason(&files, &chain, path).starts_with("behind the gap at"));
    }
    assert!(!chain.is_whole());
}

#[test]
fn a_gap_at_the_very_start_leaves_no_link() {
    let files = [log("a", 10, 20)];
    let chain = build(&files, 5);
    assert!(chain.links.is_empty());
    assert_eq!((chain.to, chain.gaps), (lsn(5), vec![gap(5, 10)]));
}

#[test]
fn copies_are_one_link_with_all_their_places() {
    let a = log("share/a", 10, 20);
    let files = [copy_of(&a, "copy/a"), log("b", 20, 30), a];
    let chain = build(&files, 10);
    assert_eq!(links(&files, &chain), ["copy/a+share/a", "b"]);
    assert_eq!(chain.links[0].files, [0, 2]);
    assert!(chain.left_out.is_empty());
}

#[test]
fn different_bytes_for_one_set_are_refused_and_end_the_chain() {
    let mut files = [
        log("a", 10, 20),
        log("b1", 20, 30),
        log("b2", 20, 30),
        log("c", 30, 40),
    ];
    let chain = build(&files, 10);
    assert_eq!(links(&files, &chain), ["a"]);
    assert_eq!(chain.gaps, [gap(20, 30)]);
    for path in ["b1", "b2"] {
        assert!(reason(&files, &chain, path).starts_with("2 different files"));
    }
    files[3].header.database = "other".to_owned();
    let chain = build(&files, 10);
    assert_eq!((chain.to, chain.reaches), (lsn(20), lsn(30)));
    assert!(chain.gaps.is_empty() && !chain.is_whole());
}

#[test]
fn a_set_that_begins_at_the_lsn_is_preferred_then_the_longest() {
    let files = [
        log("a", 10, 20),
        log("exact", 20, 30),
        log("exact longer", 20, 35),
        log("wide", 15, 90),
        log("b", 35, 40),
    ];
    let mut chain = build(&files, 10);
    assert_eq!(links(&files, &chain), ["a", "exact longer", "b", "wide"]);
    assert_eq!(reason(&files, &chain, "exact"), "covered by `exact longer`");
    chain = build(&files, 16);
    assert_eq!(links(&files, &chain), ["wide"]);
    assert_eq!(reason(&files, &chain, "b"), "covered by `wide`");
    let covered = reason(&files, &chain, "a");
    assert_eq!(covered, "covered by `wide`");
}

#[test]
fn other_databases_kinds_and_unfinished_files_are_left_out_with_reasons() {
    let mut files = [
        log("a", 10, 20),
        log("b", 20, 30),
        log("c", 20, 30),
        log("d", 20, 30),
    ];
    files[0].header.database = "MGC".to_owned();
    files[1].header.database = "mgccomp".to_owned();
    files[2].header.kind = BackupKind::Full;
    files[3].header.complete = false;
    let chain = build(&files, 10);
    assert_eq!(links(&files, &chain), ["a"]);
    assert_eq!(reason(&files, &chain, "b"), "of database `mgccomp`");
    assert_eq!(reason(&files, &chain, "c"), "a full backup");
    assert!(reason(&files, &chain, "d").starts_with("without its end"));
    assert!(!chain.is_whole(), "the unfinished file holds more log");
}

#[test]
fn a_database_made_anew_has_a_chain_of_its_own() {
    let mut files = [
        log("a", 10, 20),
        log("b", 20, 30),
        log("new", 12, 18),
        log("full", 11, 12),
    ];
    files[2].header.database_created = minute(0);
    files[3].header.database_created = minute(0);
    files[3].header.kind = BackupKind::Full;
    let chains = survey(&files);
    assert_eq!(chains.len(), 2);
    assert_eq!(links(&files, &chains[0].1), ["a", "b"]);
    assert_eq!(links(&files, &chains[1].1), ["new"]);
    assert_eq!(reason(&files, &chains[1].1, "full"), "a full backup");
}

#[test]
fn the_newest_of_two_databases_of_one_name_is_followed() {
    let mut files = [log("old", 10, 90), log("new", 12, 30)];
    files[1].header.database_created = minute(0);
    assert_eq!(links(&files, &build(&files, 15)), ["new", "old"]);
}

#[test]
fn a_survey_has_one_chain_a_database_and_none_without_logs() {
    let mut files = [log("m", 10, 20), log("c", 1, 2), log("f", 1, 2)];
    files[1].header.database = "mgccomp".to_owned();
    files[2].header.database = "master".to_owned();
    files[2].header.kind = BackupKind::Full;
    let names: Vec<_> = survey(&files).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["mgc", "mgccomp"]);
    assert!(survey(&[]).is_empty());
}

#[test]
fn a_hundred_thousand_files_take_less_than_a_kibibyte_each() {
    let files: Vec<_> = (0..100_000)
        .map(|n| log(&format!("mgc_{n}.trn"), n, n + 1))
        .collect();
    let chain = build(&files, 50_000);
    assert_eq!(chain.applicable().count(), 50_000);

    // Two pages of code hold no byte counter: what a file costs is what these hold.
    let links = chain.links.capacity() * size_of::<Link>();
    let copies: usize = chain.links.iter().map(|it| it.files.capacity() * 8).sum();
    let left = chain.left_out.capacity() * size_of::<LeftOut>();
    let reasons: usize = chain.left_out.iter().map(|it| it.reason.capacity()).sum();
    let each = (links + copies + left + reasons) / files.len();
    assert!(each < 256, "{each}");
}

/// Links, what is left out, gaps.
type Told = (Vec<Vec<String>>, Vec<(String, String)>, Vec<Gap>);

/// What a chain says, by path instead of index.
fn told(files: &[LogFile], chain: &LogChain) -> Told {
    let path = |file: usize| files[file].path.clone();
    let mut links: Vec<Vec<String>> = Vec::new();
    for link in &chain.links {
        links.push(link.files.iter().map(|it| path(*it)).collect());
        links.last_mut().unwrap().sort();
    }
    let mut left: Vec<_> = chain
        .left_out
        .iter()
        .map(|it| (path(it.file), it.reason.clone()))
        .collect();
    left.sort();
    (links, left, chain.gaps.clone())
}

fn any_files() -> impl Strategy<Value = Vec<LogFile>> {
    let file = (0u32..12, 0u32..4, 0i64..2, 0u8..3, 0i64..2, 0u8..12);
    proptest::collection::vec(file, 0..24).prop_map(|files| {
        let make = |(n, (first, length, started, print, created, oddity))| {
            let mut file = log(&format!("{n:02}"), first, first + length);
            file.header.started = minute(started);
            // Equal bytes are equal headers.
            file.fingerprint = fingerprint(&format!("{print} {created}"));
            file.header.database_created = minute(created);
            match oddity {
                0 => file.header.complete = false,
                1 => file.header.kind = BackupKind::Full,
                2 => file.header.database = "other".to_owned(),
                _ => {}
            }
            file
        };
        files.into_iter().enumerate().map(make).collect()
    })
}

proptest! {
    #[test]
    fn every_file_is_in_one_place_and_the_links_join(files in any_files(), from in 0u32..14) {
        let chain = build(&files, from);
        let mut current = chain.from;
        for link in &chain.links {
            prop_assert!(link.first_lsn <= current);
            prop_assert!(current < link.last_lsn || (link.is_empty() && link.last_lsn == current));
            current = link.last_lsn;
        }
        prop_assert_eq!(current, chain.to);
        let mut placed: Vec<usize> = chain.links.iter().flat_map(|it| it.files.clone()).collect();
        placed.extend(chain.left_out.iter().map(|it| it.file));
        placed.sort_unstable();
        prop_assert_eq!(placed, (0..files.len()).collect::<Vec<_>>());
    }

    #[test]
    fn any_order_of_the_files_gives_the_same_chains(
        (files, shuffled) in any_files().prop_flat_map(|it| (Just(it.clone()), Just(it).prop_shuffle())),
        from in 0u32..14,
    ) {
        // Files are told apart by path: of two copies either may be named as the covering one.
        let named = |text: Told| {
            let left = text.1.into_iter().map(|(path, reason)| {
                (path, reason.split('`').next().unwrap_or_default().to_owned())
            });
            (text.0, left.collect::<Vec<_>>(), text.2)
        };
        let one = named(told(&files, &build(&files, from)));
        let other = named(told(&shuffled, &build(&shuffled, from)));
        prop_assert_eq!(one, other);
        let all = |files: &[LogFile]| -> Vec<_> {
            survey(files).iter().map(|(name, it)| (name.clone(), named(told(files, it)))).collect()
        };
        prop_assert_eq!(all(&files), all(&shuffled));
    }

    #[test]
    fn one_file_less_stops_exactly_there(length in 2u32..30, missing in 0u32..30, from in 0u32..30) {
        let (missing, from) = (missing % length, from % length);
        let files: Vec<_> = (0..length)
            .filter(|n| *n != missing)
            .map(|n| log(&n.to_string(), n, n + 1))
            .collect();
        let chain = build(&files, from);
        let holed = from <= missing && missing + 1 < length;
        let end = if from <= missing { missing } else { length };
        prop_assert_eq!(chain.to, lsn(end));
        prop_assert_eq!(chain.links.len(), usize::try_from(end - from).unwrap());
        let gaps: Vec<_> = holed.then_some(gap(missing, missing + 1)).into_iter().collect();
        prop_assert_eq!(&chain.gaps, &gaps);
        prop_assert_eq!(chain.is_whole(), !holed);
    }

    #[test]
    fn the_chain_and_its_gaps_hold_all_log_that_is_there(files in any_files(), from in 0u32..14) {
        // Every stretch between two neighboring LSNs beyond `from` is in the chain, or behind the
        // first gap in a sound set, or in a gap, or behind everything.
        let chain = build(&files, from);
        let refused: Vec<usize> = chain.left_out.iter()
            .filter(|it| !it.reason.starts_with("covered") && !it.reason.starts_with("behind") && !it.reason.starts_with("already"))
            .map(|it| it.file).collect();
        for at in from..20 {
            let held = files.iter().enumerate().any(|(n, it)| {
                !refused.contains(&n) && it.header.first_lsn <= lsn(at) && lsn(at) < it.header.last_lsn
            });
            let in_chain = lsn(at) < chain.to;
            let in_gap = chain.gaps.iter().any(|gap| gap.after <= lsn(at) && lsn(at) < gap.before);
            let behind = files.iter().enumerate().all(|(n, it)| refused.contains(&n) || it.header.last_lsn <= lsn(at));
            prop_assert!(held != (in_gap || behind), "{}", at);
            prop_assert!(!in_chain || held);
        }
    }
}

proptest! {
    #[test]
    fn one_changed_byte_or_another_size_is_another_fingerprint(
        head in prop::collection::vec(any::<u8>(), 0..200),
        tail in prop::collection::vec(any::<u8>(), 1..200),
        size in any::<u64>(),
        at in any::<prop::sample::Index>(),
        change in 1..=u8::MAX,
    ) {
        let of = super::fingerprint;
        let whole = of(&head, &tail, size);
        prop_assert_eq!(whole, of(&head, &tail, size));
        prop_assert_ne!(whole, of(&head, &tail, size.wrapping_add(u64::from(change))));
        prop_assert_ne!(whole, of(&tail, &head, size.wrapping_add(1)));
        let mut other = tail.clone();
        other[at.index(tail.len())] ^= change;
        prop_assert_ne!(whole, of(&head, &other, size));
        other.clone_from(&tail);
        other.push(0);
        prop_assert_ne!(whole, of(&head, &other, size));
        if !head.is_empty() {
            let mut other = head.clone();
            other[at.index(head.len())] ^= change;
            prop_assert_ne!(whole, of(&other, &tail, size));
        }
    }
}
