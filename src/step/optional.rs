//! Steps that a run goes on without (`design.md` 3, rule 18).

use super::Step;

/// What a run goes on without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Optional {
    /// As in "done, without a mirror".
    pub without: &'static str,
    /// The interlock with which it is left out before the point of no return.
    pub interlock: &'static str,
    /// The step that serves users: it does not wait for this one.
    pub serves: Step,
    /// What is at risk where users are served before it is done.
    pub risk: &'static str,
}
