//! A failover without a mirror (`design.md` 3, rule 18).

use super::{Facts, NO_MIRROR};
use crate::model::Problem;
use crate::step::{Block, Lift, Standing};

/// A mirror that is down or cannot be set up keeps nobody from failing over: it is an interlock.
pub(super) fn or_without(facts: &Facts, standing: Standing) -> Standing {
    let without = format!("or go on without a mirror: --override {NO_MIRROR}=REASON");
    let interlock = |mut problem: Problem| {
        problem = problem.with_remedy().or(without.clone());
        Block::site(NO_MIRROR, problem, "").lifted_by(Lift::Override)
    };
    let of_mirror = facts.mirror.as_ref().and_then(|mirror| {
        let unseen = mirror.database.unknown();
        unseen.or(mirror.identity.unknown())
    });
    match standing {
        Standing::Unknown(problem) if of_mirror == Some(&problem) => Standing::Blocked {
            blocks: vec![interlock(
                problem.about("what the backup mirror is, is not known"),
            )],
        },
        Standing::Blocked { blocks } => Standing::Blocked {
            // What a step before it clears is not the mirror's.
            blocks: blocks
                .into_iter()
                .map(|block| match block.cleared_by {
                    Some(_) => block,
                    None => interlock(block.problem),
                })
                .collect(),
        },
        other @ (Standing::Unknown(_) | Standing::Satisfied { .. } | Standing::Pending { .. }) => {
            other
        }
    }
}
