//! What is fixed about a step.

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

/// What is fixed about a step.
#[derive(Clone, Copy, Debug)]
pub struct Info {
    /// Its id.
    pub id: &'static str,
    /// Number in the vendor's failover procedure.
    pub vendor: Option<&'static str>,
    /// One line that says what it does.
    pub title: &'static str,
    /// How far it can be undone.
    pub effect: Effect,
    /// What is looked at before and after.
    pub checks: &'static [&'static str],
}
