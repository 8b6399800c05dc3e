//! In what state a world begins.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::files::Files;
use super::history::{Hook, SqlFault};
use super::logs::MadeLog;
use crate::model::states::DatabaseState;

/// Tells the time in a world.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How the site stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The primary serves and is mirrored, log shipping runs.
    Normal,
    /// The same with the primary data center down.
    Disaster,
    /// Failed over, the primary data center back in the state that [`PrimarySide`] says.
    FailedOver,
}

/// What the backup's chat database is (`steps.md` 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backup {
    /// A log-shipping secondary, NORECOVERY.
    Secondary,
    /// A log-shipping secondary, STANDBY.
    Standby,
    /// Recovered at the end of all logs, log shipping removed.
    Recovered,
    /// Recovered after the logs that were restored, though more exist.
    RecoveredEarly,
    /// Created by Topology Builder: ONLINE, empty, of another family.
    CreatedEmpty,
    /// Not there.
    Missing,
}

/// What answers in the primary data center of a disaster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrimarySide {
    /// Nothing.
    Down,
    /// The primary, which serves.
    Alive,
    /// The primary, rebuilt: `mgc` is of another family and empty, nothing is mirrored or shipped.
    Fresh,
    /// Both of its instances, as they were before they were only powered off: mirrored, shipping.
    Unchanged,
}

/// How long statements take. Zero: no time at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceTimes {
    /// Any RESTORE or BACKUP, before its first byte.
    pub media: Duration,
    /// Bytes a second of RESTORE and BACKUP; `None`: without time.
    pub throughput: Option<u64>,
    /// RESTORE DATABASE … WITH RECOVERY, before the fork.
    pub recovery: Duration,
    /// State RECOVERING.
    pub recovering: Duration,
    /// A mirror, until it is SYNCHRONIZED.
    pub synchronizing: Duration,
    /// One run of a copy job.
    pub copy_job: Duration,
    /// Any other effect.
    pub command: Duration,
}

impl ServiceTimes {
    /// Nothing takes time.
    pub const ZERO: Self = Self {
        media: Duration::ZERO,
        throughput: None,
        recovery: Duration::ZERO,
        recovering: Duration::ZERO,
        synchronizing: Duration::ZERO,
        copy_job: Duration::ZERO,
        command: Duration::ZERO,
    };

    /// As on a middling machine.
    pub const REAL: Self = Self {
        media: Duration::from_millis(300),
        throughput: Some(100_000_000),
        recovery: Duration::from_secs(3),
        recovering: Duration::from_secs(5),
        synchronizing: Duration::from_secs(40),
        copy_job: Duration::from_secs(20),
        command: Duration::from_millis(20),
    };

    /// Time of a RESTORE or BACKUP of so many bytes.
    pub fn for_bytes(&self, bytes: u64) -> Duration {
        let moving = self
            .throughput
            .filter(|t| *t > 0)
            .map_or(0, |t| bytes.saturating_mul(1_000) / t);
        self.media + Duration::from_millis(moving)
    }
}

/// The state in which a world begins, and what is laid in it.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a variant of its own"
)]
#[derive(Clone)]
pub struct WorldOptions {
    /// How the site stands.
    pub start: Start,
    /// Tells the time.
    pub now: Now,
    /// Where backup files are.
    pub files: Arc<dyn Files>,
    /// How long things take.
    pub service: ServiceTimes,
    /// GUIDs follow from it.
    pub seed: u64,
    /// The log backups of the chat database, in LSN order; the caller puts the files on the shares.
    pub logs: Vec<MadeLog>,
    /// A log backup behind them that lands on the share when the backup has restored the first one.
    pub late: Option<MadeLog>,
    /// How many of them the backup has restored.
    pub restored: usize,
    /// How many of them lie in the copy folder.
    pub copied: usize,
    /// Chat messages on the primary that no log backup holds.
    pub unshipped: u64,
    /// What the backup's chat database is.
    pub backup: Backup,
    /// `sys.master_files` shows `redo_start_lsn` in STANDBY: documentation and tools disagree
    /// (`sql-server.md` 2.2).
    pub standby_shows_redo: bool,
    /// What answers in the primary data center of a disaster.
    pub primary: PrimarySide,
    /// A chat database left on the backup mirror, in this state.
    pub leftover: Option<DatabaseState>,
    /// Other databases shipped under the same `secondary_id`.
    pub siblings: Vec<String>,
    /// `backup_source_directory`, where it is another folder than `[shares] backup`.
    pub source: Option<String>,
    /// Name of the monitor, where it is another server.
    pub monitor: Option<String>,
    /// The monitor does not answer: the error that is told first, of the procedures (32054) or of the
    /// linked server over which they reach it (53, 10060, 11001, 7303, 18456; `sql-server.md` 1.1).
    pub monitor_dead: Option<u32>,
    /// `sp_delete_log_shipping_secondary_database` has `@ignoreremotemonitor`.
    pub knows_ignore_monitor: bool,
    /// A restore job runs: it is in the first file of the copy folder that is not restored.
    pub restore_job_runs: bool,
    /// A copy job runs.
    pub copy_job_runs: bool,
    /// Enabled jobs run by their schedules, while somebody looks.
    pub schedules: bool,
    /// Jobs are disabled already.
    pub jobs_disabled: bool,
    /// `restorehistory` and `backupset` of the backup are empty.
    pub msdb_purged: bool,
    /// `@@SERVERNAME` of the backup is NULL.
    pub nameless: bool,
    /// The Agents run.
    pub agent: bool,
    /// Logins are sysadmin.
    pub sysadmin: bool,
    /// The only password that is taken, where one is demanded.
    pub password: Option<String>,
    /// Collation of every instance.
    pub collation: String,
    /// Version of every instance: major, minor, build.
    pub version: (u8, u8, u16),
    /// Hosts of chat servers whose sessions hold the backup's chat database.
    pub chat_sessions: Vec<String>,
    /// How often one whose session on that database is ended signs in again at once, as a client with a
    /// pool of connections does: where one is admitted, to the single slot.
    pub readers_return: u32,
    /// Idle chat servers keep their sessions until their services stop.
    pub idle_hold_on: bool,
    /// A user of the chat database whose login the backup lacks.
    pub orphan: Option<String>,
    /// Owner of the backup's chat database; `None`: who recovers it becomes that.
    pub owner: Option<String>,
    /// Compliance events that wait on the backup.
    pub waiting: u64,
    /// Until chat servers know a change of the pool's active servers or state
    /// (`skype-powershell.md` 5.3).
    pub replication: Duration,
    /// A mirror stays SYNCHRONIZING.
    pub mirror_stalls: bool,
    /// Faults.
    pub faults: Vec<SqlFault>,
    /// Every batch is error 102: what a rehearsal must not survive.
    pub answer_102_to_everything: bool,
    /// Told of every batch.
    pub hook: Option<Hook>,
}

impl WorldOptions {
    /// A disaster as the vendor's page assumes it, without log backups.
    pub fn new(now: Now, files: Arc<dyn Files>) -> Self {
        Self {
            start: Start::Disaster,
            now,
            files,
            service: ServiceTimes::ZERO,
            seed: 1,
            logs: Vec::new(),
            late: None,
            restored: 0,
            copied: 0,
            unshipped: 0,
            backup: Backup::Secondary,
            standby_shows_redo: false,
            primary: PrimarySide::Down,
            leftover: None,
            siblings: Vec::new(),
            source: None,
            monitor: None,
            monitor_dead: None,
            knows_ignore_monitor: true,
            restore_job_runs: false,
            copy_job_runs: false,
            schedules: false,
            jobs_disabled: false,
            msdb_purged: false,
            nameless: false,
            agent: true,
            sysadmin: true,
            password: None,
            collation: "Latin1_General_CI_AS".to_owned(),
            version: (13, 0, 5026),
            chat_sessions: Vec::new(),
            readers_return: 0,
            idle_hold_on: false,
            orphan: None,
            owner: Some("sa".to_owned()),
            waiting: 0,
            replication: Duration::ZERO,
            mirror_stalls: false,
            faults: Vec::new(),
            answer_102_to_everything: false,
            hook: None,
        }
    }
}
