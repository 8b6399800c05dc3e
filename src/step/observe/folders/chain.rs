//! The chain over the two folders.

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::sync::Arc;

use serde::Serialize;

use super::{Folder, Observed};
use crate::access::copy::is_work_name;
use crate::model::chain::{Gap, Link, LogFile};
use crate::model::header::BackupKind;
use crate::model::{LogChain, Lsn};
use crate::site::Site;

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
    /// Name in the copy folder, where it is there.
    pub in_copy: Option<String>,
    /// Name in the share, where it is there.
    pub in_share: Option<String>,
    /// `server\instance` that wrote it.
    pub server: String,
    /// When it ended, that server's local time.
    pub finished: Option<jiff::civil::DateTime>,
    /// Major version of the software that wrote it.
    pub major: u8,
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
    pub last_finished: Option<jiff::civil::DateTime>,
    /// Major version of the software that wrote the last set.
    pub last_major: Option<u8>,
    /// Holes.
    pub gaps: Vec<Gap>,
    /// True when no file names log beyond the end.
    pub whole: bool,
    /// True when the share was read; else there may be more.
    pub share_is_known: bool,
    /// Log backups of this database that are in no link, beyond redo start: path and reason.
    pub left_out: Vec<(String, String)>,
    /// Log backups that could not be read in either folder: name and reason.
    pub unreadable: Vec<(String, String)>,
    /// Path, as the backup instance sees it, of the last set, and its place in that file.
    pub last_path: Option<(String, u16)>,
    /// The sets.
    #[serde(skip)]
    pub sets: Vec<Set>,
    /// Names taken in the copy folder.
    #[serde(skip)]
    pub taken: Vec<String>,
}

/// The chain over the two folders; a folder that is unknown adds nothing, and its caller looks at that.
pub fn chain(site: &Site, share: &Observed<Folder>, copies: &Observed<Folder>, redo: Lsn) -> Chain {
    let (in_copy, in_share) = (files_of(copies), files_of(share));
    // What ends before redo start was applied and decides nothing; there may be a thousand of them.
    let beyond = |folder: &[Arc<LogFile>]| -> Vec<LogFile> {
        folder
            .iter()
            .filter(|file| file.header.last_lsn >= redo)
            .map(|file| LogFile::clone(file))
            .collect()
    };
    let mut files = beyond(in_copy);
    let border = files.len();
    files.extend(beyond(in_share));
    let chain = LogChain::build(&files, site.database.chat.as_str(), redo);
    let sets: Vec<Set> = chain
        .applicable()
        .filter_map(|link| set(&files, border, link))
        .collect();
    let last = last_set(site, in_copy, in_share, chain.to);
    Chain {
        from: chain.from,
        to: chain.to,
        sets_to_apply: sets.len(),
        last_finished: last.and_then(|(file, _)| file.header.finished),
        last_major: last.map(|(file, _)| file.header.software.0),
        whole: chain.is_whole(),
        share_is_known: share.seen().is_some(),
        left_out: chain
            .left_out
            .iter()
            .map(|left| (&files[left.file], &left.reason))
            .filter(|(file, _)| is_log_of(site, file) && file.header.last_lsn > redo)
            .map(|(file, reason)| (file.path.clone(), reason.clone()))
            .collect(),
        unreadable: unreadable(share, copies),
        last_path: last.map(|(file, copied)| {
            let folder = if copied {
                &site.shares.copy_local
            } else {
                &site.shares.backup
            };
            (folder.join(name_of(&file.path)), file.header.position)
        }),
        gaps: chain.gaps,
        sets,
        taken: copies
            .seen()
            .map_or_else(Vec::new, |folder| folder.names.clone()),
    }
}

fn files_of(folder: &Observed<Folder>) -> &[Arc<LogFile>] {
    folder.seen().map_or(&[], |folder| folder.files.as_slice())
}

fn name_of(path: &str) -> &str {
    path.rsplit(['\\', '/']).next().unwrap_or(path)
}

fn is_log_of(site: &Site, file: &LogFile) -> bool {
    file.header.kind == BackupKind::Log && site.database.chat.is(&file.header.database)
}

fn set(files: &[LogFile], border: usize, link: &Link) -> Option<Set> {
    let first = files.get(*link.files.first()?)?;
    let name = |index: &usize| files.get(*index).map(|file| name_of(&file.path).to_owned());
    let in_share = link.files.iter().find(|it| **it >= border).and_then(name);
    // A copy that was never given its name is made anew, while there is what it was made of.
    let mut copies = link
        .files
        .iter()
        .filter(|it| **it < border)
        .filter_map(name);
    let in_copy = copies.find(|name| in_share.is_none() || !is_work_name(name));
    Some(Set {
        first_lsn: link.first_lsn,
        last_lsn: link.last_lsn,
        position: first.header.position,
        size: first.size,
        in_copy,
        in_share,
        server: first.header.server.clone(),
        finished: first.header.finished,
        major: first.header.software.0,
    })
}

/// The newest whole set at or before the end, empty ones too, and whether it lies in the copy
/// folder. Redo start may be greater than its `LastLSN` (`sql-server.md` 2.3: compare with ≥).
fn last_set<'a>(
    site: &Site,
    in_copy: &'a [Arc<LogFile>],
    in_share: &'a [Arc<LogFile>],
    to: Lsn,
) -> Option<(&'a LogFile, bool)> {
    let copied = in_copy.iter().map(|file| (&**file, true));
    let shared = in_share.iter().map(|file| (&**file, false));
    shared
        .chain(copied)
        .filter(|(file, _)| {
            is_log_of(site, file) && file.header.complete && file.header.last_lsn <= to
        })
        .max_by_key(|(file, _)| (file.header.last_lsn, file.header.finished))
}

/// What could be read in neither folder: of two copies the sound one counts (`steps.md` 5.4).
fn unreadable(share: &Observed<Folder>, copies: &Observed<Folder>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (folder, other) in [(share, copies), (copies, share)] {
        let Some(folder) = folder.seen() else {
            continue;
        };
        for (name, why) in &folder.unreadable {
            let sound = files_of(other)
                .iter()
                .any(|file| name_of(&file.path).eq_ignore_ascii_case(name));
            if !sound {
                found.push((name.clone(), why.clone()));
            }
        }
    }
    found
}

impl Chain {
    /// Name under which a set of the share is copied: its file's own, or, where the copy folder has
    /// that name with other content, one with the LSN of the file's first set (`steps.md` 4: never
    /// overwritten).
    pub fn copy_name(&self, set: &Set) -> Option<String> {
        let name = set.in_share.clone()?;
        let taken = |name: &str| {
            self.taken
                .iter()
                .any(|other| other.eq_ignore_ascii_case(name))
        };
        if !taken(&name) {
            return Some(name);
        }
        let first = self
            .sets
            .iter()
            .find(|other| other.in_share == set.in_share);
        let stem = name.strip_suffix(".trn").unwrap_or(&name);
        Some(format!("{stem}_{}.trn", first.unwrap_or(set).first_lsn))
    }

    /// Sets whose files the copy folder lacks, one a file.
    pub fn to_copy(&self) -> impl Iterator<Item = &Set> {
        let mut sources = std::collections::HashSet::new();
        self.sets
            .iter()
            .filter(|set| set.in_copy.is_none())
            .filter(move |set| sources.insert(set.in_share.as_deref()))
    }
}
