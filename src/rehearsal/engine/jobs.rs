//! Procedures that change something; here those of the Agent (`sql-server.md` 1.2), log shipping is
//! in [`super::shipping`].

mod own;

use super::batch::{Batch, Failure};
use super::procedures::{Answer, Bound, Output, same};
use super::restore::login;
use super::shipping::{
    add_primary, add_primary_secondary, add_secondary_database, add_secondary_primary,
    drop_primary, drop_primary_secondary, drop_secondary, drop_secondary_primary,
};
use crate::rehearsal::backup_set::Guid;
use crate::rehearsal::hex::{guid_text, parse_guid};
use crate::rehearsal::message::message;
use crate::rehearsal::value::{Datum, ServerError};
use crate::rehearsal::world::instance::SqlInstance;
use crate::rehearsal::world::msdb::Schedule;

impl Batch<'_> {
    /// Runs a procedure that changes something.
    pub(super) fn change(&mut self, procedure: &str, bound: &Bound) -> Result<Answer, Failure> {
        let now = self.world.now();
        let (instance, spid) = (self.instance, self.spid);
        self.world.with(|state| {
            if !matches!(procedure, "sp_start_job" | "sp_stop_job") {
                let made = [state.guids.next(), state.guids.next(), state.guids.next()];
                let answer = run(
                    state.instance(instance).map_err(|e| vec![e])?,
                    procedure,
                    bound,
                    made,
                    spid,
                );
                if matches!(procedure, "sp_attach_schedule" | "sp_add_jobschedule")
                    && let Ok(job) = find_job(state.instance(instance).map_err(|e| vec![e])?, bound)
                {
                    state.arm(instance, &job, now);
                }
                return Ok(answer);
            }
            let start = procedure == "sp_start_job";
            let server = state.instance(instance).map_err(|e| vec![e])?;
            let id = find_job(server, bound)
                .and_then(|id| signal(server, &id, start, spid).map(|()| id));
            Ok(match id {
                Err(error) => Answer::refused(error),
                Ok(id) => {
                    if start {
                        state.ask_to_start(instance, id, now);
                    } else {
                        state.stop_job(instance, &id, now);
                    }
                    Answer::default()
                }
            })
        })
    }
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
        "sp_add_log_shipping_primary_database" => add_primary(server, bound, made, spid),
        "sp_add_log_shipping_primary_secondary" => add_primary_secondary(server, bound),
        "sp_add_log_shipping_secondary_primary" => add_secondary_primary(server, bound, made, spid),
        "sp_add_log_shipping_secondary_database" => add_secondary_database(server, bound),
        "sp_add_schedule" => add_schedule(server, bound, made[0]),
        "sp_attach_schedule" => attach_schedule(server, bound),
        "sp_add_job" => own::add_job(server, bound, made[0], spid),
        "sp_add_jobstep" => own::add_step(server, bound),
        "sp_add_jobschedule" => own::add_schedule(server, bound, made[0]),
        "sp_add_jobserver" => own::add_server(server, bound),
        "sp_update_job" => update_job(server, bound),
        "sp_delete_job" => delete_job(server, bound),
        // The alert job watches thresholds; nothing here looks at it.
        _ => Ok(Vec::new()),
    };
    match outcome {
        Ok(output) => Answer {
            output,
            ..Answer::default()
        },
        Err(error) => Answer::refused(error),
    }
}

fn add_schedule(server: &mut SqlInstance, bound: &Bound, uid: Guid) -> Output {
    let name = bound.needed("schedule_name")?;
    let schedule = schedule(server, bound, name);
    let id = schedule.id;
    server.msdb.loose_schedules.push(schedule);
    Ok(vec![
        ("schedule_id", Datum::Int(id)),
        ("schedule_uid", Datum::Guid(uid)),
    ])
}

/// A schedule with the next free number.
fn schedule(server: &SqlInstance, bound: &Bound, name: String) -> Schedule {
    let id = server
        .msdb
        .loose_schedules
        .iter()
        .map(|s| s.id)
        .chain(server.msdb.jobs.iter().map(|j| j.schedule.id))
        .max()
        .unwrap_or(0)
        + 1;
    Schedule {
        id,
        name,
        enabled: bound.flag("enabled", true),
        freq_type: bound.number_or("freq_type", 0),
        freq_interval: bound.number_or("freq_interval", 0),
        freq_subday_type: bound.number_or("freq_subday_type", 0),
        freq_subday_interval: bound.number_or("freq_subday_interval", 0),
        freq_recurrence_factor: bound.number_or("freq_recurrence_factor", 0),
        start_date: bound.number_or("active_start_date", 20_000_101),
        end_date: bound.number_or("active_end_date", 99_991_231),
        start_time: bound.number_or("active_start_time", 0),
        end_time: bound.number_or("active_end_time", 235_959),
    }
}

fn attach_schedule(server: &mut SqlInstance, bound: &Bound) -> Output {
    let job = find_job(server, bound)?;
    let id = bound.number("schedule_id");
    let name = bound.text("schedule_name");
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
    Ok(Vec::new())
}

/// Errors: 14262.
fn find_job(server: &SqlInstance, bound: &Bound) -> Result<Guid, ServerError> {
    let id = match bound.get("job_id") {
        Some(Datum::Guid(guid)) => Some(*guid),
        Some(Datum::Text(text)) => parse_guid(text),
        _ => None,
    };
    let name = bound.text("job_name");
    server
        .msdb
        .jobs
        .iter()
        .find(|j| Some(j.id) == id || name.as_ref().is_some_and(|n| same(&j.name, n)))
        .map(|j| j.id)
        .ok_or_else(|| {
            let (what, shown) = match name {
                Some(name) => ("@job_name", name),
                None => ("@job_id", bound.text("job_id").unwrap_or_default()),
            };
            message(14262, &[what, &shown])
        })
}

fn update_job(server: &mut SqlInstance, bound: &Bound) -> Output {
    let id = find_job(server, bound)?;
    let enabled = bound.number("enabled");
    let owner = bound.text("owner_login_name");
    if let Some(job) = server.msdb.job_mut(&id) {
        if let Some(enabled) = enabled {
            job.enabled = enabled == 1;
        }
        if let Some(owner) = owner {
            job.owner = owner;
        }
    }
    Ok(Vec::new())
}

/// The job goes, and its schedule with it unless that is to be kept; a run of it goes on, and what log
/// shipping notes of it stays (`sql-server.md` 1.2).
fn delete_job(server: &mut SqlInstance, bound: &Bound) -> Output {
    let id = find_job(server, bound)?;
    let at = server.msdb.jobs.iter().position(|it| it.id == id);
    if let Some(at) = at {
        let gone = server.msdb.jobs.remove(at);
        if !bound.flag("delete_unused_schedule", true) {
            server.msdb.loose_schedules.push(gone.schedule);
        }
    }
    Ok(Vec::new())
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
    if start && !job.targeted {
        return Err(message(14256, &[&job.name, &guid_text(id)]));
    }
    match (start, job.is_running()) {
        (true, true) => refuse("run", "is already running from a request by Schedule"),
        (false, false) => refuse("stop", "is not currently running"),
        _ => Ok(()),
    }
}
