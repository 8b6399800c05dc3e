//! Copies of files: grown with the kernel's help, flushed together.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::many::share_out;
use super::{CHUNK, at, cause, digest_of, ends_of, folder_of, retry, sync_folder};
use crate::access::copy::{self, CopyError};
use crate::access::shares::{Cause, ShareError};
use crate::model::header::END_BYTES;
use crate::site::Verify;

/// Fills `work` anew with the bytes of `from` and proves it. The source is read once.
pub(super) fn grow(
    from: &str,
    work: &str,
    verify: Verify,
    stop: &CancellationToken,
    progress: impl Fn(u64),
) -> Result<u64, CopyError> {
    let (reading, writing) = (at(from), at(work));
    let mut source = File::open(from).map_err(&reading)?;
    let before = ends_of(&source, END_BYTES).map_err(&reading)?;
    // Where reading at a place moves the file's own.
    source.rewind().map_err(&reading)?;
    let mut copy = create(work).map_err(&writing)?;

    let mut digest = (verify == Verify::Hash).then(Sha256::new);
    let mut chunk = Vec::new();
    let mut done = 0;
    loop {
        if stop.is_cancelled() {
            return Err(CopyError::Stopped {
                path: from.to_owned(),
            });
        }
        let mut moved = 0;
        if digest.is_none() {
            moved = by_kernel(&source, &copy, copy::CHUNK);
        }
        if moved == 0 {
            // At its end, or where the kernel does not help: what fails then tells which side did.
            let left = before.size.saturating_sub(done).saturating_add(1);
            chunk.resize(
                usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK)),
                0,
            );
            moved = through(&mut chunk, &mut source, &mut copy, &mut digest).map_err(
                |(side, error)| match side {
                    Side::Source => reading(error),
                    Side::Copy => writing(error),
                },
            )?;
        }
        if moved == 0 {
            break;
        }
        done += moved;
        progress(done);
    }
    if done != before.size {
        return Err(CopyError::Grew {
            path: from.to_owned(),
        });
    }
    let after = ends_of(&copy, END_BYTES).map_err(&writing)?;
    if let Some(part) = before.differs(&after) {
        return Err(CopyError::differs(work, part));
    }
    if let Some(digest) = digest {
        copy.rewind().map_err(&writing)?;
        let read: [u8; 32] = digest_of(&copy).map_err(&writing)?;
        if read[..] != digest.finalize()[..] {
            return Err(CopyError::differs(work, "bytes"));
        }
    }
    Ok(done)
}

/// An empty file under a name that was free, or that is taken from an older file.
fn create(path: &str) -> io::Result<File> {
    let new = || {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)
    };
    match new() {
        // Never truncated: after a crash inside `settle` the name may be a second one of a whole file.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            std::fs::remove_file(path)?;
            new()
        }
        other => other,
    }
}

/// Moves up to `length` bytes from where both files stand, inside the kernel or on the server of
/// both; 0 where it cannot, and at the end.
#[cfg(target_os = "linux")]
fn by_kernel(source: &File, copy: &File, length: u64) -> u64 {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let moved = rustix::fs::copy_file_range(source, None, copy, None, length);
    moved.map_or(0, |moved| moved as u64)
}

#[cfg(not(target_os = "linux"))]
fn by_kernel(_source: &File, _copy: &File, _length: u64) -> u64 {
    0
}

enum Side {
    Source,
    Copy,
}

/// Moves the next bytes through `chunk` and takes them into the digest.
fn through(
    chunk: &mut [u8],
    source: &mut File,
    copy: &mut File,
    digest: &mut Option<Sha256>,
) -> Result<u64, (Side, io::Error)> {
    let read = retry(|| source.read(chunk)).map_err(|error| (Side::Source, error))?;
    let bytes = &chunk[..read];
    copy.write_all(bytes).map_err(|error| (Side::Copy, error))?;
    if let Some(digest) = digest {
        digest.update(bytes);
    }
    Ok(read as u64)
}

/// Flushes the files, then gives each its name; the names are durable when this returns.
pub(super) fn settle(names: &[(String, String)]) -> Vec<Result<(), ShareError>> {
    let mut results = flush(names);
    for (result, (from, to)) in results.iter_mut().zip(names) {
        if result.is_ok() {
            *result = rename_new(from, to);
        }
    }
    let mut folders = BTreeMap::new();
    for (result, (_, to)) in results.iter_mut().zip(names) {
        if result.is_ok() {
            let synced = folders
                .entry(folder_of(to))
                .or_insert_with(|| sync_folder(to));
            if let Err(error) = synced {
                *result = Err(at(to)(copy_of(error)));
            }
        }
    }
    results
}

fn copy_of(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// Gives a file a name that nobody has: in one step, where the system and the share can.
#[cfg(target_os = "linux")]
fn rename_new(from: &str, to: &str) -> Result<(), ShareError> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        Err(Errno::EXIST) => Err(at(to)(ErrorKind::AlreadyExists.into())),
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => rename_linking(from, to),
        Err(error) => Err(at(from)(error.into())),
    }
}

/// Gives a file a name that nobody has.
#[cfg(not(target_os = "linux"))]
fn rename_new(from: &str, to: &str) -> Result<(), ShareError> {
    rename_linking(from, to)
}

/// The same in two steps. Killed between them, the file has both names: it is whole under either.
fn rename_linking(from: &str, to: &str) -> Result<(), ShareError> {
    // A rename replaces what is there; a second name is refused when it is taken, with no moment
    // between look and act.
    match std::fs::hard_link(from, to) {
        Ok(()) => std::fs::remove_file(from).map_err(at(from)),
        Err(error) if cause(&error) == Cause::Exists => Err(at(to)(error)),
        Err(error) if cause(&error) == Cause::NotFound => Err(at(from)(error)),
        // Not every share has second names.
        Err(_) => rename_looking(from, to),
    }
}

/// The same where the file system gives no way but to look first.
pub(super) fn rename_looking(from: &str, to: &str) -> Result<(), ShareError> {
    match std::fs::symlink_metadata(to) {
        Ok(_) => Err(at(to)(ErrorKind::AlreadyExists.into())),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            std::fs::rename(from, to).map_err(at(to))
        }
        Err(error) => Err(at(to)(error)),
    }
}

/// Flushes files to their disks. Many in one folder go with one call that flushes their whole file
/// system: one wait for the disk, where a call a file waits for each.
fn flush(names: &[(String, String)]) -> Vec<Result<(), ShareError>> {
    let mut folders: BTreeMap<&Path, bool> = BTreeMap::new();
    if names.len() > 1 {
        for (from, _) in names {
            let folder = folder_of(from);
            folders.entry(folder).or_insert_with(|| flush_all(folder));
        }
    }
    share_out(
        names,
        &AtomicBool::new(true),
        || (),
        |(), (from, _)| {
            if folders.get(folder_of(from)) == Some(&true) {
                return Ok(());
            }
            let file = OpenOptions::new().write(true).open(from);
            file.and_then(|file| file.sync_all()).map_err(at(from))
        },
    )
}

/// Flushes all of the file system that holds a folder; false where that is no proof. It tells of
/// writes that failed since Linux 5.8 (syncfs(2)); before, each file is asked.
#[cfg(target_os = "linux")]
fn flush_all(folder: &Path) -> bool {
    let tells = || {
        let release = rustix::system::uname();
        let release = release.release().to_str().ok()?;
        let mut numbers = release.split('.').map(|part| part.parse::<u32>().ok());
        Some((numbers.next()??, numbers.next()??) >= (5, 8))
    };
    tells() == Some(true)
        && File::open(folder).is_ok_and(|folder| rustix::fs::syncfs(folder).is_ok())
}

#[cfg(not(target_os = "linux"))]
fn flush_all(_folder: &Path) -> bool {
    false
}
