//! `mirror-compliance`: F6 for the compliance database. The vendor's failover does not name it,
//! and its failback removes that mirror (B2). It stands behind F7: users do not wait for it.

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::time::Duration;

use serde::Serialize;

use super::install_mirror::{BACKUP_SIDE, Key, NO_MIRROR, installs};
use crate::model::{Problem, Role};
use crate::site::{Limits, Site};
use crate::step::command::{Command, Values};
use crate::step::compliance_mirror::{Compliance, look};
use crate::step::hands::{Hands, StepError};
use crate::step::undo::Nothing;
use crate::step::{Block, Context, Earlier, Effect, Info, Kind, Lift, Optional, Standing, Step};

pub(in crate::step) struct MirrorCompliance;

/// The compliance database on both partners; `None` where compliance is off or has no such mirror.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Facts(Option<Compliance>);

/// What a run goes on without.
const WITHOUT: &str = "a mirror of the compliance database";

/// Whether a plan for that site has it.
pub(in crate::step) fn is_wanted(site: &Site) -> bool {
    site.database.compliance.is_some() && site.chat(Role::BackupMirror).is_some()
}

impl Kind for MirrorCompliance {
    type Facts = Facts;
    type Undo = Nothing<Self>;
    type Key = Key;

    const INFO: Info = Info {
        id: "mirror-compliance",
        vendor: None,
        title: "Mirror the compliance database to the backup mirror",
        effect: Effect::Reversible,
        checks: &[
            "the backup's compliance database serves; the backup mirror has none in use, and one left RESTORING is replaced",
            "principal and mirror are SYNCHRONIZED; a mirror that cannot be set up is left out: users are served already",
            "not done: the output of the compliance adapter is yours to see to",
        ],
    };

    const AFTER: Earlier = Earlier::These(&[Step::RecoverDatabase, Step::SetActiveServers]);

    const OPTIONAL: Option<Optional> = Some(Optional {
        without: WITHOUT,
        interlock: NO_MIRROR,
        serves: Step::SetActiveServers,
        risk: None,
    });

    fn limit(limits: &Limits) -> Option<Duration> {
        Some(limits.mirror)
    }

    fn settle(limits: &Limits) -> Duration {
        limits.mirror
    }

    fn commands(site: &Site) -> Vec<(Self::Key, Command)> {
        if is_wanted(site) {
            installs(site, &BACKUP_SIDE, true)
        } else {
            Vec::new()
        }
    }

    async fn observe(cx: Context<'_>) -> Facts {
        Facts(look(cx, &BACKUP_SIDE).await)
    }

    fn judge(facts: &Facts) -> Standing {
        let Some(compliance) = &facts.0 else {
            return Standing::satisfied("compliance is off, or has no backup mirror");
        };
        let Some(standing) = compliance.judge(&BACKUP_SIDE) else {
            return Standing::satisfied("the compliance database is mirrored, SYNCHRONIZED");
        };
        // What an earlier step says already is not said twice.
        let told_by = compliance.told_by();
        let block = |problem: Problem| {
            let without = format!("or go on without {WITHOUT}: --override {NO_MIRROR}=REASON");
            let problem = problem.with_remedy().or(without);
            let block = Block::site(NO_MIRROR, problem, "").lifted_by(Lift::Override);
            match told_by {
                Some(step) => block.cleared_by(step),
                None => block,
            }
        };
        match standing {
            Standing::Unknown(problem) => Standing::Blocked {
                blocks: vec![block(
                    problem.about("where the compliance database stands is not known"),
                )],
            },
            Standing::Blocked { blocks } => Standing::Blocked {
                blocks: blocks.into_iter().map(|it| block(it.problem)).collect(),
            },
            other @ (Standing::Satisfied { .. } | Standing::Pending { .. }) => other,
        }
    }

    async fn act(cx: Context<'_>, facts: &Facts, hands: &Hands<'_, Key>) -> Result<(), StepError> {
        let over = facts.0.as_ref().is_some_and(Compliance::is_over);
        let (key, none) = (Key::Compliance { over }, Values::new());
        hands
            .call_within(cx.access, key, &none, cx.site.limits.mirror)
            .await
    }
}
