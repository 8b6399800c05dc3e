//! `drop-log-shipping`, F1: the backup's database is no log-shipping secondary any more
//! (`steps.md` 4, 5.3; `sql-server.md` 1.1).

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
pub(in crate::step) mod undo;

use serde::Serialize;

use crate::access::sql::{Failure, Table};
use crate::model::words::count;
use crate::model::{Instance, Problem, Role, quote};
use crate::site::Site;
use crate::step::command::{Command, Values};
use crate::step::hands::{Hands, StepError};
use crate::step::observe::Observed;
use crate::step::observe::instance::{Identity, agent_runs, identity, services};
use crate::step::observe::log_shipping::{
    Job, Secondary, jobs_of_rows, knows_ignore_monitor, secondary,
};
use crate::step::shared::address;
use crate::step::{Block, Context, Earlier, Effect, Info, Kind, Standing, Step};

/// Which command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::step) enum Key {
    Drop,
    DropWithoutMonitor,
}

/// A monitor that does not answer (`sql-server.md` 1.1).
const DEAD_MONITOR: [u32; 4] = [32054, 32055, 32030, 32031];

/// There is no such row any more.
const NOT_A_SECONDARY: u32 = 32014;

/// Interlock: the rows stay behind, for no monitor answers. Disabled, idle jobs are all that the
/// next steps need (`steps.md` 5.3).
const ROWS_STAY: &str = "rows-stay";

pub(in crate::step) struct DropLogShipping;

/// The rows, the jobs, and whether they are kept.
#[derive(Debug, Serialize)]
pub struct Facts {
    database: String,
    identity: Observed<Identity>,
    rows: Observed<Vec<Secondary>>,
    jobs: Observed<Vec<Job>>,
    /// Whether the Agent runs; without it no job does, whatever its rows say.
    agent_runs: Option<bool>,
    ignores_monitor: Observed<bool>,
    kept: bool,
    rows_may_stay: bool,
}

impl Facts {
    fn row(&self) -> Option<&Secondary> {
        self.row_of(self.rows.seen()?)
    }

    /// Whether another server watches: then the procedure has to reach it (`steps.md` 5.3).
    fn monitor_is_elsewhere(&self) -> bool {
        let monitor = self.row().and_then(|row| row.monitor.as_deref());
        let own = self.identity.seen().map(|it| it.server_name.as_str());
        monitor
            .zip(own)
            .is_some_and(|(monitor, own)| monitor.to_lowercase() != own.to_lowercase())
    }

    fn row_of<'a>(&self, rows: &'a [Secondary]) -> Option<&'a Secondary> {
        rows.iter().find(|row| {
            row.database
                .as_deref()
                .is_some_and(|name| name.to_lowercase() == self.database.to_lowercase())
        })
    }
}

impl Kind for DropLogShipping {
    type Facts = Facts;
    type Undo = undo::Facts;
    type Key = Key;

    const INFO: Info = Info {
        id: "drop-log-shipping",
        vendor: Some("F1"),
        title: "Remove log shipping from the backup's chat database",
        effect: Effect::Reversible,
        checks: &[
            "the configuration is kept, and its jobs are disabled and idle",
            "@@SERVERNAME is the server's name, and we are sysadmin",
            "no row for the chat database; siblings under the same id, if any, stay with disabled jobs",
        ],
    };

    const AFTER: Earlier = Earlier::These(&[Step::SaveLogShipping, Step::StopLogShippingJobs]);

    fn commands(site: &Site) -> Vec<(Self::Key, Command)> {
        let database = quote::literal(site.database.chat.as_str());
        let text = |more: &str| {
            format!(
                "DECLARE @rc int; EXEC @rc = master.dbo.sp_delete_log_shipping_secondary_database \
                 @secondary_database = {database}{more}; SELECT @rc AS rc;"
            )
        };
        vec![
            Command::tsql(Role::Backup, &address(site, Role::Backup), text(""), Vec::new())
                .keyed(Key::Drop),
            Command::tsql(
                Role::Backup,
                &address(site, Role::Backup),
                text(", @ignoreremotemonitor = 1"),
                Vec::new(),
            )
            .when(
                "the first form says that the monitor server does not answer (32054, 32055, 32030, 32031), or \
                 fails or does not end while the monitor is another server; and the procedure has this parameter",
            ).keyed(Key::DropWithoutMonitor),
        ]
    }

    async fn observe(cx: Context<'_>) -> Facts {
        let access = cx.access;
        let backup = Instance::chat(Role::Backup);
        let rows = secondary(access, backup, &cx.site.database.chat).await;
        let jobs = jobs_of_rows(access, backup, &rows, cx.saved_rows()).await;
        Facts {
            database: cx.site.database.chat.to_string(),
            identity: identity(access, backup).await,
            rows,
            jobs,
            agent_runs: agent_runs(&services(access, backup).await),
            ignores_monitor: knows_ignore_monitor(access, backup).await,
            kept: cx.saved.is_some_and(|saved| saved.run == cx.run),
            rows_may_stay: cx.terms.overrides(ROWS_STAY),
        }
    }

    fn judge(facts: &Facts) -> Standing {
        if let Some(why) = facts.rows.unknown().or(facts.jobs.unknown()) {
            return Standing::unknown(why);
        }
        let jobs = facts.jobs.seen().map_or(&[][..], Vec::as_slice);
        let enabled = jobs.iter().any(|job| job.enabled);
        let agent = facts.agent_runs != Some(false);
        let idle = !jobs.iter().any(|job| agent && job.started_and_not_stopped);
        let Some(_) = facts.row() else {
            // Siblings keep the jobs; without siblings they went with the last row.
            return if enabled {
                Standing::Blocked {
                    blocks: vec![
                        Block::site(
                            "jobs-enabled",
                            "the row is gone, but a job of this log shipping is enabled",
                            "disable it: sp_update_job @enabled = 0",
                        )
                        .cleared_by(Step::StopLogShippingJobs),
                    ],
                }
            } else {
                Standing::satisfied(match jobs.len() {
                    0 => "no log-shipping row for the chat database".to_owned(),
                    left => format!(
                        "no log-shipping row for the chat database; {} left behind, disabled",
                        count(left, "job")
                    ),
                })
            };
        };
        let mut blocks = if facts.rows_may_stay {
            // Nothing is sent, so that nothing of it can fail.
            Vec::new()
        } else {
            match drop_blocks(facts) {
                Ok(blocks) => blocks,
                Err(why) => return Standing::unknown(why),
            }
        };
        if enabled || !idle {
            blocks.push(
                Block::site(
                    "jobs-not-idle",
                    "a copy or restore job is enabled or runs",
                    "run `stop-log-shipping-jobs` first",
                )
                .cleared_by(Step::StopLogShippingJobs),
            );
        }
        Standing::unless(blocks, || {
            if facts.rows_may_stay {
                Standing::satisfied("the row stays behind, by the operator's override")
            } else {
                Standing::pending("remove the log-shipping row")
            }
        })
    }

    async fn act(cx: Context<'_>, facts: &Facts, hands: &Hands<'_, Key>) -> Result<(), StepError> {
        let backup = Instance::chat(Role::Backup);
        let mut session = Box::pin(cx.access.sql.open(backup)).await?;
        let why = match hands.send(&mut session, Key::Drop, &Values::new()).await {
            // 1: it failed, and said so in a message only.
            Ok(tables) => match return_code(&tables) {
                Some(0) | None => return Ok(()),
                Some(code) => format!("the procedure returned {code}"),
            },
            Err(StepError::Sql(error)) => match error.number() {
                Some(NOT_A_SECONDARY) => return Ok(()),
                Some(number) if DEAD_MONITOR.contains(&number) => error.to_string(),
                // It is reached over a linked server, whose own errors come first, or nothing comes.
                Some(_) if facts.monitor_is_elsewhere() => error.to_string(),
                None if facts.monitor_is_elsewhere()
                    && matches!(error.failure, Failure::TimedOut(_)) =>
                {
                    let rows = secondary(cx.access, backup, &cx.site.database.chat).await;
                    if rows.seen().is_none_or(|rows| facts.row_of(rows).is_none()) {
                        // Done, or not known: a look decides.
                        return Err(error.into());
                    }
                    session = Box::pin(cx.access.sql.open(backup)).await?;
                    error.to_string()
                }
                _ => return Err(error.into()),
            },
            Err(other) => return Err(other),
        };
        let why = if facts.ignores_monitor == Observed::Seen(true) {
            match hands
                .send(&mut session, Key::DropWithoutMonitor, &Values::new())
                .await
            {
                Ok(tables) => match return_code(&tables) {
                    Some(0) | None => return Ok(()),
                    Some(code) => format!("{why}; without the monitor it returned {code}"),
                },
                Err(StepError::Sql(error)) if error.number().is_some() => error.to_string(),
                Err(other) => return Err(other),
            }
        } else {
            why
        };
        Err(StepError::other(
            format!("the row cannot be removed, as when the monitor server does not answer: {why}"),
            format!("let the row stay with --override {ROWS_STAY}=REASON, and remove it later"),
        ))
    }
}

fn return_code(tables: &[Table]) -> Option<i64> {
    tables.last()?.rows().next()?.int("rc")
}

/// Why the procedure must not be sent; an error says what is unknown.
fn drop_blocks(facts: &Facts) -> Result<Vec<Block>, Problem> {
    let mut blocks = Vec::new();
    match &facts.identity {
        Observed::Unknown(why) => return Err(why.clone()),
        Observed::Absent => return Err("who the backup instance is could not be seen".into()),
        Observed::Seen(identity) if !identity.name_is_sound() => blocks.push(Block::site(
            "server-name",
            format!(
                "@@SERVERNAME is {}, the server's name is {}: the procedure fails (32053) or finds no row",
                identity.at_servername.as_deref().unwrap_or("NULL"),
                identity.server_name
            ),
            format!(
                "sp_dropserver, sp_addserver …, 'local', then restart the instance; where there is no time, leave the row with --override {ROWS_STAY}=REASON"
            ),
        )),
        Observed::Seen(identity) if !identity.sysadmin => blocks.push(Block::site(
            "not-sysadmin",
            "the procedure is for members of sysadmin",
            "sign in as a member of sysadmin there",
        )),
        Observed::Seen(_) => {}
    }
    if !facts.kept {
        blocks.push(
            Block::site(
                "not-kept",
                "the configuration is not kept yet, and this destroys it",
                "run `save-log-shipping` first",
            )
            .cleared_by(Step::SaveLogShipping),
        );
    }
    Ok(blocks)
}
