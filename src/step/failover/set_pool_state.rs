//! `set-pool-state`, F5: the pool uses its backup databases (`steps.md` 4; `skype-powershell.md` 1.1, 3).

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use serde::Serialize;
use serde_json::json;

use crate::model::states::PoolState;
use crate::model::{Instance, Role};
use crate::site::Site;
use crate::step::command::{Command, Values};
use crate::step::hands::{Hands, StepError};
use crate::step::observe::Observed;
use crate::step::observe::database::{Database, database};
use crate::step::observe::pool::{self, Service};
use crate::step::pool::{
    identity_and_state, no_store, not_serving, set_state, store_block, topology_blocks,
};
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
