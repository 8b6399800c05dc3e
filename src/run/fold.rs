//! Folds a journal to where its run stands: what a resume goes on from. Kinds, ids, outcomes and
//! digests are read, never facts (`design.md` 5).
//!
//! One transition function, [`RunState::apply`], judges every record: of a journal that is read,
//! and of a run that is under way ([`super::recorder`]).

mod entry;
mod part;
mod sent;

use super::event::{Continues, Event, Outcome, Record, RunFinished, RunStarted, StepOutcome};
use crate::model::{Direction, Lsn};
use crate::step::{Effect, Step};
use sent::Sent;

pub use entry::{StepEntry, StepState};
pub use sent::PowerShellAt;

/// Where a run stands after its records so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunState {
    /// Run id.
    pub run: String,
    /// `failover` or `failback`.
    pub runbook: String,
    /// Digest of the plan that holds now: the first one, or the last that was agreed to.
    pub plan_digest: String,
    /// Digest of the site as the run began with it.
    pub site_digest: String,
    /// The pool.
    pub pool: String,
    /// The steps, in order.
    pub steps: Vec<StepEntry>,
    /// Every consent, in order.
    pub consents: Vec<Given>,
    /// How the last execution ended; `None` while one is under way, or was killed.
    pub ended: Option<Outcome>,
    /// How many executions there were: 1, and one for every resume.
    pub executions: usize,
    /// The step that the run ends behind, where it takes a part of its plan.
    pub until: Option<String>,
    /// The run that it continues.
    pub continues: Option<Continues>,
    /// Digest of the approval of the plan that holds now, where that one was approved.
    pub approved: Option<String>,
    /// The highest number that the run took to fence others off.
    pub fence: u64,
    sent: Sent,
    announced: String,
    stopping: bool,
    /// True once something was sent to undo a step, or a step was undone.
    turned_back: bool,
}

/// A consent as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// Step that needed it.
    pub step: String,
    /// What was agreed to.
    pub what: String,
    /// How.
    pub by: String,
    /// Where the chain ended, of a consent to lose what was written after it.
    pub end: Option<Lsn>,
}

/// Why records are not a run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// There is no record.
    #[error("the journal has no record")]
    Empty,
    /// A record must not follow the ones before it.
    #[error("record {seq}: {why}")]
    Illegal {
        /// Its number.
        seq: u64,
        /// The pair that is illegal.
        why: String,
    },
}

/// Folds a whole journal.
pub fn fold(records: &[Record]) -> Result<RunState, FoldError> {
    let (first, rest) = records.split_first().ok_or(FoldError::Empty)?;
    let mut state = RunState::begin(&first.event).map_err(|why| illegal(first, why))?;
    for record in rest {
        state
            .apply(&record.event)
            .map_err(|why| illegal(record, why))?;
    }
    Ok(state)
}

fn illegal(record: &Record, why: String) -> FoldError {
    FoldError::Illegal {
        seq: record.seq,
        why,
    }
}

impl RunState {
    /// The state after the first record of a run.
    pub fn begin(event: &Event) -> Result<Self, String> {
        let Event::RunStarted(started) = event else {
            return Err("the first record is not `run_started`".to_owned());
        };
        let RunStarted {
            run,
            runbook,
            plan_digest,
            site_digest,
            pool,
            until,
            continues,
            approved,
            ..
        } = started.clone();
        let mut steps: Vec<StepEntry> = Vec::with_capacity(started.steps.len());
        for line in &started.steps {
            if steps.iter().any(|step| step.id == line.id) {
                return Err(format!("step `{}` is listed twice", line.id));
            }
            steps.push(StepEntry::untouched(line, 1));
        }
        let from = continues.as_ref().and_then(|it| it.from.as_ref());
        for id in until.iter().chain(from) {
            if !steps.iter().any(|step| step.id == *id) {
                return Err(format!("step `{id}` is not a step of this run"));
            }
        }
        Ok(Self {
            run,
            runbook,
            announced: plan_digest.clone(),
            plan_digest,
            site_digest,
            pool,
            steps,
            consents: Vec::new(),
            ended: None,
            executions: 1,
            until,
            continues,
            approved,
            fence: 0,
            sent: Sent::by(&started.host),
            stopping: false,
            turned_back: false,
        })
    }

    /// Goes on to the state after `event`, or says why it must not come now. An event that is
    /// refused leaves the state as it was.
    pub fn apply(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::RunResumed {
                plan_digest, host, ..
            } => {
                self.announced.clone_from(plan_digest);
                self.sent.go_on_by(host);
                self.ended = None;
                self.stopping = false;
                self.executions += 1;
                return Ok(());
            }
            Event::PlanChanged {
                from,
                to,
                steps,
                approved,
            } => {
                self.change_plan(from, to, steps.as_deref())?;
                self.approved.clone_from(approved);
                return Ok(());
            }
            _ if self.ended.is_some() => {
                return Err(format!(
                    "`{}` after `run_finished`, without `run_resumed`",
                    event.kind()
                ));
            }
            _ if self.announced != self.plan_digest => {
                return Err(format!(
                    "`{}` under another plan, without `plan_changed`",
                    event.kind()
                ));
            }
            Event::RunStarted(_)
            | Event::StepChecked { .. }
            | Event::Consent { .. }
            | Event::StepStarted { .. }
            | Event::UndoStarted { .. }
            | Event::StepReopened { .. }
            | Event::Command { .. }
            | Event::FenceTaken { .. }
            | Event::SendersGone { .. }
            | Event::PowerShell { .. }
            | Event::CmdletSaid { .. }
            | Event::StepFinished { .. }
            | Event::RunStopped { .. }
            | Event::RunFinished(_) => {}
        }
        match event {
            Event::RunStarted(_) => Err("`run_started` twice".to_owned()),
            Event::StepChecked { id, .. } => self.place(id).map(|_| ()),
            Event::Consent {
                step,
                what,
                by,
                end,
            } => {
                self.place(step)?;
                self.consents.push(Given {
                    step: step.clone(),
                    what: what.clone(),
                    by: by.clone(),
                    end: *end,
                });
                Ok(())
            }
            Event::StepStarted { id } => self.start(id),
            Event::UndoStarted { id } => self.start_undo(id),
            Event::StepReopened { id, .. } => self.reopen(id),
            Event::Command { step, n, .. } => self.command(step, *n),
            Event::FenceTaken { number, .. } => {
                self.fence = self.fence.max(*number);
                Ok(())
            }
            Event::SendersGone { instance, .. } => {
                self.sent.senders_gone(instance);
                Ok(())
            }
            Event::CmdletSaid {
                step,
                errors,
                warnings,
                ..
            } => {
                let place = self.place(step)?;
                let said = errors.iter().chain(warnings).cloned();
                self.steps[place].said.extend(said);
                Ok(())
            }
            Event::PowerShell { process, since, is } => {
                self.sent.powershell(*process, since, *is);
                Ok(())
            }
            Event::StepFinished { id, outcome, .. } => self.end(id, *outcome),
            Event::RunStopped { stopped_at, .. } => {
                self.place(stopped_at)?;
                if self.stopping {
                    return Err("`run_stopped` twice in one execution".to_owned());
                }
                self.stopping = true;
                Ok(())
            }
            Event::RunFinished(finished) => self.finish(finished),
            Event::RunResumed { .. } | Event::PlanChanged { .. } => Ok(()),
        }
    }

    /// Whether it is a planned failover: its primary lived when it began.
    pub fn is_planned(&self) -> bool {
        self.runbook == Direction::Failover.key() && self.step(Step::ClosePrimary.id()).is_some()
    }

    /// The step with that id.
    pub fn step(&self, id: &str) -> Option<&StepEntry> {
        self.steps.iter().find(|step| step.id == id)
    }

    /// True when the step is recorded done: it is neither judged nor run again.
    pub fn is_done(&self, id: &str) -> bool {
        self.step(id).is_some_and(StepEntry::is_done)
    }

    /// True once something was sent to undo a step, or a step was undone.
    pub fn turned_back(&self) -> bool {
        self.turned_back
    }

    /// The LSN up to which nothing may be lost, by the last consent to lose what lies after it.
    pub fn accepted_end(&self) -> Option<Lsn> {
        self.consents.iter().rev().find_map(|given| given.end)
    }

    /// True when nothing is left to resume. A refusal counts only where nothing was changed before:
    /// an execution that was refused does not finish a run that had begun.
    pub fn is_finished(&self) -> bool {
        match self.ended {
            Some(Outcome::Done | Outcome::Undone) => true,
            Some(Outcome::Refused) => !self.has_acted(),
            Some(Outcome::Stopped) | None => false,
        }
    }

    /// True where the run can only be undone to its end. A failback whose undoing has begun is one:
    /// its two backup files do not join what the backup writes from there on. So is a planned failover:
    /// its end of the log stands for one life of the primary.
    pub fn goes_back_only(&self) -> bool {
        self.turned_back && (self.runbook == Direction::Failback.key() || self.is_planned())
    }

    /// The steps that began to change the site, in any execution, and were not undone.
    pub fn changes(&self) -> impl Iterator<Item = &StepEntry> {
        self.steps.iter().filter(|step| {
            step.effect != Effect::ReadOnly
                && (step.started || step.state == StepState::Ended(StepOutcome::Done))
        })
    }

    /// True when any step that changes the site began to act, in any execution, and was not undone.
    pub fn has_acted(&self) -> bool {
        self.changes().next().is_some()
    }

    /// True where what is recorded of a step makes such an end of the run a lie. A refusal is judged
    /// in a first execution only: later ones speak of themselves.
    fn contradicts(&self, outcome: Outcome, step: &StepEntry) -> bool {
        use StepOutcome::{Done, Stopped, Unknown};
        let open = matches!(
            step.state,
            StepState::Started | StepState::Ended(Stopped | Unknown)
        );
        let changed = step.commanded || step.state == StepState::Ended(Done);
        match outcome {
            Outcome::Done => open,
            Outcome::Refused => self.executions == 1 && step.effect != Effect::ReadOnly && changed,
            Outcome::Undone => step.effect != Effect::ReadOnly && (step.started || changed),
            Outcome::Stopped => false,
        }
    }

    fn place(&self, id: &str) -> Result<usize, String> {
        self.steps
            .iter()
            .position(|step| step.id == id)
            .ok_or_else(|| format!("step `{id}` is not a step of this run"))
    }

    fn start(&mut self, id: &str) -> Result<(), String> {
        let place = self.place(id)?;
        let (execution, stopping) = (self.executions, self.stopping);
        let goes_back_only = self.goes_back_only();
        let step = &mut self.steps[place];
        let earlier = step.execution < execution;
        let why = match step.state {
            _ if stopping => "after `run_stopped`",
            _ if goes_back_only => "of a run that takes chat down and whose undoing has begun",
            StepState::Started if !earlier => "twice",
            StepState::Ended(outcome) if outcome.is_done() => "after it was done",
            StepState::Ended(_) if !earlier => "after its end, without `run_resumed`",
            StepState::Untouched | StepState::Started | StepState::Ended(_) => {
                step.state = StepState::Started;
                step.started = true;
                step.said.clear();
                step.undoing = false;
                // What an earlier execution sent stays in doubt until the step is done.
                step.execution = execution;
                return Ok(());
            }
        };
        Err(format!("`step_started` of `{id}` {why}"))
    }

    /// Only a later execution undoes, and until it has, the step is in doubt.
    fn start_undo(&mut self, id: &str) -> Result<(), String> {
        let place = self.place(id)?;
        let (execution, stopping) = (self.executions, self.stopping);
        let step = &mut self.steps[place];
        let changed = step.started || step.state == StepState::Ended(StepOutcome::Done);
        let why = match () {
            () if stopping => "after `run_stopped`",
            () if step.execution >= execution => "in the execution that it ran in",
            () if !changed => "which changed nothing",
            () => {
                step.state = StepState::Started;
                step.started = true;
                step.said.clear();
                step.undoing = true;
                step.execution = execution;
                return Ok(());
            }
        };
        Err(format!("`undo_started` of `{id}` {why}"))
    }

    /// What a step did stays done; it may have more to do, and is in doubt until it has.
    fn reopen(&mut self, id: &str) -> Result<(), String> {
        let place = self.place(id)?;
        let (execution, stopping) = (self.executions, self.stopping);
        let step = &mut self.steps[place];
        let why = match () {
            () if stopping => "after `run_stopped`",
            () if !step.is_done() => "which is not done",
            () if step.effect == Effect::Irreversible => "which cannot be undone",
            () => {
                step.started = step.state == StepState::Ended(StepOutcome::Done);
                step.state = StepState::Untouched;
                step.execution = execution;
                return Ok(());
            }
        };
        Err(format!("`step_reopened` of `{id}`, {why}"))
    }

    fn command(&mut self, id: &str, n: usize) -> Result<(), String> {
        let place = self.place(id)?;
        let execution = self.executions;
        let step = &mut self.steps[place];
        if step.state != StepState::Started || step.execution != execution {
            return Err(format!("`command` of `{id}`, which is not started"));
        }
        step.commanded = true;
        self.sent.send(id, n);
        self.turned_back |= step.undoing;
        Ok(())
    }

    fn end(&mut self, id: &str, outcome: StepOutcome) -> Result<(), String> {
        let place = self.place(id)?;
        let execution = self.executions;
        let step = &mut self.steps[place];
        let earlier = step.execution < execution;
        let why = match (step.state, outcome) {
            (StepState::Ended(_), _) if !earlier => "twice",
            (StepState::Ended(before), StepOutcome::Undone) if before != StepOutcome::Undone => "",
            (StepState::Ended(before), _) if before.is_done() => "after it was done",
            (StepState::Untouched, StepOutcome::Done) if !step.started => {
                "as done, but it never started"
            }
            (StepState::Started, StepOutcome::NotReached) => "as not reached, but it started",
            _ => "",
        };
        if !why.is_empty() {
            return Err(format!("`step_finished` of `{id}` {why}"));
        }
        step.state = StepState::Ended(outcome);
        step.execution = execution;
        if outcome.is_done() || outcome == StepOutcome::Undone {
            step.started = false;
            step.commanded = false;
            self.sent.close(id);
        }
        self.turned_back |= outcome == StepOutcome::Undone;
        Ok(())
    }

    fn finish(&mut self, finished: &RunFinished) -> Result<(), String> {
        if finished.run != self.run {
            return Err(format!("`run_finished` of another run, `{}`", finished.run));
        }
        for (id, outcome) in &finished.steps {
            let step = &self.steps[self.place(id)?];
            if *outcome == StepOutcome::Done && step.state != StepState::Ended(StepOutcome::Done) {
                return Err(format!(
                    "`run_finished` calls `{id}` done, and no record says so"
                ));
            }
        }
        if let Some(step) = self
            .steps
            .iter()
            .find(|step| self.contradicts(finished.outcome, step))
        {
            return Err(match finished.outcome {
                Outcome::Refused => format!("`run_finished` as refused, but `{}` acted", step.id),
                Outcome::Undone => format!("`run_finished` as undone, but `{}` is not", step.id),
                Outcome::Done | Outcome::Stopped => {
                    format!("`run_finished` as done, but `{}` is not", step.id)
                }
            });
        }
        // What it started ended with it.
        self.sent.end();
        self.ended = Some(finished.outcome);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
