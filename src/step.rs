//! Steps: each observes, judges, acts and observes again (`design.md` 5).
//!
//! One file a step. Check and verify are the same code: [`Step::observe`] and [`Step::judge`]. A
//! step changes the site only through [`Hands`], which records a command before it is sent.

// A wildcard once took a primary that lives for a silent one.
#![warn(clippy::wildcard_enum_match_arm)]

pub mod before;
pub mod by_hand;
pub mod command;
pub mod downtime;
pub mod fencing;
pub mod guard;
pub mod handoff;
pub mod hands;
pub mod ledger;
pub mod observe;
pub mod pool;
pub mod saved;
pub mod standing;
pub mod terms;
pub mod undo;

mod backup_database;
mod between;
mod center;
mod compliance_mirror;
mod earlier;
mod failback;
mod failover;
mod fence;
mod info;
mod log_backups;
mod lost;
mod next;
mod optional;
mod placement;
mod planned;
mod principal;
mod shared;
mod stored;
mod without_mirror;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod sample;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;

use serde::Serialize;

use crate::access::Access;
use crate::model::{Direction, Lsn};
use crate::site::{Limits, Site};
use before::Before;
use command::Command;
use downtime::Downtime;
use earlier::Earlier;
use hands::{Hands, Means, StepError};
pub use info::{Effect, Info};
pub use optional::Optional;
use saved::Saved;
pub use standing::{Block, Lift, Standing};
use terms::Terms;
use undo::Back;

/// What a step reads with.
#[derive(Clone, Copy)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own about the run"
)]
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
    /// True once this run has begun to set up the primary's mirror, also where that was undone.
    pub mirror_begun: bool,
    /// When the run began, UTC.
    pub began: Option<Timestamp>,
    /// The plan seeds the primary while chat serves (`steps.md` 6.10).
    pub seeded: bool,
    /// The plan is a planned switch: the primary lives, and gives the end of its log (`steps.md` 6.8).
    pub planned: bool,
}

/// What one step file defines.
trait Kind {
    /// What it observes: the evidence.
    type Facts: Serialize + Send;

    /// What undoes it.
    type Undo: undo::Back;

    /// What it calls its commands.
    type Key: command::Key;

    const INFO: Info;

    /// Steps that must stand before it in a runbook. A step that says nothing rests on all of them.
    const AFTER: Earlier = Earlier::All;

    /// The step before it with which it shares a stage, where `[copy] overlap` allows that.
    const ALONGSIDE: Option<Step> = None;

    /// Steps that it makes moot once it is satisfied (`steps.md` 1.6).
    const OVERTAKES: Earlier = Earlier::These(&[]);

    /// True for the step behind which there is no way back.
    const POINT_OF_NO_RETURN: bool = false;

    /// True for the step from which on there is no chat (`steps.md` 6.1): what can fail behind it is
    /// looked for once more before it.
    const BEGINS_DOWNTIME: bool = false;

    /// What the run is without once it is left out, behind the point of no return, for users do not wait
    /// for it (`design.md` 3, rule 18); `None` for a step that is never left out.
    const OPTIONAL: Option<Optional> = None;

    /// Time limit of its act; `None` = as long as it makes progress.
    fn limit(limits: &Limits) -> Option<Duration> {
        Some(limits.step)
    }

    /// How long its effect may take to show after the act.
    fn settle(limits: &Limits) -> Duration {
        limits.settle
    }

    /// Its part of the time without chat, in a plan that is seeded or not; `None` while chat serves.
    fn downtime(_site: &Site, _seeded: bool) -> Option<Downtime> {
        None
    }

    /// Why there is nothing to undo of it; of a step that is [`undo::Nothing`]'s.
    fn why_nothing(_cx: Context<'_>) -> String {
        "nothing to undo".to_owned()
    }

    /// What it may send, in order.
    fn commands(site: &Site) -> Vec<(Self::Key, Command)>;

    /// Reads.
    fn observe(cx: Context<'_>) -> impl Future<Output = Self::Facts> + Send;

    /// Decides from the facts alone.
    fn judge(facts: &Self::Facts) -> Standing;

    /// A step before it that has work again, though it was done, and what: the run goes back to it.
    /// `None` where there is none.
    fn back_to(_facts: &Self::Facts) -> Option<(Step, String)> {
        None
    }

    /// What holds the step up and would have to go, by a command that needs consent; `None` where
    /// nothing does. Asked once the effect had its time to show.
    fn held_up_by(_facts: &Self::Facts) -> Option<String> {
        None
    }

    /// Where the chain ends, of the step that gives up what was written after it; `None` where that
    /// is not known yet.
    fn end_of_chain(_facts: &Self::Facts) -> Option<Lsn> {
        None
    }

    /// What was seen and decides, a line each, for whoever consents; none where the facts are few.
    fn evidence(_facts: &Self::Facts) -> Vec<String> {
        Vec::new()
    }

    /// Seconds of chat that are lost by what the step is about to do; `None` where it loses nothing,
    /// or where that is not known.
    fn loss_seconds(_facts: &Self::Facts, _terms: &Terms) -> Option<i64> {
        None
    }

    /// Acts. Success is not decided here: the next observation decides.
    fn act(
        cx: Context<'_>,
        facts: &Self::Facts,
        hands: &Hands<'_, Self::Key>,
    ) -> impl Future<Output = Result<(), StepError>> + Send;
}

/// What is fixed of a step, read off its file.
struct Fixed {
    info: Info,
    after: Earlier,
    alongside: Option<Step>,
    overtakes: Earlier,
    point_of_no_return: bool,
    begins_downtime: bool,
    optional: Option<Optional>,
    limit: fn(&Limits) -> Option<Duration>,
    settle: fn(&Limits) -> Duration,
    downtime: fn(&Site, bool) -> Option<Downtime>,
    commands: fn(&Site) -> Vec<Command>,
    undo: undo::Fixed,
}

impl Fixed {
    const fn of<K: Kind>() -> Self {
        Self {
            info: K::INFO,
            after: K::AFTER,
            alongside: K::ALONGSIDE,
            overtakes: K::OVERTAKES,
            point_of_no_return: K::POINT_OF_NO_RETURN,
            begins_downtime: K::BEGINS_DOWNTIME,
            optional: K::OPTIONAL,
            limit: K::limit,
            settle: K::settle,
            downtime: K::downtime,
            commands: |site| command::unkeyed(K::commands(site)),
            undo: undo::Fixed::of::<K::Undo>(),
        }
    }
}

macro_rules! steps {
    ($($direction:ident = $folder:ident { $($variant:ident = $module:ident),+ $(,)? })+) => {
        /// The built-in steps.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Step {
            $($(#[doc = concat!("See `", stringify!($module), ".rs` below `step/`.")] $variant,)+)+
        }

        /// What a step observed.
        #[derive(Serialize)]
        #[serde(untagged)]
        pub enum Facts {
            $($(#[doc = concat!("Of `", stringify!($module), "`.")] $variant(Box<$folder::$module::Facts>),)+)+
        }

        /// What undoing a step observed.
        #[derive(Serialize)]
        #[serde(transparent)]
        pub struct Undo(Undone);

        #[derive(Serialize)]
        #[serde(untagged)]
        enum Undone {
            $($($variant(Box<<$folder::$module::$variant as Kind>::Undo>),)+)+
        }

        impl Step {
            /// Every step.
            pub const ALL: &'static [Step] = &[$($(Step::$variant),+),+];

            /// The steps of a direction, in the order of its built-in runbook.
            pub fn of(direction: Direction) -> &'static [Step] {
                match direction { $(Direction::$direction => &[$(Step::$variant),+],)+ }
            }

            /// The direction that it is a step of.
            pub fn direction(self) -> Direction {
                match self { $($(Step::$variant)|+ => Direction::$direction,)+ }
            }

            fn fixed(self) -> &'static Fixed {
                match self { $($(Step::$variant => const { &Fixed::of::<$folder::$module::$variant>() },)+)+ }
            }

            /// Reads what it needs to know.
            pub async fn observe(self, cx: Context<'_>) -> Facts {
                match self {
                    $($(Step::$variant => Facts::$variant(Box::new($folder::$module::$variant::observe(cx).await)),)+)+
                }
            }

            /// Acts on what was observed.
            ///
            /// # Errors
            /// Whatever the site said first. It decides nothing: see [`Step::observe`].
            pub async fn act(cx: Context<'_>, facts: &Facts, means: &Means<'_>) -> Result<(), StepError> {
                match facts {
                    $($(Facts::$variant(facts) => {
                        let hands = means.hands($folder::$module::$variant::commands(cx.site));
                        $folder::$module::$variant::act(cx, facts, &hands).await
                    })+)+
                }
            }

            /// Reads what is left to undo of it.
            pub async fn observe_undo(self, cx: Context<'_>, before: Option<&Before>) -> Undo {
                Undo(match self {
                    $($(Step::$variant => Undone::$variant(Box::new(<<$folder::$module::$variant as Kind>::Undo as Back>::observe(cx, before).await)),)+)+
                })
            }

            /// Undoes what is left of it. Success is not decided here: the next observation decides.
            ///
            /// # Errors
            /// Whatever the site said first.
            pub async fn undo(
                self,
                cx: Context<'_>,
                before: Option<&Before>,
                means: &Means<'_>,
            ) -> Result<(), StepError> {
                match self {
                    $($(Step::$variant => {
                        undo::act::<<$folder::$module::$variant as Kind>::Undo>(cx, before, means).await
                    })+)+
                }
            }
        }

        impl Facts {
            /// Where the step stands, by these facts alone.
            pub fn judge(&self) -> Standing {
                match self { $($(Facts::$variant(facts) => $folder::$module::$variant::judge(facts),)+)+ }
            }

            /// A step before it that has work again, though it was done, and what.
            pub fn back_to(&self) -> Option<(Step, String)> {
                match self { $($(Facts::$variant(facts) => $folder::$module::$variant::back_to(facts),)+)+ }
            }

            /// What holds the step up and would have to go, by a command that needs consent; `None`
            /// where nothing does. Asked once the effect had its time to show.
            pub fn held_up_by(&self) -> Option<String> {
                match self { $($(Facts::$variant(facts) => $folder::$module::$variant::held_up_by(facts),)+)+ }
            }

            /// Where the chain ends, of the step that gives up what was written after it; `None` where
            /// that is not known yet.
            pub fn end_of_chain(&self) -> Option<Lsn> {
                match self { $($(Facts::$variant(facts) => $folder::$module::$variant::end_of_chain(facts),)+)+ }
            }

            /// What was seen and decides, a line each, for whoever consents.
            pub fn evidence(&self) -> Vec<String> {
                match self { $($(Facts::$variant(facts) => $folder::$module::$variant::evidence(facts),)+)+ }
            }

            /// Seconds of chat that are lost by what the step is about to do; `None` where it loses
            /// nothing, or where that is not known.
            pub fn loss_seconds(&self, terms: &Terms) -> Option<i64> {
                match self { $($(Facts::$variant(facts) => $folder::$module::$variant::loss_seconds(facts, terms),)+)+ }
            }
        }

        impl Undo {
            /// Where the undoing stands: satisfied when nothing is left of the step.
            pub fn judge(&self) -> Standing {
                match &self.0 { $($(Undone::$variant(facts) => undo::judge(facts.as_ref()),)+)+ }
            }
        }
    };
}

steps! {
    Failover = failover {
        SaveLogShipping = save_log_shipping,
        StopLogShippingJobs = stop_log_shipping_jobs,
        DropLogShipping = drop_log_shipping,
        CopyBackups = copy_backups,
        ApplyLogs = apply_logs,
        StandDown = stand_down,
        StopBackupJobs = stop_backup_jobs,
        UnmirrorPrimary = unmirror_primary,
        ClosePrimary = close_primary,
        EndConnections = end_connections,
        RecoverDatabase = recover_database,
        SetPoolState = set_pool_state,
        InstallMirror = install_mirror,
        SetActiveServers = set_active_servers,
        MirrorCompliance = mirror_compliance,
        StartLogBackups = start_log_backups,
    }
    Failback = failback {
        RetireOldPrimary = retire_old_primary,
        ProveShare = prove_share,
        StopLogBackups = stop_log_backups,
        BackUpDatabase = back_up_database,
        SeedPrimary = seed_primary,
        ShipLog = ship_log,
        ClearActiveServers = clear_active_servers,
        RemoveMirroring = remove_mirroring,
        FenceBackup = fence_backup,
        RestoreDatabase = restore_database,
        InstallPrimaryMirror = install_primary_mirror,
        ConfigureLogShipping = configure_log_shipping,
        ReturnActiveServers = return_active_servers,
        ReturnPoolState = return_pool_state,
    }
    Fence = fence {
        DisableBackupJobs = disable_backup_jobs,
        CloseDatabase = close_database,
    }
}

impl Step {
    /// What is fixed about it.
    pub fn info(self) -> Info {
        self.fixed().info
    }

    /// Its id.
    pub fn id(self) -> &'static str {
        self.fixed().info.id
    }

    /// The step of a direction with that id; an id may stand in both, and means another step in each.
    pub fn find(direction: Direction, id: &str) -> Option<Step> {
        let mut steps = Self::of(direction).iter().copied();
        steps.find(|step| step.id() == id)
    }

    /// What it may send at that site, in order.
    pub fn commands(self, site: &Site) -> Vec<Command> {
        (self.fixed().commands)(site)
    }

    /// Steps that must stand before it in a runbook.
    pub fn after(self) -> &'static [Step] {
        self.fixed().after.than(self)
    }

    /// The step before it with which it shares a stage, where `[copy] overlap` allows that.
    pub fn alongside(self) -> Option<Step> {
        self.fixed().alongside
    }

    /// Steps that this one, when satisfied, makes moot (`steps.md` 1.6).
    pub fn overtakes(self) -> &'static [Step] {
        self.fixed().overtakes.than(self)
    }

    /// True for the step behind which there is no way back.
    pub fn is_point_of_no_return(self) -> bool {
        self.fixed().point_of_no_return
    }

    /// True for the step from which on there is no chat (`steps.md` 6.1).
    pub fn begins_downtime(self) -> bool {
        self.fixed().begins_downtime
    }

    /// What a run is without that leaves it out, where it may be left out.
    pub fn optional(self) -> Option<Optional> {
        self.fixed().optional
    }

    /// Its part of the time without chat, in a plan that is seeded or not; `None` while chat serves.
    pub fn downtime(self, site: &Site, seeded: bool) -> Option<Downtime> {
        (self.fixed().downtime)(site, seeded)
    }

    /// Time limit of its act; `None` = as long as it makes progress.
    pub fn limit(self, site: &Site) -> Option<Duration> {
        (self.fixed().limit)(&site.limits)
    }

    /// How long its effect may take to show after the act.
    pub fn settle(self, site: &Site) -> Duration {
        (self.fixed().settle)(&site.limits)
    }

    /// What undoing it may send, in order; numbered behind its own commands.
    pub fn undo_commands(self, site: &Site) -> Vec<Command> {
        (self.fixed().undo.commands)(site)
    }

    /// Time limit of undoing it; `None` = as long as a recovery takes.
    pub fn undo_limit(self, site: &Site) -> Option<Duration> {
        (self.fixed().undo.limit)(&site.limits)
    }

    /// How long it may take to show after that.
    pub fn undo_settle(self, site: &Site) -> Duration {
        (self.fixed().undo.settle)(&site.limits)
    }
}
