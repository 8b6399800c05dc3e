//! The steps that only a planned failover takes: the primary lives, chat is taken off it, and it gives
//! the end of its log (`steps.md` 6.8). They stand in the list of the failover's steps.

pub(in crate::step) mod close_primary;
pub(in crate::step) mod stand_down;
pub(in crate::step) mod stop_backup_jobs;
pub(in crate::step) mod unmirror_primary;

use super::downtime::Downtime;
use super::{Context, Step};
use crate::site::Site;

/// The file that the end of the primary's log goes to: as log backups are, on their share, but under no
/// name that a job of log shipping gives.
pub(in crate::step) fn tail_path(cx: Context<'_>) -> String {
    let plain = |text: &str| -> String {
        let c = |c: char| {
            if c.is_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        };
        text.chars().map(c).collect()
    };
    cx.site.shares.backup.join(&format!(
        "{}-planned-{}-tail.trn",
        plain(cx.site.database.chat.as_str()),
        plain(cx.run)
    ))
}

impl Step {
    /// Its part of the time without chat, in a planned failover; `None` while chat serves.
    pub fn planned_downtime(self, site: &Site) -> Option<Downtime> {
        let servers = Downtime::of(0, "a cmdlet for each server");
        let parts = [
            (
                Self::EndConnections,
                Downtime::of(0, "a statement for each session, where one is left"),
            ),
            (
                Self::RecoverDatabase,
                Downtime::of(
                    0,
                    "before it the last log backups and the end of the log, which are small; the recovery itself",
                ),
            ),
            (Self::SetPoolState, Downtime::of(0, "a cmdlet")),
            (
                Self::SetActiveServers,
                servers.waiting(site.limits.replication),
            ),
        ];
        let of_others = parts.into_iter().find(|(step, _)| *step == self);
        self.downtime(site, false)
            .or_else(|| of_others.map(|(_, part)| part))
    }
}
