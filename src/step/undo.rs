//! Undoing (DESIGN 8, `abort`): before the point of no return a step can be undone by commands that
//! stand in the plan beside its own. It observes first, so that it can be repeated.

use std::time::Duration;

use serde::Serialize;

use super::before::Before;
use super::command::{Command, Values};
use super::failback::configure_log_shipping::secondary::{Half, Part};
use super::hands::{Hands, StepError};
use super::ledger::Unit;
use super::shared::{full_path, tail_path};
use super::{Context, Standing, Step, failback};
use crate::model::Instance;
use crate::site::Site;

/// What was wanted is so already: not mirrored, recovered (`sql-server.md` 4, 5).
const ALREADY: [u32; 2] = [1416, 3153];

/// The backup's half of log shipping, as it stands.
#[derive(Serialize)]
#[serde(transparent)]
pub struct Shipping(Half);

macro_rules! undoings {
    ($($step:ident = $module:ident),+ $(,)?) => {
        /// What undoing a step observed.
        #[derive(Serialize)]
        #[serde(untagged)]
        pub enum Undo {
            /// There is nothing to undo.
            Nothing {
                /// Why.
                because: String,
            },
            /// The backup's half of log shipping.
            Shipping(Box<Shipping>),
            $(#[doc = concat!("See `step/failback/", stringify!($module), "/undo.rs`.")]
            $step(Box<failback::$module::undo::Facts>),)+
        }

        impl Step {
            /// What undoing it may send, in order; numbered behind its own commands.
            pub fn undo_commands(self, site: &Site) -> Vec<Command> {
                match self {
                    $(Step::$step => failback::$module::undo::Facts::commands(site),)+
                    _ => self.part().map_or_else(Vec::new, |part| part.commands(site)),
                }
            }

            /// Reads what is left to undo of it.
            pub async fn observe_undo(self, cx: Context<'_>, before: Option<&Before>) -> Undo {
                match self {
                    $(Step::$step => Undo::$step(Box::new(failback::$module::undo::Facts::observe(cx, before).await)),)+
                    _ => match self.part() {
                        Some(part) => Undo::Shipping(Box::new(Shipping(part.observe(cx).await))),
                        None => Undo::Nothing { because: self.why_nothing(cx) },
                    },
                }
            }
        }

        impl Undo {
            /// Where the undoing stands: satisfied when nothing is left of the step.
            pub fn judge(&self) -> Standing {
                match self {
                    Self::Nothing { because } => Standing::satisfied(because.as_str()),
                    Self::Shipping(it) => it.0.judge(),
                    $(Self::$step(facts) => judge(facts.as_ref()),)+
                }
            }

            /// Undoes what is left. Success is not decided here: the next observation decides.
            ///
            /// # Errors
            /// Whatever the site said first.
            pub async fn act(
                &self,
                cx: Context<'_>,
                before: Option<&Before>,
                hands: &Hands<'_>,
            ) -> Result<(), StepError> {
                match self {
                    Self::Nothing { .. } => Ok(()),
                    Self::Shipping(it) => it.0.act(cx, hands).await,
                    $(Self::$step(_) => act::<failback::$module::undo::Facts>(Step::$step, cx, before, hands).await,)+
                }
            }
        }
    };
}

undoings! {
    InstallPrimaryMirror = install_primary_mirror,
    RestoreDatabase = restore_database,
    FenceBackup = fence_backup,
    RemoveMirroring = remove_mirroring,
    ClearActiveServers = clear_active_servers,
}

/// What undoing one step of a failback observes, and what it makes of it.
pub(super) trait Back: Sized + Send {
    /// What it may send, in order.
    fn commands(site: &Site) -> Vec<Command>;

    /// Reads.
    fn observe(cx: Context<'_>, before: Option<&Before>) -> impl Future<Output = Self> + Send;

    /// The next thing to do, from the facts alone; an error says why nothing may be done.
    fn next(&self) -> Result<Next, Standing>;
}

/// The next thing to do.
pub(super) enum Next {
    /// Nothing is left of the step; in a few words.
    Nothing(String),
    /// Something is under way.
    Wait(String),
    /// Send a command.
    Send(Sending),
}

/// One command to send.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sending {
    /// What it does.
    pub(super) what: String,
    pub(super) to: Door,
    /// Its number among those that undo the step, from 1.
    pub(super) n: usize,
    pub(super) values: Values,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Door {
    Sql(Instance),
    /// A cmdlet that may take so long.
    Cmdlet(Option<Duration>),
}

impl Next {
    pub(super) fn sql(at: Instance, n: usize, what: impl Into<String>) -> Self {
        Self::Send(Sending {
            what: what.into(),
            to: Door::Sql(at),
            n,
            values: Values::new(),
        })
    }
}

/// Steps of one run in the order in which they are taken back: the last one first. Only the active
/// list goes before the mirror of the backup, which takes a whole copy of the database and which
/// nobody waits for (`procedure.md`, "leaves out" 5).
pub fn backwards(steps: impl IntoIterator<Item = Step>) -> Vec<Step> {
    let mut steps: Vec<Step> = steps.into_iter().collect();
    steps.reverse();
    let mirror = steps.iter().position(|step| *step == Step::RemoveMirroring);
    let list = steps
        .iter()
        .position(|step| *step == Step::ClearActiveServers);
    if let (Some(mirror), Some(list)) = (mirror, list) {
        let list = steps.remove(list);
        steps.insert(mirror, list);
    }
    steps
}

impl Step {
    /// Time limit of undoing it; `None` = as long as a recovery takes.
    pub fn undo_limit(self, site: &Site) -> Option<Duration> {
        let limits = &site.limits;
        match self {
            Step::FenceBackup => limits.restore,
            // Two mirrors at most.
            Step::RemoveMirroring => Some(limits.mirror.saturating_mul(2)),
            Step::ClearActiveServers => Some(limits.powershell.saturating_mul(10)),
            _ => Some(limits.step),
        }
    }

    /// How long it may take to show after that.
    pub fn undo_settle(self, site: &Site) -> Duration {
        match self {
            Step::FenceBackup => site.limits.step,
            _ => site.limits.settle,
        }
    }

    fn part(self) -> Option<Part> {
        match self {
            Step::DropLogShipping => Some(Part::Rows),
            Step::StopLogShippingJobs => Some(Part::Jobs),
            _ => None,
        }
    }

    fn why_nothing(self, cx: Context<'_>) -> String {
        let why = match self {
            Step::CopyBackups => "copies of log backups do no harm",
            Step::ApplyLogs => {
                "applied log backups do no harm, the restore job goes on behind them"
            }
            Step::EndConnections => "whoever was cut off signs in again",
            Step::RetireOldPrimary => {
                return "left as it is on purpose: a backup job of the old primary would write another fork into the share; what it held is in the archive, and where its mirror keeps an old copy, RESTORING, the next failback asks for --override old-database-unreadable=REASON".to_owned();
            }
            Step::ProveShare => {
                return format!("nothing to undo: `{}` stays", full_path(cx));
            }
            Step::BackUpDatabase => {
                return format!(
                    "nothing to undo: `{}` stays, and `{}` where it was written",
                    full_path(cx),
                    tail_path(cx)
                );
            }
            _ => return "nothing to undo".to_owned(),
        };
        format!("nothing to undo: {why}")
    }
}

pub(super) fn judge(facts: &impl Back) -> Standing {
    match facts.next() {
        Err(standing) => standing,
        Ok(Next::Nothing(why)) => Standing::satisfied(why),
        Ok(Next::Wait(what)) => Standing::underway(what),
        Ok(Next::Send(sending)) => Standing::pending(sending.what),
    }
}

/// Sends what is left, each command on a look of its own that is no older than it (`steps.md` 1.3).
async fn act<T: Back>(
    step: Step,
    cx: Context<'_>,
    before: Option<&Before>,
    hands: &Hands<'_>,
) -> Result<(), StepError> {
    let mut last = None;
    loop {
        hands.check_stop()?;
        let now = Box::pin(T::observe(cx, before)).await;
        match now.next() {
            // Done, or in the way: the next observation says it in full.
            Err(_) | Ok(Next::Nothing(_)) => return Ok(()),
            Ok(Next::Wait(what)) => {
                hands.progress(0, 0, Unit::Waiting, what);
                tokio::time::sleep(cx.site.limits.poll).await;
            }
            Ok(Next::Send(sending)) => {
                if last.as_ref() == Some(&sending) {
                    return Err(StepError::other(
                        format!("it was sent and did not show: {}", sending.what),
                        "see the error log of that instance",
                    ));
                }
                let n = step.commands(cx.site).len() + sending.n;
                send(cx, hands, n, &sending).await?;
                last = Some(sending);
            }
        }
    }
}

async fn send(
    cx: Context<'_>,
    hands: &Hands<'_>,
    n: usize,
    sending: &Sending,
) -> Result<(), StepError> {
    match sending.to {
        Door::Cmdlet(None) => hands.call(cx.access, n, &sending.values).await,
        Door::Cmdlet(Some(limit)) => {
            hands
                .call_within(cx.access, n, &sending.values, limit)
                .await
        }
        Door::Sql(at) => {
            let mut session = Box::pin(cx.access.sql.open(at)).await?;
            match hands.send(&mut session, n, &sending.values).await {
                Err(StepError::Sql(error))
                    if error.number().is_some_and(|it| ALREADY.contains(&it)) =>
                {
                    Ok(())
                }
                other => other.map(|_| ()),
            }
        }
    }
}
