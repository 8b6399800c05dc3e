//! Jobs of somebody's own: made in four calls, run by the Agent once they have a server
//! (`sql-server.md` 1.9).

use super::{find_job, schedule};
use crate::rehearsal::backup_set::Guid;
use crate::rehearsal::engine::procedures::{Bound, Output, same};
use crate::rehearsal::engine::restore::login;
use crate::rehearsal::message::message;
use crate::rehearsal::value::Datum;
use crate::rehearsal::world::instance::SqlInstance;
use crate::rehearsal::world::msdb::{Job, JobKind, Schedule};

/// Errors: 201, 14261.
pub(super) fn add_job(server: &mut SqlInstance, bound: &Bound, id: Guid, spid: i64) -> Output {
    let name = bound.needed("job_name")?.trim().to_owned();
    if server.msdb.jobs.iter().any(|job| same(&job.name, &name)) {
        return Err(message(14261, &["@name", &name]));
    }
    let owner = bound.text("owner_login_name");
    server.msdb.jobs.push(Job {
        id,
        name,
        kind: JobKind::Own,
        enabled: bound.flag("enabled", true),
        owner: owner.unwrap_or_else(|| login(server, spid)),
        description: bound
            .text("description")
            .unwrap_or_else(|| "No description available.".to_owned()),
        step_name: String::new(),
        command: String::new(),
        targeted: false,
        schedule: Schedule::default(),
        started: None,
        stopped: None,
    });
    Ok(vec![("job_id", Datum::Guid(id))])
}

/// One step a job, of T-SQL: more is not known here. Errors: 201, 14262, 14261.
pub(super) fn add_step(server: &mut SqlInstance, bound: &Bound) -> Output {
    let id = find_job(server, bound)?;
    let name = bound.needed("step_name")?;
    let command = bound.text("command").unwrap_or_default();
    let subsystem = bound.text("subsystem");
    let Some(job) = server.msdb.job_mut(&id) else {
        return Ok(Vec::new());
    };
    if same(&job.step_name, &name) {
        return Err(message(14261, &["@step_name", &name]));
    }
    if !job.step_name.is_empty() || !subsystem.is_none_or(|it| same(&it, "TSQL")) {
        return Err(message(102, &["a second step, or one that is not T-SQL"]));
    }
    job.step_name = name;
    job.command = command;
    Ok(Vec::new())
}

/// One schedule a job. Errors: 201, 14262.
pub(super) fn add_schedule(server: &mut SqlInstance, bound: &Bound, uid: Guid) -> Output {
    let id = find_job(server, bound)?;
    let added = schedule(server, bound, bound.needed("name")?);
    let number = added.id;
    let Some(job) = server.msdb.job_mut(&id) else {
        return Ok(Vec::new());
    };
    if job.schedule.id > 0 {
        return Err(message(102, &["a second schedule of a job"]));
    }
    job.schedule = added;
    Ok(vec![
        ("schedule_id", Datum::Int(number)),
        ("schedule_uid", Datum::Guid(uid)),
    ])
}

/// The instance itself runs it from here on. Errors: 14262, 14269.
pub(super) fn add_server(server: &mut SqlInstance, bound: &Bound) -> Output {
    let id = find_job(server, bound)?;
    let own = server.server_name.clone();
    if let Some(target) = bound.text("server_name")
        && !same(&target, "(LOCAL)")
        && !same(&target, &own)
    {
        return Err(message(14262, &["@server_name", &target]));
    }
    let Some(job) = server.msdb.job_mut(&id) else {
        return Ok(Vec::new());
    };
    if job.targeted {
        return Err(message(14269, &[&job.name, &own]));
    }
    job.targeted = true;
    Ok(Vec::new())
}
