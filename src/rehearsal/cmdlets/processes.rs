//! The PowerShell processes of the simulated machine. One that its program was killed over lives on until
//! its cmdlet is through, as on Linux, where nothing ends a process group with the process that made it.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::access::powershell::ProcessId;

/// Those that were started.
#[derive(Default)]
pub struct Processes {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Default)]
struct Inner {
    last: u32,
    there: BTreeSet<u32>,
    outlive: bool,
}

impl Processes {
    /// From here on one whose program goes away lives on until its cmdlet is through, or ends with it.
    pub fn set_outlive(&self, outlive: bool) {
        self.with(|inner| inner.outlive = outlive);
    }

    /// How many are there.
    pub fn count(&self) -> usize {
        self.with(|inner| inner.there.len())
    }

    pub(super) fn outlive(&self) -> bool {
        self.with(|inner| inner.outlive)
    }

    pub(super) fn begin(&self) -> ProcessId {
        let number = self.with(|inner| {
            inner.last += 1;
            inner.there.insert(inner.last);
            inner.last
        });
        ProcessId {
            number,
            since: "the rehearsal".to_owned(),
        }
    }

    pub(super) fn is_there(&self, number: u32) -> bool {
        self.with(|inner| inner.there.contains(&number))
    }

    pub(super) fn end(&self, number: u32) {
        self.with(|inner| inner.there.remove(&number));
        self.changed.notify_waiters();
    }

    /// Returns when somebody has ended it.
    pub(super) async fn ended(&self, number: u32) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if !self.is_there(number) {
                return;
            }
            changed.await;
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        act(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
