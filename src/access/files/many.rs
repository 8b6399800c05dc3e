//! Work on many files by a handful of threads: whether the disk is fast or each answer takes
//! its time, they are kept busy.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread::{Builder, Scope, available_parallelism, scope};
use std::time::{Duration, Instant};

use crate::access::shares::AT_ONCE;

/// Items that are worth a thread of their own.
const WORTH: usize = 8;

/// An item that takes longer waits for its share: then there are more threads than cores.
const WAITS: Duration = Duration::from_micros(500);

/// Does `work` on every item and gives the answers in their order. `begin` makes what one thread
/// works with. No further item is begun once nobody `waits`; those are left out then.
pub(super) fn share_out<T: Sync, W, R: Send + Sync>(
    items: &[T],
    waits: &AtomicBool,
    begin: impl Fn() -> W + Sync,
    work: impl Fn(&mut W, &T) -> R + Sync,
) -> Vec<R> {
    let work = Work {
        items,
        waits,
        begin,
        act: work,
        answers: items.iter().map(|_| OnceLock::new()).collect(),
        next: AtomicUsize::new(0),
        workers: AtomicUsize::new(1),
    };
    let cores = available_parallelism().map_or(1, Into::into);
    scope(|scope| {
        work.add(scope, cores);
        work.run(scope);
    });
    let answers = work.answers.into_iter();
    answers.filter_map(OnceLock::into_inner).collect()
}

struct Work<'a, T, B, F, R> {
    items: &'a [T],
    waits: &'a AtomicBool,
    begin: B,
    act: F,
    answers: Vec<OnceLock<R>>,
    next: AtomicUsize,
    workers: AtomicUsize,
}

impl<T: Sync, W, R: Send + Sync, B: Fn() -> W + Sync, F: Fn(&mut W, &T) -> R + Sync>
    Work<'_, T, B, F, R>
{
    /// Adds threads until there are so many, or as many as the items are worth.
    fn add<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, workers: usize) {
        let most = self.items.len().div_ceil(WORTH).min(AT_ONCE).min(workers);
        let more = |there: usize| (there < most).then_some(there + 1);
        while self.workers.fetch_update(Relaxed, Relaxed, more).is_ok() {
            // Where the system gives no thread, the others do its work.
            let _ = Builder::new().spawn_scoped(scope, || self.run(scope));
        }
    }

    fn run<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) {
        let mut with = (self.begin)();
        loop {
            let at = self.next.fetch_add(1, Relaxed);
            let Some((item, answer)) = self.items.get(at).zip(self.answers.get(at)) else {
                return;
            };
            if !self.waits.load(Relaxed) {
                return;
            }
            let began = Instant::now();
            // Nobody else has this number.
            let _ = answer.set((self.act)(&mut with, item));
            if began.elapsed() > WAITS {
                self.add(scope, AT_ONCE);
            }
        }
    }
}
