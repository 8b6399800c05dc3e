//! `clear-active-servers`, B1: no chat server uses the databases any more (`steps.md` 6). Services
//! that hold on are named, and stopped with consent only.

pub(in crate::step) mod holding;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
pub(in crate::step) mod undo;

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::model::states::PoolState;
use crate::model::{Instance, Role};
use crate::site::Site;
use crate::step::before::Before;
use crate::step::center::Center;
use crate::step::command::{Command, Values};
use crate::step::downtime::Downtime;
use crate::step::earlier::Earlier;
use crate::step::failover::set_active_servers::{contains, list};
use crate::step::hands::{Hands, StepError};
use crate::step::log_backups::Side;
use crate::step::observe::Observed;
use crate::step::observe::backups::compliance_waiting;
use crate::step::observe::database::{Database, database};
use crate::step::observe::pool::{self, Service};
use crate::step::observe::sessions::is_from;
use crate::step::observe::sessions::{Holder, sessions};
use crate::step::pool::identity_and_state;
use crate::step::shared::{chat_hosts, compliance};
use crate::step::{Block, Context, Effect, Info, Kind, Lift, Standing, Step};
use holding::{Holding, Service as WindowsService};

/// Which command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::step) enum Key {
    Clear,
    Stop,
}

/// Time between the two looks that must both find nobody.
const SECOND_LOOK: Duration = Duration::from_secs(5);

/// Interlock: compliance events that nobody will read any more.
const WAITING: &str = "compliance-waiting";

pub(in crate::step) struct ClearActiveServers;

/// The list, and who holds the databases.
#[derive(Debug, Serialize)]
pub struct Facts {
    /// Which data center chat leaves.
    #[serde(skip)]
    center: Center,
    service: Observed<Service>,
    state: Observed<PoolState>,
    computers: Observed<Vec<String>>,
    /// Sessions of chat servers on the databases of the side that serves.
    holders: Observed<Vec<Holder>>,
    /// Where these come from, once nobody is active: the servers, and what they run.
    holding: Vec<Holding>,
    /// O16; `None` where compliance is off.
    waiting: Option<Observed<i64>>,
    waiting_is_accepted: bool,
    /// Where a job of this pool takes log backups that no step turns off: the site file does not say so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    log_backups: Vec<Role>,
    looks: usize,
}

impl Facts {
    fn active(&self) -> Option<&[String]> {
        self.service.seen()?.active_servers.as_deref()
    }

    fn is_clear(&self) -> bool {
        self.active().is_some_and(<[String]>::is_empty)
            && self.holders.seen().is_some_and(Vec::is_empty)
    }

    /// The services that would have to stop. A compliance service is needed for as long as events
    /// wait for it (`steps.md` 6.7).
    fn to_stop(&self) -> Vec<WindowsService> {
        holding::to_stop(&self.holding, waiting_block(self).is_none())
    }
}

impl Kind for ClearActiveServers {
    type Facts = Facts;
    type Undo = undo::Facts;
    type Key = Key;

    const INFO: Info = Info {
        id: "clear-active-servers",
        vendor: Some("B1"),
        title: "Make no chat server active: chat is down from here until `set-pool-state`",
        effect: Effect::Reversible,
        checks: &[
            "the pool is FailedOver",
            "no compliance event waits, or that is accepted",
            "the active list is empty",
            "no chat server holds the chat or the compliance database: in two looks 5 s apart",
            "services that hold on are named, and stopped only with consent; `set-pool-state` starts those of the servers for the normal state",
        ],
    };

    const AFTER: Earlier = Earlier::These(&[
        Step::RetireOldPrimary,
        Step::ProveShare,
        Step::StopLogBackups,
    ]);

    const BEGINS_DOWNTIME: bool = true;

    fn downtime(site: &Site, _seeded: bool) -> Option<Downtime> {
        Some(Downtime::of(0, "until no chat server holds the databases; once more as long where services are stopped").waiting(site.limits.settle))
    }

    fn held_up_by(facts: &Facts) -> Option<String> {
        let services = facts.to_stop();
        (!services.is_empty()).then(|| {
            format!(
                "stop {}: sessions stay there though no server is active",
                holding::describe(&services)
            )
        })
    }

    fn commands(site: &Site) -> Vec<(Self::Key, Command)> {
        commands(site, Center::Second)
    }

    async fn observe(cx: Context<'_>) -> Facts {
        observe(cx, Center::Second).await
    }

    fn judge(facts: &Facts) -> Standing {
        let unknown = facts.service.unknown().or(facts.state.unknown());
        if let Some(why) = unknown
            .or(facts.computers.unknown())
            .or(facts.holders.unknown())
        {
            return Standing::unknown(why);
        }
        let Some(active) = facts.active() else {
            return Standing::unknown("Get-CsService returned no ActiveServers");
        };
        let mut blocks = Vec::new();
        if facts.state.seen() != Some(&facts.center.state()) {
            let (id, why) = match facts.center {
                Center::First => (
                    "pool-not-normal",
                    "the pool is not Normal: it is not served from the first data center",
                ),
                Center::Second => (
                    "pool-not-failed-over",
                    "the pool is not FailedOver: there is nothing to fail back",
                ),
            };
            blocks.push(Block::site(id, why, "see `pchadr status`"));
        }
        if !active.is_empty() {
            blocks.extend(waiting_block(facts));
            blocks.extend(log_backups_block(facts));
        }
        Standing::unless(blocks, || {
            let holders = facts.holders.seen().map_or(&[][..], Vec::as_slice);
            if !active.is_empty() {
                Standing::pending(format!("active now: {}; nobody is wanted", list(active)))
            } else if !holders.is_empty() {
                let names: Vec<String> = holders.iter().map(Holder::describe).collect();
                // KILL would only have them come back: the service must stop, and a person says so.
                let mut what = format!("the list is empty; still there: {}", names.join(", "));
                for (server, why) in holding::not_told(&facts.holding) {
                    what = format!(
                        "{what}; no service that runs is seen on {server}{why}: stop there what holds on (Stop-CsWindowsService)"
                    );
                }
                if holding::has_compliance(&facts.holding)
                    && let Some(block) = waiting_block(facts)
                {
                    what = format!("{what}; {}: {}", block.why(), block.hint());
                }
                Standing::underway(what)
            } else if facts.looks < 2 {
                Standing::underway("nobody is there in one look; a second one decides")
            } else {
                Standing::satisfied("no chat server is active, none holds the databases")
            }
        })
    }

    async fn act(cx: Context<'_>, facts: &Facts, hands: &Hands<'_, Key>) -> Result<(), StepError> {
        if !facts.active().is_some_and(<[String]>::is_empty) {
            Before::note(hands, |before| {
                // The first list is what was: a run that was cut off finds less.
                if before.active_servers.is_none() {
                    before.active_servers = facts.active().map(<[String]>::to_vec);
                }
            })?;
            return hands.call(cx.access, Key::Clear, &Values::new()).await;
        }
        // The consent may have taken minutes, and holds for what was named: of that, what still
        // holds on.
        let agreed = facts.to_stop();
        let now = look(cx, facts.center).await;
        if !matches!(Self::judge(&now), Standing::Pending { underway: true, .. }) {
            return Ok(());
        }
        let mut services = now.to_stop();
        services.retain(|service| agreed.contains(service));
        let each: Vec<Values> = services.iter().map(holding::values).collect();
        if !each.is_empty() {
            Before::note(hands, |before| {
                services.retain(|it| !before.stopped_services.contains(it));
                before.stopped_services.append(&mut services);
            })?;
            hands.announce_each(Key::Stop, &each)?;
        }
        for values in &each {
            hands.check_stop()?;
            hands.call_announced(cx.access, Key::Stop, values).await?;
        }
        Ok(())
    }
}

/// What is sent where chat leaves that data center.
pub(in crate::step) fn commands(site: &Site, center: Center) -> Vec<(Key, Command)> {
    let mut parameters: Vec<(&'static str, Value)> = Vec::new();
    if let Some(identity) = &site.pool.active_identity {
        parameters.push(("Identity", json!(identity)));
    }
    parameters.push(("ActiveServers", Value::Null));
    parameters.push(("Confirm", json!(false)));
    let stop = holding::change(
        "Stop-CsWindowsService",
        site,
        center.active(site).first().map(ToString::to_string),
    );
    vec![
        Command::powershell("Set-CsPersistentChatActiveServer", parameters, Vec::new()).keyed(Key::Clear),
        stop.when("sessions stay though no server is active, and the operator consents")
            .each("server that holds on: its chat service; its compliance service too, where it holds the compliance database").keyed(Key::Stop),
    ]
}

/// Looks twice before nobody is there.
pub(in crate::step) async fn observe(cx: Context<'_>, center: Center) -> Facts {
    let first = look(cx, center).await;
    if !first.is_clear() {
        return first;
    }
    tokio::time::sleep(SECOND_LOOK).await;
    let second = look(cx, center).await;
    Facts { looks: 2, ..second }
}

fn waiting_block(facts: &Facts) -> Option<Block> {
    let why = match facts.waiting.as_ref()? {
        Observed::Seen(0) | Observed::Absent => return None,
        Observed::Seen(events) => {
            format!(
                "{events} compliance events wait for their adapter; nobody reads them after the {}",
                match facts.center {
                    Center::First => "failover",
                    Center::Second => "failback",
                }
            )
        }
        Observed::Unknown(why) => {
            format!("whether compliance events wait cannot be seen: {why}")
        }
    };
    (!facts.waiting_is_accepted).then(|| {
        Block::site(
            WAITING,
            why,
            format!(
                "wait until the compliance service has taken them, or say with --override {WAITING}=REASON that they may stay"
            ),
        )
        .lifted_by(Lift::Override)
    })
}

/// A log backup between B3 and the end of the log would keep the end from joining, while chat is down.
fn log_backups_block(facts: &Facts) -> Option<Block> {
    let role = facts.log_backups.first()?;
    Some(Block::site(
        "log-backups",
        format!(
            "a job that a failover made takes log backups on the {role}, and this plan does not turn it off"
        ),
        "put `[log_backups]` back into the site file, or disable the job `pchadr log backups of …` in SQL Server Agent",
    ))
}

async fn look(cx: Context<'_>, center: Center) -> Facts {
    let access = cx.access;
    let service = pool::service(access, &cx.site.pool.fqdn).await;
    let computers = pool::computers(access, &cx.site.pool.fqdn).await;
    let hosts = chat_hosts(cx.site, computers.seen().map(Vec::as_slice));
    let state = identity_and_state(cx, &service).await.1;
    let held = compliance(access, center.principal());
    let principal = Instance::chat(center.principal());
    let mut places = vec![(principal, &cx.site.database.chat, false)];
    let mirror = Instance::chat(center.mirror());
    let chat = database(access, principal, &cx.site.database.chat).await;
    if access.sql.has(mirror) && !chat.seen().is_some_and(Database::serves) {
        // It is the principal, and has the sessions.
        places.push((mirror, &cx.site.database.chat, false));
    }
    let mut log_backups = Vec::new();
    if center == Center::Second && cx.site.log_backups.is_none() {
        for (at, ..) in &places {
            if Side::look(cx, at.role)
                .await
                .own_rows()
                .iter()
                .any(|it| it.enabled)
            {
                log_backups.push(at.role);
            }
        }
    }
    if let Some(name) = &cx.site.database.compliance {
        places.push((held, name, true));
    }
    let mut holders = Observed::Seen(Vec::new());
    for (instance, name, compliance) in places {
        match (&mut holders, sessions(access, instance, name).await) {
            (Observed::Seen(all), Observed::Seen(found)) => {
                let ours = found.into_iter().filter(|holder| is_from(holder, &hosts));
                all.extend(ours.map(|holder| (holder, compliance)));
            }
            (_, Observed::Seen(_)) => {}
            (_, other) => holders = other.map(|_| Vec::new()),
        }
    }
    let active = service.seen().and_then(|it| it.active_servers.as_ref());
    let mut servers: Vec<String> = cx.site.chat_servers().map(ToString::to_string).collect();
    for server in computers.seen().into_iter().flatten() {
        if !contains(&servers, server) {
            servers.push(server.clone());
        }
    }
    let holding = match &holders {
        // While somebody is active, sessions are users.
        Observed::Seen(all) if active.is_some_and(Vec::is_empty) => {
            holding::look(access, &servers, all).await
        }
        Observed::Seen(_) | Observed::Absent | Observed::Unknown(_) => Vec::new(),
    };
    Facts {
        center,
        state,
        computers,
        log_backups,
        holders: holders.map(|all| all.into_iter().map(|(holder, _)| holder).collect()),
        holding,
        waiting: match &cx.site.database.compliance {
            Some(name) => Some(compliance_waiting(access, held, name).await),
            None => None,
        },
        waiting_is_accepted: cx.terms.overrides(WAITING),
        looks: 1,
        service,
    }
}
