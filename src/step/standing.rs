//! What the judgement of a step can be, and the reasons why it must not run.

use serde::{Deserialize, Serialize};

use super::Step;
use super::observe::writable::Two;
use crate::model::{IntoRemedies, Problem, WayOn};

/// Where a step stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Standing {
    /// Its purpose is met.
    Satisfied {
        /// What was seen, in a few words.
        why: String,
    },
    /// Something is to do.
    Pending {
        /// What.
        what: String,
        /// True when it is under way already: nothing is sent, the site is watched.
        underway: bool,
    },
    /// It must not run.
    Blocked {
        /// Every reason.
        blocks: Vec<Block>,
    },
    /// Its state could not be determined: what could not be seen, and why.
    Unknown(Problem),
}

impl Standing {
    pub(in crate::step) fn satisfied(why: impl Into<String>) -> Self {
        Self::Satisfied { why: why.into() }
    }

    pub(in crate::step) fn pending(what: impl Into<String>) -> Self {
        Self::Pending {
            what: what.into(),
            underway: false,
        }
    }

    pub(in crate::step) fn underway(what: impl Into<String>) -> Self {
        Self::Pending {
            what: what.into(),
            underway: true,
        }
    }

    pub(in crate::step) fn unknown(why: impl Into<Problem>) -> Self {
        Self::Unknown(why.into())
    }

    /// Unknown for that reason, where there is one; else because `what` was not seen.
    pub(in crate::step) fn not_seen(why: Option<&Problem>, what: &str) -> Self {
        Self::Unknown(
            why.cloned()
                .unwrap_or_else(|| format!("{what} could not be seen").into()),
        )
    }

    /// Blocked when there is a reason, else what `otherwise` says.
    pub(in crate::step) fn unless(blocks: Vec<Block>, otherwise: impl FnOnce() -> Self) -> Self {
        if blocks.is_empty() {
            otherwise()
        } else {
            Self::Blocked { blocks }
        }
    }

    /// Two databases serve where there must be one; nothing overrides that.
    pub fn two_writable(two: &Two) -> Self {
        Self::Blocked {
            blocks: vec![Block::site("two-writable", two.problem(), "")],
        }
    }

    /// True when the step's purpose is met.
    pub fn is_satisfied(&self) -> bool {
        matches!(self, Self::Satisfied { .. })
    }
}

/// One reason why a step must not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Its id, for `--override` where that is allowed.
    pub id: String,
    /// Why, and what mends it.
    pub problem: Problem,
    /// Step of the same run that will clear it; before that step's turn it does not count.
    pub cleared_by: Option<String>,
    /// What would lift it.
    pub lift: Lift,
}

/// What lifts a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lift {
    /// Only another state of the site.
    Site,
    /// The operator's acceptance of exactly that loss.
    Loss,
    /// The operator's consent.
    Consent,
    /// An override with a reason: an interlock.
    Override,
}

impl Block {
    /// `mend` is what to do where `why` does not say it by itself: what answers is exact, we are not.
    pub(in crate::step) fn site(
        id: &str,
        why: impl Into<Problem>,
        mend: impl IntoRemedies,
    ) -> Self {
        let mut problem: Problem = why.into();
        if problem.remedies.is_empty() {
            problem.remedies = mend.into_remedies();
        }
        Self {
            id: id.to_owned(),
            problem,
            cleared_by: None,
            lift: Lift::Site,
        }
    }

    /// Why, as one clause.
    pub fn why(&self) -> String {
        self.problem.to_string()
    }

    /// What to do, as one clause.
    pub fn hint(&self) -> String {
        self.problem.hint(WayOn::Resume)
    }

    pub(in crate::step) fn cleared_by(mut self, step: Step) -> Self {
        self.cleared_by = Some(step.id().to_owned());
        self
    }

    pub(in crate::step) fn lifted_by(mut self, lift: Lift) -> Self {
        self.lift = lift;
        self
    }
}
