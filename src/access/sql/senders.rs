//! Whose sessions are whose. A run tags its sessions in their program name, so that another run can
//! tell them from all others, end them, and see them gone (`design.md` 3, rule 17): a lock that they
//! lost does not keep a statement from arriving that was sent before.

use std::fmt;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::error::{Failure, Fate, SqlError};
use super::{Query, SqlDoor};
use crate::model::{Fqdn, Instance, quote};

/// Between two looks.
const POLL: Duration = Duration::from_secs(1);

/// Of which site, run and execution the sessions of a door are; of none: they only read.
pub(super) struct Tag {
    site: Option<String>,
    run: Option<String>,
    execution: String,
}

impl Default for Tag {
    fn default() -> Self {
        Self {
            site: None,
            run: None,
            execution: "-".to_owned(),
        }
    }
}

/// A session of another run of this site, or of another execution of the same run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// Its session id.
    pub spid: i64,
    /// Its machine.
    pub host: String,
    /// Its login.
    pub login: String,
    /// Its program, which names the run.
    pub program: String,
    /// Since when it is signed in, by the clock of the server.
    pub login_time: String,
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            spid,
            host,
            login,
            program,
            login_time,
        } = self;
        write!(
            f,
            "session {spid} of {login} on {host} ({program}, signed in {login_time})"
        )
    }
}

/// Why sessions of other runs were not seen gone.
#[derive(Clone, Debug, PartialEq)]
pub enum StillThere {
    /// They were told to end, and are there past the limit.
    Senders(Vec<Sender>),
    /// They could not be looked for.
    Unseen(Box<SqlError>),
}

impl SqlDoor {
    /// The same door for one execution of this program: no other has this number.
    #[must_use]
    pub fn of_execution(self, execution: u64) -> Self {
        self.tagged(|tag| tag.execution = format!("{execution:08x}"));
        self
    }

    /// From here on its sessions are those of a run of this site, of one that is not known yet where
    /// none is named. Sessions that are open stay what they are.
    pub fn write_for(&self, pool: &Fqdn, run: Option<&str>) {
        self.tagged(|tag| {
            tag.site = Some(site_key(pool));
            tag.run = run.map(str::to_owned);
        });
    }

    /// Which run and execution of this program it is: as no other calls itself.
    pub fn writer(&self) -> String {
        self.tagged(|tag| {
            let run = tag.run.as_deref().unwrap_or("-");
            format!("{run} {}", tag.execution)
        })
    }

    /// What its sessions call themselves.
    pub(super) fn application(&self) -> String {
        let site = self.tagged(|tag| tag.site.clone());
        site.map_or("pchadr".to_owned(), |site| {
            format!("pchadr {site} {}", self.writer())
        })
    }

    fn tagged<T>(&self, with: impl FnOnce(&mut Tag) -> T) -> T {
        with(&mut self.tag.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends the sessions of every other run of this site on an instance, and looks until they are
    /// gone; says which there were. KILL takes as long as what the session did takes to roll back
    /// (`sql-server.md` 3.1): past `limit` it is not waited for. A session is absent too where the
    /// instance has started since.
    ///
    /// # Errors
    /// When they could not be looked for, or are still there.
    pub async fn end_others(
        &self,
        instance: Instance,
        limit: Duration,
    ) -> Result<Vec<Sender>, StillThere> {
        let unseen = |error| StillThere::Unseen(Box::new(error));
        let end = Instant::now() + limit;
        let mut ended: Vec<Sender> = Vec::new();
        loop {
            let there = self.others(instance).await.map_err(unseen)?;
            if there.is_empty() {
                return Ok(ended);
            }
            for sender in there.iter().filter(|it| !ended.contains(it)) {
                self.kill(instance, sender).await.map_err(unseen)?;
            }
            let new = |it: &Sender| !ended.contains(it);
            let new: Vec<Sender> = there.iter().filter(|it| new(it)).cloned().collect();
            if new.is_empty() && Instant::now() + POLL > end {
                return Err(StillThere::Senders(there));
            }
            if new.is_empty() {
                sleep(POLL).await;
            }
            ended.extend(new);
        }
    }

    /// Sessions of other runs of this site, and of other executions of this one.
    async fn others(&self, instance: Instance) -> Result<Vec<Sender>, SqlError> {
        let text = include_str!("../../sql/run_sessions.sql");
        let site = self.tagged(|tag| tag.site.clone()).unwrap_or_default();
        let mark = format!("pchadr {site} ");
        let tables = self.read_all(instance, Query::of(text, &mark)).await?;
        let [sessions, rights] = tables.as_slice() else {
            return Err(self.garbled(instance, text, "a result set is missing"));
        };
        // Who may not see other sessions sees none.
        let sees_all = rights.rows().next().and_then(|row| row.bit("sees_all"));
        if sees_all != Some(true) {
            let failure = Failure::NotAllowed("VIEW SERVER STATE");
            return Err(self.place(instance).error(text, failure, Fate::Refused));
        }
        let own = self.tagged(|tag| format!(" {}", tag.execution));
        let sender = |row: super::Row<'_>| {
            let text = |column| row.text(column).unwrap_or_default();
            Sender {
                spid: row.int("session_id").unwrap_or_default(),
                host: text("host_name"),
                login: text("login_name"),
                program: text("program_name"),
                login_time: text("login_time"),
            }
        };
        let all = sessions.rows().map(sender);
        Ok(all.filter(|it| !it.program.ends_with(&own)).collect())
    }

    /// Ends a session, by its literal number, if it still is the one that was seen.
    async fn kill(&self, instance: Instance, sender: &Sender) -> Result<(), SqlError> {
        let (spid, program) = (sender.spid, quote::literal(&sender.program));
        let kill = format!(
            "IF EXISTS (SELECT 1 FROM sys.dm_exec_sessions WHERE session_id = {spid} AND program_name = {program}) KILL {spid};"
        );
        let place = self.place(instance);
        let killing = async { self.open(instance).await?.send(&kill).await };
        let killed = tokio::time::timeout(self.limits.query, killing)
            .await
            .unwrap_or_else(|_| {
                let failure = Failure::TimedOut(self.limits.query);
                Err(place.error(&kill, failure, Fate::Unknown))
            });
        match killed {
            // 6106: it is no more.
            Err(error) if error.number() == Some(6106) => Ok(()),
            other => other.map(|_| ()),
        }
    }
}

/// A short name of a site that no other has by chance.
fn site_key(pool: &Fqdn) -> String {
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::digest(pool.as_str().to_lowercase());
    let first = digest.iter().take(8);
    first.fold(String::new(), |mut key, byte| {
        use fmt::Write as _;
        // Writing to a String cannot fail.
        let _ = write!(key, "{byte:02x}");
        key
    })
}
