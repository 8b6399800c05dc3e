//! `set-pool-state`, F5: the pool uses its backup databases (`steps.md` 4; `skype-powershell.md` 1.1, 3).

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use serde::Serialize;
use serde_json::json;

use crate::model::states::PoolState;
use crate::model::{Instance, Problem, Role};
use crate::site::Site;
use crate::step::command::{Command, Hole, HoleType, Values};
use crate::step::hands::{Hands, StepError};
use crate::step::observe::Observed;
use crate::step::observe::database::{Database, database};
use crate::step::observe::pool::{self, Service};
use crate::step::undo::Nothing;
use crate::step::{Block, Context, Earlier, Effect, Info, Kind, Standing, Step};

/// Which command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::step) enum Key {
    Set,
}

pub(in crate::step) struct SetPoolState;

/// The pool, the store that keeps its state, and the database that it would use.
#[derive(Debug, Serialize)]
pub struct Facts {
    service: Observed<Service>,
    /// Identity that the Get cmdlet binds: what is passed to the Set cmdlet.
    identity: Option<String>,
    state: Observed<PoolState>,
    central_management: Observed<String>,
    database: Observed<Database>,
    /// Hosts of the site file.
    hosts: Vec<(Role, String)>,
    late_replicas: Vec<String>,
    /// True once this run has begun to set it.
    started: bool,
}

/// The identity that binds, and the state: the site file's, else what `Get-CsService` returned,
/// else `service:<fqdn>` (`skype-powershell.md` 3; `steps.md` 8).
pub(in crate::step) async fn identity_and_state(
    cx: Context<'_>,
    service: &Observed<Service>,
) -> (Option<String>, Observed<PoolState>) {
    let candidates = match &cx.site.pool.identity {
        Some(identity) => vec![identity.clone()],
        None => service
            .seen()
            .map(|service| service.identity.clone())
            .into_iter()
            .chain([format!("service:{}", cx.site.pool.fqdn)])
            .collect(),
    };
    let mut last = Observed::unseen("the pool has no identity");
    for identity in candidates {
        let state = pool::state(cx.access, &identity).await;
        if state.seen().is_some() {
            return (Some(identity), state);
        }
        last = state;
    }
    (None, last)
}

impl Kind for SetPoolState {
    type Facts = Facts;
    type Undo = Nothing<Self>;
    type Key = Key;

    const INFO: Info = Info {
        id: "set-pool-state",
        vendor: Some("F5"),
        title: "Fail the pool over to its backup databases",
        effect: Effect::Reversible,
        checks: &[
            "the backup's chat database is as `recover-database` leaves it",
            "the Central Management Store has an active master",
            "the topology names the same backup instance as the site file",
            "the pool's state, read back, is FailedOver",
        ],
    };

    const AFTER: Earlier = Earlier::These(&[Step::RecoverDatabase]);

    fn commands(_site: &Site) -> Vec<(Self::Key, Command)> {
        vec![set_state("FailedOver").keyed(Key::Set)]
    }

    async fn observe(cx: Context<'_>) -> Facts {
        let access = cx.access;
        let service = pool::service(access, &cx.site.pool.fqdn).await;
        let (identity, state) = identity_and_state(cx, &service).await;
        let mut late_replicas = Vec::new();
        if state.seen() == Some(&PoolState::FailedOver) {
            for server in &cx.site.pool.failed_over {
                if pool::replica_is_up_to_date(access, server).await != Observed::Seen(true) {
                    late_replicas.push(server.to_string());
                }
            }
        }
        Facts {
            service,
            identity,
            state,
            central_management: pool::central_management(access).await,
            database: database(access, Instance::chat(Role::Backup), &cx.site.database.chat).await,
            hosts: Role::ALL
                .into_iter()
                .filter_map(|role| Some((role, cx.site.chat(role)?.host.clone())))
                .collect(),
            late_replicas,
            started: cx.started,
        }
    }

    fn judge(facts: &Facts) -> Standing {
        // Without the store nothing else of the pool can be seen either; this is what to mend. Once
        // the command may have been sent, what cannot be seen stays unknown.
        if let (false, Observed::Unknown(_), Observed::Unknown(why)) =
            (facts.started, &facts.state, &facts.central_management)
        {
            return Standing::Blocked {
                blocks: vec![no_store(why)],
            };
        }
        match &facts.state {
            Observed::Seen(PoolState::FailedOver) => {
                // A replica that lags is a warning, never a failure (steps.md 4).
                return Standing::satisfied(if facts.late_replicas.is_empty() {
                    "FailedOver".to_owned()
                } else {
                    format!(
                        "FailedOver; not yet replicated to {}",
                        facts.late_replicas.join(", ")
                    )
                });
            }
            Observed::Seen(PoolState::Normal) => {}
            Observed::Unknown(why) => return Standing::unknown(why),
            Observed::Absent => return Standing::unknown("the pool's state"),
        }
        let mut blocks: Vec<Block> = store_block(&facts.central_management).into_iter().collect();
        let service = match &facts.service {
            Observed::Seen(service) => service,
            Observed::Unknown(why) => return Standing::unknown(why),
            Observed::Absent => return Standing::unknown("the pool's service"),
        };
        blocks.extend(topology_blocks(service, &facts.hosts));
        if let Some(block) = not_serving(&facts.database) {
            blocks.push(block);
        }
        Standing::unless(blocks, || Standing::pending("set the pool to FailedOver"))
    }

    async fn act(cx: Context<'_>, facts: &Facts, hands: &Hands<'_, Key>) -> Result<(), StepError> {
        let Some(identity) = &facts.identity else {
            return Err(StepError::other(
                "no identity of the pool binds",
                "set `[pool] identity` in the site file",
            ));
        };
        let values = Values::from([("identity".to_owned(), json!(identity))]);
        hands.call(cx.access, Key::Set, &values).await
    }
}

fn no_store(why: &Problem) -> Block {
    Block::site(
        "no-store",
        why.about("the Central Management Store does not answer"),
        "see Get-CsManagementConnection; if it died with the data center, fail it over first",
    )
}

/// The cmdlet that sets the pool's state.
pub(in crate::step) fn set_state(state: &str) -> Command {
    Command::powershell(
        "Set-CsPersistentChatState",
        vec![
            ("Identity", json!("{identity}")),
            ("PoolState", json!(state)),
            ("Confirm", json!(false)),
        ],
        vec![Hole::new(
            "identity",
            HoleType::Text,
            "`[pool] identity`; else the Identity that Get-CsService returns; else service:<pool FQDN>; the first that Get-CsPersistentChatState binds",
            "PersistentChatServer:pchat.litwareinc.com",
        )],
    )
}

/// The store that keeps the pool's state must live (`procedure.md`, "leaves out" 4).
pub(in crate::step) fn store_block(central_management: &Observed<String>) -> Option<Block> {
    match central_management {
        Observed::Seen(_) => None,
        Observed::Absent => Some(Block::site(
            "no-master",
            "the Central Management Store has no active master",
            "fail it over first: Invoke-CsManagementServerFailover, on a server of the paired pool",
        )),
        Observed::Unknown(why) => Some(no_store(why)),
    }
}

/// Differences between the topology's references and the site file. The properties' names come from
/// one source: where one is missing, it decides nothing (`skype-powershell.md` 1.3).
pub(in crate::step) fn topology_blocks(service: &Service, hosts: &[(Role, String)]) -> Vec<Block> {
    let mut blocks = Vec::new();
    if service.backup.is_absent() {
        blocks.push(Block::site(
            "no-backup",
            "the topology has no backup database for this pool",
            "add it in Topology Builder and publish; without it the pool cannot be failed over",
        ));
    }
    for (role, ours) in hosts {
        let named = match role {
            Role::Primary => &service.primary,
            Role::PrimaryMirror => &service.primary_mirror,
            Role::Backup => &service.backup,
            // Of F6 alone.
            Role::BackupMirror => continue,
        };
        if let Some(host) = named.seen()
            && !pool::may_be_same_host(host, ours)
        {
            blocks.push(Block::site(
                if *role == Role::Backup {
                    "other-backup"
                } else {
                    "other-topology"
                },
                format!("the topology's {role} is on `{host}`, the site file's on `{ours}`"),
                format!(
                    "see which is right: `[sql] {}`, or Topology Builder",
                    role.key()
                ),
            ));
        }
    }
    blocks
}

/// The backup's database is not as `recover-database` leaves it.
pub(in crate::step) fn not_serving(database: &Observed<Database>) -> Option<Block> {
    let why: Problem = match database {
        Observed::Seen(row) if row.is_sound() => return None,
        Observed::Seen(row) if row.serves() => format!(
            "the backup's chat database serves, but {}",
            row.unsound().join(", ")
        )
        .into(),
        Observed::Seen(row) => format!("the backup's chat database is {}", row.state).into(),
        Observed::Absent => "the backup has no chat database".into(),
        Observed::Unknown(why) => why.about("the backup's chat database cannot be seen"),
    };
    Some(
        Block::site("backup-not-serving", why, "run `recover-database` first")
            .cleared_by(Step::RecoverDatabase),
    )
}
