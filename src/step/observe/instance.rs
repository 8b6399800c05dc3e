//! O1, O12, O13: who an instance is, its services, its mirroring endpoint.

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use super::{Observed, every, first, table};
use crate::access::Access;
use crate::access::sql::{Life, Query, Table};
use crate::model::{Instance, Problem};

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// `SERVERPROPERTY('ServerName')`: follows the machine.
    pub server_name: String,
    /// `@@SERVERNAME`: what the log-shipping rows join on; NULL after a botched rename.
    pub at_servername: Option<String>,
    /// Major version: 11 = 2012, 13 = 2016.
    pub major: u32,
    /// Whole version.
    pub version: String,
    /// 2 Standard, 3 Enterprise, 4 Express.
    pub edition: i64,
    /// Whether we are sysadmin there.
    pub sysadmin: bool,
}

impl Identity {
    /// Log-shipping procedures need both names, alike (32053, text join; `steps.md` 1.4).
    pub fn name_is_sound(&self) -> bool {
        self.at_servername
            .as_deref()
            .is_some_and(|name| name.eq_ignore_ascii_case(&self.server_name))
    }
}

/// Whether an instance is there. Only silence is death; one that refuses us is alive, and may serve
/// (`steps.md` 1.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// It says who it is.
    Answers(Identity),
    /// It is alive and does not let us look: a refused sign-in, TLS, a wait behind the connect, an
    /// answer that is none.
    Lives(Problem),
    /// Neither was seen: nobody says where it would be.
    Unseen(Problem),
    /// Nothing takes a connection there.
    Dead(Problem),
}

/// O1, of an instance that may be lost.
pub async fn presence(access: &Access, instance: Instance) -> Presence {
    let query = Query::plain(include_str!("../../sql/identity.sql"));
    match Box::pin(access.sql.read(instance, query)).await {
        Ok(table) => match read(Ok(table)) {
            Observed::Seen(identity) => Presence::Answers(identity),
            Observed::Absent | Observed::Unknown(_) => {
                Presence::Lives("the instance did not answer what was asked".into())
            }
        },
        Err(error) => match error.failure.life() {
            Life::Dead => Presence::Dead(error.into()),
            Life::Lives => Presence::Lives(error.into()),
            Life::Unknown => Presence::Unseen(error.into()),
        },
    }
}

/// O1.
pub async fn identity(access: &Access, instance: Instance) -> Observed<Identity> {
    let query = Query::plain(include_str!("../../sql/identity.sql"));
    read(table(access, instance, query).await)
}

fn read(answer: Result<Table, Problem>) -> Observed<Identity> {
    first(answer, |row| {
        let version = row.text("product_version")?;
        Some(Identity {
            server_name: row.text("server_name")?,
            at_servername: row.text("at_servername"),
            major: version.split('.').next()?.parse().ok()?,
            version,
            edition: row.int("engine_edition")?,
            sysadmin: row.bit("is_sysadmin") == Some(true),
        })
    })
}

/// What the clock of an instance's machine shows, its local time.
pub async fn clock(access: &Access, instance: Instance) -> Observed<DateTime> {
    let query = Query::plain(include_str!("../../sql/clock.sql"));
    first(table(access, instance, query).await, |row| {
        row.parse("now_local")
    })
}

/// A service of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// In the language of the setup: `SQL Server (…)`, `SQL Server-Agent (…)`.
    pub name: String,
    /// Whether it is the Agent, by its program.
    pub is_agent: bool,
    /// Whether it is the engine, by its program.
    pub is_engine: bool,
    /// 1 stopped, 4 running.
    pub status: i64,
    /// Its account.
    pub account: Option<String>,
}

/// O12.
pub async fn services(access: &Access, instance: Instance) -> Observed<Vec<Service>> {
    let answer = table(
        access,
        instance,
        Query::plain(include_str!("../../sql/services.sql")),
    )
    .await;
    every(answer, |row| {
        let program = row.text("filename").unwrap_or_default().to_lowercase();
        Some(Service {
            name: row.text("servicename")?,
            is_agent: program.contains("sqlagent.exe"),
            is_engine: program.contains("sqlservr.exe"),
            status: row.int("status")?,
            account: row.text("service_account"),
        })
    })
}

/// Account of an instance's Agent; `None` where it cannot be told.
pub fn agent_account(services: &Observed<Vec<Service>>) -> Option<&str> {
    let agent = services.seen()?.iter().find(|service| service.is_agent)?;
    agent.account.as_deref()
}

/// Whether the Agent runs; `None` where it cannot be told.
pub fn agent_runs(services: &Observed<Vec<Service>>) -> Option<bool> {
    let agent = services.seen()?.iter().find(|service| service.is_agent)?;
    Some(agent.status == 4)
}

/// A mirroring endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its name.
    pub name: String,
    /// True when STARTED.
    pub started: bool,
    /// TCP port.
    pub port: i64,
}

/// O13; absent when the instance has none (the set-up then makes one).
pub async fn endpoint(access: &Access, instance: Instance) -> Observed<Endpoint> {
    let answer = table(
        access,
        instance,
        Query::plain(include_str!("../../sql/endpoint.sql")),
    )
    .await;
    first(answer, |row| {
        Some(Endpoint {
            name: row.text("name")?,
            started: row.int("state")? == 0,
            port: row.int("port")?,
        })
    })
}
