//! What each step adds to the time without chat: from B1 to the first sessions after B7
//! (`steps.md` 6.1). Known before the run as terms of a sum: how often the whole chat database is
//! moved, and how long is waited at most.

use serde::Serialize;

use super::Step;
use crate::model::{Instance, Role};
use crate::site::Site;

/// A step's part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Downtime {
    /// How often the whole chat database is written or read: each takes its size / throughput.
    pub moves: u32,
    /// Seconds that are waited at most, where a limit says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_seconds: Option<u64>,
    /// What takes the time.
    pub what: &'static str,
}

impl Step {
    /// Its part of the time without chat; `None` for a step while chat serves.
    pub fn downtime(self, site: &Site) -> Option<Downtime> {
        let has_mirror = site
            .sql
            .instances
            .contains_key(&Instance::chat(Role::PrimaryMirror));
        let settle = Some(site.limits.settle.as_secs());
        let part = |moves, wait_seconds, what| Downtime {
            moves,
            wait_seconds,
            what,
        };
        Some(match self {
            Step::ClearActiveServers => part(
                0,
                settle,
                "until no chat server holds the databases; once more as long where services are stopped",
            ),
            Step::RemoveMirroring => part(0, None, "a statement for each database"),
            Step::BackUpDatabase => part(2, None, "the full backup is written, then verified"),
            Step::FenceBackup => part(0, None, "the end of the log, which is small"),
            Step::RestoreDatabase => part(1, None, "it is restored on the primary, then recovery"),
            Step::InstallPrimaryMirror if has_mirror => part(
                2,
                None,
                "the set-up's own backup and restore, minutes until SYNCHRONIZED",
            ),
            Step::InstallPrimaryMirror => part(0, None, "nothing: there is no primary mirror"),
            Step::ConfigureLogShipping => {
                part(0, None, "one log backup is taken, copied and restored")
            }
            Step::ReturnActiveServers => part(0, None, "a cmdlet for each server"),
            Step::ReturnPoolState => part(
                0,
                settle,
                "until every active server has a session on the primary",
            ),
            _ => return None,
        })
    }
}
