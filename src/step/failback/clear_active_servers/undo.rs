//! Undoes `clear-active-servers`: those that were active are active again, one documented call each
//! (`skype-powershell.md` 1.2), as F7 does it. Only while the chat database of the second data center
//! serves.

use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use crate::model::{Instance, Role};
use crate::site::{Limits, Site};
use crate::step::before::Before;
use crate::step::center::Center;
use crate::step::command::{Command, Values};
use crate::step::failback::clear_active_servers::holding::{Service, change, describe, values};
use crate::step::failover::set_active_servers::{self, SetActiveServers, add};
use crate::step::next::{Door, Next, Sending};
use crate::step::observe::database::database;
use crate::step::observe::pool::{ChatService, chat_services};
use crate::step::shared::is_mirror;
use crate::step::undo::Back;
use crate::step::{Block, Context, Kind, Standing, Step};

/// Which command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::step) enum Key {
    Add,
    Start,
}

/// What is looked at.
#[derive(Debug, Serialize)]
pub(in crate::step) struct Facts {
    /// Whether this run kept the list; else it is the site file's.
    kept: bool,
    /// The instance that has the chat database.
    principal: Role,
    /// Services that this run stopped, and that do not run: server, short name.
    stopped: Vec<Service>,
    /// Servers on which it cannot be seen whether a service that this run stopped runs.
    unseen: Vec<String>,
    list: set_active_servers::Facts,
}

impl Back for Facts {
    type Key = Key;

    /// Setting the backup's mirror up takes a whole copy of the database, and nobody waits for it
    /// (`procedure.md`, "leaves out" 5).
    const AHEAD_OF: Option<Step> = Some(Step::RemoveMirroring);

    fn limit(limits: &Limits) -> Option<Duration> {
        Some(limits.powershell.saturating_mul(10))
    }

    /// The servers come back once the store has replicated the list to them.
    fn settle(limits: &Limits) -> Duration {
        limits.replication
    }

    fn commands(site: &Site) -> Vec<(Self::Key, Command)> {
        commands(site, Center::Second)
    }

    async fn observe(cx: Context<'_>, before: Option<&Before>) -> Self {
        look(cx, before, Center::Second).await
    }

    fn next(&self) -> Result<Next<Key>, Standing> {
        if let Some(state) = self.list.not_serving() {
            return Err(Standing::Blocked {
                blocks: vec![Block::site(
                    "not-serving",
                    format!(
                        "the {}'s chat database is {state}: nobody is made active before it serves",
                        self.principal
                    ),
                    "see `pchadr status`",
                )],
            });
        }
        let standing = SetActiveServers::judge(&self.list);
        let is_set = matches!(
            standing,
            Standing::Satisfied { .. } | Standing::Pending { underway: true, .. }
        );
        if let Some(service) = self.stopped.first().filter(|_| is_set) {
            return Ok(Next::Send(Sending {
                what: format!("start again: {}", describe(&self.stopped)),
                to: Door::Cmdlet(None),
                key: Key::Start,
                values: values(service),
            }));
        }
        let unseen = if self.unseen.is_empty() {
            String::new()
        } else {
            format!(
                "; whether the services that this run stopped run cannot be seen on {}: start them there (Start-CsWindowsService)",
                self.unseen.join(", ")
            )
        };
        match standing {
            Standing::Satisfied { why } if self.kept => Ok(Next::Nothing(format!("{why}{unseen}"))),
            Standing::Satisfied { why } => Ok(Next::Nothing(format!(
                "{why}{unseen}; who was active before was not kept: these are `[pool.active_servers] {}` of the site file",
                Center::of(self.principal).key()
            ))),
            Standing::Pending {
                what,
                underway: false,
            } => match self.list.to_add().next() {
                Some(server) => Ok(Next::Send(Sending {
                    what,
                    to: Door::Cmdlet(None),
                    key: Key::Add,
                    values: Values::from([("server".to_owned(), json!(server))]),
                })),
                None => Err(Standing::unknown("who is to be active")),
            },
            other
            @ (Standing::Pending { .. } | Standing::Blocked { .. } | Standing::Unknown(_)) => {
                Err(other)
            }
        }
    }
}

/// What is sent where chat is to be served from that data center again.
pub(in crate::step) fn commands(site: &Site, center: Center) -> Vec<(Key, Command)> {
    let start = change("Start-CsWindowsService", site, None)
        .each("service that this run stopped and that does not run");
    vec![
        add(site, center.active(site))
            .each("server that was active before the run and is not now")
            .keyed(Key::Add),
        start.keyed(Key::Start),
    ]
}

/// Looks at what is left of it.
pub(in crate::step) async fn look(
    cx: Context<'_>,
    before: Option<&Before>,
    center: Center,
) -> Facts {
    let kept = before.and_then(|before| before.active_servers.clone());
    let site = center.active(cx.site).iter().map(ToString::to_string);
    let at = Instance::chat(center.principal());
    let row = database(cx.access, at, &cx.site.database.chat).await;
    // Its mirror has it where the run was cut off before it could change that.
    let principal = if row.seen().is_some_and(is_mirror) {
        center.mirror()
    } else {
        center.principal()
    };
    let (mut stopped, mut unseen) = (Vec::new(), Vec::new());
    for (server, service) in before.into_iter().flat_map(|it| &it.stopped_services) {
        let seen = chat_services(cx.access, server).await;
        if seen.unknown().is_some() && !unseen.contains(server) {
            unseen.push(server.clone());
        }
        let mut services = seen.seen().into_iter().flatten();
        let rests = |it: &ChatService| it.name.as_ref() == Some(service) && it.runs == Some(false);
        if services.any(rests) {
            stopped.push((server.clone(), service.clone()));
        }
    }
    Facts {
        kept: kept.is_some(),
        principal,
        stopped,
        unseen,
        list: set_active_servers::look(cx, kept.unwrap_or_else(|| site.collect()), principal)
            .await
            .with_those_active(),
    }
}
