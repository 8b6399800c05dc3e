//! What the tool sees.

use std::time::Duration;

use futures_util::FutureExt;

use super::file::Stored;
use super::state::State;
use super::{Folders, Op, OsError, TOOL};
use crate::access::shares::{Answer, Ends, Entry, ShareError, Shares};

/// Says how many bytes an operation moves, for the time it takes.
type Moved<'a> = &'a (dyn Fn(&State) -> u64 + Send + Sync);

impl Folders {
    /// Waits as long as the shares take, then operates.
    async fn answer<T>(
        &self,
        op: Op,
        paths: &[&str],
        moved: Moved<'_>,
        act: impl FnOnce(&mut State) -> Result<T, OsError>,
    ) -> Result<T, ShareError> {
        let delay = self.delay(paths, moved);
        if delay > Duration::ZERO {
            tokio::time::sleep(delay).await;
        }
        self.operate(op, paths, act).map_err(|error| ShareError {
            path: paths.first().copied().unwrap_or_default().to_owned(),
            cause: error.cause(),
            text: error.to_string(),
        })
    }

    fn delay(&self, paths: &[&str], moved: Moved<'_>) -> Duration {
        let mut state = self.lock();
        let bytes = moved(&state);
        // Source and destination move the same bytes at the same time.
        let mut longest = Duration::ZERO;
        for path in paths {
            if let Ok(place) = state.place(TOOL, path) {
                longest = longest.max(state.delay(&place, bytes));
            }
        }
        longest
    }
}

const NOTHING: Moved<'static> = &|_| 0;

impl Shares for Folders {
    fn list<'a>(&'a self, folder: &'a str) -> Answer<'a, Vec<Entry>> {
        async move {
            self.answer(Op::List, &[folder], NOTHING, |state| {
                state.list(&state.place(TOOL, folder)?)
            })
            .await
        }
        .boxed()
    }

    fn free<'a>(&'a self, folder: &'a str) -> Answer<'a, u64> {
        async move {
            self.answer(Op::Free, &[folder], NOTHING, |state| {
                let place = state.place(TOOL, folder)?;
                Ok(state.free(&place))
            })
            .await
        }
        .boxed()
    }

    fn ends<'a>(&'a self, path: &'a str, bytes: usize) -> Answer<'a, Ends> {
        async move {
            let bytes = bytes as u64;
            let moved = bytes.saturating_mul(2);
            self.answer(Op::Ends, &[path], &move |_| moved, |state| {
                let place = state.place(TOOL, path)?;
                let file = state.free_file(&place)?;
                Ok(Ends {
                    head: file.range(0, bytes)?,
                    tail: file.range(file.length.saturating_sub(bytes), file.length)?,
                    size: file.length,
                })
            })
            .await
        }
        .boxed()
    }

    fn read<'a>(&'a self, path: &'a str) -> Answer<'a, Vec<u8>> {
        async move {
            let moved = |state: &State| length(state, path);
            self.answer(Op::Read, &[path], &moved, |state| {
                let place = state.place(TOOL, path)?;
                let file = state.free_file(&place)?;
                file.range(0, file.length)
            })
            .await
        }
        .boxed()
    }

    fn digest<'a>(&'a self, path: &'a str) -> Answer<'a, [u8; 32]> {
        async move {
            let moved = |state: &State| length(state, path);
            self.answer(Op::Digest, &[path], &moved, |state| {
                let place = state.place(TOOL, path)?;
                state.free_file(&place)?.digest()
            })
            .await
        }
        .boxed()
    }

    fn create<'a>(&'a self, path: &'a str) -> Answer<'a, ()> {
        async move {
            self.answer(Op::Create, &[path], NOTHING, |state| {
                let place = state.place(TOOL, path)?;
                let mut file = Stored::bytes(&[]);
                file.modified = state.now;
                state.store(&place, file)
            })
            .await
        }
        .boxed()
    }

    fn append_from<'a>(
        &'a self,
        from: &'a str,
        offset: u64,
        length: u64,
        to: &'a str,
    ) -> Answer<'a, u64> {
        async move {
            let moved = |state: &State| {
                let place = state.place(TOOL, from);
                let piece = place.and_then(|place| state.piece(&place, offset, length));
                piece.unwrap_or_default()
            };
            self.answer(Op::Append, &[from, to], &moved, |state| {
                let source = state.place(TOOL, from)?;
                let copy = state.place(TOOL, to)?;
                state.append(&source, offset, length, &copy, from)
            })
            .await
        }
        .boxed()
    }

    fn settle<'a>(&'a self, from: &'a str, to: &'a str) -> Answer<'a, ()> {
        async move {
            self.answer(Op::Settle, &[from, to], NOTHING, |state| {
                let old = state.place(TOOL, from)?;
                let new = state.place(TOOL, to)?;
                let source = state.rename(&old, &new)?;
                let source = source.as_deref().unwrap_or(from);
                state.record(Op::Settle, TOOL, Some(source), Some(to));
                Ok(())
            })
            .await
        }
        .boxed()
    }

    fn remove<'a>(&'a self, path: &'a str) -> Answer<'a, ()> {
        async move {
            self.answer(Op::Remove, &[path], NOTHING, |state| {
                let place = state.place(TOOL, path)?;
                state.take(&place)?;
                state.record(Op::Remove, TOOL, Some(path), None);
                Ok(())
            })
            .await
        }
        .boxed()
    }

    fn write<'a>(&'a self, path: &'a str, bytes: &'a [u8]) -> Answer<'a, ()> {
        async move {
            let moved = bytes.len() as u64;
            self.answer(Op::Write, &[path], &move |_| moved, |state| {
                let place = state.place(TOOL, path)?;
                let mut file = Stored::bytes(bytes);
                file.modified = state.now;
                state.make_folders(&place);
                state.store(&place, file)?;
                state.record(Op::Write, TOOL, None, Some(path));
                Ok(())
            })
            .await
        }
        .boxed()
    }
}

fn length(state: &State, path: &str) -> u64 {
    let place = state.place(TOOL, path);
    place
        .and_then(|place| Ok(state.file(&place)?.length))
        .unwrap_or_default()
}
