//! One pass over the sets of a database in LSN order.

use std::collections::HashSet;
use std::ops::Range;

use jiff::civil::DateTime;

use super::{Gap, LeftOut, Link, LogChain, LogFile};
use crate::model::Lsn;
use crate::model::header::BackupKind;

/// A set with all its copies.
struct Set {
    first: Lsn,
    last: Lsn,
    /// Creation date of the database.
    created: DateTime,
    /// Where its files stand in the sorted members.
    files: Range<usize>,
    linked: bool,
}

/// Files of one database, by their indexes.
pub(super) struct Members {
    pub(super) files: Vec<usize>,
    /// Those that are known to hold their sets alone.
    pub(super) alone: HashSet<usize>,
}

impl Members {
    /// Files of which nothing else is known.
    pub(super) fn plain(files: Vec<usize>) -> Self {
        let alone = HashSet::new();
        Self { files, alone }
    }
}

/// Builds the chain of the files `members`, all of one database, from `from` on, or else from the
/// lowest `FirstLSN`.
pub(super) fn build(
    files: &[LogFile],
    members: Members,
    from: Option<Lsn>,
    created: Option<DateTime>,
    mut left_out: Vec<LeftOut>,
) -> LogChain {
    let is_log = |file: &usize| files[*file].header.kind == BackupKind::Log;
    let Members {
        files: members,
        alone,
    } = members;
    let logs = || members.iter().filter(|file| is_log(file));
    let reaches = logs().map(|file| files[*file].header.last_lsn).max();
    let lowest = logs().map(|file| files[*file].header.first_lsn).min();

    let sound = sound(files, members, &alone, &mut left_out);
    let mut sets = sets(files, &sound, &alone, &mut left_out);
    let from = from
        .or(sets.first().map(|set| set.first))
        .or(lowest)
        .unwrap_or_default();

    let (order, to) = walk(&mut sets, from, created);
    let links: Vec<Link> = order
        .into_iter()
        .map(|set| {
            let set = &sets[set];
            let mut files = sound[set.files.clone()].to_vec();
            files.sort_unstable();
            Link {
                first_lsn: set.first,
                last_lsn: set.last,
                files,
            }
        })
        .collect();
    for set in sets.iter().filter(|set| !set.linked) {
        let reason = reason(files, set, &links, from, to);
        left_out.extend(sound[set.files.clone()].iter().map(|file| LeftOut {
            file: *file,
            reason: reason.clone(),
        }));
    }
    left_out.sort_by_key(|it| it.file);
    LogChain {
        from,
        to,
        links,
        left_out,
        gaps: gaps(&sets, to),
        reaches: reaches.unwrap_or_default(),
    }
}

/// The whole log backups among the members, sorted so that the files of one set stand together.
fn sound(
    files: &[LogFile],
    members: Vec<usize>,
    alone: &HashSet<usize>,
    left_out: &mut Vec<LeftOut>,
) -> Vec<usize> {
    let mut sound = Vec::with_capacity(members.len());
    for file in members {
        let header = &files[file].header;
        let reason = match header.kind {
            BackupKind::Full => "a full backup",
            BackupKind::Differential => "a differential backup",
            BackupKind::Log if !header.complete => {
                "without its end: truncated, or still being written"
            }
            BackupKind::Log if header.last_lsn < header.first_lsn => "its LSNs run backwards",
            BackupKind::Log => {
                sound.push(file);
                continue;
            }
        };
        left_out.push(LeftOut {
            file,
            reason: reason.to_owned(),
        });
    }
    sound.sort_unstable_by_key(|file| {
        let it = &files[*file];
        (it.identity(), !alone.contains(file), it.fingerprint, *file)
    });
    sound
}

/// The sets of the sorted files. Of those that several different files claim to hold, the files that
/// are known to hold them alone, which stand first.
fn sets(
    files: &[LogFile],
    sound: &[usize],
    alone: &HashSet<usize>,
    left_out: &mut Vec<LeftOut>,
) -> Vec<Set> {
    let mut sets = Vec::with_capacity(sound.len());
    let mut at = 0;
    for same in sound.chunk_by(|a, b| files[*a].identity() == files[*b].identity()) {
        let mut range = at..at + same.len();
        at = range.end;
        let print = |file: &usize| files[*file].fingerprint;
        let mut bytes: Vec<_> = same.iter().map(print).collect();
        bytes.sort_unstable();
        bytes.dedup();
        if bytes.len() > 1 {
            let usable = same.iter().take_while(|file| alone.contains(file)).count();
            range.end = range.start + usable;
            let reason = format!(
                "{} different files have the same LSNs and start date: stripes of one set, or a conflict",
                bytes.len()
            );
            left_out.extend(same[usable..].iter().map(|file| LeftOut {
                file: *file,
                reason: reason.clone(),
            }));
            if usable == 0 {
                continue;
            }
        }
        let header = &files[same[0]].header;
        sets.push(Set {
            first: header.first_lsn,
            last: header.last_lsn,
            created: header.database_created,
            files: range,
            linked: false,
        });
    }
    sets
}

/// Follows the sets from an LSN on as far as they join; answers the indexes of the links and where
/// they end. `created` is the creation date of the database that is meant, as far as it is known.
fn walk(sets: &mut [Set], from: Lsn, mut created: Option<DateTime>) -> (Vec<usize>, Lsn) {
    let mut links: Vec<usize> = Vec::new();
    let mut current = from;
    // The longest of the sets that begin before the current LSN, all of them before `next`.
    let mut longest: Option<usize> = None;
    let mut next = 0;
    loop {
        while next < sets.len() && sets[next].first < current {
            if longest.is_none_or(|it| sets[it].last < sets[next].last) {
                longest = Some(next);
            }
            next += 1;
        }
        let mut beginning = None;
        let here = (next..sets.len()).take_while(|set| sets[*set].first == current);
        for set in here.collect::<Vec<_>>() {
            if sets[set].last == current {
                sets[set].linked = true;
                links.push(set);
                continue;
            }
            let preference = |set: usize| (created == Some(sets[set].created), sets[set].last);
            if beginning.is_none_or(|it| preference(it) < preference(set)) {
                beginning = Some(set);
            }
        }
        let overlapping = match created {
            Some(_) => longest.filter(|set| sets[*set].last > current),
            // Nothing applied yet tells which database is meant, if one was made anew under the
            // name while old sets still lie there: the newest.
            None => (0..next)
                .filter(|set| sets[*set].last > current)
                .max_by_key(|set| (sets[*set].created, sets[*set].last)),
        };
        let Some(set) = beginning.or(overlapping) else {
            return (links, current);
        };
        sets[set].linked = true;
        links.push(set);
        current = sets[set].last;
        created = Some(sets[set].created);
    }
}

/// Every stretch of log beyond `to` that no set holds, as far as the last set.
fn gaps(sets: &[Set], to: Lsn) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let mut after = to;
    for set in sets {
        if set.first > after {
            gaps.push(Gap {
                after,
                before: set.first,
            });
        }
        after = after.max(set.last);
    }
    gaps
}

/// Why a set is in no link.
fn reason(files: &[LogFile], set: &Set, links: &[Link], from: Lsn, to: Lsn) -> String {
    if set.last <= from {
        return format!("already applied: it ends at {}", set.last);
    }
    if set.first > to {
        return format!("behind the gap at {to}");
    }
    let covering = links.partition_point(|link| link.last_lsn <= set.first);
    match links.get(covering) {
        Some(link) => {
            let path = link.files.first().map(|file| files[*file].path.as_str());
            let rest = if link.last_lsn < set.last {
                " and the sets behind it"
            } else {
                ""
            };
            format!("covered by `{}`{rest}", path.unwrap_or_default())
        }
        None => "covered by the chain".to_owned(),
    }
}
