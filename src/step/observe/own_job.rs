//! The job of log backups, as an instance has it (`sql-server.md` 1.9).

use serde::Serialize;

use super::{Observed, every, table};
use crate::access::Access;
use crate::access::sql::Query;
use crate::model::Instance;

/// Who a job belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// The login of SID 0x01, whatever it is called.
    Sa,
    /// Another one.
    Other,
}

/// The job as an instance has it: a row for each step, schedule and server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Whether its schedule counts.
    pub enabled: bool,
    /// By which it is known whose it is.
    pub description: Option<String>,
    /// With whose rights its step runs.
    pub owner: Owner,
    /// What its step does; `None` where it has none.
    pub command: Option<String>,
    /// Its schedule: enabled, kind, unit, every so many of it.
    pub schedule: Option<[i64; 4]>,
    /// The Agent runs it.
    pub targeted: bool,
    /// Started and not stopped, in the newest Agent session.
    pub runs: bool,
}

/// The rows of the job of that name; none where there is no such job.
pub async fn own_job(access: &Access, at: Instance, name: &str) -> Observed<Vec<Row>> {
    let query = Query::of(include_str!("../../sql/own_job.sql"), name);
    every(table(access, at, query).await, |row| {
        let schedule = [
            row.int("scheduled"),
            row.int("freq_type"),
            row.int("freq_subday_type"),
            row.int("freq_subday_interval"),
        ];
        Some(Row {
            enabled: row.bit("enabled")?,
            description: row.text("description"),
            owner: match row.int("owned_by_sa") {
                Some(1) => Owner::Sa,
                _ => Owner::Other,
            },
            command: row.text("command"),
            schedule: match schedule {
                [Some(on), Some(kind), Some(unit), Some(every)] => Some([on, kind, unit, every]),
                _ => None,
            },
            targeted: row.int("server_id").is_some(),
            runs: row.text("started").is_some() && row.text("stopped").is_none(),
        })
    })
}
