//! `remove-mirroring`, B2: the mirrors of the failed-over state, chat and compliance (`steps.md` 6).

pub(in crate::step) mod undo;

use serde::Serialize;

use crate::model::{Instance, Role, quote};
use crate::site::Site;
use crate::step::before::Before;
use crate::step::command::{Command, Values};
use crate::step::downtime::Downtime;
use crate::step::earlier::Earlier;
use crate::step::hands::{Hands, StepError};
use crate::step::observe::Observed;
use crate::step::observe::database::{Database, database};
use crate::step::principal::{become_principal, fail_over, judge_mirror};
use crate::step::shared::{address, compliance, is_mirror};
use crate::step::{Block, Context, Effect, Info, Kind, Standing, Step};

/// Which command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::step) enum Key {
    FailOver,
    Chat,
    Compliance,
}

/// It is not mirrored any more: what was wanted (`sql-server.md` 5).
const NOT_MIRRORED: u32 = 1416;

pub(in crate::step) struct RemoveMirroring;

/// The databases of the backup side, and what their mirrors hold.
#[derive(Debug, Serialize)]
pub struct Facts {
    chat: Observed<Database>,
    /// `None` where the site has no backup mirror.
    chat_mirror: Option<Observed<Database>>,
    /// `None` where compliance is off.
    compliance: Option<Observed<Database>>,
}

impl Kind for RemoveMirroring {
    type Facts = Facts;
    type Undo = undo::Facts;
    type Key = Key;

    const INFO: Info = Info {
        id: "remove-mirroring",
        vendor: Some("B2"),
        title: "Remove the mirroring of the backup's chat and compliance databases",
        effect: Effect::Reversible,
        checks: &[
            "the backup is the principal; where its mirror is, it is failed over to the backup first",
            "neither database of the backup is mirrored",
        ],
    };

    const AFTER: Earlier = Earlier::These(&[
        Step::RetireOldPrimary,
        Step::ProveShare,
        Step::StopLogBackups,
        Step::ClearActiveServers,
    ]);

    fn downtime(_site: &Site, _seeded: bool) -> Option<Downtime> {
        Some(Downtime::of(0, "a statement for each database"))
    }

    fn commands(site: &Site) -> Vec<(Self::Key, Command)> {
        let chat = quote::identifier(site.database.chat.as_str());
        let mut commands = vec![
            fail_over(site)
                .when("the backup mirror is the principal, SYNCHRONIZED")
                .keyed(Key::FailOver),
            Command::tsql(
                Role::Backup,
                &address(site, Role::Backup),
                format!("ALTER DATABASE {chat} SET PARTNER OFF;"),
                Vec::new(),
            )
            .when("the chat database is mirrored")
            .keyed(Key::Chat),
        ];
        if let Some(name) = &site.database.compliance {
            let server = site
                .server(Instance::compliance(Role::Backup))
                .map_or_else(|| "?".to_owned(), ToString::to_string);
            commands.push(
                Command::tsql(
                    Role::Backup,
                    &server,
                    format!(
                        "ALTER DATABASE {} SET PARTNER OFF;",
                        quote::identifier(name.as_str())
                    ),
                    Vec::new(),
                )
                .when("the compliance database is mirrored")
                .keyed(Key::Compliance),
            );
        }
        commands
    }

    async fn observe(cx: Context<'_>) -> Facts {
        let access = cx.access;
        let name = &cx.site.database.chat;
        let mirror = Instance::chat(Role::BackupMirror);
        Facts {
            chat: database(access, Instance::chat(Role::Backup), name).await,
            chat_mirror: if access.sql.has(mirror) {
                Some(database(access, mirror, name).await)
            } else {
                None
            },
            compliance: match &cx.site.database.compliance {
                Some(name) => Some(database(access, compliance(access, Role::Backup), name).await),
                None => None,
            },
        }
    }

    fn judge(facts: &Facts) -> Standing {
        let unknown = facts
            .chat
            .unknown()
            .or_else(|| facts.compliance.as_ref()?.unknown());
        if let Some(why) = unknown {
            return Standing::unknown(why);
        }
        let Some(chat) = facts.chat.seen() else {
            return Standing::Blocked {
                blocks: vec![Block::site(
                    "no-database",
                    "the backup has no chat database",
                    "see `[sql] backup` and `[database] chat`",
                )],
            };
        };
        if is_mirror(chat) {
            return judge_mirror(
                facts.chat_mirror.as_ref(),
                "the backup mirror is the principal: fail it over to the backup, then remove the mirroring",
            );
        }
        let mut mirrored = Vec::new();
        if chat.mirroring.is_some() {
            mirrored.push("chat");
        }
        if facts
            .compliance
            .as_ref()
            .and_then(Observed::seen)
            .is_some_and(|row| row.mirroring.is_some())
        {
            mirrored.push("compliance");
        }
        if !mirrored.is_empty() {
            return Standing::pending(format!(
                "remove the mirroring of the {} database",
                mirrored.join(" and the ")
            ));
        }
        let left = facts.chat_mirror.as_ref().and_then(Observed::seen);
        Standing::satisfied(match left {
            Some(row) => format!(
                "not mirrored; the backup mirror keeps its copy, {}, until the next failover replaces it",
                row.state
            ),
            None => "not mirrored".to_owned(),
        })
    }

    async fn act(cx: Context<'_>, facts: &Facts, hands: &Hands<'_, Key>) -> Result<(), StepError> {
        let backup = Instance::chat(Role::Backup);
        let mut chat = facts.chat.seen().cloned();
        let mirrored = |row: &Database| row.mirroring.is_some();
        let compliance_mirrored = facts
            .compliance
            .as_ref()
            .and_then(Observed::seen)
            .is_some_and(mirrored);
        Before::note(hands, |before| {
            // What an earlier execution removed was there before the run all the same.
            before.chat_mirrored |= chat.as_ref().is_some_and(mirrored);
            before.compliance_mirrored |= compliance_mirrored;
        })?;
        if chat.as_ref().is_some_and(is_mirror) {
            chat = Some(become_principal(cx, hands, Key::FailOver).await?);
        }
        if chat.is_some_and(|row| row.mirroring.is_some()) {
            off(cx, hands, backup, Key::Chat).await?;
        }
        if compliance_mirrored {
            let instance = compliance(cx.access, Role::Backup);
            off(cx, hands, instance, Key::Compliance).await?;
        }
        Ok(())
    }
}

async fn off(
    cx: Context<'_>,
    hands: &Hands<'_, Key>,
    instance: Instance,
    key: Key,
) -> Result<(), StepError> {
    match hands
        .send_at(cx.access, instance, key, &Values::new())
        .await
    {
        Err(StepError::Sql(error)) if error.number() == Some(NOT_MIRRORED) => Ok(()),
        other => other,
    }
}
