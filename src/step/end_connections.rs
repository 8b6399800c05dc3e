//! `end-connections`, F4: nobody may hold the chat database when it is recovered (`steps.md` 4;
//! `sql-server.md` 3.1).

use serde::Serialize;
use serde_json::json;

use super::backup_database::{BackupDatabase, Look, classify, look};
use super::command::{Command, Hole, HoleType, Values};
use super::hands::{Hands, StepError};
use super::observe::Observed;
use super::observe::sessions::{Holder, RunningRestore, restores, sessions};
use super::save_log_shipping::count;
use super::stop_log_shipping_jobs::backup;
use super::{Block, Context, Effect, Info, Kind, Standing};
use crate::model::{Instance, Role};
use crate::site::Site;

const KILL: usize = 1;

/// The session is gone already (`sql-server.md` 3.1).
const NOT_ACTIVE: u32 = 6106;

pub(super) struct EndConnections;

/// Who holds the database.
#[derive(Debug, Serialize)]
pub struct Facts {
    database: String,
    look: Look,
    sessions: Observed<Vec<Holder>>,
    restores: Observed<Vec<RunningRestore>>,
    chat_hosts: Vec<String>,
}

impl Facts {
    /// Sessions that hold the database, those of a RESTORE excepted: these are never killed.
    fn holders(&self) -> Vec<&Holder> {
        let restoring: Vec<i64> = self
            .restores
            .seen()
            .into_iter()
            .flatten()
            .map(|restore| restore.by.session)
            .collect();
        self.sessions
            .seen()
            .into_iter()
            .flatten()
            .filter(|holder| !restoring.contains(&holder.session))
            .collect()
    }
}

impl Kind for EndConnections {
    type Facts = Facts;

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

    fn commands(site: &Site) -> Vec<Command> {
        vec![
            Command::tsql(
                Role::Backup,
                &backup(site),
                "KILL {session_id};",
                vec![Hole::new(
                    "session_id",
                    HoleType::Integer,
                    "session_id of the session, whose login_time is still the listed one",
                    57,
                )],
            )
            .each("session that holds the chat database, those that run a RESTORE excepted"),
        ]
    }

    async fn observe(cx: Context<'_>) -> Facts {
        let access = cx.access;
        let backup = Instance::chat(Role::Backup);
        let name = &cx.site.database.chat;
        // What the share holds decides nothing here; recover-database looks at it.
        let no_share = Observed::Unknown("not looked at here".to_owned());
        Facts {
            database: name.to_string(),
            look: look(cx, &no_share).await,
            sessions: sessions(access, backup, name).await,
            restores: restores(access, backup, name).await,
            chat_hosts: cx
                .site
                .chat_servers()
                .map(|server| server.host().to_lowercase())
                .collect(),
        }
    }

    fn judge(facts: &Facts) -> Standing {
        if facts.restores.seen().is_none() || facts.sessions.seen().is_none() {
            let why = facts.sessions.unknown().or(facts.restores.unknown());
            return Standing::unknown(why.unwrap_or("the sessions on the backup"));
        }
        let holders = facts.holders();
        match classify(&facts.look) {
            BackupDatabase::Unknown(why) => return Standing::unknown(why),
            BackupDatabase::Secondary | BackupDatabase::Standby | BackupDatabase::Starting => {}
            _ if holders.is_empty() => {}
            // It serves: its sessions are users. recover-database says what it is.
            _ => {
                return Standing::Blocked {
                    blocks: vec![Block::site(
                        "serving",
                        format!(
                            "`{}` on the backup is in use by {}, and it is no secondary",
                            facts.database,
                            count(holders.len(), "session")
                        ),
                        "see what recover-database says of it",
                    )],
                };
            }
        }
        let chat: Vec<Block> = holders
            .iter()
            .filter(|holder| {
                holder.host.as_deref().is_some_and(|host| {
                    let host = host.to_lowercase();
                    let first = host.split('.').next().unwrap_or(&host).to_owned();
                    facts.chat_hosts.contains(&first)
                })
            })
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
            .collect();
        Standing::unless(chat, || {
            if holders.is_empty() {
                Standing::satisfied("no session holds the database")
            } else {
                let names: Vec<String> = holders.iter().map(|holder| holder.describe()).collect();
                Standing::pending(format!("end {}", names.join(", ")))
            }
        })
    }

    async fn act(cx: Context<'_>, facts: &Facts, hands: &Hands<'_>) -> Result<(), StepError> {
        let backup = Instance::chat(Role::Backup);
        let name = &cx.site.database.chat;
        // Ids are used again: only who is still the one that was listed is ended.
        let now = sessions(cx.access, backup, name).await;
        let each: Vec<Values> = facts
            .holders()
            .into_iter()
            .filter(|listed| {
                now.seen().into_iter().flatten().any(|holder| {
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
        hands.announce_each(KILL, &each)?;
        let mut session = cx.access.sql.open(backup).await?;
        for values in &each {
            hands.check_stop()?;
            match hands.send_announced(&mut session, KILL, values).await {
                Err(StepError::Sql(error)) if error.number() == Some(NOT_ACTIVE) => {}
                other => {
                    other?;
                }
            }
        }
        Ok(())
    }
}
