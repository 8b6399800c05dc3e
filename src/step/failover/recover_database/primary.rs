//! The primary side: never two writable databases (`design.md` 3, rule 2).

use jiff::Timestamp;
use serde::Serialize;

use super::Facts;
use super::evidence::{self, ANSWERS};
use super::fence::{fail_over_inside, silence, tail};
use crate::model::states::{DatabaseState, MirroringRole, MirroringState};
use crate::model::{Instance, IntoRemedies as _, Problem, Remedy, Role, SqlServer};
use crate::step::observe::Observed;
use crate::step::observe::database::{
    Content, Database, RedoStart, content, database, lineage, redo_start,
};
use crate::step::observe::instance::{Presence, presence};
use crate::step::shared::one_instance;
use crate::step::{Block, Context, Lift};

/// Id of the block that nothing overrides.
pub(super) const SERVES: &str = "primary-serves";

/// Id of the block of an instance that lives and does not show whether it serves; nothing overrides it.
const LIVES: &str = "primary-lives";

/// Interlock: nobody can say whether an instance of the primary side is dead.
const UNSEEN: &str = "primary-unseen";

/// Interlock: a fresh, empty chat database on the primary side.
const FRESH_PRIMARY: &str = "fresh-primary";

/// Interlock: the primary's mirror is alive, and may hold more than the share.
const MIRROR_ALIVE: &str = "mirror-alive";

/// A log backup that was taken after the run began: who took it writes on.
fn life_block(facts: &Facts) -> Option<Block> {
    let life = facts.files.life.as_ref()?;
    if facts.overrides.iter().any(|id| id == ANSWERS) {
        return None;
    }
    let why = format!(
        "`{}` was finished at {} by the clock of {}, after this run began: who took it lives, and chat may be written there",
        life.path, life.finished, life.server
    );
    let mend = format!(
        "see that {} is down, or stop it; if nobody writes there any more, say so with --override {ANSWERS}=REASON",
        life.server
    );
    Some(Block::site(ANSWERS, why, mend).lifted_by(Lift::Override))
}

/// One instance of the primary side.
#[derive(Debug, Serialize)]
pub(super) struct PrimarySide {
    pub role: Role,
    /// As the site file has it.
    pub server: SqlServer,
    /// When it was asked.
    pub at: Timestamp,
    pub presence: Presence,
    /// Absent where the instance does not answer: nothing was asked.
    pub database: Observed<Database>,
    pub family: Option<String>,
    pub content: Observed<Content>,
    /// Where its log ended, of one that is closed: RESTORING, and no mirror.
    pub ended: Observed<RedoStart>,
}

pub(super) async fn look_at_primary(
    cx: Context<'_>,
    role: Role,
    server: &SqlServer,
) -> PrimarySide {
    let access = cx.access;
    let instance = Instance::chat(role);
    let name = &cx.site.database.chat;
    let mut side = PrimarySide {
        role,
        server: server.clone(),
        presence: presence(access, instance).await,
        at: access.clock.now(),
        database: Observed::Absent,
        family: None,
        content: Observed::Absent,
        ended: Observed::Absent,
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
    let closed = |row: &Database| row.state == DatabaseState::Restoring && row.mirroring.is_none();
    if side.database.seen().is_some_and(closed) {
        side.ended = redo_start(access, instance, name).await;
    }
    side
}

impl PrimarySide {
    /// The name of another instance that answers in its place: a port that was its own once.
    fn another_answers(&self) -> Option<&str> {
        let Presence::Answers(identity) = &self.presence else {
            return None;
        };
        let wanted = self.server.instance.as_deref()?;
        let name = identity.server_name.as_str();
        let is_it = name
            .split_once('\\')
            .is_some_and(|(_, instance)| instance.eq_ignore_ascii_case(wanted));
        (!is_it).then_some(name)
    }
}

/// Everything on the primary side that forbids recovery.
pub(super) fn primary_blocks(facts: &Facts) -> Vec<Block> {
    let sides = facts.primary_side.iter();
    let named = sides.clone().filter_map(|side| match &side.presence {
        Presence::Answers(identity) => Some((side.role, identity.server_name.as_str())),
        Presence::Lives(_) | Presence::Unseen(_) | Presence::Dead(_) => None,
    });
    let ours = facts
        .identity
        .seen()
        .map(|it| (Role::Backup, it.server_name.as_str()));
    if let Some(block) = one_instance(ours.into_iter().chain(named)) {
        return vec![block];
    }
    let mut blocks: Vec<Block> = sides
        .filter_map(|side| primary_block(facts, side))
        .chain(evidence::answers_block(facts))
        .chain(life_block(facts))
        .collect();
    // A mirror whose principal lives holds no more than that.
    if blocks
        .iter()
        .any(|it| [SERVES, LIVES].contains(&it.id.as_str()))
    {
        blocks.retain(|it| it.id != MIRROR_ALIVE);
    }
    if let Some(first) = blocks.first_mut() {
        first.problem.evidence = evidence::table(facts);
    }
    blocks
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

/// Only silence is death: whatever lives must be known not to serve.
fn primary_block(facts: &Facts, side: &PrimarySide) -> Option<Block> {
    match &side.presence {
        Presence::Dead(_) => return in_touch(facts, side),
        Presence::Unseen(why) => return in_touch(facts, side).or_else(|| unseen(facts, side, why)),
        Presence::Lives(why) => return Some(unclear(side, why)),
        Presence::Answers(_) => {}
    }
    if let Some(name) = side.another_answers() {
        let why = format!("`{name}` answers there, which is another instance").into();
        return in_touch(facts, side).or_else(|| unseen(facts, side, &why));
    }
    let row = match &side.database {
        Observed::Absent => return None,
        Observed::Unknown(why) => return Some(unclear(side, why)),
        Observed::Seen(row) => row,
    };
    if row.serves() {
        return serving(facts, side, row);
    }
    if let Some(block) = closed_with_more(facts, side) {
        return Some(block);
    }
    let role = row.mirroring.as_ref().map(|mirroring| mirroring.role);
    let is_principal = role == Some(Some(MirroringRole::Principal));
    // A mirror whose principal is dead can stay RECOVERING for good (`sql-server.md` 4).
    let is_mirror = role.is_some() && !is_principal;
    if row.state == DatabaseState::Recovering && !is_mirror {
        return Some(starting(side, is_principal));
    }
    (is_mirror && !is_overridden(facts, MIRROR_ALIVE)).then(|| {
        let mut mend = fail_over_inside(&facts.fence);
        mend.push(Remedy::to_do(format!(
            "or say with --override {MIRROR_ALIVE}=REASON that it is out of use"
        )));
        let why = format!(
            "the {} is alive as a mirror and may hold more than the share does",
            side.role
        );
        Block::site(MIRROR_ALIVE, why, mend).lifted_by(Lift::Override)
    })
}

/// It was closed by the end of its log, and has more of the same life than the backup can be given:
/// opened again, it loses nothing.
fn closed_with_more(facts: &Facts, side: &PrimarySide) -> Option<Block> {
    let ended = side.ended.seen().filter(|_| side.role == Role::Primary)?;
    let reaches = facts.files.chain.as_ref()?.to;
    let ours = facts
        .files
        .redo
        .seen()
        .and_then(|redo| redo.fork.as_deref());
    let forks = ours.zip(ended.fork.as_deref());
    let another_life = forks.is_some_and(|(ours, theirs)| !ours.eq_ignore_ascii_case(theirs));
    if ended.lsn <= reaches || another_life {
        return None;
    }
    let why = format!(
        "the {} answers, and its chat database is closed at LSN {}; what the backup has or can be given ends at {reaches}: the rest is there, and would be given up",
        side.role, ended.lsn
    );
    let mend = vec![
        Remedy::to_do(
            "bring the end of its log to the share of the log backups, and run this again",
        ),
        Remedy::to_do(
            "or bring chat back where it was, and nothing is lost: undo the run that closed it (`pchadr abort`), or open it by hand",
        ),
    ];
    Some(Block::site("primary-has-more", why, mend))
}

/// It may be ONLINE at any moment. A principal without quorum waits for that without an end, and a
/// restart of its instance can be enough.
fn starting(side: &PrimarySide, is_principal: bool) -> Block {
    let role = side.role;
    if !is_principal {
        return Block::site(
            "primary-starting",
            format!("the chat database of the {role} is RECOVERING: it will be ONLINE in a while"),
            "wait, look again, then fence it as one that serves",
        );
    }
    let why = format!(
        "the chat database of the {role} is RECOVERING, as the principal of a mirror: it starts, or waits for a quorum, and can be ONLINE at any moment"
    );
    let mut mend = vec![Remedy::to_do(
        "wait a while and look again; where it stays so, it does not serve, and must not begin to",
    )];
    mend.extend(silence(side));
    Block::site("primary-starting", why, mend)
}

fn is_overridden(facts: &Facts, interlock: &str) -> bool {
    facts.overrides.iter().any(|id| id == interlock)
}

/// It lives, and does not let us see whether it serves.
fn unclear(side: &PrimarySide, why: &Problem) -> Block {
    let about = format!(
        "the {} is alive, but whether its database serves cannot be seen",
        side.role
    );
    let why = why.about(about).or(silence(side));
    Block::site(LIVES, why, "")
}

/// It does not answer us, and its mirror is in touch with it: it lives, behind a cut of the network. (A
/// mirror that is silent beside a living principal serves nobody.)
fn in_touch(facts: &Facts, side: &PrimarySide) -> Option<Block> {
    let others = facts.primary_side.iter().filter(|it| it.role != side.role);
    let state = others
        .filter_map(|it| it.database.seen()?.mirroring.as_ref())
        .filter(|it| it.role == Some(MirroringRole::Mirror))
        .filter_map(|it| it.state)
        .find(|state| match state {
            MirroringState::Synchronizing
            | MirroringState::Synchronized
            | MirroringState::PendingFailover => true,
            MirroringState::Suspended
            | MirroringState::Disconnected
            | MirroringState::Unsynchronized => false,
        })?;
    let why = format!(
        "the {} does not answer here, but its mirror is in touch with it ({state}): it is alive",
        side.role
    );
    Some(Block::site(LIVES, why, silence(side)))
}

/// Nobody can say whether it is dead.
fn unseen(facts: &Facts, side: &PrimarySide, why: &Problem) -> Option<Block> {
    (!is_overridden(facts, UNSEEN)).then(|| {
        let about = format!("whether the {} is dead cannot be seen", side.role);
        let why = why.about(about).or(format!(
            "or say with --override {UNSEEN}=REASON how you know that it is dead"
        ));
        Block::site(UNSEEN, why, "").lifted_by(Lift::Override)
    })
}

fn serving(facts: &Facts, side: &PrimarySide, row: &Database) -> Option<Block> {
    let other_family = side
        .family
        .as_deref()
        .zip(facts.family())
        .is_some_and(|(theirs, ours)| !theirs.eq_ignore_ascii_case(ours));
    if other_family && side.content.is_absent() {
        return (!is_overridden(facts, FRESH_PRIMARY)).then(|| {
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
    let mut mend = vec![
        Remedy::to_do(
            "it lives: where its mirror answers too, switch with `pchadr failover --planned`, which loses nothing",
        ),
        Remedy::to_do(
            "or by hand: it can be fenced, and nothing is lost: clear the active servers, disable its log-shipping backup job, end its sessions",
        ),
    ];
    mend.extend(tail(&facts.fence, row.mirroring.is_some()));
    mend.extend("this cannot be overridden".into_remedies());
    Some(Block::site(
        SERVES,
        format!(
            "the {} answers and its chat database is ONLINE: there would be two writable ones",
            side.role
        ),
        mend,
    ))
}
