//! Procedures that set up log shipping and take it down (`sql-server.md` 1.1, 1.8).

use super::procedures::{Bound, Output, same};
use super::restore::login;
use crate::rehearsal::backup_set::Guid;
use crate::rehearsal::message::message;
use crate::rehearsal::value::{Datum, ServerError};
use crate::rehearsal::world::instance::SqlInstance;
use crate::rehearsal::world::msdb::{
    Job, JobKind, Primary, Schedule, Secondary, SecondaryDatabase,
};

pub(super) fn drop_secondary(server: &mut SqlInstance, bound: &Bound) -> Output {
    let database = bound.needed("secondary_database")?;
    let mut databases = server.msdb.secondaries.iter().flat_map(|s| &s.databases);
    if !databases.any(|d| same(&d.database, &database)) {
        return Err(message(32014, &[&database]));
    }
    if let Some(number) = server.monitor_dead
        && bound.number("ignoreremotemonitor") != Some(1)
    {
        return Err(message(number, &[]));
    }
    server.msdb.drop_secondary(&database);
    Ok(Vec::new())
}

/// Where the secondary of a primary database is. Errors: 32023.
fn secondary(server: &SqlInstance, from: &str, database: &str) -> Result<usize, ServerError> {
    let is = |s: &Secondary| same(&s.primary_server, from) && same(&s.primary_database, database);
    let at = server.msdb.secondaries.iter().position(is);
    at.ok_or_else(|| message(32023, &[from, database]))
}

pub(super) fn drop_secondary_primary(server: &mut SqlInstance, bound: &Bound) -> Output {
    let from = bound.needed("primary_server")?;
    let at = secondary(server, &from, &bound.needed("primary_database")?)?;
    let gone = server.msdb.secondaries.remove(at);
    let jobs = &mut server.msdb.jobs;
    jobs.retain(|j| j.id != gone.copy_job && j.id != gone.restore_job);
    Ok(Vec::new())
}

/// Where a primary database is. Errors: 32010.
fn primary(server: &SqlInstance, database: &str) -> Result<usize, ServerError> {
    let mut primaries = server.msdb.primaries.iter();
    let at = primaries.position(|p| same(&p.database, database));
    at.ok_or_else(|| message(32010, &[database]))
}

pub(super) fn drop_primary_secondary(server: &mut SqlInstance, bound: &Bound) -> Output {
    let database = bound.needed("primary_database")?;
    let to = bound.needed("secondary_server")?;
    let copy = bound.needed("secondary_database")?;
    let at = primary(server, &database)?;
    let secondaries = &mut server.msdb.primaries[at].secondaries;
    secondaries.retain(|(s, d)| !(same(s, &to) && same(d, &copy)));
    Ok(Vec::new())
}

/// Takes a primary and its job away.
fn remove_primary(server: &mut SqlInstance, at: usize) {
    let gone = server.msdb.primaries.remove(at);
    server.msdb.jobs.retain(|j| j.id != gone.job);
}

pub(super) fn drop_primary(server: &mut SqlInstance, bound: &Bound) -> Output {
    let database = bound.needed("database")?;
    let at = primary(server, &database)?;
    if !server.msdb.primaries[at].secondaries.is_empty() {
        return Err(message(32011, &[&database]));
    }
    remove_primary(server, at);
    Ok(Vec::new())
}

/// Adds a job as the log-shipping procedures create it: disabled, without a schedule of its own.
fn add_job(
    server: &mut SqlInstance,
    kind: JobKind,
    id: Guid,
    owner_id: &Guid,
    name: String,
    spid: i64,
) {
    let job = Job {
        id,
        name,
        kind,
        enabled: false,
        owner: login(server, spid),
        description: "Log shipping".to_owned(),
        step_name: "Log shipping job step.".to_owned(),
        targeted: true,
        command: kind.command(owner_id, &server.server_name),
        schedule: Schedule::default(),
        started: None,
        stopped: None,
    };
    server.msdb.jobs.push(job);
}

pub(super) fn add_primary(
    server: &mut SqlInstance,
    bound: &Bound,
    made: [Guid; 3],
    spid: i64,
) -> Output {
    let database = bound.needed("database")?;
    let directory = bound.needed("backup_directory")?;
    let share = bound.needed("backup_share")?;
    let title = bound.needed("backup_job_name")?;
    match server.database(&database) {
        None => return Err(message(911, &[&database])),
        Some(d) if d.model == 3 => return Err(message(32015, &[&database])),
        Some(_) => {}
    }
    if let Ok(at) = primary(server, &database) {
        if !bound.flag("overwrite", false) {
            return Err(message(32009, &[&database]));
        }
        remove_primary(server, at);
    }
    let [id, job, _] = made;
    add_job(server, JobKind::Backup, job, &id, title, spid);
    let monitor = bound.text("monitor_server");
    server.msdb.primaries.push(Primary {
        id,
        database,
        directory,
        share,
        retention: bound.number_or("backup_retention_period", 1440),
        job,
        monitor_server: monitor.unwrap_or_else(|| server.server_name.clone()),
        monitor_security: bound.flag("monitor_server_security_mode", true),
        last_backup_file: None,
        last_backup: None,
        compression: bound.number_or("backup_compression", 2),
        backup_threshold: bound.number_or("backup_threshold", 60),
        threshold_alert_enabled: bound.flag("threshold_alert_enabled", false),
        history_retention: bound.number_or("history_retention_period", 1440),
        secondaries: Vec::new(),
    });
    Ok(vec![
        ("backup_job_id", Datum::Guid(job)),
        ("primary_id", Datum::Guid(id)),
    ])
}

pub(super) fn add_primary_secondary(server: &mut SqlInstance, bound: &Bound) -> Output {
    let database = bound.needed("primary_database")?;
    let to = bound.needed("secondary_server")?;
    let copy = bound.needed("secondary_database")?;
    let at = primary(server, &database)?;
    let secondaries = &mut server.msdb.primaries[at].secondaries;
    if !secondaries
        .iter()
        .any(|(s, d)| same(s, &to) && same(d, &copy))
    {
        secondaries.push((to, copy));
    } else if !bound.flag("overwrite", false) {
        return Err(message(32012, &[&to, &copy, &database]));
    }
    Ok(Vec::new())
}

pub(super) fn add_secondary_primary(
    server: &mut SqlInstance,
    bound: &Bound,
    made: [Guid; 3],
    spid: i64,
) -> Output {
    let from = bound.needed("primary_server")?;
    let database = bound.needed("primary_database")?;
    let [id, copy, restore] = made;
    let monitor = bound.text("monitor_server");
    let row = Secondary {
        id,
        source: bound.needed("backup_source_directory")?,
        destination: bound.needed("backup_destination_directory")?,
        file_retention: bound.number_or("file_retention_period", 14_420),
        copy_job: copy,
        restore_job: restore,
        monitor_server: monitor.unwrap_or_else(|| server.server_name.clone()),
        monitor_security: bound.flag("monitor_server_security_mode", true),
        last_copied_file: None,
        last_copied: None,
        databases: Vec::new(),
        primary_server: from.clone(),
        primary_database: database.clone(),
    };
    if secondary(server, &from, &database).is_ok() {
        if !bound.flag("overwrite", false) {
            return Err(message(32024, &[&from, &database]));
        }
        drop_secondary_primary(server, bound)?;
    }
    for (kind, job, title) in [
        (JobKind::Copy, copy, "copy_job_name"),
        (JobKind::Restore, restore, "restore_job_name"),
    ] {
        add_job(server, kind, job, &id, bound.needed(title)?, spid);
    }
    server.msdb.secondaries.push(row);
    Ok(vec![
        ("copy_job_id", Datum::Guid(copy)),
        ("restore_job_id", Datum::Guid(restore)),
        ("secondary_id", Datum::Guid(id)),
    ])
}

pub(super) fn add_secondary_database(server: &mut SqlInstance, bound: &Bound) -> Output {
    let database = bound.needed("secondary_database")?;
    let from = bound.needed("primary_server")?;
    let at = secondary(server, &from, &bound.needed("primary_database")?)?;
    let databases = &mut server.msdb.secondaries[at].databases;
    let is = |d: &SecondaryDatabase| same(&d.database, &database);
    if databases.iter().any(is) && !bound.flag("overwrite", false) {
        return Err(message(32013, &[&database]));
    }
    databases.retain(|d| !is(d));
    databases.push(SecondaryDatabase {
        database,
        last_restored_file: None,
        last_restored: None,
        restore_delay: bound.number_or("restore_delay", 0),
        restore_all: bound.flag("restore_all", true),
        standby: bound.flag("restore_mode", false),
        disconnect_users: bound.flag("disconnect_users", false),
        restore_threshold: bound.number_or("restore_threshold", 45),
        threshold_alert_enabled: bound.flag("threshold_alert_enabled", false),
        history_retention: bound.number_or("history_retention_period", 1440),
    });
    Ok(Vec::new())
}
