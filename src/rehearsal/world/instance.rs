//! A simulated SQL Server instance and its sessions.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use tokio_util::sync::CancellationToken;

use super::database::Database;
use super::msdb::Msdb;
use crate::model::states::DatabaseState;
use crate::rehearsal::backup_set::Guid;

/// A request that runs.
#[derive(Clone, Debug)]
pub struct Running {
    /// `command` of `sys.dm_exec_requests`.
    pub command: &'static str,
    /// When it began.
    pub started: Timestamp,
    /// How long it takes.
    pub takes: Duration,
    /// The database on which it holds an X lock.
    pub target: Option<String>,
    /// The set that it restores and its path: what is half done when it dies.
    pub restores: Option<(Guid, String)>,
}

/// Whose session it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A client behind the TDS server.
    Client,
    /// A chat server.
    Chat,
    /// A log-shipping job.
    Job,
}

/// A session.
#[derive(Clone, Debug)]
pub struct Process {
    /// `session_id`
    pub spid: i64,
    /// Whose.
    pub kind: Kind,
    /// `login_time`
    pub login_time: Timestamp,
    /// `login_name`
    pub login_name: String,
    /// `host_name`
    pub host_name: String,
    /// `program_name`
    pub program_name: String,
    /// Current database.
    pub database: String,
    /// What runs.
    pub running: Option<Running>,
    /// `open_transaction_count`
    pub transactions: i64,
    /// `context_info`
    pub context: Option<Vec<u8>>,
    /// `SET XACT_ABORT ON`
    pub xact_abort: bool,
    /// Its language is German: that of its login, until it sets another.
    pub german: bool,
    /// Cancelled by KILL, or when the instance goes down.
    pub token: CancellationToken,
}

/// A disk volume of an instance's machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskVolume {
    /// Where it is mounted, as `E:\`; empty where the system does not say.
    pub mount: String,
    /// Bytes in all.
    pub total: u64,
    /// Bytes left.
    pub free: u64,
}

/// A lock of `sp_getapplock`: database, resource -> holder and how often it took it.
pub type AppLocks = BTreeMap<(String, String), (i64, u32)>;

/// An instance.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Debug)]
pub struct SqlInstance {
    /// Its key in the site file, as `backup` or `compliance.backup`: who opens files.
    pub key: String,
    /// Host of its entry in the site file.
    pub host: String,
    /// Instance name; `None` for the default instance.
    pub instance_name: Option<String>,
    /// `SERVERPROPERTY('ServerName')`.
    pub server_name: String,
    /// `@@SERVERNAME` is NULL (`sql-server.md` 1.1).
    pub nameless: bool,
    /// Answers.
    pub up: bool,
    /// The Agent runs.
    pub agent: bool,
    /// Major, minor, build.
    pub version: (u8, u8, u16),
    /// Instance collation.
    pub collation: String,
    /// Whether who signs in is sysadmin.
    pub sysadmin: bool,
    /// Whether who signs in has VIEW ANY DATABASE, as everybody has unless it was denied.
    pub sees_databases: bool,
    /// Its setup was in German, and the language of its logins is: names and texts are, numbers are not.
    pub german: bool,
    /// Databases, the four system databases first.
    pub databases: Vec<Database>,
    /// Its mirroring endpoint is STARTED.
    pub endpoint: bool,
    /// Disk volumes of its machine.
    pub volumes: Vec<DiskVolume>,
    /// Thumbprints of the certificates in `master`.
    pub certificates: Vec<Vec<u8>>,
    /// `msdb`
    pub msdb: Msdb,
    /// Sessions, by id.
    pub processes: BTreeMap<i64, Process>,
    /// Application locks.
    pub locks: AppLocks,
    /// Logins, in the order of their principal ids.
    pub logins: Vec<String>,
    /// `redo_start_lsn` is shown in STANDBY too.
    pub standby_shows_redo: bool,
    /// `@ignoreremotemonitor` exists.
    pub knows_ignore_monitor: bool,
    /// The remote monitor does not answer: the error that is told first.
    pub monitor_dead: Option<u32>,
    /// When the Agent started.
    pub agent_started: DateTime,
}

impl SqlInstance {
    /// A database by name.
    pub fn database(&self, name: &str) -> Option<&Database> {
        self.databases.iter().find(|d| d.is(name))
    }

    /// The same, to change it.
    pub fn database_mut(&mut self, name: &str) -> Option<&mut Database> {
        self.databases.iter_mut().find(|d| d.is(name))
    }

    /// The volume on which a file lies.
    pub fn volume_of(&self, path: &str) -> Option<&DiskVolume> {
        let path = path.to_lowercase();
        let holds = |volume: &&DiskVolume| path.starts_with(&volume.mount.to_lowercase());
        let volumes = self.volumes.iter().filter(holds);
        volumes.max_by_key(|volume| volume.mount.len())
    }

    /// `@@SERVERNAME`.
    pub fn at_servername(&self) -> Option<&str> {
        (!self.nameless).then_some(self.server_name.as_str())
    }

    /// The lowest free database id.
    pub fn free_database_id(&self) -> i64 {
        (5..=32_767)
            .find(|id| self.databases.iter().all(|d| d.id != *id))
            .unwrap_or(5)
    }

    /// The lowest free session id.
    pub fn free_spid(&self) -> i64 {
        (51..=32_767)
            .find(|id| !self.processes.contains_key(id))
            .unwrap_or(51)
    }

    /// Sessions, other than `except`, that use a database or hold it.
    pub fn users_of(&self, database: &str, except: i64) -> Vec<i64> {
        let lower = database.to_lowercase();
        self.processes
            .values()
            .filter(|p| p.spid != except)
            .filter(|p| {
                p.database.to_lowercase() == lower
                    || p.running
                        .as_ref()
                        .and_then(|r| r.target.as_ref())
                        .is_some_and(|t| t.to_lowercase() == lower)
            })
            .map(|p| p.spid)
            .collect()
    }

    /// Breaks off what a session runs. A RESTORE leaves its database RESTORING, with the set that
    /// must come next (`sql-server.md` 2.5, 4319).
    pub fn abandon(&mut self, spid: i64) {
        let Some(running) = self.processes.get_mut(&spid).and_then(|p| p.running.take()) else {
            return;
        };
        if let (Some(target), Some(set)) = (running.target, running.restores)
            && let Some(database) = self.database_mut(&target)
        {
            database.interrupted = Some(set);
            database.state = DatabaseState::Restoring;
            database.standby = false;
        }
    }

    /// Ends a session, with what it runs and the locks it holds.
    pub fn end(&mut self, spid: i64) {
        self.abandon(spid);
        self.processes.remove(&spid);
        self.locks.retain(|_, (holder, _)| *holder != spid);
    }

    /// The sessions that hold application locks end: their connections were lost, and the server has
    /// seen it (`sql-server.md` 8).
    pub fn drop_lock_sessions(&mut self) {
        let holders: Vec<i64> = self.locks.values().map(|(spid, _)| *spid).collect();
        for spid in holders {
            self.kill(spid);
            self.end(spid);
        }
    }

    /// Ends a session from outside: a client is told and goes by itself, others go at once.
    pub fn kill(&mut self, spid: i64) {
        if let Some(process) = self.processes.get(&spid) {
            process.token.cancel();
            if process.kind != Kind::Client {
                self.end(spid);
            }
        }
    }

    /// SID of a login: `0x01` for sa, else 28 bytes that follow from the name.
    pub fn sid(login: &str) -> Vec<u8> {
        if login.eq_ignore_ascii_case("sa") {
            return vec![1];
        }
        let mut sid = vec![1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0];
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for round in 0..2_u8 {
            for byte in login.to_lowercase().bytes().chain([round]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
            sid.extend(hash.to_le_bytes());
        }
        sid
    }

    /// Remembers a login.
    pub fn add_login(&mut self, login: &str) {
        if !self.logins.iter().any(|l| l.eq_ignore_ascii_case(login)) {
            self.logins.push(login.to_owned());
        }
    }
}
