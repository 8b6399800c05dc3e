//! Undoes `remove-mirroring` of a planned failover: the primary is mirrored to its mirror again, by the
//! same means as F6. Nobody waits until the mirror is in step.

use std::time::Duration;

use serde::Serialize;

use crate::site::{Limits, Site};
use crate::step::before::Before;
use crate::step::command::{Command, Values};
use crate::step::failback::install_primary_mirror::PRIMARY_SIDE;
use crate::step::failover::install_mirror::{self, Key, installs};
use crate::step::next::{Door, Next, Sending};
use crate::step::undo::Back;
use crate::step::{Context, Standing};

/// What is looked at.
#[derive(Debug, Serialize)]
pub(in crate::step) struct Facts {
    /// Whether this run removed it.
    was: bool,
    chat: install_mirror::Facts,
    /// How long a set-up may take.
    #[serde(skip)]
    limit: Duration,
}

impl Back for Facts {
    type Key = Key;

    fn limit(limits: &Limits) -> Option<Duration> {
        Some(limits.mirror)
    }

    fn commands(site: &Site) -> Vec<(Key, Command)> {
        let was = |(key, mut command): (Key, Command)| {
            let rule = command.when.take().unwrap_or_default();
            let command = command.when(format!("it was mirrored before the run, and {rule}"));
            command.keyed(key)
        };
        let installs = installs(site, &PRIMARY_SIDE, false);
        installs.into_iter().map(was).collect()
    }

    async fn observe(cx: Context<'_>, before: Option<&Before>) -> Self {
        Self {
            was: before.is_some_and(|before| before.chat_mirrored),
            chat: install_mirror::look(cx, &PRIMARY_SIDE).await,
            limit: cx.site.limits.mirror,
        }
    }

    fn next(&self) -> Result<Next<Key>, Standing> {
        if !self.was {
            return Ok(Next::Nothing("its mirroring was not removed".to_owned()));
        }
        if let Some(why) = self.chat.principal().unknown() {
            return Err(Standing::unknown(why));
        }
        // Chat is served. A mirror that is lost must not keep the run from its end.
        if let Some(why) = self.chat.mirror_is_silent() {
            return Ok(Next::Nothing(format!(
                "not mirrored again, for the primary mirror cannot be asked ({why}): when it is back, set its mirror up with Install-CsMirrorDatabase"
            )));
        }
        let row = self.chat.principal().seen();
        let is_mirrored = row.is_some_and(|row| row.mirroring.is_some());
        match install_mirror::judge(&self.chat, &PRIMARY_SIDE) {
            Standing::Pending {
                what,
                underway: false,
            } if !is_mirrored => Ok(Next::Send(Sending {
                what,
                to: Door::Cmdlet(Some(self.limit)),
                key: Key::Chat {
                    over: self.chat.is_over(),
                },
                values: Values::new(),
            })),
            Standing::Pending { .. } | Standing::Satisfied { .. } if is_mirrored => Ok(
                Next::Nothing("mirrored again; a mirror gets in step by itself".to_owned()),
            ),
            Standing::Satisfied { why } => Ok(Next::Nothing(why)),
            other
            @ (Standing::Pending { .. } | Standing::Blocked { .. } | Standing::Unknown(_)) => {
                Err(other)
            }
        }
    }
}
