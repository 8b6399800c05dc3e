//! What is to copy, and what of two copies counts.

use std::collections::{HashMap, HashSet};

use super::super::{File, Folders, Holds, looks_like_a_backup};
use super::{Placed, Set, marked};
use crate::access::copy::{KEPT, WORK};
use crate::model::chain::LogFile;
use crate::model::{DatabaseName, Lsn, SharePath};

/// Where a file lies that is no copy: a folder by its path, and the name there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The folder.
    pub folder: SharePath,
    /// The file's name.
    pub name: String,
}

/// A file that the copy folder lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToCopy {
    /// Where it lies.
    pub source: Source,
    /// Its name in the copy folder.
    pub target: String,
    /// Bytes.
    pub size: u64,
    /// A set of the chain; else a file that is copied for the instance to look at.
    pub needed: bool,
}

/// A work file: whole, it is a log backup, and is applied under another name (`sql-server.md` 1.6).
pub(super) fn is_work(path: &str) -> bool {
    path.len() >= 4 && path.is_char_boundary(path.len() - 4) && {
        path[path.len() - 4..].eq_ignore_ascii_case(".wrk")
    }
}

/// A name that the copy folder takes: a share of another system may hold names that Windows refuses
/// (`skype-powershell.md` 10).
fn writable(name: &str) -> String {
    let refused = |c: char| c.is_control() || r#"<>:"/\|?*"#.contains(c);
    name.replace(refused, "_")
}

/// A name without the ending that log shipping gives it.
fn stem(name: &str) -> &str {
    let at = name.len().saturating_sub(WORK.len());
    let work = name.get(at..).filter(|it| it.eq_ignore_ascii_case(WORK));
    let name = work.map_or(name, |_| &name[..at]);
    if looks_like_a_backup(name) {
        name.rsplit_once('.').map_or(name, |(stem, _)| stem)
    } else {
        name
    }
}

/// What is known of the files of all folders together, looked up for each of thousands.
pub(super) struct Known {
    /// By names without their endings, lower case: the files that are sound, or may be.
    sound: HashMap<String, Vec<Sound>>,
    /// What the names begin with that log shipping gives, lower case.
    own: String,
    /// Fingerprints of the copy folder's files.
    copied: HashSet<[u8; 32]>,
    /// Those of files of other folders that are named as not read.
    named: HashSet<[u8; 32]>,
}

/// A file that is sound, or may be.
struct Sound {
    size: u64,
    fingerprint: Option<[u8; 32]>,
    /// From where to where its sets of the database reach; `None` where nobody has read it.
    reach: Option<(Lsn, Lsn)>,
}

impl Sound {
    /// Whether a file may be a copy of it, as far as size, bytes and beginning tell.
    fn may_be(&self, file: &File, own_name: bool, head: Option<&LogFile>) -> bool {
        let same = file.fingerprint.is_some() && file.fingerprint == self.fingerprint;
        let holds = |head: &LogFile| {
            let header = &head.header;
            self.reach
                .is_some_and(|(first, last)| first <= header.first_lsn && header.last_lsn <= last)
        };
        file.size <= self.size && (same || own_name || head.is_some_and(holds))
    }
}

/// Digits of the time in a name that log shipping gives (`sql-server.md` 1.6).
const TIME: usize = 14;

impl Known {
    /// `ours` says of a set whether it is a log backup of the database.
    pub(super) fn of(
        folders: &Folders,
        database: &DatabaseName,
        ours: impl Fn(&LogFile) -> bool,
    ) -> Self {
        let mut known = Self {
            sound: HashMap::new(),
            own: format!("{}_", database.as_str().to_lowercase()),
            copied: HashSet::new(),
            named: HashSet::new(),
        };
        let unread: HashSet<[u8; 32]> = marked(folders)
            .filter(|(is_copy, file)| *is_copy && matches!(file.holds, Holds::Unread(..)))
            .filter_map(|(_, file)| file.fingerprint)
            .collect();
        for (is_copy, file) in marked(folders) {
            // What nobody has read excuses only where it is still to be copied and asked for.
            let sound = match &file.holds {
                Holds::Sets(sets) => sets.iter().any(|set| ours(set)),
                Holds::Opaque(..) => !file
                    .fingerprint
                    .is_some_and(|print| unread.contains(&print)),
                Holds::Unread(..) | Holds::Nothing => false,
            };
            if sound {
                let stem = stem(&file.name).to_lowercase();
                let sets = match &file.holds {
                    Holds::Sets(sets) => sets.as_slice(),
                    Holds::Opaque(..) | Holds::Unread(..) | Holds::Nothing => &[],
                };
                let headers = || sets.iter().filter(|it| ours(it)).map(|it| &it.header);
                let first = headers().map(|it| it.first_lsn).min();
                known.sound.entry(stem).or_default().push(Sound {
                    size: file.size,
                    fingerprint: file.fingerprint,
                    reach: first.zip(headers().map(|it| it.last_lsn).max()),
                });
            }
            let is_named = matches!(file.holds, Holds::Unread(..));
            match (is_copy, is_named) {
                (true, _) => known.copied.extend(file.fingerprint),
                (false, true) => known.named.extend(file.fingerprint),
                (false, false) => {}
            }
        }
        known
    }

    /// Of two copies the sound one counts (`steps.md` 5.4), where it has as much; of two unsound ones
    /// the source is named. A name alone makes no copy: a job may give its one name to every hour.
    pub(super) fn excuses(&self, is_copy: bool, file: &File, head: Option<&LogFile>) -> bool {
        let named_there = || {
            let print = file.fingerprint.as_ref();
            is_copy && print.is_some_and(|print| self.named.contains(print))
        };
        let stem = stem(&file.name).to_lowercase();
        let time = stem.strip_prefix(&self.own);
        let own_name =
            time.is_some_and(|it| it.len() == TIME && it.bytes().all(|it| it.is_ascii_digit()));
        let sound = self.sound.get(&stem).into_iter().flatten();
        named_there() || sound.into_iter().any(|it| it.may_be(file, own_name, head))
    }
}

/// What is to copy, and under which names: its own, or, where the copy folder has that name with
/// other content, one that no file has (`steps.md` 4: never overwritten).
pub(super) struct Copier {
    /// Names of the copy folder, lower case.
    taken: HashSet<String>,
    /// What each source is copied as.
    named: HashMap<(String, String), String>,
    pub(super) files: Vec<ToCopy>,
}

impl Copier {
    pub(super) fn new(folders: &Folders) -> Self {
        let names = folders.copies.seen().into_iter();
        let names = names.flat_map(|folder| folder.files.iter().map(|it| it.name.to_lowercase()));
        Self {
            taken: names.collect(),
            named: HashMap::new(),
            files: Vec::new(),
        }
    }

    /// Adds a set that the copy folder lacks, one a file, and names it there.
    pub(super) fn add(&mut self, set: &mut Set) {
        if let (None, Some(source)) = (&set.in_copy, &set.source) {
            let mark = set.first_lsn.to_string();
            set.planned = Some(self.put(source.clone(), set.size, &mark, true));
        }
    }

    /// Adds a file that only an instance can read, once it is copied. False where it has a copy.
    pub(super) fn add_opaque(&mut self, known: &Known, file: &File) -> bool {
        let print = file.fingerprint.unwrap_or_default();
        if known.copied.contains(&print) {
            return false;
        }
        let [a, b, c, d, ..] = print;
        let mark = format!("{:08x}", u32::from_be_bytes([a, b, c, d]));
        let source = Source {
            folder: file.folder.clone(),
            name: file.name.clone(),
        };
        self.put(source, file.size, &mark, false);
        true
    }

    /// Adds the file of that path, where it is no copy.
    pub(super) fn add_path(&mut self, places: &[Placed<'_>], path: &str) -> bool {
        let Some(it) = places.iter().find(|it| it.log.path == path && !it.copied) else {
            return false;
        };
        let source = Source {
            folder: it.folder.path.clone(),
            name: it.file.name.clone(),
        };
        let mark = it.log.header.first_lsn.to_string();
        self.put(source, it.log.size, &mark, false);
        true
    }

    fn put(&mut self, source: Source, size: u64, mark: &str, needed: bool) -> String {
        let key = (source.folder.to_string(), source.name.clone());
        if let Some(known) = self.named.get(&key) {
            return known.clone();
        }
        let own = writable(&source.name);
        let stem = stem(&own);
        let kept = &stem[..stem.floor_char_boundary(KEPT)];
        let name = if is_work(&source.name) {
            format!("{stem}.trn")
        } else {
            own.clone()
        };
        let marked = (0_usize..).map(|nth| match nth {
            0 => name.clone(),
            1 => format!("{kept}_{mark}.trn"),
            nth => format!("{kept}_{mark}_{nth}.trn"),
        });
        let mut free = marked.filter(|name| !self.taken.contains(&name.to_lowercase()));
        let target = free.next().unwrap_or_default();
        self.taken.insert(target.to_lowercase());
        self.named.insert(key, target.clone());
        self.files.push(ToCopy {
            source,
            target: target.clone(),
            size,
            needed,
        });
        target
    }
}
