//! How a step comes to a halt, and how that is told.

use crate::model::{Problem, WayOn};
use crate::run::event::{ErrorRecord, Outcome};
use crate::run::exit::Exit;
use crate::run::preflight::No;
use crate::step::Step;

/// How a step, or the run, came to a halt.
pub(super) struct Halt {
    pub(super) at: Step,
    pub(super) exit: Exit,
    /// What it is about; the step where that is all there is to say.
    what: String,
    pub(super) problem: Problem,
}

impl Halt {
    /// By what the step did.
    pub(super) fn new(at: Step, exit: Exit, mut problem: Problem) -> Self {
        let what = std::mem::take(&mut problem.what);
        let mut halt = Self::of_look(at, exit, problem);
        if !what.is_empty() {
            halt.what = format!("{}: `{what}`", halt.what);
        }
        halt
    }

    /// By what was seen: which read showed it is of no use to anybody.
    pub(super) fn of_look(at: Step, exit: Exit, problem: Problem) -> Self {
        let what = format!("step `{}`", at.id());
        Self {
            at,
            exit,
            what,
            problem,
        }
    }

    /// As it is recorded. What stopped goes on, that way; what was refused is begun anew.
    pub(super) fn record(self, outcome: Outcome, way_on: WayOn) -> ErrorRecord {
        let problem = match outcome {
            Outcome::Stopped => self.problem.then_go_on(),
            Outcome::Done | Outcome::Undone | Outcome::Refused => self.problem,
        };
        ErrorRecord::of(&self.what, &problem, way_on)
    }
}

impl From<No> for Halt {
    fn from(no: No) -> Self {
        let No {
            exit,
            at,
            what,
            problem,
        } = no;
        Self {
            at,
            exit,
            what,
            problem,
        }
    }
}
