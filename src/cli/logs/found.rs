//! What was found in the folders, and what it says of one another.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::StreamExt as _;
use serde::Serialize;

use crate::access::headers::{FolderFile, NotRead, ending};
use crate::access::shares::{ShareError, Shares};
use crate::model::chain::{Gap, LogChain, LogFile, survey};
use crate::model::header::{BackupKind, Media, media};

/// A file whose header was not readable, or a folder: one that cannot be read is not empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Refused {
    pub(super) path: String,
    pub(super) reason: String,
    #[serde(skip)]
    pub(super) holds: Holds,
}

/// Whether a file that is not read may hold log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Holds {
    /// It holds none.
    #[default]
    Nothing,
    /// It may, or it did before it was damaged.
    Perhaps,
    /// An instance can tell.
    AskInstance,
}

/// All that was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) files: Vec<LogFile>,
    pub(super) unreadable: Vec<Refused>,
    /// Subfolders, which are not looked into.
    pub(super) folders: Vec<String>,
    pub(super) chains: Vec<(String, LogChain)>,
    /// The files in the order of the chains; what is in none, last.
    pub(super) order: Vec<usize>,
    /// Media sets of different files that claim to be one set.
    media: HashMap<usize, Media>,
}

/// A gap, and what could fill it.
#[derive(Debug, Serialize)]
pub(super) struct Hole<'a> {
    #[serde(flatten)]
    pub(super) gap: Gap,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) may_fill: Vec<Filler<'a>>,
}

/// A file that could fill a gap.
#[derive(Debug, Serialize)]
pub(super) struct Filler<'a> {
    pub(super) path: &'a str,
    pub(super) reason: String,
    /// An instance can tell.
    pub(super) ask_instance: bool,
}

impl Found {
    /// Takes up one name of a folder.
    pub(super) fn add(&mut self, file: FolderFile, notes: &mut Vec<String>) {
        let why = match file.read {
            Ok(read) => {
                self.files.push(Arc::unwrap_or_clone(read));
                return;
            }
            Err(why) => why,
        };
        if let NotRead::Undo | NotRead::Folder = why {
            notes.push(format!("{}: not read: {why}", file.path));
            if why == NotRead::Folder {
                self.folders.push(file.path);
            }
            return;
        }
        let holds = if !why.may_hold_log(&file.name) {
            Holds::Nothing
        } else if why.asks_instance() {
            Holds::AskInstance
        } else {
            Holds::Perhaps
        };
        self.unreadable.push(Refused {
            path: file.path,
            reason: why.to_string(),
            holds,
        });
    }

    /// Takes up folders that cannot be read: they come first.
    pub(super) fn add_lost(&mut self, failures: &[ShareError]) {
        let lost = failures.iter().map(|failure| Refused {
            path: failure.path.clone(),
            reason: format!("{}: {}", failure.cause, failure.text),
            holds: Holds::Perhaps,
        });
        self.unreadable.splice(0..0, lost);
    }

    /// Builds the chains of all that was taken up, and looks at the media sets of conflicting files.
    pub(super) async fn finish(&mut self, shares: &dyn Shares) {
        self.chains = survey(&self.files);
        let mut places: Vec<_> = (0..self.files.len())
            .map(|file| (usize::MAX, file))
            .collect();
        for (place, (_, chain)) in self.chains.iter().enumerate() {
            let linked = chain.links.iter().flat_map(|link| &link.files);
            let left_out = chain.left_out.iter().map(|it| &it.file);
            for file in linked.chain(left_out) {
                places[*file].0 = place;
            }
        }
        places.sort_by_key(|(place, file)| {
            let header = &self.files[*file].header;
            let place = (*place, header.first_lsn, header.last_lsn, header.started);
            (place, *file)
        });
        self.order = places.into_iter().map(|(_, file)| file).collect();

        let files = &self.files;
        let looks = self.conflicting().into_iter().map(|file| async move {
            let ends = shares.ends(&files[file].path, 1024).await.ok()?;
            Some((file, media(&ends.head)?))
        });
        let looks = futures_util::stream::iter(looks).buffered(8);
        let seen: Vec<_> = looks.collect().await;
        self.media = seen.into_iter().flatten().collect();
    }

    /// Different files that say they hold the same set: stripes, or a conflict.
    fn conflicting(&self) -> Vec<usize> {
        let mut sets: HashMap<_, Vec<usize>> = HashMap::new();
        for (index, file) in self.files.iter().enumerate() {
            let header = &file.header;
            if header.kind == BackupKind::Log && header.complete {
                let set = (header.first_lsn, header.last_lsn, header.started);
                sets.entry(set).or_default().push(index);
            }
        }
        let mut all = Vec::new();
        for set in sets.into_values() {
            let print = |file: &usize| self.files[*file].fingerprint;
            if set.iter().any(|file| print(file) != print(&set[0])) {
                all.extend(set);
            }
        }
        all.sort_unstable();
        all
    }

    /// True where a file that may hold log is not read.
    pub(super) fn is_doubtful(&self) -> bool {
        self.unreadable.iter().any(|it| it.holds != Holds::Nothing)
    }

    /// The one file of each link that stands for its copies, and what is in no chain, each with its
    /// reason, copies too.
    pub(super) fn places<'a>(&'a self, chain: &'a LogChain) -> (Vec<&'a str>, Vec<Refused>) {
        let path = |file: &usize| self.files[*file].path.as_str();
        let mut first = Vec::with_capacity(chain.links.len());
        let mut left: Vec<(usize, String)> = chain
            .left_out
            .iter()
            .map(|it| (it.file, self.reason(it.file, &it.reason)))
            .collect();
        for link in &chain.links {
            let Some((one, copies)) = link.files.split_first() else {
                continue;
            };
            first.push(path(one));
            let reason = format!("a copy of `{}`", path(one));
            left.extend(copies.iter().map(|copy| (*copy, reason.clone())));
        }
        left.sort();
        let left = left.into_iter().map(|(file, reason)| Refused {
            path: path(&file).to_owned(),
            reason,
            holds: Holds::Nothing,
        });
        (first, left.collect())
    }

    /// A reason with the media set of a stripe.
    fn reason(&self, file: usize, reason: &str) -> String {
        self.media.get(&file).map_or_else(
            || reason.to_owned(),
            |it| {
                format!(
                    "{reason}; media family {:08X}, medium {}",
                    it.family, it.sequence
                )
            },
        )
    }

    /// The gaps of a chain, each with what could fill it: files left out that say so, and files
    /// that say nothing.
    pub(super) fn holes<'a>(&'a self, database: &str, chain: &'a LogChain) -> Vec<Hole<'a>> {
        let database = database.to_lowercase();
        let holes = chain.gaps.iter().map(|gap| {
            let left_out = chain.left_out.iter().filter_map(|it| {
                let file = &self.files[it.file];
                let header = &file.header;
                let fills = header.kind == BackupKind::Log
                    && header.first_lsn < gap.before
                    && header.last_lsn > gap.after
                    && header.database.to_lowercase() == database;
                fills.then(|| Filler {
                    path: &file.path,
                    reason: self.reason(it.file, &it.reason),
                    ask_instance: false,
                })
            });
            let silent = self.unreadable.iter();
            let silent = silent.filter(|it| it.holds != Holds::Nothing);
            let silent = silent.map(|it| Filler {
                path: &it.path,
                reason: it.reason.clone(),
                ask_instance: it.holds == Holds::AskInstance,
            });
            Hole {
                gap: *gap,
                may_fill: left_out.chain(silent).collect(),
            }
        });
        holes.collect()
    }
}

/// True for the name of a work file: a copy or a backup that was not given its own name.
pub(super) fn is_work_file(path: &str) -> bool {
    ending(path).is_some_and(|it| it.eq_ignore_ascii_case("wrk"))
}
