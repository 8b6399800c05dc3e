//! Backup headers of folders, read once: kept by path, size and time (`design.md` 9).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt as _;

use super::shares::{Entry, ShareError, Shares};
use crate::model::chain::LogFile;
use crate::model::header::{END_BYTES, Unreadable};

/// Files whose ends are read at once.
const AT_ONCE: usize = 16;

/// One file of a folder.
#[derive(Clone, Debug)]
pub struct FolderFile {
    /// Its path.
    pub path: String,
    /// Its name.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// When it was last written, seconds since 1970 UTC.
    pub modified: i64,
    /// Its header, or why there is none.
    pub read: Result<Arc<LogFile>, Unreadable>,
}

#[derive(Clone)]
struct Kept {
    size: u64,
    modified: i64,
    read: Result<Arc<LogFile>, Unreadable>,
}

/// The headers read so far.
#[derive(Default)]
pub struct Headers {
    kept: Mutex<HashMap<String, Kept>>,
}

impl Headers {
    /// Reads a folder: every file but work files (`.wrk`) and undo files (`.tuf`), which are no log
    /// backups (`skype-powershell.md` 10). The order is that of the names.
    ///
    /// # Errors
    /// What the share says of the folder, or of one of its files; a file that vanished meanwhile is
    /// left out.
    pub async fn folder(
        &self,
        shares: &dyn Shares,
        folder: &str,
        join: impl Fn(&str) -> String,
    ) -> Result<Vec<FolderFile>, ShareError> {
        let mut entries = shares.list(folder).await?;
        entries.retain(|entry| {
            let ending = entry.name.rsplit('.').next().unwrap_or_default();
            !["wrk", "tuf"]
                .iter()
                .any(|other| ending.eq_ignore_ascii_case(other))
        });
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let reads = entries.into_iter().map(|entry| {
            let path = join(&entry.name);
            self.file(shares, entry, path)
        });
        let files: Vec<_> = futures_util::stream::iter(reads)
            .buffered(AT_ONCE)
            .collect()
            .await;
        files
            .into_iter()
            .filter_map(Result::transpose)
            .collect::<Result<Vec<_>, ShareError>>()
    }

    async fn file(
        &self,
        shares: &dyn Shares,
        entry: Entry,
        path: String,
    ) -> Result<Option<FolderFile>, ShareError> {
        let kept = self
            .lock()
            .get(&path)
            .filter(|kept| kept.size == entry.size && kept.modified == entry.modified)
            .cloned();
        let kept = match kept {
            Some(kept) => kept,
            None => match shares.ends(&path, END_BYTES).await {
                Ok(ends) => {
                    let read = LogFile::read(path.clone(), &ends.head, &ends.tail, ends.size);
                    let kept = Kept {
                        size: ends.size,
                        modified: entry.modified,
                        read: read.map(Arc::new),
                    };
                    self.lock().insert(path.clone(), kept.clone());
                    kept
                }
                Err(gone) if gone.cause == super::shares::Cause::NotFound => return Ok(None),
                Err(error) => return Err(error),
            },
        };
        Ok(Some(FolderFile {
            name: entry.name,
            path,
            size: kept.size,
            modified: kept.modified,
            read: kept.read,
        }))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Kept>> {
        // A map of whole entries stays usable whoever panicked while holding it.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
