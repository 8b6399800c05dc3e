//! `abort`: takes the steps back, the last one first, by the same means as they were taken: observe,
//! judge, record, act, observe again, record.

use serde_json::{Value, json};

use super::sent::Sent;
use super::turn::{held_up, stopped, stopped_by_operator};
use super::{Execution, Halt, Turn, Way};
use crate::model::commands::quoted;
use crate::model::{Direction, Document, Problem, Remedy};
use crate::run::event::{Event, Outcome, RunFinished, StepOutcome};
use crate::run::exit::Exit;
use crate::run::fold::{RunState, StepEntry, StepState};
use crate::run::journal::JournalError;
use crate::run::operator::Answer;
use crate::run::resume::{PlanChange, known};
use crate::step::hands::{Means, StepError};
use crate::step::ledger::Ledger as _;
use crate::step::observe::pool;
use crate::step::undo::backwards;
use crate::step::{Standing, Step, before::Before};

/// Why a run was not undone.
#[derive(Debug, thiserror::Error)]
pub enum NotUndone {
    /// It must not be: nothing was sent, and nothing recorded.
    #[error("{}: {}", .0.what, .0.why)]
    Refused(Problem),
    /// The operator did not consent: likewise.
    #[error("the operator did not consent to undo run {0}")]
    NoConsent(String),
    /// The record cannot be written: nothing more was sent.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Why a run cannot be undone; `None` = it can.
pub fn refusal(state: &RunState) -> Option<Problem> {
    let refuse = |problem: Problem| {
        Some(Problem {
            what: format!("run {} cannot be undone", state.run),
            ..problem
        })
    };
    let rest = state.left_to_later();
    if state.is_finished() && rest.is_none() {
        return refuse(Problem::new(
            "it is finished",
            "there is nothing left of it to undo",
        ));
    }
    let direction = match known(state) {
        Ok((direction, _)) => direction,
        Err(unknown) => return Some(unknown),
    };
    let beyond = beyond(state, direction);
    beyond.and_then(|entry| {
        let why = format!("step `{}` has begun: there is no way back", entry.id);
        let go_on = match rest {
            Some(rest) => format!(
                "pchadr {} --from {}",
                quoted(&state.runbook),
                quoted(&rest.id)
            ),
            None => format!(
                "pchadr {} --resume={}",
                quoted(&state.runbook),
                quoted(&state.run)
            ),
        };
        refuse(Problem::new(
            why,
            vec![
                Remedy::to_do("go on with it"),
                Remedy::Command(go_on.into()),
            ],
        ))
    })
}

/// The first step from the point of no return on that has begun.
fn beyond(state: &RunState, direction: Direction) -> Option<&StepEntry> {
    Step::of(direction)
        .iter()
        .skip_while(|step| !step.is_point_of_no_return())
        .filter_map(|step| state.step(step.id()))
        .find(|entry| entry.started || entry.is_done())
}

/// True for an unfinished failback behind its point of no return. Chat is written on the primary by
/// then, and log shipping takes it to the backup: where the first data center is lost again, a failover
/// takes over from there, and closes it. Likewise for a planned failover before its own: where the first
/// data center is lost meanwhile, nothing of it can be undone, and a failover begins where it stands.
pub fn gives_way_to_a_failover(state: &RunState) -> bool {
    if state.is_finished() {
        return false;
    }
    if state.is_planned() {
        return beyond(state, Direction::Failover).is_none();
    }
    state.runbook == Direction::Failback.key() && beyond(state, Direction::Failback).is_some()
}

/// The steps of a run that changed something, in the order in which they are undone.
///
/// # Errors
/// Those of [`known`].
pub fn to_undo(state: &RunState) -> Result<Vec<Step>, Problem> {
    let (_, mut steps) = known(state)?;
    let changed: Vec<&str> = state.changes().map(|entry| entry.id.as_str()).collect();
    steps.retain(|step| changed.contains(&step.id()));
    Ok(backwards(steps))
}

impl Execution<'_> {
    /// Undoes what a run changed, whose journal was reopened.
    ///
    /// # Errors
    /// When there is no way back, or the record cannot be written.
    pub async fn abort(&self, change: Option<PlanChange>) -> Result<RunFinished, NotUndone> {
        let Some(state) = self.ledger.state() else {
            return Err(NotUndone::Refused(Problem {
                what: "abort".to_owned(),
                ..Problem::new("no run has begun", "there is nothing to undo")
            }));
        };
        if let Some(refused) = refusal(&state) {
            return Err(NotUndone::Refused(refused));
        }
        if let Some(problem) = self.went_further(&state).await {
            return Err(NotUndone::Refused(problem));
        }
        let steps = to_undo(&state).map_err(NotUndone::Refused)?;
        let what = format!("undo what run {} changed", self.run);
        let by = self.ask_to_undo(&what).await;
        let by = by.ok_or_else(|| NotUndone::NoConsent(self.run.to_owned()))?;
        self.record_resumed(change)?;
        let ended = match self.hear_out().await {
            Ok(None) => self.take_all_back(&state, steps, what, by).await,
            Ok(Some(halt)) => self.finish(Some(halt), None, Outcome::Undone),
            Err(error) => Err(error),
        };
        Ok(self.ended(ended, Outcome::Undone)?)
    }

    /// Why the site is further than the record says: a copy of it can end early. Then nobody knows what
    /// there is to undo.
    async fn went_further(&self, state: &RunState) -> Option<Problem> {
        let mut why = self.guard.ahead().await.map(|problem| problem.why);
        if why.is_none() {
            let untouched = |step: &Step| {
                let entry = state.step(step.id());
                entry.is_some_and(|it| it.state == StepState::Untouched && !it.started)
            };
            let (_, steps) = known(state).ok()?;
            let mut steps = steps.into_iter();
            if let Some(step) = steps.find(|it| it.is_point_of_no_return() && untouched(it))
                && let Some(seen) = self.effect_of(step, state).await
            {
                why = Some(format!(
                    "step `{}` has its effect on the site ({seen}), and the record does not know of it: it ends early, or somebody else did that",
                    step.id()
                ));
            }
        }
        let forth = self.forth_command.clone();
        let mut problem = Problem::new(
            why?,
            Remedy::to_do(
                "bring the other copy of the record back, or go on with the run, which looks at the site before each step",
            ),
        );
        problem
            .remedies
            .extend(forth.map(|forth| Remedy::Command(forth.into())));
        problem.what = format!("run {} cannot be undone", self.run);
        Some(problem)
    }

    /// What shows on the site of a step that the record does not know to have begun. Of B6 what it changes
    /// decides, whatever keeps the step itself from being judged: chat may have been written on a primary
    /// that is lost since.
    async fn effect_of(&self, step: Step, state: &RunState) -> Option<String> {
        if let (_, Standing::Satisfied { why }) = self.look(step).await {
            return Some(why);
        }
        let cleared = state.is_done(Step::ClearActiveServers.id()) && !state.turned_back();
        if step != Step::ReturnActiveServers || !cleared {
            return None;
        }
        let service = pool::service(self.access, &self.site.pool.fqdn).await;
        let active = service.seen()?.active_servers.as_ref()?;
        let home = |server: &&String| self.site.pool.normal.iter().any(|it| it.is(server));
        let active: Vec<&str> = active.iter().filter(home).map(String::as_str).collect();
        (!active.is_empty()).then(|| format!("active: {}", active.join(", ")))
    }

    async fn take_all_back(
        &self,
        state: &RunState,
        steps: Vec<Step>,
        what: String,
        by: &str,
    ) -> Result<RunFinished, JournalError> {
        if let Some(step) = state.changes().next() {
            self.ledger.record(Event::Consent {
                step: step.id.clone(),
                what,
                by: by.to_owned(),
                end: None,
            })?;
        }
        if let (Some(step), Some(problem)) = (steps.first(), self.guard.unseen().await) {
            let halt = Halt::of_look(*step, Exit::Blocked, problem);
            return self.finish(Some(halt), None, Outcome::Undone);
        }
        // Those that an earlier execution undid are looked at again at the end (rule 6).
        let undone = |step: &Step| {
            let entry = state.step(step.id());
            entry.is_some_and(|it| it.state == StepState::Ended(StepOutcome::Undone))
        };
        let undone: Vec<Step> = known(state)
            .map(|(_, steps)| steps.into_iter().filter(undone).collect())
            .unwrap_or_default();
        for step in steps {
            let turn = if self.stop.is_cancelled() {
                Turn::Halted(Box::new(stopped_by_operator(step)))
            } else {
                Box::pin(self.take_back(step)).await?
            };
            if let Turn::Halted(mut halt) = turn {
                self.name_cmdlets(&mut halt, Way::Back, &[]).await;
                return self.finish(Some(*halt), None, Outcome::Undone);
            }
        }
        for step in backwards(undone) {
            let standing = self.check_undo(step).await?;
            if let Some(halt) = not_undone_any_more(step, &standing) {
                return self.finish(Some(halt), None, Outcome::Undone);
            }
        }
        self.finish(None, None, Outcome::Undone)
    }

    /// How the operator consented, if so.
    async fn ask_to_undo(&self, what: &str) -> Option<&'static str> {
        if self.terms.rehearsal {
            return Some("rehearsal");
        }
        if self.terms.yes {
            return Some("--yes");
        }
        if !self.operator.is_there() {
            return None;
        }
        let word = self.site.pool.fqdn.as_str();
        match self.answer(what, word).await {
            Answer::Yes => Some("typed"),
            Answer::No => None,
        }
    }

    async fn take_back(&self, step: Step) -> Result<Turn, JournalError> {
        self.ledger.record(Event::UndoStarted {
            id: step.id().to_owned(),
        })?;
        let standing = self.check_undo(step).await?;
        match &standing {
            Standing::Satisfied { why } => {
                self.end(step, StepOutcome::Undone, why)?;
                return Ok(Turn::Done);
            }
            Standing::Pending { .. } => {}
            Standing::Blocked { .. } | Standing::Unknown(_) => {
                if let Some(halt) = held_up(step, &standing) {
                    self.end(step, stopped(&standing), &halt.problem.reason())?;
                    return Ok(Turn::Halted(Box::new(halt)));
                }
            }
        }
        if let Err(problem) = self.guard.check().await {
            self.end(step, StepOutcome::Stopped, &problem.why)?;
            let halt = Halt::new(step, Exit::Held, problem);
            return Ok(Turn::Halted(Box::new(halt)));
        }
        let acted = self.act_undo(step).await;
        self.settle(step, acted, StepOutcome::Undone).await
    }

    async fn check_undo(&self, step: Step) -> Result<Standing, JournalError> {
        let (facts, standing) = self.look_undo(step).await;
        self.record_checked(step, &standing, &facts)?;
        Ok(standing)
    }

    /// The same without a record: what was seen, and where the undoing stands.
    pub(super) async fn look_undo(&self, step: Step) -> (Value, Standing) {
        let (saved, before) = match self.saved().and_then(|saved| Ok((saved, self.before()?))) {
            Ok(known) => known,
            // What cannot be read is not "nothing was so".
            Err(error) => {
                let problem = error.problem();
                let facts = json!({ "because": problem.to_string() });
                return (facts, Standing::Unknown(problem));
            }
        };
        let cx = self.context(step, saved.as_ref());
        let undo = Box::pin(step.observe_undo(cx, before.as_ref())).await;
        (json!(undo), undo.judge())
    }

    async fn act_undo(&self, step: Step) -> Result<(), StepError> {
        let (saved, before) = (self.saved()?, self.before()?);
        let sent = Sent::through(self.ledger);
        let means = Means {
            step: step.id(),
            commands: &self.planned(step)?.undo,
            ledger: &sent,
            guard: self.guard,
            stop: self.stop,
            limits: &self.site.limits,
            handoff: None,
        };
        let cx = self.context(step, saved.as_ref());
        let acting = Box::pin(step.undo(cx, before.as_ref(), &means));
        let acted = self.within_limit(step.undo_limit(self.site), acting).await;
        sent.judge(acted)
    }

    /// How the site was before this run changed it, as far as it was written down.
    pub(super) fn before(&self) -> Result<Option<Before>, StepError> {
        let document = Document::BeforeFailback;
        let Some(bytes) = self.ledger.kept(document)? else {
            return Ok(None);
        };
        Before::read(&bytes)
            .map(Some)
            .map_err(|unread| {
                StepError::other(
                    format!("`{}` of this run cannot be read: {unread}", document.name()),
                    format!("{}, or move it out of the run folder: then the site file's list counts, and what was mirrored is yours to set up", unread.remedy()),
                )
            })
    }
}

/// What keeps an undoing from being whole: a step that was undone, and is not any more.
fn not_undone_any_more(step: Step, standing: &Standing) -> Option<Halt> {
    match standing {
        Standing::Satisfied { .. } => None,
        Standing::Pending { what, .. } => {
            let why = format!("it was undone, and there is work again: {what}");
            let problem = Problem::new(why, "see what was done to the site since");
            Some(Halt::of_look(step, Exit::Blocked, problem))
        }
        Standing::Blocked { .. } | Standing::Unknown(_) => held_up(step, standing),
    }
}
