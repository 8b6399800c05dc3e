//! The records of a run (`design.md` 8): what the journal keeps, what `--output json` prints, what every
//! report is folded from.

mod stored;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::{Direction, Lsn};
use crate::step::Step;

pub use crate::step::ledger::{LOOK, Progress, Unit};
pub use stored::{
    ErrorRecord, StoredBlock, StoredEffect, StoredLift, StoredRemedy, StoredStanding,
};

/// One line of a journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Number of the line, from 1.
    pub seq: u64,
    /// When, UTC.
    pub at: Timestamp,
    /// SHA-256 of the line before, in hex, without its newline; 64 zeros in the first line.
    pub prev: String,
    /// The number with which the run fences older ones off, once it has taken one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<u64>,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The first record of a run.
    RunStarted(RunStarted),
    /// A step was observed and judged.
    StepChecked {
        /// Step.
        id: String,
        /// Judgement.
        standing: StoredStanding,
        /// What was observed: the evidence.
        facts: Value,
    },
    /// Somebody agreed to something that needs it.
    Consent {
        /// Step that needed it.
        step: String,
        /// What was agreed to.
        what: String,
        /// `typed`, `--yes`, `--accept-loss-after …`, `--override …`, `rehearsal`.
        by: String,
        /// Where the chain ended, of a consent to lose what was written after it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        end: Option<Lsn>,
    },
    /// A step is about to act.
    StepStarted {
        /// Step.
        id: String,
    },
    /// `abort` is about to undo a step: until its end, checks and commands of that step are those of
    /// the undoing.
    UndoStarted {
        /// Step.
        id: String,
    },
    /// A command is about to be sent.
    Command {
        /// Step.
        step: String,
        /// Number of the command in its step; what undoes the step is numbered behind what it does.
        n: usize,
        /// Values of its holes: an object, or for an `each` the ordered list of them.
        values: Value,
    },
    /// A number is about to be taken on these instances, by the commands in the head of the plan; then
    /// sessions of other runs are ended there.
    FenceTaken {
        /// The number.
        number: u64,
        /// The run and the execution that take it.
        writer: String,
        /// Where.
        instances: Vec<String>,
    },
    /// No session of another run is left on an instance: it was seen.
    SendersGone {
        /// Where.
        instance: String,
        /// Those that were ended there.
        ended: Vec<String>,
    },
    /// What is known of the PowerShell process to which cmdlets are sent.
    #[serde(rename = "powershell")]
    PowerShell {
        /// Its number.
        process: u32,
        /// What tells it from a later one of that number ([`ProcessId`](crate::access::powershell::ProcessId)).
        since: String,
        /// Where it stands.
        is: ProcessIs,
    },
    /// What a cmdlet said besides its objects.
    CmdletSaid {
        /// Step.
        step: String,
        /// Which.
        cmdlet: String,
        /// Its errors, in order.
        errors: Vec<String>,
        /// Its warnings.
        warnings: Vec<String>,
    },
    /// A step ended.
    StepFinished {
        /// Step.
        id: String,
        /// How.
        outcome: StepOutcome,
        /// What was seen, or what went wrong.
        note: String,
    },
    /// A step that was done has work again: what comes behind it found that. It is judged anew.
    StepReopened {
        /// Step.
        id: String,
        /// What was found.
        why: String,
    },
    /// The plan differs from the one that the run began with, and the operator agreed.
    PlanChanged {
        /// Digest before.
        from: String,
        /// Digest now.
        to: String,
        /// Every step of the plan now, in order, where they are others.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        steps: Option<Vec<StepLine>>,
        /// Digest of the approval of the plan now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        approved: Option<String>,
    },
    /// The run stopped part-way.
    RunStopped {
        /// At which step.
        stopped_at: String,
        /// What went wrong.
        error: ErrorRecord,
    },
    /// The run goes on.
    RunResumed {
        /// Digest of the plan.
        plan_digest: String,
        /// Machine.
        host: String,
        /// User.
        user: String,
        /// Name and version of the program that goes on; the first ones did not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tool: Option<String>,
    },
    /// The last record of an execution.
    RunFinished(RunFinished),
}

impl Event {
    /// The name of its kind, as a journal spells it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::RunStarted(_) => "run_started",
            Self::StepChecked { .. } => "step_checked",
            Self::Consent { .. } => "consent",
            Self::StepStarted { .. } => "step_started",
            Self::UndoStarted { .. } => "undo_started",
            Self::StepReopened { .. } => "step_reopened",
            Self::Command { .. } => "command",
            Self::FenceTaken { .. } => "fence_taken",
            Self::SendersGone { .. } => "senders_gone",
            Self::PowerShell { .. } => "powershell",
            Self::CmdletSaid { .. } => "cmdlet_said",
            Self::StepFinished { .. } => "step_finished",
            Self::PlanChanged { .. } => "plan_changed",
            Self::RunStopped { .. } => "run_stopped",
            Self::RunResumed { .. } => "run_resumed",
            Self::RunFinished(_) => "run_finished",
        }
    }
}

/// Where a PowerShell process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessIs {
    /// A cmdlet is about to be sent to it.
    Sending,
    /// It outlived the execution that sent to it, and has ended since: it was seen.
    Gone,
    /// The same, and it was made to end.
    Ended,
}

/// Format of the journal: what may be added within a format, and what needs a new one, says
/// [`crate::model::document`].
pub const FORMAT: u32 = 5;

/// How a run began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStarted {
    /// Format of the journal.
    pub format: u32,
    /// Run id.
    pub run: String,
    /// `failover` or `failback`.
    pub runbook: String,
    /// Digest of the plan.
    pub plan_digest: String,
    /// Digest of the site as loaded.
    pub site_digest: String,
    /// The pool.
    pub pool: String,
    /// Name and version of this program.
    pub tool: String,
    /// Machine.
    pub host: String,
    /// User.
    pub user: String,
    /// Whose time it is.
    pub clock: ClockKind,
    /// Every step, in order: a reader can say "3 of 10".
    pub steps: Vec<StepLine>,
    /// The step that the run ends behind; those behind it are for a later run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// The run that took a part of it before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<Continues>,
    /// Digest of the approval of its plan, where it runs an approved one: it goes on with no other plan
    /// that is not approved anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<String>,
}

/// The run that another one continues.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Continues {
    /// Its id.
    pub run: String,
    /// The step with which it is continued, where the operator named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// Whose time the records carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockKind {
    /// The machine's.
    Wall,
    /// The rehearsal's.
    Simulated,
}

/// A step as the first record lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepLine {
    /// Its id.
    pub id: String,
    /// Number in the vendor's procedure.
    pub vendor: Option<String>,
    /// What it does.
    pub title: String,
    /// Number of its stage, from 1.
    pub stage: usize,
    /// How far it can be undone.
    pub effect: StoredEffect,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// Its effect was seen after it acted.
    Done,
    /// Its purpose was met before it acted.
    DoneBefore,
    /// A later step, satisfied, makes it moot.
    Overtaken,
    /// Undone by `abort`.
    Undone,
    /// It stopped.
    Stopped,
    /// Whether it took effect could not be seen.
    Unknown,
    /// The run ended before its turn.
    NotReached,
    /// It could not be done, and the run went on without it: users need nothing that it gives.
    Left,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Everything is as the runbook wants it.
    Done,
    /// Everything is as it was.
    Undone,
    /// Nothing was changed.
    Refused,
    /// Something was changed, not everything.
    Stopped,
}

/// The end of an execution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunFinished {
    /// Run id.
    pub run: String,
    /// Digest of the plan.
    pub digest: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Exit status.
    pub exit: u8,
    /// How each step ended.
    pub steps: BTreeMap<String, StepOutcome>,
    /// Step it stopped at.
    pub stopped_at: Option<String>,
    /// What went wrong.
    pub error: Option<ErrorRecord>,
    /// The command that goes on.
    pub resume: Option<String>,
    /// Seconds of chat that are lost, where there is a loss and its size is known.
    pub loss_seconds: Option<i64>,
    /// Seconds by the run's own clock.
    pub elapsed_seconds: f64,
    /// Seconds by the wall clock.
    pub wall_seconds: f64,
}

impl RunFinished {
    /// What it went on without, as in "done, without a mirror".
    pub fn without(&self, direction: Direction) -> Vec<&'static str> {
        let left = self.steps.iter();
        left.filter(|(_, outcome)| **outcome == StepOutcome::Left)
            .filter_map(|(id, _)| Step::find(direction, id)?.optional())
            .map(|optional| optional.without)
            .collect()
    }
}
