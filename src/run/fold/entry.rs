//! Where one step of a run stands.

use crate::run::event::{StepLine, StepOutcome};
use crate::step::Effect;

/// One step of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepEntry {
    /// Its id.
    pub id: String,
    /// How far it can be undone.
    pub effect: Effect,
    /// Where it stands.
    pub state: StepState,
    /// True when it began to act and has not been recorded done since: its effect, or part of it,
    /// may be there.
    pub started: bool,
    /// True when one of its commands was recorded since it began: it may have been sent.
    pub commanded: bool,
    /// What its cmdlets said since it began.
    pub said: Vec<String>,
    /// True while it is being undone.
    pub(super) undoing: bool,
    pub(super) execution: usize,
}

/// Where a step of a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepState {
    /// It neither began nor ended.
    Untouched,
    /// It began, and no end is recorded: in doubt.
    Started,
    /// It ended.
    Ended(StepOutcome),
}

impl StepOutcome {
    /// True where nothing is left to do for the step in this run.
    pub fn is_done(self) -> bool {
        matches!(self, Self::Done | Self::DoneBefore | Self::Overtaken)
    }
}

impl StepEntry {
    /// A step that an execution lists for the first time.
    pub(super) fn untouched(line: &StepLine, execution: usize) -> Self {
        Self {
            id: line.id.clone(),
            effect: line.effect.into(),
            state: StepState::Untouched,
            started: false,
            commanded: false,
            said: Vec::new(),
            undoing: false,
            execution,
        }
    }

    /// True when a resume neither judges nor runs it again.
    pub fn is_done(&self) -> bool {
        matches!(self.state, StepState::Ended(outcome) if outcome.is_done())
    }

    /// True when it began to act and how that ended is not recorded as done: it must be observed,
    /// never simply run again.
    pub fn in_doubt(&self) -> bool {
        self.started && !self.is_done()
    }
}
