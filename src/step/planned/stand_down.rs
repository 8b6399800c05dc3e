//! `clear-active-servers` of a planned failover: no chat server uses the databases of the first data
//! center any more, as B1 does it for the second (`steps.md` 6.8).

use std::time::Duration;

use serde::Serialize;

use crate::site::{Limits, Site};
use crate::step::before::Before;
use crate::step::center::Center;
use crate::step::command::Command;
use crate::step::downtime::Downtime;
use crate::step::earlier::Earlier;
use crate::step::failback::clear_active_servers::{self as clear, ClearActiveServers, undo};
use crate::step::hands::{Hands, StepError};
use crate::step::next::Next;
use crate::step::undo::Back;
use crate::step::{Context, Effect, Info, Kind, Standing, Step};

pub(in crate::step) use clear::Facts;

pub(in crate::step) struct StandDown;

impl Kind for StandDown {
    type Facts = Facts;
    type Undo = Undo;
    type Key = clear::Key;

    const INFO: Info = Info {
        id: "clear-active-servers",
        vendor: None,
        title: "Make no chat server active: chat is down from here until `set-active-servers`",
        effect: Effect::Reversible,
        checks: &[
            "the pool is Normal",
            "no compliance event waits, or that is accepted",
            "the active list is empty",
            "no chat server holds the chat or the compliance database of the primary: in two looks 5 s apart",
            "services that hold on are named, and stopped only with consent",
        ],
    };

    const AFTER: Earlier = Earlier::These(&[
        Step::SaveLogShipping,
        Step::StopLogShippingJobs,
        Step::ApplyLogs,
    ]);

    const BEGINS_DOWNTIME: bool = true;

    fn downtime(site: &Site, seeded: bool) -> Option<Downtime> {
        ClearActiveServers::downtime(site, seeded)
    }

    fn held_up_by(facts: &Facts) -> Option<String> {
        ClearActiveServers::held_up_by(facts)
    }

    fn commands(site: &Site) -> Vec<(Self::Key, Command)> {
        clear::commands(site, Center::First)
    }

    async fn observe(cx: Context<'_>) -> Facts {
        clear::observe(cx, Center::First).await
    }

    fn judge(facts: &Facts) -> Standing {
        ClearActiveServers::judge(facts)
    }

    async fn act(
        cx: Context<'_>,
        facts: &Facts,
        hands: &Hands<'_, Self::Key>,
    ) -> Result<(), StepError> {
        ClearActiveServers::act(cx, facts, hands).await
    }
}

/// Undoes it: those that were active are active again, as soon as the primary serves.
#[derive(Serialize)]
#[serde(transparent)]
pub(in crate::step) struct Undo(undo::Facts);

impl Back for Undo {
    type Key = undo::Key;

    /// Setting the primary's mirror up takes a whole copy of the database, and nobody waits for it.
    const AHEAD_OF: Option<Step> = Some(Step::UnmirrorPrimary);

    fn limit(limits: &Limits) -> Option<Duration> {
        <undo::Facts as Back>::limit(limits)
    }

    fn settle(limits: &Limits) -> Duration {
        <undo::Facts as Back>::settle(limits)
    }

    fn commands(site: &Site) -> Vec<(Self::Key, Command)> {
        undo::commands(site, Center::First)
    }

    async fn observe(cx: Context<'_>, before: Option<&Before>) -> Self {
        Self(undo::look(cx, before, Center::First).await)
    }

    fn next(&self) -> Result<Next<Self::Key>, Standing> {
        self.0.next()
    }
}
