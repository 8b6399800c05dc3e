//! What a site is, fact by fact, each with the rule by which it may differ from what was approved.
//!
//! The rule of a fact stands here, beside its name, and only here: [`ruled!`] takes a look apart field by
//! field, so that a look with a new field does not compile before that has a rule.

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::access::Access;
use crate::access::shares::EntryKind;
use crate::model::{DatabaseName, Instance, Problem, Role, SharePath};
use crate::site::Site;
use crate::step::observe::Observed;
use crate::step::observe::backups::{PlacedFile, placed_files};
use crate::step::observe::database::{
    Database, Lineage, Mirroring, RedoStart, database, lineage, redo_start,
};
use crate::step::observe::instance::{
    Endpoint, Identity, Service, clock, endpoint, identity, services,
};
use crate::step::observe::log_shipping::{
    Job, JobIds, Primary, Schedule, Secondary, all_jobs, all_schedules, primary, secondary,
};
use crate::step::observe::pool;
use crate::step::observe::space::{Volume, volumes};

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

fn of_services(all: &Vec<Service>) -> Vec<Fact> {
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

fn of_files(all: &Vec<PlacedFile>) -> Vec<Fact> {
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

fn of_volumes(all: &Vec<Volume>) -> Vec<Fact> {
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

fn of_secondary(rows: &Vec<Secondary>) -> Vec<Fact> {
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

fn of_primary(rows: &Vec<Primary>) -> Vec<Fact> {
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

fn of_jobs(all: &Vec<Job>) -> Vec<Fact> {
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

fn of_schedules(all: &Vec<Schedule>, jobs: &[Job]) -> Vec<Fact> {
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
        ..Fact::new("", name, Rule::MustEqual, &servers.as_ref().map(sorted))
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
fn sorted(names: &Vec<String>) -> Vec<String> {
    let mut names = names.clone();
    names.sort();
    names
}

fn alone<T: Serialize>(name: &str, rule: Rule) -> impl FnOnce(&T) -> Vec<Fact> {
    move |value| vec![Fact::new("", name, rule, value)]
}

/// Looks at the whole site. Reads only; what is dead costs one limit in all.
pub async fn observe(site: &Site, access: &Access) -> Vec<Thing> {
    let _round = access.sql.round();
    let chat = Role::ALL.into_iter().map(Instance::chat);
    let compliance = Role::ALL.into_iter().map(Instance::compliance);
    let all: Vec<Instance> = chat
        .chain(compliance)
        .filter(|at| access.sql.has(*at))
        .collect();
    let instances = join_all(all.iter().map(|at| Box::pin(instance(site, access, *at))));
    let (pool, shares, instances) = tokio::join!(
        Box::pin(of_pool(site, access)),
        Box::pin(of_shares(site, access)),
        instances
    );
    let mut things = pool;
    things.extend(instances.into_iter().flatten());
    things.extend(shares);
    things
}

/// Looks, unless the instance did not say who it is: what is known of it is why.
async fn ask<T>(unseen: Option<&Problem>, look: impl Future<Output = Observed<T>>) -> Observed<T> {
    match unseen {
        Some(why) => Observed::Unknown(why.clone()),
        None => Box::pin(look).await,
    }
}

async fn instance(site: &Site, access: &Access, at: Instance) -> Vec<Thing> {
    let who = identity(access, at).await;
    let unseen = who.unknown().cloned();
    let unseen = unseen.as_ref();
    let named = |what: &str| format!("{at}: {what}");
    let mut things = vec![Thing::of(named("instance"), &who, of_identity)];
    let seen = ask(unseen, services(access, at)).await;
    things.push(Thing::of(named("services"), &seen, of_services));
    let seen = ask(unseen, endpoint(access, at)).await;
    things.push(Thing::of(named("mirroring endpoint"), &seen, of_endpoint));
    let seen = ask(unseen, volumes(access, at)).await;
    things.push(Thing::of(named("volumes"), &seen, of_volumes));
    let seen = ask(unseen, clock(access, at)).await;
    things.push(Thing::of(named("clock"), &seen, alone("now", Rule::Ignore)));
    let own = site.database.compliance.as_ref();
    let holds = |at: Instance| at.compliance || !access.sql.has(Instance::compliance(at.role));
    let chat = (!at.compliance).then_some(&site.database.chat);
    for name in chat.into_iter().chain(own.filter(|_| holds(at))) {
        things.extend(of_one_database(access, at, name, unseen).await);
    }
    if let Some(name) = chat {
        things.extend(of_log_shipping(access, at, name, unseen).await);
    }
    things
}

async fn of_one_database(
    access: &Access,
    at: Instance,
    name: &DatabaseName,
    unseen: Option<&Problem>,
) -> Vec<Thing> {
    let named = |what: &str| format!("{at}: {what} {name}");
    let seen = ask(unseen, database(access, at, name)).await;
    let mut things = vec![Thing::of(named("database"), &seen, of_database)];
    let seen = ask(unseen, redo_start(access, at, name)).await;
    things.push(Thing::of(named("redo start of"), &seen, of_redo));
    let seen = ask(unseen, lineage(access, at, name)).await;
    things.push(Thing::of(named("lineage of"), &seen, of_lineage));
    let seen = ask(unseen, placed_files(access, at, name)).await;
    things.push(Thing::of(named("files of"), &seen, of_files));
    things
}

async fn of_log_shipping(
    access: &Access,
    at: Instance,
    name: &DatabaseName,
    unseen: Option<&Problem>,
) -> Vec<Thing> {
    let named = |what: &str| format!("{at}: log shipping of {name}, {what}");
    let mut things = Vec::new();
    let mut ids = Vec::new();
    let rows = ask(unseen, secondary(access, at, name)).await;
    ids.extend(JobIds::of(rows.seen().into_iter().flatten()));
    things.push(Thing::of(named("secondary"), &rows, of_secondary));
    let unknown = rows.unknown().cloned();
    let rows = ask(unseen, primary(access, at, name)).await;
    ids.extend(JobIds::of(rows.seen().into_iter().flatten()));
    things.push(Thing::of(named("primary"), &rows, of_primary));
    // Without its rows nobody knows which jobs are of log shipping.
    let unseen = unknown.as_ref().or(rows.unknown());
    let jobs = ask(unseen, all_jobs(access, at, &ids)).await;
    things.push(Thing::of(named("jobs"), &jobs, of_jobs));
    let seen = ask(unseen, all_schedules(access, at, &ids)).await;
    let jobs = jobs.seen().cloned().unwrap_or_default();
    things.push(Thing::of(named("schedules"), &seen, |all| {
        of_schedules(all, &jobs)
    }));
    things
}

async fn of_pool(site: &Site, access: &Access) -> Vec<Thing> {
    let service = pool::service(access, &site.pool.fqdn).await;
    let identity = site.pool.identity.clone();
    let identity = identity.or_else(|| service.seen().map(|it| it.identity.clone()));
    let state = match (&identity, service.unknown()) {
        (Some(identity), _) => pool::state(access, identity).await,
        (None, Some(why)) => Observed::Unknown(why.clone()),
        (None, None) => Observed::Absent,
    };
    let servers = pool::computers(access, &site.pool.fqdn).await;
    let servers = servers.map(|it| sorted(&it));
    let master = pool::central_management(access).await;
    let alone = |name| alone(name, Rule::MustEqual);
    vec![
        Thing::of("pool: service".to_owned(), &service, of_service),
        Thing::of("pool: state".to_owned(), &state, alone("state")),
        Thing::of(
            "pool: servers".to_owned(),
            &servers,
            self::alone("servers", Rule::MustEqual),
        ),
        Thing::of(
            "Central Management Store".to_owned(),
            &master,
            self::alone("master", Rule::MustEqual),
        ),
    ]
}

/// The share of the log backups and the copy folder.
async fn of_shares(site: &Site, access: &Access) -> Vec<Thing> {
    let mut things = Vec::new();
    for (what, folder) in [
        ("share of the log backups", &site.shares.backup),
        ("copy folder", &site.shares.copy),
    ] {
        let seen = log_backups(access, folder).await;
        things.push(Thing::of(what.to_owned(), &seen, |files| {
            let newest = files.iter().max_by_key(|name| (name.len(), *name));
            vec![
                Fact::new("", "newest", Rule::MayGrow, &newest),
                Fact::new("", "files", Rule::Ignore, &files.len()),
            ]
        }));
    }
    things
}

/// Names of the log backups in a folder, by their ending; their headers are not read.
async fn log_backups(access: &Access, folder: &SharePath) -> Observed<Vec<String>> {
    let listed = access.shares.list(folder.as_str()).await;
    let entries = match listed {
        Ok(entries) => entries,
        Err(error) => return Observed::unseen(&error),
    };
    let files = entries.into_iter();
    let files = files.filter(|it| it.kind == EntryKind::File);
    let names = files.map(|it| it.name);
    Observed::Seen(names.filter(|name| ends(name)).collect())
}

fn ends(name: &str) -> bool {
    let ending = std::path::Path::new(name).extension();
    ending.is_some_and(|it| it.eq_ignore_ascii_case("trn"))
}
