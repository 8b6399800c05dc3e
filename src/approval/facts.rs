//! What a site is, fact by fact, each with the rule by which it may differ from what was approved.
//!
//! The rule of a fact stands here, beside its name, and only here: [`ruled!`] takes a look apart field by
//! field, so that a look with a new field does not compile before that has a rule.

mod look;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::step::observe::Observed;
use crate::step::observe::backups::PlacedFile;
use crate::step::observe::database::{Database, Lineage, Mirroring, RedoStart};
use crate::step::observe::instance::{Endpoint, Identity, Service};
use crate::step::observe::log_shipping::{Job, Primary, Schedule, Secondary};
use crate::step::observe::pool;
use crate::step::observe::space::Volume;

pub use look::observe;

/// How a fact may differ from what was approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Not at all: whoever approved relied on it.
    MustEqual,
    /// It goes on while the site works: an LSN, the newest file, the size of a file. It does not go back.
    MayGrow,
    /// As it likes: times, room, what runs at the moment.
    Ignore,
}

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Its name within the thing that it is of.
    pub name: String,
    /// How it may differ.
    pub rule: Rule,
    /// What it is; null where there is none.
    pub value: Value,
    /// It could not be seen: then its value says nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unseen: bool,
}

/// Whether a thing was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Is {
    /// It is there.
    Seen,
    /// It is not there.
    Absent,
    /// It could not be looked at.
    Unknown,
}

/// A thing of the site, with its facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thing {
    /// Which: `backup: database mgc`.
    pub of: String,
    /// Whether it was seen.
    pub is: Is,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What it is, where it was seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<Fact>,
}

impl Fact {
    fn new(prefix: &str, name: &str, rule: Rule, value: &impl Serialize) -> Self {
        Self {
            name: format!("{prefix}{name}"),
            rule,
            // Texts, numbers and lists of them: nothing here can fail to serialize.
            value: serde_json::to_value(value).unwrap_or_default(),
            unseen: false,
        }
    }

    /// A fact that can be unknown by itself.
    fn observed<T: Serialize>(name: &str, rule: Rule, value: &Observed<T>) -> Self {
        Self {
            unseen: value.unknown().is_some(),
            ..Self::new("", name, rule, &value.seen())
        }
    }
}

impl Thing {
    fn of<T>(of: String, seen: &Observed<T>, facts: impl FnOnce(&T) -> Vec<Fact>) -> Self {
        let (is, why, facts) = match seen {
            Observed::Seen(value) => (Is::Seen, None, facts(value)),
            Observed::Absent => (Is::Absent, None, Vec::new()),
            Observed::Unknown(why) => (Is::Unknown, Some(why.to_string()), Vec::new()),
        };
        Self { of, is, why, facts }
    }
}

/// Takes what was looked at apart, a fact a field. It names every field of the type: one that it does not
/// name does not compile. `apart` is the field that the caller takes apart himself.
macro_rules! ruled {
    ($facts:ident, $prefix:expr, $row:expr => $type:ident {
        $($field:ident: $rule:ident,)+
    } $(apart $apart:ident)?) => {
        let $type { $($field,)+ $($apart,)? } = $row;
        $($facts.push(Fact::new($prefix, stringify!($field), Rule::$rule, $field));)+
    };
}

fn of_identity(it: &Identity) -> Vec<Fact> {
    let mut facts = Vec::new();
    ruled!(facts, "", it => Identity {
        server_name: MustEqual,
        at_servername: MustEqual,
        major: MustEqual,
        version: MustEqual,
        edition: MustEqual,
        sysadmin: MustEqual,
    });
    facts
}

fn of_services(all: &[Service]) -> Vec<Fact> {
    let mut facts = Vec::new();
    for it in all {
        let prefix = format!("{}: ", it.name);
        ruled!(facts, &prefix, it => Service {
            name: MustEqual,
            is_agent: MustEqual,
            is_engine: MustEqual,
            status: MustEqual,
            account: MustEqual,
        });
    }
    facts
}

fn of_endpoint(it: &Endpoint) -> Vec<Fact> {
    let mut facts = Vec::new();
    ruled!(facts, "", it => Endpoint {
        name: MustEqual,
        started: MustEqual,
        port: MustEqual,
    });
    facts
}

fn of_database(it: &Database) -> Vec<Fact> {
    let mut facts = Vec::new();
    ruled!(facts, "", it => Database {
        state: MustEqual,
        standby: MustEqual,
        read_only: MustEqual,
        user_access: MustEqual,
        recovery_model: MustEqual,
        collation: MustEqual,
        trustworthy: MustEqual,
        broker: MustEqual,
        owner: MustEqual,
        log_reuse_wait: Ignore,
    } apart mirroring);
    let mirrored = Fact::new("", "mirrored", Rule::MustEqual, &mirroring.is_some());
    facts.push(mirrored);
    if let Some(it) = mirroring {
        ruled!(facts, "mirroring: ", it => Mirroring {
            state: MustEqual,
            role: MustEqual,
            partner: MustEqual,
        });
    }
    facts
}

fn of_redo(it: &RedoStart) -> Vec<Fact> {
    let mut facts = Vec::new();
    ruled!(facts, "", it => RedoStart {
        lsn: MayGrow,
        fork: MustEqual,
    });
    facts
}

fn of_lineage(it: &Lineage) -> Vec<Fact> {
    let mut facts = Vec::new();
    ruled!(facts, "", it => Lineage {
        family: MustEqual,
        fork: MustEqual,
        fork_point: MustEqual,
    });
    facts
}

fn of_files(all: &[PlacedFile]) -> Vec<Fact> {
    let mut facts = Vec::new();
    for it in all {
        let prefix = format!("{}: ", it.name);
        ruled!(facts, &prefix, it => PlacedFile {
            name: MustEqual,
            path: MustEqual,
            log: MustEqual,
            bytes: MayGrow,
        });
    }
    facts
}

fn of_volumes(all: &[Volume]) -> Vec<Fact> {
    let mut facts = Vec::new();
    for it in all {
        let prefix = format!("{} ", it.mount);
        ruled!(facts, &prefix, it => Volume {
            mount: Ignore,
            free: Ignore,
        });
    }
    facts
}

/// The prefix of a row's facts: one row is the rule, and has none.
fn prefix(count: usize, index: usize) -> String {
    if count == 1 {
        String::new()
    } else {
        format!("row {}: ", index + 1)
    }
}

fn of_secondary(rows: &[Secondary]) -> Vec<Fact> {
    let mut facts = vec![Fact::new("", "rows", Rule::MustEqual, &rows.len())];
    for (index, it) in rows.iter().enumerate() {
        let prefix = prefix(rows.len(), index);
        ruled!(facts, &prefix, it => Secondary {
            secondary_id: MustEqual,
            primary_server: MustEqual,
            primary_database: MustEqual,
            source: MustEqual,
            destination: MustEqual,
            copy_job: MustEqual,
            restore_job: MustEqual,
            monitor: MustEqual,
            database: MustEqual,
            restore_delay: MustEqual,
            standby_mode: MustEqual,
            restore_all: MustEqual,
            disconnect_users: MustEqual,
            block_size: MustEqual,
            buffer_count: MustEqual,
            max_transfer_size: MustEqual,
            monitor_security: MustEqual,
            threshold_alert: MustEqual,
            file_retention: MustEqual,
            restore_threshold: MustEqual,
            alert_enabled: MustEqual,
            history_retention: MustEqual,
            last_copied_file: MayGrow,
            last_restored_file: MayGrow,
        });
    }
    facts
}

fn of_primary(rows: &[Primary]) -> Vec<Fact> {
    let mut facts = vec![Fact::new("", "rows", Rule::MustEqual, &rows.len())];
    for (index, it) in rows.iter().enumerate() {
        let prefix = prefix(rows.len(), index);
        ruled!(facts, &prefix, it => Primary {
            primary_id: MustEqual,
            directory: MustEqual,
            share: MustEqual,
            retention: MustEqual,
            backup_job: MustEqual,
            compression: MustEqual,
            monitor: MustEqual,
            secondary_server: MustEqual,
            secondary_database: MustEqual,
            monitor_security: MustEqual,
            backup_threshold: MustEqual,
            threshold_alert: MustEqual,
            alert_enabled: MustEqual,
            history_retention: MustEqual,
        });
    }
    facts
}

fn of_jobs(all: &[Job]) -> Vec<Fact> {
    let mut facts = Vec::new();
    for it in all {
        let prefix = format!("{}: ", it.name);
        ruled!(facts, &prefix, it => Job {
            id: MustEqual,
            name: MustEqual,
            enabled: MustEqual,
            owner: MustEqual,
            category: MustEqual,
            command: MustEqual,
            proxy: MustEqual,
            started_and_not_stopped: Ignore,
        });
    }
    facts
}

fn of_schedules(all: &[Schedule], jobs: &[Job]) -> Vec<Fact> {
    let mut facts = Vec::new();
    for it in all {
        let job = jobs.iter().find(|job| job.id == it.job);
        let job = job.map_or(&it.job, |job| &job.name);
        let prefix = format!("{} of {job}: ", it.name);
        ruled!(facts, &prefix, it => Schedule {
            job: MustEqual,
            name: MustEqual,
            enabled: MustEqual,
            freq_type: MustEqual,
            freq_interval: MustEqual,
            freq_subday_type: MustEqual,
            freq_subday_interval: MustEqual,
            freq_relative_interval: MustEqual,
            freq_recurrence_factor: MustEqual,
            active_start_date: MustEqual,
            active_end_date: MustEqual,
            active_start_time: MustEqual,
            active_end_time: MustEqual,
        });
    }
    facts
}

fn of_service(it: &pool::Service) -> Vec<Fact> {
    let pool::Service {
        identity,
        registrar,
        active_servers,
        inactive_servers,
        primary,
        primary_mirror,
        backup,
        backup_mirror,
    } = it;
    let list = |name: &str, servers: &Option<Vec<String>>| Fact {
        unseen: servers.is_none(),
        ..Fact::new(
            "",
            name,
            Rule::MustEqual,
            &servers.as_ref().map(|it| sorted(it)),
        )
    };
    let host = |name: &str, host| Fact::observed(name, Rule::MustEqual, host);
    vec![
        Fact::new("", "identity", Rule::MustEqual, identity),
        Fact::new("", "registrar", Rule::MustEqual, registrar),
        list("active_servers", active_servers),
        list("inactive_servers", inactive_servers),
        host("primary", primary),
        host("primary_mirror", primary_mirror),
        host("backup", backup),
        host("backup_mirror", backup_mirror),
    ]
}

/// In an order that does not matter.
fn sorted(names: &[String]) -> Vec<String> {
    let mut names = names.to_vec();
    names.sort();
    names
}

fn alone<T: Serialize>(name: &str, rule: Rule) -> impl FnOnce(&T) -> Vec<Fact> {
    move |value| vec![Fact::new("", name, rule, value)]
}
