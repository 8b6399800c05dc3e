//! The person at the terminal, when there is one.

use futures_util::future::BoxFuture;

use crate::model::Problem;

/// What a person answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Yes, typed.
    Yes,
    /// Anything else.
    No,
}

/// Asks for the consent that an irreversible step needs.
pub trait Operator: Send + Sync {
    /// False where nobody can be asked: then a missing consent is found in preflight.
    fn is_there(&self) -> bool;

    /// Asks. `what` says what is about to happen, `word` is what must be typed: the pool's name.
    fn ask<'a>(&'a self, what: &'a str, word: &'a str) -> BoxFuture<'a, Answer>;
}

/// Nobody to ask: output is piped, or the run is a rehearsal.
pub struct Nobody;

impl Operator for Nobody {
    fn is_there(&self) -> bool {
        false
    }

    fn ask<'a>(&'a self, _what: &'a str, _word: &'a str) -> BoxFuture<'a, Answer> {
        Box::pin(std::future::ready(Answer::No))
    }
}

/// Holds the site for this run: looked at again before every irreversible step.
pub trait Guard: Send + Sync {
    /// Says why the site is no longer held.
    fn check(&self) -> BoxFuture<'_, Result<(), Problem>>;
}

/// No lock: a rehearsal has its site for itself.
pub struct Unguarded;

impl Guard for Unguarded {
    fn check(&self) -> BoxFuture<'_, Result<(), Problem>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
