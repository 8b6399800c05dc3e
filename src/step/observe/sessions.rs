//! O10, O11: who holds a database.

use serde::{Deserialize, Serialize};

use super::{Observed, every, table};
use crate::access::Access;
use crate::access::sql::Query;
use crate::model::{DatabaseName, Instance};

/// A session on an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Session id; may be used again after its end.
    pub session: i64,
    /// When it signed in: with the id, who it is.
    pub login_time: String,
    /// Login.
    pub login: Option<String>,
    /// Machine, as the client says.
    pub host: Option<String>,
    /// Program, as the client says.
    pub program: Option<String>,
}

impl Holder {
    /// `57 (LITWARE\svc from pc1, ChannelService)`.
    pub fn describe(&self) -> String {
        let or = |text: &Option<String>| text.clone().unwrap_or_else(|| "?".to_owned());
        format!(
            "{} ({} from {}, {})",
            self.session,
            or(&self.login),
            or(&self.host),
            or(&self.program).trim()
        )
    }
}

/// A RESTORE that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningRestore {
    /// Who runs it.
    pub by: Holder,
    /// `RESTORE LOG`, …
    pub command: String,
    /// Percent complete.
    pub percent: i64,
}

fn holder(row: crate::access::sql::Row<'_>) -> Option<Holder> {
    Some(Holder {
        session: row.int("session_id")?,
        login_time: row.text("login_time")?,
        login: row.text("login_name"),
        host: row.text("host_name"),
        program: row.text("program_name"),
    })
}

/// O10: every RESTORE that holds the database now.
pub async fn restores(
    access: &Access,
    instance: Instance,
    name: &DatabaseName,
) -> Observed<Vec<RunningRestore>> {
    let query = Query::of(include_str!("../../sql/restores.sql"), name.as_str());
    every(table(access, instance, query).await, |row| {
        #[expect(clippy::cast_possible_truncation, reason = "0 to 100")]
        let percent = row.float("percent_complete").unwrap_or(0.0) as i64;
        Some(RunningRestore {
            by: holder(row)?,
            command: row.text("command")?,
            percent,
        })
    })
}

/// O11: every session that holds the database, ours excepted.
pub async fn sessions(
    access: &Access,
    instance: Instance,
    name: &DatabaseName,
) -> Observed<Vec<Holder>> {
    let query = Query::of(include_str!("../../sql/sessions.sql"), name.as_str());
    every(table(access, instance, query).await, holder)
}

/// What a session's `host_name` shows of a machine, lower case: the client's `NetBIOS` name, which has 15
/// characters at most (`sql-server.md` 3.1, `steps.md` 2). Clients are free to send the whole name.
pub(in crate::step) fn machine(name: &str) -> String {
    let label = name.split('.').next().unwrap_or(name);
    label.chars().take(15).collect::<String>().to_lowercase()
}

/// True for a session from one of these machines.
pub(in crate::step) fn is_from(holder: &Holder, machines: &[impl AsRef<str>]) -> bool {
    holder.host.as_deref().map(machine).is_some_and(|host| {
        let mut machines = machines.iter();
        machines.any(|name| machine(name.as_ref()) == host)
    })
}
