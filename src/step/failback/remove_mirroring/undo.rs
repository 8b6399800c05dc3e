//! Undoes `remove-mirroring`: what was mirrored in the second data center is mirrored again, by the
//! same means as F6. Nobody waits until the mirror is in step.

use std::time::Duration;

use serde::Serialize;

use crate::site::{Limits, Site};
use crate::step::before::Before;
use crate::step::command::{Command, Values};
use crate::step::compliance_mirror::{self as compliance, Compliance};
use crate::step::failover::install_mirror::{self, BACKUP_SIDE, Key, installs};
use crate::step::next::{Door, Next, Sending};
use crate::step::observe::database::Database;
use crate::step::undo::Back;
use crate::step::{Context, Standing};

/// What is looked at.
#[derive(Debug, Serialize)]
pub(in crate::step) struct Facts {
    /// Whether this run wrote down how the site was before.
    kept: bool,
    chat_was: bool,
    compliance_was: bool,
    chat: install_mirror::Facts,
    compliance: Option<Compliance>,
    /// How long a set-up may take.
    #[serde(skip)]
    limit: Duration,
}

impl Back for Facts {
    type Key = Key;

    fn limit(limits: &Limits) -> Option<Duration> {
        // Two mirrors at most.
        Some(limits.mirror.saturating_mul(2))
    }

    fn commands(site: &Site) -> Vec<(Self::Key, Command)> {
        let mut commands = installs(site, &BACKUP_SIDE, false);
        if site.database.compliance.is_some() {
            commands.extend(installs(site, &BACKUP_SIDE, true));
        }
        let was = |(key, mut command): (Key, Command)| {
            let rule = command.when.take().unwrap_or_default();
            let command = command.when(format!("it was mirrored before the run, and {rule}"));
            command.keyed(key)
        };
        commands.into_iter().map(was).collect()
    }

    async fn observe(cx: Context<'_>, before: Option<&Before>) -> Self {
        Self {
            kept: before.is_some(),
            chat_was: before.is_some_and(|before| before.chat_mirrored),
            compliance_was: before.is_some_and(|before| before.compliance_mirrored),
            chat: install_mirror::look(cx, &BACKUP_SIDE).await,
            compliance: compliance::look(cx, &BACKUP_SIDE).await,
            limit: cx.site.limits.mirror,
        }
    }

    fn next(&self) -> Result<Next<Key>, Standing> {
        let mirrored = |row: &Database| row.mirroring.is_some();
        if let Some(why) = self.chat.principal().unknown() {
            return Err(Standing::unknown(why));
        }
        let install = |what: String, key: Key| {
            Ok(Next::Send(Sending {
                what,
                to: Door::Cmdlet(Some(self.limit)),
                key,
                values: Values::new(),
            }))
        };
        // Chat is served. A mirror that is lost must not keep the run from its end.
        if let Some(why) = self.chat.mirror_is_silent().filter(|_| self.chat_was) {
            return Ok(Next::Nothing(format!(
                "not mirrored again, for the backup mirror cannot be asked ({why}): when it is back, `pchadr failover` finds everything else done and sets its mirror up"
            )));
        }
        let chat_is = self.chat.principal().seen().is_some_and(mirrored);
        if self.chat_was {
            match install_mirror::judge(&self.chat, &BACKUP_SIDE) {
                Standing::Pending {
                    what,
                    underway: false,
                } if !chat_is => {
                    return install(
                        what,
                        Key::Chat {
                            over: self.chat.is_over(),
                        },
                    );
                }
                // It gets in step by itself.
                Standing::Pending { .. } | Standing::Satisfied { .. } if chat_is => {}
                Standing::Satisfied { why } => return Ok(Next::Nothing(why)),
                other @ (Standing::Pending { .. }
                | Standing::Blocked { .. }
                | Standing::Unknown(_)) => return Err(other),
            }
        }
        let compliance = self.compliance.as_ref().filter(|_| self.compliance_was);
        if let Some(it) = compliance.filter(|it| !it.is_mirrored()) {
            return match it.judge(&BACKUP_SIDE) {
                Some(Standing::Pending {
                    what,
                    underway: false,
                }) => install(what, Key::Compliance { over: it.is_over() }),
                Some(other) => Err(other),
                None => Ok(Next::Nothing("mirrored as before".to_owned())),
            };
        }
        Ok(Next::Nothing(
            match (self.chat_was, self.compliance_was) {
                _ if !self.kept => "what was mirrored before was not kept: if the second data center had a mirror, set it up again (Install-CsMirrorDatabase)",
                (false, false) => "nothing was mirrored",
                _ => "mirrored again; a mirror gets in step by itself",
            }
            .to_owned(),
        ))
    }
}
