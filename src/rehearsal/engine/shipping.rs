//! Procedures that set up log shipping and take it down (`sql-server.md` 1.1, 1.8).

use super::procedures::{Bound, Output, argument, needed, number, same};
use super::restore::login;
use crate::rehearsal::backup_set::Guid;
use crate::rehearsal::hex::guid_text;
use crate::rehearsal::message::message;
use crate::rehearsal::value::{Datum, ServerError};
use crate::rehearsal::world::instance::SqlInstance;
use crate::rehearsal::world::msdb::{
    Job, JobKind, Primary, Schedule, Secondary, SecondaryDatabase,
};

pub(super) fn drop_secondary(server: &mut SqlInstance, bound: &Bound) -> Result<(), ServerError> {
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

pub(super) fn drop_secondary_primary(
    server: &mut SqlInstance,
    bound: &Bound,
) -> Result<(), ServerError> {
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

pub(super) fn drop_primary_secondary(
    server: &mut SqlInstance,
    bound: &Bound,
) -> Result<(), ServerError> {
    let procedure = "sp_delete_log_shipping_primary_secondary";
    let database = needed(bound, procedure, "primary_database")?;
    let to = needed(bound, procedure, "secondary_server")?;
    let copy = needed(bound, procedure, "secondary_database")?;
    primary(server, &database)?
        .secondaries
        .retain(|(s, d)| !(same(s, &to) && same(d, &copy)));
    Ok(())
}

pub(super) fn drop_primary(server: &mut SqlInstance, bound: &Bound) -> Result<(), ServerError> {
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

pub(super) fn add_primary(
    server: &mut SqlInstance,
    bound: &Bound,
    made: [Guid; 3],
    spid: i64,
) -> Output {
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

pub(super) fn add_primary_secondary(
    server: &mut SqlInstance,
    bound: &Bound,
) -> Result<(), ServerError> {
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

pub(super) fn add_secondary_primary(
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

pub(super) fn add_secondary_database(
    server: &mut SqlInstance,
    bound: &Bound,
) -> Result<(), ServerError> {
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
