//! Steps: each observes, judges, acts and observes again (DESIGN 5).

pub mod command;

use serde::{Deserialize, Serialize};

/// How far a step can be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Changes nothing of the site.
    ReadOnly,
    /// Can be undone.
    Reversible,
    /// Cannot.
    Irreversible,
}

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
    /// It cannot be told.
    Unknown {
        /// What could not be seen, and why.
        what: String,
    },
}

/// One reason why a step must not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Its id, for `--override` where that is allowed.
    pub id: String,
    /// Why.
    pub why: String,
    /// What to do.
    pub hint: String,
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
