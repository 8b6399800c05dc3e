//! `set-active-servers` of the failback, B6: the servers of the normal state (`steps.md` 6). The proof
//! that they serve comes after B7: until then the pool uses the backup's databases, which are closed.

use std::time::Duration;

use serde::Serialize;

use crate::model::{Instance, Role};
use crate::site::{Limits, Site};
use crate::step::command::Command;
use crate::step::downtime::Downtime;
use crate::step::failover::set_active_servers::{Key, changes, contains, list, send_changes};
use crate::step::hands::{Hands, StepError};
use crate::step::observe::Observed;
use crate::step::observe::database::{Database, database};
use crate::step::observe::pool::{self, Service};
use crate::step::shared::{is_restored, not_restored};
use crate::step::undo::Nothing;
use crate::step::{Block, Context, Earlier, Effect, Info, Kind, Standing, Step};

pub(in crate::step) struct ReturnActiveServers;

/// What must stand before users are served: not the primary's mirror, nor log shipping (`design.md` 3,
/// rule 18).
pub(super) const WHAT_USERS_NEED: Earlier = Earlier::These(&[
    Step::RetireOldPrimary,
    Step::ProveShare,
    Step::StopLogBackups,
    Step::BackUpDatabase,
    Step::ClearActiveServers,
    Step::RemoveMirroring,
    Step::FenceBackup,
    Step::RestoreDatabase,
]);

/// The list, and what the servers would use.
#[derive(Debug, Serialize)]
pub struct Facts {
    service: Observed<Service>,
    wanted: Vec<String>,
    computers: Observed<Vec<String>>,
    backup: Observed<Database>,
    primary: Observed<Database>,
    restored: Observed<bool>,
    /// Wanted servers whose chat service does not run.
    stopped: Vec<String>,
}

impl Facts {
    fn active(&self) -> Option<&[String]> {
        self.service.seen()?.active_servers.as_deref()
    }

    fn to_remove(&self) -> Vec<&String> {
        let active = self.active().into_iter().flatten();
        active
            .filter(|server| !contains(&self.wanted, server))
            .collect()
    }

    fn to_add(&self) -> Vec<&String> {
        let active = self.active().unwrap_or_default();
        self.wanted
            .iter()
            .filter(|server| !contains(active, server))
            .collect()
    }
}

impl Kind for ReturnActiveServers {
    type Facts = Facts;
    type Undo = Nothing<Self>;
    type Key = Key;

    const INFO: Info = Info {
        id: "set-active-servers",
        vendor: Some("B6"),
        title: "Make the chat servers for the normal state active: from here chat is written on the primary",
        effect: Effect::Irreversible,
        checks: &[
            "the primary's chat database serves, the backup's is closed",
            "the active list is the wanted set",
        ],
    };

    const AFTER: Earlier = WHAT_USERS_NEED;

    const POINT_OF_NO_RETURN: bool = true;

    fn limit(limits: &Limits) -> Option<Duration> {
        Some(limits.powershell.saturating_mul(10))
    }

    fn downtime(_site: &Site, _seeded: bool) -> Option<Downtime> {
        Some(Downtime::of(0, "a cmdlet for each server"))
    }

    fn commands(site: &Site) -> Vec<(Self::Key, Command)> {
        changes(site, &site.pool.failed_over, &site.pool.normal)
    }

    async fn observe(cx: Context<'_>) -> Facts {
        let access = cx.access;
        let name = &cx.site.database.chat;
        let mut stopped = Vec::new();
        for server in &cx.site.pool.normal {
            if pool::chat_service_runs(access, server.as_str()).await == Observed::Seen(false) {
                stopped.push(server.to_string());
            }
        }
        Facts {
            service: pool::service(access, &cx.site.pool.fqdn).await,
            wanted: cx
                .site
                .pool
                .normal
                .iter()
                .map(ToString::to_string)
                .collect(),
            computers: pool::computers(access, &cx.site.pool.fqdn).await,
            backup: database(access, Instance::chat(Role::Backup), name).await,
            primary: database(access, Instance::chat(Role::Primary), name).await,
            restored: is_restored(cx).await,
            stopped,
        }
    }

    fn judge(facts: &Facts) -> Standing {
        if let Some(why) = facts.service.unknown().or(facts.computers.unknown()) {
            return Standing::unknown(why);
        }
        let Some(active) = facts.active() else {
            return Standing::unknown("Get-CsService returned no ActiveServers");
        };
        let mut blocks = Vec::new();
        if facts.backup.seen().is_none_or(Database::serves) {
            blocks.push(
                Block::site(
                    "backup-writable",
                    "the backup's chat database is writable: chat would be written where it is about to be lost",
                    "run `fence-backup` first",
                )
                .cleared_by(Step::FenceBackup),
            );
        }
        blocks.extend(not_restored(&facts.restored, &facts.primary));
        for server in &facts.wanted {
            if facts
                .computers
                .seen()
                .is_some_and(|computers| !contains(computers, server))
            {
                blocks.push(Block::site(
                    "no-such-server",
                    format!("`{server}` is no server of the pool"),
                    "see `[pool.active_servers] normal`, and Get-CsPool",
                ));
            }
        }
        Standing::unless(blocks, || {
            if !facts.to_remove().is_empty() || !facts.to_add().is_empty() {
                return Standing::pending(format!(
                    "active now: {}; wanted: {}",
                    list(active),
                    list(&facts.wanted)
                ));
            }
            let mut why = format!("active: {}", list(&facts.wanted));
            if !facts.stopped.is_empty() {
                why = format!(
                    "{why}; the chat service does not run on {}: start it",
                    list(&facts.stopped)
                );
            }
            Standing::satisfied(why)
        })
    }

    async fn act(cx: Context<'_>, facts: &Facts, hands: &Hands<'_, Key>) -> Result<(), StepError> {
        send_changes(cx, hands, facts.to_remove(), facts.to_add()).await
    }
}
