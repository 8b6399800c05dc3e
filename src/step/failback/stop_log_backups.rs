//! `stop-log-backups`: the job that a failover set up takes no log backup any more. One between the
//! full backup of B3 and the end of the log would keep the end from joining (`steps.md` 6).

use serde::Serialize;

use crate::model::Role;
use crate::site::Site;
use crate::step::before::Before;
use crate::step::command::Command;
use crate::step::hands::{Hands, StepError};
use crate::step::log_backups::{Side, enable, roles};
use crate::step::next::{Next, Patience, send_by_looks};
use crate::step::undo::{self, Back};
use crate::step::{Context, Effect, Info, Kind, Standing};

pub(in crate::step) struct StopLogBackups;

/// The job on both instances of the second data center.
#[derive(Debug, Serialize)]
pub struct Facts {
    sides: Vec<Side>,
}

async fn sides(cx: Context<'_>) -> Vec<Side> {
    let mut sides = Vec::new();
    for role in roles(cx.site) {
        sides.push(Side::look(cx, role).await);
    }
    sides
}

/// What cannot be told of them: the backup has to answer, its mirror takes no log backups.
fn unseen(sides: &[Side]) -> Result<(), Standing> {
    for side in sides {
        let about = format!("the log-backup job of the {}", side.role);
        if let Some(why) = side.job.unknown() {
            return Err(Standing::unknown(why.about(about)));
        }
        if side.role == Role::Backup && !side.answers() {
            return Err(Standing::unknown(format!("{about}: it does not answer")));
        }
    }
    Ok(())
}

/// The command for each of them.
fn update(site: &Site, on: bool) -> Vec<(Role, Command)> {
    let when = |role: Role| {
        let state = if on { "disabled" } else { "enabled" };
        format!("the {role} has this pool's job, {state}")
    };
    let command = |role| enable(site, role, on).when(when(role)).keyed(role);
    roles(site).map(command).collect()
}

fn silent(sides: &[Side]) -> impl Iterator<Item = String> {
    let silent = sides.iter().filter(|side| !side.answers());
    silent.map(|side| format!("the {} does not answer", side.role))
}

impl Kind for StopLogBackups {
    type Facts = Facts;
    type Undo = Undo;
    /// The instance that it goes to.
    type Key = Role;

    const INFO: Info = Info {
        id: "stop-log-backups",
        vendor: None,
        title: "Turn off the log backups that the failover set up",
        effect: Effect::Reversible,
        checks: &["the job is disabled on the backup and its mirror, and does not run"],
    };

    fn commands(site: &Site) -> Vec<(Role, Command)> {
        update(site, false)
    }

    async fn observe(cx: Context<'_>) -> Facts {
        Facts {
            sides: sides(cx).await,
        }
    }

    fn judge(facts: &Facts) -> Standing {
        undo::standing(facts.next())
    }

    async fn act(
        cx: Context<'_>,
        _facts: &Facts,
        hands: &Hands<'_, Role>,
    ) -> Result<(), StepError> {
        let patience = Patience {
            not_shown: "see the job in SQL Server Agent",
            wait: Some(cx.site.limits.jobs),
            shows: None,
        };
        let look = || async {
            Facts {
                sides: sides(cx).await,
            }
            .next()
        };
        send_by_looks(cx, hands, patience, look).await
    }
}

impl Facts {
    fn next(&self) -> Result<Next<Role>, Standing> {
        unseen(&self.sides)?;
        for side in &self.sides {
            if side.own_rows().iter().any(|row| row.enabled) {
                let words = format!("disable the log-backup job of the {}", side.role);
                return Ok(Next::sql(side.at(), side.role, words));
            }
        }
        for side in &self.sides {
            if side.own_rows().iter().any(|row| row.runs) {
                let words = format!("wait for the log-backup job of the {}", side.role);
                return Ok(Next::Wait(words));
            }
        }
        let none = self.sides.iter().all(|side| side.own_rows().is_empty());
        let mut words = vec![if none {
            "no log-backup job of this pool is there".to_owned()
        } else {
            "the log-backup job is disabled and idle".to_owned()
        }];
        words.extend(silent(&self.sides));
        Ok(Next::Nothing(words.join("; ")))
    }
}

/// Undoes it: the job is enabled again.
#[derive(Debug, Serialize)]
pub(in crate::step) struct Undo {
    sides: Vec<Side>,
}

impl Back for Undo {
    type Key = Role;

    fn commands(site: &Site) -> Vec<(Role, Command)> {
        update(site, true)
    }

    async fn observe(cx: Context<'_>, _before: Option<&Before>) -> Self {
        Self {
            sides: sides(cx).await,
        }
    }

    fn next(&self) -> Result<Next<Role>, Standing> {
        unseen(&self.sides)?;
        for side in &self.sides {
            if side.own_rows().iter().any(|row| !row.enabled) {
                let words = format!("enable the log-backup job of the {}", side.role);
                return Ok(Next::sql(side.at(), side.role, words));
            }
        }
        let mut words = vec!["the log-backup job is enabled".to_owned()];
        words.extend(silent(&self.sides));
        Ok(Next::Nothing(words.join("; ")))
    }
}
