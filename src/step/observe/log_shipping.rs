//! O6 to O9: the log-shipping configuration, its jobs and schedules.

use serde::Serialize;

use super::{Observed, every, table};
use crate::access::Access;
use crate::access::sql::Query;
use crate::model::{DatabaseName, Instance};

/// O6: the secondary half for one secondary database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Secondary {
    /// Groups the databases of one copy and restore job.
    pub secondary_id: String,
    /// The primary, spelled as the rows join on it.
    pub primary_server: String,
    /// Its database.
    pub primary_database: String,
    /// Where log backups are taken from.
    pub source: String,
    /// Where copies go, as the secondary sees it.
    pub destination: String,
    /// Copy job.
    pub copy_job: String,
    /// Restore job.
    pub restore_job: String,
    /// Monitor server.
    pub monitor: Option<String>,
    /// Secondary database; `None` when only the head row is left.
    pub database: Option<String>,
    /// Restore delay, minutes.
    pub restore_delay: Option<i64>,
    /// True = STANDBY.
    pub standby_mode: Option<bool>,
    /// True = all waiting files in one run of the job.
    pub restore_all: Option<bool>,
    /// True = the job ends sessions of a STANDBY database.
    pub disconnect_users: Option<bool>,
    /// Bytes; NULL = the instance chooses, as for the next two.
    pub block_size: Option<i64>,
    /// Buffers.
    pub buffer_count: Option<i64>,
    /// Bytes.
    pub max_transfer_size: Option<i64>,
    /// 0 = the monitor wants a SQL login, whose password cannot be saved (`steps.md` 5.1).
    pub monitor_security: Option<i64>,
    /// Number of the alert that is raised.
    pub threshold_alert: Option<i64>,
    /// Retention of copied files, minutes.
    pub file_retention: Option<i64>,
    /// Restore alert threshold, minutes.
    pub restore_threshold: Option<i64>,
    /// Alert enabled.
    pub alert_enabled: Option<bool>,
    /// History retention, minutes.
    pub history_retention: Option<i64>,
    /// Last file copied.
    pub last_copied_file: Option<String>,
    /// Last file restored.
    pub last_restored_file: Option<String>,
}

/// O6: every database under the secondary ids that serve `name`.
pub async fn secondary(
    access: &Access,
    instance: Instance,
    name: &DatabaseName,
) -> Observed<Vec<Secondary>> {
    let query = Query::of(
        include_str!("../../sql/log_shipping_secondary.sql"),
        name.as_str(),
    );
    every(table(access, instance, query).await, |row| {
        Some(Secondary {
            secondary_id: row.text("secondary_id")?,
            primary_server: row.text("primary_server")?,
            primary_database: row.text("primary_database")?,
            source: row.text("backup_source_directory")?,
            destination: row.text("backup_destination_directory")?,
            copy_job: row.text("copy_job_id")?,
            restore_job: row.text("restore_job_id")?,
            monitor: row.text("monitor_server"),
            database: row.text("secondary_database"),
            restore_delay: row.int("restore_delay"),
            standby_mode: row.bit("restore_mode"),
            restore_all: row.bit("restore_all"),
            disconnect_users: row.bit("disconnect_users"),
            block_size: row.int("block_size"),
            buffer_count: row.int("buffer_count"),
            max_transfer_size: row.int("max_transfer_size"),
            monitor_security: row.int("monitor_security"),
            threshold_alert: row.int("threshold_alert"),
            file_retention: row.int("file_retention_period"),
            restore_threshold: row.int("restore_threshold"),
            alert_enabled: row.bit("threshold_alert_enabled"),
            history_retention: row.int("history_retention_period"),
            last_copied_file: row.text("last_copied_file"),
            last_restored_file: row.text("last_restored_file"),
        })
    })
}

/// O7: the primary half.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Primary {
    /// Id.
    pub primary_id: String,
    /// Where log backups are written, as the primary sees it.
    pub directory: String,
    /// The same, as the secondary sees it.
    pub share: Option<String>,
    /// Retention on the share, minutes.
    pub retention: Option<i64>,
    /// Backup job.
    pub backup_job: String,
    /// 0, 1, 2 = server default.
    pub compression: Option<i64>,
    /// Monitor server.
    pub monitor: Option<String>,
    /// The secondary it points to.
    pub secondary_server: Option<String>,
    /// Its database.
    pub secondary_database: Option<String>,
    /// 0 = the monitor wants a SQL login.
    pub monitor_security: Option<i64>,
    /// Backup alert threshold, minutes.
    pub backup_threshold: Option<i64>,
    /// Number of the alert that is raised.
    pub threshold_alert: Option<i64>,
    /// Alert enabled.
    pub alert_enabled: Option<bool>,
    /// History retention, minutes.
    pub history_retention: Option<i64>,
}

/// O7.
pub async fn primary(
    access: &Access,
    instance: Instance,
    name: &DatabaseName,
) -> Observed<Vec<Primary>> {
    let query = Query::of(
        include_str!("../../sql/log_shipping_primary.sql"),
        name.as_str(),
    );
    every(table(access, instance, query).await, |row| {
        Some(Primary {
            primary_id: row.text("primary_id")?,
            directory: row.text("backup_directory")?,
            share: row.text("backup_share"),
            retention: row.int("backup_retention_period"),
            backup_job: row.text("backup_job_id")?,
            compression: row.int("backup_compression"),
            monitor: row.text("monitor_server"),
            secondary_server: row.text("secondary_server"),
            secondary_database: row.text("secondary_database"),
            monitor_security: row.int("monitor_security"),
            backup_threshold: row.int("backup_threshold"),
            threshold_alert: row.int("threshold_alert"),
            alert_enabled: row.bit("threshold_alert_enabled"),
            history_retention: row.int("history_retention_period"),
        })
    })
}

/// O8: a job with its (only) step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Job {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Whether its schedules count.
    pub enabled: bool,
    /// Owner.
    pub owner: Option<String>,
    /// Category.
    pub category: String,
    /// Command of its step.
    pub command: Option<String>,
    /// Proxy that runs it; NULL = the Agent's account.
    pub proxy: Option<i64>,
    /// Started and not stopped, in the newest Agent session.
    pub started_and_not_stopped: bool,
}

/// O8: the jobs of every one of `ids`; absent when there is none.
pub async fn all_jobs(access: &Access, instance: Instance, ids: &[JobIds]) -> Observed<Vec<Job>> {
    let mut found: Vec<Job> = Vec::new();
    for ids in ids {
        match jobs(access, instance, ids).await {
            Observed::Seen(jobs) => {
                for job in jobs {
                    if !found.contains(&job) {
                        found.push(job);
                    }
                }
            }
            other @ (Observed::Absent | Observed::Unknown(_)) => return other,
        }
    }
    if ids.is_empty() {
        Observed::Absent
    } else {
        Observed::Seen(found)
    }
}

/// The jobs by their ids, and those whose step names the secondary id.
pub async fn jobs(access: &Access, instance: Instance, ids: &JobIds) -> Observed<Vec<Job>> {
    let query = Query {
        text: include_str!("../../sql/jobs.sql"),
        parameters: vec![
            Some(&ids.first),
            Some(&ids.second),
            // No job's command holds this in place of an id.
            Some(ids.owner.as_deref().unwrap_or("(none)")),
        ],
    };
    every(table(access, instance, query).await, |row| {
        Some(Job {
            id: row.text("job_id")?,
            name: row.text("name")?,
            enabled: row.bit("enabled")?,
            owner: row.text("owner_name"),
            category: row.text("category")?,
            command: row.text("command"),
            proxy: row.int("proxy_id"),
            started_and_not_stopped: row.text("started").is_some() && row.text("stopped").is_none(),
        })
    })
}

/// The ids by which jobs are found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JobIds {
    /// Copy job, or backup job.
    pub first: String,
    /// Restore job, or backup job again.
    pub second: String,
    /// `secondary_id` or `primary_id`, where known.
    pub owner: Option<String>,
}

impl JobIds {
    /// Those of every row, each once.
    pub fn of<'a, T: 'a>(rows: impl IntoIterator<Item = &'a T>) -> Vec<Self>
    where
        Self: From<&'a T>,
    {
        let mut all = Vec::new();
        for ids in rows.into_iter().map(Self::from) {
            if !all.contains(&ids) {
                all.push(ids);
            }
        }
        all
    }
}

impl From<&Secondary> for JobIds {
    fn from(row: &Secondary) -> Self {
        Self {
            first: row.copy_job.clone(),
            second: row.restore_job.clone(),
            owner: Some(row.secondary_id.clone()),
        }
    }
}

impl From<&Primary> for JobIds {
    fn from(row: &Primary) -> Self {
        Self {
            first: row.backup_job.clone(),
            second: row.backup_job.clone(),
            owner: Some(row.primary_id.clone()),
        }
    }
}

/// O9: a schedule, as `sp_add_schedule` takes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Schedule {
    /// Job.
    pub job: String,
    /// Name.
    pub name: String,
    /// Enabled.
    pub enabled: bool,
    /// 4 = daily.
    pub freq_type: Option<i64>,
    /// Interval.
    pub freq_interval: Option<i64>,
    /// 2 seconds, 4 minutes, 8 hours.
    pub freq_subday_type: Option<i64>,
    /// Every so many of them.
    pub freq_subday_interval: Option<i64>,
    /// Relative interval.
    pub freq_relative_interval: Option<i64>,
    /// Recurrence factor.
    pub freq_recurrence_factor: Option<i64>,
    /// YYYYMMDD.
    pub active_start_date: Option<i64>,
    /// YYYYMMDD.
    pub active_end_date: Option<i64>,
    /// HHMMSS.
    pub active_start_time: Option<i64>,
    /// HHMMSS.
    pub active_end_time: Option<i64>,
}

/// O9, of the jobs of every one of `ids`; absent when there is none.
pub async fn all_schedules(
    access: &Access,
    instance: Instance,
    ids: &[JobIds],
) -> Observed<Vec<Schedule>> {
    let mut found: Vec<Schedule> = Vec::new();
    for ids in ids {
        match schedules(access, instance, ids).await {
            Observed::Seen(schedules) => {
                for schedule in schedules {
                    if !found.contains(&schedule) {
                        found.push(schedule);
                    }
                }
            }
            other @ (Observed::Absent | Observed::Unknown(_)) => return other,
        }
    }
    if ids.is_empty() {
        Observed::Absent
    } else {
        Observed::Seen(found)
    }
}

/// O9.
pub async fn schedules(
    access: &Access,
    instance: Instance,
    ids: &JobIds,
) -> Observed<Vec<Schedule>> {
    let query = Query {
        text: include_str!("../../sql/schedules.sql"),
        parameters: vec![Some(&ids.first), Some(&ids.second)],
    };
    every(table(access, instance, query).await, |row| {
        Some(Schedule {
            job: row.text("job_id")?,
            name: row.text("name")?,
            enabled: row.bit("enabled")?,
            freq_type: row.int("freq_type"),
            freq_interval: row.int("freq_interval"),
            freq_subday_type: row.int("freq_subday_type"),
            freq_subday_interval: row.int("freq_subday_interval"),
            freq_relative_interval: row.int("freq_relative_interval"),
            freq_recurrence_factor: row.int("freq_recurrence_factor"),
            active_start_date: row.int("active_start_date"),
            active_end_date: row.int("active_end_date"),
            active_start_time: row.int("active_start_time"),
            active_end_time: row.int("active_end_time"),
        })
    })
}

/// The ids of the chat database's log shipping: those of its rows, else, where the rows are gone,
/// those of the rows that were `saved`.
pub fn ids_or_saved(rows: &Observed<Vec<Secondary>>, saved: &[Secondary]) -> Vec<JobIds> {
    match rows.seen() {
        Some(rows) if !rows.is_empty() => JobIds::of(rows),
        _ => JobIds::of(saved),
    }
}

/// O8 of the chat database's log shipping; unknown with its rows, for a saved id may be an old one.
pub async fn jobs_of_rows(
    access: &Access,
    instance: Instance,
    rows: &Observed<Vec<Secondary>>,
    saved: &[Secondary],
) -> Observed<Vec<Job>> {
    match rows.unknown() {
        Some(why) => Observed::unseen(why),
        None => all_jobs(access, instance, &ids_or_saved(rows, saved)).await,
    }
}

/// Whether the procedure of F1 knows `@ignoreremotemonitor` (`steps.md` 5.3).
pub async fn knows_ignore_monitor(access: &Access, instance: Instance) -> Observed<bool> {
    let query = Query::plain(include_str!("../../sql/monitor_parameter.sql"));
    match table(access, instance, query).await {
        Err(why) => Observed::Unknown(why),
        Ok(table) => Observed::Seen(!table.is_empty()),
    }
}
