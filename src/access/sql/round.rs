//! Rounds of questions: an instance that ran into its limit is not asked again in the same one. A dead
//! data center then costs one limit an instance, not one a question.

use std::sync::PoisonError;

use super::SqlDoor;
use super::error::Failure;

/// The round that is under way; it may hold others.
#[derive(Default)]
pub(super) struct Rounds {
    number: u64,
    depth: usize,
}

/// A round, until it is dropped.
pub struct Round<'a>(&'a SqlDoor);

impl SqlDoor {
    /// Begins a round, or one inside the round that is under way, which counts.
    pub fn round(&self) -> Round<'_> {
        self.rounds(|rounds| {
            if rounds.depth == 0 {
                rounds.number += 1;
            }
            rounds.depth += 1;
        });
        Round(self)
    }

    /// Number of the round that is under way; `None` where questions are asked one by one.
    pub(super) fn this_round(&self) -> Option<u64> {
        self.rounds(|rounds| (rounds.depth > 0).then_some(rounds.number))
    }

    fn rounds<T>(&self, act: impl FnOnce(&mut Rounds) -> T) -> T {
        act(&mut self.rounds.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Round<'_> {
    fn drop(&mut self) {
        self.0.rounds(|rounds| rounds.depth -= 1);
    }
}

impl Failure {
    /// True where a limit was waited for before anything was asked. One question that takes too long
    /// says nothing of the next.
    pub(super) fn took_the_limit(&self) -> bool {
        matches!(self, Self::ConnectTimedOut { .. } | Self::SignInTimedOut(_))
    }
}
