//! What each step adds to the time without chat: from B1 to the first sessions after B7
//! (`steps.md` 6.1). Known before the run as terms of a sum: how often the whole chat database is
//! moved, and how long may be waited.

use std::time::Duration;

use serde::Serialize;

/// A step's part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Downtime {
    /// How often the whole chat database is written or read: each takes its size / throughput.
    pub moves: u32,
    /// Seconds that may be waited before the run stops, where a limit says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_seconds: Option<u64>,
    /// What takes the time.
    pub what: &'static str,
}

impl Downtime {
    /// A part that moves the whole chat database so often.
    pub(super) const fn of(moves: u32, what: &'static str) -> Self {
        Self {
            moves,
            wait_seconds: None,
            what,
        }
    }

    /// The same, with a wait that is limited.
    pub(super) const fn waiting(mut self, limit: Duration) -> Self {
        self.wait_seconds = Some(limit.as_secs());
        self
    }
}
