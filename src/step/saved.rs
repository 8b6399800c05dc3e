//! The saved log-shipping configuration: what F1 destroys and failback rebuilds
//! (`procedure.md`, "leaves out" 1; `steps.md` 5.1).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::failover::save_log_shipping::primary_half;
use super::observe::database::{Database, database};
use super::observe::log_shipping::{
    Job, JobIds, Primary, Schedule, Secondary, all_jobs, all_schedules, secondary,
};
use crate::access::Access;
use crate::model::states::DatabaseState;
use crate::model::{Instance, Role};
use crate::site::Site;

/// Name of the document in the run folder.
pub const DOCUMENT: &str = "log-shipping.json";

/// What was read before it was destroyed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// Version of this format.
    pub version: u32,
    /// Run that saved it.
    pub run: String,
    /// When, UTC.
    pub taken_at: Timestamp,
    /// The backup's half.
    pub backup: SavedSecondary,
    /// The primary's half, where it answered.
    pub primary: Option<SavedPrimary>,
    /// The primary mirror's half, where it answered.
    pub primary_mirror: Option<SavedPrimary>,
}

/// The secondary half.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedSecondary {
    /// Rows: one a database under the secondary id.
    pub rows: Vec<Secondary>,
    /// Copy and restore jobs.
    pub jobs: Vec<Job>,
    /// Their schedules.
    pub schedules: Vec<Schedule>,
    /// The chat database as it was.
    pub database: Option<Database>,
}

/// A primary half.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedPrimary {
    /// Rows.
    pub rows: Vec<Primary>,
    /// Backup job.
    pub jobs: Vec<Job>,
    /// Its schedules.
    pub schedules: Vec<Schedule>,
    /// The chat database as it was.
    pub database: Option<Database>,
    /// When it was read, where that was not with the rest.
    #[serde(default)]
    pub taken_at: Option<Timestamp>,
}

impl SavedPrimary {
    /// True when it could be set up again from this: no set-up is half-way through it.
    fn is_whole(&self) -> bool {
        self.rows.iter().all(|row| {
            let id = &row.backup_job;
            self.jobs.iter().any(|job| job.id.eq_ignore_ascii_case(id))
                && self
                    .schedules
                    .iter()
                    .any(|it| it.job.eq_ignore_ascii_case(id))
        })
    }
}

impl SavedSecondary {
    /// The same.
    fn is_whole(&self) -> bool {
        let is_there = |id: &str| self.jobs.iter().any(|job| job.id.eq_ignore_ascii_case(id));
        self.rows.iter().all(|row| {
            row.database.is_some() && is_there(&row.copy_job) && is_there(&row.restore_job)
        })
    }
}

impl Saved {
    /// Reads the configuration as it stands now, on the backup and on those of the primary side that
    /// `answers`: what a check keeps. `None` where the backup has none, or is being set up.
    pub async fn observe(
        site: &Site,
        access: &Access,
        run: &str,
        answers: impl Fn(Role) -> bool,
    ) -> Option<Self> {
        let backup = Instance::chat(Role::Backup);
        let name = &site.database.chat;
        let rows = secondary(access, backup, name).await.seen().cloned()?;
        if rows.is_empty() {
            return None;
        }
        let ids = JobIds::of(&rows);
        let half = async |role| {
            if answers(role) {
                let half = primary_half(access, Instance::chat(role), name).await;
                half.filter(SavedPrimary::is_whole)
            } else {
                None
            }
        };
        let backup = SavedSecondary {
            jobs: all_jobs(access, backup, &ids).await.seen().cloned()?,
            schedules: all_schedules(access, backup, &ids).await.seen().cloned()?,
            database: database(access, backup, name).await.seen().cloned(),
            rows,
        };
        backup.is_whole().then_some(())?;
        Some(Self {
            version: 1,
            run: run.to_owned(),
            taken_at: access.clock.now(),
            backup,
            primary: half(Role::Primary).await,
            primary_mirror: half(Role::PrimaryMirror).await,
        })
    }

    /// The same, with the halves of the primary side that it lacks taken from another one: in a
    /// disaster only the backup's half can still be read (`steps.md` 5.1). An instance that ships
    /// nothing is taken for one that does not yet, or not any more.
    #[must_use]
    pub fn filled_from(mut self, other: &Self) -> Self {
        let fill = |mine: &mut Option<SavedPrimary>, theirs: &Option<SavedPrimary>| {
            if mine.as_ref().is_none_or(|half| half.rows.is_empty())
                && let Some(theirs) = theirs
            {
                *mine = Some(SavedPrimary {
                    taken_at: theirs.taken_at.or(Some(other.taken_at)),
                    ..theirs.clone()
                });
            }
        };
        fill(&mut self.primary, &other.primary);
        fill(&mut self.primary_mirror, &other.primary_mirror);
        self
    }

    /// True when both would rebuild the same: whoever saved it, when, and how far the jobs were then.
    pub fn rebuilds_the_same(&self, other: &Self) -> bool {
        self.settings() == other.settings()
    }

    fn settings(&self) -> Self {
        let settled = |jobs: &mut Vec<Job>| {
            for job in jobs {
                job.started_and_not_stopped = false;
            }
        };
        let mut it = Self {
            run: String::new(),
            taken_at: Timestamp::UNIX_EPOCH,
            ..self.clone()
        };
        let shown = |database: &mut Option<Database>| {
            if let Some(database) = database {
                // Owner, TRUSTWORTHY and broker are set up again; how it stands is not.
                database.state = DatabaseState::Online;
                database.standby = false;
                database.user_access = 0;
                database.collation = None;
                database.log_reuse_wait = None;
                database.mirroring = None;
            }
        };
        shown(&mut it.backup.database);
        settled(&mut it.backup.jobs);
        for row in &mut it.backup.rows {
            row.last_copied_file = None;
            row.last_restored_file = None;
        }
        let halves = [&mut it.primary, &mut it.primary_mirror];
        for half in halves.into_iter().flatten() {
            half.taken_at = None;
            shown(&mut half.database);
            settled(&mut half.jobs);
        }
        it
    }

    /// The document, for people too.
    ///
    /// # Errors
    /// None that is known: texts and numbers only.
    pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        Ok(json)
    }

    /// Reads a saved document.
    ///
    /// # Errors
    /// When it is none, or of a later format.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let saved: Self = serde_json::from_slice(bytes).map_err(|cause| cause.to_string())?;
        if saved.version == 1 {
            Ok(saved)
        } else {
            Err(format!(
                "format {} is not known to this version",
                saved.version
            ))
        }
    }
}
