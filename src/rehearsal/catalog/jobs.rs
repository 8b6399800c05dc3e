//! Tables of `msdb` about Agent jobs.

use super::{NAME, SID, View, maybe, number, relation, text};
use crate::rehearsal::value::{Datum, Relation, SqlType};
use crate::rehearsal::world::instance::SqlInstance;
use crate::rehearsal::world::msdb::JobKind;

/// The Agent session that runs; the one before it has the number below.
const AGENT_SESSION: i64 = 12;

const GUID: SqlType = SqlType::UniqueIdentifier;

impl View<'_> {
    pub(super) fn jobs(&self) -> Relation {
        let rows = self.instance.msdb.jobs.iter().map(|j| {
            vec![
                Datum::Guid(j.id),
                text(&j.name),
                number(i64::from(j.enabled)),
                text("Log shipping"),
                number(j.kind.category_id()),
                Datum::Bytes(SqlInstance::sid(&j.owner)),
            ]
        });
        relation(
            &[
                ("job_id", GUID),
                ("name", NAME),
                ("enabled", SqlType::TinyInt),
                ("description", SqlType::NVarChar(Some(512))),
                ("category_id", SqlType::Int),
                ("owner_sid", SID),
            ],
            rows.collect(),
        )
    }

    pub(super) fn job_steps(&self) -> Relation {
        let rows = self.instance.msdb.jobs.iter().map(|j| {
            vec![
                Datum::Guid(j.id),
                number(1),
                text("Log shipping job step."),
                text("CmdExec"),
                text(&j.command),
                Datum::Null,
                Datum::Null,
            ]
        });
        relation(
            &[
                ("job_id", GUID),
                ("step_id", SqlType::Int),
                ("step_name", NAME),
                ("subsystem", SqlType::NVarChar(Some(40))),
                ("command", SqlType::NVarChar(None)),
                ("proxy_id", SqlType::Int),
                ("database_name", NAME),
            ],
            rows.collect(),
        )
    }

    pub(super) fn job_schedules(&self) -> Relation {
        let rows = self
            .instance
            .msdb
            .jobs
            .iter()
            .filter(|j| j.schedule.id > 0)
            .map(|j| {
                vec![
                    number(j.schedule.id),
                    Datum::Guid(j.id),
                    number(j.schedule.start_date),
                    number(0),
                ]
            });
        relation(
            &[
                ("schedule_id", SqlType::Int),
                ("job_id", GUID),
                ("next_run_date", SqlType::Int),
                ("next_run_time", SqlType::Int),
            ],
            rows.collect(),
        )
    }

    pub(super) fn schedules(&self) -> Relation {
        let msdb = &self.instance.msdb;
        let attached = msdb.jobs.iter().map(|j| (&j.schedule, j.owner.as_str()));
        let loose = msdb.loose_schedules.iter().map(|s| (s, "sa"));
        let rows = attached
            .chain(loose)
            .filter(|(s, _)| s.id > 0)
            .map(|(s, owner)| {
                vec![
                    number(s.id),
                    text(&s.name),
                    Datum::Bytes(SqlInstance::sid(owner)),
                    number(i64::from(s.enabled)),
                    number(s.freq_type),
                    number(s.freq_interval),
                    number(s.freq_subday_type),
                    number(s.freq_subday_interval),
                    number(0),
                    number(s.freq_recurrence_factor),
                    number(s.start_date),
                    number(s.end_date),
                    number(s.start_time),
                    number(s.end_time),
                ]
            });
        relation(
            &[
                ("schedule_id", SqlType::Int),
                ("name", NAME),
                ("owner_sid", SID),
                ("enabled", SqlType::Int),
                ("freq_type", SqlType::Int),
                ("freq_interval", SqlType::Int),
                ("freq_subday_type", SqlType::Int),
                ("freq_subday_interval", SqlType::Int),
                ("freq_relative_interval", SqlType::Int),
                ("freq_recurrence_factor", SqlType::Int),
                ("active_start_date", SqlType::Int),
                ("active_end_date", SqlType::Int),
                ("active_start_time", SqlType::Int),
                ("active_end_time", SqlType::Int),
            ],
            rows.collect(),
        )
    }

    pub(super) fn job_activity(&self) -> Relation {
        let mut rows = Vec::new();
        for j in &self.instance.msdb.jobs {
            // Rows of earlier Agent sessions stay "running" for ever (`sql-server.md` 1.4).
            rows.push(vec![
                number(AGENT_SESSION - 1),
                Datum::Guid(j.id),
                Datum::DateTime(self.instance.agent_started),
                Datum::Null,
            ]);
            rows.push(vec![
                number(AGENT_SESSION),
                Datum::Guid(j.id),
                maybe(j.started, Datum::DateTime),
                maybe(j.stopped, Datum::DateTime),
            ]);
        }
        relation(
            &[
                ("session_id", SqlType::Int),
                ("job_id", GUID),
                ("start_execution_date", SqlType::DateTime),
                ("stop_execution_date", SqlType::DateTime),
            ],
            rows,
        )
    }

    pub(super) fn agent_sessions(&self) -> Relation {
        let at = Datum::DateTime(self.instance.agent_started);
        relation(
            &[
                ("session_id", SqlType::Int),
                ("agent_start_date", SqlType::DateTime),
            ],
            vec![
                vec![number(AGENT_SESSION - 1), at.clone()],
                vec![number(AGENT_SESSION), at],
            ],
        )
    }
}

pub(super) fn categories() -> Relation {
    let rows = [JobKind::Backup, JobKind::Copy, JobKind::Restore]
        .into_iter()
        .map(|kind| {
            vec![
                number(kind.category_id()),
                number(1),
                number(1),
                text(kind.category()),
            ]
        });
    relation(
        &[
            ("category_id", SqlType::Int),
            ("category_class", SqlType::Int),
            ("category_type", SqlType::TinyInt),
            ("name", NAME),
        ],
        rows.collect(),
    )
}
