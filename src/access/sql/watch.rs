//! Following a session from outside: after a time limit, a stop or a dropped future the connection
//! is closed, and what still runs for it on the server is watched until it is gone (`tds.md` 7.2).

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::error::{Failure, Fate, SqlError};
use super::{Query, SqlDoor};
use crate::model::Instance;

/// Between two looks.
const POLL: Duration = Duration::from_secs(1);

/// 6106, `Process ID … is not an active process ID`.
const NOT_ACTIVE: u32 = 6106;

/// What became of a session that was left.
#[derive(Clone, Debug, PartialEq)]
pub enum Watched {
    /// It is no more; the site can be looked at.
    Gone,
    /// It is still there, and may still change something.
    StillThere {
        /// True when it was killed and is rolling back.
        killed: bool,
        /// Its command and what it waits for, where it runs one.
        doing: Option<String>,
    },
    /// It could not be looked for.
    Unknown(SqlError),
}

/// One look.
enum Look {
    Gone,
    There { ours: bool, doing: Option<String> },
}

impl SqlDoor {
    /// Looks, over the control connection, until a session is gone. When it is there past `limit`,
    /// it is killed once, by its literal number, and looked for over another `limit`; never when
    /// `login_time` is not known. A session of the same number with another login time is somebody
    /// else's: ours is gone.
    pub async fn watch_gone(
        &self,
        instance: Instance,
        spid: i64,
        login_time: Option<&str>,
        limit: Duration,
    ) -> Watched {
        let first = self.watch(instance, spid, login_time, limit, false).await;
        if login_time.is_none() || !matches!(first, Watched::StillThere { .. }) {
            return first;
        }
        // On a connection of its own: there a KILL is never sent a second time.
        let kill = format!("KILL {spid}");
        let killing = async { self.open(instance).await?.send(&kill).await };
        match tokio::time::timeout(self.limits.query, killing).await {
            Ok(Err(error)) if error.number() == Some(NOT_ACTIVE) => {}
            Ok(Err(error)) if error.number().is_some() => {
                tracing::warn!(%error, "KILL was refused");
                return first;
            }
            // Sent or not, answered or not: the next looks tell.
            Ok(_) | Err(_) => {}
        }
        self.watch(instance, spid, login_time, limit, true).await
    }

    async fn watch(
        &self,
        instance: Instance,
        spid: i64,
        login_time: Option<&str>,
        limit: Duration,
        killed: bool,
    ) -> Watched {
        let end = Instant::now() + limit;
        loop {
            let look = self.look(instance, spid, login_time).await;
            match look {
                Ok(Look::Gone | Look::There { ours: false, .. }) => return Watched::Gone,
                // An instance that does not answer for a moment may again.
                Ok(_) | Err(_) if Instant::now() + POLL <= end => sleep(POLL).await,
                Ok(Look::There { doing, .. }) => return Watched::StillThere { killed, doing },
                Err(error) => return Watched::Unknown(error),
            }
        }
    }

    async fn look(
        &self,
        instance: Instance,
        spid: i64,
        login_time: Option<&str>,
    ) -> Result<Look, SqlError> {
        let text = include_str!("../../sql/session_state.sql");
        let spid = spid.to_string();
        let tables = self.read_all(instance, Query::of(text, &spid)).await?;
        let [sessions, rights] = tables.as_slice() else {
            return Err(self.garbled(instance, text, "a result set is missing"));
        };
        let Some(row) = sessions.rows().next() else {
            // Who may not see other sessions sees none.
            let sees_all = rights.rows().next().and_then(|row| row.bit("sees_all"));
            return if sees_all == Some(true) {
                Ok(Look::Gone)
            } else {
                let failure = Failure::NotAllowed("VIEW SERVER STATE");
                Err(self.place(instance).error(text, failure, Fate::Refused))
            };
        };
        let there = row.text("login_time");
        let ours = login_time.is_none_or(|ours| there.as_deref() == Some(ours));
        let doing = row.text("command").map(|command| {
            let wait = row.text("wait_type");
            wait.map_or(command.clone(), |wait| {
                format!("{command}, waits for {wait}")
            })
        });
        Ok(Look::There { ours, doing })
    }
}
