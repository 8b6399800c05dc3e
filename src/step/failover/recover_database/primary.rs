//! The primary side: never two writable databases (`design.md` 3, rule 2).

use serde::Serialize;

use super::Facts;
use crate::model::states::{DatabaseState, MirroringRole};
use crate::model::{Instance, Problem, Role};
use crate::step::observe::Observed;
use crate::step::observe::database::{Content, Database, content, database, lineage};
use crate::step::observe::instance::{Presence, presence};
use crate::step::shared::one_instance;
use crate::step::{Block, Context, Lift};

/// Id of the block that nothing overrides.
pub(super) const SERVES: &str = "primary-serves";

/// Interlock: a fresh, empty chat database on the primary side.
const FRESH_PRIMARY: &str = "fresh-primary";

/// Interlock: the primary's mirror is alive, and may hold more than the share.
const MIRROR_ALIVE: &str = "mirror-alive";

/// Interlock: something of the first data center answers, or goes on working.
pub(super) const PRIMARY_ANSWERS: &str = "primary-answers";

/// A log backup that was taken after the run began: who took it writes on.
pub(super) fn life_block(facts: &Facts) -> Option<Block> {
    let life = facts.files.life.as_ref()?;
    if facts.overrides.iter().any(|id| id == PRIMARY_ANSWERS) {
        return None;
    }
    let why = format!(
        "`{}` was finished at {} by the clock of {}, after this run began: who took it lives, and chat may be written there",
        life.path, life.finished, life.server
    );
    let mend = format!(
        "see that {} is down, or stop it; if nobody writes there any more, say so with --override {PRIMARY_ANSWERS}=REASON",
        life.server
    );
    Some(Block::site(PRIMARY_ANSWERS, why, mend).lifted_by(Lift::Override))
}

/// One instance of the primary side.
#[derive(Debug, Serialize)]
pub(super) struct PrimarySide {
    pub role: Role,
    pub presence: Presence,
    /// Absent where the instance is silent: nothing was asked.
    pub database: Observed<Database>,
    pub family: Option<String>,
    pub content: Observed<Content>,
}

pub(super) async fn look_at_primary(cx: Context<'_>, role: Role) -> PrimarySide {
    let access = cx.access;
    let instance = Instance::chat(role);
    let name = &cx.site.database.chat;
    let mut side = PrimarySide {
        role,
        presence: presence(access, instance).await,
        database: Observed::Absent,
        family: None,
        content: Observed::Absent,
    };
    if !matches!(side.presence, Presence::Answers(_)) {
        return side;
    }
    side.database = database(access, instance, name).await;
    if side.database.seen().is_some_and(Database::serves) {
        side.family = lineage(access, instance, name)
            .await
            .seen()
            .and_then(|lineage| lineage.family.clone());
        side.content = content(access, instance, name).await;
    }
    side
}

/// Everything on the primary side that forbids recovery.
pub(super) fn primary_blocks(facts: &Facts) -> Vec<Block> {
    let sides = facts.primary_side.iter();
    let named = sides.clone().filter_map(|side| match &side.presence {
        Presence::Answers(identity) => Some((side.role, identity.server_name.as_str())),
        Presence::Refuses(_) | Presence::Silent(_) => None,
    });
    let ours = facts
        .identity
        .seen()
        .map(|it| (Role::Backup, it.server_name.as_str()));
    if let Some(block) = one_instance(ours.into_iter().chain(named)) {
        return vec![block];
    }
    sides
        .filter_map(|side| primary_block(facts, side))
        .collect()
}

/// Roles whose instance answers with a database that cannot start: its log may still be read
/// (`steps.md` 6.8).
pub(super) fn damaged_but_up(facts: &Facts) -> impl Iterator<Item = Role> {
    let damaged = |state| {
        matches!(
            state,
            DatabaseState::RecoveryPending | DatabaseState::Suspect | DatabaseState::Emergency
        )
    };
    facts
        .primary_side
        .iter()
        .filter(move |side| side.database.seen().is_some_and(|row| damaged(row.state)))
        .map(|side| side.role)
}

/// Silence is what a disaster looks like; an instance that is alive and hides its database is not.
fn primary_block(facts: &Facts, side: &PrimarySide) -> Option<Block> {
    let unclear = |why: &Problem| {
        let about = format!(
            "the {} is alive, but whether its database serves cannot be seen",
            side.role
        );
        Some(Block::site(
            "primary-unclear",
            why.about(about).or("or shut that instance down"),
            "",
        ))
    };
    match &side.presence {
        Presence::Silent(_) => return None,
        Presence::Refuses(why) => return unclear(why),
        Presence::Answers(_) => {}
    }
    let row = match &side.database {
        Observed::Absent => return None,
        Observed::Unknown(why) => return unclear(why),
        Observed::Seen(row) => row,
    };
    if row.serves() {
        return serving(facts, side);
    }
    if row.state == DatabaseState::Recovering {
        return Some(Block::site(
            "primary-starting",
            format!(
                "the chat database of the {} is RECOVERING: it will be ONLINE in a while",
                side.role
            ),
            "wait, look again, then fence it as one that serves",
        ));
    }
    let is_mirror = row
        .mirroring
        .as_ref()
        .is_some_and(|mirroring| mirroring.role != Some(MirroringRole::Principal));
    (is_mirror && !facts.overrides.iter().any(|id| id == MIRROR_ALIVE)).then(|| {
        Block::site(
            MIRROR_ALIVE,
            format!(
                "the {} is alive as a mirror and may hold more than the share does",
                side.role
            ),
            format!(
                "fail over inside the first data center, or say with --override {MIRROR_ALIVE}=REASON that it is out of use"
            ),
        )
        .lifted_by(Lift::Override)
    })
}

fn serving(facts: &Facts, side: &PrimarySide) -> Option<Block> {
    let other_family = side
        .family
        .as_deref()
        .zip(facts.family())
        .is_some_and(|(theirs, ours)| !theirs.eq_ignore_ascii_case(ours));
    if other_family && side.content.is_absent() {
        return (!facts.overrides.iter().any(|id| id == FRESH_PRIMARY)).then(|| {
            Block::site(
                FRESH_PRIMARY,
                format!("the {} serves a fresh, empty chat database", side.role),
                format!(
                    "if it is a new installation, say so with --override {FRESH_PRIMARY}=REASON"
                ),
            )
            .lifted_by(Lift::Override)
        });
    }
    Some(Block::site(
        SERVES,
        format!(
            "the {} answers and its chat database is ONLINE: there would be two writable ones",
            side.role
        ),
        "it can be fenced: clear the active servers, then BACKUP LOG … WITH NORECOVERY there, into the share; this cannot be overridden",
    ))
}
