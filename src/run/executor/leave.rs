//! Users first (`design.md` 3, rule 18): behind the point of no return a step that users need nothing of
//! holds nothing back. It is sent in its place; its effect is waited for behind the step that serves them,
//! and where it cannot be done the run goes on without it.

use super::{Checked, Execution, Halt, Turn};
use crate::model::problem::spell;
use crate::model::{Direction, Instance, Problem, Remedy, Role, WayOn};
use crate::run::event::{Event, StepOutcome};
use crate::run::exit::Exit;
use crate::run::fold::StepState;
use crate::run::journal::JournalError;
use crate::run::orphaned;
use crate::run::preflight::{is_overtaken, open, work};
use crate::step::hands::StepError;
use crate::step::observe::Observed;
use crate::step::observe::database::{Database, database};
use crate::step::pool::is_unseen_pool;
use crate::step::{Standing, Step};

impl Execution<'_> {
    /// Says of each step that may be left out, before the run, whether what is in its way holds it back:
    /// not behind the point of no return, where anything else is to do or was done by this run, and not
    /// with its interlock overridden.
    pub(super) fn see_what_may_be_left(&self, checked: &mut [Checked]) {
        let open: Vec<Step> = open(checked).iter().map(|at| checked[*at].step).collect();
        let work = work(checked);
        let behind = !open.iter().any(|step| step.is_point_of_no_return());
        let state = self.ledger.state();
        let acted = state.is_some_and(|state| state.has_acted());
        for it in checked {
            let Some(optional) = it.step.optional() else {
                continue;
            };
            let others = work.iter().any(|step| *step != it.step);
            it.may_leave = self.terms.overrides.contains_key(optional.interlock)
                || behind && (acted || others);
        }
    }

    /// The way on where the pool cannot be seen, and nothing else is in the way: what comes before it
    /// needs no pool, and can be done meanwhile.
    pub(super) fn until_the_pool_answers(
        &self,
        checked: &[Checked],
    ) -> Option<(usize, Vec<Remedy>)> {
        let recovers = checked
            .iter()
            .position(|it| it.step.is_point_of_no_return())?;
        let pool = checked
            .iter()
            .position(|it| it.step == Step::SetPoolState)?;
        let open = |index: &usize| {
            let it = &checked[*index];
            !it.done && !it.standing.is_satisfied() && !is_overtaken(checked, *index)
        };
        let free = |index: usize| match &checked[index].standing {
            Standing::Satisfied { .. } | Standing::Pending { .. } => true,
            Standing::Blocked { blocks } => blocks.iter().all(|it| it.cleared_by.is_some()),
            Standing::Unknown(_) => false,
        };
        let unseen = match &checked[pool].standing {
            Standing::Unknown(_) => true,
            Standing::Blocked { blocks } => blocks.iter().any(is_unseen_pool),
            Standing::Satisfied { .. } | Standing::Pending { .. } => false,
        };
        let parts = self.plan.direction == Direction::Failover
            && pool > recovers
            && open(&recovers)
            && unseen
            && (0..=recovers).filter(open).all(free);
        let first = (0..=recovers).find(open).unwrap_or(recovers);
        let until = checked[recovers].step.id();
        let order = self.plan.risk.map_or("", |_| " --service-first");
        parts.then(|| {
            let mut ways = vec![Remedy::to_do(
                "or do first what needs no Skype, and the rest when the pool answers",
            )];
            // Only a new run can be taken in parts.
            if self.ledger.state().is_some_and(|state| state.has_acted()) {
                ways.push(Remedy::Command("pchadr abort".into()));
            }
            ways.push(Remedy::Command(
                format!("pchadr failover{order} --until {until}").into(),
            ));
            (first, ways)
        })
    }

    /// Whether the run goes on without that step: it serves users, and there is no way back.
    pub(super) fn leaves(&self, step: Step) -> bool {
        let Some(optional) = step.optional() else {
            return false;
        };
        let mut steps = self.plan.steps.iter().map(|planned| planned.step);
        let is_behind = steps.all(|it| !it.is_point_of_no_return() || self.is_done(it));
        self.plan.of(optional.serves).is_some()
            && (is_behind || self.terms.overrides(optional.interlock))
            && !self.stop.is_cancelled()
    }

    /// Whether users would wait for its effect now.
    pub(super) fn waits_behind(&self, step: Step) -> bool {
        let unserved = |optional: crate::step::Optional| !self.is_done(optional.serves);
        self.leaves(step) && step.optional().is_some_and(unserved)
    }

    /// Goes on without a step that something keeps from acting, where it may be left.
    pub(super) fn or_leave(&self, step: Step, turn: Turn) -> Result<Turn, JournalError> {
        match turn {
            Turn::Halted(halt) if self.leaves(step) => {
                self.end(step, StepOutcome::Left, &left(&halt.problem))?;
                Ok(Turn::Done)
            }
            turn @ (Turn::Done
            | Turn::Later(_)
            | Turn::Halted(_)
            | Turn::HeldUp(..)
            | Turn::Back(..)) => Ok(turn),
        }
    }

    /// Records those as done whose effects show by now: the run ends, and waits for none of them.
    pub(super) async fn end_what_shows(
        &self,
        later: &[(Step, Result<(), StepError>)],
    ) -> Result<(), JournalError> {
        for (step, _) in later {
            if let Standing::Satisfied { why } = self.check(*step).await?.1 {
                self.end(*step, StepOutcome::Done, &why)?;
            }
        }
        Ok(())
    }

    /// Where something was left out at the end of a failover: that the chat database serves all the same.
    /// What kept it from being done may be the death of the only instance that does.
    pub(super) async fn see_that_it_serves(&self) -> Option<Halt> {
        let state = self.ledger.state()?;
        let is_left = |step: &Step| {
            let entry = state.step(step.id());
            entry.is_some_and(|it| it.state == StepState::Ended(StepOutcome::Left))
        };
        let mut steps = self.plan.steps.iter().map(|planned| planned.step);
        let left = steps.find(is_left)?;
        if self.plan.direction != Direction::Failover {
            return None;
        }
        let name = &self.site.database.chat;
        let seen = database(self.access, Instance::chat(Role::Backup), name).await;
        if seen.seen().is_some_and(Database::serves) {
            return None;
        }
        let mirror = Instance::chat(Role::BackupMirror);
        if self.access.sql.has(mirror)
            && let Observed::Seen(row) = database(self.access, mirror, name).await
            && row.serves()
        {
            return None;
        }
        let about = "nothing serves in the second data center";
        let problem = match &seen {
            Observed::Seen(row) => {
                Problem::from(format!("the backup's chat database is {}", row.state)).about(about)
            }
            Observed::Absent => Problem::from("the backup has no chat database").about(about),
            Observed::Unknown(why) => why.about(about),
        };
        let ways = orphaned::ways(self.site, self.access, &state).await;
        let problem = problem.with_remedy().then_go_on().or(ways);
        Some(Halt::of_look(left, Exit::Stopped, problem))
    }

    /// Waits for the effects that users did not wait for.
    pub(super) async fn wait_for(
        &self,
        later: Vec<(Step, Result<(), StepError>)>,
    ) -> Result<Option<Halt>, JournalError> {
        for (step, acted) in later {
            match Box::pin(self.settle(step, acted, StepOutcome::Done)).await? {
                Turn::Halted(halt) => return Ok(Some(*halt)),
                // Nothing else holds it up, and nobody waits any more.
                Turn::Done | Turn::Later(_) | Turn::HeldUp(..) | Turn::Back(..) => {}
            }
        }
        Ok(None)
    }

    /// Records a step that was done as left, where it is not so any more and cannot be done again.
    pub(super) fn leave_again(&self, checked: &mut Checked) -> Result<(), JournalError> {
        let problem = match &checked.standing {
            Standing::Blocked { blocks } => super::halt::blocked(blocks),
            Standing::Unknown(problem) => problem.clone(),
            Standing::Satisfied { .. } | Standing::Pending { .. } => return Ok(()),
        };
        if !self.leaves(checked.step) {
            return Ok(());
        }
        if self.is_done(checked.step) {
            let (id, why) = (checked.step.id().to_owned(), problem.reason());
            self.ledger.record(Event::StepReopened { id, why })?;
            self.end(checked.step, StepOutcome::Left, &left(&problem))?;
        }
        let why = problem.reason();
        checked.standing = Standing::Satisfied { why };
        Ok(())
    }
}

/// Why a step was left out, and what mends that; no way on is named, for the run went on.
pub(super) fn left(problem: &Problem) -> String {
    let mends = |it: &&Remedy| match it {
        Remedy::Do(words) => !words.contains("--override"),
        Remedy::Command(_) | Remedy::Statement(_) => true,
        Remedy::GoOn => false,
    };
    let remedies: Vec<Remedy> = problem.remedies.iter().filter(mends).cloned().collect();
    let why = problem.reason();
    if remedies.is_empty() {
        return why;
    }
    format!("{why}: {}", spell(&remedies, WayOn::Resume))
}
