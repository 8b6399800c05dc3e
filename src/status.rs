//! Where the pool, the databases, the mirrors, log shipping and the active servers stand (`design.md` 8).
//! Reads only; all instances at once.

use std::collections::BTreeMap;
use std::io::{self, Write};

use futures_util::future::join_all;
use serde::Serialize;

use crate::access::Access;
use crate::access::sql::{Life, Query};
use crate::model::commands::spelled;
use crate::model::states::{DatabaseState, MirroringRole, MirroringState, PoolState};
use crate::model::{DatabaseName, Instance, Role, WayOn};
use crate::site::Site;
use crate::step::observe::Observed;
use crate::step::observe::backups::log_backups;
use crate::step::observe::database::{Database, database, redo_start};
use crate::step::observe::log_shipping::{JobIds, Primary, jobs, primary, secondary};
use crate::step::observe::pool;
use crate::step::observe::writable::{self, Writable};

/// The whole site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Version of this format.
    pub version: u32,
    /// The pool.
    pub pool: PoolStatus,
    /// The instances, by role.
    pub instances: BTreeMap<&'static str, InstanceStatus>,
    /// Two chat databases that can be written at once, where there must be one.
    #[serde(rename = "two_writable", skip_serializing_if = "Option::is_none")]
    pub two: Option<TwoWritable>,
}

/// Two writable databases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TwoWritable {
    /// Roles of the two.
    pub roles: [&'static str; 2],
    /// What is wrong.
    pub why: String,
    /// What to do.
    pub hint: String,
}

/// The pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PoolStatus {
    /// `Normal`, `FailedOver`; `None` where it is not known.
    pub state: Option<String>,
    /// Active servers; `None` where they are not known.
    pub active_servers: Option<Vec<String>>,
    /// Why something is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// One instance.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InstanceStatus {
    /// Its address.
    pub server: String,
    /// Whether it answered.
    pub reachable: bool,
    /// Why it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// It did not let us look, and lives: it may serve.
    #[serde(skip)]
    pub lives: bool,
    /// The chat and the compliance database, where they are there.
    pub databases: BTreeMap<String, DatabaseStatus>,
    /// Its part in log shipping.
    pub log_shipping: Option<LogShippingStatus>,
    /// Its chat database serves without the mirror that the site has for it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub without_mirror: bool,
    /// Its chat database serves, as after a failover, and its log is not used again before a log backup is
    /// taken (`steps.md` 5.8).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub log_waits: bool,
}

/// One database, in the words of the catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DatabaseStatus {
    /// `ONLINE`, `RESTORING`, …
    pub state: DatabaseState,
    /// STANDBY.
    pub standby: bool,
    /// `FULL`, `BULK_LOGGED`, `SIMPLE`.
    pub recovery_model: &'static str,
    /// Mirroring.
    pub mirroring: Option<MirroringStatus>,
}

/// Mirroring of a database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MirroringStatus {
    /// `PRINCIPAL`, `MIRROR`.
    pub role: Option<MirroringRole>,
    /// `SYNCHRONIZED`, …
    pub state: Option<MirroringState>,
    /// The partner's instance.
    pub partner: Option<String>,
}

/// An instance's part in log shipping of the chat database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogShippingStatus {
    /// `primary` or `secondary`.
    pub role: &'static str,
    /// Copy job: `enabled`, `disabled`, `running`.
    pub copy_job: Option<&'static str>,
    /// Restore job.
    pub restore_job: Option<&'static str>,
    /// Backup job.
    pub backup_job: Option<&'static str>,
    /// Last file copied.
    pub last_copied: Option<String>,
    /// Last file restored.
    pub last_restored: Option<String>,
    /// The newest log backup that was taken to another folder: log shipping lacks it, and cannot go on
    /// without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken_elsewhere: Option<String>,
}

impl Status {
    /// Looks at everything at once: a dead instance costs one connect limit, not four.
    pub async fn observe(site: &Site, access: &Access) -> Self {
        let _round = access.sql.round();
        let roles: Vec<Role> = Role::ALL
            .into_iter()
            .filter(|role| access.sql.has(Instance::chat(*role)))
            .collect();
        let looks = join_all(roles.iter().map(|role| instance(site, access, *role)));
        let (pool, looks) = tokio::join!(pool_status(site, access), looks);
        let (instances, writable): (Vec<_>, Vec<_>) = looks.into_iter().unzip();
        let writable = writable.into_iter().flatten().collect();
        let two = writable::two(site, access, writable).await;
        Self {
            version: 1,
            pool,
            instances: roles.iter().map(|role| role.key()).zip(instances).collect(),
            two: two.map(|two| {
                let problem = two.problem();
                TwoWritable {
                    roles: two.roles().map(Role::key),
                    why: problem.to_string(),
                    hint: problem.hint(WayOn::Resume),
                }
            }),
        }
    }

    /// What was not seen, in words: nothing can be said of it.
    pub fn not_seen(&self) -> Vec<String> {
        let pool = self.pool.error.as_ref().map(|_| "the pool".to_owned());
        let unseen = |it: &InstanceStatus| !it.reachable || it.error.is_some();
        let instances = self.instances.iter().filter(|(_, it)| unseen(it));
        let instances = instances.map(|(role, _)| format!("the {}", role.replace('_', " ")));
        pool.into_iter().chain(instances).collect()
    }

    /// One line of JSON.
    pub fn write_json(&self, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        writeln!(out)
    }

    /// A table for people.
    pub fn write_human(&self, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
        if let Some(two) = &self.two {
            writeln!(
                out,
                "{}\n{:15} {}\n",
                two.why,
                "what to do",
                spelled(&two.hint)
            )?;
        }
        let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "not known".to_owned());
        writeln!(out, "pool            {}", known(&self.pool.state))?;
        let active = self.pool.active_servers.as_ref().map(|servers| {
            if servers.is_empty() {
                "none".to_owned()
            } else {
                servers.join(", ")
            }
        });
        writeln!(out, "active servers  {}", known(&active))?;
        if let Some(error) = &self.pool.error {
            writeln!(out, "                {error}")?;
        }
        for (role, instance) in &self.instances {
            let role = role.replace('_', " ");
            write!(out, "{role:15} {}", instance.server)?;
            if !instance.reachable {
                let why = instance.error.as_deref().unwrap_or("no answer");
                let how = if instance.lives {
                    "does not let us look"
                } else {
                    "does not answer"
                };
                writeln!(out, "  {how}: {why}")?;
                continue;
            }
            writeln!(out)?;
            if instance.databases.is_empty() {
                writeln!(out, "{:15}   no chat database", "")?;
            }
            for (name, database) in &instance.databases {
                writeln!(out, "{:15}   {name}: {}", "", database.describe())?;
            }
            let failed_over = PoolState::FailedOver.to_string();
            if instance.without_mirror && self.pool.state.as_ref() == Some(&failed_over) {
                let told =
                    "no mirror, though the site has a backup mirror: `pchadr failover` sets it up";
                writeln!(out, "{:15}   {}", "", spelled(told))?;
            }
            if instance.log_waits && self.pool.state.as_ref() == Some(&failed_over) {
                writeln!(
                    out,
                    "{:15}   its log grows until a log backup is taken: to a folder that is not the log-shipping share, before its disk is full",
                    ""
                )?;
            }
            if let Some(shipping) = &instance.log_shipping {
                writeln!(out, "{:15}   log shipping: {}", "", shipping.describe())?;
            }
        }
        Ok(())
    }
}

impl DatabaseStatus {
    fn describe(&self) -> String {
        let mut text = self.state.to_string();
        if self.standby {
            text.push_str(", STANDBY");
        }
        if self.recovery_model != "FULL" {
            text = format!("{text}, recovery model {}", self.recovery_model);
        }
        if let Some(mirroring) = &self.mirroring {
            let role = match mirroring.role {
                Some(MirroringRole::Principal) => "principal",
                Some(MirroringRole::Mirror) => "mirror",
                None => "partner",
            };
            let state = mirroring
                .state
                .map_or_else(|| "state not known".to_owned(), |state| state.to_string());
            let partner = mirroring.partner.as_deref().unwrap_or("?");
            text = format!("{text}, {role} of {partner}, {state}");
        }
        text
    }
}

impl LogShippingStatus {
    fn describe(&self) -> String {
        let jobs = [
            ("backup job", self.backup_job),
            ("copy job", self.copy_job),
            ("restore job", self.restore_job),
        ];
        let jobs: Vec<String> = jobs
            .iter()
            .filter_map(|(name, state)| Some(format!("{name} {}", (*state)?)))
            .collect();
        let mut text = format!("{}; {}", self.role, jobs.join(", "));
        if let Some(file) = &self.last_restored {
            text = format!("{text}; last restored {file}");
        }
        if let Some(file) = &self.taken_elsewhere {
            text = format!(
                "{text}; a log backup was taken elsewhere, and log shipping stops without it: put {file} into its folder"
            );
        }
        text
    }
}

async fn pool_status(site: &Site, access: &Access) -> PoolStatus {
    let service = pool::service(access, &site.pool.fqdn).await;
    let mut status = PoolStatus {
        active_servers: service.seen().and_then(|it| it.active_servers.clone()),
        error: service.unknown().map(ToString::to_string),
        ..PoolStatus::default()
    };
    let identity = site
        .pool
        .identity
        .clone()
        .or_else(|| service.seen().map(|it| it.identity.clone()));
    if let Some(identity) = identity {
        match pool::state(access, &identity).await {
            Observed::Seen(state) => status.state = Some(state.to_string()),
            Observed::Unknown(why) => status.error = Some(why.to_string()),
            Observed::Absent => {}
        }
    }
    status
}

async fn instance(site: &Site, access: &Access, role: Role) -> (InstanceStatus, Option<Writable>) {
    let at = Instance::chat(role);
    let mut status = InstanceStatus {
        server: access.sql.server(at).to_owned(),
        reachable: true,
        error: None,
        lives: false,
        databases: BTreeMap::new(),
        log_shipping: None,
        without_mirror: false,
        log_waits: false,
    };
    let query = Query::plain(include_str!("sql/identity.sql"));
    if let Err(error) = access.sql.read(at, query).await {
        status.reachable = false;
        status.lives = error.failure.life() == Life::Lives;
        status.error = Some(error.failure.to_string());
        return (status, None);
    }
    let own = Instance::compliance(role);
    let compliance = if access.sql.has(own) { own } else { at };
    let wanted: Vec<(Instance, &DatabaseName)> = std::iter::once((at, &site.database.chat))
        .chain(
            site.database
                .compliance
                .iter()
                .map(|name| (compliance, name)),
        )
        .collect();
    let mut writable = None;
    for (at, name) in wanted {
        match database(access, at, name).await {
            Observed::Seen(row) => {
                if *name == site.database.chat {
                    writable = Writable::of(site, access, role, &row).await;
                    status.without_mirror = role == Role::Backup
                        && row.serves()
                        && row.mirroring.is_none()
                        && site.chat(Role::BackupMirror).is_some();
                    status.log_waits = matches!(role, Role::Backup | Role::BackupMirror)
                        && row.serves()
                        && row.log_reuse_wait.as_deref() == Some("LOG_BACKUP");
                }
                status.databases.insert(name.to_string(), of(&row));
            }
            Observed::Absent => {}
            Observed::Unknown(why) => status.error = Some(why.to_string()),
        }
    }
    status.log_shipping = log_shipping(site, access, at).await;
    (status, writable)
}

fn of(row: &Database) -> DatabaseStatus {
    DatabaseStatus {
        state: row.state,
        standby: row.standby,
        recovery_model: match row.recovery_model {
            1 => "FULL",
            2 => "BULK_LOGGED",
            3 => "SIMPLE",
            _ => "?",
        },
        mirroring: row.mirroring.as_ref().map(|it| MirroringStatus {
            role: it.role,
            state: it.state,
            partner: it.partner.clone(),
        }),
    }
}

async fn log_shipping(site: &Site, access: &Access, at: Instance) -> Option<LogShippingStatus> {
    let name = &site.database.chat;
    let state = |jobs: &Observed<Vec<crate::step::observe::log_shipping::Job>>, id: &str| {
        let job = jobs.seen()?.iter().find(|job| job.id == id)?;
        Some(if job.started_and_not_stopped {
            "running"
        } else if job.enabled {
            "enabled"
        } else {
            "disabled"
        })
    };
    if let Some(row) = secondary(access, at, name)
        .await
        .seen()
        .and_then(|rows| rows.first())
    {
        let jobs = jobs(access, at, &JobIds::from(row)).await;
        return Some(LogShippingStatus {
            role: "secondary",
            copy_job: state(&jobs, &row.copy_job),
            restore_job: state(&jobs, &row.restore_job),
            backup_job: None,
            last_copied: row.last_copied_file.clone(),
            last_restored: row.last_restored_file.clone(),
            taken_elsewhere: None,
        });
    }
    let rows = primary(access, at, name).await;
    let row = rows.seen()?.first()?;
    let jobs = jobs(access, at, &JobIds::from(row)).await;
    Some(LogShippingStatus {
        role: "primary",
        copy_job: None,
        restore_job: None,
        backup_job: state(&jobs, &row.backup_job),
        last_copied: None,
        last_restored: None,
        taken_elsewhere: taken_elsewhere(site, access, at, row).await,
    })
}

/// The newest log backup of the primary that did not go where log shipping looks.
async fn taken_elsewhere(
    site: &Site,
    access: &Access,
    at: Instance,
    row: &Primary,
) -> Option<String> {
    let backups = log_backups(access, at, &site.database.chat).await;
    let folders = [Some(&row.directory), row.share.as_ref()];
    let is_there = |device: &str| {
        let device = device.to_lowercase();
        let mut folders = folders.iter().flatten();
        folders.any(|folder| {
            let folder = folder.trim_end_matches(['\\', '/']).to_lowercase();
            let rest = device.strip_prefix(&folder);
            rest.is_some_and(|rest| rest.starts_with(['\\', '/']))
        })
    };
    let mut backups = backups.seen()?.iter();
    let elsewhere = backups.find(|it| !it.copy_only && !is_there(&it.device))?;
    // Somebody may have carried it there: that of a mirror's set-up is applied by the failback.
    let backup = Instance::chat(Role::Backup);
    let redo = redo_start(access, backup, &site.database.chat).await;
    let lacks = redo
        .seen()
        .is_some_and(|redo| redo.lsn < elsewhere.last_lsn);
    lacks.then(|| elsewhere.device.clone())
}
