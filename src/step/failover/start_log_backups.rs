//! `start-log-backups`: a job of SQL Server Agent backs up the log of what serves now. Nothing else
//! does after a failover, and the log would grow until its disk is full (`steps.md` 5.8). It stands
//! behind F7: users do not wait for it.

use std::time::Duration;

use serde::Serialize;

use crate::model::{Instance, Role, quote};
use crate::site::{Limits, Site};
use crate::step::command::Command;
use crate::step::hands::{Hands, StepError};
use crate::step::log_backups::{Side, description, enable, name, roles, text};
use crate::step::next::{Next, Patience, send_by_looks};
use crate::step::observe::Observed;
use crate::step::observe::backups::log_backups;
use crate::step::observe::database::{Database, database};
use crate::step::observe::instance::{agent_runs, services};
use crate::step::observe::own_job::{Owner, Row};
use crate::step::pool::not_serving;
use crate::step::shared::address;
use crate::step::undo::{self, Nothing};
use crate::step::{Block, Context, Earlier, Effect, Info, Kind, Standing, Step};

/// What is sent to an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::step) enum What {
    Delete,
    Add,
    Step,
    Schedule,
    Server,
    Enable,
    Start,
}

pub(in crate::step) struct StartLogBackups;

/// The job on both instances of the second data center, and whether it works on the one that serves.
#[derive(Debug, Serialize)]
pub struct Facts {
    sides: Vec<Serving>,
    name: String,
    command: String,
    folder: String,
    /// Minutes.
    every: i64,
}

/// An instance that serves, or may serve after a mirror's failover.
#[derive(Debug, Serialize)]
struct Serving {
    #[serde(flatten)]
    side: Side,
    database: Observed<Database>,
    /// Whether the Agent runs, where that can be seen.
    agent_runs: Option<bool>,
    /// A log backup of this life of the database is in the folder.
    proven: Observed<bool>,
}

impl Serving {
    async fn look(cx: Context<'_>, role: Role) -> Self {
        let side = Side::look(cx, role).await;
        let (access, chat, at) = (cx.access, &cx.site.database.chat, side.at());
        let (mut proven, mut agent) = (Observed::Absent, None);
        if side.answers() {
            agent = agent_runs(&services(access, at).await);
            let folder = cx.site.log_backups.as_ref().map(|log| log.folder.join(""));
            let folder = folder.unwrap_or_default().to_lowercase();
            let inside = |device: &str| device.to_lowercase().starts_with(&folder);
            proven = match log_backups(access, at, chat).await {
                Observed::Seen(logs) => Observed::Seen(logs.iter().any(|it| inside(&it.device))),
                Observed::Absent => Observed::Seen(false),
                Observed::Unknown(why) => Observed::Unknown(why),
            };
        }
        Self {
            database: database(access, at, chat).await,
            agent_runs: agent,
            proven,
            side,
        }
    }

    fn serves(&self) -> bool {
        self.database.seen().is_some_and(Database::serves)
    }

    /// What is missing of the job, the first thing first.
    fn missing(&self, facts: &Facts) -> Option<(What, &'static str)> {
        let wanted = [1, 4, 4, facts.every];
        let other = |row: &Row| {
            row.command.as_ref().is_some_and(|it| *it != facts.command)
                || row.schedule.is_some_and(|it| it != wanted)
                || row.owner == Owner::Other
        };
        match self.side.rows() {
            [] => Some((What::Add, "make")),
            [row] if !other(row) => {
                if row.command.is_none() {
                    Some((What::Step, "say what it does in"))
                } else if row.schedule.is_none() {
                    Some((What::Schedule, "say when it runs in"))
                } else if !row.targeted {
                    Some((What::Server, "hand to the Agent"))
                } else if row.enabled {
                    None
                } else {
                    Some((What::Enable, "enable"))
                }
            }
            _ => Some((What::Delete, "take away, for the site file says otherwise,")),
        }
    }
}

/// All that may be sent to one of them.
fn commands_of(site: &Site, role: Role) -> Vec<((Role, What), Command)> {
    let Some(to) = &site.log_backups else {
        return Vec::new();
    };
    let job = quote::literal(&name(site));
    let tsql = |text: String| Command::tsql(role, &address(site, role), text, Vec::new());
    let call = |procedure: &str, more: &str| {
        tsql(format!(
            "EXEC msdb.dbo.{procedure} @job_name = {job}{more};"
        ))
    };
    let of_job = ", @name = N'pchadr', @enabled = 1, @freq_type = 4, @freq_interval = 1, @freq_subday_type = 4";
    let each = to.every;
    let step = quote::literal(&text(site, to));
    let about = quote::literal(&description(site));
    vec![
        call("sp_delete_job", "")
            .when(format!("the {role} has the job, and the site file says otherwise"))
            .keyed((role, What::Delete)),
        // Owned by the sysadmin of every instance, whatever it is called: a job of ours would end with our
        // rights, or with the domain that knows us (`sql-server.md` 1.9).
        tsql(format!(
            "DECLARE @owner sysname = SUSER_SNAME(0x01); EXEC msdb.dbo.sp_add_job @job_name = {job}, \
             @enabled = 1, @description = {about}, @owner_login_name = @owner;"
        ))
            .when(format!("the {role} answers and does not have it"))
            .keyed((role, What::Add)),
        call(
            "sp_add_jobstep",
            &format!(", @step_name = N'back up', @subsystem = N'TSQL', @command = {step}, @database_name = N'master'"),
        )
        .when("it has no step")
        .keyed((role, What::Step)),
        call("sp_add_jobschedule", &format!("{of_job}, @freq_subday_interval = {each}"))
            .when("it has no schedule")
            .keyed((role, What::Schedule)),
        call("sp_add_jobserver", ", @server_name = N'(LOCAL)'")
            .when("nobody runs it: it does not run before")
            .keyed((role, What::Server)),
        enable(site, role, true)
            .when("it is disabled, as a failback leaves it")
            .keyed((role, What::Enable)),
        call("sp_start_job", "")
            .when(format!("the {role} serves, and no log backup is in the folder yet"))
            .keyed((role, What::Start)),
    ]
}

impl Kind for StartLogBackups {
    type Facts = Facts;
    type Undo = Nothing<Self>;
    type Key = (Role, What);

    const INFO: Info = Info {
        id: "start-log-backups",
        vendor: None,
        title: "Have the log of the new principal backed up, by a job on it and on its mirror",
        effect: Effect::Reversible,
        checks: &[
            "the job is on the backup and its mirror as the site file says, enabled",
            "a log backup of the database that serves is in the folder",
        ],
    };

    const AFTER: Earlier = Earlier::These(&[Step::RecoverDatabase, Step::SetActiveServers]);

    fn limit(limits: &Limits) -> Option<Duration> {
        Some(limits.step)
    }

    fn commands(site: &Site) -> Vec<(Self::Key, Command)> {
        roles(site)
            .flat_map(|role| commands_of(site, role))
            .collect()
    }

    async fn observe(cx: Context<'_>) -> Facts {
        observe(cx).await
    }

    fn judge(facts: &Facts) -> Standing {
        undo::standing(facts.next())
    }

    async fn act(
        cx: Context<'_>,
        _facts: &Facts,
        hands: &Hands<'_, Self::Key>,
    ) -> Result<(), StepError> {
        let patience = Patience {
            not_shown: "see the job's history in SQL Server Agent: the account of SQL Server must be able to write to the folder of `[log_backups]`",
            wait: Some(cx.site.limits.jobs),
            shows: Some(cx.site.limits.settle),
        };
        send_by_looks(cx, hands, patience, || async { observe(cx).await.next() }).await
    }
}

async fn observe(cx: Context<'_>) -> Facts {
    let mut sides = Vec::new();
    for role in roles(cx.site) {
        sides.push(Serving::look(cx, role).await);
    }
    let to = cx.site.log_backups.as_ref();
    Facts {
        sides,
        name: name(cx.site),
        command: to.map(|to| text(cx.site, to)).unwrap_or_default(),
        folder: to.map(|to| to.folder.to_string()).unwrap_or_default(),
        every: to.and_then(|to| i64::try_from(to.every).ok()).unwrap_or(0),
    }
}

impl Facts {
    fn next(&self) -> Result<Next<(Role, What)>, Standing> {
        let Some(serving) = self.sides.iter().find(|side| side.serves()) else {
            return Err(self.nobody_serves());
        };
        for it in self.sides.iter().filter(|it| it.side.answers()) {
            let role = it.side.role;
            if let Some(why) = it.side.job.unknown() {
                let about = format!("the job `{}` of the {role}", self.name);
                return Err(Standing::unknown(why.about(about)));
            }
            if it.side.is_foreign() {
                return Err(block(
                    "foreign-job",
                    format!(
                        "the {role} has a job `{}` that is not this pool's",
                        self.name
                    ),
                    "rename that job, or remove it where nobody needs it",
                ));
            }
            if let Some((what, words)) = it.missing(self) {
                let words = format!("{words} the job `{}` on the {role}", self.name);
                return Ok(Next::sql(Instance::chat(role), (role, what), words));
            }
        }
        let role = serving.side.role;
        if let Some(why) = serving.proven.unknown() {
            let about = format!("the log backups of the {role}");
            return Err(Standing::unknown(why.about(about)));
        }
        if serving.proven.seen() != Some(&true) {
            if serving.agent_runs == Some(false) {
                return Err(block(
                    "agent-stopped",
                    format!("SQL Server Agent does not run on the {role}: nothing runs the job"),
                    "start it, and have it start by itself",
                ));
            }
            if serving.side.rows().iter().any(|row| row.runs) {
                return Ok(Next::Wait(format!(
                    "wait for the first log backup on the {role}"
                )));
            }
            let words = format!("take the first log backup on the {role}");
            return Ok(Next::sql(serving.side.at(), (role, What::Start), words));
        }
        let mut words = vec![format!(
            "the {role} backs up its log every {} min, to `{}`",
            self.every, self.folder
        )];
        let silent = self.sides.iter().filter(|it| !it.side.answers());
        words.extend(silent.map(|it| {
            format!(
                "the {} does not answer: it gets the job from the next failover",
                it.side.role
            )
        }));
        Ok(Next::Nothing(words.join("; ")))
    }

    fn nobody_serves(&self) -> Standing {
        let backup = self.sides.iter().find(|it| it.side.role == Role::Backup);
        let blocks = backup.and_then(|it| not_serving(&it.database));
        Standing::unless(blocks.into_iter().collect(), || {
            Standing::unknown("whether the backup's chat database serves")
        })
    }
}

fn block(id: &str, what: String, mend: &'static str) -> Standing {
    Standing::Blocked {
        blocks: vec![Block::site(id, what, mend)],
    }
}
