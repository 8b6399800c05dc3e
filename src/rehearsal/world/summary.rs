//! The end state of a world, comparable: no GUIDs, dates or session ids.

use std::collections::BTreeMap;

use super::State;
use super::instance::Kind;
use super::msdb::{Msdb, Schedule};
use crate::model::states::{DatabaseState, MirroringRole, MirroringState};
use crate::model::{Instance, Lsn};
use crate::rehearsal::backup_set::Guid;

/// A database in a summary.
#[expect(clippy::struct_excessive_bools, reason = "columns of the catalog")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseSummary {
    /// `state`
    pub state: DatabaseState,
    /// STANDBY.
    pub standby: bool,
    /// `user_access`, by number.
    pub access: i64,
    /// Recovery model, by number.
    pub model: i64,
    /// Owner.
    pub owner: Option<String>,
    /// `is_trustworthy_on`
    pub trustworthy: bool,
    /// `is_broker_enabled`
    pub broker: bool,
    /// Redo start while RESTORING or in standby, else the end of the log.
    pub lsn: Lsn,
    /// True when a restore was interrupted.
    pub interrupted: bool,
    /// Role, state and partner.
    pub mirroring: Option<(MirroringRole, MirroringState, String)>,
    /// Chat messages.
    pub messages: u64,
}

/// An instance in a summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceSummary {
    /// Answers.
    pub up: bool,
    /// User databases by name.
    pub databases: BTreeMap<String, DatabaseSummary>,
    /// Rows of `log_shipping_primary_databases`.
    pub primary_rows: usize,
    /// Rows of `log_shipping_secondary_databases`.
    pub secondary_rows: usize,
    /// Jobs: name, enabled.
    pub jobs: BTreeMap<String, bool>,
    /// The log-shipping rows, jobs and schedules in whole, without ids, dates and last files.
    pub shipping: Vec<String>,
    /// Hosts of the chat servers' sessions and the database each holds, sorted.
    pub chat: Vec<(String, String)>,
}

/// All instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// By their place in the site.
    pub instances: BTreeMap<Instance, InstanceSummary>,
}

impl Summary {
    /// A database of an instance.
    pub fn database(&self, instance: Instance, name: &str) -> Option<&DatabaseSummary> {
        self.instances.get(&instance)?.databases.get(name)
    }
}

pub(super) fn summary(state: &State) -> Summary {
    let instances = state.instances.iter().map(|(key, server)| {
        let databases = server.databases.iter().filter(|d| d.id > 4).map(|d| {
            let held = d.standby || d.state == DatabaseState::Restoring;
            (
                d.name.clone(),
                DatabaseSummary {
                    state: d.state,
                    standby: d.standby,
                    access: d.access.number(),
                    model: d.model,
                    owner: d.owner.clone(),
                    trustworthy: d.trustworthy,
                    broker: d.broker,
                    lsn: if held { d.redo_start } else { d.log_end },
                    interrupted: d.interrupted.is_some(),
                    mirroring: d
                        .mirroring
                        .as_ref()
                        .map(|m| (m.role, m.state, m.partner_instance.clone())),
                    messages: d.messages,
                },
            )
        });
        let mut chat: Vec<(String, String)> = server
            .processes
            .values()
            .filter(|p| p.kind == Kind::Chat)
            .map(|p| (p.host_name.clone(), p.database.clone()))
            .collect();
        chat.sort();
        (
            *key,
            InstanceSummary {
                up: server.up,
                databases: databases.collect(),
                primary_rows: server.msdb.primaries.len(),
                secondary_rows: server
                    .msdb
                    .secondaries
                    .iter()
                    .map(|s| s.databases.len())
                    .sum(),
                jobs: server
                    .msdb
                    .jobs
                    .iter()
                    .map(|j| (j.name.clone(), j.enabled))
                    .collect(),
                shipping: shipping(&server.msdb),
                chat,
            },
        )
    });
    Summary {
        instances: instances.collect(),
    }
}

/// Every field that a configuration has.
fn shipping(msdb: &Msdb) -> Vec<String> {
    let primaries = msdb.primaries.iter().map(|row| {
        format!(
            "primary {} {} {} {} {} {} {} {} {} {} {:?} job {}",
            row.database,
            row.directory,
            row.share,
            row.retention,
            row.monitor_server,
            row.monitor_security,
            row.compression,
            row.backup_threshold,
            row.threshold_alert_enabled,
            row.history_retention,
            row.secondaries,
            job_name(msdb, &row.job),
        )
    });
    let secondaries = msdb.secondaries.iter().map(|row| {
        let databases: Vec<String> = row
            .databases
            .iter()
            .map(|d| {
                format!(
                    "{} {} {} {} {} {} {} {}",
                    d.database,
                    d.restore_delay,
                    d.restore_all,
                    d.standby,
                    d.disconnect_users,
                    d.restore_threshold,
                    d.threshold_alert_enabled,
                    d.history_retention
                )
            })
            .collect();
        format!(
            "secondary {} {} {} {} {} {} {} {databases:?} jobs {} {}",
            row.primary_server,
            row.primary_database,
            row.source,
            row.destination,
            row.file_retention,
            row.monitor_server,
            row.monitor_security,
            job_name(msdb, &row.copy_job),
            job_name(msdb, &row.restore_job),
        )
    });
    let jobs = msdb.jobs.iter().map(|job| {
        let schedule = Schedule {
            id: 0,
            ..job.schedule.clone()
        };
        format!(
            "job {} {:?} {} {} {schedule:?}",
            job.name, job.kind, job.enabled, job.owner
        )
    });
    let mut all: Vec<String> = primaries.chain(secondaries).chain(jobs).collect();
    all.sort();
    all
}

fn job_name(msdb: &Msdb, id: &Guid) -> String {
    msdb.job(id)
        .map_or_else(|| "none".to_owned(), |job| job.name.clone())
}
