//! Shares that are not waited for without an end: a host that is away, or a mount that hangs, answers
//! within a limit or is not reachable.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::copy::CopyError;
use super::shares::{Answer, Cause, Ends, Entry, Looked, ShareError, Shares};
use crate::site::{Limits, Verify};

/// Files that are looked at within one limit.
const TOGETHER: usize = 1024;

/// Shares behind limits.
pub struct Patient<S> {
    shares: S,
    /// For what shows no progress.
    stall: Duration,
    /// For what takes as long as its bytes do and tells nothing meanwhile.
    long: Duration,
    /// Folders that did not answer, and when: so soon they are not asked again.
    silent: Mutex<HashMap<String, Instant>>,
}

impl<S: Shares> Patient<S> {
    /// These shares, by those limits.
    pub fn new(shares: S, limits: &Limits) -> Self {
        Self {
            shares,
            stall: limits.stall,
            long: limits.step.max(limits.stall),
            silent: Mutex::default(),
        }
    }

    fn limited<'a, T: Send + 'a>(
        &'a self,
        folder: &'a str,
        limit: Duration,
        answer: Answer<'a, T>,
    ) -> Answer<'a, T> {
        Box::pin(async move {
            if self.is_silent(folder) {
                return Err(silence(folder, limit));
            }
            timeout(limit, answer)
                .await
                .unwrap_or_else(|_| Err(self.fell_silent(folder, limit)))
        })
    }

    fn is_silent(&self, folder: &str) -> bool {
        let silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        let since = silent.get(folder);
        since.is_some_and(|since| since.elapsed() < self.stall)
    }

    fn fell_silent(&self, folder: &str, limit: Duration) -> ShareError {
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        silent.insert(folder.to_owned(), Instant::now());
        silence(folder, limit)
    }
}

fn silence(path: &str, limit: Duration) -> ShareError {
    ShareError {
        path: path.to_owned(),
        cause: Cause::Unreachable,
        text: format!("it does not answer within {} s", limit.as_secs()),
    }
}

/// The folder of a file, in either spelling.
fn folder_of(path: &str) -> &str {
    let by_sign = path.rfind(['\\', '/']).map(|at| &path[..at]);
    let by_system = || Path::new(path).parent().and_then(Path::to_str);
    by_sign.or_else(by_system).unwrap_or(path)
}

impl<S: Shares> Shares for Patient<S> {
    fn list<'a>(&'a self, folder: &'a str) -> Answer<'a, Vec<Entry>> {
        let own = folder.trim_end_matches(['\\', '/']);
        self.limited(own, self.stall, self.shares.list(folder))
    }

    fn free<'a>(&'a self, folder: &'a str) -> Answer<'a, u64> {
        let own = folder.trim_end_matches(['\\', '/']);
        self.limited(own, self.stall, self.shares.free(folder))
    }

    fn ends<'a>(&'a self, path: &'a str, bytes: usize) -> Answer<'a, Ends> {
        self.limited(folder_of(path), self.stall, self.shares.ends(path, bytes))
    }

    fn look(&self, paths: Vec<String>) -> BoxFuture<'_, Vec<Result<Looked, ShareError>>> {
        Box::pin(async move {
            let mut looked = Vec::with_capacity(paths.len());
            for some in paths.chunks(TOGETHER) {
                let folder = folder_of(&some[0]).to_owned();
                let answer = self.shares.look(some.to_vec());
                let answer = Box::pin(async { Ok(answer.await) });
                match self.limited(&folder, self.stall, answer).await {
                    Ok(answers) => looked.extend(answers),
                    Err(error) => looked.extend(some.iter().map(|path| {
                        let path = path.clone();
                        Err(ShareError {
                            path,
                            ..error.clone()
                        })
                    })),
                }
            }
            looked
        })
    }

    fn read<'a>(&'a self, path: &'a str) -> Answer<'a, Vec<u8>> {
        self.limited(folder_of(path), self.stall, self.shares.read(path))
    }

    fn digest<'a>(&'a self, path: &'a str) -> Answer<'a, [u8; 32]> {
        self.limited(folder_of(path), self.long, self.shares.digest(path))
    }

    fn create<'a>(&'a self, path: &'a str) -> Answer<'a, ()> {
        self.limited(folder_of(path), self.stall, self.shares.create(path))
    }

    fn append_from<'a>(
        &'a self,
        from: &'a str,
        offset: u64,
        length: u64,
        to: &'a str,
    ) -> Answer<'a, u64> {
        let answer = self.shares.append_from(from, offset, length, to);
        self.limited(folder_of(from), self.long, answer)
    }

    fn settle<'a>(&'a self, from: &'a str, to: &'a str) -> Answer<'a, ()> {
        self.limited(folder_of(from), self.long, self.shares.settle(from, to))
    }

    fn grow<'a>(
        &'a self,
        from: &'a str,
        work: &'a str,
        verify: Verify,
        stop: &'a CancellationToken,
        progress: &'a (dyn Fn(u64) + Send + Sync),
    ) -> BoxFuture<'a, Result<u64, CopyError>> {
        Box::pin(async move {
            let moved = Mutex::new(Instant::now());
            let at = || *moved.lock().unwrap_or_else(PoisonError::into_inner);
            let show = |done| {
                *moved.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
                progress(done);
            };
            // What is given up must not go on by itself.
            let own = stop.child_token();
            let mut growing = self.shares.grow(from, work, verify, &own, &show);
            loop {
                // A file that is read twice tells nothing the second time.
                let limit = match verify {
                    Verify::Header => self.stall,
                    Verify::Hash => self.long,
                };
                let end = at() + limit;
                match tokio::time::timeout_at(end, &mut growing).await {
                    Ok(grown) => return grown,
                    Err(_) if at() + limit > end => {}
                    Err(_) => {
                        own.cancel();
                        return Err(self.fell_silent(folder_of(from), limit).into());
                    }
                }
            }
        })
    }

    fn settle_all<'a>(
        &'a self,
        names: &'a [(String, String)],
    ) -> BoxFuture<'a, Vec<Result<(), ShareError>>> {
        Box::pin(async move {
            let settled = timeout(self.long, self.shares.settle_all(names)).await;
            settled.unwrap_or_else(|_| {
                let silent = |(from, _): &(String, String)| Err(silence(from, self.long));
                names.iter().map(silent).collect()
            })
        })
    }

    fn remove<'a>(&'a self, path: &'a str) -> Answer<'a, ()> {
        self.limited(folder_of(path), self.stall, self.shares.remove(path))
    }

    fn write<'a>(&'a self, path: &'a str, bytes: &'a [u8]) -> Answer<'a, ()> {
        self.limited(folder_of(path), self.stall, self.shares.write(path, bytes))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::future::pending;

    use super::*;

    /// A share that never answers, but a copy that moves so often.
    struct Hangs(u32);

    impl Shares for Hangs {
        fn list<'a>(&'a self, _: &'a str) -> Answer<'a, Vec<Entry>> {
            Box::pin(pending())
        }
        fn free<'a>(&'a self, _: &'a str) -> Answer<'a, u64> {
            Box::pin(pending())
        }
        fn ends<'a>(&'a self, _: &'a str, _: usize) -> Answer<'a, Ends> {
            Box::pin(pending())
        }
        fn read<'a>(&'a self, _: &'a str) -> Answer<'a, Vec<u8>> {
            Box::pin(pending())
        }
        fn digest<'a>(&'a self, _: &'a str) -> Answer<'a, [u8; 32]> {
            Box::pin(pending())
        }
        fn create<'a>(&'a self, _: &'a str) -> Answer<'a, ()> {
            Box::pin(pending())
        }
        fn append_from<'a>(&'a self, _: &'a str, _: u64, _: u64, _: &'a str) -> Answer<'a, u64> {
            Box::pin(pending())
        }
        fn settle<'a>(&'a self, _: &'a str, _: &'a str) -> Answer<'a, ()> {
            Box::pin(pending())
        }
        fn grow<'a>(
            &'a self,
            _: &'a str,
            _: &'a str,
            _: Verify,
            stop: &'a CancellationToken,
            progress: &'a (dyn Fn(u64) + Send + Sync),
        ) -> BoxFuture<'a, Result<u64, CopyError>> {
            Box::pin(async move {
                for n in 0..self.0 {
                    tokio::time::sleep(Duration::from_mins(4)).await;
                    progress(n.into());
                }
                stop.cancelled().await;
                pending().await
            })
        }
        fn remove<'a>(&'a self, _: &'a str) -> Answer<'a, ()> {
            Box::pin(pending())
        }
        fn write<'a>(&'a self, _: &'a str, _: &'a [u8]) -> Answer<'a, ()> {
            Box::pin(pending())
        }
    }

    const FILE: &str = r"\\fs1\logs\a.trn";

    #[tokio::test(start_paused = true)]
    async fn nothing_that_is_asked_of_a_share_is_waited_for_without_an_end() {
        let began = Instant::now();
        let new = || Patient::new(Hangs(0), &Limits::default());
        let ended = |error: ShareError| {
            assert_eq!(error.cause, Cause::Unreachable);
            assert!(error.text.contains("does not answer within"), "{error}");
        };
        ended(new().list(r"\\fs1\logs").await.unwrap_err());
        ended(new().free(r"\\fs1\logs").await.unwrap_err());
        ended(new().ends(FILE, 1).await.unwrap_err());
        ended(
            new()
                .look(vec![FILE.to_owned()])
                .await
                .remove(0)
                .unwrap_err(),
        );
        ended(new().read(FILE).await.unwrap_err());
        ended(new().digest(FILE).await.unwrap_err());
        ended(new().create(FILE).await.unwrap_err());
        ended(new().append_from(FILE, 0, 1, FILE).await.unwrap_err());
        ended(new().settle(FILE, FILE).await.unwrap_err());
        let names = [(FILE.to_owned(), FILE.to_owned())];
        ended(new().settle_all(&names).await.remove(0).unwrap_err());
        ended(new().remove(FILE).await.unwrap_err());
        ended(new().write(FILE, b"").await.unwrap_err());
        assert!(began.elapsed() < Duration::from_hours(4));
    }

    #[tokio::test(start_paused = true)]
    async fn a_copy_may_take_as_long_as_it_moves_and_is_stopped_when_it_does_not() {
        let share = Patient::new(Hangs(30), &Limits::default());
        let stop = CancellationToken::new();
        let began = Instant::now();
        let grown = share.grow(FILE, FILE, Verify::Header, &stop, &|_| ()).await;
        assert!(matches!(grown, Err(CopyError::Share(error)) if error.cause == Cause::Unreachable));
        assert!(began.elapsed() >= Duration::from_hours(2));
        assert!(began.elapsed() < Duration::from_mins(130));
        assert!(!stop.is_cancelled(), "that is the operator's");
    }

    #[tokio::test(start_paused = true)]
    async fn a_folder_that_did_not_answer_costs_its_limit_once_and_is_asked_again_later() {
        let share = Patient::new(Hangs(0), &Limits::default());
        share.list(r"\\fs1\logs").await.unwrap_err();
        let began = Instant::now();
        share.list(r"\\fs1\logs\").await.unwrap_err();
        share.read(FILE).await.unwrap_err();
        assert_eq!(began.elapsed(), Duration::ZERO);
        tokio::time::advance(Duration::from_mins(6)).await;
        let began = Instant::now();
        share.list(r"\\fs1\logs").await.unwrap_err();
        assert!(began.elapsed() > Duration::ZERO);
    }
}
