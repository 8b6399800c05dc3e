//! Which way the pool is moved.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which way a runbook moves the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// To the second data center.
    Failover,
    /// Back home.
    Failback,
}

impl Direction {
    /// The direction with that word; `None` where this version knows no such one.
    pub fn find(key: &str) -> Option<Self> {
        let all = [Self::Failover, Self::Failback].into_iter();
        all.into_iter().find(|it| it.key() == key)
    }

    /// The word in a runbook, in JSON and on the command line.
    pub fn key(self) -> &'static str {
        match self {
            Self::Failover => "failover",
            Self::Failback => "failback",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.key())
    }
}
