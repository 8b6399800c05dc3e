//! The site file: `site.toml` -> [`Site`], every problem at once (`design.md` 7).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::model::{DatabaseName, Fqdn, Instance, Role, SharePath, SqlServer};

pub mod first;

mod find;
mod load;
mod pool;
mod secret;
mod sql;
#[cfg(test)]
mod tests;

pub use find::NotFound;
pub use load::LoadError;

/// An example site file with every key explained: the site of `design.md` 7.
pub const EXAMPLE: &str = include_str!("../runbooks/litware.toml");

/// What a site file may hold, as JSON Schema (draft 07, which editors of TOML know). A test compares its
/// keys with those that the loader knows.
pub const SCHEMA: &str = include_str!("site/schema.json");

/// A stretched Persistent Chat pool, as its site file describes it. Holds no secret: only where a
/// secret is to be found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Site {
    /// The pool and its servers.
    pub pool: Pool,
    /// The two databases.
    pub database: Databases,
    /// Where the instances listen, and how to sign in.
    pub sql: Sql,
    /// Folders.
    pub shares: Shares,
    /// How PowerShell is started.
    pub powershell: PowerShell,
    /// How log backups are copied.
    pub copy: Copy,
    /// Log-shipping configuration where none was saved.
    pub log_shipping: LogShipping,
    /// What backs up the chat database's log after a failover; `None`: nothing of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_backups: Option<LogBackups>,
    /// Where the run folder is mirrored to.
    pub run: Run,
    /// Time limits.
    pub limits: Limits,
}

/// `[pool]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pool {
    /// FQDN of the pool.
    pub fqdn: Fqdn,
    /// `-Identity` of the pool state cmdlets, where set; else what `Get-CsService` returns.
    pub identity: Option<String>,
    /// `-Identity` of `Set-CsPersistentChatActiveServer`, where set; else left out.
    pub active_identity: Option<String>,
    /// Every chat server of the primary data center.
    pub primary_servers: Vec<Fqdn>,
    /// Every chat server of the backup data center.
    pub backup_servers: Vec<Fqdn>,
    /// Active servers in the normal state, one to four.
    pub normal: Vec<Fqdn>,
    /// Active servers after a failover, one to four.
    pub failed_over: Vec<Fqdn>,
    /// Front End servers of the primary data center: evidence that it is gone.
    pub front_ends: Vec<Fqdn>,
}

/// `[database]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Databases {
    /// The chat database, `mgc`.
    pub chat: DatabaseName,
    /// The compliance database, `mgccomp`; `None` when compliance is off.
    pub compliance: Option<DatabaseName>,
}

/// `[sql]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sql {
    /// Every instance that the site has; a compliance instance only where it is one of its own.
    #[serde(serialize_with = "by_key")]
    pub instances: BTreeMap<Instance, SqlServer>,
    /// `[sql.auth]`
    pub auth: Auth,
    /// `[sql.tls]`
    pub tls: Tls,
}

fn by_key<S: serde::Serializer>(
    instances: &BTreeMap<Instance, SqlServer>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(instances.iter().map(|(instance, server)| {
        let prefix = if instance.compliance {
            "compliance."
        } else {
            ""
        };
        (format!("{prefix}{}", instance.role.key()), server)
    }))
}

/// `[sql.auth]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "mode", rename_all = "lowercase")]
pub enum Auth {
    /// As the user who runs the program.
    Integrated,
    /// SQL login.
    Sql {
        /// Login name.
        user: String,
        /// Where its password is.
        password: Secret,
    },
    /// Another Windows user.
    Windows {
        /// `DOMAIN\user`.
        user: String,
        /// Where its password is.
        password: Secret,
    },
}

/// Where a password is found; never the password itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Secret {
    /// In an environment variable.
    Env(String),
    /// In a file; relative to the site file, joined when loaded.
    File(PathBuf),
    /// Asked for at the terminal.
    Prompt,
}

/// `[sql.tls]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tls {
    /// How much of a connection is encrypted.
    pub encrypt: Encrypt,
    /// PEM file of the authority that signed the instances' certificates.
    pub ca: Option<PathBuf>,
    /// True: any certificate is taken.
    pub trust_server_certificate: bool,
}

/// `[sql.tls] encrypt`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Encrypt {
    /// TDS 8.0: TLS before anything else.
    Strict,
    /// All of the connection; the default.
    Required,
    /// The sign-in only.
    Login,
    /// Nothing.
    Off,
}

/// `[shares]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shares {
    /// Log backups are written here.
    pub backup: SharePath,
    /// The copy destination folder, as this machine sees it.
    pub copy: SharePath,
    /// The same folder, as the backup instance sees it; the same path where left out.
    pub copy_local: SharePath,
    /// `Install-CsMirrorDatabase -FileShare`; needed when the site has a backup mirror.
    pub mirror: Option<SharePath>,
    /// What failback keeps of the old primary.
    pub archive: Option<SharePath>,
    /// More folders where log backups may lie.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra: Vec<SharePath>,
    /// Hosts of shares that stand in the primary data center: evidence that it is gone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts_in_primary: Vec<Fqdn>,
}

/// `[powershell]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PowerShell {
    /// Program to start.
    pub program: String,
    /// Arguments before ours.
    pub arguments: Vec<String>,
    /// `SkypeForBusiness`, or `Lync` for Lync Server 2013.
    pub module: String,
}

/// `[copy]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Copy {
    /// Files copied at once, 1 to 64.
    pub parallel: usize,
    /// How a copy is checked against its source.
    pub verify: Verify,
    /// True: `copy-backups` and `apply-logs` run together.
    pub overlap: bool,
}

/// `[copy] verify`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verify {
    /// Size, header and closing copy.
    Header,
    /// All of these, and SHA-256 over all bytes of both.
    Hash,
}

/// `[log_shipping]`: what failback sets up where nothing was saved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LogShipping {
    /// A saved configuration (`log-shipping.json` of a run); relative to the site file, joined when loaded.
    pub saved: Option<PathBuf>,
}

/// `[log_backups]`: log backups after a failover, when log shipping takes none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogBackups {
    /// Where they go, as the backup and its mirror see it; in no folder of log shipping.
    pub folder: SharePath,
    /// Minutes from one to the next, 1 to 60.
    pub every: usize,
}

/// `[run]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Run {
    /// Folder that receives a second copy of each run's record; `<shares.copy>/pchadr-runs` where left out.
    pub mirror: String,
}

/// `[limits]`: every wait has an end, and what a check warns of a beginning. Written in the site file as `"5s"`, `"10m"`, `"2h"` or `"none"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// TCP connect to one instance.
    #[serde(serialize_with = "as_seconds")]
    pub connect: Duration,
    /// Sign-in, TLS included.
    #[serde(serialize_with = "as_seconds")]
    pub login: Duration,
    /// One read.
    #[serde(serialize_with = "as_seconds")]
    pub query: Duration,
    /// One step's act, other than the ones below.
    #[serde(serialize_with = "as_seconds")]
    pub step: Duration,
    /// After an act, until the site shows its effect.
    #[serde(serialize_with = "as_seconds")]
    pub settle: Duration,
    /// Between two looks while settling.
    #[serde(serialize_with = "as_seconds")]
    pub poll: Duration,
    /// A running log-shipping job, before it is stopped between two files.
    #[serde(serialize_with = "as_seconds")]
    pub jobs: Duration,
    /// A copy or a restore without any progress.
    #[serde(serialize_with = "as_seconds")]
    pub stall: Duration,
    /// One PowerShell cmdlet.
    #[serde(serialize_with = "as_seconds")]
    pub powershell: Duration,
    /// A mirror, until it is SYNCHRONIZED.
    #[serde(serialize_with = "as_seconds")]
    pub mirror: Duration,
    /// All checks before the first change of an execution.
    #[serde(serialize_with = "as_seconds")]
    pub preflight: Duration,
    /// A change of the pool, until its chat servers know it: the Central Management Store replicates
    /// to them (`skype-powershell.md` 5.3).
    #[serde(serialize_with = "as_seconds")]
    pub replication: Duration,
    /// Age of the newest log backup from which a check warns.
    #[serde(serialize_with = "as_seconds")]
    pub log_age: Duration,
    /// How far copy and restore may be behind it before a check warns.
    #[serde(serialize_with = "as_seconds")]
    pub lag: Duration,
    /// The whole of a restore; `None` = as long as it takes.
    #[serde(serialize_with = "as_optional_seconds")]
    pub restore: Option<Duration>,
}

fn as_seconds<S: serde::Serializer>(limit: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(limit.as_secs())
}

// serde passes the field by reference.
#[expect(clippy::ref_option, reason = "the shape that serialize_with calls")]
fn as_optional_seconds<S: serde::Serializer>(
    limit: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    limit.map(|l| l.as_secs()).serialize(serializer)
}

impl Default for Limits {
    fn default() -> Self {
        let minutes = |m: u64| Duration::from_secs(60 * m);
        Self {
            connect: Duration::from_secs(5),
            login: Duration::from_secs(15),
            query: minutes(1),
            step: minutes(30),
            settle: minutes(2),
            poll: Duration::from_secs(2),
            jobs: minutes(10),
            stall: minutes(5),
            powershell: minutes(10),
            mirror: minutes(120),
            preflight: minutes(15),
            replication: minutes(15),
            log_age: minutes(60),
            lag: minutes(45),
            restore: None,
        }
    }
}

impl Site {
    /// Address of an instance. A compliance role without an entry of its own is the chat instance
    /// of the same role.
    pub fn server(&self, instance: Instance) -> Option<&SqlServer> {
        self.sql
            .instances
            .get(&instance)
            .or_else(|| self.sql.instances.get(&Instance::chat(instance.role)))
    }

    /// Address of the instance that plays `role` for the chat database.
    pub fn chat(&self, role: Role) -> Option<&SqlServer> {
        self.server(Instance::chat(role))
    }

    /// Where log backups go after a failover, where they are wanted.
    pub fn log_backups_to(&self) -> Option<&SharePath> {
        self.log_backups.as_ref().map(|to| &to.folder)
    }

    /// Every chat server, primary data center first.
    pub fn chat_servers(&self) -> impl Iterator<Item = &Fqdn> {
        self.pool
            .primary_servers
            .iter()
            .chain(&self.pool.backup_servers)
    }
}
