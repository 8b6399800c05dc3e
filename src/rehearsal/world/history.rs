//! What the instances executed, and the faults that are laid for it.

use std::sync::Arc;

use crate::model::Instance;

/// How a batch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All of it ran.
    Done,
    /// It ended with this error.
    Failed(u32),
    /// The client went away or was killed before its end.
    Interrupted,
}

/// A batch that an instance executed. Sweeps judge by these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    /// From 1, in the order in which batches ended.
    pub seq: u64,
    /// Where.
    pub instance: Instance,
    /// Whose session.
    pub spid: i64,
    /// What the batch begins with and throws, or not; empty where it has nothing of the kind.
    pub guard: String,
    /// The batch behind that, exactly as it was sent.
    pub text: String,
    /// False where it only reads, sets session options, locks or waits.
    pub effect: bool,
    /// How it ended.
    pub outcome: Outcome,
}

/// Called for every batch, outside the world's lock.
pub type Hook = Arc<dyn Fn(&Executed) + Send + Sync>;

/// What a fault does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Answers this error instead of executing.
    ErrorBefore(u32),
    /// Executes, then answers this error.
    ErrorAfter(u32),
    /// Breaks the connection instead of executing.
    CutBefore,
    /// Executes, then breaks the connection.
    CutAfter,
    /// Breaks the connection in the middle, where the batch takes longer than a tenth of a second.
    CutAmid,
    /// Never answers, and does not execute.
    SilenceBefore,
    /// Executes, and never answers.
    SilenceAfter,
}

/// A fault, consumed when it is hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlFault {
    /// Where.
    pub instance: Instance,
    /// Text that the batch contains, in any case.
    pub contains: String,
    /// Which of the batches that contain it, from 1.
    pub nth: u32,
    /// What happens.
    pub kind: FaultKind,
}

/// The fault that strikes this batch, if any; counts down the others.
pub(super) fn strike(
    faults: &mut Vec<SqlFault>,
    instance: Instance,
    text: &str,
) -> Option<FaultKind> {
    let text = text.to_lowercase();
    let mut struck = None;
    faults.retain_mut(|fault| {
        if struck.is_some()
            || fault.instance != instance
            || !text.contains(&fault.contains.to_lowercase())
        {
            return true;
        }
        if fault.nth > 1 {
            fault.nth -= 1;
            return true;
        }
        struck = Some(fault.kind);
        false
    });
    struck
}
