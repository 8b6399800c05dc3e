//! What a runbook is for.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which way a runbook moves the pool, or what else it does to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// To the second data center.
    Failover,
    /// Back home.
    Failback,
    /// Nowhere: what came back in the first data center is closed.
    Fence,
}

impl Direction {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Failover, Self::Failback, Self::Fence];

    /// The direction with that word; `None` where this version knows no such one.
    pub fn find(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.key() == key)
    }

    /// The word in a runbook, in JSON and on the command line.
    pub fn key(self) -> &'static str {
        match self {
            Self::Failover => "failover",
            Self::Failback => "failback",
            Self::Fence => "fence",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.key())
    }
}
