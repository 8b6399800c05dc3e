//! The saved log-shipping configuration: what F1 destroys and failback rebuilds
//! (`procedure.md`, "leaves out" 1; `steps.md` 5.1).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Context;
use super::observe::Observed;
use super::observe::database::{Database, database};
use super::observe::log_shipping::{
    Job, JobIds, Primary, Schedule, Secondary, all_jobs, all_schedules, primary, secondary,
};
use super::stored::{each, maybe};
use crate::access::Access;
use crate::model::document::Unread;
use crate::model::states::DatabaseState;
use crate::model::{DatabaseName, Document, Instance, Role};
use crate::site::Site;

/// What was read before it was destroyed: what [`Document::LogShipping`] holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
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
    #[serde(with = "each")]
    pub rows: Vec<Secondary>,
    /// Copy and restore jobs.
    #[serde(with = "each")]
    pub jobs: Vec<Job>,
    /// Their schedules.
    #[serde(with = "each")]
    pub schedules: Vec<Schedule>,
    /// The chat database as it was.
    #[serde(with = "maybe")]
    pub database: Option<Database>,
}

/// A primary half.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedPrimary {
    /// Rows.
    #[serde(with = "each")]
    pub rows: Vec<Primary>,
    /// Backup job.
    #[serde(with = "each")]
    pub jobs: Vec<Job>,
    /// Its schedules.
    #[serde(with = "each")]
    pub schedules: Vec<Schedule>,
    /// The chat database as it was.
    #[serde(with = "maybe")]
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

impl<'a> Context<'a> {
    /// The rows of the backup that were saved; none where nothing was.
    pub(super) fn saved_rows(&self) -> &'a [Secondary] {
        self.saved.map_or(&[], |saved| &saved.backup.rows)
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
        Document::LogShipping.write(self)
    }

    /// Reads the document.
    ///
    /// # Errors
    /// When it is none, or of a later version.
    pub fn read(bytes: &[u8]) -> Result<Self, Unread> {
        Document::LogShipping.read(bytes)
    }
}

/// The primary half of an instance that answers.
pub(in crate::step) async fn primary_half(
    access: &Access,
    instance: Instance,
    name: &DatabaseName,
) -> Option<SavedPrimary> {
    let database = match database(access, instance, name).await {
        Observed::Unknown(_) => return None,
        Observed::Absent => None,
        Observed::Seen(database) => Some(database),
    };
    let rows: Vec<Primary> = primary(access, instance, name).await.seen().cloned()?;
    let ids = JobIds::of(&rows);
    let (jobs, schedules) = if ids.is_empty() {
        (Vec::new(), Vec::new())
    } else {
        (
            all_jobs(access, instance, &ids).await.seen().cloned()?,
            all_schedules(access, instance, &ids)
                .await
                .seen()
                .cloned()?,
        )
    };
    Some(SavedPrimary {
        rows,
        jobs,
        schedules,
        database,
        taken_at: None,
    })
}
