//! Real folders as the simulated engines see them.
//!
//! A backup file has real bytes: head, zeros, tail. What the bytes do not say (family, fork, messages)
//! is kept in memory by a digest of its two ends, so that a copy is known whoever made it. A known
//! header over other bytes is a damaged backup; anything else is no backup, or somebody else's.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use jiff::civil::DateTime;
use jiff::tz::Offset;
use sha2::{Digest, Sha256};

use crate::model::Lsn;
use crate::rehearsal::backup_file::{self, END};
use crate::rehearsal::backup_set::{BackupSet, Form};
use crate::rehearsal::world::{FileView, Files};

/// What a header says of its set that no other has.
type Header = (String, String, Lsn, Lsn, DateTime);

/// Size and digest of both ends.
type Ends = (u64, [u8; 32]);

/// The folders of a lab.
pub(super) struct Shares {
    /// Without links in them.
    roots: Vec<PathBuf>,
    /// The one of log backups, and whether the engines may not read it.
    backup: PathBuf,
    closed: AtomicBool,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    files: HashMap<Ends, (Vec<BackupSet>, Form)>,
    headers: HashMap<Header, BackupSet>,
}

impl Shares {
    /// Folders that are there.
    pub(super) fn new(roots: &[PathBuf], backup: &Path) -> io::Result<Self> {
        let roots: io::Result<Vec<_>> = roots.iter().map(fs::canonicalize).collect();
        Ok(Self {
            roots: roots?,
            backup: fs::canonicalize(backup)?,
            closed: AtomicBool::new(false),
            known: Mutex::default(),
        })
    }

    /// Says whether the engines may not read the share of the log backups.
    pub(super) fn close(&self, closed: bool) {
        self.closed.store(closed, Ordering::SeqCst);
    }

    /// Writes a backup, whole from the first instant at which it is seen, last written when its
    /// last set was finished.
    pub(super) fn lay(
        &self,
        path: &Path,
        sets: Vec<BackupSet>,
        size: u64,
        form: Form,
        overwrite: bool,
    ) -> io::Result<()> {
        let Some(last) = sets.last() else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let size = size.max(2 * END as u64).next_multiple_of(512);
        let (head, tail) = backup_file::formed(&sets, form);
        let folder = path.parent().unwrap_or(Path::new(""));
        let part = tempfile::Builder::new()
            .prefix(".lab-")
            .tempfile_in(folder)?;
        let mut file = part.as_file();
        file.write_all(&head)?;
        file.set_len(size)?;
        file.seek(SeekFrom::Start(size - END as u64))?;
        file.write_all(&tail)?;
        // Others of this machine may read it: a temporary file is its owner's.
        #[cfg(unix)]
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
        if let Some(at) = system_time(last.finished) {
            file.set_modified(at)?;
        }
        self.learn((size, digest(&head, &tail)), sets, form);
        if overwrite {
            part.persist(path)
        } else {
            part.persist_noclobber(path)
        }
        .map_err(|error| error.error)?;
        Ok(())
    }

    fn learn(&self, ends: Ends, sets: Vec<BackupSet>, form: Form) {
        let mut known = self.known();
        for set in &sets {
            known.headers.insert(header(set), set.clone());
        }
        known.files.insert(ends, (sets, form));
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a path of a statement leads: into one of the folders, or nowhere.
    fn place(&self, path: &str) -> Result<PathBuf, u32> {
        let path = Path::new(path);
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(3);
        };
        if !path.is_absolute() {
            return Err(3);
        }
        let folder = fs::canonicalize(folder).map_err(|error| match number(&error) {
            2 => 3,
            other => other,
        })?;
        if self.roots.iter().any(|root| folder.starts_with(root)) {
            Ok(folder.join(name))
        } else {
            Err(5)
        }
    }

    /// What a file holds.
    fn look(&self, file: &mut File) -> io::Result<FileView> {
        let size = file.metadata()?.len();
        let mut view = FileView {
            size,
            ..FileView::default()
        };
        if size < 2 * END as u64 {
            return Ok(view);
        }
        let mut head = vec![0; END];
        let mut tail = vec![0; END];
        file.read_exact(&mut head)?;
        file.seek(SeekFrom::Start(size - END as u64))?;
        file.read_exact(&mut tail)?;
        let sets = self
            .known()
            .files
            .get(&(size, digest(&head, &tail)))
            .cloned();
        if let Some((sets, form)) = sets {
            view.damaged = sets.iter().any(|set| set.damaged) || !is_blank(file, size)?;
            view.sets = sets;
            view.form = form;
        } else if let Some(set) = backup_file::set_of(&head, &tail, size, [0; 16], [0; 16]) {
            let known = self.known().headers.get(&header(&set)).cloned();
            view.damaged = known.is_some();
            view.sets = vec![known.unwrap_or(set)];
        }
        Ok(view)
    }
}

impl Files for Shares {
    fn open(&self, _viewer: &str, path: &str) -> Result<FileView, u32> {
        let path = self.place(path)?;
        let closed = self.closed.load(Ordering::SeqCst) && path.starts_with(&self.backup);
        if closed || path.is_dir() {
            return Err(5);
        }
        File::open(path)
            .and_then(|mut file| self.look(&mut file))
            .map_err(|error| number(&error))
    }

    fn write_backup(
        &self,
        _viewer: &str,
        path: &str,
        file: FileView,
        overwrite: bool,
    ) -> Result<(), u32> {
        let path = self.place(path)?;
        if path.is_dir() {
            return Err(5);
        }
        self.lay(&path, file.sets, file.size, file.form, overwrite)
            .map_err(|error| number(&error))
    }
}

fn header(set: &BackupSet) -> Header {
    (
        set.server.clone(),
        set.database.clone(),
        set.first_lsn,
        set.last_lsn,
        // Headers know whole seconds.
        whole_second(set.started),
    )
}

pub(super) fn whole_second(at: DateTime) -> DateTime {
    at.with().subsec_nanosecond(0).build().unwrap_or(at)
}

fn digest(head: &[u8], tail: &[u8]) -> [u8; 32] {
    Sha256::new()
        .chain_update(head)
        .chain_update(tail)
        .finalize()
        .into()
}

/// Whether there is nothing but zeros between the two ends.
fn is_blank(file: &mut File, size: u64) -> io::Result<bool> {
    file.seek(SeekFrom::Start(END as u64))?;
    let mut left = file.take(size - 2 * END as u64);
    let mut bytes = vec![0; 64 * 1024];
    loop {
        match left.read(&mut bytes)? {
            0 => return Ok(true),
            read if bytes[..read].iter().any(|byte| *byte != 0) => return Ok(false),
            _ => {}
        }
    }
}

fn system_time(at: DateTime) -> Option<SystemTime> {
    let seconds = Offset::UTC.to_timestamp(at).ok()?.as_second();
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds.try_into().ok()?))
}

/// The number of Windows for an error, as error 3201 quotes it.
fn number(error: &io::Error) -> u32 {
    if cfg!(windows)
        && let Some(number) = error.raw_os_error().and_then(|n| u32::try_from(n).ok())
    {
        // A file that is there answers 80 when it is made, 183 when another one takes its name.
        return if number == 183 { 80 } else { number };
    }
    match error.kind() {
        io::ErrorKind::NotFound => 2,
        io::ErrorKind::NotADirectory => 3,
        io::ErrorKind::PermissionDenied | io::ErrorKind::IsADirectory => 5,
        io::ErrorKind::AlreadyExists => 80,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => 112,
        _ => 1117,
    }
}
