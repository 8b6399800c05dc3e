//! Tables of `msdb` about Agent jobs.

use super::{SID, View};
use crate::rehearsal::value::SqlType::{DateTime, Int, NVarChar, TinyInt};
use crate::rehearsal::value::{Datum, GUID, NAME, Relation, relation};
use crate::rehearsal::world::instance::SqlInstance;
use crate::rehearsal::world::msdb::JobKind;

/// The Agent session that runs; the one before it has the number below.
const AGENT_SESSION: i64 = 12;

impl View<'_> {
    pub(super) fn jobs(&self) -> Relation {
        relation! {
            for j in &self.instance.msdb.jobs;
            "job_id": GUID => j.id,
            "name": NAME => &j.name,
            "enabled": TinyInt => j.enabled,
            "description": NVarChar(Some(512)) => &j.description,
            "category_id": Int => j.kind.category_id(),
            "owner_sid": SID => SqlInstance::sid(&j.owner),
        }
    }

    pub(super) fn job_steps(&self) -> Relation {
        let jobs = self.instance.msdb.jobs.iter();
        relation! {
            for j in jobs.filter(|j| !j.step_name.is_empty());
            "job_id": GUID => j.id,
            "step_id": Int => 1,
            "step_name": NAME => &j.step_name,
            "subsystem": NVarChar(Some(40)) => j.kind.subsystem(),
            "command": NVarChar(None) => &j.command,
            "proxy_id": Int => Datum::Null,
            "database_name": NAME => Datum::Null,
        }
    }

    /// Who runs them: the instance itself is server 0 (`sql-server.md` 1.9).
    pub(super) fn job_servers(&self) -> Relation {
        let jobs = self.instance.msdb.jobs.iter();
        relation! {
            for j in jobs.filter(|j| j.targeted);
            "job_id": GUID => j.id,
            "server_id": Int => 0,
        }
    }

    pub(super) fn job_schedules(&self) -> Relation {
        let jobs = self.instance.msdb.jobs.iter();
        let rows = jobs.filter(|j| j.schedule.id > 0);
        relation! {
            for j in rows;
            "schedule_id": Int => j.schedule.id,
            "job_id": GUID => j.id,
            "next_run_date": Int => j.schedule.start_date,
            "next_run_time": Int => 0,
        }
    }

    pub(super) fn schedules(&self) -> Relation {
        let msdb = &self.instance.msdb;
        let attached = msdb.jobs.iter().map(|j| (&j.schedule, j.owner.as_str()));
        let loose = msdb.loose_schedules.iter().map(|s| (s, "sa"));
        let rows = attached.chain(loose).filter(|(s, _)| s.id > 0);
        relation! {
            for (s, owner) in rows;
            "schedule_id": Int => s.id,
            "name": NAME => &s.name,
            "owner_sid": SID => SqlInstance::sid(owner),
            "enabled": Int => s.enabled,
            "freq_type": Int => s.freq_type,
            "freq_interval": Int => s.freq_interval,
            "freq_subday_type": Int => s.freq_subday_type,
            "freq_subday_interval": Int => s.freq_subday_interval,
            "freq_relative_interval": Int => 0,
            "freq_recurrence_factor": Int => s.freq_recurrence_factor,
            "active_start_date": Int => s.start_date,
            "active_end_date": Int => s.end_date,
            "active_start_time": Int => s.start_time,
            "active_end_time": Int => s.end_time,
        }
    }

    pub(super) fn job_activity(&self) -> Relation {
        // Rows of earlier Agent sessions stay "running" for ever (`sql-server.md` 1.4).
        let rows = self.instance.msdb.jobs.iter().flat_map(|j| {
            [
                (
                    AGENT_SESSION - 1,
                    j.id,
                    Some(self.instance.agent_started),
                    None,
                ),
                (AGENT_SESSION, j.id, j.started, j.stopped),
            ]
        });
        relation! {
            for (session, job, started, stopped) in rows;
            "session_id": Int => session,
            "job_id": GUID => job,
            "start_execution_date": DateTime => started,
            "stop_execution_date": DateTime => stopped,
        }
    }

    pub(super) fn agent_sessions(&self) -> Relation {
        relation! {
            for session in [AGENT_SESSION - 1, AGENT_SESSION];
            "session_id": Int => session,
            "agent_start_date": DateTime => self.instance.agent_started,
        }
    }
}

pub(super) fn categories() -> Relation {
    relation! {
        for kind in [JobKind::Own, JobKind::Backup, JobKind::Copy, JobKind::Restore];
        "category_id": Int => kind.category_id(),
        "category_class": Int => 1,
        "category_type": TinyInt => 1,
        "name": NAME => kind.category(),
    }
}
