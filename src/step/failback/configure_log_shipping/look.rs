//! What is read: the three instances' halves, the backup's redo start, the primary's log backups.

use serde::Serialize;

use super::Facts;
use super::wanted::{Names, Wanted};
use crate::model::{Instance, Role};
use crate::step::Context;
use crate::step::observe::Observed;
use crate::step::observe::backups::{LogBackup, log_backups, logins};
use crate::step::observe::database::{Database, database, redo_start};
use crate::step::observe::instance::{Identity, agent_account, agent_runs, identity, services};
use crate::step::observe::log_shipping::{
    Job, JobIds, Primary, Schedule, Secondary, all_jobs, all_schedules, primary, secondary,
};
use crate::step::observe::sessions::sessions;
use crate::step::shared::is_restored;
use crate::step::without_mirror::{NO_MIRROR, primary_side};

/// One instance of log shipping.
#[derive(Debug, Serialize)]
pub(super) struct Half {
    pub(super) role: Role,
    pub(super) identity: Observed<Identity>,
    pub(super) database: Observed<Database>,
    pub(super) agent: Option<bool>,
    pub(super) agent_account: Option<String>,
    /// Of a primary half.
    pub(super) rows: Observed<Vec<Primary>>,
    pub(super) jobs: Observed<Vec<Job>>,
    pub(super) schedules: Observed<Vec<Schedule>>,
    pub(super) logins: Observed<Vec<String>>,
    /// O14, of a primary half.
    pub(super) logs: Observed<Vec<LogBackup>>,
}

impl Facts {
    pub(super) fn half(&self, role: Role) -> Option<&Half> {
        self.halves.iter().find(|half| half.role == role)
    }

    pub(super) fn server_name(&self, role: Role) -> Option<&str> {
        let identity = self.half(role)?.identity.seen()?;
        identity.at_servername.as_deref()
    }

    pub(super) fn describe(&self) -> String {
        let assumed = self.wanted.as_ref().is_some_and(|it| it.primary.assumed);
        format!(
            "log shipping as {}; one log backup arrived",
            if assumed {
                "the backup's half was saved; the primary's half was never seen and is as the console makes it"
            } else {
                "it was saved"
            }
        )
    }
}

pub(super) async fn observe(cx: Context<'_>) -> Facts {
    let access = cx.access;
    let backup = Instance::chat(Role::Backup);
    let name = &cx.site.database.chat;
    let rows = secondary(access, backup, name).await;
    let mut halves = Vec::new();
    for role in primary_side(cx).await {
        halves.push(half(cx, role, &rows).await);
    }
    // The set-up was left: the half of a mirror that is none is left with it.
    let alone = halves.first().and_then(|it| it.database.seen());
    if cx.terms.overrides(NO_MIRROR) && alone.is_some_and(|row| row.mirroring.is_none()) {
        halves.truncate(1);
    }
    halves.push(half(cx, Role::Backup, &rows).await);
    let server = |role: Role| {
        halves
            .iter()
            .find(|half| half.role == role)
            .and_then(|half| half.identity.seen())
            .and_then(|identity| identity.at_servername.as_deref())
    };
    let wanted = server(Role::Primary)
        .zip(server(Role::Backup))
        .and_then(|(primary, backup)| {
            let names = Names {
                database: name.as_str(),
                primary,
                primary_mirror: server(Role::PrimaryMirror),
                backup,
            };
            Wanted::of(cx.saved, &names)
        });
    let shipped = wanted
        .iter()
        .flat_map(|it| {
            [
                it.primary.row.directory.clone(),
                it.backup.row.source.clone(),
            ]
        })
        .chain([cx.site.shares.backup.to_string()])
        .collect();
    Facts {
        name: name.to_string(),
        halves,
        secondary: rows,
        redo: redo_start(access, backup, name).await,
        sessions: sessions(access, backup, name).await,
        restored: is_restored(cx).await,
        shipped,
        wanted,
        unreadable: cx.unreadable.to_vec(),
        started: cx.started,
    }
}

pub(super) async fn half(
    cx: Context<'_>,
    role: Role,
    secondary: &Observed<Vec<Secondary>>,
) -> Half {
    let access = cx.access;
    let instance = Instance::chat(role);
    let name = &cx.site.database.chat;
    let is_backup = role == Role::Backup;
    let rows = if is_backup {
        Observed::Absent
    } else {
        primary(access, instance, name).await
    };
    let ids = if is_backup {
        JobIds::of(secondary.seen().into_iter().flatten())
    } else {
        JobIds::of(rows.seen().into_iter().flatten())
    };
    let services = services(access, instance).await;
    Half {
        role,
        identity: identity(access, instance).await,
        database: database(access, instance, name).await,
        agent: agent_runs(&services),
        agent_account: agent_account(&services).map(str::to_owned),
        jobs: all_jobs(access, instance, &ids).await,
        schedules: all_schedules(access, instance, &ids).await,
        logins: logins(access, instance).await,
        logs: if is_backup {
            Observed::Absent
        } else {
            log_backups(access, instance, name).await
        },
        rows,
    }
}
