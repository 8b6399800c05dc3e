//! `configure-log-shipping`, B5: log shipping as it was, for the primary and its mirror; one log backup
//! is seen to arrive (`steps.md` 6.5). While nobody writes on the primary it can be undone.
//!
//! The mirror's half needs the mirror to be the principal. `Invoke-CsDatabaseFailover` may look at the
//! pool's state, which is `FailedOver` still, and then means the other pair; `ALTER DATABASE … SET
//! PARTNER FAILOVER` on the principal does the same, and nothing else (`steps.md` 6.5).

mod blocks;
mod commands;
mod compare;
mod look;
mod next;
pub(in crate::step) mod secondary;
pub(in crate::step) mod undo;
mod wanted;

use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use crate::model::{Instance, Role};
use crate::site::{Limits, Site};
use crate::step::command::{Command, Values};
use crate::step::downtime::Downtime;
use crate::step::hands::{Hands, StepError};
use crate::step::next::{Door, Next, Patience, Sending, send_by_looks};
use crate::step::observe::Observed;
use crate::step::observe::database::RedoStart;
use crate::step::observe::log_shipping::{Schedule, Secondary};
use crate::step::observe::sessions::Holder;
use crate::step::{Context, Effect, Info, Kind, Standing};
pub(in crate::step) use commands::Key;
use commands::table;
use look::{Half, observe};
use next::{Action, next};
use wanted::{Wanted, remote_monitor};

pub(in crate::step) struct ConfigureLogShipping;

/// All that is read.
#[derive(Debug, Serialize)]
pub struct Facts {
    name: String,
    /// Primary, primary mirror where the site has one, backup.
    halves: Vec<Half>,
    /// Of the backup.
    secondary: Observed<Vec<Secondary>>,
    redo: Observed<RedoStart>,
    sessions: Observed<Vec<Holder>>,
    restored: Observed<bool>,
    /// Folders whose files the jobs themselves take.
    shipped: Vec<String>,
    wanted: Option<Wanted>,
    /// What was kept and cannot be read.
    unreadable: Vec<String>,
    /// True once this run has begun to set it up.
    started: bool,
}

impl Kind for ConfigureLogShipping {
    type Facts = Facts;
    type Undo = undo::Facts;
    type Key = Key;

    const INFO: Info = Info {
        id: "configure-log-shipping",
        vendor: Some("B5"),
        title: "Set log shipping up as it was: the backup follows the primary",
        effect: Effect::Reversible,
        checks: &[
            "the configuration was saved; Agents run; @@SERVERNAME is each server's name",
            "the backup's chat database is RESTORING and joins the primary's log",
            "rows, jobs, owners and schedules of all three equal the saved ones, field by field; their ids pair",
            "the primary is the principal again",
            "one log backup was taken, copied and restored",
        ],
    };

    fn limit(limits: &Limits) -> Option<Duration> {
        Some(limits.step.saturating_add(limits.mirror))
    }

    fn downtime(_site: &Site, _seeded: bool) -> Option<Downtime> {
        Some(Downtime::of(
            0,
            "one log backup is taken, copied and restored: as long as that takes",
        ))
    }

    fn commands(site: &Site) -> Vec<(Self::Key, Command)> {
        table(site)
    }

    async fn observe(cx: Context<'_>) -> Facts {
        observe(cx).await
    }

    fn judge(facts: &Facts) -> Standing {
        match next(facts) {
            Err(standing) => standing,
            Ok(None) => Standing::satisfied(facts.describe()),
            Ok(Some(action)) => Standing::pending(action.describe(facts)),
        }
    }

    async fn act(cx: Context<'_>, _facts: &Facts, hands: &Hands<'_, Key>) -> Result<(), StepError> {
        // The Agent is only signaled, and starts a job when it comes to it (`sql-server.md` 1.2).
        let patience = Patience {
            not_shown: "see the history of the log-shipping jobs and the error logs (a copy job needs read on the share and write on the copy folder)",
            wait: None,
            shows: Some(cx.site.limits.settle),
        };
        send_by_looks(cx, hands, patience, || async {
            let facts = observe(cx).await;
            Ok(match next(&facts)? {
                Some(action) => to_do(&facts, &action),
                None => Next::Nothing("log shipping stands as it was".to_owned()),
            })
        })
        .await
    }
}

/// An action as what comes next.
fn to_do(facts: &Facts, action: &Action) -> Next<Key> {
    let Some((role, key, values)) = spell(facts, action) else {
        return Next::Wait(action.describe(facts));
    };
    Next::Send(Sending {
        what: action.describe(facts),
        to: Door::Sql(Instance::chat(role)),
        key,
        values,
    })
}

/// Where an action goes, which command it is, and its values.
fn spell(facts: &Facts, action: &Action) -> Option<(Role, Key, Values)> {
    let text = |name: &str, value: &str| (name.to_owned(), json!(value));
    let integer = |name: &str, value: i64| (name.to_owned(), json!(value));
    let flag =
        |name: &str, value: Option<bool>| (name.to_owned(), json!(i64::from(value == Some(true))));
    let wanted = facts.wanted.as_ref()?;
    Some(match action {
        Action::Wait(_) => return None,
        Action::FollowLog(path, position) => (
            Role::Backup,
            Key::FollowLog,
            Values::from([text("log", path), integer("position", *position)]),
        ),
        Action::AddPrimary(role) => {
            let row = &wanted.half(*role).row;
            let own = facts.server_name(*role).unwrap_or_default();
            let monitor = remote_monitor(row.monitor.as_ref(), own);
            let mut values = Values::from([
                text("directory", &row.directory),
                text("share", row.share.as_ref().unwrap_or(&row.directory)),
                text("backup_job", &wanted.half(*role).job.name),
                integer("retention", row.retention.unwrap_or(4320)),
                integer("compression", row.compression.unwrap_or(2)),
                integer("threshold", row.backup_threshold.unwrap_or(60)),
                integer("alert", row.threshold_alert.unwrap_or(14_420)),
                flag("alert_enabled", row.alert_enabled),
                integer("history", row.history_retention.unwrap_or(5760)),
            ]);
            values.extend(monitor.map(|monitor| text("monitor", monitor)));
            (*role, Key::AddPrimary(*role, monitor.is_some()), values)
        }
        Action::AddSchedule(role, job, schedule) => (
            *role,
            Key::AddSchedule(*role),
            schedule_values(job, schedule),
        ),
        Action::Enable(role, job, owner) => (
            *role,
            Key::Enable(*role),
            Values::from([text("job", job), text("owner", owner)]),
        ),
        Action::AddPointer(role, server, database) => (
            *role,
            Key::AddPointer(*role),
            Values::from([
                text("secondary_server", server),
                text("secondary_database", database),
            ]),
        ),
        Action::AddSecondary => {
            let row = &wanted.backup.row;
            let own = facts.server_name(Role::Backup).unwrap_or_default();
            let monitor = remote_monitor(row.monitor.as_ref(), own);
            let mut values = Values::from([
                text("primary_server", &row.primary_server),
                text("source", &row.source),
                text("destination", &row.destination),
                text("copy_job", &wanted.backup.copy.name),
                text("restore_job", &wanted.backup.restore.name),
                integer("retention", row.file_retention.unwrap_or(4320)),
            ]);
            values.extend(monitor.map(|monitor| text("monitor", monitor)));
            (Role::Backup, Key::AddSecondary(monitor.is_some()), values)
        }
        Action::AddSecondaryDatabase => {
            let row = &wanted.backup.row;
            let values = Values::from([
                text("primary_server", &row.primary_server),
                integer("delay", row.restore_delay.unwrap_or(0)),
                flag("all", row.restore_all.or(Some(true))),
                flag("mode", row.standby_mode),
                flag("disconnect", row.disconnect_users),
                integer("block_size", row.block_size.unwrap_or(-1)),
                integer("buffer_count", row.buffer_count.unwrap_or(-1)),
                integer("max_transfer_size", row.max_transfer_size.unwrap_or(-1)),
                integer("threshold", row.restore_threshold.unwrap_or(45)),
                integer("alert", row.threshold_alert.unwrap_or(14_421)),
                flag("alert_enabled", row.alert_enabled),
                integer("history", row.history_retention.unwrap_or(5760)),
            ]);
            (Role::Backup, Key::AddSecondaryDatabase, values)
        }
        Action::ToMirror => (Role::Primary, Key::ToMirror, Values::new()),
        Action::ToPrimary => (Role::PrimaryMirror, Key::ToPrimary, Values::new()),
        Action::Start(role, job, _) => (*role, Key::Start(*role), Values::from([text("job", job)])),
    })
}

fn schedule_values(job: &str, schedule: &Schedule) -> Values {
    let mut values = Values::from([
        ("job".to_owned(), json!(job)),
        ("schedule_name".to_owned(), json!(schedule.name)),
        ("enabled".to_owned(), json!(i64::from(schedule.enabled))),
    ]);
    for (name, value, default) in [
        ("freq_type", schedule.freq_type, 4),
        ("freq_interval", schedule.freq_interval, 1),
        ("freq_subday_type", schedule.freq_subday_type, 4),
        ("freq_subday_interval", schedule.freq_subday_interval, 15),
        ("freq_relative_interval", schedule.freq_relative_interval, 0),
        ("freq_recurrence_factor", schedule.freq_recurrence_factor, 0),
        ("start_date", schedule.active_start_date, 20_000_101),
        ("end_date", schedule.active_end_date, 99_991_231),
        ("start_time", schedule.active_start_time, 0),
        ("end_time", schedule.active_end_time, 235_959),
    ] {
        values.insert(name.to_owned(), json!(value.unwrap_or(default)));
    }
    values
}
