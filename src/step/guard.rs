//! What lets a run write: it holds the site (`design.md` 3, rule 17).

use futures_util::future::BoxFuture;

use crate::model::{Instance, Problem};

/// Holds the site for a run. It is asked before every effect: a lock alone protects nothing from a
/// holder that sleeps.
pub trait Guard: Send + Sync {
    /// Says why the site is no longer held.
    fn check(&self) -> BoxFuture<'_, Result<(), Problem>>;

    /// Asked right before each effect, on a connection that is open; `at` is the instance of a batch.
    /// Answers what goes before that batch, in it.
    fn before(&self, _at: Option<Instance>) -> BoxFuture<'_, Result<String, Problem>> {
        Box::pin(async { self.check().await.map(|()| String::new()) })
    }

    /// What cannot be seen, and keeps the run from its first effect unless the operator overrides it.
    fn unseen(&self) -> BoxFuture<'_, Option<Problem>> {
        Box::pin(std::future::ready(None))
    }

    /// Why the record of this run does not reach as far as the run did, where an instance shows that.
    fn ahead(&self) -> BoxFuture<'_, Option<Problem>> {
        Box::pin(std::future::ready(None))
    }

    /// A batch was refused: another run has a higher number.
    fn taken_over(&self) {}
}

/// No lock: a site that nobody else can reach.
pub struct Unguarded;

impl Guard for Unguarded {
    fn check(&self) -> BoxFuture<'_, Result<(), Problem>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
