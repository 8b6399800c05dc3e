//! Folders of the real file system, local or on a share that the system has mounted or can reach.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::copy::CopyError;
use super::shares::{Answer, Cause, Ends, Entry, EntryKind, Looked, ShareError, Shares};
use crate::model::header::END_BYTES;
use crate::site::Verify;
use cause::cause;
use many::share_out;

/// Bytes read at once.
const CHUNK: usize = 1 << 20;

/// The real file system. Every operation runs on a thread for blocking work: a share that hangs
/// holds up its own caller only.
#[derive(Clone, Copy, Debug, Default)]
pub struct Files;

impl Shares for Files {
    fn list<'a>(&'a self, folder: &'a str) -> Answer<'a, Vec<Entry>> {
        blocking(folder, list)
    }

    fn free<'a>(&'a self, folder: &'a str) -> Answer<'a, u64> {
        blocking(folder, |folder| {
            fs4::available_space(folder).map_err(at(folder))
        })
    }

    fn ends<'a>(&'a self, path: &'a str, bytes: usize) -> Answer<'a, Ends> {
        blocking(path, move |path| ends(path, bytes).map_err(at(path)))
    }

    fn look(&self, paths: Vec<String>) -> BoxFuture<'_, Vec<Result<Looked, ShareError>>> {
        async move {
            let waits = Waits::new();
            let waiting = waits.flag();
            let (count, first) = (paths.len(), paths.first().cloned().unwrap_or_default());
            let done = tokio::task::spawn_blocking(move || {
                share_out(&paths, &waiting, Vec::new, |buffer, path| {
                    look(path, buffer).map_err(at(path))
                })
            });
            let cut = || Err(cut_short(&first));
            done.await
                .unwrap_or_else(|_| std::iter::repeat_with(cut).take(count).collect())
        }
        .boxed()
    }

    fn read<'a>(&'a self, path: &'a str) -> Answer<'a, Vec<u8>> {
        blocking(path, |path| fs::read(path).map_err(at(path)))
    }

    fn digest<'a>(&'a self, path: &'a str) -> Answer<'a, [u8; 32]> {
        blocking(path, |path| digest(path).map_err(at(path)))
    }

    fn create<'a>(&'a self, path: &'a str) -> Answer<'a, ()> {
        blocking(path, |path| create(path).map_err(at(path)))
    }

    fn append_from<'a>(
        &'a self,
        from: &'a str,
        offset: u64,
        length: u64,
        to: &'a str,
    ) -> Answer<'a, u64> {
        let to = to.to_owned();
        blocking(from, move |from| append_from(from, offset, length, &to))
    }

    fn settle<'a>(&'a self, from: &'a str, to: &'a str) -> Answer<'a, ()> {
        let to = to.to_owned();
        blocking(from, move |from| {
            let mut settled = copying::settle(&[(from.to_owned(), to)]);
            settled.pop().unwrap_or_else(|| Err(cut_short(from)))
        })
    }

    fn grow<'a>(
        &'a self,
        from: &'a str,
        work: &'a str,
        verify: Verify,
        stop: &'a CancellationToken,
        progress: &'a (dyn Fn(u64) + Send + Sync),
    ) -> BoxFuture<'a, Result<u64, CopyError>> {
        let (source, copy, stop) = (from.to_owned(), work.to_owned(), stop.clone());
        async move {
            let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
            let growing = tokio::task::spawn_blocking(move || {
                // Who does not listen any more needs no progress.
                let tell = |done| tell.send(done).unwrap_or_default();
                copying::grow(&source, &copy, verify, &stop, tell)
            });
            while let Some(done) = told.recv().await {
                progress(done);
            }
            growing
                .await
                .unwrap_or_else(|_| Err(cut_short(from).into()))
        }
        .boxed()
    }

    fn settle_all<'a>(
        &'a self,
        names: &'a [(String, String)],
    ) -> BoxFuture<'a, Vec<Result<(), ShareError>>> {
        let own = names.to_vec();
        async move {
            let done = tokio::task::spawn_blocking(move || copying::settle(&own)).await;
            let lost = |(from, _): &(String, String)| Err(cut_short(from));
            done.unwrap_or_else(|_| names.iter().map(lost).collect())
        }
        .boxed()
    }

    fn remove<'a>(&'a self, path: &'a str) -> Answer<'a, ()> {
        blocking(path, |path| fs::remove_file(path).map_err(at(path)))
    }

    fn write<'a>(&'a self, path: &'a str, bytes: &'a [u8]) -> Answer<'a, ()> {
        let bytes = bytes.to_vec();
        blocking(path, move |path| write(path, &bytes).map_err(at(path)))
    }
}

/// Tells threads whether anybody still waits for what they do.
struct Waits(Arc<AtomicBool>);

impl Waits {
    fn new() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.store(false, Relaxed);
    }
}

fn blocking<'a, T: Send + 'static>(
    path: &str,
    work: impl FnOnce(&str) -> Result<T, ShareError> + Send + 'static,
) -> Answer<'a, T> {
    let path = path.to_owned();
    async move {
        let lost = cut_short(&path);
        let done = tokio::task::spawn_blocking(move || work(&path)).await;
        done.unwrap_or(Err(lost))
    }
    .boxed()
}

fn cut_short(path: &str) -> ShareError {
    ShareError {
        path: path.to_owned(),
        cause: Cause::Other,
        text: "the operation was cut short".to_owned(),
    }
}

/// Makes the refusal of `path` out of the system's error.
fn at(path: &str) -> impl Fn(io::Error) -> ShareError + use<> {
    let path = path.to_owned();
    move |error| ShareError {
        path: path.clone(),
        cause: cause(&error),
        text: error.to_string(),
    }
}

fn list(folder: &str) -> Result<Vec<Entry>, ShareError> {
    let at = at(folder);
    if !fs::metadata(folder).map_err(&at)?.is_dir() {
        return Err(ShareError {
            path: folder.to_owned(),
            cause: Cause::Other,
            text: "not a folder".to_owned(),
        });
    }
    let entries: Vec<_> = fs::read_dir(folder)
        .and_then(Iterator::collect::<io::Result<_>>)
        .map_err(&at)?;
    // Windows has told all of it by now; elsewhere each name is asked for.
    let told = share_out(&entries, &AtomicBool::new(true), || (), |(), it| entry(it));
    Ok(told.into_iter().flatten().collect())
}

/// What a name stands for; `None` where it is gone since the folder was read.
fn entry(entry: &fs::DirEntry) -> Option<Entry> {
    let (name, unicode) = match entry.file_name().into_string() {
        Ok(name) => (name, true),
        Err(name) => (name.to_string_lossy().into_owned(), false),
    };
    let (link, metadata) = match entry.metadata() {
        Ok(it) if it.is_symlink() => (true, fs::metadata(entry.path())),
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        other => (false, other),
    };
    let kind = match &metadata {
        _ if !unicode => EntryKind::Other("its name is no Unicode text"),
        Err(_) if link => EntryKind::Other("a link that leads nowhere"),
        // Nothing more is known of it: opening it will tell why.
        Err(_) => EntryKind::File,
        Ok(metadata) => kind(metadata.file_type()),
    };
    let file = metadata.ok().filter(|_| kind == EntryKind::File);
    Some(Entry {
        name,
        kind,
        size: file.as_ref().map_or(0, fs::Metadata::len),
        modified: file
            .and_then(|metadata| metadata.modified().ok())
            .map_or(0, seconds),
    })
}

/// What stands there, links followed. A pipe is never opened: that would wait for its other end.
fn kind(it: fs::FileType) -> EntryKind {
    if it.is_file() {
        EntryKind::File
    } else if it.is_dir() {
        EntryKind::Folder
    } else {
        special(it)
    }
}

#[cfg(unix)]
fn special(it: fs::FileType) -> EntryKind {
    use std::os::unix::fs::FileTypeExt as _;
    EntryKind::Other(if it.is_fifo() {
        "a pipe"
    } else if it.is_socket() {
        "a socket"
    } else {
        "a device"
    })
}

#[cfg(not(unix))]
fn special(_: fs::FileType) -> EntryKind {
    EntryKind::Other("no file")
}

/// Seconds since 1970, rounded down.
fn seconds(time: SystemTime) -> i64 {
    let whole = |seconds| i64::try_from(seconds).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => whole(after.as_secs()),
        Err(before) => {
            let before = before.duration();
            -whole(before.as_secs()) - i64::from(before.subsec_nanos() > 0)
        }
    }
}

fn ends(path: &str, bytes: usize) -> io::Result<Ends> {
    ends_of(&File::open(path)?, bytes)
}

fn ends_of(file: &File, bytes: usize) -> io::Result<Ends> {
    let mut head = Vec::new();
    let (size, length) = read_ends(file, bytes, &mut head)?;
    let tail = head.split_off(length);
    Ok(Ends { head, tail, size })
}

/// Reads what the ends of a file say; `buffer` is used again for the next.
fn look(path: &str, buffer: &mut Vec<u8>) -> io::Result<Looked> {
    let (size, length) = read_ends(&File::open(path)?, END_BYTES, buffer)?;
    let (head, tail) = buffer.split_at(length);
    Ok(Looked::of(path.to_owned(), head, tail, size))
}

/// Reads head and tail of a file, one behind the other, and says its size and the length of the
/// head. Where the file shrinks meanwhile they end early.
fn read_ends(file: &File, bytes: usize, buffer: &mut Vec<u8>) -> io::Result<(u64, usize)> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let size = metadata.len();
    let length = usize::try_from(size).unwrap_or(usize::MAX).min(bytes);
    buffer.resize(2 * length, 0);
    let (head, tail) = buffer.split_at_mut(length);
    let read = read_at(file, head, 0)?;
    let rest = read_at(file, tail, size - length as u64)?;
    buffer.copy_within(length..length + rest, read);
    buffer.truncate(read + rest);
    Ok((size, read))
}

/// Fills `part` from `offset` on, as far as the file goes; says how far.
fn read_at(file: &File, part: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    loop {
        let read = retry(|| read_some(file, &mut part[done..], offset + done as u64))?;
        done += read;
        if read == 0 || done == part.len() {
            return Ok(done);
        }
    }
}

#[cfg(unix)]
fn read_some(file: &File, part: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, part, offset)
}

#[cfg(windows)]
fn read_some(file: &File, part: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, part, offset)
}

fn digest(path: &str) -> io::Result<[u8; 32]> {
    digest_of(&File::open(path)?)
}

fn digest_of(mut file: &File) -> io::Result<[u8; 32]> {
    let mut digest = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = retry(|| file.read(&mut chunk))?;
        if read == 0 {
            return Ok(digest.finalize().into());
        }
        digest.update(&chunk[..read]);
    }
}

fn create(path: &str) -> io::Result<()> {
    // Never truncated: after a crash inside `settle` the name may be a second one of a whole file.
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    File::create_new(path).map(drop)
}

fn append_from(from: &str, offset: u64, length: u64, to: &str) -> Result<u64, ShareError> {
    let (reading, writing) = (at(from), at(to));
    let mut source = File::open(from).map_err(&reading)?;
    source.seek(SeekFrom::Start(offset)).map_err(&reading)?;
    let mut target = OpenOptions::new().append(true).open(to).map_err(&writing)?;
    let before = target.metadata().map_err(&writing)?.len();

    let size = length.min(CHUNK as u64);
    let mut chunk = vec![0; usize::try_from(size).unwrap_or(CHUNK)];
    let mut append = || {
        let mut done = 0;
        while done < length {
            let left = usize::try_from(length - done).unwrap_or(CHUNK);
            let wanted = left.min(chunk.len());
            let read = retry(|| source.read(&mut chunk[..wanted])).map_err(&reading)?;
            if read == 0 {
                break;
            }
            target.write_all(&chunk[..read]).map_err(&writing)?;
            done += read as u64;
        }
        Ok(done)
    };
    let done = append();
    if done.is_err() {
        // All or nothing, as far as the disk lets us: a caller that tries again appends no byte
        // twice. The first refusal is the one to tell.
        let _ = OpenOptions::new()
            .write(true)
            .open(to)
            .and_then(|target| target.set_len(before));
    }
    done
}

fn retry(mut read: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match read() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn write(path: &str, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder_of(path))?;
    let aside = format!("{path}.new");
    let written = write_flushed(&aside, bytes).and_then(|()| fs::rename(&aside, path));
    if written.is_err() {
        let _ = fs::remove_file(&aside);
    }
    written?;
    sync_folder(path)
}

fn write_flushed(path: &str, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn folder_of(path: &str) -> &Path {
    match Path::new(path).parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes the names in the folder of `path` durable. Windows has no such call: NTFS keeps its names
/// in a journal.
fn sync_folder(path: &str) -> io::Result<()> {
    if cfg!(windows) {
        return Ok(());
    }
    match File::open(folder_of(path))?.sync_all() {
        // Network file systems that cannot.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::InvalidInput | ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        other => other,
    }
}

mod cause;
mod copying;
mod many;
#[cfg(test)]
mod tests;
