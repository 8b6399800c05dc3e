//! `set-active-servers`, F7: the chat servers that accept clients (`steps.md` 4;
//! `skype-powershell.md` 1.2).

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::model::states::PoolState;
use crate::model::{Fqdn, Instance, Role};
use crate::site::{Limits, Site};
use crate::step::center::Center;
use crate::step::command::{Command, Hole, HoleType, Values};
use crate::step::hands::{Hands, StepError};
use crate::step::observe::Observed;
use crate::step::observe::database::{Database, database};
use crate::step::observe::pool::{self, Service};
use crate::step::observe::sessions::{Holder, is_from, sessions};
use crate::step::pool::{REPLICATION, identity_and_state, not_serving};
use crate::step::shared::compliance;
use crate::step::undo::Nothing;
use crate::step::{Block, Context, Earlier, Effect, Info, Kind, Lift, Standing, Step};

/// Which command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::step) enum Key {
    Remove,
    Add,
}

/// What must be said at the end (`steps.md` 5.8).
const LOG_GROWS: &str = "; nothing backs up the log of this database now: take log backups, to a folder that is not the log-shipping share, before its disk is full";

/// Interlock: chat services of wanted servers that do not run when the failover begins.
const STOPPED: &str = "services-stopped";

pub(in crate::step) struct SetActiveServers;

/// The list, and the proof that it serves.
#[derive(Debug, Serialize)]
pub struct Facts {
    /// Where chat is to be served from.
    #[serde(skip)]
    center: Center,
    service: Observed<Service>,
    wanted: Vec<String>,
    computers: Observed<Vec<String>>,
    state: Observed<PoolState>,
    database: Observed<Database>,
    /// `mgccomp` on the backup side; `None` when compliance is off.
    compliance: Option<Observed<Database>>,
    /// Wanted servers whose chat service does not run.
    stopped: Vec<String>,
    /// Wanted servers whose chat service could not be looked at. Its name was never confirmed
    /// (`skype-powershell.md` 1.9): a session on the database is then the proof.
    unseen: Vec<String>,
    /// They may be stopped when the failover begins.
    stopped_may_be: bool,
    sessions: Observed<Vec<Holder>>,
    /// A step behind this one has the log backed up.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    log_backups: bool,
}

impl Facts {
    fn active(&self) -> Option<&[String]> {
        self.service.seen()?.active_servers.as_deref()
    }

    fn to_remove(&self) -> impl Iterator<Item = &String> {
        let wanted = &self.wanted;
        self.active()
            .into_iter()
            .flatten()
            .filter(move |server| !contains(wanted, server))
    }

    pub(in crate::step) fn to_add(&self) -> impl Iterator<Item = &String> {
        let active = self.active().unwrap_or_default();
        self.wanted
            .iter()
            .filter(move |server| !contains(active, server))
    }

    /// The same, with those wanted too that are active now.
    pub(in crate::step) fn with_those_active(mut self) -> Self {
        let more: Vec<String> = self.to_remove().cloned().collect();
        self.wanted.extend(more);
        self
    }

    /// What the chat database is, where it is known not to serve.
    pub(in crate::step) fn not_serving(&self) -> Option<String> {
        match &self.database {
            Observed::Seen(row) if row.serves() => None,
            Observed::Seen(row) => Some(row.state.to_string()),
            Observed::Absent => Some("not there".to_owned()),
            Observed::Unknown(_) => None,
        }
    }

    /// Wanted servers without a session on the database.
    fn without_session(&self) -> Vec<&String> {
        let holders = self.sessions.seen().map(Vec::as_slice).unwrap_or_default();
        self.wanted
            .iter()
            .filter(|server| {
                let own = std::slice::from_ref(*server);
                !holders.iter().any(|holder| is_from(holder, own))
            })
            .collect()
    }
}

/// Makes the list another, a server at a time.
pub(in crate::step) fn changes(
    site: &Site,
    unwanted: &[Fqdn],
    wanted: &[Fqdn],
) -> Vec<(Key, Command)> {
    vec![
        change(site, "Remove", unwanted)
            .each("active server that is not wanted")
            .keyed(Key::Remove),
        add(site, wanted)
            .each("wanted server that is not active")
            .keyed(Key::Add),
    ]
}

/// Adds a server to the list.
pub(in crate::step) fn add(site: &Site, wanted: &[Fqdn]) -> Command {
    change(site, "Add", wanted)
}

fn change(site: &Site, how: &'static str, servers: &[Fqdn]) -> Command {
    let mut parameters: Vec<(&'static str, Value)> = Vec::new();
    if let Some(identity) = &site.pool.active_identity {
        parameters.push(("Identity", json!(identity)));
    }
    parameters.push(("ActiveServers", json!({ how: "{server}" })));
    parameters.push(("Confirm", json!(false)));
    let sample = servers
        .first()
        .map_or_else(|| "pc1.dc1.litwareinc.com".to_owned(), ToString::to_string);
    Command::powershell(
        "Set-CsPersistentChatActiveServer",
        parameters,
        vec![Hole::new(
            "server",
            HoleType::Text,
            "FQDN of the server",
            sample,
        )],
    )
}

/// Sends them: unwanted ones first, for a server next to a dead database makes the others restart
/// (`skype-powershell.md` 8.6), and the list takes four.
pub(in crate::step) async fn send_changes(
    cx: Context<'_>,
    hands: &Hands<'_, Key>,
    remove: Vec<&String>,
    add: Vec<&String>,
) -> Result<(), StepError> {
    for (key, servers) in [(Key::Remove, remove), (Key::Add, add)] {
        let each: Vec<Values> = servers
            .into_iter()
            .map(|server| Values::from([("server".to_owned(), json!(server))]))
            .collect();
        if each.is_empty() {
            continue;
        }
        hands.announce_each(key, &each)?;
        for values in &each {
            hands.check_stop()?;
            hands.call_announced(cx.access, key, values).await?;
        }
    }
    Ok(())
}

pub(in crate::step) fn contains(list: &[String], server: &str) -> bool {
    list.iter().any(|other| other.eq_ignore_ascii_case(server))
}

impl Kind for SetActiveServers {
    type Facts = Facts;
    type Undo = Nothing<Self>;
    type Key = Key;

    const INFO: Info = Info {
        id: "set-active-servers",
        vendor: Some("F7"),
        title: "Make the chat servers for the failed-over state active",
        effect: Effect::Reversible,
        checks: &[
            "the pool is FailedOver and the backup's chat database is writable",
            "the compliance database is ONLINE while compliance is on",
            "the active list is the wanted set",
            "the chat service runs on every wanted server, and each has a session on the database",
        ],
    };

    const AFTER: Earlier = Earlier::These(&[Step::RecoverDatabase, Step::SetPoolState]);

    fn limit(limits: &Limits) -> Option<Duration> {
        Some(limits.powershell.saturating_mul(10))
    }

    /// The servers come once the store has replicated the list to them.
    fn settle(limits: &Limits) -> Duration {
        limits.replication
    }

    fn commands(site: &Site) -> Vec<(Self::Key, Command)> {
        changes(site, &site.pool.normal, &site.pool.failed_over)
    }

    async fn observe(cx: Context<'_>) -> Facts {
        let wanted = cx.site.pool.failed_over.iter();
        look(cx, wanted.map(ToString::to_string).collect(), Role::Backup).await
    }

    fn judge(facts: &Facts) -> Standing {
        let compliance = facts.compliance.as_ref();
        let unknown = facts
            .service
            .unknown()
            .or(facts.state.unknown())
            .or(facts.database.unknown())
            .or(compliance.and_then(Observed::unknown));
        if let Some(why) = unknown {
            return Standing::unknown(why);
        }
        let Some(active) = facts.active() else {
            return Standing::unknown("Get-CsService returned no ActiveServers");
        };
        let equal = facts.to_remove().next().is_none() && facts.to_add().next().is_none();
        let mut blocks = Vec::new();
        if facts.center == Center::First && facts.state.seen() != Some(&facts.center.state()) {
            blocks.push(Block::site(
                "pool-not-normal",
                "the pool is not Normal: its servers would use the backup's databases",
                "see `pchadr status`, and who changed it",
            ));
        } else if facts.state.seen() != Some(&facts.center.state()) {
            blocks.push(
                Block::site(
                    "pool-not-failed-over",
                    "the pool is not FailedOver: its servers would use the lost databases",
                    "run `set-pool-state` first",
                )
                .cleared_by(Step::SetPoolState),
            );
        }
        blocks.extend(not_serving(&facts.database));
        if let Some(compliance) = compliance
            && !compliance.seen().is_some_and(Database::serves)
        {
            blocks.push(Block::site(
                "compliance",
                format!(
                    "compliance is on, but its database on the {} side is {}: the compliance service cannot start",
                    facts.center.principal(),
                    match compliance {
                        Observed::Seen(row) => row.state.to_string(),
                        Observed::Absent | Observed::Unknown(_) => "not there".to_owned(),
                    }
                ),
                "bring it online; see `[sql.compliance]` and `[database] compliance`",
            ));
        }
        blocks.extend(stopped_block(facts));
        if let Some(computers) = facts.computers.seen() {
            for server in facts.wanted.iter().filter(|it| !contains(computers, it)) {
                blocks.push(Block::site(
                    "no-such-server",
                    format!("`{server}` is no server of the pool"),
                    format!(
                        "see `[pool.active_servers] {}`, and Get-CsPool",
                        facts.center.key()
                    ),
                ));
            }
        }
        Standing::unless(blocks, || {
            if !equal {
                return match facts.computers.unknown() {
                    Some(why) => Standing::unknown(why),
                    None => Standing::pending(format!(
                        "active now: {}; wanted: {}",
                        list(active),
                        list(&facts.wanted)
                    )),
                };
            }
            let is_kept = facts.log_backups || facts.center == Center::First;
            let log = if is_kept { "" } else { LOG_GROWS };
            let silent: Vec<String> = facts.without_session().into_iter().cloned().collect();
            if !silent.is_empty() {
                Standing::underway(format!(
                    "the list is set; {REPLICATION}: no session on the database yet from {}",
                    list(&silent)
                ))
            } else if !facts.stopped.is_empty() {
                Standing::underway(format!(
                    "the list is set; the chat service does not run on {}",
                    list(&facts.stopped)
                ))
            } else if facts.unseen.is_empty() {
                Standing::satisfied(format!("active and serving: {}{log}", list(&facts.wanted)))
            } else {
                Standing::satisfied(format!(
                    "active, each with a session on the database: {}; the chat service could not be looked at on {}{log}",
                    list(&facts.wanted),
                    list(&facts.unseen)
                ))
            }
        })
    }

    async fn act(cx: Context<'_>, facts: &Facts, hands: &Hands<'_, Key>) -> Result<(), StepError> {
        let (remove, add) = (facts.to_remove().collect(), facts.to_add().collect());
        send_changes(cx, hands, remove, add).await
    }
}

/// What would end the run behind recovery: found before anything is touched. Once the database serves
/// nobody is held back by it (`design.md` 3, rule 18).
fn stopped_block(facts: &Facts) -> Option<Block> {
    if facts.stopped.is_empty() || facts.stopped_may_be || facts.not_serving().is_none() {
        return None;
    }
    let block = Block::site(
        STOPPED,
        format!(
            "the chat service does not run on {}: nobody would be served there",
            list(&facts.stopped)
        ),
        format!(
            "start it there (Start-CsWindowsService), or see `[pool.active_servers] failed_over`; if it is to be started later, say so with --override {STOPPED}=REASON"
        ),
    );
    Some(block.lifted_by(Lift::Override))
}

/// Reads what the servers that are wanted would need, where `principal` has the chat database.
pub(in crate::step) async fn look(cx: Context<'_>, wanted: Vec<String>, principal: Role) -> Facts {
    let access = cx.access;
    let center = Center::of(principal);
    let chat = Instance::chat(principal);
    let service = pool::service(access, &cx.site.pool.fqdn).await;
    let (_, state) = identity_and_state(cx, &service).await;
    let (mut stopped, mut unseen) = (Vec::new(), Vec::new());
    for server in &wanted {
        match pool::chat_service_runs(access, server).await {
            Observed::Seen(true) => {}
            Observed::Seen(false) => stopped.push(server.clone()),
            Observed::Absent | Observed::Unknown(_) => unseen.push(server.clone()),
        }
    }
    Facts {
        center,
        wanted,
        computers: pool::computers(access, &cx.site.pool.fqdn).await,
        state,
        database: database(access, chat, &cx.site.database.chat).await,
        compliance: match &cx.site.database.compliance {
            Some(name) => {
                Some(database(access, compliance(access, center.principal()), name).await)
            }
            None => None,
        },
        stopped,
        unseen,
        stopped_may_be: cx.terms.overrides(STOPPED),
        sessions: sessions(access, chat, &cx.site.database.chat).await,
        log_backups: cx.site.log_backups.is_some(),
        service,
    }
}

pub(in crate::step) fn list(servers: &[String]) -> String {
    if servers.is_empty() {
        "none".to_owned()
    } else {
        servers.join(", ")
    }
}
