//! `retire-old-primary`: what the first data center still holds is kept, then its jobs, its mirroring
//! and its log-shipping rows go (`steps.md` 6.3, 6.4; `procedure.md`, "leaves out" 9).

mod commands;
mod given;
mod only_here;
mod side;

use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use crate::model::states::MirroringState;
use crate::model::{Document, Instance, Role};
use crate::site::{Limits, Site};
use crate::step::command::{Command, Values};
use crate::step::hands::{Hands, StepError};
use crate::step::next::{Door, Next, Patience, Sending, send_by_looks};
use crate::step::observe::Observed;
use crate::step::observe::database::{Content, Database, content, database, lineage};
use crate::step::observe::instance::Presence;
use crate::step::saved::{Saved, SavedPrimary};
use crate::step::shared::one_instance;
use crate::step::undo::Nothing;
use crate::step::without_mirror::{self, primary_side};
use crate::step::{Block, Context, Effect, Info, Kind, Standing};
use commands::{Key, table};
use only_here::OnlyHere;
use side::{Holds, Side, look};

pub(in crate::step) struct RetireOldPrimary;

/// Both instances of the first data center, and what the backup holds.
#[derive(Debug, Serialize)]
pub struct Facts {
    database: String,
    /// Name of the backup's server.
    backup_name: Option<String>,
    /// Family of the database that serves in the second data center.
    family: Option<String>,
    content: Observed<Content>,
    sides: Vec<Side>,
    archive: Option<String>,
    /// True once this run has begun to change these instances.
    started: bool,
    /// Whether this run has the log-shipping configuration of both sides in its folder.
    kept: bool,
}

/// The next thing to do.
#[derive(Clone, Debug, PartialEq)]
enum Action {
    /// Keep the configuration in the run folder.
    Keep,
    /// Disable a job.
    Disable(Role, String),
    /// Wait.
    Wait(String),
    /// Make the primary the principal.
    FailOver,
    /// Keep what an instance holds.
    Archive(Role),
    /// Remove mirroring.
    PartnerOff(Role),
    /// Remove the pointer to a secondary: server, database.
    DropSecondary(Role, String, String),
    /// Remove the primary half.
    DropPrimary(Role),
}

impl Kind for RetireOldPrimary {
    type Facts = Facts;
    type Undo = Nothing<Self>;
    type Key = Key;

    const INFO: Info = Info {
        id: "retire-old-primary",
        vendor: None,
        title: "Keep what the old primary holds, then turn off its jobs, its mirroring and its log shipping",
        effect: Effect::Irreversible,
        checks: &[
            "the primary and its mirror answer, and no chat server holds their databases",
            "what they hold that the backup does not is told in rooms and messages; it is in the archive, and VERIFYONLY finds it sound",
            "the log-shipping configuration is kept in the run folder",
            "no enabled backup job, no mirroring, no log-shipping row is left there",
        ],
    };

    fn limit(limits: &Limits) -> Option<Duration> {
        limits.restore
    }

    fn why_nothing(_cx: Context<'_>) -> String {
        "left as it is on purpose: a backup job of the old primary would write another fork into the share; what it held is in the archive, and where its mirror keeps an old copy, RESTORING, the next failback asks for --override old-database-unreadable=REASON".to_owned()
    }

    fn commands(site: &Site) -> Vec<(Self::Key, Command)> {
        table(site)
    }

    async fn observe(cx: Context<'_>) -> Facts {
        observe(cx).await
    }

    fn judge(facts: &Facts) -> Standing {
        match next(facts) {
            Err(standing) => standing,
            Ok(None) => Standing::satisfied(describe(facts)),
            Ok(Some(Action::Wait(what))) => Standing::pending(what),
            Ok(Some(_)) => Standing::pending(describe(facts)),
        }
    }

    async fn act(cx: Context<'_>, _facts: &Facts, hands: &Hands<'_, Key>) -> Result<(), StepError> {
        let facts = Box::pin(observe(cx)).await;
        // What this act keeps is read from the run folder only by the next one.
        let kept = matches!(next(&facts), Ok(Some(Action::Keep)));
        if kept {
            keep(cx, &facts, hands)?;
        }
        let patience = Patience {
            not_shown: "see the site with `pchadr status`",
            wait: Some(cx.site.limits.mirror),
            shows: None,
        };
        send_by_looks(cx, hands, patience, || async {
            let mut facts = observe(cx).await;
            facts.kept |= kept;
            Ok(match next(&facts)? {
                Some(action) => to_do(cx, action),
                None => Next::Nothing("nothing is left there".to_owned()),
            })
        })
        .await
    }
}

async fn observe(cx: Context<'_>) -> Facts {
    let access = cx.access;
    let name = &cx.site.database.chat;
    let mut facts = Facts {
        database: name.to_string(),
        backup_name: crate::step::observe::instance::identity(access, Instance::chat(Role::Backup))
            .await
            .seen()
            .map(|it| it.server_name.clone()),
        family: None,
        content: Observed::unseen("the chat database of the second data center"),
        sides: Vec::new(),
        archive: cx.site.shares.archive.as_ref().map(ToString::to_string),
        started: cx.started,
        kept: cx.saved.is_none_or(|saved| saved.run == cx.run),
    };
    for role in [Role::Backup, Role::BackupMirror] {
        let instance = Instance::chat(role);
        if !access.sql.has(instance) || facts.family.is_some() {
            continue;
        }
        let row = database(access, instance, name).await;
        if row.seen().is_some_and(Database::serves) {
            facts.family = lineage(access, instance, name)
                .await
                .seen()
                .and_then(|it| it.family.clone());
            facts.content = content(access, instance, name).await;
        }
    }
    for role in primary_side(cx).await {
        let mut side = look(cx, role, facts.family.as_deref()).await;
        if matches!(side.holds, Holds::Old { .. }) {
            side.only_here = OnlyHere::of(&side.content, &facts.content);
        }
        facts.sides.push(side);
    }
    let has_rows = |side: &Side| side.rows.seen().is_some_and(|rows| !rows.is_empty());
    if cx.saved.is_none() && facts.sides.iter().any(has_rows) {
        // Half a configuration is kept too: `configure-log-shipping` says what it lacks.
        facts.kept = false;
    }
    facts
}

/// The next thing to do, or why nothing may be done.
fn next(facts: &Facts) -> Result<Option<Action>, Standing> {
    let blocks = blocks(facts);
    if !blocks.is_empty() {
        return Err(Standing::Blocked { blocks });
    }
    for side in &facts.sides {
        match side.unknown() {
            Some(why) if side.role == Role::PrimaryMirror => {
                return Err(Standing::Blocked {
                    blocks: vec![without_mirror::interlock(why)],
                });
            }
            Some(why) => return Err(Standing::unknown(why)),
            None => {}
        }
    }
    if !facts.kept {
        return Ok(Some(Action::Keep));
    }
    for side in &facts.sides {
        if let Some(job) = side.enabled_job() {
            return Ok(Some(Action::Disable(side.role, job.id.clone())));
        }
    }
    for side in &facts.sides {
        if let Some(job) = side.running_job() {
            let what = format!("the job {} still runs on the {}", job.name, side.role);
            return Ok(Some(Action::Wait(what)));
        }
    }
    if let Some(action) = principal_moves(facts)? {
        return Ok(Some(action));
    }
    for side in &facts.sides {
        if matches!(side.holds, Holds::Old { .. }) && side.verified.seen().is_none() {
            return Ok(Some(Action::Archive(side.role)));
        }
    }
    for side in &facts.sides {
        if side.is_mirrored() {
            return Ok(Some(Action::PartnerOff(side.role)));
        }
    }
    for side in &facts.sides {
        for row in side.rows.seen().into_iter().flatten() {
            if let (Some(server), Some(database)) = (&row.secondary_server, &row.secondary_database)
            {
                return Ok(Some(Action::DropSecondary(
                    side.role,
                    server.clone(),
                    database.clone(),
                )));
            }
        }
        if side.rows.seen().is_some_and(|rows| !rows.is_empty()) {
            return Ok(Some(Action::DropPrimary(side.role)));
        }
    }
    Ok(None)
}

/// The mirror was the principal when the data center was lost (`steps.md` 5.7): it holds the data,
/// and the primary must, for one of the two is written over and the other is dropped.
fn principal_moves(facts: &Facts) -> Result<Option<Action>, Standing> {
    let Some(mirror) = facts.sides.iter().find(|side| {
        side.role == Role::PrimaryMirror
            && side
                .database
                .seen()
                .is_some_and(crate::step::shared::is_principal)
    }) else {
        return Ok(None);
    };
    let state = mirror
        .database
        .seen()
        .and_then(|row| row.mirroring.as_ref()?.state);
    match state {
        Some(MirroringState::Synchronized) => Ok(Some(Action::FailOver)),
        Some(MirroringState::Synchronizing | MirroringState::PendingFailover) => {
            Ok(Some(Action::Wait(
                "the primary gets in step with its mirror, which is the principal".to_owned(),
            )))
        }
        _ => Err(Standing::Blocked {
            blocks: vec![Block::site(
                "old-mirror-broken",
                "the primary mirror is the principal of the old chat database, and the primary is not in step with it",
                "bring their mirroring in step; or keep what the primary mirror holds, remove the mirroring and drop its database",
            )],
        }),
    }
}

fn blocks(facts: &Facts) -> Vec<Block> {
    let mut blocks = Vec::new();
    let names = facts.sides.iter().filter_map(|side| match &side.presence {
        Presence::Answers(identity) => Some((side.role, identity.server_name.as_str())),
        Presence::Lives(_) | Presence::Unseen(_) | Presence::Dead(_) => None,
    });
    let ours = facts
        .backup_name
        .as_deref()
        .map(|name| (Role::Backup, name));
    blocks.extend(one_instance(ours.into_iter().chain(names)));
    for side in &facts.sides {
        blocks.extend(side.blocks(facts.archive.as_deref()));
    }
    if !facts.started {
        let principal = facts.sides.iter().find(|side| side.role == Role::Primary);
        for side in &facts.sides {
            // A copy whose other half is not there may hold what nobody else does.
            let alone = match side.holds {
                Holds::Leftover => true,
                Holds::Mirror if side.role == Role::PrimaryMirror => {
                    !principal.is_some_and(Side::is_mirrored)
                }
                Holds::Nothing
                | Holds::Fresh
                | Holds::Old { .. }
                | Holds::Mirror
                | Holds::Returned
                | Holds::Given
                | Holds::Unknown(_) => false,
            };
            if alone {
                blocks.extend(side.unreadable("a copy in RESTORING without its other half"));
            }
        }
    }
    blocks
}

/// An action as what comes next.
fn to_do(cx: Context<'_>, action: Action) -> Next<Key> {
    let text = |name: &str, value: String| (name.to_owned(), json!(value));
    let none = Values::new();
    let (key, role, values, what) = match action {
        // Done before any command: see `act`.
        Action::Keep => return Next::Nothing("it keeps the configuration first".to_owned()),
        Action::Wait(what) => return Next::Wait(what),
        Action::Disable(role, job) => {
            let values = Values::from([text("job", job)]);
            (Key::Disable(role), role, values, "disable a backup job")
        }
        Action::FailOver => {
            let role = Role::PrimaryMirror;
            (Key::FailOver, role, none, "fail over to the primary")
        }
        Action::Archive(role) => {
            let values = Values::from([text("file", side::archive_path(cx, role))]);
            (
                Key::Archive(role),
                role,
                values,
                "keep the database in the archive",
            )
        }
        Action::PartnerOff(role) => (Key::PartnerOff(role), role, none, "remove the mirroring"),
        Action::DropSecondary(role, server, database) => {
            let values = Values::from([
                text("secondary_server", server),
                text("secondary_database", database),
            ]);
            (Key::DropSecondary(role), role, values, "remove a secondary")
        }
        Action::DropPrimary(role) => (Key::DropPrimary(role), role, none, "remove log shipping"),
    };
    Next::Send(Sending {
        what: format!("{what} on the {role}"),
        to: Door::Sql(Instance::chat(role)),
        key,
        values,
    })
}

/// Keeps the configuration that failback rebuilds from: what was saved, and what the first data
/// center shows and the saved one lacks.
fn keep(cx: Context<'_>, facts: &Facts, hands: &Hands<'_, Key>) -> Result<(), StepError> {
    let shown = |role| -> Option<SavedPrimary> {
        let side = facts.sides.iter().find(|side| side.role == role)?;
        let rows = side.rows.seen().filter(|rows| !rows.is_empty())?.clone();
        Some(SavedPrimary {
            rows,
            jobs: side.jobs.seen().cloned().unwrap_or_default(),
            schedules: side.schedules.seen().cloned().unwrap_or_default(),
            database: side.database.seen().cloned(),
            taken_at: Some(cx.access.clock.now()),
        })
    };
    let saved = Saved {
        run: cx.run.to_owned(),
        taken_at: cx
            .saved
            .map_or_else(|| cx.access.clock.now(), |saved| saved.taken_at),
        backup: cx
            .saved
            .map(|saved| saved.backup.clone())
            .unwrap_or_default(),
        primary: cx
            .saved
            .and_then(|saved| saved.primary.clone())
            .or_else(|| shown(Role::Primary)),
        primary_mirror: cx
            .saved
            .and_then(|saved| saved.primary_mirror.clone())
            .or_else(|| shown(Role::PrimaryMirror)),
    };
    let json = saved
        .to_json()
        .map_err(|cause| StepError::other(cause.to_string(), ""))?;
    Ok(hands.ledger.keep(Document::LogShipping, &json)?)
}

/// What the first data center holds, and what the backup does.
fn describe(facts: &Facts) -> String {
    let content = |content: &Observed<Content>| match content {
        Observed::Seen(content) => format!(
            "{} rooms, up to message {}",
            content.rooms,
            content.last_message.unwrap_or(0)
        ),
        Observed::Absent => "no message".to_owned(),
        Observed::Unknown(_) => "what cannot be seen now".to_owned(),
    };
    let mut parts: Vec<String> = facts
        .sides
        .iter()
        .map(|side| match &side.holds {
            Holds::Old { .. } => {
                let done = if side.verified.seen().is_some() {
                    "kept in"
                } else {
                    "to be kept in"
                };
                let only_here = side.only_here.as_ref().map_or_else(
                    || "what only it has cannot be told now".to_owned(),
                    OnlyHere::describe,
                );
                format!(
                    "the {} holds the old chat database ({}; {only_here}): {done} `{}`",
                    side.role,
                    content(&side.content),
                    side.archive_path.as_deref().unwrap_or("?")
                )
            }
            Holds::Nothing => format!("the {} has no chat database", side.role),
            Holds::Fresh => format!("the {} has a fresh, empty one", side.role),
            Holds::Mirror | Holds::Leftover => {
                format!("the {} has a mirror's copy", side.role)
            }
            Holds::Returned => format!(
                "the {} has what an earlier failback restored there, and the backup has it too",
                side.role
            ),
            Holds::Given => format!(
                "the {} is as a planned failover left it, and the backup has all of it",
                side.role
            ),
            Holds::Unknown(_) => format!("the {} cannot be seen", side.role),
        })
        .collect();
    let old = |side: &Side| matches!(side.holds, Holds::Old { .. });
    if facts.sides.iter().any(old) {
        parts.push(format!(
            "the second data center holds {}; what was never shipped is in the archive only",
            content(&facts.content)
        ));
    }
    parts.join("; ")
}
