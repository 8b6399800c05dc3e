//! The ways besides going on (`design.md` 3, rule 13): what a run that stopped names, so that from
//! every stop chat can be brought into service on one side.

use super::undo::refusal;
use super::{Checked, Execution, Halt, Way, is_overtaken};
use crate::model::{Direction, Place, Remedy};
use crate::run::event::Outcome;
use crate::step::Step;
use crate::step::by_hand::spelled_changes;
use crate::step::observe::pool;

impl Execution<'_> {
    /// Where this machine has no PowerShell, names the cmdlets that bring chat into service, whole: they
    /// can be typed on any machine that has one, and are recognized afterwards. Only once nothing but
    /// them is left to do for users.
    pub(super) async fn name_cmdlets(&self, halt: &mut Halt, way: Way, checked: &[Checked]) {
        let users_wait_for = match (self.plan.direction, way) {
            (Direction::Failover, Way::On) => &[Step::SetPoolState, Step::SetActiveServers][..],
            (Direction::Failback, Way::On) => &[Step::ReturnActiveServers, Step::ReturnPoolState],
            (Direction::Failback, Way::Back) => &[Step::ClearActiveServers],
            (Direction::Failover, Way::Back) | (Direction::Fence, _) => return,
        };
        let is_met = |index: usize| {
            let it = &checked[index];
            let met = it.done || it.standing.is_satisfied() || is_overtaken(checked, index);
            met || self.is_done(it.step) || it.step.optional().is_some()
        };
        let is_ready = match way {
            Way::Back => users_wait_for.contains(&halt.at),
            Way::On => {
                let waits = |it: &Checked| users_wait_for.contains(&it.step);
                let first = checked.iter().position(waits);
                first.is_some_and(|first| (0..first).all(is_met))
            }
        };
        let open = |step: &&Step| way == Way::Back || !self.is_done(**step);
        let mut open = users_wait_for.iter().filter(open).peekable();
        if !is_ready || open.peek().is_none() {
            return;
        }
        let seen = pool::central_management(self.access).await;
        if seen.unknown().and_then(|why| why.place.as_ref()) != Some(&Place::ThisMachine) {
            return;
        }
        let before = self.before().ok().flatten();
        let before = before.and_then(|before| before.active_servers);
        let ways = &mut halt.problem.remedies;
        ways.push(Remedy::to_do(
            "or, where this machine has no PowerShell any more, on one that has the management shell, in this order",
        ));
        for step in open {
            for cmdlet in spelled_changes(self.site, *step, before.as_deref()) {
                ways.push(Remedy::Statement(cmdlet.into()));
            }
        }
    }

    /// What else can be done about a failback, or a planned failover, that stopped while chat is down.
    pub(super) fn other_ways(&self, outcome: Outcome, whole: Outcome) -> Vec<Remedy> {
        let is_down = self.ledger.down_since().is_some();
        let is_planned = self.plan.is_planned();
        let takes_it_down = self.plan.direction == Direction::Failback || is_planned;
        let is_ours = takes_it_down && outcome == Outcome::Stopped;
        let Some(state) = self.ledger.state().filter(|_| is_ours) else {
            return Vec::new();
        };
        let refusal = refusal(&state);
        // Users that are served before the mirror stands may lose what serves them behind that.
        let may_be_lost = !is_planned && refusal.is_some();
        if !is_down && !may_be_lost {
            return Vec::new();
        }
        if is_planned {
            return ways_of_a_planned(refusal.is_none(), whole);
        }
        let (words, command) = match refusal {
            // It is on that way already.
            None if whole == Outcome::Undone => return Vec::new(),
            None => (
                "or go back, and chat is served from the second data center again (where the first one, or an instance there, is lost for good, with --override primary-lost=REASON)",
                "pchadr abort",
            ),
            Some(_) => (
                "or, where the first data center is lost for good again, move chat to the second one",
                "pchadr failover",
            ),
        };
        vec![Remedy::to_do(words), Remedy::Command(command.into())]
    }
}

/// Before recovery a planned failover can be undone; where the first data center is lost meanwhile, a
/// failover takes over. Behind it the run goes on.
fn ways_of_a_planned(can_be_undone: bool, whole: Outcome) -> Vec<Remedy> {
    let mut ways = Vec::new();
    if can_be_undone && whole != Outcome::Undone {
        ways.push(Remedy::to_do(
            "or go back, and chat is served from the first data center again",
        ));
        ways.push(Remedy::Command("pchadr abort".into()));
    }
    if can_be_undone {
        ways.push(Remedy::to_do(
            "or, where the first data center is lost for good by now, move chat to the second one with what it has",
        ));
        ways.push(Remedy::Command("pchadr failover".into()));
    }
    ways
}
