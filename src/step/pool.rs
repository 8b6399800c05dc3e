//! The pool as the steps that set its state see it: its identity, the store that keeps its state, and
//! whether the topology and the backup's database are what the site file says.

use serde_json::json;

use super::command::{Command, Hole, HoleType};
use super::observe::Observed;
use super::observe::database::Database;
use super::observe::pool::{self, Service};
use super::{Block, Context, Step};
use crate::model::states::PoolState;
use crate::model::{Place, Problem, Role};

/// What is waited for while chat servers do not know a change of the pool yet (`skype-powershell.md` 5.3).
pub(in crate::step) const REPLICATION: &str =
    "waiting for replication of the Central Management Store";

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

/// This machine lacks what cmdlets need.
const NO_POWERSHELL: &str = "no-powershell";

/// The Central Management Store does not answer.
const NO_STORE: &str = "no-store";

/// True where the pool cannot be seen at all.
pub fn is_unseen_pool(block: &Block) -> bool {
    [NO_POWERSHELL, NO_STORE].contains(&block.id.as_str())
}

pub(in crate::step) fn no_store(why: &Problem) -> Block {
    // What this machine lacks says nothing about the store.
    if why.place == Some(Place::ThisMachine) {
        let told = why.about("the cmdlets cannot be called on this machine");
        return Block::site(NO_POWERSHELL, told, "see `[powershell]` of the site file");
    }
    Block::site(
        NO_STORE,
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
