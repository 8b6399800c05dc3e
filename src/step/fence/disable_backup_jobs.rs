//! `disable-backup-jobs`: what came back writes no log backup into the share any more: it would be of
//! another fork than what the second data center writes (`procedure.md`, "leaves out" 9).

pub(in crate::step) mod undo;

use serde::Serialize;
use serde_json::json;

use super::survivor::Survivor;
use crate::model::words::count;
use crate::model::{Instance, Problem, Role};
use crate::site::Site;
use crate::step::command::{Command, Hole, HoleType, Values};
use crate::step::hands::{Hands, StepError};
use crate::step::lost::roles;
use crate::step::next::{Door, Next, Patience, Sending, send_by_looks};
use crate::step::observe::Observed;
use crate::step::observe::instance::{Presence, presence};
use crate::step::observe::log_shipping::{Job, JobIds, all_jobs, primary};
use crate::step::shared::address;
use crate::step::{Context, Effect, Info, Kind, Standing};

pub(in crate::step) struct DisableBackupJobs;

/// Both instances of the first data center, and what serves in the second.
#[derive(Debug, Serialize)]
pub struct Facts {
    sides: Vec<Side>,
    survivor: Survivor,
}

/// The backup jobs of an instance.
#[derive(Debug, Serialize)]
pub(in crate::step) struct Side {
    role: Role,
    presence: Presence,
    jobs: Observed<Vec<Job>>,
}

impl Side {
    /// `None` where it does not answer: its database is judged by the next step.
    pub(in crate::step) async fn look(cx: Context<'_>, role: Role) -> Self {
        let at = Instance::chat(role);
        let presence = presence(cx.access, at).await;
        let jobs = if let Presence::Answers(_) = presence {
            let rows = primary(cx.access, at, &cx.site.database.chat).await;
            if let Some(why) = rows.unknown() {
                Observed::unseen(why)
            } else {
                let ids = JobIds::of(rows.seen().into_iter().flatten());
                all_jobs(cx.access, at, &ids).await
            }
        } else {
            Observed::Absent
        };
        Self {
            role,
            presence,
            jobs,
        }
    }

    pub(in crate::step) fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.seen().into_iter().flatten()
    }

    pub(in crate::step) fn role(&self) -> Role {
        self.role
    }

    /// Why its jobs are not known, where it answers.
    pub(in crate::step) fn unknown(&self) -> Option<&Problem> {
        self.jobs.unknown()
    }

    pub(in crate::step) fn is_silent(&self) -> bool {
        self.silent().is_some()
    }

    /// What is said of it where it does not answer.
    fn silent(&self) -> Option<String> {
        match &self.presence {
            Presence::Answers(_) => None,
            Presence::Dead(_) | Presence::Lives(_) | Presence::Unseen(_) => Some(format!(
                "the {} cannot be asked: fence again when it can",
                self.role
            )),
        }
    }
}

/// The command that sets whether a job's schedules count.
pub(in crate::step) fn update(site: &Site, role: Role, enabled: bool) -> Command {
    let job = Hole::new(
        "job",
        HoleType::Text,
        "job_id of the job",
        "5F0C2C54-1D9E-4D0B-9C5A-2D3F6E7A8B90",
    );
    let text = format!(
        "EXEC msdb.dbo.sp_update_job @job_id = {{job}}, @enabled = {};",
        i32::from(enabled)
    );
    Command::tsql(role, &address(site, role), text, vec![job])
}

pub(in crate::step) fn send(role: Role, job: &Job, what: &str) -> Next<Role> {
    Next::Send(Sending {
        what: format!("{what} the backup job `{}` of the {role}", job.name),
        to: Door::Sql(Instance::chat(role)),
        key: role,
        values: Values::from([("job".to_owned(), json!(job.id))]),
    })
}

impl Kind for DisableBackupJobs {
    type Facts = Facts;
    type Undo = undo::Facts;
    /// The instance that it goes to.
    type Key = Role;

    const INFO: Info = Info {
        id: "disable-backup-jobs",
        vendor: None,
        title: "Turn off the log-shipping backup jobs of the first data center",
        effect: Effect::Reversible,
        checks: &[
            "a chat database serves in the second data center",
            "no backup job of log shipping is enabled on the primary or its mirror",
        ],
    };

    fn commands(site: &Site) -> Vec<(Role, Command)> {
        let disable = |role| {
            let command = update(site, role, false);
            let each = format!("enabled log-shipping backup job of the {role}");
            command.each(each).keyed(role)
        };
        roles(site).map(disable).collect()
    }

    async fn observe(cx: Context<'_>) -> Facts {
        observe(cx).await
    }

    fn judge(facts: &Facts) -> Standing {
        match facts.next() {
            Err(standing) => standing,
            Ok(Next::Nothing(why)) => Standing::satisfied(why),
            Ok(Next::Wait(what)) => Standing::pending(what),
            Ok(Next::Send(sending)) => Standing::pending(sending.what),
        }
    }

    async fn act(
        cx: Context<'_>,
        _facts: &Facts,
        hands: &Hands<'_, Role>,
    ) -> Result<(), StepError> {
        let patience = Patience {
            not_shown: "see the job in SQL Server Agent",
            wait: None,
            shows: None,
        };
        send_by_looks(cx, hands, patience, || async { observe(cx).await.next() }).await
    }
}

async fn observe(cx: Context<'_>) -> Facts {
    let mut sides = Vec::new();
    for role in roles(cx.site) {
        sides.push(Side::look(cx, role).await);
    }
    Facts {
        sides,
        survivor: Survivor::look(cx).await,
    }
}

impl Facts {
    fn next(&self) -> Result<Next<Role>, Standing> {
        for side in &self.sides {
            if let Some(why) = side.jobs.unknown() {
                let about = format!("the backup jobs of the {}", side.role);
                return Err(Standing::unknown(why.about(about)));
            }
        }
        for side in &self.sides {
            if let Some(job) = side.jobs().find(|job| job.enabled) {
                let blocks = self.survivor.blocks();
                return if blocks.is_empty() {
                    Ok(send(side.role, job, "disable"))
                } else {
                    Err(Standing::Blocked { blocks })
                };
            }
        }
        let jobs: Vec<&Job> = self.sides.iter().flat_map(Side::jobs).collect();
        let running = jobs.iter().filter(|job| job.started_and_not_stopped);
        let mut words = vec![if jobs.is_empty() {
            "no log-shipping backup job is there".to_owned()
        } else {
            format!("{} disabled", count(jobs.len(), "backup job"))
        }];
        words.extend(running.map(|job| format!("`{}` still runs, once", job.name)));
        words.extend(self.sides.iter().filter_map(Side::silent));
        Ok(Next::Nothing(words.join("; ")))
    }
}
