//! What stands behind the doors of the simulated site, and between its parts.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;

use crate::access::ByteStream;
use crate::access::sql::{Dial, Failure};
use crate::model::states::PoolState;
use crate::model::{Instance, SqlServer};
use crate::rehearsal::cmdlets::{Databases, FailOverDatabase, InstallMirror, Pool, lock};
use crate::rehearsal::manner::{self, Keys, Manner};
use crate::rehearsal::network::Network;
use crate::rehearsal::world::{Idle, Shared};

/// Bytes that a connection in memory holds.
const PIPE: usize = 64 * 1024;

/// The databases as the cmdlets change them.
pub(in crate::rehearsal) struct WorldDatabases(pub(in crate::rehearsal) Shared);

impl Databases for WorldDatabases {
    fn install_mirror(&self, request: InstallMirror) -> Result<(), String> {
        self.0.set_up_mirror(
            request.compliance,
            &request.principal,
            &request.mirror,
            &request.share,
            request.drop_existing,
        )
    }

    fn can_be_principal(&self, compliance: bool, server: &SqlServer) -> bool {
        self.0.can_be_principal(compliance, server)
    }

    fn serves_chat(&self, server: &SqlServer) -> bool {
        self.0.serves_chat(server)
    }

    fn fail_over_database(&self, request: FailOverDatabase) -> Result<(), String> {
        self.0
            .fail_over(request.compliance, &request.to, request.force)
    }

    fn active_servers_changed(&self, pool: &Pool) {
        // A server that is dead, or whose chat service is, connects to nothing.
        let chatting: Vec<String> = pool
            .active()
            .iter()
            .filter(|fqdn| {
                let server = pool.server(fqdn);
                server.is_some_and(|server| server.alive && server.chat_service)
            })
            .cloned()
            .collect();
        let running = pool
            .servers
            .iter()
            .filter(|server| server.alive)
            .map(|server| Idle {
                host: server.fqdn.split('.').next().unwrap_or_default().to_owned(),
                chat: server.chat_service,
                compliance: server.compliance_service,
            })
            .collect();
        let failed_over = pool.state() == PoolState::FailedOver;
        self.0
            .chat_services_changed(&chatting, failed_over, running);
    }
}

/// Connections in memory. An instance that is down never answers, as any other host that is.
pub(super) struct SimulatedDial {
    pub(super) world: Shared,
    pub(super) pool: Arc<Mutex<Pool>>,
    pub(super) manners: Manners,
    pub(super) network: Network,
    pub(super) keys: Arc<Keys>,
}

impl Dial for SimulatedDial {
    fn dial(&self, instance: Instance) -> BoxFuture<'_, io::Result<Box<dyn ByteStream>>> {
        Box::pin(async move {
            let manner = self.manners.of(instance);
            if let Some(failure) = manner.of_dial("sql1") {
                return Err(io::Error::other(failure));
            }
            if manner == Manner::NoAnswer || !self.world.is_up(instance) {
                return std::future::pending().await;
            }
            let (ours, theirs) = tokio::io::duplex(PIPE);
            let theirs = self.network.lead(instance, theirs);
            let (server, keys) = (self.world.server(instance), Arc::clone(&self.keys));
            tokio::spawn(async move {
                // How the connection ended is seen at its other end.
                let _ = manner::serve(manner, server, theirs, &keys).await;
            });
            Ok(Box::new(ours) as Box<dyn ByteStream>)
        })
    }

    fn knock<'a>(&'a self, host: &'a str, _port: u16) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async move {
            let answers = lock(&self.pool).answers(host);
            match answers {
                Some(true) => Ok(()),
                Some(false) => std::future::pending().await,
                None => Err(io::Error::other(Failure::NameNotFound {
                    host: host.to_owned(),
                    why: "name or service not known".to_owned(),
                })),
            }
        })
    }
}

/// How the instances answer.
#[derive(Clone, Default)]
pub struct Manners(Arc<Mutex<BTreeMap<Instance, Manner>>>);

impl Manners {
    /// Gives an instance a manner.
    pub fn set(&self, instance: Instance, manner: Manner) {
        lock(&self.0).insert(instance, manner);
    }

    fn of(&self, instance: Instance) -> Manner {
        lock(&self.0).get(&instance).copied().unwrap_or_default()
    }
}
