//! The end state of a world, comparable: no GUIDs, dates or session ids.

use std::collections::BTreeMap;

use super::State;
use super::instance::Kind;
use crate::model::states::{DatabaseState, MirroringRole, MirroringState};
use crate::model::{Instance, Lsn};

/// A database in a summary.
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
                chat,
            },
        )
    });
    Summary {
        instances: instances.collect(),
    }
}
