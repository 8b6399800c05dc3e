//! K1 to K6: the pool, as the Central Management Store says it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Observed;
use crate::access::Access;
use crate::access::powershell::{Call, Object};
use crate::model::states::PoolState;
use crate::model::{Fqdn, Problem};

async fn call(
    access: &Access,
    cmdlet: &str,
    parameters: &[(&str, Value)],
    properties: &[&str],
) -> Result<Vec<Object>, Problem> {
    let parameters: BTreeMap<&str, Value> = parameters.iter().cloned().collect();
    access
        .powershell
        .call(Call {
            cmdlet,
            parameters,
            properties,
            limit: None,
        })
        .await
        .map_err(Problem::from)
}

/// K1: the pool's service. A property that the object lacks is `None`: unknown, not empty
/// (`skype-powershell.md` 1.3, names from one third-party source).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Identity to pass back to the state cmdlets.
    pub identity: String,
    /// Next hop.
    pub registrar: Option<String>,
    /// Active servers.
    pub active_servers: Option<Vec<String>>,
    /// Inactive servers.
    pub inactive_servers: Option<Vec<String>>,
    /// Host in `PersistentChatDatabase`; absent where the topology has none.
    pub primary: Observed<String>,
    /// Host in `MirrorPersistentChatDatabase`.
    pub primary_mirror: Observed<String>,
    /// Host in `BackupPersistentChatDatabase`.
    pub backup: Observed<String>,
    /// Host in `BackupMirrorPersistentChatDatabase`.
    pub backup_mirror: Observed<String>,
}

/// Host of a database reference `PersistentChatDatabase:<sql fqdn>`.
fn referenced_host(object: &Object, property: &str) -> Observed<String> {
    let Some(references) = object.list(property) else {
        return Observed::unseen(format!("Get-CsService returned no {property}"));
    };
    references
        .first()
        .map(|reference| {
            reference
                .split_once(':')
                .map_or(reference.as_str(), |(_, host)| host)
        })
        .filter(|host| !host.is_empty())
        .map_or(Observed::Absent, |host| Observed::Seen(host.to_owned()))
}

/// Whether two host names can be one machine's: a name without a domain is compared by its first
/// label, and an address says nothing about a name.
pub fn may_be_same_host(one: &str, other: &str) -> bool {
    let is_address = |host: &str| host.parse::<std::net::IpAddr>().is_ok();
    if one.eq_ignore_ascii_case(other) || is_address(one) != is_address(other) {
        return true;
    }
    let label = |host: &str| host.split('.').next().unwrap_or(host).to_lowercase();
    let short = |host: &str| !host.contains('.');
    (short(one) || short(other)) && label(one) == label(other)
}

/// K1; unknown when no service or several have that pool.
pub async fn service(access: &Access, pool: &Fqdn) -> Observed<Service> {
    let answer = call(
        access,
        "Get-CsService",
        &[("PersistentChatServer", json!(true))],
        &[
            "Identity",
            "PoolFqdn",
            "Registrar",
            "ActiveServers",
            "InactiveServers",
            "PersistentChatDatabase",
            "MirrorPersistentChatDatabase",
            "BackupPersistentChatDatabase",
            "BackupMirrorPersistentChatDatabase",
        ],
    )
    .await;
    let objects = match answer {
        Err(why) => return Observed::Unknown(why),
        Ok(objects) => objects,
    };
    let mut found = objects
        .iter()
        .filter(|object| object.text("PoolFqdn").is_some_and(|fqdn| pool.is(fqdn)));
    let (Some(object), None) = (found.next(), found.next()) else {
        return Observed::unseen(Problem::new(
            format!("Get-CsService names no pool `{pool}`, or several"),
            "see `[pool] fqdn` of the site file",
        ));
    };
    let text = |name| object.text(name).map(str::to_owned);
    let Some(identity) = text("Identity") else {
        return Observed::unseen("Get-CsService returned no Identity");
    };
    Observed::Seen(Service {
        identity,
        registrar: text("Registrar"),
        active_servers: object.list("ActiveServers"),
        inactive_servers: object.list("InactiveServers"),
        primary: referenced_host(object, "PersistentChatDatabase"),
        primary_mirror: referenced_host(object, "MirrorPersistentChatDatabase"),
        backup: referenced_host(object, "BackupPersistentChatDatabase"),
        backup_mirror: referenced_host(object, "BackupMirrorPersistentChatDatabase"),
    })
}

/// K2: the pool's state; unknown unless exactly one object answers with a known word.
pub async fn state(access: &Access, identity: &str) -> Observed<PoolState> {
    let answer = call(
        access,
        "Get-CsPersistentChatState",
        &[("Identity", json!(identity))],
        &["PoolState"],
    )
    .await;
    match answer {
        Err(why) => Observed::Unknown(why),
        Ok(objects) => match objects.as_slice() {
            [object] => object
                .text("PoolState")
                .and_then(PoolState::from_word)
                .map_or_else(
                    || Observed::unseen("the pool state is no known word"),
                    Observed::Seen,
                ),
            others => Observed::unseen(format!(
                "`{identity}` matches {} pools, expected one",
                others.len()
            )),
        },
    }
}

/// K3: the master of the Central Management Store; absent when there is none.
pub async fn central_management(access: &Access) -> Observed<String> {
    let answer = call(
        access,
        "Get-CsManagementStoreReplicationStatus",
        &[("CentralManagementStoreStatus", json!(true))],
        &["ActiveMasterFqdn"],
    )
    .await;
    match answer {
        Err(why) => Observed::Unknown(why),
        Ok(objects) => objects
            .first()
            .and_then(|object| object.text("ActiveMasterFqdn"))
            .filter(|fqdn| !fqdn.trim().is_empty())
            .map_or(Observed::Absent, |fqdn| Observed::Seen(fqdn.to_owned())),
    }
}

/// K4: whether a replica is up to date.
pub async fn replica_is_up_to_date(access: &Access, server: &Fqdn) -> Observed<bool> {
    let answer = call(
        access,
        "Get-CsManagementStoreReplicationStatus",
        &[("ReplicaFqdn", json!(server.as_str()))],
        &["UpToDate"],
    )
    .await;
    match answer {
        Err(why) => Observed::Unknown(why),
        Ok(objects) => objects
            .first()
            .and_then(|object| object.text("UpToDate"))
            .map_or(Observed::Absent, |word| {
                Observed::Seen(word.eq_ignore_ascii_case("true"))
            }),
    }
}

/// K5: a Windows service of a chat server: chat or compliance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatService {
    /// Short name, which starts and stops it.
    pub name: Option<String>,
    /// True for the compliance service.
    pub compliance: bool,
    /// It runs; `None` where its status is not told.
    pub runs: Option<bool>,
}

/// K5: the chat and compliance services of a server, found by their display names
/// (`skype-powershell.md` 1.9: the short names were never confirmed).
pub async fn chat_services(access: &Access, server: &str) -> Observed<Vec<ChatService>> {
    let answer = call(
        access,
        "Get-CsWindowsService",
        &[("ComputerName", json!(server))],
        &["Name", "DisplayName", "Status"],
    )
    .await;
    match answer {
        Err(why) => Observed::Unknown(why),
        Ok(objects) => Observed::Seen(
            objects
                .iter()
                .filter_map(|object| {
                    let display = object.text("DisplayName")?.to_lowercase();
                    let status = object.text("Status");
                    display.contains("persistent chat").then(|| ChatService {
                        name: object.text("Name").map(str::to_owned),
                        compliance: display.contains("compliance"),
                        runs: status.map(|status| status.eq_ignore_ascii_case("Running")),
                    })
                })
                .collect(),
        ),
    }
}

/// K5: whether the chat service runs on a server.
pub async fn chat_service_runs(access: &Access, server: &str) -> Observed<bool> {
    match chat_services(access, server).await {
        Observed::Seen(services) => services
            .iter()
            .find(|service| !service.compliance)
            .and_then(|service| service.runs)
            .map_or(Observed::Absent, Observed::Seen),
        other @ (Observed::Absent | Observed::Unknown(_)) => other.map(|_| false),
    }
}

/// K6: every server of the pool, active or not.
pub async fn computers(access: &Access, pool: &Fqdn) -> Observed<Vec<String>> {
    let answer = call(
        access,
        "Get-CsPool",
        &[("Identity", json!(pool.as_str()))],
        &["Computers"],
    )
    .await;
    match answer {
        Err(why) => Observed::Unknown(why),
        Ok(objects) => objects
            .first()
            .and_then(|object| object.list("Computers"))
            .map_or_else(
                || Observed::unseen("Get-CsPool returned no Computers"),
                Observed::Seen,
            ),
    }
}
