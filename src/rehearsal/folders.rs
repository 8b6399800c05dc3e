//! Folders in memory: the shares of the simulated site, as the tool sees them through
//! [`Shares`](crate::access::shares::Shares) and as every simulated instance sees them.
//!
//! A backup of any size costs its two ends: the bytes between are zeros that are never made. A copy
//! carries head, middle, tail and the backup sets over; an instance finds the sets only in a file
//! that is whole.

mod door;
mod engine;
mod file;
mod state;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::backup_set::{BackupSet, Form};
use super::message::system_text;
use crate::access::shares::Cause;
use file::Stored;
use state::{Fault, State};

/// How the tool is called where viewers are named; instances go by their keys, as `backup`.
pub const TOOL: &str = "tool";

/// Tells the simulated time.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Is called at every effect, outside of any lock of the folders.
pub type Hook = Arc<dyn Fn(&FolderEffect) + Send + Sync>;

/// A number of a Windows system error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OsError(pub u32);

/// A share or a disk folder with all below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// What tests and events call it.
    pub name: String,
    /// Its path as the tool sees it. UNC and POSIX paths mean the same to everybody; a drive path
    /// is this machine's own.
    pub path: String,
    /// Other paths of it: (instance key, path there), as (`backup`, `E:\pchat-copy`).
    pub aliases: Vec<(String, String)>,
    /// Machine that serves it.
    pub host: String,
    /// False: nobody reaches it over the network. An alias that is a local path still leads to it.
    pub reachable: bool,
    /// Viewers without any right to it.
    pub denied: BTreeSet<String>,
    /// Bytes left.
    pub free: u64,
    /// Simulated time of one operation of the tool.
    pub latency: Duration,
    /// Bytes a second that all transfers of the tool share; `None` = no time at all.
    pub throughput: Option<u64>,
}

impl Volume {
    /// A volume without faults, limits or delays.
    pub fn new(name: &str, path: &str, host: &str) -> Self {
        Self {
            name: name.to_owned(),
            path: path.to_owned(),
            aliases: Vec::new(),
            host: host.to_owned(),
            reachable: true,
            denied: BTreeSet::new(),
            free: u64::MAX / 2,
            latency: Duration::ZERO,
            throughput: None,
        }
    }
}

/// Operations that faults and effects name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// Listing a folder.
    List,
    /// Asking for the bytes that are left.
    Free,
    /// Reading both ends of a file.
    Ends,
    /// Reading a whole file.
    Read,
    /// Hashing a file.
    Digest,
    /// Making an empty file.
    Create,
    /// Appending a chunk; a fault's path is the source's or the destination's.
    Append,
    /// Flushing and renaming.
    Settle,
    /// Removing.
    Remove,
    /// Writing a small file.
    Write,
    /// An instance opens a backup.
    Open,
    /// An instance writes a backup.
    Backup,
}

/// What happened to a folder, in the paths that its actor used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderEffect {
    /// Settle, remove, write or backup.
    pub op: Op,
    /// [`TOOL`], or the key of an instance.
    pub by: String,
    /// Source of a copy; the file that was renamed or removed.
    pub from: Option<String>,
    /// The file that is there now.
    pub to: Option<String>,
}

/// All folders of the simulated site. Clones are the same folders.
#[derive(Clone)]
pub struct Folders {
    state: Arc<Mutex<State>>,
    now: Now,
    hook: Option<Hook>,
}

impl Folders {
    /// Makes a site without folders.
    pub fn new(now: Now) -> Self {
        Self {
            state: Arc::default(),
            now,
            hook: None,
        }
    }

    /// The same folders, whose effects also go to `hook`.
    #[must_use]
    pub fn with_hook(mut self, hook: Hook) -> Self {
        self.hook = Some(hook);
        self
    }

    /// Adds an empty volume. One at the same path gains its aliases instead: a site file may name
    /// one folder twice.
    pub fn add(&self, volume: Volume) {
        self.lock().add(volume);
    }

    /// Changes what is true of a volume. Says whether there is one of that name.
    pub fn change(&self, volume: &str, change: impl FnOnce(&mut Volume)) -> bool {
        let mut state = self.lock();
        let found = state.disks.iter_mut().find(|d| d.volume.name == volume);
        found.map(|disk| change(&mut disk.volume)).is_some()
    }

    /// Cuts a volume off, or brings it back. Says whether there is one of that name.
    pub fn set_reachable(&self, volume: &str, reachable: bool) -> bool {
        self.change(volume, |v| v.reachable = reachable)
    }

    /// Puts a backup where nobody wrote one in the rehearsal, last written when its last set
    /// finished. The path is the tool's; missing folders are made; no effect is recorded.
    pub fn put_backup(&self, path: &str, sets: Vec<BackupSet>, size: u64) -> Result<(), OsError> {
        self.put_formed(path, sets, size, Form::default())
    }

    /// The same, written in another way.
    pub fn put_formed(
        &self,
        path: &str,
        sets: Vec<BackupSet>,
        size: u64,
        form: Form,
    ) -> Result<(), OsError> {
        let modified = sets
            .last()
            .and_then(|set| jiff::tz::Offset::UTC.to_timestamp(set.finished).ok())
            .unwrap_or_else(|| (self.now)());
        self.put(path, Stored::backup(sets, size, form), modified)
    }

    /// Puts a small file, likewise.
    pub fn put_bytes(&self, path: &str, bytes: &[u8]) -> Result<(), OsError> {
        self.put(path, Stored::bytes(bytes), (self.now)())
    }

    /// Puts what is no file: "a link that leads nowhere", "a pipe". It is listed, and cannot be opened.
    pub fn put_special(&self, path: &str, what: &'static str) -> Result<(), OsError> {
        self.put(path, Stored::special(what), (self.now)())
    }

    /// Makes a folder.
    pub fn make_folder(&self, path: &str) -> Result<(), OsError> {
        let mut state = self.lock();
        let place = state.place_unchecked(&format!("{path}/x"))?;
        state.make_folders(&place);
        Ok(())
    }

    fn put(&self, path: &str, mut file: Stored, modified: Timestamp) -> Result<(), OsError> {
        file.modified = modified.as_second();
        let mut state = self.lock();
        let place = state.place_unchecked(path)?;
        state.make_folders(&place);
        state.store(&place, file)
    }

    /// The next `times` operations of that kind on a path with that ending fail, without effect.
    pub fn fail_next(&self, op: Op, path_suffix: &str, cause: Cause, times: usize) {
        self.lock().faults.push(Fault {
            op,
            suffix: path_suffix.to_lowercase(),
            error: number(cause),
            times,
            after: false,
        });
    }

    /// The next `times` operations of that kind happen, and then answer that the network is gone.
    pub fn lose_answer(&self, op: Op, path_suffix: &str, times: usize) {
        self.lock().faults.push(Fault {
            op,
            suffix: path_suffix.to_lowercase(),
            error: OsError(64),
            times,
            after: true,
        });
    }

    /// Cuts a file off at `size` bytes.
    pub fn truncate(&self, path: &str, size: u64) -> Result<(), OsError> {
        self.spoil(path, |file| file.length = file.length.min(size))
    }

    /// Damages the data of a backup: its header reads, its RESTORE fails, its hash is another.
    pub fn corrupt(&self, path: &str) -> Result<(), OsError> {
        self.spoil(path, Stored::damage)
    }

    /// Flips a bit of a backup's opening header, in its first LSN.
    pub fn corrupt_header(&self, path: &str) -> Result<(), OsError> {
        self.spoil(path, Stored::damage_header)
    }

    /// Says that another program has a file open, or no longer has it.
    pub fn hold(&self, path: &str, held: bool) -> Result<(), OsError> {
        self.spoil(path, |file| file.held = held)
    }

    /// Says that only its owner may read a file, or that all may again.
    pub fn deny(&self, path: &str, denied: bool) -> Result<(), OsError> {
        self.spoil(path, |file| file.denied = denied)
    }

    fn spoil(&self, path: &str, change: impl FnOnce(&mut Stored)) -> Result<(), OsError> {
        let mut state = self.lock();
        let place = state.place_unchecked(path)?;
        change(state.file_mut(&place)?);
        Ok(())
    }

    /// Every file with its size, sorted, in the tool's paths; what cannot be reached, too.
    pub fn snapshot(&self) -> Vec<(String, u64)> {
        let state = self.lock();
        let mut files: Vec<_> = state.files().collect();
        files.sort();
        files
    }

    /// All effects, oldest first.
    pub fn history(&self) -> Vec<FolderEffect> {
        self.lock().history.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does one operation under the lock; faults strike before or after it, effects go to the hook
    /// when the lock is free again.
    fn operate<T>(
        &self,
        op: Op,
        paths: &[&str],
        act: impl FnOnce(&mut State) -> Result<T, OsError>,
    ) -> Result<T, OsError> {
        let mut state = self.lock();
        state.now = (self.now)().as_second();
        let fault = state.strike(op, paths);
        if let Some(Fault {
            error,
            after: false,
            ..
        }) = fault
        {
            return Err(error);
        }
        let before = state.history.len();
        let result = act(&mut state);
        let effects = state.history[before..].to_vec();
        drop(state);
        if let Some(hook) = &self.hook {
            for effect in &effects {
                hook(effect);
            }
        }
        match fault {
            Some(fault) if result.is_ok() => Err(fault.error),
            _ => result,
        }
    }
}

/// The number that stands for a cause where a test asks for one.
fn number(cause: Cause) -> OsError {
    OsError(match cause {
        Cause::NotFound => 2,
        Cause::Denied => 5,
        Cause::InUse => 32,
        Cause::Unreachable => 53,
        Cause::Full => 112,
        Cause::Exists => 183,
        Cause::Other => 1117,
    })
}

impl OsError {
    /// What the number means for what to do next (`skype-powershell.md` 10).
    pub fn cause(self) -> Cause {
        match self.0 {
            2 | 3 => Cause::NotFound,
            5 => Cause::Denied,
            32 | 33 => Cause::InUse,
            53 | 59 | 64 | 67 | 121 | 1326 => Cause::Unreachable,
            39 | 112 => Cause::Full,
            80 | 183 => Cause::Exists,
            _ => Cause::Other,
        }
    }
}

impl fmt::Display for OsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Windows error {}: {}", self.0, system_text(self.0))
    }
}

#[cfg(test)]
mod tests;
