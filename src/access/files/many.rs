//! Work on many files by a handful of threads: whether the disk is fast or each answer takes
//! its time, they are kept busy.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use crate::access::shares::AT_ONCE;

/// Items that are worth a thread of their own.
const WORTH: usize = 8;

/// Does `work` on every item and gives the answers in their order. `begin` makes what one thread
/// works with. No further item is begun once nobody `waits`; those are left out then.
pub(super) fn share_out<T: Sync, W, R: Send + Sync>(
    items: &[T],
    waits: &AtomicBool,
    begin: impl Fn() -> W + Sync,
    work: impl Fn(&mut W, &T) -> R + Sync,
) -> Vec<R> {
    let answers: Vec<OnceLock<R>> = items.iter().map(|_| OnceLock::new()).collect();
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut with = begin();
        loop {
            let at = next.fetch_add(1, Relaxed);
            let Some((item, answer)) = items.get(at).zip(answers.get(at)) else {
                return;
            };
            if !waits.load(Relaxed) {
                return;
            }
            // Nobody else has this number.
            let _ = answer.set(work(&mut with, item));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..items.len().div_ceil(WORTH).min(AT_ONCE) {
            // Where the system gives no thread, the others do its work.
            let _ = std::thread::Builder::new().spawn_scoped(scope, worker);
        }
        worker();
    });
    answers
        .into_iter()
        .filter_map(OnceLock::into_inner)
        .collect()
}
