//! The person at the terminal, when there is one.

use futures_util::future::BoxFuture;

pub use crate::step::guard::{Guard, Unguarded};

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
