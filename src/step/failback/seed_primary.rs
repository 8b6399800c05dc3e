//! `seed-primary`: the copy of B3 on the primary, WITH NORECOVERY, while chat serves. It waits there for
//! the log that follows, and nobody can write in it (`steps.md` 6.10).

use std::time::Duration;

use serde::Serialize;

use super::restore_database::{self, Stage};
use crate::model::{Instance, Role};
use crate::site::{Limits, Site};
use crate::step::command::Command;
use crate::step::hands::{Hands, StepError};
use crate::step::next::{Door, Next, Patience, Sending, send_by_looks};
use crate::step::undo::Nothing;
use crate::step::{Context, Effect, Info, Kind, Standing};

/// Which command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::step) enum Key {
    Full,
}

pub(in crate::step) struct SeedPrimary;

/// What `restore-database` looks at too.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Facts(restore_database::Facts);

impl Kind for SeedPrimary {
    type Facts = Facts;
    type Undo = Nothing<Self>;
    type Key = Key;

    const INFO: Info = Info {
        id: "seed-primary",
        vendor: None,
        title: "Restore that backup on the primary, which waits for the log that follows: chat serves meanwhile",
        effect: Effect::Irreversible,
        checks: &[
            "the primary, not mirrored, without sessions, of the backup's version; what it held is kept",
            "the files of the backup have a place there",
            "the primary's chat database is RESTORING, and was restored from this run's full backup",
        ],
    };

    fn limit(limits: &Limits) -> Option<Duration> {
        limits.restore
    }

    fn why_nothing(_cx: Context<'_>) -> String {
        "nothing to undo: the copy on the primary stays, RESTORING, so that nobody can write there; the next failback writes over it without asking, for the backup has all of it".to_owned()
    }

    fn commands(site: &Site) -> Vec<(Self::Key, Command)> {
        vec![restore_database::full(site).keyed(Key::Full)]
    }

    async fn observe(cx: Context<'_>) -> Facts {
        Facts(restore_database::observe(cx).await)
    }

    fn judge(facts: &Facts) -> Standing {
        let facts = &facts.0;
        if let Some(why) = facts.unknown() {
            return Standing::unknown(why);
        }
        match facts.stage() {
            Stage::Before => facts.judge_before(Vec::new(), || {
                Standing::pending(
                    "restore the full backup there, WITH NORECOVERY: what stands there is written over",
                )
            }),
            Stage::Full => {
                Standing::satisfied("restored from this run's full backup, and waits for the log")
            }
            Stage::Tail | Stage::Starting | Stage::Serves => {
                Standing::satisfied("restored, to the end of the log")
            }
        }
    }

    async fn act(cx: Context<'_>, _facts: &Facts, hands: &Hands<'_, Key>) -> Result<(), StepError> {
        let patience = Patience {
            not_shown: "see the SQL Server error log of the primary",
            wait: None,
            shows: None,
        };
        send_by_looks(cx, hands, patience, || async {
            let facts = Self::observe(cx).await;
            let Standing::Pending { what, .. } = Self::judge(&facts) else {
                return Ok(Next::Nothing("done, or in the way".to_owned()));
            };
            Ok(Next::Send(Sending {
                what,
                to: Door::Sql(Instance::chat(Role::Primary)),
                key: Key::Full,
                values: facts.0.full_values(cx),
            }))
        })
        .await
    }
}
