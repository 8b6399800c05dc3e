//! The configuration to rebuild: as it was saved; where a half was never seen, as the console's own
//! script would make it (`sql-server.md` 1.3), and it is said.

use serde::Serialize;

use crate::model::Role;
use crate::step::observe::log_shipping::{Job, Primary, Schedule, Secondary};
use crate::step::saved::{Saved, SavedPrimary};

/// A job to rebuild.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct WantedJob {
    pub(super) name: String,
    pub(super) owner: Option<String>,
    pub(super) schedules: Vec<Schedule>,
    /// False where it is left disabled.
    pub(super) enabled: bool,
}

/// A primary half.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct WantedPrimary {
    /// Settings; its ids mean nothing.
    pub(super) row: Primary,
    /// Server and database of every secondary.
    pub(super) secondaries: Vec<(String, String)>,
    pub(super) job: WantedJob,
    /// True where nothing of it was saved.
    pub(super) assumed: bool,
}

/// The secondary half.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct WantedSecondary {
    pub(super) row: Secondary,
    pub(super) copy: WantedJob,
    pub(super) restore: WantedJob,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Wanted {
    pub(super) backup: WantedSecondary,
    pub(super) primary: WantedPrimary,
    pub(super) primary_mirror: WantedPrimary,
}

/// What the site shows: names that the rows must join on.
pub(super) struct Names<'a> {
    pub(super) database: &'a str,
    /// `@@SERVERNAME` of the primary, its mirror and the backup.
    pub(super) primary: &'a str,
    pub(super) primary_mirror: Option<&'a str>,
    pub(super) backup: &'a str,
}

impl Wanted {
    /// `None` where the backup's half was not saved: nobody knows its folders and schedules.
    pub(super) fn of(saved: Option<&Saved>, names: &Names<'_>) -> Option<Self> {
        let saved = saved?;
        let row = saved.backup.rows.iter().find(|row| {
            row.database
                .as_deref()
                .is_some_and(|it| it.to_lowercase() == names.database.to_lowercase())
        })?;
        let mut row = row.clone();
        // The rows join on text (`steps.md` 6.5), also while the mirror ships.
        names.primary.clone_into(&mut row.primary_server);
        let job = |id: &str| WantedJob::of(id, &saved.backup.jobs, &saved.backup.schedules);
        let copy = job(&row.copy_job)?;
        let restore = job(&row.restore_job)?;
        let primary = saved
            .primary
            .as_ref()
            .and_then(|half| WantedPrimary::of(half, names))
            .unwrap_or_else(|| WantedPrimary::assumed(&row, &copy, names, names.primary));
        let mirror_name = names.primary_mirror.unwrap_or(names.primary);
        let primary_mirror = saved
            .primary_mirror
            .as_ref()
            .and_then(|half| WantedPrimary::of(half, names))
            .unwrap_or_else(|| primary.for_mirror(names, mirror_name));
        Some(Self {
            backup: WantedSecondary { row, copy, restore },
            primary,
            primary_mirror,
        })
    }

    pub(super) fn half(&self, role: Role) -> &WantedPrimary {
        if role == Role::PrimaryMirror {
            &self.primary_mirror
        } else {
            &self.primary
        }
    }
}

impl WantedJob {
    fn of(id: &str, jobs: &[Job], schedules: &[Schedule]) -> Option<Self> {
        let job = jobs.iter().find(|job| job.id.eq_ignore_ascii_case(id))?;
        Some(Self {
            name: job.name.clone(),
            owner: job.owner.clone(),
            schedules: schedules
                .iter()
                .filter(|it| it.job.eq_ignore_ascii_case(id))
                .cloned()
                .collect(),
            enabled: true,
        })
    }
}

impl WantedPrimary {
    fn of(half: &SavedPrimary, names: &Names<'_>) -> Option<Self> {
        let row = half.rows.first()?.clone();
        let job = WantedJob::of(&row.backup_job, &half.jobs, &half.schedules)?;
        let mut secondaries: Vec<(String, String)> = half
            .rows
            .iter()
            .filter_map(|row| {
                Some((
                    row.secondary_server.clone()?,
                    row.secondary_database.clone()?,
                ))
            })
            .collect();
        let ours = |(_, database): &(String, String)| {
            database.to_lowercase() == names.database.to_lowercase()
        };
        if !secondaries.iter().any(ours) {
            secondaries.push((names.backup.to_owned(), names.database.to_owned()));
        }
        Some(Self {
            row,
            secondaries,
            job,
            assumed: false,
        })
    }

    /// As the console's script makes it, with the folder and the schedule that the backup's half shows.
    fn assumed(secondary: &Secondary, copy: &WantedJob, names: &Names<'_>, server: &str) -> Self {
        Self {
            row: Primary {
                primary_id: String::new(),
                directory: secondary.source.clone(),
                share: Some(secondary.source.clone()),
                retention: Some(4320),
                backup_job: String::new(),
                compression: Some(2),
                monitor: secondary
                    .monitor
                    .clone()
                    .filter(|monitor| !monitor.eq_ignore_ascii_case(names.backup)),
                secondary_server: None,
                secondary_database: None,
                monitor_security: secondary.monitor_security,
                backup_threshold: Some(60),
                threshold_alert: Some(14_420),
                alert_enabled: Some(true),
                history_retention: Some(5760),
            },
            secondaries: vec![(names.backup.to_owned(), names.database.to_owned())],
            job: WantedJob {
                name: format!("LSBackup_{}", names.database),
                owner: copy.owner.clone(),
                schedules: copy
                    .schedules
                    .iter()
                    .map(|schedule| Schedule {
                        name: format!("LSBackupSchedule_{server}1"),
                        ..schedule.clone()
                    })
                    .collect(),
                enabled: true,
            },
            assumed: true,
        }
    }

    /// The mirror ships to the same share with the same settings (`sql-server.md` 1.7).
    fn for_mirror(&self, names: &Names<'_>, server: &str) -> Self {
        let mut half = self.clone();
        if half
            .row
            .monitor
            .as_deref()
            .is_some_and(|monitor| monitor.eq_ignore_ascii_case(names.primary))
        {
            half.row.monitor = None;
        }
        for schedule in &mut half.job.schedules {
            schedule.name = schedule.name.replace(names.primary, server);
        }
        half.assumed = true;
        half
    }
}

/// The monitor, where it is another server than the one that has the row.
pub(super) fn remote_monitor<'a>(monitor: Option<&'a String>, own: &str) -> Option<&'a str> {
    monitor
        .map(String::as_str)
        .filter(|monitor| !monitor.is_empty() && !monitor.eq_ignore_ascii_case(own))
}
