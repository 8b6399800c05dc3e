//! Undoes `configure-log-shipping`: the rows and jobs that it made go again, before the backup serves.
//! What is left on an instance that is lost is disabled by `fence` when that comes back.

use serde::Serialize;
use serde_json::json;

use crate::model::{Instance, Role, quote};
use crate::site::Site;
use crate::step::before::Before;
use crate::step::command::{Command, Hole, HoleType, Values};
use crate::step::lost::{Lost, not_asked, roles, serves_alone};
use crate::step::next::{Door, Next, Sending};
use crate::step::observe::Observed;
use crate::step::observe::database::{Database, database};
use crate::step::observe::log_shipping::{
    Job, JobIds, Primary, Secondary, all_jobs, primary, secondary,
};
use crate::step::observe::sessions::{RunningRestore, restores};
use crate::step::shared::address;
use crate::step::undo::Back;
use crate::step::{Context, Standing};

/// Which command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::step) enum Key {
    Disable(Role),
    DropSecondary,
    DropHead,
    DropPointer(Role),
    DropPrimary(Role),
}

/// What is looked at.
#[derive(Debug, Serialize)]
pub(in crate::step) struct Facts {
    name: String,
    backup: Observed<Database>,
    restores: Observed<Vec<RunningRestore>>,
    secondary: Observed<Vec<Secondary>>,
    jobs: Observed<Vec<Job>>,
    sides: Vec<Side>,
    lost: Lost,
}

/// An instance of the first data center.
#[derive(Debug, Serialize)]
struct Side {
    role: Role,
    rows: Observed<Vec<Primary>>,
    jobs: Observed<Vec<Job>>,
}

impl Back for Facts {
    type Key = Key;

    fn commands(site: &Site) -> Vec<(Self::Key, Command)> {
        let name = quote::literal(site.database.chat.as_str());
        let send = |role: Role, text: String, holes: Vec<Hole>| {
            Command::tsql(role, &address(site, role), text, holes)
        };
        let disable = |role: Role, jobs: &str| {
            let job = Hole::new(
                "job",
                HoleType::Text,
                "job_id of the job",
                "5F0C2C54-1D9E-4D0B-9C5A-2D3F6E7A8B90",
            );
            let text = "EXEC msdb.dbo.sp_update_job @job_id = {job}, @enabled = 0;".to_owned();
            send(role, text, vec![job])
                .each(format!("enabled {jobs} of the {role}"))
                .keyed(Key::Disable(role))
        };
        let procedure = |name: &str, arguments: &str| {
            format!("DECLARE @rc int; EXEC @rc = master.dbo.{name} {arguments}; SELECT @rc AS rc;")
        };
        let mut table = vec![disable(Role::Backup, "copy or restore job")];
        for role in roles(site) {
            table.push(disable(role, "backup job"));
            let pointer = procedure(
                "sp_delete_log_shipping_primary_secondary",
                &format!(
                    "@primary_database = {name}, @secondary_server = {{secondary_server}}, @secondary_database = {{secondary_database}}"
                ),
            );
            let text = |name, rule: &str, sample| Hole::new(name, HoleType::Text, rule, sample);
            let holes = vec![
                text(
                    "secondary_server",
                    "secondary_server of the row",
                    r"SQL3\chat",
                ),
                text("secondary_database", "secondary_database of the row", "mgc"),
            ];
            let rule = format!("row of log_shipping_primary_secondaries on the {role}");
            table.push(
                send(role, pointer, holes)
                    .each(rule)
                    .keyed(Key::DropPointer(role)),
            );
            let drop = procedure(
                "sp_delete_log_shipping_primary_database",
                &format!("@database = {name}"),
            );
            let rule = format!("the {role} has a row in log_shipping_primary_databases");
            table.push(
                send(role, drop, Vec::new())
                    .when(rule)
                    .keyed(Key::DropPrimary(role)),
            );
        }
        let drop = procedure(
            "sp_delete_log_shipping_secondary_database",
            &format!("@secondary_database = {name}"),
        );
        table.push(
            send(Role::Backup, drop, Vec::new())
                .when("the backup has a row in log_shipping_secondary_databases")
                .keyed(Key::DropSecondary),
        );
        let head = procedure(
            "sp_delete_log_shipping_secondary_primary",
            &format!("@primary_server = {{primary_server}}, @primary_database = {name}"),
        );
        let rule = "primary_server of the row";
        let hole = Hole::new("primary_server", HoleType::Text, rule, r"SQL1\chat");
        table.push(
            send(Role::Backup, head, vec![hole])
                .when("the backup has a row in log_shipping_secondary without a database")
                .keyed(Key::DropHead),
        );
        table
    }

    async fn observe(cx: Context<'_>, _before: Option<&Before>) -> Self {
        let access = cx.access;
        let backup = Instance::chat(Role::Backup);
        let name = &cx.site.database.chat;
        let mut sides = Vec::new();
        for role in roles(cx.site) {
            let at = Instance::chat(role);
            let rows = primary(access, at, name).await;
            let ids = JobIds::of(rows.seen().into_iter().flatten());
            sides.push(Side {
                role,
                jobs: all_jobs(access, at, &ids).await,
                rows,
            });
        }
        let silent = sides.iter().filter(|it| it.rows.unknown().is_some());
        let silent = silent.map(|it| it.role).collect();
        let rows = secondary(access, backup, name).await;
        let ids = JobIds::of(rows.seen().into_iter().flatten());
        Self {
            name: name.to_string(),
            lost: Lost::look(cx, silent).await,
            backup: database(access, backup, name).await,
            restores: restores(access, backup, name).await,
            jobs: all_jobs(access, backup, &ids).await,
            secondary: rows,
            sides,
        }
    }

    fn next(&self) -> Result<Next<Key>, Standing> {
        let mut words = "log shipping is set up no more".to_owned();
        let unknown = self.backup.unknown().or(self.secondary.unknown());
        if let Some(why) = unknown.or(self.jobs.unknown()).or(self.restores.unknown()) {
            return Err(Standing::unknown(why));
        }
        for side in &self.sides {
            let Some(why) = side.rows.unknown().or(side.jobs.unknown()) else {
                continue;
            };
            if !serves_alone(&self.backup) && !self.lost.has(side.role) {
                return Err(self.lost.standing(side.role, why));
            }
            words = format!("{words}; {}", not_asked(side.role, why));
        }
        if let Some(next) = disable(Role::Backup, &self.jobs) {
            return Ok(next);
        }
        let running = self.jobs.seen().into_iter().flatten();
        if let Some(job) = running.clone().find(|it| it.started_and_not_stopped) {
            return Ok(Next::Wait(format!("the job {} runs", job.name)));
        }
        if let Some(restore) = self.restores.seen().and_then(|all| all.first()) {
            let by = restore.by.describe();
            return Ok(Next::Wait(format!(
                "a {} runs: session {by}",
                restore.command
            )));
        }
        for side in &self.sides {
            if let Some(next) = side.next() {
                return Ok(next);
            }
        }
        let mut rows = self.secondary.seen().into_iter().flatten();
        // Cut off between its two halves, the second procedure would not find it.
        if let Some(head) = rows.clone().find(|row| row.database.is_none()) {
            let server = ("primary_server".to_owned(), json!(head.primary_server));
            return Ok(Next::Send(Sending {
                what: "remove what was begun of log shipping on the backup".to_owned(),
                to: Door::Sql(Instance::chat(Role::Backup)),
                key: Key::DropHead,
                values: Values::from([server]),
            }));
        }
        let ours = |row: &Secondary| {
            let name = row.database.as_deref();
            name.is_some_and(|it| it.to_lowercase() == self.name.to_lowercase())
        };
        if rows.any(ours) {
            let what = "remove log shipping from the backup";
            return Ok(Next::sql(
                Instance::chat(Role::Backup),
                Key::DropSecondary,
                what,
            ));
        }
        Ok(Next::Nothing(words))
    }
}

/// An enabled job is disabled before its row goes.
fn disable(role: Role, jobs: &Observed<Vec<Job>>) -> Option<Next<Key>> {
    let job = jobs.seen()?.iter().find(|job| job.enabled)?;
    Some(Next::Send(Sending {
        what: format!("disable the job {} of the {role}", job.name),
        to: Door::Sql(Instance::chat(role)),
        key: Key::Disable(role),
        values: Values::from([("job".to_owned(), json!(job.id))]),
    }))
}

impl Side {
    fn next(&self) -> Option<Next<Key>> {
        if let Some(next) = disable(self.role, &self.jobs) {
            return Some(next);
        }
        let rows = self.rows.seen()?;
        rows.first()?;
        let pointer = rows.iter().find_map(|row| {
            row.secondary_server
                .as_ref()
                .zip(row.secondary_database.as_ref())
        });
        Some(match pointer {
            Some((server, database)) => Next::Send(Sending {
                what: format!("remove what points the {} at {server}", self.role),
                to: Door::Sql(Instance::chat(self.role)),
                key: Key::DropPointer(self.role),
                values: Values::from([
                    ("secondary_server".to_owned(), json!(server)),
                    ("secondary_database".to_owned(), json!(database)),
                ]),
            }),
            None => Next::sql(
                Instance::chat(self.role),
                Key::DropPrimary(self.role),
                format!("remove log shipping from the {}", self.role),
            ),
        })
    }
}
