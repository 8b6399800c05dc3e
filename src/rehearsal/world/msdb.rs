//! The rows of `msdb` of a simulated instance (`sql-server.md` 1.5, `steps.md` 2).

use jiff::civil::DateTime;

use crate::rehearsal::backup_set::{BackupSet, Guid};
use crate::rehearsal::hex::guid_text;
use crate::rehearsal::value::{Column, Datum};

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// `LSBackup`
    Backup,
    /// `LSCopy`
    Copy,
    /// `LSRestore`
    Restore,
    /// Somebody's own, with a T-SQL step (`sql-server.md` 1.9).
    Own,
}

impl JobKind {
    /// Name of the category.
    pub fn category(self) -> &'static str {
        match self {
            Self::Backup => "Log Shipping Backup",
            Self::Copy => "Log Shipping Copy",
            Self::Restore => "Log Shipping Restore",
            Self::Own => "[Uncategorized (Local)]",
        }
    }

    /// `syscategories.category_id`.
    pub fn category_id(self) -> i64 {
        match self {
            Self::Backup => 5,
            Self::Copy => 6,
            Self::Restore => 7,
            Self::Own => 0,
        }
    }

    /// `subsystem` of its step.
    pub fn subsystem(self) -> &'static str {
        match self {
            Self::Backup | Self::Copy | Self::Restore => "CmdExec",
            Self::Own => "TSQL",
        }
    }

    /// Command of a job's one step; one of somebody's own has none before it is given one.
    pub fn command(self, owner_id: &Guid, server: &str) -> String {
        let flag = match self {
            Self::Backup => "-backup",
            Self::Copy => "-copy",
            Self::Restore => "-restore",
            Self::Own => return String::new(),
        };
        let id = guid_text(owner_id);
        format!(
            "\"C:\\Program Files\\Microsoft SQL Server\\130\\Tools\\Binn\\sqllogship.exe\" {flag} {id} -server {server}"
        )
    }
}

/// A schedule of a job. One with id 0 is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// `schedule_id`
    pub id: i64,
    /// Its name.
    pub name: String,
    /// `enabled`
    pub enabled: bool,
    /// 4 = daily
    pub freq_type: i64,
    /// Every so many days.
    pub freq_interval: i64,
    /// 2 seconds, 4 minutes, 8 hours
    pub freq_subday_type: i64,
    /// Every so many of these.
    pub freq_subday_interval: i64,
    /// Weeks or months.
    pub freq_recurrence_factor: i64,
    /// `active_start_date`, YYYYMMDD.
    pub start_date: i64,
    /// `active_end_date`, YYYYMMDD.
    pub end_date: i64,
    /// `active_start_time`, HHMMSS.
    pub start_time: i64,
    /// `active_end_time`, HHMMSS.
    pub end_time: i64,
}

impl Schedule {
    /// Minutes between two runs; `None` where it is none, or of another kind.
    pub fn minutes(&self) -> Option<u64> {
        let every = u64::try_from(self.freq_subday_interval).ok()?;
        let minutes = match self.freq_subday_type {
            4 => every,
            8 => every.saturating_mul(60),
            _ => 0,
        };
        (self.id > 0 && self.freq_type == 4 && minutes > 0).then_some(minutes)
    }
}

/// An Agent job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// `job_id`
    pub id: Guid,
    /// Its name.
    pub name: String,
    /// What it does.
    pub kind: JobKind,
    /// `enabled`
    pub enabled: bool,
    /// Owner's login.
    pub owner: String,
    /// `description`
    pub description: String,
    /// Name of its one step; empty where it has none yet.
    pub step_name: String,
    /// Command of its one step.
    pub command: String,
    /// It has a row in `sysjobservers`: the Agent does not run it before.
    pub targeted: bool,
    /// Its schedule.
    pub schedule: Schedule,
    /// Start of its last run in this Agent session.
    pub started: Option<DateTime>,
    /// End of its last run.
    pub stopped: Option<DateTime>,
}

impl Job {
    /// A run has begun and not ended.
    pub fn is_running(&self) -> bool {
        self.started.is_some() && self.stopped.is_none()
    }
}

/// `log_shipping_secondary_databases` and its row in the monitor table.
#[expect(clippy::struct_excessive_bools, reason = "columns of the table")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondaryDatabase {
    /// `secondary_database`
    pub database: String,
    /// `last_restored_file`
    pub last_restored_file: Option<String>,
    /// `last_restored_date`
    pub last_restored: Option<DateTime>,
    /// Minutes.
    pub restore_delay: i64,
    /// 1: every waiting file in one run.
    pub restore_all: bool,
    /// False NORECOVERY, true STANDBY.
    pub standby: bool,
    /// Throw users out before a restore.
    pub disconnect_users: bool,
    /// Minutes before the alert.
    pub restore_threshold: i64,
    /// Alert on.
    pub threshold_alert_enabled: bool,
    /// Minutes.
    pub history_retention: i64,
}

/// `log_shipping_secondary`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secondary {
    /// `secondary_id`
    pub id: Guid,
    /// `@@SERVERNAME` of the primary.
    pub primary_server: String,
    /// Its database.
    pub primary_database: String,
    /// `backup_source_directory`
    pub source: String,
    /// `backup_destination_directory`
    pub destination: String,
    /// Minutes.
    pub file_retention: i64,
    /// Copy job.
    pub copy_job: Guid,
    /// Restore job.
    pub restore_job: Guid,
    /// `monitor_server`
    pub monitor_server: String,
    /// 1 = Windows.
    pub monitor_security: bool,
    /// `last_copied_file`
    pub last_copied_file: Option<String>,
    /// `last_copied_date`
    pub last_copied: Option<DateTime>,
    /// The databases under this id.
    pub databases: Vec<SecondaryDatabase>,
}

/// `log_shipping_primary_databases`, its secondaries and its row in the monitor table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Primary {
    /// `primary_id`
    pub id: Guid,
    /// `primary_database`
    pub database: String,
    /// `backup_directory`
    pub directory: String,
    /// `backup_share`
    pub share: String,
    /// Minutes.
    pub retention: i64,
    /// `LSBackup` job.
    pub job: Guid,
    /// `monitor_server`
    pub monitor_server: String,
    /// 1 = Windows.
    pub monitor_security: bool,
    /// `last_backup_file`, full path.
    pub last_backup_file: Option<String>,
    /// `last_backup_date`
    pub last_backup: Option<DateTime>,
    /// 0, 1, 2 = server default.
    pub compression: i64,
    /// Minutes before the alert.
    pub backup_threshold: i64,
    /// Alert on.
    pub threshold_alert_enabled: bool,
    /// Minutes.
    pub history_retention: i64,
    /// Server and database of every secondary.
    pub secondaries: Vec<(String, String)>,
}

/// `backupset` with its `backupmediafamily`.
#[derive(Clone, Debug, PartialEq)]
pub struct BackupRow {
    /// `backup_set_id`, and `media_set_id`.
    pub id: i64,
    /// What the set says.
    pub set: BackupSet,
    /// `physical_device_name`
    pub device: String,
    /// `user_name`
    pub user: String,
    /// `backup_size`
    pub size: u64,
}

/// `restorehistory`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreRow {
    /// `restore_history_id`
    pub id: i64,
    /// `restore_date`
    pub date: DateTime,
    /// `destination_database_name`
    pub database: String,
    /// `user_name`
    pub user: String,
    /// `backup_set_id`
    pub backup_set_id: i64,
    /// `D`, `L`, …
    pub kind: &'static str,
    /// `replace`
    pub replace: bool,
    /// `recovery`
    pub recovery: bool,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Msdb {
    /// `log_shipping_secondary`
    pub secondaries: Vec<Secondary>,
    /// `log_shipping_primary_databases`
    pub primaries: Vec<Primary>,
    /// `sysjobs`
    pub jobs: Vec<Job>,
    /// Schedules that no job has.
    pub loose_schedules: Vec<Schedule>,
    /// `backupset`
    pub backups: Vec<BackupRow>,
    /// `restorehistory`
    pub restores: Vec<RestoreRow>,
    /// Tables that somebody made here.
    pub tables: Vec<UserTable>,
}

/// A table that somebody made.
#[derive(Clone, Debug, PartialEq)]
pub struct UserTable {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Places of the columns of its primary key.
    pub key: Vec<usize>,
    /// Its rows.
    pub rows: Vec<Vec<Datum>>,
}

impl UserTable {
    /// Whether that is its name.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

impl Msdb {
    /// A table that somebody made here.
    pub fn table(&self, name: &str) -> Option<&UserTable> {
        self.tables.iter().find(|table| table.is(name))
    }

    /// A job by id.
    pub fn job(&self, id: &Guid) -> Option<&Job> {
        self.jobs.iter().find(|j| j.id == *id)
    }

    /// The same, to change it.
    pub fn job_mut(&mut self, id: &Guid) -> Option<&mut Job> {
        self.jobs.iter_mut().find(|j| j.id == *id)
    }

    /// Writes a set into `backupset`, or finds it there.
    pub fn record_set(&mut self, set: &BackupSet, device: &str, user: &str, size: u64) -> i64 {
        if let Some(row) = self
            .backups
            .iter()
            .find(|r| r.set.set_guid == set.set_guid && r.device == device)
        {
            return row.id;
        }
        let id = self.backups.last().map_or(1, |r| r.id + 1);
        self.backups.push(BackupRow {
            id,
            set: set.clone(),
            device: device.to_owned(),
            user: user.to_owned(),
            size,
        });
        id
    }

    /// Writes a row of `restorehistory`.
    pub fn record_restore(&mut self, row: RestoreRow) {
        let id = self.restores.last().map_or(1, |r| r.id + 1);
        self.restores.push(RestoreRow { id, ..row });
    }

    /// Deletes a database's secondary row; with the last one also the `log_shipping_secondary` row
    /// and both jobs (`sql-server.md` 1.1). False when there is no such row.
    pub fn drop_secondary(&mut self, database: &str) -> bool {
        let lower = database.to_lowercase();
        let Some(at) = self.secondaries.iter().position(|s| {
            s.databases
                .iter()
                .any(|d| d.database.to_lowercase() == lower)
        }) else {
            return false;
        };
        let secondary = &mut self.secondaries[at];
        secondary
            .databases
            .retain(|d| d.database.to_lowercase() != lower);
        if secondary.databases.is_empty() {
            let gone = self.secondaries.remove(at);
            self.jobs
                .retain(|j| j.id != gone.copy_job && j.id != gone.restore_job);
        }
        true
    }
}
