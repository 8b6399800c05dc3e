//! What the records of a run say, put together for people.

pub mod seen;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::model::Direction;
use crate::model::words::count;
use crate::run::event::{
    ClockKind, Event, Outcome, Record, RunFinished, RunStarted, StepLine, StepOutcome, StoredBlock,
    StoredStanding,
};
pub use seen::{Execution, Look, Span, Warning};

/// The account of a run so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Account {
    /// How it began.
    pub started: Option<RunStarted>,
    /// When.
    pub began: Option<Timestamp>,
    /// The steps, in order.
    pub steps: Vec<StepAccount>,
    /// What was agreed to.
    pub consents: Vec<Consent>,
    /// Every resume: when, machine, user.
    pub resumes: Vec<(Timestamp, String, String)>,
    /// Every change of plan: from, to.
    pub changes: Vec<(String, String)>,
    /// How the last execution ended, and when.
    pub finished: Option<(Timestamp, RunFinished)>,
    /// Every execution, in order.
    pub executions: Vec<Execution>,
    /// What was said against a step, or by what it sent: each once.
    pub warnings: Vec<Warning>,
}

/// The account of one step.
#[derive(Clone, Debug, PartialEq)]
pub struct StepAccount {
    /// As the run lists it.
    pub line: StepLine,
    /// When it began to act, in the execution that ended it or is under way.
    pub began: Option<Timestamp>,
    /// When it began to act for the first time.
    pub first_began: Option<Timestamp>,
    /// When it began to act in an earlier execution that never ended it: it is in doubt.
    pub interrupted: Option<Timestamp>,
    /// How it ended, with its note.
    pub ended: Option<(StepOutcome, String)>,
    /// When.
    pub ended_at: Option<Timestamp>,
    /// From its beginning to its end.
    pub took: Option<Duration>,
    /// Every command that was about to be sent.
    pub sent: Vec<Sent>,
    /// The last look before it began to act; where it never did, the last look at all.
    pub before: Option<Look>,
    /// The last look since it began to act.
    pub after: Option<Look>,
    /// When it acted, in every execution.
    pub spans: Vec<Span>,
}

/// A command that was about to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// When.
    pub at: Timestamp,
    /// Number in its step.
    pub n: usize,
    /// Values of its holes.
    pub values: Value,
}

/// A consent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// When.
    pub at: Timestamp,
    /// Step that needed it.
    pub step: String,
    /// What was agreed to.
    pub what: String,
    /// How.
    pub by: String,
}

impl Account {
    /// The account that whole records give.
    pub fn of(records: &[Record]) -> Self {
        let mut account = Self::default();
        for record in records {
            account.take(record);
        }
        account
    }

    /// Takes one more record. A record that does not fit is passed over: this is for showing.
    pub fn take(&mut self, record: &Record) {
        let at = record.at;
        self.executed(record);
        match &record.event {
            Event::RunStarted(started) => {
                self.steps = started.steps.iter().map(StepAccount::new).collect();
                self.began = Some(at);
                self.started = Some(started.clone());
            }
            Event::StepChecked {
                id,
                standing,
                facts,
            } => self.checked(at, id, standing, facts),
            Event::CmdletSaid {
                step,
                cmdlet,
                errors,
                warnings,
            } => {
                let errors = errors.iter().map(|text| ("error", text));
                for (kind, text) in errors.chain(warnings.iter().map(|text| ("warning", text))) {
                    self.warn(at, step, kind, &format!("{cmdlet}: {text}"), "");
                }
            }
            Event::FenceTaken { .. }
            | Event::SendersGone { .. }
            | Event::PowerShell { .. }
            | Event::RunStopped { .. } => {}
            Event::Consent { step, what, by, .. } => self.consents.push(Consent {
                at,
                step: step.clone(),
                what: what.clone(),
                by: by.clone(),
            }),
            Event::StepStarted { id } | Event::UndoStarted { id } => {
                let undoes = matches!(record.event, Event::UndoStarted { .. });
                if let Some(step) = self.step_mut(id) {
                    step.spans.push(Span {
                        from: at,
                        to: None,
                        undoes,
                    });
                    step.began = Some(at);
                    step.first_began = step.first_began.or(Some(at));
                    step.interrupted = None;
                    step.ended = None;
                    step.took = None;
                }
            }
            Event::StepReopened { id, .. } => {
                if let Some(step) = self.step_mut(id) {
                    step.ended = None;
                    step.took = None;
                }
            }
            Event::Command { step, n, values } => {
                if let Some(step) = self.step_mut(step) {
                    step.sent.push(Sent {
                        at,
                        n: *n,
                        values: values.clone(),
                    });
                }
            }
            Event::StepFinished { id, outcome, note } => {
                if let Some(step) = self.step_mut(id) {
                    let took = step.began.map(|began| at.duration_since(began));
                    step.took = took.and_then(|took| took.try_into().ok());
                    step.interrupted = None;
                    step.ended = Some((*outcome, note.clone()));
                    step.ended_at = Some(at);
                    if let Some(span) = step.spans.last_mut().filter(|_| step.began.is_some()) {
                        span.to = span.to.or(Some(at));
                    }
                }
            }
            Event::PlanChanged {
                from, to, steps, ..
            } => {
                self.changes.push((from.clone(), to.clone()));
                if let Some(lines) = steps {
                    let known = std::mem::take(&mut self.steps);
                    let step = |line: &StepLine| {
                        let known = known.iter().find(|step| step.line.id == line.id);
                        known.map_or_else(
                            || StepAccount::new(line),
                            |step| StepAccount {
                                line: line.clone(),
                                ..step.clone()
                            },
                        )
                    };
                    self.steps = lines.iter().map(step).collect();
                }
            }
            Event::RunResumed { host, user, .. } => {
                self.resumes.push((at, host.clone(), user.clone()));
                self.finished = None;
                // A time that spans two executions would tell nothing about the step.
                for step in self.steps.iter_mut().filter(|step| !step.is_done()) {
                    let began = step.began.take();
                    if step.ended.is_none() {
                        step.interrupted = began.or(step.interrupted);
                    }
                }
            }
            Event::RunFinished(finished) => self.finished = Some((at, finished.clone())),
        }
    }

    /// The step with that id, and its number from 1.
    pub fn step(&self, id: &str) -> Option<(usize, &StepAccount)> {
        let mut numbered = (1..).zip(&self.steps);
        numbered.find(|(_, step)| step.line.id == id)
    }

    /// Digest of the plan that holds now: the first, or the last that was agreed to.
    pub fn plan_digest(&self) -> Option<&String> {
        let first = self.started.as_ref().map(|started| &started.plan_digest);
        self.changes.last().map(|(_, to)| to).or(first)
    }

    /// Whose time the records carry: `true` for a rehearsal's.
    pub fn is_simulated(&self) -> bool {
        self.started
            .as_ref()
            .is_some_and(|started| started.clock == ClockKind::Simulated)
    }

    fn is(&self, direction: Direction) -> bool {
        let started = self.started.as_ref();
        started.is_some_and(|it| Direction::find(&it.runbook) == Some(direction))
    }

    /// How the last execution ended, in one sentence.
    pub fn sentence(&self) -> Option<String> {
        let (_, finished) = self.finished.as_ref()?;
        Some(match finished.outcome {
            Outcome::Done => match self.without().as_slice() {
                [] => done_sentence(&self.steps, &finished.steps),
                without => format!("done, without {}", without.join(" and ")),
            },
            Outcome::Undone if self.is(Direction::Failback) => {
                "undone: chat is served as before; what stays of the run is named at its steps"
                    .to_owned()
            }
            Outcome::Undone if self.is(Direction::Fence) => {
                "undone: what stays of the run is named at its steps".to_owned()
            }
            Outcome::Undone
                if self
                    .started
                    .as_ref()
                    .is_some_and(|it| it.continues.is_some()) =>
            {
                "undone: everything is as it was before this part".to_owned()
            }
            Outcome::Undone => "undone: everything is as it was".to_owned(),
            Outcome::Refused if self.resumes.is_empty() => {
                "refused: nothing was changed".to_owned()
            }
            // An earlier execution of this run may well have changed something.
            Outcome::Refused => "refused: nothing more was changed".to_owned(),
            Outcome::Stopped => {
                let place = finished.stopped_at.as_ref().map(|id| match self.step(id) {
                    Some((number, _)) => format!(" at `{id}` ({number}/{})", self.steps.len()),
                    None => format!(" at `{id}`"),
                });
                format!(
                    "stopped{}: something was changed, not everything",
                    place.unwrap_or_default()
                )
            }
        })
    }

    /// What the run went on without, where its end left a step out.
    pub fn without(&self) -> Vec<&'static str> {
        let Some((_, finished)) = &self.finished else {
            return Vec::new();
        };
        let direction = self.started.as_ref();
        let direction = direction.and_then(|started| Direction::find(&started.runbook));
        direction.map_or_else(Vec::new, |direction| finished.without(direction))
    }

    /// Keeps the bounds of the executions.
    fn executed(&mut self, record: &Record) {
        let begins = match &record.event {
            Event::RunStarted(it) => Some((&it.host, &it.user, Some(&it.tool))),
            Event::RunResumed {
                host, user, tool, ..
            } => Some((host, user, tool.as_ref())),
            _ => None,
        };
        if let Some((host, user, tool)) = begins {
            self.executions.push(Execution {
                began: record.at,
                last: record.at,
                host: host.clone(),
                user: user.clone(),
                tool: tool.cloned(),
                finished: None,
            });
        }
        if let Some(execution) = self.executions.last_mut() {
            execution.last = record.at;
            if let Event::RunFinished(finished) = &record.event {
                execution.finished = Some(finished.clone());
            }
        }
    }

    fn checked(&mut self, at: Timestamp, id: &str, standing: &StoredStanding, facts: &Value) {
        let look = Look {
            at,
            standing: standing.clone(),
            facts: facts.clone(),
        };
        let Some(step) = self.step_mut(id) else {
            return;
        };
        let acts = step.began.is_some();
        if step.first_began.is_some() {
            step.after = Some(look);
        } else {
            step.before = Some(look);
        }
        match standing {
            StoredStanding::Satisfied { .. } | StoredStanding::Pending { .. } => {}
            // While a step settles, not seeing yet is no news.
            StoredStanding::Unknown { .. } if acts => {}
            StoredStanding::Unknown { what, remedies, .. } => {
                let hints: Vec<&str> = remedies.iter().map(|it| it.text.as_str()).collect();
                self.warn(at, id, "unknown", what, &hints.join("; "));
            }
            StoredStanding::Blocked { blocks } => {
                for block in blocks {
                    if self.counts(block) {
                        self.warn(at, id, seen::kind(block), &block.why, &block.hint);
                    }
                }
            }
        }
    }

    /// A block that an earlier step of the run will clear does not count before that step's end.
    pub(super) fn counts(&self, block: &StoredBlock) -> bool {
        let clears = block.cleared_by.as_ref();
        clears.is_none_or(|id| {
            let step = self.step(id);
            step.is_none_or(|(_, step)| step.ended.is_some())
        })
    }

    fn warn(&mut self, at: Timestamp, step: &str, kind: &'static str, what: &str, hint: &str) {
        let known = |it: &Warning| it.step == step && it.what == what;
        if !self.warnings.iter().any(known) {
            self.warnings.push(Warning {
                at,
                step: step.to_owned(),
                kind,
                what: what.to_owned(),
                hint: hint.to_owned(),
            });
        }
    }

    fn step_mut(&mut self, id: &str) -> Option<&mut StepAccount> {
        self.steps.iter_mut().find(|step| step.line.id == id)
    }
}

impl StepAccount {
    /// True when it is recorded as done, and will not run again.
    pub fn is_done(&self) -> bool {
        let ended = self.ended.as_ref();
        ended.is_some_and(|(outcome, _)| outcome.is_done())
    }

    fn new(line: &StepLine) -> Self {
        Self {
            line: line.clone(),
            began: None,
            first_began: None,
            interrupted: None,
            ended: None,
            ended_at: None,
            took: None,
            sent: Vec::new(),
            before: None,
            after: None,
            spans: Vec::new(),
        }
    }
}

fn done_sentence(steps: &[StepAccount], outcomes: &BTreeMap<String, StepOutcome>) -> String {
    let is = |step: &StepAccount, wanted: StepOutcome| outcomes.get(&step.line.id) == Some(&wanted);
    let left = steps
        .iter()
        .filter(|step| is(step, StepOutcome::NotReached))
        .count();
    if left > 0 {
        return format!(
            "done as far as it was to go: {} not reached",
            count(left, "step")
        );
    }
    let before =
        |outcome: &StepOutcome| matches!(outcome, StepOutcome::DoneBefore | StepOutcome::Overtaken);
    if !outcomes.is_empty() && outcomes.values().all(before) {
        return "done: there was nothing to do".to_owned();
    }
    "done: everything is as the runbook wants it".to_owned()
}
