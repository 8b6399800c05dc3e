//! A failback without the primary's mirror (`design.md` 3, rules 13 and 18): B1 to B7 need none. Its
//! half of log shipping is left out with it.

use crate::model::{Instance, IntoRemedies as _, Problem, Role};
use crate::step::observe::instance::{Presence, presence};
use crate::step::{Block, Context, Lift};

/// Interlock: the run goes on without a mirror.
pub(in crate::step) const NO_MIRROR: &str = "no-mirror";

/// The instances of the first data center that the run counts on: without the mirror where it is silent
/// and the operator goes on without it.
pub(in crate::step) async fn primary_side(cx: Context<'_>) -> Vec<Role> {
    let sql = &cx.access.sql;
    let mut roles = vec![Role::Primary, Role::PrimaryMirror];
    roles.retain(|role| sql.has(Instance::chat(*role)));
    if roles.contains(&Role::PrimaryMirror) && cx.terms.overrides(NO_MIRROR) {
        let mirror = presence(cx.access, Instance::chat(Role::PrimaryMirror)).await;
        if matches!(mirror, Presence::Dead(_) | Presence::Unseen(_)) {
            roles.retain(|role| *role != Role::PrimaryMirror);
        }
    }
    roles
}

/// The primary's mirror is in the way: an interlock.
pub(in crate::step) fn interlock(why: impl Into<Problem>) -> Block {
    let mut problem = why.into().with_remedy();
    let without = format!("or go on without the primary's mirror: --override {NO_MIRROR}=REASON");
    problem.remedies.extend(without.into_remedies());
    Block::site(NO_MIRROR, problem, "").lifted_by(Lift::Override)
}
