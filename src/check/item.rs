//! One check.

use serde::Serialize;

use crate::model::{Place, Problem, WayOn};
use crate::run::event::{ErrorRecord, StoredRemedy};

/// Where a check stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it should be.
    Ok,
    /// To be known; it keeps nobody.
    Warning,
    /// In the way until it is overridden for a reason.
    Interlock,
    /// In the way.
    Blocked,
    /// Not seen.
    Unknown,
    /// Only a run shows it: it is tried by writing.
    Untried,
}

/// What a check counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum For {
    /// A planned switch.
    Planned,
    /// A forced one.
    Forced,
}

/// Id of what is lost with what is not backed up yet: there is always some.
pub(super) const LOSS: &str = "loss";

/// Both.
pub(super) const BOTH: &[For] = &[For::Planned, For::Forced];

/// One check.
#[derive(Clone, Debug, Serialize)]
pub struct Item {
    /// Its id: that of what is in the way, else that of what was looked at.
    pub id: String,
    /// The step that looked.
    pub step: Option<&'static str>,
    /// Where it stands.
    pub state: State,
    /// What was looked at.
    pub what: String,
    /// What was seen.
    pub why: String,
    /// What mends it, in order.
    pub remedies: Vec<StoredRemedy>,
    /// Id of the check that has the cause of this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because_of: Option<String>,
    /// The verdicts that it counts for.
    pub counts_for: Vec<For>,
    /// True where it is what a forced switch would lose.
    #[serde(skip)]
    pub loses: bool,
    /// Index of the check that has the cause of this one.
    #[serde(skip)]
    pub(super) cause: Option<usize>,
    /// Its problem, where it has one.
    #[serde(skip)]
    pub(super) problem: Option<Problem>,
}

impl Item {
    /// A check that counts for both verdicts.
    pub fn new(
        id: impl Into<String>,
        state: State,
        what: impl Into<String>,
        why: impl Into<Problem>,
    ) -> Self {
        // Nothing was begun that could go on.
        let mut problem: Problem = why.into();
        problem
            .remedies
            .retain(|it| *it != crate::model::Remedy::GoOn);
        let remedies = ErrorRecord::of("", &problem, WayOn::Resume).remedies;
        Self {
            id: id.into(),
            step: None,
            state,
            what: what.into(),
            why: problem.to_string(),
            remedies,
            because_of: None,
            counts_for: BOTH.to_vec(),
            loses: false,
            cause: None,
            problem: Some(problem),
        }
    }

    /// A check that stands as it should.
    pub fn ok(id: impl Into<String>, what: impl Into<String>, why: impl Into<String>) -> Self {
        let why: String = why.into();
        Self::new(id, State::Ok, what, why)
    }

    /// Counts for these verdicts only.
    #[must_use]
    pub fn counting_for(mut self, verdicts: &[For]) -> Self {
        self.counts_for = verdicts.to_vec();
        self
    }

    /// Whether it is as it should be.
    pub(super) fn is_well(&self) -> bool {
        match self.state {
            State::Ok | State::Untried => true,
            State::Warning | State::Interlock | State::Blocked | State::Unknown => false,
        }
    }

    /// Whether another that is not well tells the same.
    fn is_told_by(&self, other: &Self) -> bool {
        let (Some(mine), Some(theirs)) = (&self.problem, &other.problem) else {
            return false;
        };
        if mine.why == theirs.why && mine.place == theirs.place && mine.number == theirs.number {
            return true;
        }
        // What an instance that cannot be looked at keeps from being seen; a right that lacks.
        let instance = match &theirs.place {
            Some(Place::Instance { .. }) => other.step.is_none() && mine.place == theirs.place,
            Some(Place::Share { .. } | Place::PowerShell | Place::ThisMachine) | None => false,
        };
        instance || (self.id == other.id && self.step.is_some() && other.step.is_none())
    }
}

/// Id of the block of a failback whose pool is at home: nothing of the site can be meant by what else is
/// in its way.
const AT_HOME: &str = "pool-not-failed-over";

/// Finds for each that is not well the first one that tells why. A loss is nobody's consequence.
pub(super) fn find_causes(items: &mut [Item]) {
    if let Some(at) = items.iter().position(|it| it.id == AT_HOME) {
        items[..=at].rotate_right(1);
    }
    for index in 1..items.len() {
        let (before, rest) = items.split_at_mut(index);
        let item = &mut rest[0];
        if item.is_well() || item.loses {
            continue;
        }
        let is_cause = |it: &Item| it.cause.is_none() && !it.is_well() && !it.loses;
        item.cause = if before[0].id == AT_HOME && item.step.is_some() {
            Some(0)
        } else {
            before
                .iter()
                .position(|it| is_cause(it) && item.is_told_by(it))
        };
        item.because_of = item.cause.map(|at| before[at].id.clone());
    }
}
