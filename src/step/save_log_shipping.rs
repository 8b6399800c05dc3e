//! `save-log-shipping`: keeps what F1 destroys (`steps.md` 4, 5.1).

use serde::Serialize;

use super::command::Command;
use super::hands::{Hands, StepError};
use super::observe::Observed;
use super::observe::database::{Database, database};
use super::observe::instance::{Identity, identity};
use super::observe::log_shipping::{
    Job, JobIds, Primary, Schedule, Secondary, jobs, primary, schedules, secondary,
};
use super::saved::{DOCUMENT, Saved, SavedPrimary, SavedSecondary};
use super::{Block, Context, Effect, Info, Kind, Standing};
use crate::access::Access;
use crate::model::{DatabaseName, Instance, Role};
use crate::site::Site;

pub(super) struct SaveLogShipping;

/// What is there, and what is kept of it.
#[derive(Debug, Serialize)]
pub struct Facts {
    identity: Observed<Identity>,
    rows: Observed<Vec<Secondary>>,
    jobs: Observed<Vec<Job>>,
    schedules: Observed<Vec<Schedule>>,
    database: Observed<Database>,
    primary: Option<SavedPrimary>,
    primary_mirror: Option<SavedPrimary>,
    kept: Option<Saved>,
    run: String,
}

impl Kind for SaveLogShipping {
    type Facts = Facts;

    const INFO: Info = Info {
        id: "save-log-shipping",
        vendor: None,
        title: "Keep the log-shipping configuration, which the next steps destroy",
        effect: Effect::ReadOnly,
        checks: &[
            "msdb on the backup is readable, and we are sysadmin there",
            "all rows for the chat database name the same two folders",
            "the kept document, read back, equals the rows, jobs and schedules",
        ],
    };

    fn commands(_site: &Site) -> Vec<Command> {
        Vec::new()
    }

    async fn observe(cx: Context<'_>) -> Facts {
        let access = cx.access;
        let backup = Instance::chat(Role::Backup);
        let name = &cx.site.database.chat;
        let rows = secondary(access, backup, name).await;
        let ids = rows
            .seen()
            .and_then(|rows| rows.first())
            .map(JobIds::from)
            .or_else(|| cx.saved.and_then(Saved::job_ids));
        let (jobs, schedules) = match &ids {
            Some(ids) => (
                jobs(access, backup, ids).await,
                schedules(access, backup, ids).await,
            ),
            None => (Observed::Absent, Observed::Absent),
        };
        Facts {
            identity: identity(access, backup).await,
            rows,
            jobs,
            schedules,
            database: database(access, backup, name).await,
            primary: primary_half(access, Instance::chat(Role::Primary), name).await,
            primary_mirror: primary_half(access, Instance::chat(Role::PrimaryMirror), name).await,
            kept: cx.saved.cloned(),
            run: cx.run.to_owned(),
        }
    }

    fn judge(facts: &Facts) -> Standing {
        let rows = match &facts.rows {
            Observed::Unknown(why) => return Standing::unknown(why),
            Observed::Absent => &Vec::new(),
            Observed::Seen(rows) => rows,
        };
        let mut blocks = Vec::new();
        match &facts.identity {
            Observed::Seen(identity) if !identity.sysadmin => blocks.push(Block::site(
                "not-sysadmin",
                "we are not sysadmin on the backup instance: rows of msdb may be hidden from us",
                "sign in as a member of sysadmin there",
            )),
            Observed::Seen(identity) if identity.major < 11 => blocks.push(Block::site(
                "version",
                format!(
                    "the backup instance is SQL Server {}; 2012 (11) is the oldest that can be observed",
                    identity.version
                ),
                "fail over by hand, after the vendor's page",
            )),
            Observed::Unknown(why) => return Standing::unknown(why),
            _ => {}
        }
        if let [first, others @ ..] = rows.as_slice()
            && others.iter().any(|row| {
                !row.source.eq_ignore_ascii_case(&first.source)
                    || !row.destination.eq_ignore_ascii_case(&first.destination)
            })
        {
            blocks.push(Block::site(
                "two-configurations",
                "msdb on the backup has two log-shipping configurations for the chat database, with different folders",
                "see sp_help_log_shipping_secondary_database; remove the one that is out of use",
            ));
        }
        if !blocks.is_empty() {
            return Standing::Blocked { blocks };
        }
        if rows.is_empty() {
            return Standing::satisfied(match &facts.kept {
                Some(kept) => format!("no log shipping on the backup; run {} kept it", kept.run),
                None => {
                    "no log shipping on the backup: removed before, folders as in the site file"
                        .to_owned()
                }
            });
        }
        let (Some(jobs), Some(schedules)) = (facts.jobs.seen(), facts.schedules.seen()) else {
            let why = facts.jobs.unknown().or(facts.schedules.unknown());
            return Standing::unknown(why.unwrap_or("the jobs of log shipping"));
        };
        match &facts.kept {
            Some(kept) if kept.run == facts.run && same(kept, rows, jobs, schedules) => {
                Standing::satisfied("kept in the run folder")
            }
            _ => Standing::pending(format!(
                "keep {}, {} and {}",
                count(rows.len(), "row"),
                count(jobs.len(), "job"),
                count(schedules.len(), "schedule")
            )),
        }
    }

    async fn act(cx: Context<'_>, facts: &Facts, hands: &Hands<'_>) -> Result<(), StepError> {
        let saved = Saved {
            version: 1,
            run: cx.run.to_owned(),
            taken_at: cx.access.clock.now(),
            backup: SavedSecondary {
                rows: facts.rows.seen().cloned().unwrap_or_default(),
                jobs: facts.jobs.seen().cloned().unwrap_or_default(),
                schedules: facts.schedules.seen().cloned().unwrap_or_default(),
                database: facts.database.seen().cloned(),
            },
            primary: facts.primary.clone(),
            primary_mirror: facts.primary_mirror.clone(),
        };
        let mut json = serde_json::to_vec_pretty(&saved)
            .map_err(|cause| StepError::other(cause.to_string(), ""))?;
        json.push(b'\n');
        hands.ledger.keep(DOCUMENT, &json)?;
        Ok(())
    }
}

/// True when the document holds what is there. A job's enabled flag and whether it runs are left
/// out: the next step changes both.
fn same(kept: &Saved, rows: &[Secondary], jobs: &[Job], schedules: &[Schedule]) -> bool {
    let steady = |row: &Secondary| Secondary {
        last_copied_file: None,
        last_restored_file: None,
        ..row.clone()
    };
    let fixed = |job: &Job| (job.id.clone(), job.name.clone(), job.command.clone());
    kept.backup
        .rows
        .iter()
        .map(steady)
        .eq(rows.iter().map(steady))
        && kept
            .backup
            .jobs
            .iter()
            .map(fixed)
            .eq(jobs.iter().map(fixed))
        && kept.backup.schedules == schedules
}

/// The primary half of an instance that answers; nothing is asked of one that does not.
async fn primary_half(
    access: &Access,
    instance: Instance,
    name: &DatabaseName,
) -> Option<SavedPrimary> {
    if !access.sql.has(instance) {
        return None;
    }
    let database = match database(access, instance, name).await {
        Observed::Unknown(_) => return None,
        Observed::Absent => None,
        Observed::Seen(database) => Some(database),
    };
    let rows: Vec<Primary> = primary(access, instance, name).await.seen().cloned()?;
    let (jobs, schedules) = match rows.first().map(JobIds::from) {
        Some(ids) => (
            jobs(access, instance, &ids).await.seen().cloned()?,
            schedules(access, instance, &ids).await.seen().cloned()?,
        ),
        None => (Vec::new(), Vec::new()),
    };
    Some(SavedPrimary {
        rows,
        jobs,
        schedules,
        database,
    })
}

/// `1 row`, `2 rows`.
pub(super) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
