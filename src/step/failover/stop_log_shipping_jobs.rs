//! `stop-log-shipping-jobs`: no copy and no restore job may run while the chain is applied
//! (`steps.md` 4, 5.2; `procedure.md`, "leaves out" 3).

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
pub(in crate::step) mod undo;

use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use crate::access::Access;
use crate::model::words::count;
use crate::model::{Instance, Role};
use crate::site::{Limits, Site};
use crate::step::command::{Command, Hole, HoleType, Values};
use crate::step::hands::{Hands, StepError};
use crate::step::ledger::Unit;
use crate::step::observe::Observed;
use crate::step::observe::instance::{agent_runs, services};
use crate::step::observe::log_shipping::{
    Job, JobIds, all_jobs, ids_or_saved, jobs_of_rows, secondary,
};
use crate::step::observe::sessions::{RunningRestore, restores};
use crate::step::shared::address;
use crate::step::{Block, Context, Earlier, Effect, Info, Kind, Standing, Step};

/// Which command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::step) enum Key {
    Disable,
    Stop,
}

/// Time between the two looks that must both find nothing (`steps.md` 4).
const SECOND_LOOK: Duration = Duration::from_secs(5);

/// Refusals of a job that does not run, or is not there any more (`sql-server.md` 1.2).
const ALREADY_STOPPED: [u32; 2] = [22022, 14262];

pub(in crate::step) struct StopLogShippingJobs;

/// The jobs, and whether a RESTORE holds the database.
#[derive(Debug, Serialize)]
pub struct Facts {
    ids: Vec<JobIds>,
    jobs: Observed<Vec<Job>>,
    /// Whether the Agent runs; without it no job does, whatever its rows say.
    agent_runs: Option<bool>,
    restores: Observed<Vec<RunningRestore>>,
    looks: usize,
}

impl Facts {
    fn running(&self) -> impl Iterator<Item = &Job> {
        let agent = self.agent_runs != Some(false);
        self.jobs
            .seen()
            .into_iter()
            .flatten()
            .filter(move |job| agent && job.started_and_not_stopped)
    }

    /// True while a job runs that may be what a RESTORE belongs to.
    fn restore_job_runs(&self) -> bool {
        self.running().any(|job| {
            self.ids
                .iter()
                .any(|ids| ids.second.eq_ignore_ascii_case(&job.id))
                || job.category.to_lowercase().contains("restore")
        })
    }

    fn enabled(&self) -> impl Iterator<Item = &Job> {
        self.jobs
            .seen()
            .into_iter()
            .flatten()
            .filter(|job| job.enabled)
    }

    fn is_quiet(&self) -> bool {
        self.enabled().next().is_none()
            && self.running().next().is_none()
            && self.restores.seen().is_some_and(Vec::is_empty)
    }
}

impl Kind for StopLogShippingJobs {
    type Facts = Facts;
    type Undo = undo::Facts;
    type Key = Key;

    const INFO: Info = Info {
        id: "stop-log-shipping-jobs",
        vendor: None,
        title: "Disable the copy and restore jobs on the backup, and wait until they are idle",
        effect: Effect::Reversible,
        checks: &[
            "every RESTORE that holds the chat database belongs to a listed job",
            "all jobs disabled, none running, no RESTORE: in two looks 5 s apart",
        ],
    };

    const AFTER: Earlier = Earlier::These(&[Step::SaveLogShipping]);

    fn limit(limits: &Limits) -> Option<Duration> {
        Some(limits.jobs.saturating_mul(2))
    }

    fn commands(site: &Site) -> Vec<(Self::Key, Command)> {
        let server = address(site, Role::Backup);
        let job = |rule: &str| {
            Hole::new(
                "job",
                HoleType::Text,
                rule,
                "5F0C2C54-1D9E-4D0B-9C5A-2D3F6E7A8B90",
            )
        };
        vec![
            Command::tsql(
                Role::Backup,
                &server,
                "EXEC msdb.dbo.sp_update_job @job_id = {job}, @enabled = 0;",
                vec![job("job_id of the job")],
            )
            .each("enabled copy or restore job of the chat database")
            .keyed(Key::Disable),
            Command::tsql(
                Role::Backup,
                &server,
                "EXEC msdb.dbo.sp_stop_job @job_id = {job};",
                vec![job("job_id of the job")],
            )
            .when("a job still runs past its limit, and no RESTORE is in the middle of a file")
            .each("copy or restore job that still runs")
            .keyed(Key::Stop),
        ]
    }

    async fn observe(cx: Context<'_>) -> Facts {
        let first = look(cx, None).await;
        if !first.is_quiet() {
            return first;
        }
        tokio::time::sleep(SECOND_LOOK).await;
        let second = look(cx, None).await;
        Facts { looks: 2, ..second }
    }

    fn judge(facts: &Facts) -> Standing {
        let (Some(jobs), Some(restores)) = (facts.jobs.seen(), facts.restores.seen()) else {
            if facts.jobs.is_absent() && facts.restores.seen().is_some() {
                return judge_without_jobs(facts);
            }
            let why = facts.jobs.unknown().or(facts.restores.unknown());
            return Standing::not_seen(why, "the jobs of log shipping");
        };
        let mut blocks = Vec::new();
        if !facts.restore_job_runs() {
            blocks.extend(restores.iter().map(foreign));
        }
        Standing::unless(blocks, || {
            let enabled = facts.enabled().count();
            let running = facts.running().count();
            if enabled > 0 || running > 0 {
                let mut what = Vec::new();
                if enabled > 0 {
                    what.push(format!("disable {}", count(enabled, "job")));
                }
                if running > 0 {
                    what.push(format!("wait for {}", count(running, "running job")));
                }
                Standing::pending(what.join(", "))
            } else if facts.looks < 2 {
                Standing::underway("idle in one look; a second one decides")
            } else if jobs.is_empty() {
                Standing::satisfied("no log-shipping job is left")
            } else {
                Standing::satisfied(format!(
                    "{} disabled and idle: log shipping is off until they are enabled again",
                    count(jobs.len(), "job")
                ))
            }
        })
    }

    async fn act(cx: Context<'_>, facts: &Facts, hands: &Hands<'_, Key>) -> Result<(), StepError> {
        let backup = Instance::chat(Role::Backup);
        let values = |job: &Job| Values::from([("job".to_owned(), json!(job.id))]);
        // A job of several steps stands in several rows.
        let once = |jobs: Vec<&Job>| -> Vec<Values> {
            let mut ids = std::collections::HashSet::new();
            jobs.into_iter()
                .filter(|job| ids.insert(job.id.clone()))
                .map(values)
                .collect()
        };
        let enabled = once(facts.enabled().collect());
        let mut session = Box::pin(cx.access.sql.open(backup)).await?;
        if !enabled.is_empty() {
            hands.announce_each(Key::Disable, &enabled)?;
            for values in &enabled {
                hands.check_stop()?;
                hands
                    .send_announced(&mut session, Key::Disable, values)
                    .await?;
            }
        }
        let deadline = tokio::time::Instant::now() + cx.site.limits.jobs;
        loop {
            let now = look(cx, Some(&facts.ids)).await;
            let running: Vec<&Job> = now.running().collect();
            let past = tokio::time::Instant::now() >= deadline;
            if running.is_empty() && (past || now.jobs.unknown().is_none()) {
                return Ok(());
            }
            let between_files = now.restores.seen().is_some_and(Vec::is_empty);
            if past && between_files {
                let running = once(running);
                hands.announce_each(Key::Stop, &running)?;
                for values in &running {
                    match hands.send_announced(&mut session, Key::Stop, values).await {
                        // It ended by itself meanwhile: the next look tells.
                        Err(StepError::Sql(error))
                            if error.number().is_some_and(|n| ALREADY_STOPPED.contains(&n)) => {}
                        other => {
                            other?;
                        }
                    }
                }
                return Ok(());
            }
            hands.check_stop()?;
            let names: Vec<&str> = running.iter().map(|job| job.name.as_str()).collect();
            hands.progress(
                0,
                0,
                Unit::Waiting,
                format!("waiting for {}", names.join(", ")),
            );
            tokio::time::sleep(cx.site.limits.poll).await;
        }
    }
}

async fn look(cx: Context<'_>, ids: Option<&[JobIds]>) -> Facts {
    let access: &Access = cx.access;
    let backup = Instance::chat(Role::Backup);
    let name = &cx.site.database.chat;
    let (ids, jobs) = if let Some(ids) = ids {
        (ids.to_vec(), all_jobs(access, backup, ids).await)
    } else {
        let rows = secondary(access, backup, name).await;
        let ids = ids_or_saved(&rows, cx.saved_rows());
        let jobs = jobs_of_rows(access, backup, &rows, cx.saved_rows()).await;
        (ids, jobs)
    };
    Facts {
        ids,
        jobs,
        agent_runs: agent_runs(&services(access, backup).await),
        restores: restores(access, backup, name).await,
        looks: 1,
    }
}

fn judge_without_jobs(facts: &Facts) -> Standing {
    let blocks = facts.restores.seen().into_iter().flatten().map(foreign);
    Standing::unless(blocks.collect(), || {
        if facts.looks < 2 {
            Standing::underway("no RESTORE in one look; a second one decides")
        } else {
            Standing::satisfied("no log shipping on the backup")
        }
    })
}

fn foreign(restore: &RunningRestore) -> Block {
    Block::site(
        "foreign-restore",
        format!(
            "a {} that belongs to no log-shipping job holds the chat database: session {}",
            restore.command,
            restore.by.describe()
        ),
        "wait until it ends, or ask whoever runs it to stop it",
    )
}
