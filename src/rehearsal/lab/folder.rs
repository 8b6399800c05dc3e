//! The folder of a lab: its own names in it, and nothing else, are ever touched.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// First line of the files that say whose a folder is.
pub const MARK: &str = "# Written by `pchadr lab`, which overwrites it.";

/// What failback rebuilds log shipping from, where the lab begins after a failover.
pub(super) const SAVED: &str = "log-shipping.json";
/// The site file, written last.
pub(super) const SITE: &str = "site.toml";
/// The authority.
pub(super) const AUTHORITY: &str = "ca.pem";
/// The password, readable by its owner alone.
pub(super) const PASSWORD: &str = "password.txt";
/// The token of the cmdlets, likewise.
pub(super) const TOKEN: &str = "shell-token.txt";
/// Says whose the folder is, and is locked while a lab is open in it.
const LOCK: &str = "lab.lock";
/// Holds the shares.
const SHARES: &str = "shares";
/// The shares.
const EACH: [&str; 5] = ["backup", "copy", "mirror", "archive", LOG_BACKUPS];

/// Where log backups after a failover go, where the site has them.
pub(super) const LOG_BACKUPS: &str = "log-backups";

/// Why a folder cannot be a lab's.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A file of ours would overwrite one that is not.
    #[error("`{0}` is there, and no lab wrote it")]
    NotOurs(PathBuf),
    /// Another lab is open in it.
    #[error("another lab is open in `{0}`")]
    InUse(PathBuf),
    /// It cannot be made or written.
    #[error("`{0}` cannot be used: {1}")]
    Io(PathBuf, #[source] io::Error),
}

/// A folder that is ours while this lives.
pub(super) struct Folder {
    path: PathBuf,
    /// Unlocked when closed.
    _lock: File,
}

impl Folder {
    /// Takes a folder, new or of an earlier lab; what an earlier lab left on the shares is removed.
    pub(super) fn take(path: &Path) -> Result<Self, FolderError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error| FolderError::Io(path, error)
        };
        let path = std::path::absolute(path).map_err(failed(path))?;
        fs::create_dir_all(&path).map_err(failed(&path))?;
        let lock = path.join(LOCK);
        let site = path.join(SITE);
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let mut file = match options.open(&lock) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let names = [SITE, AUTHORITY, PASSWORD, TOKEN, SAVED, SHARES];
                let names = names.map(|name| path.join(name));
                let there = |name: &PathBuf| name.symlink_metadata().is_ok();
                if let Some(other) = names.into_iter().find(there) {
                    return Err(FolderError::NotOurs(other));
                }
                let mut file = options
                    .create_new(true)
                    .open(&lock)
                    .map_err(failed(&lock))?;
                writeln!(file, "{MARK}").map_err(failed(&lock))?;
                file.rewind().map_err(failed(&lock))?;
                file
            }
            Err(error) => return Err(failed(&lock)(error)),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(FolderError::InUse(path)),
            Err(fs::TryLockError::Error(error)) => return Err(failed(&lock)(error)),
        }
        if !is_ours(&mut file).map_err(failed(&lock))? {
            return Err(FolderError::NotOurs(lock));
        }
        match File::open(&site) {
            Ok(mut file) => {
                if !is_ours(&mut file).map_err(failed(&site))? {
                    return Err(FolderError::NotOurs(site));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(&site)(error)),
        }
        // A site file that leads nowhere would be worse than none.
        remove(&site).map_err(failed(&site))?;
        for share in EACH {
            let share = path.join(SHARES).join(share);
            match fs::remove_dir_all(&share) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(failed(&share)(error));
                }
                _ => fs::create_dir_all(&share).map_err(failed(&share))?,
            }
        }
        Ok(Self { path, _lock: file })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Folder of a share: one of [`EACH`].
    pub(super) fn share(&self, name: &str) -> PathBuf {
        self.path.join(SHARES).join(name)
    }

    pub(super) fn shares(&self) -> Vec<PathBuf> {
        EACH.iter().map(|name| self.share(name)).collect()
    }

    /// Writes one of our files anew; a secret for its owner alone.
    pub(super) fn write(&self, name: &str, bytes: &[u8], secret: bool) -> io::Result<()> {
        let path = self.path.join(name);
        remove(&path)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, if secret { 0o600 } else { 0o644 });
        #[cfg(not(unix))]
        let _ = secret; // who may read is what the folder says
        options.open(path)?.write_all(bytes)
    }

    /// Writes the site file, whole from the first instant at which it is seen.
    pub(super) fn publish(&self, text: &str) -> io::Result<()> {
        const PART: &str = "site.toml.part";
        self.write(PART, text.as_bytes(), false)?;
        fs::rename(self.path.join(PART), self.path.join(SITE))
    }
}

/// Whether a file begins with our mark.
fn is_ours(file: &mut File) -> io::Result<bool> {
    let mut bytes = Vec::new();
    file.take(MARK.len() as u64).read_to_end(&mut bytes)?;
    Ok(bytes == MARK.as_bytes())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
