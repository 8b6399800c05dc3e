//! What one step of a stage tells the other while both run.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// Which files have landed in the copy folder: passed from `copy-backups` to `apply-logs` while both
/// run.
#[derive(Default)]
pub struct Handoff {
    state: Mutex<Landed>,
    changed: Notify,
}

#[derive(Default)]
struct Landed {
    names: HashSet<String>,
    closed: bool,
}

impl Handoff {
    /// A file landed under that name.
    pub fn land(&self, name: &str) {
        self.lock().names.insert(name.to_owned());
        self.changed.notify_waiters();
    }

    /// No more files will land.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_waiters();
    }

    /// Waits until a file has landed; false when it never will.
    pub async fn wait(&self, name: &str) -> bool {
        self.until(|landed| {
            let landed_now = landed.names.contains(name);
            (landed_now || landed.closed).then_some(landed_now)
        })
        .await
    }

    /// Waits until no more files will land.
    pub async fn wait_closed(&self) {
        self.until(|landed| landed.closed.then_some(())).await;
    }

    async fn until<T>(&self, look: impl Fn(&Landed) -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(seen) = look(&self.lock()) {
                return seen;
            }
            changed.await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Landed> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
