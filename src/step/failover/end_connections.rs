//! `end-connections`, F4: nobody may hold the chat database when it is recovered (`steps.md` 4;
//! `sql-server.md` 3.1).

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use serde::Serialize;
use serde_json::json;

use crate::model::states::PoolState;
use crate::model::{Instance, Role};
use crate::site::Site;
use crate::step::backup_database::{BackupDatabase, Look, classify, look};
use crate::step::command::{Command, Hole, HoleType, Values};
use crate::step::hands::{Hands, StepError};
use crate::step::observe::Observed;
use crate::step::observe::pool;
use crate::step::observe::sessions::{
    Holder, RunningRestore, is_from, machine, restores, sessions,
};
use crate::step::pool::identity_and_state;
use crate::step::shared::address;
use crate::step::undo::Nothing;
use crate::step::{Block, Context, Earlier, Effect, Info, Kind, Standing, Step};

/// Which command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::step) enum Key {
    Kill,
}

/// The session is gone already (`sql-server.md` 3.1).
const NOT_ACTIVE: u32 = 6106;

pub(in crate::step) struct EndConnections;

/// Who holds the database.
#[derive(Debug, Serialize)]
pub struct Facts {
    database: String,
    look: Look,
    sessions: Observed<Vec<Holder>>,
    restores: Observed<Vec<RunningRestore>>,
    /// Names of the chat servers, as sessions show them.
    chat_hosts: Vec<String>,
    /// K2, where a chat server holds the database.
    pool: Observed<PoolState>,
}

/// Sessions that hold the database, those of a RESTORE excepted: these are never killed.
fn holders<'a>(
    sessions: &'a Observed<Vec<Holder>>,
    restores: &Observed<Vec<RunningRestore>>,
) -> Vec<&'a Holder> {
    let restores = restores.seen().map_or(&[][..], Vec::as_slice);
    sessions
        .seen()
        .into_iter()
        .flatten()
        .filter(|holder| {
            !restores
                .iter()
                .any(|restore| restore.by.session == holder.session)
        })
        .collect()
}

impl Kind for EndConnections {
    type Facts = Facts;
    type Undo = Nothing<Self>;
    type Key = Key;

    const INFO: Info = Info {
        id: "end-connections",
        vendor: Some("F4"),
        title: "End the sessions that hold the backup's chat database",
        effect: Effect::Irreversible,
        checks: &[
            "none of them is a chat server's: that would mean that users are on this database",
            "a session that runs a RESTORE is never ended",
            "no session is left",
        ],
    };

    const AFTER: Earlier = Earlier::These(&[Step::ApplyLogs]);

    fn why_nothing(_cx: Context<'_>) -> String {
        "nothing to undo: whoever was cut off signs in again".to_owned()
    }

    fn commands(site: &Site) -> Vec<(Self::Key, Command)> {
        vec![
            Command::tsql(
                Role::Backup,
                &address(site, Role::Backup),
                "KILL {session_id};",
                vec![Hole::new(
                    "session_id",
                    HoleType::Integer,
                    "session_id of the session, whose login_time is still the listed one",
                    57,
                )],
            )
            .each("session that holds the chat database, those that run a RESTORE excepted")
            .keyed(Key::Kill),
        ]
    }

    async fn observe(cx: Context<'_>) -> Facts {
        let access = cx.access;
        let backup = Instance::chat(Role::Backup);
        let name = &cx.site.database.chat;
        let chat_hosts: Vec<String> = cx
            .site
            .chat_servers()
            .map(|server| machine(server.as_str()))
            .collect();
        let sessions = sessions(access, backup, name).await;
        let chat = |holder: &Holder| is_from(holder, &chat_hosts);
        let pool = if sessions.seen().into_iter().flatten().any(chat) {
            let service = pool::service(access, &cx.site.pool.fqdn).await;
            identity_and_state(cx, &service).await.1
        } else {
            Observed::Absent
        };
        Facts {
            database: name.to_string(),
            look: look(cx, None).await,
            sessions,
            restores: restores(access, backup, name).await,
            chat_hosts,
            pool,
        }
    }

    fn judge(facts: &Facts) -> Standing {
        if facts.restores.seen().is_none() || facts.sessions.seen().is_none() {
            let why = facts.sessions.unknown().or(facts.restores.unknown());
            return Standing::not_seen(why, "the sessions on the backup");
        }
        let holders = holders(&facts.sessions, &facts.restores);
        let class = classify(&facts.look);
        match class {
            BackupDatabase::Unknown(why) => return Standing::unknown(why),
            BackupDatabase::Secondary | BackupDatabase::Standby | BackupDatabase::Starting => {}
            _ if class.is_recovered() => {
                return Standing::satisfied(
                    "the database is recovered: its sessions are its users, and stay",
                );
            }
            _ if holders.is_empty() => {}
            class @ (BackupDatabase::NeverSetUp
            | BackupDatabase::Stray
            | BackupDatabase::Mirror
            | BackupDatabase::CreatedEmpty
            | BackupDatabase::InService
            | BackupDatabase::Recovered
            | BackupDatabase::RecoveredTooEarly { .. }
            | BackupDatabase::Unclear(_)
            | BackupDatabase::Unusable(_)) => {
                return Standing::Blocked {
                    blocks: class.block(&facts.database).into_iter().collect(),
                };
            }
        }
        // In a pool that is FailedOver they wait for this database, and come again.
        let chat = match facts.pool {
            Observed::Seen(PoolState::FailedOver) => Vec::new(),
            Observed::Seen(_) | Observed::Absent | Observed::Unknown(_) => holders
                .iter()
                .filter(|holder| is_from(holder, &facts.chat_hosts))
                .map(|holder| {
                    Block::site(
                        "chat-session",
                        format!(
                            "a chat server holds the database: session {}",
                            holder.describe()
                        ),
                        "see who uses this database before anything is ended",
                    )
                })
                .collect(),
        };
        Standing::unless(chat, || {
            if holders.is_empty() {
                Standing::satisfied("no session holds the database")
            } else {
                let names: Vec<String> = holders.iter().map(|holder| holder.describe()).collect();
                Standing::pending(format!("end {}", names.join(", ")))
            }
        })
    }

    async fn act(cx: Context<'_>, facts: &Facts, hands: &Hands<'_, Key>) -> Result<(), StepError> {
        let backup = Instance::chat(Role::Backup);
        let name = &cx.site.database.chat;
        // Ids are used again: only who is still the one that was listed is ended, and nobody who
        // meanwhile runs a RESTORE.
        let sessions = sessions(cx.access, backup, name).await;
        let restores = restores(cx.access, backup, name).await;
        if let Some(why) = sessions.unknown().or(restores.unknown()) {
            return Err(StepError::other(why, ""));
        }
        let now = holders(&sessions, &restores);
        let each: Vec<Values> = holders(&facts.sessions, &facts.restores)
            .into_iter()
            .filter(|listed| {
                now.iter().any(|holder| {
                    holder.session == listed.session && holder.login_time == listed.login_time
                })
            })
            .map(|holder| {
                Values::from([
                    ("session_id".to_owned(), json!(holder.session)),
                    ("login_time".to_owned(), json!(holder.login_time)),
                ])
            })
            .collect();
        if each.is_empty() {
            return Ok(());
        }
        hands.announce_each(Key::Kill, &each)?;
        let mut session = Box::pin(cx.access.sql.open(backup)).await?;
        for values in &each {
            hands.check_stop()?;
            match hands.send_announced(&mut session, Key::Kill, values).await {
                Err(StepError::Sql(error)) if error.number() == Some(NOT_ACTIVE) => {}
                other => {
                    other?;
                }
            }
        }
        Ok(())
    }
}
