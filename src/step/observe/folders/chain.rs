//! The chain over all folders.

mod copies;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::collections::HashSet;

use jiff::civil::DateTime;
use serde::Serialize;

use super::kin::print;
use super::{CUT, File, Folder, Folders, Holds, Kin};
use crate::model::chain::{Gap, Known, Link, LogFile};
use crate::model::header::BackupKind;
use crate::model::words::count;
use crate::model::{LogChain, Lsn};
use crate::site::Site;
use copies::{Copier, is_work};
pub use copies::{Source, ToCopy};

/// A set of the chain that needs a RESTORE, with the places where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// First LSN.
    pub first_lsn: Lsn,
    /// Last LSN.
    pub last_lsn: Lsn,
    /// Place in its file.
    pub position: u16,
    /// Bytes of its file.
    pub size: u64,
    /// Over the size and both ends of its file.
    pub fingerprint: [u8; 32],
    /// Name in the copy folder, where it is there.
    pub in_copy: Option<String>,
    /// Where it lies else.
    pub source: Option<Source>,
    /// Name under which it will be copied, where the copy folder lacks it.
    pub planned: Option<String>,
    /// `server\instance` that wrote it.
    pub server: String,
    /// When it ended, that server's local time.
    pub finished: Option<DateTime>,
    /// Major version of the software that wrote it.
    pub major: u8,
}

/// A file that may hold log of the database and gives none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// Its path.
    pub path: String,
    /// Why.
    pub why: String,
    /// The LSNs that its beginning names, where it does.
    pub lsns: Option<(Lsn, Lsn)>,
}

/// The chain from redo start on.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Chain {
    /// Where it begins.
    pub from: Lsn,
    /// Where it ends.
    pub to: Lsn,
    /// Sets that need a RESTORE.
    pub sets_to_apply: usize,
    /// When the last set ended, empty ones too: the recovery point, in the time of the server that wrote it.
    pub last_finished: Option<DateTime>,
    /// Major version of the software that wrote the last set.
    pub last_major: Option<u8>,
    /// `server\instance` that wrote the last set.
    pub last_server: Option<String>,
    /// Holes.
    pub gaps: Vec<Gap>,
    /// Who wrote the first set behind the first hole, and when.
    pub behind_gap: Option<(String, Option<DateTime>)>,
    /// True when no file names log beyond the end.
    pub whole: bool,
    /// True when every folder was read; else there may be more.
    pub share_is_known: bool,
    /// Folders that could not be read, beside `[shares] backup`.
    pub unread_folders: Vec<Unread>,
    /// Log backups of this database that are in no link, beyond redo start: path and reason.
    pub left_out: Vec<(String, String)>,
    /// Sets that cannot be applied: they would be the first or the last.
    pub unfit: Vec<Unread>,
    /// Files that may be log backups of it, and that nobody here could read.
    pub unreadable: Vec<Unread>,
    /// Files of which only an instance can tell what they hold, and which are not copied yet: what
    /// is lost is known when they are.
    pub pending: Vec<Unread>,
    /// Path, as the backup instance sees it, of the last set, its fingerprint and its place there.
    #[serde(skip)]
    pub last: Option<(String, [u8; 32], u16)>,
    /// The sets.
    #[serde(skip)]
    pub sets: Vec<Set>,
    /// The files that the copy folder lacks.
    #[serde(skip)]
    pub to_copy: Vec<ToCopy>,
}

/// A log backup and where it lies.
struct Placed<'a> {
    folder: &'a Folder,
    file: &'a File,
    /// In the copy folder.
    in_copies: bool,
    /// There, and under a name that may be applied.
    copied: bool,
    log: &'a LogFile,
}

/// The chain over all folders; one that is unknown adds nothing, and its caller looks at that.
pub fn chain(site: &Site, folders: &Folders, redo: Lsn, kin: &Kin) -> Chain {
    let places = places(folders);
    // What ends before redo start was applied and decides nothing; there may be a thousand of them.
    let beyond: Vec<&Placed<'_>> = places
        .iter()
        .filter(|it| it.log.header.last_lsn >= redo)
        .collect();
    let files: Vec<LogFile> = beyond.iter().map(|it| it.log.clone()).collect();
    let chain = build(site, &files, redo, kin);
    let mut sets: Vec<Set> = chain
        .applicable()
        .filter_map(|link| set(&beyond, link))
        .collect();

    let mut copier = Copier::new(folders);
    for set in &mut sets {
        copier.add(set);
    }
    let mut pending = Vec::new();
    let mut unreadable = Vec::new();
    let known = copies::Known::of(folders, &site.database.chat, |log| is_log_of(site, log));
    for (is_copy, file) in marked(folders) {
        let unread = |why: &str, head: Option<&LogFile>| Unread {
            path: file.path.clone(),
            why: why.to_owned(),
            lsns: head.map(|it| (it.header.first_lsn, it.header.last_lsn)),
        };
        match &file.holds {
            Holds::Nothing => {}
            Holds::Sets(sets) => {
                // What was broken off may be the log that comes next: it is lost, and named.
                let next = |it: &LogFile| is_log_of(site, it) && it.header.last_lsn >= chain.to;
                if file.broken_off && sets.last().is_some_and(|it| next(it)) {
                    unreadable.push(unread(BROKEN_OFF, None));
                }
            }
            Holds::Opaque(why, head) => {
                if !is_copy && copier.add_opaque(&known, file) {
                    pending.push(unread(why, head.as_deref()));
                }
            }
            Holds::Unread(why, head) => {
                let head = head.as_deref();
                // The instance found no whole set in it, and the log that it was to hold is there.
                let covered = |it: &LogFile| why == CUT && it.header.last_lsn <= chain.to;
                let missed = |it: &LogFile| concerns(site, it, redo) && !covered(it);
                if !known.excuses(is_copy, file, head) && head.is_none_or(missed) {
                    unreadable.push(unread(why, head));
                }
            }
        }
    }
    let of_whom = "whose log it is, only the backup instance can tell";
    let whole = "stripe of a set, or all of it: only the backup instance can tell";
    let unclear = kin.unclear.values().map(|path| (path, of_whom));
    for (path, why) in unclear.chain(kin.rivals.iter().map(|path| (path, whole))) {
        let it = Unread {
            path: path.clone(),
            why: why.to_owned(),
            lsns: None,
        };
        if files.iter().any(|file| file.path == *path) && !in_a_link(&files, &chain, path) {
            if copier.add_path(&places, path) {
                pending.push(it);
            } else {
                unreadable.push(it);
            }
        }
    }
    let last = last_set(site, kin, &places, chain.to);
    let unread_folders = folders.sources.iter().skip(1).filter_map(|(path, seen)| {
        let why = seen.unknown()?.to_string();
        let path = path.to_string();
        let lsns = None;
        Some(Unread { path, why, lsns })
    });
    let nowhere = folders.nowhere.iter().map(|path| Unread {
        path: path.clone(),
        why: "the folder of log shipping's row is no absolute path".to_owned(),
        lsns: None,
    });
    let unread_folders = unread_folders.chain(nowhere);
    let behind = chain.gaps.first().and_then(|gap| {
        let file = files.iter().find(|it| it.header.first_lsn == gap.before)?;
        Some((file.header.server.clone(), file.header.finished))
    });
    let unfit = files.iter().filter_map(|file| {
        Some(Unread {
            path: file.path.clone(),
            why: kin.unfit.get(&print(file))?.clone(),
            lsns: Some((file.header.first_lsn, file.header.last_lsn)),
        })
    });
    Chain {
        unfit: unfit.collect(),
        from: chain.from,
        to: chain.to,
        sets_to_apply: sets.len(),
        last_finished: last.and_then(|it| it.log.header.finished),
        last_major: last.map(|it| it.log.header.software.0),
        last_server: last.map(|it| it.log.header.server.clone()),
        whole: chain.is_whole(),
        share_is_known: folders
            .sources
            .first()
            .is_some_and(|(_, it)| it.seen().is_some()),
        unread_folders: unread_folders.collect(),
        left_out: chain
            .left_out
            .iter()
            .map(|left| (&files[left.file], &left.reason))
            .filter(|(file, _)| concerns(site, file, redo))
            .map(|(file, reason)| (file.path.clone(), reason.clone()))
            .collect(),
        unreadable,
        pending,
        last: last.map(|it| {
            let path = it.folder.engine.join(&it.file.name);
            (path, it.log.fingerprint, it.log.header.position)
        }),
        behind_gap: behind,
        gaps: chain.gaps,
        sets,
        to_copy: copier.files,
    }
}

/// Sets of a date of which it is not known yet whether they are of this database count where they
/// join; else they make no gap.
fn build(site: &Site, files: &[LogFile], redo: Lsn, kin: &Kin) -> LogChain {
    let known = |file: &LogFile| {
        let print = print(file);
        match (kin.strangers.get(&print), kin.unfit.get(&print)) {
            (Some(why), _) => Known::Stranger(why.clone()),
            (None, Some(why)) => Known::Unfit(why.clone()),
            (None, None) if kin.alone.contains(&print) => Known::Alone,
            (None, None) => Known::Nothing,
        }
    };
    let name = site.database.chat.as_str();
    let all = LogChain::of(files, name, redo, kin.created, |_, file| known(file));
    if kin.unclear.is_empty() {
        return all;
    }
    let linked: HashSet<usize> = all
        .links
        .iter()
        .flat_map(|link| link.files.clone())
        .collect();
    LogChain::of(files, name, redo, kin.created, |index, file| {
        let unclear = kin.unclear.contains_key(&file.header.database_created);
        let out = unclear && !linked.contains(&index);
        match known(file) {
            Known::Nothing | Known::Alone if out => Known::Stranger(
                "whose log it is, is not known yet: its creation date is another".to_owned(),
            ),
            told @ (Known::Nothing | Known::Alone | Known::Stranger(_) | Known::Unfit(_)) => told,
        }
    })
}

fn in_a_link(files: &[LogFile], chain: &LogChain, path: &str) -> bool {
    let mut linked = chain.links.iter().flat_map(|link| &link.files);
    linked.any(|index| files[*index].path == path)
}

/// Every set, those of the copy folder first.
fn places(folders: &Folders) -> Vec<Placed<'_>> {
    let copies = folders.copies.seen().into_iter().map(|it| (true, it));
    let sources = folders.sources.iter();
    let sources = sources.filter_map(|(_, seen)| Some((false, seen.seen()?)));
    copies
        .chain(sources)
        .flat_map(|(copies, folder)| {
            folder.sets().map(move |(file, log)| Placed {
                folder,
                file,
                in_copies: copies,
                copied: copies && !is_work(&file.name),
                log,
            })
        })
        .collect()
}

/// Every file, and whether it lies in the copy folder.
pub(super) fn marked(folders: &Folders) -> impl Iterator<Item = (bool, &File)> {
    let copies = folders.copies.seen().map(|folder| (true, folder));
    let sources = folders.sources.iter();
    let sources = sources.filter_map(|(_, seen)| Some((false, seen.seen()?)));
    let folders = copies.into_iter().chain(sources);
    folders.flat_map(|(is_copy, folder)| folder.files.iter().map(move |file| (is_copy, file)))
}

/// A log backup of the database beyond redo start, by its header.
fn concerns(site: &Site, file: &LogFile, redo: Lsn) -> bool {
    is_log_of(site, file) && file.header.last_lsn > redo
}

pub(super) fn is_log_of(site: &Site, file: &LogFile) -> bool {
    file.header.kind == BackupKind::Log && site.database.chat.is(&file.header.database)
}

fn set(places: &[&Placed<'_>], link: &Link) -> Option<Set> {
    let files = || link.files.iter().filter_map(|index| places.get(*index));
    let first = files().next()?;
    let copied = files().find(|it| it.copied);
    // A work file of the copy folder only where nothing else has the set.
    let read = files()
        .find(|it| !it.in_copies)
        .or_else(|| files().find(|it| !it.copied));
    let source = read.map(|it| Source {
        folder: it.folder.path.clone(),
        name: it.file.name.clone(),
    });
    // Two copies may have bytes of their own, and the set another place in each.
    let log = copied.or(read).unwrap_or(first).log;
    let header = &log.header;
    Some(Set {
        first_lsn: link.first_lsn,
        last_lsn: link.last_lsn,
        position: header.position,
        size: log.size,
        fingerprint: log.fingerprint,
        in_copy: copied.map(|it| it.file.name.clone()),
        source,
        planned: None,
        server: header.server.clone(),
        finished: header.finished,
        major: header.software.0,
    })
}

/// The newest whole set at or before the end, empty ones too. Redo start may be greater than its
/// `LastLSN` (`sql-server.md` 2.3: compare with ≥).
fn last_set<'a>(
    site: &Site,
    kin: &Kin,
    places: &'a [Placed<'_>],
    to: Lsn,
) -> Option<&'a Placed<'a>> {
    places
        .iter()
        .filter(|it| {
            let header = &it.log.header;
            let ours =
                kin.is_of(header.database_created) && !kin.strangers.contains_key(&print(it.log));
            ours && is_log_of(site, it.log) && header.last_lsn <= to
        })
        .max_by_key(|it| (it.log.header.last_lsn, it.log.header.finished, it.copied))
}

impl Set {
    /// Name under which it lies in the copy folder, or will.
    pub fn copy_name(&self) -> Option<&str> {
        self.in_copy.as_deref().or(self.planned.as_deref())
    }
}

impl Chain {
    /// Whether it gives all the log that its folders hold, as far as any file tells.
    pub fn is_plain(&self) -> bool {
        self.whole
            && self.share_is_known
            && self.unreadable.is_empty()
            && self.unread_folders.is_empty()
            && self.pending.is_empty()
    }
}

const BROKEN_OFF: &str = "behind its whole sets one was begun, and broken off";

/// Files that are named one by one; of more, their number.
const NAMED: usize = 5;

/// Files with their reasons, the first ones by name.
pub fn named<'a>(files: impl IntoIterator<Item = &'a Unread>) -> String {
    let files: Vec<&Unread> = files.into_iter().collect();
    let mut named: Vec<String> = files
        .iter()
        .take(NAMED)
        .map(|it| match it.lsns {
            Some((first, last)) => format!("`{}` ({}; LSN {first} to {last})", it.path, it.why),
            None => format!("`{}` ({})", it.path, it.why),
        })
        .collect();
    if files.len() > NAMED {
        named.push(format!("and {} more", count(files.len() - NAMED, "file")));
    }
    named.join(", ")
}
