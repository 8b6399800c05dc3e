//! What the folders hold, behind the lock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::file::Stored;
use super::{FolderEffect, Op, OsError, TOOL, Volume};
use crate::access::shares::{Entry, EntryKind};

#[derive(Default)]
pub(super) struct State {
    pub(super) disks: Vec<Disk>,
    pub(super) faults: Vec<Fault>,
    pub(super) history: Vec<FolderEffect>,
    /// Seconds since 1970 UTC, set at the beginning of every operation.
    pub(super) now: i64,
}

pub(super) struct Disk {
    pub(super) volume: Volume,
    /// Keys of the folders below the root; the root is always there.
    folders: BTreeSet<String>,
    files: BTreeMap<String, Stored>,
    /// When the transfers under way will have ended.
    busy: Option<Instant>,
}

#[derive(Clone)]
pub(super) struct Fault {
    pub(super) op: Op,
    pub(super) suffix: String,
    pub(super) error: OsError,
    pub(super) times: usize,
    pub(super) after: bool,
}

/// Where a path leads: a disk, and the way below its root.
#[derive(Clone)]
pub(super) struct Place {
    disk: usize,
    /// As spelled, `/` between.
    path: String,
    /// The same as the disk compares it.
    key: String,
}

impl Place {
    /// Key of the folder around; empty for the root.
    fn folder(&self) -> &str {
        self.key.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

/// A path in its components; Windows compares them in any case, and takes both slashes.
struct Parts<'a> {
    root: Root,
    names: Vec<&'a str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Root {
    Unc,
    Drive,
    Posix,
}

fn parts(path: &str) -> Parts<'_> {
    let root = if path.starts_with('/') {
        Root::Posix
    } else if path.starts_with(r"\\") {
        Root::Unc
    } else {
        Root::Drive
    };
    let between = |c| c == '/' || (c == '\\' && root != Root::Posix);
    Parts {
        root,
        names: path.split(between).filter(|n| !n.is_empty()).collect(),
    }
}

impl Parts<'_> {
    /// Number of leading components that are all of `prefix`; `None` where it leads elsewhere.
    fn below(&self, prefix: &Parts<'_>) -> Option<usize> {
        let same = |a: &str, b: &str| {
            if self.root == Root::Posix {
                a == b
            } else {
                a.to_lowercase() == b.to_lowercase()
            }
        };
        let fits = self.root == prefix.root
            && self.names.len() >= prefix.names.len()
            && self
                .names
                .iter()
                .zip(&prefix.names)
                .all(|(a, b)| same(a, b));
        fits.then_some(prefix.names.len())
    }
}

impl State {
    pub(super) fn add(&mut self, volume: Volume) {
        let path = parts(&volume.path);
        let same = |disk: &&mut Disk| {
            let other = parts(&disk.volume.path);
            path.below(&other) == Some(path.names.len())
        };
        if let Some(disk) = self.disks.iter_mut().find(same) {
            disk.volume.aliases.extend(volume.aliases);
        } else {
            self.disks.push(Disk {
                volume,
                folders: BTreeSet::new(),
                files: BTreeMap::new(),
                busy: None,
            });
        }
    }

    /// Where `path` leads for a viewer, when it leads there now.
    pub(super) fn place(&self, viewer: &str, path: &str) -> Result<Place, OsError> {
        let (place, by_network) = self.find(viewer, path)?;
        let volume = &self.disks[place.disk].volume;
        if by_network && !volume.reachable {
            Err(OsError(53))
        } else if volume.denied.contains(viewer) {
            Err(OsError(5))
        } else {
            Ok(place)
        }
    }

    /// The same for whoever changes the world: nothing is out of reach.
    pub(super) fn place_unchecked(&self, path: &str) -> Result<Place, OsError> {
        self.find(TOOL, path).map(|(place, _)| place)
    }

    fn find(&self, viewer: &str, path: &str) -> Result<(Place, bool), OsError> {
        let wanted = parts(path);
        let mut best: Option<(usize, usize, bool)> = None;
        for (disk, Disk { volume, .. }) in self.disks.iter().enumerate() {
            let own = parts(&volume.path);
            let common = viewer == TOOL || own.root != Root::Drive;
            if common && let Some(n) = wanted.below(&own) {
                best = best.max(Some((n, disk, true)));
            }
            for (who, alias) in &volume.aliases {
                let other = parts(alias);
                if who == viewer
                    && let Some(n) = wanted.below(&other)
                {
                    // The folder's own path stays a network path, whoever spells it again.
                    let local = other.root != Root::Unc && own.below(&other).is_none();
                    best = best.max(Some((n, disk, !local)));
                }
            }
        }
        let Some((used, disk, by_network)) = best else {
            return Err(OsError(if wanted.root == Root::Unc { 53 } else { 3 }));
        };
        // `skype-powershell.md` 10.
        let names = &wanted.names[used..];
        let refused = |c: char| c.is_control() || r#"<>:"|?*"#.contains(c);
        let windows = wanted.root != Root::Posix;
        if names
            .iter()
            .any(|name| name.encode_utf16().count() > 255 || windows && name.contains(refused))
        {
            return Err(OsError(123));
        }
        let path = names.join("/");
        let key = if parts(&self.disks[disk].volume.path).root == Root::Posix {
            path.clone()
        } else {
            path.to_lowercase()
        };
        Ok((Place { disk, path, key }, by_network))
    }

    /// Uses up a fault that waits for this operation.
    pub(super) fn strike(&mut self, op: Op, paths: &[&str]) -> Option<Fault> {
        if self.faults.is_empty() {
            return None;
        }
        let at = self.faults.iter().position(|fault| {
            fault.op == op
                && fault.times > 0
                && paths
                    .iter()
                    .any(|path| path.to_lowercase().ends_with(&fault.suffix))
        })?;
        self.faults[at].times -= 1;
        let fault = self.faults[at].clone();
        self.faults.retain(|fault| fault.times > 0);
        Some(fault)
    }

    /// How long an operation takes at `place`; a transfer waits for those before it.
    pub(super) fn delay(&mut self, place: &Place, bytes: u64) -> Duration {
        let disk = &mut self.disks[place.disk];
        let mut delay = disk.volume.latency;
        if let (Some(rate @ 1..), 1..) = (disk.volume.throughput, bytes) {
            let now = Instant::now();
            let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(rate);
            let transfer = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
            let begin = disk.busy.map_or(now, |busy| busy.max(now));
            let end = begin.checked_add(transfer).unwrap_or(begin);
            disk.busy = Some(end);
            delay = delay.saturating_add(end - now);
        }
        delay
    }

    /// Bytes that are left where a place is.
    pub(super) fn free(&self, place: &Place) -> u64 {
        self.disks[place.disk].volume.free
    }

    pub(super) fn file(&self, place: &Place) -> Result<&Stored, OsError> {
        let disk = &self.disks[place.disk];
        disk.files.get(&place.key).ok_or_else(|| {
            OsError(if self.has_folder(place.disk, place.folder()) {
                2
            } else {
                3
            })
        })
    }

    /// The file, when no other program has it.
    pub(super) fn free_file(&self, place: &Place) -> Result<&Stored, OsError> {
        let file = self.file(place)?;
        if file.held {
            Err(OsError(32))
        } else if file.denied {
            Err(OsError(5))
        } else if file.special.is_some() {
            Err(OsError(1920))
        } else {
            Ok(file)
        }
    }

    pub(super) fn file_mut(&mut self, place: &Place) -> Result<&mut Stored, OsError> {
        self.file(place)?;
        let file = self.disks[place.disk].files.get_mut(&place.key);
        file.ok_or(OsError(2))
    }

    fn has_folder(&self, disk: usize, key: &str) -> bool {
        key.is_empty() || self.disks[disk].folders.contains(key)
    }

    pub(super) fn is_folder(&self, place: &Place) -> bool {
        self.has_folder(place.disk, &place.key)
    }

    /// Makes the folders around a place.
    pub(super) fn make_folders(&mut self, place: &Place) {
        let disk = &mut self.disks[place.disk];
        for (at, _) in place.key.match_indices('/') {
            disk.folders.insert(place.key[..at].to_owned());
        }
    }

    /// Puts a file at a place, over what is there.
    pub(super) fn store(&mut self, place: &Place, mut file: Stored) -> Result<(), OsError> {
        if !self.has_folder(place.disk, place.folder()) {
            return Err(OsError(3));
        }
        if self.is_folder(place) {
            return Err(OsError(5));
        }
        let disk = &mut self.disks[place.disk];
        let old = disk.files.get(&place.key);
        if old.is_some_and(|old| old.held) {
            return Err(OsError(32));
        }
        let freed = old.map_or(0, |old| old.length);
        let free = disk.volume.free.saturating_add(freed);
        disk.volume.free = free.checked_sub(file.length).ok_or(OsError(112))?;
        file.path.clone_from(&place.path);
        disk.files.insert(place.key.clone(), file);
        Ok(())
    }

    /// Takes a file away.
    pub(super) fn take(&mut self, place: &Place) -> Result<Stored, OsError> {
        self.free_file(place)?;
        let disk = &mut self.disks[place.disk];
        let file = disk.files.remove(&place.key).ok_or(OsError(2))?;
        disk.volume.free = disk.volume.free.saturating_add(file.length);
        Ok(file)
    }

    /// Appends a piece of one file to another and says how long it was.
    pub(super) fn append(
        &mut self,
        from: &Place,
        offset: u64,
        length: u64,
        to: &Place,
        source: &str,
    ) -> Result<u64, OsError> {
        let piece = self.piece(from, offset, length)?;
        self.free_file(to)?;
        if piece == 0 {
            return Ok(0);
        }
        if self.disks[to.disk].volume.free < piece {
            return Err(OsError(112));
        }
        let original = self.file(from)?.clone();
        let now = self.now;
        let copy = self.file_mut(to)?;
        copy.append(&original, offset, piece)?;
        copy.modified = now;
        copy.source.get_or_insert_with(|| source.to_owned());
        self.disks[to.disk].volume.free -= piece;
        Ok(piece)
    }

    /// Bytes that an append would move.
    pub(super) fn piece(&self, from: &Place, offset: u64, length: u64) -> Result<u64, OsError> {
        Ok(length.min(self.free_file(from)?.length.saturating_sub(offset)))
    }

    /// Renames inside a folder; the name must be free. Gives what the file was copied from, where
    /// it was copied.
    pub(super) fn rename(&mut self, from: &Place, to: &Place) -> Result<Option<String>, OsError> {
        if from.disk != to.disk || from.folder() != to.folder() {
            return Err(OsError(17));
        }
        self.free_file(from)?;
        if self.file(to).is_ok() || self.is_folder(to) {
            return Err(OsError(183));
        }
        let mut file = self.take(from)?;
        let source = file.source.take();
        self.store(to, file)?;
        Ok(source)
    }

    pub(super) fn list(&self, place: &Place) -> Result<Vec<Entry>, OsError> {
        if !self.is_folder(place) {
            return Err(OsError(3));
        }
        let inside = if place.key.is_empty() {
            String::new()
        } else {
            format!("{}/", place.key)
        };
        let disk = &self.disks[place.disk];
        let here = |key: &str| key.starts_with(&inside) && !key[inside.len()..].contains('/');
        let files = disk.files.range(inside.clone()..);
        let files = files
            .take_while(|(key, _)| key.starts_with(&inside))
            .filter(|(key, _)| here(key))
            .map(|(_, file)| Entry {
                name: file.path.rsplit('/').next().unwrap_or_default().to_owned(),
                kind: file.special.map_or(EntryKind::File, EntryKind::Other),
                size: file.length,
                modified: file.modified,
            });
        let folders = disk.folders.iter().filter(|key| here(key));
        let folders = folders.map(|key| Entry {
            name: key[inside.len()..].to_owned(),
            kind: EntryKind::Folder,
            size: 0,
            modified: 0,
        });
        Ok(files.chain(folders).collect())
    }

    /// Every file, in the tool's spelling, with its size.
    pub(super) fn files(&self) -> impl Iterator<Item = (String, u64)> {
        self.disks.iter().flat_map(|disk| {
            let root = disk.volume.path.as_str();
            let between = if root.starts_with('/') { "/" } else { r"\" };
            disk.files.values().map(move |file| {
                let below = file.path.replace('/', between);
                (format!("{root}{between}{below}"), file.length)
            })
        })
    }

    pub(super) fn record(&mut self, op: Op, by: &str, from: Option<&str>, to: Option<&str>) {
        self.history.push(FolderEffect {
            op,
            by: by.to_owned(),
            from: from.map(str::to_owned),
            to: to.map(str::to_owned),
        });
    }
}
