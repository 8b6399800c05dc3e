//! What the records of a run keep of a judgement and of an error: types of their own, so that a new
//! field of a step's types changes no record, and no journal becomes unreadable. What a record keeps
//! of them is said here, and only here; the rules for a new field are those of
//! [`crate::model::document`].

use serde::{Deserialize, Serialize};

use crate::model::problem::{Place, Problem, Remedy, WayOn};
use crate::step::{Block, Effect, Lift, Standing};

/// A judgement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum StoredStanding {
    /// The purpose of the step is met.
    Satisfied {
        /// What was seen, in a few words.
        why: String,
    },
    /// Something is to do.
    Pending {
        /// What.
        what: String,
        /// True when it is under way already.
        underway: bool,
    },
    /// The step must not run.
    Blocked {
        /// Every reason.
        blocks: Vec<StoredBlock>,
    },
    /// The state could not be determined.
    Unknown {
        /// What could not be seen, and why.
        what: String,
        /// The instance that was asked, where it was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instance: Option<String>,
        /// SQL Server's error number, where there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        number: Option<u32>,
        /// What to do.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        remedies: Vec<StoredRemedy>,
    },
}

/// A reason why a step must not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredBlock {
    /// Its id.
    pub id: String,
    /// Why.
    pub why: String,
    /// What to do.
    pub hint: String,
    /// The same, each by its kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remedies: Vec<StoredRemedy>,
    /// Step of the same run that will clear it.
    pub cleared_by: Option<String>,
    /// What would lift it.
    pub lift: StoredLift,
}

/// What lifts a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoredLift {
    /// Only another state of the site.
    Site,
    /// The operator's acceptance of a loss.
    Loss,
    /// The operator's consent.
    Consent,
    /// An override with a reason.
    Override,
}

/// How far a step can be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoredEffect {
    /// Changes nothing of the site.
    ReadOnly,
    /// Can be undone.
    Reversible,
    /// Cannot.
    Irreversible,
}

/// What went wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorRecord {
    /// What failed.
    pub what: String,
    /// Why.
    pub why: String,
    /// What to do.
    pub hint: String,
    /// The same, each by its kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remedies: Vec<StoredRemedy>,
    /// What was seen that says so, a line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// Instance, where it was one.
    pub instance: Option<String>,
    /// SQL Server's error number, where there is one.
    pub number: Option<u32>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredRemedy {
    /// `sentence`, `command`, `statement`, `go_on`; a reader shows the text of a kind that it does not know.
    pub kind: String,
    /// Its text.
    pub text: String,
}

impl From<Standing> for StoredStanding {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Satisfied { why } => Self::Satisfied { why },
            Standing::Pending { what, underway } => Self::Pending { what, underway },
            Standing::Blocked { blocks } => Self::Blocked {
                blocks: blocks.into_iter().map(StoredBlock::from).collect(),
            },
            Standing::Unknown(problem) => Self::Unknown {
                what: problem.to_string(),
                instance: instance_of(&problem),
                number: problem.number,
                remedies: stored(&problem.remedies, WayOn::Resume),
            },
        }
    }
}

impl From<Block> for StoredBlock {
    fn from(block: Block) -> Self {
        Self {
            why: block.why(),
            hint: block.hint(),
            remedies: stored(&block.problem.remedies, WayOn::Resume),
            id: block.id,
            cleared_by: block.cleared_by,
            lift: block.lift.into(),
        }
    }
}

impl From<Lift> for StoredLift {
    fn from(lift: Lift) -> Self {
        match lift {
            Lift::Site => Self::Site,
            Lift::Loss => Self::Loss,
            Lift::Consent => Self::Consent,
            Lift::Override => Self::Override,
        }
    }
}

impl From<Effect> for StoredEffect {
    fn from(effect: Effect) -> Self {
        match effect {
            Effect::ReadOnly => Self::ReadOnly,
            Effect::Reversible => Self::Reversible,
            Effect::Irreversible => Self::Irreversible,
        }
    }
}

impl From<StoredEffect> for Effect {
    fn from(effect: StoredEffect) -> Self {
        match effect {
            StoredEffect::ReadOnly => Self::ReadOnly,
            StoredEffect::Reversible => Self::Reversible,
            StoredEffect::Irreversible => Self::Irreversible,
        }
    }
}

impl ErrorRecord {
    /// `what` failed for that reason.
    pub fn of(what: &str, problem: &Problem, way_on: WayOn) -> Self {
        Self {
            what: what.to_owned(),
            why: problem.reason(),
            hint: problem.hint(way_on),
            remedies: stored(&problem.remedies, way_on),
            evidence: problem.evidence.clone(),
            instance: instance_of(problem),
            number: problem.number,
        }
    }
}

fn instance_of(problem: &Problem) -> Option<String> {
    match &problem.place {
        Some(place @ Place::Instance { .. }) => Some(place.to_string()),
        Some(Place::Share { .. } | Place::PowerShell | Place::ThisMachine) | None => None,
    }
}

fn stored(remedies: &[Remedy], way_on: WayOn) -> Vec<StoredRemedy> {
    let stored = |remedy: &Remedy| {
        let (kind, text) = match remedy {
            Remedy::Do(words) => ("sentence", words.to_string()),
            Remedy::Command(command) => ("command", command.to_string()),
            Remedy::Statement(statement) => ("statement", statement.to_string()),
            Remedy::GoOn => ("go_on", way_on.to_string()),
        };
        StoredRemedy {
            kind: kind.to_owned(),
            text,
        }
    };
    remedies.iter().map(stored).collect()
}
