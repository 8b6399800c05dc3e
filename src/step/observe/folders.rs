//! D1 to D3: the log backups of the shares and of the copy folder, and the chain that they give from
//! redo start on (`steps.md` 2, `sql-server.md` 2.3). Every file of theirs is a set, or is named with
//! the reason why it is none (`design.md` 3, rule 15).

mod chain;
mod kin;
mod life;

use std::sync::Arc;

use super::Observed;
use super::log_shipping::Secondary;
use super::sets::{Asked, Told, ask};
use crate::access::Access;
use crate::access::headers::{FolderFile, NotRead, ending};
use crate::model::chain::LogFile;
use crate::model::header::{BackupKind, Unreadable};
use crate::model::words::count;
use crate::model::{BackupHeader, SharePath};
use crate::site::Site;
pub use chain::{Chain, Set, Source, ToCopy, Unread, chain, named};
pub use kin::Kin;
pub use life::{SignOfLife, sign_of_life};

/// What a file holds, as far as it is known.
#[derive(Clone, Debug)]
pub enum Holds {
    /// Whole backup sets.
    Sets(Vec<Arc<LogFile>>),
    /// What only an instance can tell, and none has yet: why; and what its beginning says of it.
    Opaque(String, Option<Arc<LogFile>>),
    /// It cannot be read, and may be a log backup: why; and what its beginning says of it.
    Unread(String, Option<Arc<LogFile>>),
    /// It is no log backup.
    Nothing,
}

/// One name in a folder.
#[derive(Clone, Debug)]
pub struct File {
    /// The folder, as the tool sees it.
    pub folder: SharePath,
    /// Its name.
    pub name: String,
    /// Its path, as the tool sees it.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// When it was last written, seconds since 1970 UTC.
    pub modified: i64,
    /// Over size and both ends; `None` where they were not read.
    pub fingerprint: Option<[u8; 32]>,
    /// What it holds.
    pub holds: Holds,
    /// A further set was begun behind its whole ones, and broken off.
    pub broken_off: bool,
}

/// A folder as the tool sees it; what the tool cannot read, as the backup instance does.
#[derive(Clone, Debug)]
pub struct Folder {
    /// Its path, as the tool sees it.
    pub path: SharePath,
    /// The same folder, as the backup instance sees it.
    pub engine: SharePath,
    /// Every name in it.
    pub files: Vec<File>,
}

impl Folder {
    /// Its whole sets, each with the file that holds it.
    pub fn sets(&self) -> impl Iterator<Item = (&File, &Arc<LogFile>)> {
        self.files.iter().flat_map(|file| {
            let sets = match &file.holds {
                Holds::Sets(sets) => sets.as_slice(),
                Holds::Opaque(..) | Holds::Unread(..) | Holds::Nothing => &[],
            };
            sets.iter().map(move |set| (file, set))
        })
    }
}

/// The folders that may hold log backups, in the order in which they are looked into.
#[derive(Clone, Debug)]
pub struct Folders {
    /// `[shares] backup`, then the folders that log shipping's rows name, then `[shares] extra`.
    pub sources: Vec<(SharePath, Observed<Folder>)>,
    /// The copy folder.
    pub copies: Observed<Folder>,
    /// What log shipping's rows name and is no absolute path: nobody can look there from here.
    pub nowhere: Vec<String>,
}

/// The folders of log backups: those of the site file, and those that log shipping's rows name.
pub fn sources(site: &Site, rows: &[Secondary]) -> Vec<SharePath> {
    let mut folders = vec![site.shares.backup.clone()];
    let named = rows.iter().filter_map(|row| row.source.parse().ok());
    for folder in named.chain(site.shares.extra.iter().cloned()) {
        if !folders.iter().any(|known| known.is(&folder)) && !folder.is(&site.shares.copy) {
            folders.push(folder);
        }
    }
    folders
}

/// Reads them all, and asks the backup instance about what only it can read: the copy folder first,
/// for a copy answers for its source.
pub async fn folders(access: &Access, site: &Site, rows: &[Secondary]) -> Folders {
    let copies = read(access, &site.shares.copy, &site.shares.copy_local, true).await;
    let mut sources = Vec::new();
    for folder in self::sources(site, rows) {
        let seen = share(access, &folder).await;
        sources.push((folder, seen));
    }
    let nowhere = rows.iter().map(|row| &row.source);
    let nowhere = nowhere.filter(|source| source.parse::<SharePath>().is_err());
    Folders {
        sources,
        copies,
        nowhere: nowhere.cloned().collect(),
    }
}

/// D1: a share of log backups. One without a file is unknown: a denied folder looks the same
/// (`steps.md` 1.1).
pub async fn share(access: &Access, folder: &SharePath) -> Observed<Folder> {
    match read(access, folder, folder, false).await {
        Observed::Seen(seen) if seen.files.is_empty() => Observed::unseen(format!(
            "`{folder}` looks empty; a folder that may not be read looks the same"
        )),
        other @ (Observed::Seen(_) | Observed::Absent | Observed::Unknown(_)) => other,
    }
}

async fn read(
    access: &Access,
    folder: &SharePath,
    engine: &SharePath,
    copied: bool,
) -> Observed<Folder> {
    let listed = access
        .headers
        .folder(&*access.shares, folder.as_str(), |name| folder.join(name))
        .await;
    let listed = match listed {
        Ok(listed) => listed,
        Err(error) => return Observed::unseen(&error),
    };
    let mut seen = Folder {
        path: folder.clone(),
        engine: engine.clone(),
        files: listed
            .into_iter()
            .filter(|file| file.read != Err(NotRead::Folder) || looks_like_a_backup(&file.name))
            .map(|it| file(folder, it))
            .collect(),
    };
    ask_instance(access, &mut seen, copied).await;
    Observed::Seen(seen)
}

/// Whether a name is one that log shipping gives to log backups, or to what becomes one.
fn looks_like_a_backup(name: &str) -> bool {
    ending(name).is_some_and(|it| ["trn", "wrk"].iter().any(|of| it.eq_ignore_ascii_case(of)))
}

fn file(folder: &SharePath, it: FolderFile) -> File {
    let unread = |why: &NotRead| Holds::Unread(why.to_string(), None);
    let holds = match &it.read {
        Ok(read) if read.header.complete => Holds::Sets(vec![Arc::clone(read)]),
        Ok(read) => {
            // Whole sets may stand before one that was broken off (`backup-files.md`).
            Holds::Opaque(CUT.to_owned(), Some(Arc::clone(read)))
        }
        Err(NotRead::Header(why)) => match why {
            Unreadable::OtherKind { .. } => Holds::Nothing,
            // Without a header it may be one whose beginning was lost, if it is called like one.
            Unreadable::NotABackup { .. } | Unreadable::Empty if !looks_like_a_backup(&it.name) => {
                Holds::Nothing
            }
            Unreadable::Empty => Holds::Unread(why.to_string(), None),
            // What is damaged to this reader may be whole to an instance, which has the last word.
            Unreadable::NotABackup { .. }
            | Unreadable::TooShort { .. }
            | Unreadable::Damaged { .. }
            | Unreadable::Disagreement { .. }
            | Unreadable::Compressed
            | Unreadable::BlockSize { .. }
            | Unreadable::NoBlocks
            | Unreadable::NoClosingCopy
            | Unreadable::SeveralSets { .. } => Holds::Opaque(why.to_string(), None),
        },
        Err(why @ (NotRead::Share(_) | NotRead::NoFile(_) | NotRead::Folder)) => unread(why),
        Err(NotRead::Undo) => Holds::Nothing,
    };
    File {
        folder: folder.clone(),
        name: it.name,
        path: it.path,
        size: it.size,
        modified: it.modified,
        fingerprint: it.fingerprint,
        holds,
        broken_off: false,
    }
}

/// Files that the instance fails to read before it is taken not to read the folder.
const TRIALS: usize = 2;

const CUT: &str = "without its end: truncated, or still being written";

/// Asks the backup instance about the files that only it can read. Log shipping never needs it to
/// read a share, for the Agent copies (`sql-server.md` 7): where the first ones fail there, it is
/// asked in the copy folder only.
async fn ask_instance(access: &Access, folder: &mut Folder, copied: bool) {
    let engine = folder.engine.clone();
    let opaque = folder.files.iter().enumerate().filter_map(|(at, file)| {
        let fingerprint = file
            .fingerprint
            .filter(|_| matches!(file.holds, Holds::Opaque(..)))?;
        let path = engine.join(&file.name);
        Some((at, Asked { path, fingerprint }))
    });
    let opaque: Vec<(usize, Asked)> = opaque.collect();
    let answered = |it: &Asked| access.headers.answer(&it.path, &it.fingerprint).is_some();
    let mut failed = Vec::new();
    for (at, it) in opaque.iter().filter(|(_, it)| !answered(it)) {
        // In the copy folder each is asked for: what it does not read there it reads nowhere.
        if copied || access.headers.is_closed(engine.as_str()) {
            break;
        }
        match ask(access, std::slice::from_ref(it)).await.pop() {
            Some(why @ Told::Unknown(_)) => failed.push((*at, why)),
            Some(Told::Sets(..) | Told::Stripe { .. }) | None => break,
        }
        if failed.len() == TRIALS {
            access.headers.close(engine.as_str());
        }
    }
    let closed = !copied && access.headers.is_closed(engine.as_str());
    let rest: Vec<(usize, Asked)> = opaque
        .into_iter()
        .filter(|(at, it)| answered(it) || !closed && failed.iter().all(|(other, _)| other != at))
        .collect();
    let asked: Vec<Asked> = rest.iter().map(|(_, it)| it.clone()).collect();
    let told = ask(access, &asked).await;
    let told = rest.into_iter().map(|(at, _)| at).zip(told);
    for (at, told) in told.chain(failed) {
        folder.files[at].take(told, copied);
    }
    for file in &mut folder.files {
        if let (Holds::Opaque(why, head), Some(refusal)) =
            (&file.holds, access.headers.not_copied(&file.path))
        {
            file.holds = Holds::Unread(format!("{why}; not copied: {refusal}"), head.clone());
        }
        if let Holds::Sets(sets) = &file.holds
            && let Some(print) = &file.fingerprint
            && let Some(why) = access.headers.damaged(&file.path, print)
        {
            file.holds = Holds::Unread(why, whole(sets));
        }
    }
}

/// All the log that the sets of a file hold, as one.
fn whole(sets: &[Arc<LogFile>]) -> Option<Arc<LogFile>> {
    let logs = || sets.iter().filter(|it| it.header.kind == BackupKind::Log);
    let first = logs().map(|it| it.header.first_lsn).min();
    let last = logs().max_by_key(|it| it.header.last_lsn);
    let Some((first, last)) = first.zip(last) else {
        return sets.first().cloned();
    };
    let mut all = LogFile::clone(last);
    all.header.first_lsn = first;
    Some(Arc::new(all))
}

impl File {
    /// What the instance says of it. In the copy folder that is the last word.
    fn take(&mut self, told: Told, copied: bool) {
        let (why, head) = match &self.holds {
            Holds::Opaque(why, head) => (why.clone(), head.clone()),
            Holds::Sets(_) | Holds::Unread(..) | Holds::Nothing => return,
        };
        self.holds = match told {
            Told::Sets(sets, _) if sets.is_empty() => {
                let what = if head.is_some() {
                    why
                } else {
                    format!("{why}, and it finds no whole backup there")
                };
                Holds::Unread(what, head)
            }
            Told::Sets(sets, _) if sets.iter().any(|set| set.last_lsn < set.first_lsn) => {
                Holds::Unread(format!("{why}; to it, its LSNs run backwards"), None)
            }
            Told::Sets(sets, broken_off) => {
                self.broken_off = broken_off;
                let headers = sets.into_iter().filter_map(|set| set.header);
                Holds::Sets(headers.map(|header| self.log(header)).collect())
            }
            Told::Stripe {
                of,
                number,
                media_set,
                sets,
            } => Holds::Unread(
                format!(
                    "file {number} of {} of media set {media_set}, which can only be restored together",
                    count(usize::try_from(of).unwrap_or_default(), "stripe")
                ),
                sets.into_iter()
                    .find_map(|set| set.header)
                    .map(|header| self.log(header)),
            ),
            Told::Unknown(cause) if copied => Holds::Unread(format!("{why}; {cause}"), head),
            Told::Unknown(cause) => Holds::Opaque(format!("{why}; {cause}"), head),
        };
    }

    fn log(&self, header: BackupHeader) -> Arc<LogFile> {
        Arc::new(LogFile {
            path: self.path.clone(),
            size: self.size,
            header,
            fingerprint: self.fingerprint.unwrap_or_default(),
        })
    }
}
