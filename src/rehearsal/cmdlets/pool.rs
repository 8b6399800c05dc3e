//! The pool as the Central Management Store has it.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::model::states::PoolState;
use crate::model::{Instance, Role, SqlServer};
use crate::site::Site;

/// A chat server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub struct ChatServer {
    /// Its name.
    pub fqdn: String,
    /// It stands in the primary data center.
    pub primary: bool,
    /// It runs and can be reached.
    pub alive: bool,
    /// Its chat service runs.
    pub chat_service: bool,
    /// Its compliance service runs.
    pub compliance_service: bool,
    /// Its replica takes no updates though it lives.
    pub replica_stuck: bool,
}

/// The Central Management Store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagementStore {
    /// Cmdlets reach it; else all of them fail that read or write it.
    pub reachable: bool,
    /// SQL Server instance that this shell uses for it.
    pub server: SqlServer,
    /// `ActiveMasterFqdn`; `None`: nothing is replicated (`skype-powershell.md` 5.3).
    pub active_master: Option<String>,
}

/// A Persistent Chat pool, and what the topology says around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its name.
    pub fqdn: String,
    /// Module that knows it: `SkypeForBusiness` or `Lync`.
    pub module: String,
    /// Its next hop, as `Registrar:<fqdn>`.
    pub registrar: String,
    /// Its file store, as `FileStore:<fqdn>`.
    pub file_store: String,
    /// Share of the file store.
    pub file_store_path: String,
    /// 6 = Lync 2013, 7 = Skype for Business 2015.
    pub version: u8,
    /// Chat servers of both data centers.
    pub servers: Vec<ChatServer>,
    /// Other hosts of the primary data center, Front Ends among them, and whether they answer.
    pub hosts: BTreeMap<String, bool>,
    /// Instances that the topology names; those of compliance are there where it is on.
    pub databases: BTreeMap<Instance, SqlServer>,
    /// The Central Management Store.
    pub store: ManagementStore,
    /// Until a change has reached the replicas of living servers.
    pub replication: Duration,
    /// The shell runs on a server that has a replica.
    pub local_replica: bool,
    active: Vec<String>,
    state: PoolState,
    /// State that the replicas have until the change has reached them.
    old_state: PoolState,
    changed: Option<Instant>,
}

/// Most servers that can be active (`skype-powershell.md` 2.4).
pub(super) const MOST_ACTIVE: usize = 4;

impl Pool {
    /// The pool of a site in its normal state, everything alive.
    pub fn from_site(site: &Site) -> Self {
        let fqdn = site.pool.fqdn.as_str();
        let domain = fqdn.split_once('.').map_or(fqdn, |(_, domain)| domain);
        let server = |name: &crate::model::Fqdn, primary| ChatServer {
            fqdn: name.as_str().to_owned(),
            primary,
            alive: true,
            chat_service: true,
            compliance_service: site.database.compliance.is_some(),
            replica_stuck: false,
        };
        let primary = site.pool.primary_servers.iter().map(|n| server(n, true));
        let backup = site.pool.backup_servers.iter().map(|n| server(n, false));
        let hosts = site
            .pool
            .front_ends
            .iter()
            .chain(&site.shares.hosts_in_primary);
        let mut databases = BTreeMap::new();
        for role in Role::ALL {
            let mut add = |instance: Instance| {
                if let Some(server) = site.server(instance) {
                    databases.insert(instance, server.clone());
                }
            };
            add(Instance::chat(role));
            if site.database.compliance.is_some() {
                add(Instance::compliance(role));
            }
        }
        let lync = site.powershell.module.eq_ignore_ascii_case("Lync");
        Self {
            fqdn: fqdn.to_owned(),
            module: site.powershell.module.clone(),
            registrar: format!("Registrar:fe2.{domain}"),
            file_store: format!("FileStore:files.{domain}"),
            file_store_path: format!(r"\\files.{domain}\chat"),
            version: if lync { 6 } else { 7 },
            servers: primary.chain(backup).collect(),
            hosts: hosts.map(|host| (host.as_str().to_owned(), true)).collect(),
            databases,
            store: ManagementStore {
                reachable: true,
                server: SqlServer {
                    host: format!("cms.{domain}"),
                    instance: Some("rtc".to_owned()),
                    port: None,
                },
                active_master: Some(format!("fe2.{domain}")),
            },
            replication: Duration::ZERO,
            local_replica: false,
            active: site.pool.normal.iter().map(ToString::to_string).collect(),
            state: PoolState::Normal,
            old_state: PoolState::Normal,
            changed: None,
        }
    }

    /// Its service identity, `PersistentChatServer:<fqdn>`.
    pub fn identity(&self) -> String {
        format!("PersistentChatServer:{}", self.fqdn)
    }

    /// The pool state, as the store has it.
    pub fn state(&self) -> PoolState {
        self.state
    }

    /// Changes the pool state. Call inside a tokio runtime.
    pub fn set_state(&mut self, state: PoolState) {
        self.old_state = self.replicated_state();
        self.state = state;
        self.changed = Some(Instant::now());
    }

    /// The active servers, in the order in which they became so.
    pub fn active(&self) -> &[String] {
        &self.active
    }

    /// Changes the active servers. Call inside a tokio runtime.
    pub fn set_active(&mut self, servers: Vec<String>) {
        self.active = servers;
        self.changed = Some(Instant::now());
    }

    /// The servers that are not active.
    pub fn inactive(&self) -> Vec<String> {
        self.servers
            .iter()
            .filter(|server| !self.is_active(&server.fqdn))
            .map(|server| server.fqdn.clone())
            .collect()
    }

    /// Says whether a server is active.
    pub fn is_active(&self, fqdn: &str) -> bool {
        self.active.iter().any(|a| a.eq_ignore_ascii_case(fqdn))
    }

    /// A server of the pool, by name in any case.
    pub fn server(&self, fqdn: &str) -> Option<&ChatServer> {
        self.servers
            .iter()
            .find(|server| server.fqdn.eq_ignore_ascii_case(fqdn))
    }

    /// The same, to change it.
    pub fn server_mut(&mut self, fqdn: &str) -> Option<&mut ChatServer> {
        self.servers
            .iter_mut()
            .find(|server| server.fqdn.eq_ignore_ascii_case(fqdn))
    }

    /// Kills, or brings back, the chat servers of a data center.
    pub fn set_alive(&mut self, primary: bool, alive: bool) {
        for server in &mut self.servers {
            if server.primary == primary {
                server.alive = alive;
            }
        }
        if primary {
            for answers in self.hosts.values_mut() {
                *answers = alive;
            }
        }
    }

    /// Says whether a host of the site answers; `None` where nobody knows its name.
    pub fn answers(&self, host: &str) -> Option<bool> {
        let server = self.server(host).map(|server| server.alive);
        server.or_else(|| self.hosts.get(host).copied())
    }

    /// Says whether the last change has reached a server's replica. A dead server's never is
    /// (`skype-powershell.md` 5.3).
    pub fn up_to_date(&self, server: &ChatServer) -> bool {
        server.alive && !server.replica_stuck && self.replicated()
    }

    fn replicated(&self) -> bool {
        let settled = |changed: Instant| {
            self.store.active_master.is_some() && changed.elapsed() >= self.replication
        };
        self.changed.is_none_or(settled)
    }

    /// The pool state as replicas have it.
    pub fn replicated_state(&self) -> PoolState {
        if self.replicated() {
            self.state
        } else {
            self.old_state
        }
    }

    /// Instance that plays a role, for chat or for compliance.
    pub(super) fn database(&self, role: Role, compliance: bool) -> Option<&SqlServer> {
        self.databases.get(&Instance { role, compliance })
    }
}
