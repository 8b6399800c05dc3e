//! Undoing (`design.md` 8, `abort`): before the point of no return a step can be undone by commands that
//! stand in the plan beside its own. It observes first, so that it can be repeated.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;

use super::before::Before;
use super::command::{self, Command, Key};
use super::hands::{Means, StepError};
use super::next::{Next, Patience, send_by_looks};
use super::{Context, Kind, Standing, Step};
use crate::site::{Limits, Site};

/// What undoing one step observes, and what it makes of it.
pub(super) trait Back: Serialize + Sized + Send + Sync {
    /// What it calls its commands.
    type Key: Key;

    /// The step before it that is taken back after it all the same.
    const AHEAD_OF: Option<Step> = None;

    /// Time limit of undoing it; `None` = as long as a recovery takes.
    fn limit(limits: &Limits) -> Option<Duration> {
        Some(limits.step)
    }

    /// How long it may take to show after that.
    fn settle(limits: &Limits) -> Duration {
        limits.settle
    }

    /// What it may send, in order.
    fn commands(site: &Site) -> Vec<(Self::Key, Command)>;

    /// Reads.
    fn observe(cx: Context<'_>, before: Option<&Before>) -> impl Future<Output = Self> + Send;

    /// The next thing to do, from the facts alone; an error says why nothing may be done.
    fn next(&self) -> Result<Next<Self::Key>, Standing>;
}

/// What is fixed of undoing a step, read off its file.
pub(super) struct Fixed {
    pub(super) ahead_of: Option<Step>,
    pub(super) limit: fn(&Limits) -> Option<Duration>,
    pub(super) settle: fn(&Limits) -> Duration,
    pub(super) commands: fn(&Site) -> Vec<Command>,
}

impl Fixed {
    pub(super) const fn of<B: Back>() -> Self {
        Self {
            ahead_of: B::AHEAD_OF,
            limit: B::limit,
            settle: B::settle,
            commands: |site| command::unkeyed(B::commands(site)),
        }
    }
}

/// Of a step that leaves nothing to undo.
#[derive(Serialize)]
pub(super) struct Nothing<K> {
    /// Why.
    because: String,
    #[serde(skip)]
    step: PhantomData<fn() -> K>,
}

impl<K: Kind> Back for Nothing<K> {
    type Key = Infallible;

    fn commands(_site: &Site) -> Vec<(Infallible, Command)> {
        Vec::new()
    }

    async fn observe(cx: Context<'_>, _before: Option<&Before>) -> Self {
        Self {
            because: K::why_nothing(cx),
            step: PhantomData,
        }
    }

    fn next(&self) -> Result<Next<Infallible>, Standing> {
        Ok(Next::Nothing(self.because.clone()))
    }
}

/// Steps of one run in the order in which they are taken back: the last one first, where none says
/// that it goes ahead of another.
pub fn backwards(steps: impl IntoIterator<Item = Step>) -> Vec<Step> {
    let mut steps: Vec<Step> = steps.into_iter().collect();
    steps.reverse();
    for step in steps.clone() {
        let place = |wanted| steps.iter().position(|step| *step == wanted);
        let other = step.fixed().undo.ahead_of;
        if let (Some(own), Some(other)) = (place(step), other.and_then(place))
            && other < own
        {
            steps.remove(own);
            steps.insert(other, step);
        }
    }
    steps
}

pub(super) fn judge(facts: &impl Back) -> Standing {
    standing(facts.next())
}

/// Where what is done by looks stands.
pub(super) fn standing<K>(next: Result<Next<K>, Standing>) -> Standing {
    match next {
        Err(standing) => standing,
        Ok(Next::Nothing(why)) => Standing::satisfied(why),
        Ok(Next::Wait(what)) => Standing::underway(what),
        Ok(Next::Send(sending)) => Standing::pending(sending.what),
    }
}

/// Sends what is left, each command on a look of its own that is no older than it (`steps.md` 1.3).
pub(super) async fn act<T: Back>(
    cx: Context<'_>,
    before: Option<&Before>,
    means: &Means<'_>,
) -> Result<(), StepError> {
    let hands = means.hands(T::commands(cx.site));
    let patience = Patience {
        not_shown: "see the error log of that instance",
        wait: None,
        shows: None,
    };
    send_by_looks(cx, &hands, patience, || async {
        T::observe(cx, before).await.next()
    })
    .await
}
