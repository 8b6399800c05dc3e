//! The two data centers, as a switch sees them: the one that chat leaves has a principal, a mirror, a
//! state of the pool and servers that are active in it.

use crate::model::states::PoolState;
use crate::model::{Fqdn, Role};
use crate::site::Site;

/// A data center that chat is served from, and leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::step) enum Center {
    /// The normal state: a planned failover leaves it.
    First,
    /// The failed-over state: a failback leaves it.
    #[default]
    Second,
}

impl Center {
    /// Where that instance stands.
    pub(in crate::step) fn of(role: Role) -> Self {
        match role {
            Role::Primary | Role::PrimaryMirror => Self::First,
            Role::Backup | Role::BackupMirror => Self::Second,
        }
    }

    /// The word for its servers below `[pool.active_servers]`.
    pub(in crate::step) fn key(self) -> &'static str {
        match self {
            Self::First => "normal",
            Self::Second => "failed_over",
        }
    }

    /// The instance that serves the chat database there.
    pub(in crate::step) fn principal(self) -> Role {
        match self {
            Self::First => Role::Primary,
            Self::Second => Role::Backup,
        }
    }

    /// Its mirror.
    pub(in crate::step) fn mirror(self) -> Role {
        match self {
            Self::First => Role::PrimaryMirror,
            Self::Second => Role::BackupMirror,
        }
    }

    /// The state of a pool that is served from there.
    pub(in crate::step) fn state(self) -> PoolState {
        match self {
            Self::First => PoolState::Normal,
            Self::Second => PoolState::FailedOver,
        }
    }

    /// The servers that the site file wants active then.
    pub(in crate::step) fn active(self, site: &Site) -> &[Fqdn] {
        match self {
            Self::First => &site.pool.normal,
            Self::Second => &site.pool.failed_over,
        }
    }
}
