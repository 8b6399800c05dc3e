//! `set-pool-state` of the failback, B7: the pool uses its primary databases again. Chat is back
//! (`steps.md` 6; `skype-powershell.md` 1.1).

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use crate::model::states::PoolState;
use crate::model::{Instance, Role};
use crate::site::{Limits, Site};
use crate::step::command::{Command, Values};
use crate::step::downtime::Downtime;
use crate::step::failback::clear_active_servers::holding::{self, Service as WindowsService};
use crate::step::failover::set_active_servers::{contains, list};
use crate::step::hands::{Hands, StepError};
use crate::step::observe::Observed;
use crate::step::observe::database::{Database, database};
use crate::step::observe::pool::{self, Service};
use crate::step::observe::sessions::is_from;
use crate::step::observe::sessions::{Holder, sessions};
use crate::step::pool::{REPLICATION, identity_and_state, set_state, store_block, topology_blocks};
use crate::step::shared::{chat_hosts, compliance, is_restored, not_restored};
use crate::step::undo::Nothing;
use crate::step::{Block, Context, Earlier, Effect, Info, Kind, Standing, Step};

/// Which command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::step) enum Key {
    Set,
    Start,
}

/// Interlock: services that do not start, though every active server serves.
const STOPPED: &str = "services-stopped";

pub(in crate::step) struct ReturnPoolState;

/// The pool, the store that keeps its state, and the databases that it would use.
#[derive(Debug, Serialize)]
pub struct Facts {
    service: Observed<Service>,
    /// Identity that the Get cmdlet binds: what is passed to the Set cmdlet.
    identity: Option<String>,
    state: Observed<PoolState>,
    central_management: Observed<String>,
    primary: Observed<Database>,
    restored: Observed<bool>,
    backup: Observed<Database>,
    /// `None` where compliance is off.
    compliance: Option<Observed<Database>>,
    /// Hosts of the site file.
    hosts: Vec<(Role, String)>,
    wanted: Vec<String>,
    /// Sessions of chat servers on the primary's and on the backup's chat database.
    on_primary: Observed<Vec<Holder>>,
    on_backup: Observed<Vec<Holder>>,
    /// Chat and compliance services that do not run, once the state is Normal.
    stopped: Vec<WindowsService>,
    /// This run set the state, or was about to.
    started: bool,
    stopped_is_accepted: bool,
}

impl Facts {
    /// Stopped services: of the servers for the normal state, and of the others.
    fn stopped(&self) -> (Vec<WindowsService>, Vec<WindowsService>) {
        let stopped = self.stopped.iter().cloned();
        stopped.partition(|(server, _)| contains(&self.wanted, server))
    }

    /// Active servers without a session on the primary.
    fn silent(&self) -> Vec<String> {
        let holders = self.on_primary.seen().map_or(&[][..], Vec::as_slice);
        let active = self
            .service
            .seen()
            .and_then(|service| service.active_servers.as_ref());
        active
            .unwrap_or(&self.wanted)
            .iter()
            .filter(|server| {
                let own = std::slice::from_ref(*server);
                !holders.iter().any(|holder| is_from(holder, own))
            })
            .cloned()
            .collect()
    }
}

impl Kind for ReturnPoolState {
    type Facts = Facts;
    type Undo = Nothing<Self>;
    type Key = Key;

    const INFO: Info = Info {
        id: "set-pool-state",
        vendor: Some("B7"),
        title: "Set the pool back to its primary databases: chat is back",
        effect: Effect::Reversible,
        checks: &[
            "the primary's chat database is as `restore-database` leaves it, its compliance database ONLINE",
            "the backup's chat database is closed",
            "the Central Management Store has an active master",
            "the pool's state, read back, is Normal",
            "stopped services of the servers for the normal state are started; of others, they are named",
            "every active server has a session on the primary, none on the backup",
        ],
    };

    const AFTER: Earlier = Earlier::These(&[
        Step::RetireOldPrimary,
        Step::ProveShare,
        Step::StopLogBackups,
        Step::BackUpDatabase,
        Step::ClearActiveServers,
        Step::RemoveMirroring,
        Step::FenceBackup,
        Step::RestoreDatabase,
        Step::ReturnActiveServers,
    ]);

    const OVERTAKES: Earlier = Earlier::All;

    fn downtime(site: &Site, _seeded: bool) -> Option<Downtime> {
        Some(
            Downtime::of(0, "until every active server has a session on the primary")
                .waiting(site.limits.replication),
        )
    }

    /// The servers turn round once the store has replicated the state to them.
    fn settle(limits: &Limits) -> Duration {
        limits.replication
    }

    fn commands(site: &Site) -> Vec<(Self::Key, Command)> {
        let start = holding::change(
            "Start-CsWindowsService",
            site,
            site.pool.normal.first().map(ToString::to_string),
        );
        vec![
            set_state("Normal").keyed(Key::Set),
            start
                .when("the pool is Normal")
                .each(
                    "chat or compliance service that does not run on a server for the normal state",
                )
                .keyed(Key::Start),
        ]
    }

    async fn observe(cx: Context<'_>) -> Facts {
        let access = cx.access;
        let name = &cx.site.database.chat;
        let (primary, backup) = (Instance::chat(Role::Primary), Instance::chat(Role::Backup));
        let service = pool::service(access, &cx.site.pool.fqdn).await;
        let (identity, state) = identity_and_state(cx, &service).await;
        let stopped = if state.seen() == Some(&PoolState::Normal) {
            stopped_services(cx).await
        } else {
            Vec::new()
        };
        let hosts = chat_hosts(cx.site, None);
        let from = |holders: Vec<Holder>| -> Vec<Holder> {
            holders
                .into_iter()
                .filter(|holder| is_from(holder, &hosts))
                .collect()
        };
        Facts {
            service,
            identity,
            state,
            central_management: pool::central_management(access).await,
            primary: database(access, primary, name).await,
            restored: is_restored(cx).await,
            backup: database(access, backup, name).await,
            compliance: match &cx.site.database.compliance {
                Some(name) => Some(database(access, compliance(access, Role::Primary), name).await),
                None => None,
            },
            hosts: Role::ALL
                .into_iter()
                .filter_map(|role| Some((role, cx.site.chat(role)?.host.clone())))
                .collect(),
            wanted: cx
                .site
                .pool
                .normal
                .iter()
                .map(ToString::to_string)
                .collect(),
            on_primary: sessions(access, primary, name).await.map(from),
            on_backup: sessions(access, backup, name).await.map(from),
            stopped,
            started: cx.started,
            stopped_is_accepted: cx.terms.overrides(STOPPED),
        }
    }

    fn judge(facts: &Facts) -> Standing {
        let state = match &facts.state {
            Observed::Seen(state) => state,
            Observed::Unknown(why) => return Standing::unknown(why),
            Observed::Absent => return Standing::unknown("the pool's state"),
        };
        let backup_serves = facts.backup.seen().is_none_or(Database::serves);
        if *state == PoolState::Normal {
            return judge_normal(facts, backup_serves);
        }
        let service = match &facts.service {
            Observed::Seen(service) => service,
            Observed::Unknown(why) => return Standing::unknown(why),
            Observed::Absent => return Standing::unknown("the pool's service"),
        };
        let mut blocks: Vec<Block> = store_block(&facts.central_management).into_iter().collect();
        blocks.extend(topology_blocks(service, &facts.hosts));
        blocks.extend(not_restored(&facts.restored, &facts.primary));
        if backup_serves {
            blocks.push(
                Block::site(
                    "backup-writable",
                    "the backup's chat database is writable still",
                    "run `fence-backup` first",
                )
                .cleared_by(Step::FenceBackup),
            );
        }
        if let Some(compliance) = &facts.compliance
            && !compliance.seen().is_some_and(Database::serves)
        {
            blocks.push(Block::site(
                "compliance",
                "compliance is on, but its database on the primary is not ONLINE: the compliance service cannot start",
                "bring it online; see `[sql.compliance]` and `[database] compliance`",
            ));
        }
        Standing::unless(blocks, || Standing::pending("set the pool to Normal"))
    }

    async fn act(cx: Context<'_>, facts: &Facts, hands: &Hands<'_, Key>) -> Result<(), StepError> {
        let Some(identity) = &facts.identity else {
            return Err(StepError::other(
                "no identity of the pool binds",
                "set `[pool] identity` in the site file",
            ));
        };
        let mut stopped = facts.stopped().0;
        if facts.state.seen() != Some(&PoolState::Normal) {
            let values = Values::from([("identity".to_owned(), json!(identity))]);
            hands.call(cx.access, Key::Set, &values).await?;
            // Started before, they would have looked for the databases that are closed.
            stopped = stopped_services(cx).await;
            stopped.retain(|(server, _)| contains(&facts.wanted, server));
        }
        let each: Vec<Values> = stopped.iter().map(holding::values).collect();
        if !each.is_empty() {
            hands.announce_each(Key::Start, &each)?;
        }
        for values in &each {
            hands.check_stop()?;
            hands.call_announced(cx.access, Key::Start, values).await?;
        }
        Ok(())
    }
}

/// Chat and compliance services of the pool's servers that do not run. A server that cannot be asked
/// is left out: its sessions tell.
async fn stopped_services(cx: Context<'_>) -> Vec<WindowsService> {
    let mut stopped = Vec::new();
    for server in cx.site.chat_servers() {
        let services = pool::chat_services(cx.access, server.as_str()).await;
        for service in services.seen().into_iter().flatten() {
            let wanted = !service.compliance || cx.site.database.compliance.is_some();
            if let (Some(name), Some(false), true) = (&service.name, service.runs, wanted) {
                stopped.push((server.to_string(), name.clone()));
            }
        }
    }
    stopped
}

/// The pool uses the primary: it does so in fact when its servers are there.
fn judge_normal(facts: &Facts, backup_serves: bool) -> Standing {
    if let Some(why) = facts.on_primary.unknown().or(facts.on_backup.unknown()) {
        return Standing::unknown(why);
    }
    if backup_serves {
        return Standing::Blocked {
            blocks: vec![Block::site(
                "backup-writable",
                "the pool is Normal, and the backup's chat database is writable",
                "see `pchadr status`: which of the two databases holds the newest messages",
            )],
        };
    }
    let (to_start, mut stays) = facts.stopped();
    let silent = facts.silent();
    let left = facts.on_backup.seen().map_or(&[][..], Vec::as_slice);
    // A pool that serves without them is at home: whoever finds it so has nothing to do.
    let serves = silent.is_empty() && left.is_empty();
    if serves && (!facts.started || facts.stopped_is_accepted) {
        stays.extend(to_start);
    } else if !to_start.is_empty() {
        let mut what = format!("Normal; start {}", holding::describe(&to_start));
        if serves {
            what = format!(
                "{what}; every active server serves: say with --override {STOPPED}=REASON that they may stay stopped"
            );
        }
        return Standing::pending(what);
    }
    if !left.is_empty() {
        let names: Vec<String> = left.iter().map(Holder::describe).collect();
        Standing::underway(format!(
            "Normal; {REPLICATION}: still on the backup: {}",
            names.join(", ")
        ))
    } else if silent.is_empty() {
        let mut why = "Normal; every active server has a session on the primary".to_owned();
        if !stays.is_empty() {
            why = format!(
                "{why}; stopped, and left so: {}; start them before they are needed (Start-CsWindowsService)",
                holding::describe(&stays)
            );
        }
        Standing::satisfied(why)
    } else {
        Standing::underway(format!(
            "Normal; {REPLICATION}: no session on the primary yet from {}",
            list(&silent)
        ))
    }
}
