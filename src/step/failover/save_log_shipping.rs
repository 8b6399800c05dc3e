//! `save-log-shipping`: keeps what F1 destroys (`steps.md` 4, 5.1).

mod lost;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::convert::Infallible;

use serde::Serialize;

use crate::model::words::count;
use crate::model::{Document, Instance, Role, SharePath};
use crate::site::Site;
use crate::site::first::hosts;
use crate::step::command::Command;
use crate::step::hands::{Hands, StepError};
use crate::step::observe::Observed;
use crate::step::observe::database::{Database, database};
use crate::step::observe::instance::{Identity, Presence, identity, presence};
use crate::step::observe::log_shipping::{
    Job, Schedule, Secondary, all_schedules, ids_or_saved, jobs_of_rows, secondary,
};
use crate::step::saved::{Saved, SavedPrimary, SavedSecondary, primary_half};
use crate::step::shared::one_instance;
use crate::step::undo::Nothing;
use crate::step::{Block, Context, Earlier, Effect, Info, Kind, Lift, Standing};

pub(in crate::step) struct SaveLogShipping;

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
    /// The other instances, as far as they say who they are.
    others: Vec<(Role, String)>,
    kept: Option<Saved>,
    /// What was kept and cannot be read.
    unreadable: Vec<String>,
    run: String,
    /// The folders where the site file says that log backups lie.
    shares: Vec<SharePath>,
    copy_local: String,
    /// Whether a person says that the folder of the row may be another one.
    may_differ: bool,
    /// Hosts that the site file places in the first data center.
    first_hosts: Vec<String>,
}

/// Interlock: log shipping's row names a folder that the site file does not.
const OTHER_FOLDER: &str = "other-folder";

impl Kind for SaveLogShipping {
    type Facts = Facts;
    type Undo = Nothing<Self>;
    type Key = Infallible;

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

    const AFTER: Earlier = Earlier::These(&[]);

    fn commands(_site: &Site) -> Vec<(Self::Key, Command)> {
        Vec::new()
    }

    async fn observe(cx: Context<'_>) -> Facts {
        let access = cx.access;
        let backup = Instance::chat(Role::Backup);
        let name = &cx.site.database.chat;
        let rows = secondary(access, backup, name).await;
        let ids = ids_or_saved(&rows, cx.saved_rows());
        let jobs = jobs_of_rows(access, backup, &rows, cx.saved_rows()).await;
        let schedules = all_schedules(access, backup, &ids).await;
        let mut others = Vec::new();
        for role in [Role::Primary, Role::PrimaryMirror, Role::BackupMirror] {
            if access.sql.has(Instance::chat(role))
                && let Presence::Answers(identity) = presence(access, Instance::chat(role)).await
            {
                others.push((role, identity.server_name));
            }
        }
        let answers = |role| others.iter().any(|(other, _)| *other == role);
        let mut halves = [None, None];
        for (half, role) in halves.iter_mut().zip([Role::Primary, Role::PrimaryMirror]) {
            if answers(role) {
                *half = primary_half(access, Instance::chat(role), name).await;
            }
        }
        let [primary, primary_mirror] = halves;
        Facts {
            identity: identity(access, backup).await,
            rows,
            jobs,
            schedules,
            database: database(access, backup, name).await,
            primary,
            primary_mirror,
            others,
            kept: cx.saved.cloned(),
            unreadable: cx.unreadable.to_vec(),
            run: cx.run.to_owned(),
            shares: std::iter::once(&cx.site.shares.backup)
                .chain(&cx.site.shares.extra)
                .cloned()
                .collect(),
            may_differ: cx.terms.overrides(OTHER_FOLDER),
            copy_local: cx.site.shares.copy_local.to_string(),
            first_hosts: hosts(cx.site),
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
            Observed::Absent => return Standing::unknown("who the backup instance is"),
            Observed::Seen(identity) => {
                let others = facts.others.iter().map(|(role, name)| (*role, name.as_str()));
                blocks.extend(one_instance(
                    std::iter::once((Role::Backup, identity.server_name.as_str())).chain(others),
                ));
            }
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
        if blocks.is_empty() {
            blocks.extend(other_folder(facts, rows));
        }
        if !blocks.is_empty() {
            return Standing::Blocked { blocks };
        }
        if rows.is_empty() {
            return Standing::satisfied(match &facts.kept {
                Some(kept) => format!("no log shipping on the backup; run {} kept it", kept.run),
                None if !facts.unreadable.is_empty() => format!(
                    "no log shipping on the backup: removed before, and {}",
                    facts.unreadable.join("; ")
                ),
                None => {
                    "no log shipping on the backup: removed before; folders as in the site file, \
                     its schedules and thresholds are not known any more"
                        .to_owned()
                }
            });
        }
        let (Some(jobs), Some(schedules)) = (facts.jobs.seen(), facts.schedules.seen()) else {
            let why = facts.jobs.unknown().or(facts.schedules.unknown());
            return Standing::not_seen(why, "the jobs of log shipping");
        };
        match &facts.kept {
            Some(kept) if kept.run == facts.run && same(kept, rows, jobs, schedules) => {
                Standing::satisfied(format!("kept in the run folder{}", remarks(facts, rows)))
            }
            _ => Standing::pending(format!(
                "keep {}, {} and {}{}",
                count(rows.len(), "row"),
                count(jobs.len(), "job"),
                count(schedules.len(), "schedule"),
                remarks(facts, rows)
            )),
        }
    }

    async fn act(
        cx: Context<'_>,
        facts: &Facts,
        hands: &Hands<'_, Infallible>,
    ) -> Result<(), StepError> {
        let saved = Saved {
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
        // What is lost with the primary side may have been kept while it still answered.
        let saved = match &facts.kept {
            Some(kept) => saved.filled_from(kept),
            None => saved,
        };
        let json = saved
            .to_json()
            .map_err(|cause| StepError::other(cause.to_string(), ""))?;
        hands.ledger.keep(Document::LogShipping, &json)?;
        Ok(())
    }
}

/// Log backups may lie where the site file does not look: both folders are read, and a person should
/// know which one is right (`steps.md` 5.4).
fn other_folder(facts: &Facts, rows: &[Secondary]) -> Option<Block> {
    let known = |row: &&Secondary| {
        let source: Result<SharePath, _> = row.source.parse();
        source.is_ok_and(|source| facts.shares.iter().any(|known| known.is(&source)))
    };
    let row = rows.iter().find(|row| !known(row))?;
    if facts.may_differ {
        return None;
    }
    let share = facts.shares.first().map(ToString::to_string);
    let why = format!(
        "log shipping copies from `{}`, and `[shares] backup` is `{}`: log backups may lie in both",
        row.source,
        share.unwrap_or_default()
    );
    let mend = format!(
        "name the folder of log shipping in the site file, in `[shares] backup` or `extra`; both are read where they can be: to go on as it is, --override {OTHER_FOLDER}=REASON"
    );
    Some(Block::site(OTHER_FOLDER, why, mend).lifted_by(Lift::Override))
}

/// What a person should know and nothing here decides.
fn remarks(facts: &Facts, rows: &[Secondary]) -> String {
    let plain = |path: &str| path.trim_end_matches(['\\', '/']).to_lowercase();
    let mut remarks = String::new();
    if let Some(row) = rows.first()
        && plain(&row.destination) != plain(&facts.copy_local)
    {
        remarks = format!(
            "; it copies to `{}`, the site file names `{}`",
            row.destination, facts.copy_local
        );
    }
    remarks.push_str(&lost::remarks(facts, rows));
    if rows.iter().any(|row| row.monitor_security == Some(0)) {
        remarks.push_str("; its monitor wants a SQL login, whose password cannot be kept");
    }
    remarks
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
