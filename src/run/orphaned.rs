//! A run whose site has lost the instance that the lock of the site lies on.

use super::event::StepOutcome;
use super::fold::{RunState, StepState};
use crate::access::Access;
use crate::model::{Direction, Remedy};
use crate::site::Site;
use crate::step::terms::Terms;
use crate::step::{Context, by_hand};

/// What brings chat into service by hand, where that run stopped; nothing where the run has changed
/// nothing, or where nobody knows.
pub async fn ways(site: &Site, access: &Access, state: &RunState) -> Vec<Remedy> {
    let Some(direction) = Direction::find(&state.runbook).filter(|_| state.has_acted()) else {
        return Vec::new();
    };
    // Before that there is no other copy that anybody could open, but the one that a planned failover
    // closed.
    let recovers = state.step("recover-database");
    let is_untouched = recovers.is_some_and(|it| !it.started && it.state == StepState::Untouched);
    let planned = state.is_planned() && is_untouched;
    if direction == Direction::Failover && !planned && !state.is_done("recover-database") {
        return Vec::new();
    }
    let cx = Context {
        site,
        access,
        terms: &Terms::default(),
        saved: None,
        unreadable: &[],
        run: &state.run,
        seeded: state.step("seed-primary").is_some(),
        planned,
        started: true,
        mirror_begun: true,
        began: None,
    };
    let mirroring = state.step("remove-mirroring");
    let done = StepState::Ended(StepOutcome::Done);
    let left = mirroring.is_some_and(|it| it.started || it.state == done);
    Box::pin(by_hand::without_the_backup(cx, direction, left)).await
}
