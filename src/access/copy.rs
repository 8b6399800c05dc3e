//! Copying log backups: in chunks, under a name of its own, checked, then renamed. Nothing has
//! its name before it is whole (`design.md` 9; `reference/skype-powershell.md` 10).

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use super::shares::{Cause, ShareError, Shares};
use crate::model::Problem;
use crate::model::chain::fingerprint;
use crate::model::header::END_BYTES;
use crate::site::Verify;

/// Bytes moved between two looks at the stop flag.
pub(super) const CHUNK: u64 = 4 * 1024 * 1024;

/// Waits between tries where the cause may pass by itself: in use, or not reachable.
const WAITS: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(15),
];

impl CopyError {
    pub(super) fn differs(work: &str, part: &'static str) -> Self {
        Self::Differs {
            path: work.to_owned(),
            part,
        }
    }
}

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
    /// Whoever copies may not write any more.
    #[error("{0}")]
    NotHeld(Problem),
    /// The stop flag was raised.
    #[error("stopped while copying `{path}`")]
    Stopped {
        /// The source.
        path: String,
    },
}

/// Asked before a copy grows, and before it is named: whoever sleeps in between may have lost the site.
pub trait Gate: Sync {
    /// Says why nothing may be written any more.
    fn pass(&self) -> BoxFuture<'_, Result<(), Problem>>;
}

/// Copies of one step: some grow at a time, and those that are whole are flushed and named together.
pub struct Copies<'a> {
    shares: &'a dyn Shares,
    verify: Verify,
    stop: &'a CancellationToken,
    gate: Option<&'a dyn Gate>,
    parallel: usize,
    growing: Semaphore,
    /// Whole, and not named yet.
    whole: Mutex<Vec<Whole>>,
    naming: tokio::sync::Mutex<()>,
}

struct Whole {
    work: String,
    to: String,
    named: oneshot::Sender<Result<(), ShareError>>,
}

/// Copies that may be whole and wait for their names, beside those that grow.
const UNNAMED: usize = 256;

impl CopyError {
    /// True where it is no matter of the file: a person wanted it, or nothing may be written any more.
    pub fn is_stop(&self) -> bool {
        match self {
            Self::Stopped { .. } | Self::NotHeld(_) => true,
            Self::Share(_) | Self::Differs { .. } | Self::Grew { .. } => false,
        }
    }
}

impl<'a> Copies<'a> {
    /// Copies of which `parallel` grow at a time.
    pub fn new(
        shares: &'a dyn Shares,
        verify: Verify,
        parallel: usize,
        stop: &'a CancellationToken,
    ) -> Self {
        let parallel = parallel.max(1);
        Self {
            shares,
            verify,
            stop,
            gate: None,
            parallel,
            growing: Semaphore::new(parallel),
            whole: Mutex::default(),
            naming: tokio::sync::Mutex::default(),
        }
    }

    /// The same behind a gate.
    #[must_use]
    pub fn behind(mut self, gate: &'a dyn Gate) -> Self {
        self.gate = Some(gate);
        self
    }

    async fn pass(&self) -> Result<(), CopyError> {
        match self.gate {
            None => Ok(()),
            Some(gate) => gate.pass().await.map_err(CopyError::NotHeld),
        }
    }

    /// How many calls of [`copy`](Self::copy) to hold at once: those that grow, and those that wait
    /// for the disk.
    pub fn at_once(&self) -> usize {
        self.parallel + UNNAMED
    }

    /// Copies `from` to `to` through [`work_name`], and says its size in bytes. `progress` hears of
    /// every chunk. A cause that may pass is tried again after 1, 5 and 15 s.
    ///
    /// # Errors
    /// What the share says, a copy that differs from its source, or a raised stop flag. The name `to`
    /// then does not exist, unless it did before ([`Cause::Exists`]).
    pub async fn copy(
        &self,
        from: &str,
        to: &str,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<u64, CopyError> {
        let mut waits = WAITS.iter();
        let mut again = false;
        loop {
            let error = match self.try_copy(from, to, progress, again).await {
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
                    () = self.stop.cancelled() => return Err(CopyError::Stopped { path: from.to_owned() }),
                },
                _ => return Err(error),
            }
        }
    }

    async fn try_copy(
        &self,
        from: &str,
        to: &str,
        progress: &(dyn Fn(u64) + Send + Sync),
        again: bool,
    ) -> Result<u64, CopyError> {
        let work = work_name(to);
        let size = {
            let _turn = self.growing.acquire().await;
            self.pass().await?;
            if again {
                let source = self.shares.ends(from, END_BYTES).await?;
                if self.shares.ends(to, END_BYTES).await.as_ref() == Ok(&source) {
                    // The try before did it; only its answer was lost.
                    return Ok(source.size);
                }
            }
            self.shares
                .grow(from, &work, self.verify, self.stop, progress)
                .await?
        };
        self.pass().await?;
        self.name(work, to.to_owned()).await?;
        Ok(size)
    }

    /// Flushes and names a whole copy, together with all that are whole when its turn comes.
    async fn name(&self, work: String, to: String) -> Result<(), ShareError> {
        let lost = ShareError {
            path: to.clone(),
            cause: Cause::Other,
            text: "the operation was cut short".to_owned(),
        };
        let (named, mut answer) = oneshot::channel();
        self.lock().push(Whole { work, to, named });
        tokio::select! {
            biased;
            // In the turn of another.
            named = &mut answer => return named.unwrap_or(Err(lost)),
            _turn = self.naming.lock() => {
                let whole = std::mem::take(&mut *self.lock());
                let (pairs, answers): (Vec<_>, Vec<_>) = whole
                    .into_iter()
                    .map(|it| ((it.work, it.to), it.named))
                    .unzip();
                let results = self.shares.settle_all(&pairs).await;
                for (answer, result) in answers.into_iter().zip(results) {
                    // Who does not wait any more needs no answer.
                    let _ = answer.send(result);
                }
            }
        }
        answer.await.unwrap_or(Err(lost))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Whole>> {
        self.whole.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ending of the names under which copies grow: one that nobody else gives.
pub const WORK: &str = ".pchadr.wrk";

/// Most characters of a file's name that its copy keeps while it grows: no file system takes a name
/// of more than 255 UTF-16 units, or of as many bytes.
pub const KEPT: usize = 200;

/// Path under which a copy grows: one for each target, and never too long.
pub fn work_name(to: &str) -> String {
    let name = to.rfind(['\\', '/']).map_or(to, |at| &to[at + 1..]);
    if name.len() <= KEPT {
        return format!("{to}{WORK}");
    }
    let folder = &to[..to.len() - name.len()];
    let kept = &name[..name.floor_char_boundary(KEPT)];
    let print = fingerprint(name.as_bytes(), b"", 0);
    let [a, b, c, d, ..] = print;
    format!(
        "{folder}{kept}~{:08x}{WORK}",
        u32::from_be_bytes([a, b, c, d])
    )
}

/// [`Shares::grow`] of what the other operations give.
pub(super) async fn grow_by_pieces<S: Shares + ?Sized>(
    shares: &S,
    from: &str,
    work: &str,
    verify: Verify,
    stop: &CancellationToken,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<u64, CopyError> {
    let source = shares.ends(from, END_BYTES).await?;
    shares.create(work).await?;
    let mut offset = 0;
    loop {
        if stop.is_cancelled() {
            return Err(CopyError::Stopped {
                path: from.to_owned(),
            });
        }
        let moved = shares.append_from(from, offset, CHUNK, work).await?;
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
    let copy = shares.ends(work, END_BYTES).await?;
    let same = source.differs(&copy).map_or(Ok(()), Err);
    same.map_err(|part| CopyError::differs(work, part))?;
    if verify == Verify::Hash && shares.digest(from).await? != shares.digest(work).await? {
        return Err(CopyError::differs(work, "bytes"));
    }
    Ok(offset)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
