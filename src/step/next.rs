//! Acting by looks: look, say what comes next, send that or wait, look again. Every command rests on
//! a look that is younger than the command before it (`steps.md` 1.3).

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::command::{Key, Values};
use super::hands::{Hands, StepError};
use super::ledger::Unit;
use super::{Context, Standing};
use crate::model::Instance;

/// What was wanted is so already: not mirrored, recovered, a job that is there and has its server
/// (`sql-server.md` 4, 5, 1.9).
const ALREADY: [u32; 4] = [1416, 3153, 14261, 14269];

/// The next thing to do.
pub(super) enum Next<K> {
    /// Nothing is left; in a few words.
    Nothing(String),
    /// Something is under way.
    Wait(String),
    /// Send a command.
    Send(Sending<K>),
}

/// One command to send.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sending<K> {
    /// What it does.
    pub(super) what: String,
    pub(super) to: Door,
    /// Which command.
    pub(super) key: K,
    pub(super) values: Values,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Door {
    Sql(Instance),
    /// A cmdlet that may take so long.
    Cmdlet(Option<Duration>),
}

impl<K> Next<K> {
    pub(super) fn sql(at: Instance, key: K, what: impl Into<String>) -> Self {
        Self::Send(Sending {
            what: what.into(),
            to: Door::Sql(at),
            key,
            values: Values::new(),
        })
    }
}

/// How an act by looks ends where the site does not follow.
pub(super) struct Patience {
    /// What to do about a command that was sent and did not show.
    pub(super) not_shown: &'static str,
    /// How long it may wait between two commands; `None` = up to the time limit of the act.
    pub(super) wait: Option<Duration>,
    /// How long what was sent may take to show; `None` = it shows as soon as it is answered.
    pub(super) shows: Option<Duration>,
}

/// Looks and sends until nothing is left, or until something is in the way: the next observation
/// says that in full.
///
/// # Errors
/// Whatever a command ended in; a command that was sent and did not show; a wait that is too long.
pub(super) async fn send_by_looks<K: Key, F>(
    cx: Context<'_>,
    hands: &Hands<'_, K>,
    patience: Patience,
    look: impl Fn() -> F,
) -> Result<(), StepError>
where
    F: Future<Output = Result<Next<K>, Standing>>,
{
    let mut last = None;
    let mut since = Instant::now();
    loop {
        hands.check_stop()?;
        match Box::pin(look()).await {
            // The next look says in full what is in the way; nothing that was sent is waited for.
            Err(_) if last.is_none() => {
                let why = "nothing was sent: what it looked at is in the way of it";
                return Err(StepError::NotSent(why.into()));
            }
            Err(_) | Ok(Next::Nothing(_)) => return Ok(()),
            Ok(Next::Wait(what)) => {
                if patience.wait.is_some_and(|limit| since.elapsed() >= limit) {
                    return Err(StepError::other(what, "see what it waits for"));
                }
                hands.progress(0, 0, Unit::Waiting, what);
                sleep(cx.site.limits.poll).await;
            }
            Ok(Next::Send(sending)) => {
                if last.as_ref() == Some(&sending) {
                    if patience.shows.is_some_and(|limit| since.elapsed() < limit) {
                        let what = format!("it does not show yet: {}", sending.what);
                        hands.progress(0, 0, Unit::Waiting, what);
                        sleep(cx.site.limits.poll).await;
                        continue;
                    }
                    return Err(StepError::other(
                        format!("it was sent and did not show: {}", sending.what),
                        patience.not_shown,
                    ));
                }
                Box::pin(send(cx, hands, &sending)).await?;
                since = Instant::now();
                last = Some(sending);
            }
        }
    }
}

async fn send<K: Key>(
    cx: Context<'_>,
    hands: &Hands<'_, K>,
    sending: &Sending<K>,
) -> Result<(), StepError> {
    let (key, values) = (sending.key, &sending.values);
    match sending.to {
        Door::Cmdlet(None) => hands.call(cx.access, key, values).await,
        Door::Cmdlet(Some(limit)) => hands.call_within(cx.access, key, values, limit).await,
        Door::Sql(at) => match hands.send_at(cx.access, at, key, values).await {
            Err(StepError::Sql(error))
                if error.number().is_some_and(|it| ALREADY.contains(&it)) =>
            {
                Ok(())
            }
            other => other,
        },
    }
}
