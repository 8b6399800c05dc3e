//! Folders of the real file system, local or on a share that the system has mounted or can reach.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::FutureExt;
use sha2::{Digest, Sha256};

use super::shares::{Answer, Cause, Ends, Entry, EntryKind, ShareError, Shares};

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
        blocking(from, move |from| settle(from, &to))
    }

    fn remove<'a>(&'a self, path: &'a str) -> Answer<'a, ()> {
        blocking(path, |path| fs::remove_file(path).map_err(at(path)))
    }

    fn write<'a>(&'a self, path: &'a str, bytes: &'a [u8]) -> Answer<'a, ()> {
        let bytes = bytes.to_vec();
        blocking(path, move |path| write(path, &bytes).map_err(at(path)))
    }
}

fn blocking<'a, T: Send + 'static>(
    path: &str,
    work: impl FnOnce(&str) -> Result<T, ShareError> + Send + 'static,
) -> Answer<'a, T> {
    let path = path.to_owned();
    async move {
        let lost = ShareError {
            path: path.clone(),
            cause: Cause::Other,
            text: "the operation was cut short".to_owned(),
        };
        let done = tokio::task::spawn_blocking(move || work(&path)).await;
        done.unwrap_or(Err(lost))
    }
    .boxed()
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

#[cfg(windows)]
fn cause(error: &io::Error) -> Cause {
    error.raw_os_error().map_or_else(|| general(error), windows)
}

#[cfg(not(windows))]
fn cause(error: &io::Error) -> Cause {
    // The one number that the standard library has no word for: the host is down.
    if cfg!(target_os = "linux") && error.raw_os_error() == Some(112) {
        return Cause::Unreachable;
    }
    general(error)
}

/// System error codes of Windows, as `reference/skype-powershell.md` 10 tells them apart; beside
/// them 51, 1231, 1232, which say the same as 53.
#[cfg(any(windows, test))]
fn windows(code: i32) -> Cause {
    match code {
        2 | 3 => Cause::NotFound,
        5 => Cause::Denied,
        32 | 33 => Cause::InUse,
        51 | 53 | 59 | 64 | 67 | 121 | 1231 | 1232 | 1326 => Cause::Unreachable,
        39 | 112 => Cause::Full,
        80 | 183 => Cause::Exists,
        _ => Cause::Other,
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the kinds of another library, which grow"
)]
fn general(error: &io::Error) -> Cause {
    match error.kind() {
        ErrorKind::NotFound => Cause::NotFound,
        ErrorKind::PermissionDenied => Cause::Denied,
        ErrorKind::ResourceBusy | ErrorKind::ExecutableFileBusy => Cause::InUse,
        ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::TimedOut
        | ErrorKind::NotConnected
        | ErrorKind::ConnectionAborted
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionRefused
        | ErrorKind::StaleNetworkFileHandle => Cause::Unreachable,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Cause::Full,
        ErrorKind::AlreadyExists => Cause::Exists,
        _ => Cause::Other,
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
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(&at)? {
        let entry = entry.map_err(&at)?;
        let (name, unicode) = match entry.file_name().into_string() {
            Ok(name) => (name, true),
            Err(name) => (name.to_string_lossy().into_owned(), false),
        };
        let (link, metadata) = match entry.metadata() {
            Ok(it) if it.is_symlink() => (true, fs::metadata(entry.path())),
            // Gone since the folder was read.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            other => (false, other),
        };
        let kind = match &metadata {
            _ if !unicode => EntryKind::Other("its name is no Unicode text"),
            Err(_) if link => EntryKind::Other("a link that leads nowhere"),
            // Nothing more is known of it: opening it will tell why.
            Err(_) => EntryKind::File,
            Ok(metadata) => kind(&metadata.file_type()),
        };
        let file = metadata.ok().filter(|_| kind == EntryKind::File);
        entries.push(Entry {
            name,
            kind,
            size: file.as_ref().map_or(0, fs::Metadata::len),
            modified: file
                .and_then(|metadata| metadata.modified().ok())
                .map_or(0, seconds),
        });
    }
    Ok(entries)
}

/// What stands there, links followed. A pipe is never opened: that would wait for its other end.
fn kind(it: &fs::FileType) -> EntryKind {
    if it.is_file() {
        EntryKind::File
    } else if it.is_dir() {
        EntryKind::Folder
    } else {
        special(it)
    }
}

#[cfg(unix)]
fn special(it: &fs::FileType) -> EntryKind {
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
fn special(_: &fs::FileType) -> EntryKind {
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
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let size = metadata.len();
    let length = size.min(bytes as u64);
    let mut read = |offset| {
        let mut part = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        file.seek(SeekFrom::Start(offset))?;
        (&mut file).take(length).read_to_end(&mut part)?;
        io::Result::Ok(part)
    };
    Ok(Ends {
        head: read(0)?,
        tail: read(size - length)?,
        size,
    })
}

fn digest(path: &str) -> io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
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

fn settle(from: &str, to: &str) -> Result<(), ShareError> {
    let flushed = OpenOptions::new().write(true).open(from);
    flushed.and_then(|file| file.sync_all()).map_err(at(from))?;
    rename_new(from, to)?;
    sync_folder(to).map_err(at(to))
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
    match fs::hard_link(from, to) {
        Ok(()) => fs::remove_file(from).map_err(at(from)),
        Err(error) if cause(&error) == Cause::Exists => Err(at(to)(error)),
        Err(error) if cause(&error) == Cause::NotFound => Err(at(from)(error)),
        // Not every share has second names.
        Err(_) => rename_looking(from, to),
    }
}

/// The same where the file system gives no way but to look first.
fn rename_looking(from: &str, to: &str) -> Result<(), ShareError> {
    match fs::symlink_metadata(to) {
        Ok(_) => Err(at(to)(ErrorKind::AlreadyExists.into())),
        Err(error) if error.kind() == ErrorKind::NotFound => fs::rename(from, to).map_err(at(to)),
        Err(error) => Err(at(to)(error)),
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

#[cfg(test)]
mod tests;
