//! Copying one log backup: in chunks, under a name of its own, checked, then renamed. Nothing has
//! its name before it is whole (`design.md` 9; `reference/skype-powershell.md` 10).

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::shares::{Cause, ShareError, Shares};
use crate::model::header::END_BYTES;
use crate::site::Verify;

/// Bytes moved between two looks at the stop flag.
const CHUNK: u64 = 4 * 1024 * 1024;

/// Waits between tries where the cause may pass by itself: in use, or not reachable.
const WAITS: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(15),
];

/// Why a copy did not come about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CopyError {
    /// The share refused.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// The copy differs from its source.
    #[error("the copy `{path}` differs from its source in its {part}")]
    Differs {
        /// The copy.
        path: String,
        /// Where it differs.
        part: &'static str,
    },
    /// The source changed its size while it was copied.
    #[error("`{path}` changed while it was copied: somebody still writes it")]
    Grew {
        /// The source.
        path: String,
    },
    /// The stop flag was raised.
    #[error("stopped while copying `{path}`")]
    Stopped {
        /// The source.
        path: String,
    },
}

/// Copies `from` to `to` through `<to without .trn>.wrk`, and says its size in bytes. `progress`
/// hears of every chunk. A cause that may pass is tried again after 1, 5 and 15 s.
///
/// # Errors
/// What the share says, a copy that differs from its source, or a raised stop flag. The name `to`
/// then does not exist, unless it did before ([`Cause::Exists`]).
pub async fn copy(
    shares: &dyn Shares,
    from: &str,
    to: &str,
    verify: Verify,
    stop: &CancellationToken,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<u64, CopyError> {
    let mut waits = WAITS.iter();
    let mut again = false;
    loop {
        let error = match try_copy(shares, from, to, verify, stop, progress, again).await {
            Err(error) => error,
            whole => return whole,
        };
        again = true;
        let passes = matches!(
            &error,
            CopyError::Share(ShareError {
                cause: Cause::InUse | Cause::Unreachable,
                ..
            })
        );
        match waits.next() {
            Some(wait) if passes => tokio::select! {
                () = tokio::time::sleep(*wait) => {}
                () = stop.cancelled() => return Err(CopyError::Stopped { path: from.to_owned() }),
            },
            _ => return Err(error),
        }
    }
}

/// Name under which a copy grows.
pub fn work_name(to: &str) -> String {
    format!("{}.wrk", to.strip_suffix(".trn").unwrap_or(to))
}

async fn try_copy(
    shares: &dyn Shares,
    from: &str,
    to: &str,
    verify: Verify,
    stop: &CancellationToken,
    progress: &(dyn Fn(u64) + Send + Sync),
    again: bool,
) -> Result<u64, CopyError> {
    let work = work_name(to);
    let source = shares.ends(from, END_BYTES).await?;
    if again && shares.ends(to, END_BYTES).await.as_ref() == Ok(&source) {
        // The try before did it; only its answer was lost.
        return Ok(source.size);
    }
    shares.create(&work).await?;
    let mut offset = 0;
    loop {
        if stop.is_cancelled() {
            return Err(CopyError::Stopped {
                path: from.to_owned(),
            });
        }
        let moved = shares.append_from(from, offset, CHUNK, &work).await?;
        if moved == 0 {
            break;
        }
        offset += moved;
        progress(offset);
    }
    if offset != source.size {
        return Err(CopyError::Grew {
            path: from.to_owned(),
        });
    }
    let copy = shares.ends(&work, END_BYTES).await?;
    let differs = |part| CopyError::Differs {
        path: work.clone(),
        part,
    };
    if copy.size != source.size {
        return Err(differs("size"));
    }
    if copy.head != source.head {
        return Err(differs("header"));
    }
    if copy.tail != source.tail {
        return Err(differs("closing copy"));
    }
    if verify == Verify::Hash && shares.digest(from).await? != shares.digest(&work).await? {
        return Err(differs("bytes"));
    }
    shares.settle(&work, to).await?;
    Ok(offset)
}
