//! Steps: each observes, judges, acts and observes again (DESIGN 5).
//!
//! One file a step. Check and verify are the same code: [`Step::observe`] and [`Step::judge`]. A
//! step changes the site only through [`Hands`], which records a command before it is sent.

pub mod before;
pub mod command;
pub mod downtime;
pub mod hands;
pub mod ledger;
pub mod observe;
pub mod saved;
pub mod standing;
pub mod terms;
pub mod undo;

mod backup_database;
mod failback;
mod failover;
mod placement;
mod shared;
mod stored;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod sample;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::access::Access;
use crate::model::Direction;
use crate::site::Site;
use command::Command;
use hands::{Hands, StepError};
use observe::log_shipping::Secondary;
use saved::Saved;
pub use standing::{Block, Lift, Standing};
use terms::Terms;

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

/// What a step reads with.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The site.
    pub site: &'a Site,
    /// The doors.
    pub access: &'a Access,
    /// What the operator allowed.
    pub terms: &'a Terms,
    /// The log-shipping configuration that this run saved, or that the site file names.
    pub saved: Option<&'a Saved>,
    /// What was kept of it and cannot be read, a sentence each; where `saved` is `None`, it is not
    /// true that nothing was kept.
    pub unreadable: &'a [String],
    /// Run id.
    pub run: &'a str,
    /// True once this run has started the step that looks.
    pub started: bool,
}

impl<'a> Context<'a> {
    /// The rows of the backup that were saved; none where nothing was.
    fn saved_rows(&self) -> &'a [Secondary] {
        self.saved.map_or(&[], |saved| &saved.backup.rows)
    }
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

/// What one step file defines.
trait Kind {
    /// What it observes: the evidence.
    type Facts: Serialize + Send;

    const INFO: Info;

    /// What it may send, in order.
    fn commands(site: &Site) -> Vec<Command>;

    /// Reads.
    fn observe(cx: Context<'_>) -> impl Future<Output = Self::Facts> + Send;

    /// Decides from the facts alone.
    fn judge(facts: &Self::Facts) -> Standing;

    /// Acts. Success is not decided here: the next observation decides.
    fn act(
        cx: Context<'_>,
        facts: &Self::Facts,
        hands: &Hands<'_>,
    ) -> impl Future<Output = Result<(), StepError>> + Send;
}

macro_rules! steps {
    ($($variant:ident = $direction:ident / $module:ident),+ $(,)?) => {
        /// The built-in steps.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Step {
            $(#[doc = concat!("See `step/", stringify!($direction), "/", stringify!($module), ".rs`.")] $variant,)+
        }

        /// What a step observed.
        #[derive(Serialize)]
        #[serde(untagged)]
        pub enum Facts {
            $(#[doc = concat!("Of `", stringify!($module), "`.")] $variant(Box<$direction::$module::Facts>),)+
        }

        impl Step {
            /// Every step.
            pub const ALL: &'static [Step] = &[$(Step::$variant),+];

            /// What is fixed about it.
            pub fn info(self) -> Info {
                match self { $(Step::$variant => $direction::$module::$variant::INFO,)+ }
            }

            /// What it may send at that site, in order.
            pub fn commands(self, site: &Site) -> Vec<Command> {
                match self { $(Step::$variant => $direction::$module::$variant::commands(site),)+ }
            }

            /// Reads what it needs to know.
            pub async fn observe(self, cx: Context<'_>) -> Facts {
                match self {
                    $(Step::$variant => Facts::$variant(Box::new($direction::$module::$variant::observe(cx).await)),)+
                }
            }

            /// Acts on what was observed.
            ///
            /// # Errors
            /// Whatever the site said first. It decides nothing: see [`Step::observe`].
            pub async fn act(cx: Context<'_>, facts: &Facts, hands: &Hands<'_>) -> Result<(), StepError> {
                match facts { $(Facts::$variant(facts) => $direction::$module::$variant::act(cx, facts, hands).await,)+ }
            }
        }

        impl Facts {
            /// Where the step stands, by these facts alone.
            pub fn judge(&self) -> Standing {
                match self { $(Facts::$variant(facts) => $direction::$module::$variant::judge(facts),)+ }
            }
        }
    };
}

/// So many steps of the list are the failover's.
const FAILOVER_STEPS: usize = 10;

steps! {
    SaveLogShipping = failover / save_log_shipping,
    StopLogShippingJobs = failover / stop_log_shipping_jobs,
    DropLogShipping = failover / drop_log_shipping,
    CopyBackups = failover / copy_backups,
    ApplyLogs = failover / apply_logs,
    EndConnections = failover / end_connections,
    RecoverDatabase = failover / recover_database,
    SetPoolState = failover / set_pool_state,
    InstallMirror = failover / install_mirror,
    SetActiveServers = failover / set_active_servers,
    RetireOldPrimary = failback / retire_old_primary,
    ProveShare = failback / prove_share,
    ClearActiveServers = failback / clear_active_servers,
    RemoveMirroring = failback / remove_mirroring,
    BackUpDatabase = failback / back_up_database,
    FenceBackup = failback / fence_backup,
    RestoreDatabase = failback / restore_database,
    InstallPrimaryMirror = failback / install_primary_mirror,
    ConfigureLogShipping = failback / configure_log_shipping,
    ReturnActiveServers = failback / return_active_servers,
    ReturnPoolState = failback / return_pool_state,
}

impl Facts {
    /// What holds the step up and would have to go, by a command that needs consent; `None` where
    /// nothing does. Asked once the effect had its time to show.
    pub fn held_up_by(&self) -> Option<String> {
        match self {
            Facts::ClearActiveServers(facts) => facts.held_up_by(),
            _ => None,
        }
    }

    /// Seconds of chat that are lost by what the step is about to do; `None` where it loses nothing,
    /// or where that is not known.
    pub fn loss_seconds(&self, terms: &Terms) -> Option<i64> {
        match self {
            Facts::RecoverDatabase(facts) => facts.loss_seconds(terms),
            _ => None,
        }
    }
}

impl Step {
    /// The failover's steps, in the vendor's order.
    pub const FAILOVER: &'static [Step] = Self::ALL.split_at(FAILOVER_STEPS).0;

    /// The failback's steps, in the vendor's order.
    pub const FAILBACK: &'static [Step] = Self::ALL.split_at(FAILOVER_STEPS).1;

    /// The steps of a direction, in the vendor's order.
    pub fn of(direction: Direction) -> &'static [Step] {
        match direction {
            Direction::Failover => Self::FAILOVER,
            Direction::Failback => Self::FAILBACK,
        }
    }

    /// Its id.
    pub fn id(self) -> &'static str {
        self.info().id
    }

    /// The step with that id; two ids stand in both directions and mean another step in each.
    pub fn find(direction: Direction, id: &str) -> Option<Step> {
        let steps = Self::of(direction).iter().copied();
        steps.into_iter().find(|step| step.id() == id)
    }

    /// True for the step behind which there is no way back.
    pub fn is_point_of_no_return(self) -> bool {
        matches!(self, Step::RecoverDatabase | Step::ConfigureLogShipping)
    }

    /// True for the step from which on there is no chat (`steps.md` 6.1): what can fail behind it is
    /// looked for once more before it.
    pub fn begins_downtime(self) -> bool {
        self == Step::ClearActiveServers
    }

    /// Steps that this one, when satisfied, makes moot (`steps.md` 1.6).
    pub fn overtakes(self) -> &'static [Step] {
        match self {
            Step::RecoverDatabase => &[Step::CopyBackups, Step::ApplyLogs, Step::EndConnections],
            Step::ReturnPoolState => Self::FAILBACK.split_last().map_or(&[], |(_, all)| all),
            _ => &[],
        }
    }

    /// Steps that must stand before it in a runbook, where the runbook has them.
    pub fn after(self) -> &'static [Step] {
        match self {
            Step::SaveLogShipping => &[],
            Step::StopLogShippingJobs => &[Step::SaveLogShipping],
            Step::DropLogShipping => &[Step::SaveLogShipping, Step::StopLogShippingJobs],
            Step::CopyBackups => &[Step::StopLogShippingJobs],
            Step::ApplyLogs => &[Step::StopLogShippingJobs, Step::CopyBackups],
            Step::EndConnections => &[Step::ApplyLogs],
            Step::RecoverDatabase => &[
                Step::StopLogShippingJobs,
                Step::CopyBackups,
                Step::ApplyLogs,
                Step::EndConnections,
            ],
            Step::SetPoolState => &[Step::RecoverDatabase],
            Step::InstallMirror | Step::SetActiveServers => {
                &[Step::RecoverDatabase, Step::SetPoolState]
            }
            // Nothing of a failback can be left out, or change its place.
            _ => {
                let own = Self::FAILBACK.iter().position(|step| *step == self);
                &Self::FAILBACK[..own.unwrap_or(0)]
            }
        }
    }

    /// Time limit of its act; `None` = as long as it makes progress.
    pub fn limit(self, site: &Site) -> Option<Duration> {
        let limits = &site.limits;
        match self {
            Step::CopyBackups | Step::ApplyLogs => None,
            Step::StopLogShippingJobs => Some(limits.jobs.saturating_mul(2)),
            Step::InstallMirror => Some(limits.mirror),
            Step::SetActiveServers | Step::ReturnActiveServers => {
                Some(limits.powershell.saturating_mul(10))
            }
            Step::RecoverDatabase
            | Step::RetireOldPrimary
            | Step::BackUpDatabase
            | Step::FenceBackup
            | Step::RestoreDatabase => limits.restore,
            Step::InstallPrimaryMirror => Some(limits.mirror.saturating_mul(2)),
            Step::ConfigureLogShipping => Some(limits.step.saturating_add(limits.mirror)),
            _ => Some(limits.step),
        }
    }

    /// How long its effect may take to show after the act.
    pub fn settle(self, site: &Site) -> Duration {
        match self {
            Step::InstallMirror | Step::InstallPrimaryMirror => site.limits.mirror,
            Step::RecoverDatabase | Step::RestoreDatabase => site.limits.step,
            _ => site.limits.settle,
        }
    }
}
