//! `stop-backup-jobs`: a log backup that a job of the first data center took behind the last one that
//! is applied would only be one file more; one that runs would refuse the end of the log (3023). So
//! both jobs are disabled, and waited for until they are idle (`steps.md` 6.8).

pub(in crate::step) mod undo;

use serde::Serialize;

use crate::model::words::count;
use crate::model::{Instance, Role};
use crate::site::Site;
use crate::step::command::Command;
use crate::step::downtime::Downtime;
use crate::step::earlier::Earlier;
use crate::step::fence::disable_backup_jobs::{Side, send, update};
use crate::step::hands::{Hands, StepError};
use crate::step::lost::roles;
use crate::step::next::{Next, Patience, send_by_looks};
use crate::step::observe::instance::{agent_runs, services};
use crate::step::{Block, Context, Effect, Info, Kind, Standing, Step, undo as back};

pub(in crate::step) struct StopBackupJobs;

/// The backup jobs of the primary and its mirror, and whether the Agent of each runs.
#[derive(Debug, Serialize)]
pub struct Facts {
    sides: Vec<(Side, Option<bool>)>,
}

impl Kind for StopBackupJobs {
    type Facts = Facts;
    type Undo = undo::Facts;
    /// The instance that it goes to.
    type Key = Role;

    const INFO: Info = Info {
        id: "stop-backup-jobs",
        vendor: None,
        title: "Disable the log-shipping backup jobs of the primary and its mirror, and wait until they are idle",
        effect: Effect::Reversible,
        checks: &[
            "the primary and its mirror answer",
            "no backup job of log shipping is enabled there, none runs",
        ],
    };

    const AFTER: Earlier = Earlier::These(&[Step::StandDown]);

    fn downtime(site: &Site, _seeded: bool) -> Option<Downtime> {
        Some(Downtime::of(0, "until a log backup that runs has ended").waiting(site.limits.jobs))
    }

    fn commands(site: &Site) -> Vec<(Role, Command)> {
        let disable = |role| {
            let each = format!("enabled log-shipping backup job of the {role}");
            update(site, role, false).each(each).keyed(role)
        };
        roles(site).map(disable).collect()
    }

    async fn observe(cx: Context<'_>) -> Facts {
        observe(cx).await
    }

    fn judge(facts: &Facts) -> Standing {
        back::standing(facts.next())
    }

    async fn act(
        cx: Context<'_>,
        _facts: &Facts,
        hands: &Hands<'_, Role>,
    ) -> Result<(), StepError> {
        let patience = Patience {
            not_shown: "see the job in SQL Server Agent",
            wait: Some(cx.site.limits.jobs),
            shows: None,
        };
        send_by_looks(cx, hands, patience, || async { observe(cx).await.next() }).await
    }
}

async fn observe(cx: Context<'_>) -> Facts {
    let mut sides = Vec::new();
    for role in roles(cx.site) {
        let agent = agent_runs(&services(cx.access, Instance::chat(role)).await);
        sides.push((Side::look(cx, role).await, agent));
    }
    Facts { sides }
}

impl Facts {
    fn next(&self) -> Result<Next<Role>, Standing> {
        for (side, _) in &self.sides {
            let about = format!("the backup jobs of the {}", side.role());
            if let Some(why) = side.unknown() {
                return Err(Standing::unknown(why.about(about)));
            }
            if side.is_silent() {
                let why = format!(
                    "the {} does not answer: its log-shipping backup job cannot be seen",
                    side.role()
                );
                return Err(Standing::Blocked {
                    blocks: vec![Block::site(
                        "first-data-center-silent",
                        why,
                        "a planned switch takes both instances of the first data center: bring it back, or wait until it is back",
                    )],
                });
            }
        }
        for (side, _) in &self.sides {
            if let Some(job) = side.jobs().find(|job| job.enabled) {
                return Ok(send(side.role(), job, "disable"));
            }
        }
        for (side, agent) in &self.sides {
            let runs = *agent != Some(false);
            if let Some(job) = side.jobs().find(|job| runs && job.started_and_not_stopped) {
                return Ok(Next::Wait(format!(
                    "wait for the backup job `{}` of the {}",
                    job.name,
                    side.role()
                )));
            }
        }
        let jobs = self.sides.iter().map(|(side, _)| side.jobs().count()).sum();
        Ok(Next::Nothing(match jobs {
            0 => "no log-shipping backup job is there".to_owned(),
            jobs => format!("{} disabled and idle", count(jobs, "backup job")),
        }))
    }
}
