//! Log shipping and Agent procedures (`sql-server.md` 1.1, 1.2).

use super::batch::{Batch, Failure};
use super::messages::message;
use super::procedures::{Answer, Bound, argument, number};
use super::restore::login;
use crate::rehearsal::backup_set::Guid;
use crate::rehearsal::catalog::{guid_text, parse_guid};
use crate::rehearsal::value::{Datum, ServerError};
use crate::rehearsal::world::State;
use crate::rehearsal::world::instance::SqlInstance;
use crate::rehearsal::world::msdb::{
    Job, JobKind, Primary, Schedule, Secondary, SecondaryDatabase,
};

impl Batch<'_> {
    /// Runs a procedure that changes something.
    pub(super) fn change(&mut self, procedure: &str, bound: &Bound) -> Result<Answer, Failure> {
        let now = self.world.now();
        let (instance, spid) = (self.instance, self.spid);
        self.world.with(|state| {
            let answer = match procedure {
                "sp_start_job" | "sp_stop_job" => {
                    let server = server(state, instance)?;
                    let id = match find_job(server, bound) {
                        Ok(id) => id,
                        Err(error) => return Ok(Answer::refused(error)),
                    };
                    match signal(server, &id, procedure == "sp_start_job", spid) {
                        Err(error) => Answer::refused(error),
                        Ok(()) => {
                            if procedure == "sp_start_job" {
                                state.start_job(instance, &id, now);
                            } else {
                                state.stop_job(instance, &id, now);
                            }
                            Answer::default()
                        }
                    }
                }
                _ => {
                    let made = [state.guids.next(), state.guids.next(), state.guids.next()];
                    let server = server(state, instance)?;
                    run(server, procedure, bound, made, spid)
                }
            };
            Ok(answer)
        })
    }
}

fn server(
    state: &mut State,
    instance: crate::model::Instance,
) -> Result<&mut SqlInstance, Failure> {
    state
        .instances
        .get_mut(&instance)
        .ok_or_else(|| vec![message(596, &[])])
}

fn run(
    server: &mut SqlInstance,
    procedure: &str,
    bound: &Bound,
    made: [Guid; 3],
    spid: i64,
) -> Answer {
    let shipping = procedure.contains("log_shipping");
    if shipping && server.nameless {
        return Answer::refused(message(32053, &[]));
    }
    let outcome = match procedure {
        "sp_delete_log_shipping_secondary_database" => drop_secondary(server, bound),
        "sp_delete_log_shipping_secondary_primary" => drop_secondary_primary(server, bound),
        "sp_delete_log_shipping_primary_secondary" => drop_primary_secondary(server, bound),
        "sp_delete_log_shipping_primary_database" => drop_primary(server, bound),
        "sp_add_log_shipping_primary_database" => {
            return done(add_primary(server, bound, made, spid));
        }
        "sp_add_log_shipping_primary_secondary" => add_primary_secondary(server, bound),
        "sp_add_log_shipping_secondary_primary" => {
            return done(add_secondary_primary(server, bound, made, spid));
        }
        "sp_add_log_shipping_secondary_database" => add_secondary_database(server, bound),
        "sp_add_schedule" => return done(add_schedule(server, bound, made[0])),
        "sp_attach_schedule" => attach_schedule(server, bound),
        "sp_update_job" => update_job(server, bound),
        // The alert job watches thresholds; nothing here looks at it.
        _ => Ok(()),
    };
    done(outcome.map(|()| Vec::new()))
}

fn done(outcome: Result<Vec<(&'static str, Datum)>, ServerError>) -> Answer {
    match outcome {
        Ok(output) => Answer {
            output,
            ..Answer::default()
        },
        Err(error) => Answer::refused(error),
    }
}

fn needed(bound: &Bound, procedure: &str, name: &str) -> Result<String, ServerError> {
    argument(bound, name).ok_or_else(|| message(201, &[procedure, &format!("@{name}")]))
}

fn same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

fn drop_secondary(server: &mut SqlInstance, bound: &Bound) -> Result<(), ServerError> {
    let database = needed(
        bound,
        "sp_delete_log_shipping_secondary_database",
        "secondary_database",
    )?;
    let there = server
        .msdb
        .secondaries
        .iter()
        .any(|s| s.databases.iter().any(|d| same(&d.database, &database)));
    if !there {
        return Err(message(32014, &[&database]));
    }
    if server.monitor_dead && number(bound, "ignoreremotemonitor") != Some(1) {
        return Err(message(32054, &[]));
    }
    server.msdb.drop_secondary(&database);
    Ok(())
}

fn drop_secondary_primary(server: &mut SqlInstance, bound: &Bound) -> Result<(), ServerError> {
    let procedure = "sp_delete_log_shipping_secondary_primary";
    let from = needed(bound, procedure, "primary_server")?;
    let database = needed(bound, procedure, "primary_database")?;
    let Some(at) = server
        .msdb
        .secondaries
        .iter()
        .position(|s| same(&s.primary_server, &from) && same(&s.primary_database, &database))
    else {
        return Err(message(32023, &[&from, &database]));
    };
    let gone = server.msdb.secondaries.remove(at);
    server
        .msdb
        .jobs
        .retain(|j| j.id != gone.copy_job && j.id != gone.restore_job);
    Ok(())
}

fn primary<'s>(
    server: &'s mut SqlInstance,
    database: &str,
) -> Result<&'s mut Primary, ServerError> {
    server
        .msdb
        .primaries
        .iter_mut()
        .find(|p| same(&p.database, database))
        .ok_or_else(|| message(32010, &[database]))
}

fn drop_primary_secondary(server: &mut SqlInstance, bound: &Bound) -> Result<(), ServerError> {
    let procedure = "sp_delete_log_shipping_primary_secondary";
    let database = needed(bound, procedure, "primary_database")?;
    let to = needed(bound, procedure, "secondary_server")?;
    let copy = needed(bound, procedure, "secondary_database")?;
    primary(server, &database)?
        .secondaries
        .retain(|(s, d)| !(same(s, &to) && same(d, &copy)));
    Ok(())
}

fn drop_primary(server: &mut SqlInstance, bound: &Bound) -> Result<(), ServerError> {
    let database = needed(bound, "sp_delete_log_shipping_primary_database", "database")?;
    let found = primary(server, &database)?;
    if !found.secondaries.is_empty() {
        return Err(message(32011, &[&database]));
    }
    let job = found.job;
    server
        .msdb
        .primaries
        .retain(|p| !same(&p.database, &database));
    server.msdb.jobs.retain(|j| j.id != job);
    Ok(())
}

/// A job as the log-shipping procedures create it: disabled, without a schedule of its own.
fn new_job(
    kind: JobKind,
    id: Guid,
    owner_id: &Guid,
    name: String,
    server: &str,
    owner: String,
) -> Job {
    Job {
        id,
        name,
        kind,
        enabled: false,
        owner,
        command: format!(
            "\"C:\\Program Files\\Microsoft SQL Server\\130\\Tools\\Binn\\sqllogship.exe\" {} {} -server {server}",
            kind.flag(),
            guid_text(owner_id),
        ),
        schedule: Schedule::default(),
        started: None,
        stopped: None,
    }
}

type Output = Result<Vec<(&'static str, Datum)>, ServerError>;

fn add_primary(server: &mut SqlInstance, bound: &Bound, made: [Guid; 3], spid: i64) -> Output {
    let procedure = "sp_add_log_shipping_primary_database";
    let database = needed(bound, procedure, "database")?;
    let directory = needed(bound, procedure, "backup_directory")?;
    let share = needed(bound, procedure, "backup_share")?;
    let title = needed(bound, procedure, "backup_job_name")?;
    match server.database(&database) {
        None => return Err(message(911, &[&database])),
        Some(d) if d.model == 3 => return Err(message(32015, &[&database])),
        Some(_) => {}
    }
    let overwrite = number(bound, "overwrite") == Some(1);
    if let Ok(found) = primary(server, &database) {
        if !overwrite {
            return Err(message(32009, &[&database]));
        }
        let job = found.job;
        server
            .msdb
            .primaries
            .retain(|p| !same(&p.database, &database));
        server.msdb.jobs.retain(|j| j.id != job);
    }
    let [id, job, _] = made;
    let owner = login(server, spid);
    let name = server.server_name.clone();
    server
        .msdb
        .jobs
        .push(new_job(JobKind::Backup, job, &id, title, &name, owner));
    server.msdb.primaries.push(Primary {
        id,
        database,
        directory,
        share,
        retention: number(bound, "backup_retention_period").unwrap_or(1440),
        job,
        monitor_server: argument(bound, "monitor_server").unwrap_or(name),
        monitor_security: number(bound, "monitor_server_security_mode").unwrap_or(1) == 1,
        last_backup_file: None,
        last_backup: None,
        compression: number(bound, "backup_compression").unwrap_or(2),
        backup_threshold: number(bound, "backup_threshold").unwrap_or(60),
        threshold_alert_enabled: number(bound, "threshold_alert_enabled").unwrap_or(0) == 1,
        history_retention: number(bound, "history_retention_period").unwrap_or(1440),
        secondaries: Vec::new(),
    });
    Ok(vec![
        ("backup_job_id", Datum::Guid(job)),
        ("primary_id", Datum::Guid(id)),
    ])
}

fn add_primary_secondary(server: &mut SqlInstance, bound: &Bound) -> Result<(), ServerError> {
    let procedure = "sp_add_log_shipping_primary_secondary";
    let database = needed(bound, procedure, "primary_database")?;
    let to = needed(bound, procedure, "secondary_server")?;
    let copy = needed(bound, procedure, "secondary_database")?;
    let overwrite = number(bound, "overwrite") == Some(1);
    let found = primary(server, &database)?;
    let there = found
        .secondaries
        .iter()
        .any(|(s, d)| same(s, &to) && same(d, &copy));
    if there {
        return if overwrite {
            Ok(())
        } else {
            Err(message(32012, &[&to, &copy, &database]))
        };
    }
    found.secondaries.push((to, copy));
    Ok(())
}

fn add_secondary_primary(
    server: &mut SqlInstance,
    bound: &Bound,
    made: [Guid; 3],
    spid: i64,
) -> Output {
    let procedure = "sp_add_log_shipping_secondary_primary";
    let from = needed(bound, procedure, "primary_server")?;
    let database = needed(bound, procedure, "primary_database")?;
    let [id, copy, restore] = made;
    let row = Secondary {
        id,
        source: needed(bound, procedure, "backup_source_directory")?,
        destination: needed(bound, procedure, "backup_destination_directory")?,
        file_retention: number(bound, "file_retention_period").unwrap_or(14_420),
        copy_job: copy,
        restore_job: restore,
        monitor_server: argument(bound, "monitor_server")
            .unwrap_or_else(|| server.server_name.clone()),
        monitor_security: number(bound, "monitor_server_security_mode").unwrap_or(1) == 1,
        last_copied_file: None,
        last_copied: None,
        databases: Vec::new(),
        primary_server: from.clone(),
        primary_database: database.clone(),
    };
    let there = server
        .msdb
        .secondaries
        .iter()
        .any(|s| same(&s.primary_server, &from) && same(&s.primary_database, &database));
    if there {
        if number(bound, "overwrite") != Some(1) {
            return Err(message(32024, &[&from, &database]));
        }
        drop_secondary_primary(server, bound)?;
    }
    let owner = login(server, spid);
    let name = server.server_name.clone();
    for (kind, job, parameter) in [
        (JobKind::Copy, copy, "copy_job_name"),
        (JobKind::Restore, restore, "restore_job_name"),
    ] {
        let title = needed(bound, procedure, parameter)?;
        server
            .msdb
            .jobs
            .push(new_job(kind, job, &id, title, &name, owner.clone()));
    }
    server.msdb.secondaries.push(row);
    Ok(vec![
        ("copy_job_id", Datum::Guid(copy)),
        ("restore_job_id", Datum::Guid(restore)),
        ("secondary_id", Datum::Guid(id)),
    ])
}

fn add_secondary_database(server: &mut SqlInstance, bound: &Bound) -> Result<(), ServerError> {
    let procedure = "sp_add_log_shipping_secondary_database";
    let database = needed(bound, procedure, "secondary_database")?;
    let from = needed(bound, procedure, "primary_server")?;
    let source = needed(bound, procedure, "primary_database")?;
    let overwrite = number(bound, "overwrite") == Some(1);
    let Some(secondary) = server
        .msdb
        .secondaries
        .iter_mut()
        .find(|s| same(&s.primary_server, &from) && same(&s.primary_database, &source))
    else {
        return Err(message(32023, &[&from, &source]));
    };
    if secondary
        .databases
        .iter()
        .any(|d| same(&d.database, &database))
    {
        if !overwrite {
            return Err(message(32013, &[&database]));
        }
        secondary
            .databases
            .retain(|d| !same(&d.database, &database));
    }
    let flag = |name, default| number(bound, name).unwrap_or(default) == 1;
    secondary.databases.push(SecondaryDatabase {
        database,
        last_restored_file: None,
        last_restored: None,
        restore_delay: number(bound, "restore_delay").unwrap_or(0),
        restore_all: flag("restore_all", 1),
        standby: flag("restore_mode", 0),
        disconnect_users: flag("disconnect_users", 0),
        restore_threshold: number(bound, "restore_threshold").unwrap_or(45),
        threshold_alert_enabled: flag("threshold_alert_enabled", 0),
        history_retention: number(bound, "history_retention_period").unwrap_or(1440),
    });
    Ok(())
}

fn add_schedule(server: &mut SqlInstance, bound: &Bound, uid: Guid) -> Output {
    let name = needed(bound, "sp_add_schedule", "schedule_name")?;
    let id = server
        .msdb
        .loose_schedules
        .iter()
        .map(|s| s.id)
        .chain(server.msdb.jobs.iter().map(|j| j.schedule.id))
        .max()
        .unwrap_or(0)
        + 1;
    let value = |name, default| number(bound, name).unwrap_or(default);
    server.msdb.loose_schedules.push(Schedule {
        id,
        name,
        enabled: value("enabled", 1) == 1,
        freq_type: value("freq_type", 0),
        freq_interval: value("freq_interval", 0),
        freq_subday_type: value("freq_subday_type", 0),
        freq_subday_interval: value("freq_subday_interval", 0),
        freq_recurrence_factor: value("freq_recurrence_factor", 0),
        start_date: value("active_start_date", 20_000_101),
        end_date: value("active_end_date", 99_991_231),
        start_time: value("active_start_time", 0),
        end_time: value("active_end_time", 235_959),
    });
    Ok(vec![
        ("schedule_id", Datum::Int(id)),
        ("schedule_uid", Datum::Guid(uid)),
    ])
}

fn attach_schedule(server: &mut SqlInstance, bound: &Bound) -> Result<(), ServerError> {
    let job = find_job(server, bound)?;
    let id = number(bound, "schedule_id");
    let name = argument(bound, "schedule_name");
    let at = server.msdb.loose_schedules.iter().position(|s| {
        id == Some(s.id)
            || name
                .as_ref()
                .is_some_and(|n| id.is_none() && same(&s.name, n))
    });
    let Some(at) = at else {
        let shown = id.map(|i| i.to_string()).or(name).unwrap_or_default();
        return Err(message(14262, &["@schedule_id", &shown]));
    };
    let schedule = server.msdb.loose_schedules.remove(at);
    if let Some(job) = server.msdb.job_mut(&job) {
        job.schedule = schedule;
    }
    Ok(())
}

/// Errors: 14262.
fn find_job(server: &SqlInstance, bound: &Bound) -> Result<Guid, ServerError> {
    let id = match bound.get("job_id") {
        Some(Datum::Guid(guid)) => Some(*guid),
        Some(Datum::Text(text)) => parse_guid(text),
        _ => None,
    };
    let name = argument(bound, "job_name");
    server
        .msdb
        .jobs
        .iter()
        .find(|j| Some(j.id) == id || name.as_ref().is_some_and(|n| same(&j.name, n)))
        .map(|j| j.id)
        .ok_or_else(|| {
            let (what, shown) = match name {
                Some(name) => ("@job_name", name),
                None => ("@job_id", argument(bound, "job_id").unwrap_or_default()),
            };
            message(14262, &[what, &shown])
        })
}

fn update_job(server: &mut SqlInstance, bound: &Bound) -> Result<(), ServerError> {
    let id = find_job(server, bound)?;
    let enabled = number(bound, "enabled");
    let owner = argument(bound, "owner_login_name");
    if let Some(job) = server.msdb.job_mut(&id) {
        if let Some(enabled) = enabled {
            job.enabled = enabled == 1;
        }
        if let Some(owner) = owner {
            job.owner = owner;
        }
    }
    Ok(())
}

/// Every refusal by the Agent is 22022 (`sql-server.md` 1.2).
fn signal(server: &SqlInstance, id: &Guid, start: bool, spid: i64) -> Result<(), ServerError> {
    let user = login(server, spid);
    let Some(job) = server.msdb.job(id) else {
        return Ok(());
    };
    if !server.agent {
        let text =
            "SQLServerAgent is not currently running so it cannot be notified of this action.";
        return Err(message(22022, &[text]));
    }
    let refuse = |what: &str, why: &str| {
        Err(message(
            22022,
            &[&format!(
                "Request to {what} job {} (from User {user}) refused because the job {why}.",
                job.name
            )],
        ))
    };
    match (start, job.is_running()) {
        (true, true) => refuse("run", "is already running from a request by Schedule"),
        (false, false) => refuse("stop", "is not currently running"),
        _ => Ok(()),
    }
}
