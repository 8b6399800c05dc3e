//! `install-primary-mirror`: the primary's own mirror, for chat and compliance. The vendor's page
//! forgets it (`procedure.md`, "leaves out" 8), and the second half of B5 needs it.

pub(in crate::step) mod undo;

use std::time::Duration;

use serde::Serialize;

use crate::model::{Instance, Role};
use crate::site::{Limits, Site};
use crate::step::command::{Command, Values};
use crate::step::compliance_mirror::{self as compliance, Compliance};
use crate::step::downtime::Downtime;
use crate::step::failover::install_mirror::{self, Key};
use crate::step::hands::{Hands, StepError};
use crate::step::ledger::Unit;
use crate::step::observe::Observed;
use crate::step::observe::log_shipping::{Job, JobIds, all_jobs, primary};
use crate::step::shared::{is_restored, not_restored};
use crate::step::without_mirror::{NO_MIRROR, interlock};
use crate::step::{Block, Context, Effect, Info, Kind, Optional, Standing, Step};

pub(in crate::step) const PRIMARY_SIDE: install_mirror::Pair = install_mirror::Pair {
    principal: Role::Primary,
    mirror: Role::PrimaryMirror,
    key: "primary_mirror",
};

pub(in crate::step) struct InstallPrimaryMirror;

/// Both partners, for both databases, and the backup jobs of both.
#[derive(Debug, Serialize)]
pub struct Facts {
    chat: install_mirror::Facts,
    restored: Observed<bool>,
    /// Enabled backup jobs: one that runs now would tear the chain of the new mirror.
    jobs: Vec<(Role, Observed<Vec<Job>>)>,
    compliance: Option<Compliance>,
}

impl Facts {
    /// `None` where nothing is left to do.
    fn judge_compliance(&self) -> Option<Standing> {
        self.compliance.as_ref()?.judge(&PRIMARY_SIDE)
    }
}

impl Kind for InstallPrimaryMirror {
    type Facts = Facts;
    type Undo = undo::Facts;
    type Key = Key;

    const INFO: Info = Info {
        id: "install-primary-mirror",
        vendor: None,
        title: "Mirror the primary to its own mirror, chat and compliance",
        effect: Effect::Reversible,
        checks: &[
            "the primary's chat database is as `restore-database` leaves it",
            "both instances: same version and edition, we are sysadmin, endpoint started",
            "no backup job of log shipping is enabled on either",
            "principal and mirror name one another, both SYNCHRONIZED",
        ],
    };

    const OPTIONAL: Option<Optional> = Some(Optional {
        without: "the primary's mirror",
        interlock: NO_MIRROR,
        serves: Step::ReturnPoolState,
        risk: Some(
            "users are served before the primary's mirror and log shipping are set up: until the mirror is synchronized what they write exists on one instance only, until one log backup has arrived in one data center only, and what is lost with that is lost; while log shipping is set up chat servers reconnect twice",
        ),
    });

    fn limit(limits: &Limits) -> Option<Duration> {
        Some(limits.mirror.saturating_mul(2))
    }

    fn settle(limits: &Limits) -> Duration {
        limits.mirror
    }

    fn downtime(site: &Site, _seeded: bool) -> Option<Downtime> {
        Some(if site.chat(Role::PrimaryMirror).is_some() {
            Downtime::of(
                2,
                "the set-up's own backup and restore, minutes until SYNCHRONIZED",
            )
        } else {
            Downtime::of(0, "nothing: there is no primary mirror")
        })
    }

    fn commands(site: &Site) -> Vec<(Self::Key, Command)> {
        let mut commands = install_mirror::installs(site, &PRIMARY_SIDE, false);
        if site.database.compliance.is_some() {
            commands.extend(install_mirror::installs(site, &PRIMARY_SIDE, true));
        }
        commands
    }

    async fn observe(cx: Context<'_>) -> Facts {
        let access = cx.access;
        let mut jobs = Vec::new();
        for role in [Role::Primary, Role::PrimaryMirror] {
            let instance = Instance::chat(role);
            if access.sql.has(instance) {
                let rows = primary(access, instance, &cx.site.database.chat).await;
                let ids = JobIds::of(rows.seen().into_iter().flatten());
                let seen = match rows.unknown() {
                    Some(why) => Observed::unseen(why),
                    None => all_jobs(access, instance, &ids).await,
                };
                jobs.push((role, seen));
            }
        }
        Facts {
            chat: install_mirror::look(cx, &PRIMARY_SIDE).await,
            restored: is_restored(cx).await,
            jobs,
            compliance: compliance::look(cx, &PRIMARY_SIDE).await,
        }
    }

    fn judge(facts: &Facts) -> Standing {
        let chat = install_mirror::judge(&facts.chat, &PRIMARY_SIDE);
        let mirrored = facts
            .chat
            .principal()
            .seen()
            .is_some_and(|row| row.mirroring.is_some());
        let mut blocks = Vec::new();
        let not_restored = not_restored(&facts.restored, facts.chat.principal());
        if not_restored.is_some() && !matches!(chat, Standing::Unknown { .. }) {
            blocks.extend(not_restored);
            // What stands there now is retired before.
            if let (Standing::Blocked { blocks: more }, false) = (&chat, mirrored) {
                blocks.extend(
                    more.iter()
                        .filter(|it| it.id != "mirror-of-another")
                        .cloned(),
                );
            }
            return Standing::Blocked { blocks };
        }
        for (role, jobs) in &facts.jobs {
            let enabled = jobs.seen().into_iter().flatten().find(|job| job.enabled);
            if let (
                Some(job),
                Standing::Pending {
                    underway: false, ..
                },
            ) = (enabled, &chat)
            {
                blocks.push(
                    Block::site(
                        "backup-job",
                        format!("the backup job {} of the {role} is enabled", job.name),
                        "run `retire-old-primary` first",
                    )
                    .cleared_by(Step::RetireOldPrimary),
                );
            }
        }
        if !blocks.is_empty() {
            return Standing::Blocked { blocks };
        }
        if let (Standing::Unknown(why), Some(silent)) = (&chat, facts.chat.mirror_is_silent())
            && why == silent
        {
            return Standing::Blocked {
                blocks: vec![interlock(why)],
            };
        }
        match (chat, facts.judge_compliance()) {
            // Not underway while something is left: it would never be sent.
            (
                Standing::Pending { underway: true, .. },
                Some(
                    rest @ Standing::Pending {
                        underway: false, ..
                    },
                ),
            )
            | (Standing::Satisfied { .. }, Some(rest)) => rest,
            (chat, _) => chat,
        }
    }

    async fn act(cx: Context<'_>, facts: &Facts, hands: &Hands<'_, Key>) -> Result<(), StepError> {
        let limit = cx.site.limits.mirror;
        let none = Values::new();
        if matches!(
            install_mirror::judge(&facts.chat, &PRIMARY_SIDE),
            Standing::Pending {
                underway: false,
                ..
            }
        ) {
            let key = Key::Chat {
                over: facts.chat.is_over(),
            };
            hands.call_within(cx.access, key, &none, limit).await?;
        }
        if let Some(Standing::Pending {
            underway: false, ..
        }) = facts.judge_compliance()
        {
            let over = facts.compliance.as_ref().is_some_and(Compliance::is_over);
            hands.check_stop()?;
            hands.progress(0, 0, Unit::Waiting, "the compliance database follows");
            let key = Key::Compliance { over };
            hands.call_within(cx.access, key, &none, limit).await?;
        }
        Ok(())
    }
}
