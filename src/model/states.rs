//! Database and mirroring states, in the words of the catalog (`reference/sql-server.md` 2.2, 5).

use std::fmt;

use serde::{Deserialize, Serialize};

/// `sys.databases.state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DatabaseState {
    /// 0: can be used; STANDBY is ONLINE with `is_in_standby`.
    Online,
    /// 1: a secondary, a mirror, an interrupted restore or a fenced database.
    Restoring,
    /// 2: recovery runs.
    Recovering,
    /// 3
    RecoveryPending,
    /// 4
    Suspect,
    /// 5
    Emergency,
    /// 6
    Offline,
}

impl DatabaseState {
    /// Reads the number of the catalog.
    pub fn from_number(number: i64) -> Option<Self> {
        Some(match number {
            0 => Self::Online,
            1 => Self::Restoring,
            2 => Self::Recovering,
            3 => Self::RecoveryPending,
            4 => Self::Suspect,
            5 => Self::Emergency,
            6 => Self::Offline,
            _ => return None,
        })
    }

    /// The number of the catalog.
    pub fn number(self) -> i64 {
        match self {
            Self::Online => 0,
            Self::Restoring => 1,
            Self::Recovering => 2,
            Self::RecoveryPending => 3,
            Self::Suspect => 4,
            Self::Emergency => 5,
            Self::Offline => 6,
        }
    }
}

impl fmt::Display for DatabaseState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Online => "ONLINE",
            Self::Restoring => "RESTORING",
            Self::Recovering => "RECOVERING",
            Self::RecoveryPending => "RECOVERY_PENDING",
            Self::Suspect => "SUSPECT",
            Self::Emergency => "EMERGENCY",
            Self::Offline => "OFFLINE",
        })
    }
}

/// `sys.database_mirroring.mirroring_role`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MirroringRole {
    /// 1
    Principal,
    /// 2
    Mirror,
}

impl MirroringRole {
    /// Reads the number of the catalog.
    pub fn from_number(number: i64) -> Option<Self> {
        match number {
            1 => Some(Self::Principal),
            2 => Some(Self::Mirror),
            _ => None,
        }
    }
}

/// `sys.database_mirroring.mirroring_state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MirroringState {
    /// 0
    Suspended,
    /// 1
    Disconnected,
    /// 2
    Synchronizing,
    /// 3
    PendingFailover,
    /// 4, and 6 where a witness has the metadata.
    Synchronized,
    /// 5
    Unsynchronized,
}

impl MirroringState {
    /// Reads the number of the catalog.
    pub fn from_number(number: i64) -> Option<Self> {
        Some(match number {
            0 => Self::Suspended,
            1 => Self::Disconnected,
            2 => Self::Synchronizing,
            3 => Self::PendingFailover,
            4 | 6 => Self::Synchronized,
            5 => Self::Unsynchronized,
            _ => return None,
        })
    }
}

impl fmt::Display for MirroringState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Suspended => "SUSPENDED",
            Self::Disconnected => "DISCONNECTED",
            Self::Synchronizing => "SYNCHRONIZING",
            Self::PendingFailover => "PENDING_FAILOVER",
            Self::Synchronized => "SYNCHRONIZED",
            Self::Unsynchronized => "UNSYNCHRONIZED",
        })
    }
}

/// State of the pool, as `Get-CsPersistentChatState` says it (`reference/skype-powershell.md` 1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PoolState {
    /// The pool uses the primary databases.
    Normal,
    /// The pool uses the backup databases.
    FailedOver,
}

impl PoolState {
    /// Reads the cmdlet's word, in any case.
    pub fn from_word(word: &str) -> Option<Self> {
        if word.eq_ignore_ascii_case("Normal") {
            Some(Self::Normal)
        } else if word.eq_ignore_ascii_case("FailedOver") {
            Some(Self::FailedOver)
        } else {
            None
        }
    }
}

impl fmt::Display for PoolState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Normal => "Normal",
            Self::FailedOver => "FailedOver",
        })
    }
}
