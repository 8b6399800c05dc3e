//! The cmdlets that only look.

use serde_json::{Value, json};

use super::Object;
use super::act::{Outcome, is_service, unknown_identity};
use super::binding::{Bound, Spec};
use super::pool::{ChatServer, Pool};
use crate::model::{Role, SqlServer};

/// The eight database references of the service, with the role of each (`skype-powershell.md` 1.3).
const REFERENCES: [(&str, Role); 4] = [
    ("", Role::Primary),
    ("Mirror", Role::PrimaryMirror),
    ("Backup", Role::Backup),
    ("BackupMirror", Role::BackupMirror),
];

/// Short names of the two services. Those of the product are not confirmed (`skype-powershell.md`
/// 1.9): they are to be found by what they display, among others.
pub(super) const CHAT_SERVICE: &str = "SIMCHAT";
pub(super) const COMPLIANCE_SERVICE: &str = "SIMCOMPLIANCE";

fn object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        _ => Object::new(),
    }
}

pub(super) fn services(spec: &Spec, bound: &Bound, pool: &Pool) -> Outcome {
    let mut all = vec![chat_service(pool)];
    for compliance in [false, true] {
        let mut seen: Vec<&SqlServer> = Vec::new();
        for (_, role) in REFERENCES {
            if let Some(server) = pool.database(role, compliance)
                && !seen.iter().any(|other| other.same(server))
            {
                seen.push(server);
                all.push(object(json!({
                    "Identity": reference(server, compliance),
                    "Role": database_role(compliance),
                    "PoolFqdn": server.host,
                    "SqlInstanceName": server.instance.as_deref().unwrap_or_default(),
                })));
            }
        }
    }
    all.push(object(json!({
        "Identity": pool.file_store,
        "Role": "FileStore",
        "PoolFqdn": pool.file_store.trim_start_matches("FileStore:"),
        "UncPath": pool.file_store_path,
    })));
    for role in [
        "PersistentChatServer",
        "PersistentChatDatabase",
        "PersistentChatComplianceDatabase",
        "FileStore",
    ] {
        if bound.has(role) {
            all.retain(|service| service["Role"] == role);
        }
    }
    let same = |service: &Object, name: &str, wanted: &str| {
        let value = service[name].as_str();
        value.is_some_and(|value| value.eq_ignore_ascii_case(wanted))
    };
    if let Some(fqdn) = bound.text("PoolFqdn") {
        all.retain(|service| same(service, "PoolFqdn", fqdn));
    }
    if let Some(identity) = bound.text("Identity") {
        all.retain(|service| {
            same(service, "Identity", identity)
                || (service["Role"] == "PersistentChatServer" && is_service(pool, identity))
        });
        if all.is_empty() {
            return Err(unknown_identity(spec, identity));
        }
    }
    Ok(all)
}

fn database_role(compliance: bool) -> &'static str {
    if compliance {
        "PersistentChatComplianceDatabase"
    } else {
        "PersistentChatDatabase"
    }
}

fn reference(server: &SqlServer, compliance: bool) -> String {
    format!("{}:{}", database_role(compliance), server.host)
}

fn chat_service(pool: &Pool) -> Object {
    let mut service = object(json!({
        "Identity": pool.identity(),
        "Role": "PersistentChatServer",
        "PoolFqdn": pool.fqdn,
        "DisplayName": pool.fqdn,
        "ServiceId": "1-PersistentChatServer-1",
        "SiteId": "Site:1",
        "MtlsPort": "5041",
        "Version": pool.version.to_string(),
        "Registrar": pool.registrar,
        "FileStore": pool.file_store,
        "ActiveServers": pool.active(),
        "InactiveServers": pool.inactive(),
        "DependentServiceList": [],
    }));
    for compliance in [false, true] {
        for (prefix, role) in REFERENCES {
            let server = pool.database(role, compliance);
            service.insert(
                format!("{prefix}{}", database_role(compliance)),
                json!(server.map(|server| reference(server, compliance))),
            );
        }
    }
    service
}

pub(super) fn state(spec: &Spec, bound: &Bound, pool: &Pool) -> Outcome {
    let local = bound.has("LocalStore");
    if local && !pool.local_replica {
        return Err(spec.refuse(
            "LocalStoreNotFound",
            "ResourceUnavailable",
            "This computer has no local replica of the Central Management Store.",
        ));
    }
    if let Some(identity) = bound.text("Identity")
        && !is_service(pool, identity)
    {
        return Err(unknown_identity(spec, identity));
    }
    if let Some(filter) = bound.text("Filter")
        && !fits(&filter.to_lowercase(), &pool.identity().to_lowercase())
    {
        return Ok(Vec::new());
    }
    let state = if local {
        pool.replicated_state()
    } else {
        pool.state()
    };
    Ok(vec![object(json!({
        "Identity": pool.identity(),
        "PoolState": state.to_string(),
    }))])
}

/// Wildcards: `*` only.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            (0..=text.len()).any(|at| text.get(at..).is_some_and(|end| fits(rest, end)))
        }),
    }
}

pub(super) fn connection(pool: &Pool) -> Object {
    let server = &pool.store.server;
    object(json!({
        "StoreProvider": "Sql",
        "Connection":
            format!("Data Source={server};Initial Catalog=xds;Integrated Security=True"),
        "SqlServer": server.host,
        "SqlInstance": server.instance.as_deref().unwrap_or_default(),
        "ReadOnly": "False",
    }))
}

pub(super) fn replication(spec: &Spec, bound: &Bound, pool: &Pool) -> Outcome {
    if bound.has("CentralManagementStoreStatus") {
        let master = &pool.store.active_master;
        let replicas: Vec<_> = pool.servers.iter().map(|server| &server.fqdn).collect();
        return Ok(vec![object(json!({
            "ActiveMasterFqdn": master,
            "ActiveFileTransferAgents": master.iter().collect::<Vec<_>>(),
            "ActiveReplicas": replicas,
            "DeletedReplicas": [],
        }))]);
    }
    let status = |server: &ChatServer| {
        let fresh = if pool.up_to_date(server) {
            "True"
        } else {
            "False"
        };
        object(json!({ "ReplicaFqdn": server.fqdn, "UpToDate": fresh }))
    };
    match bound.text("ReplicaFqdn") {
        None => Ok(pool.servers.iter().map(status).collect()),
        Some(fqdn) => {
            let server = pool.server(fqdn);
            let server = server.ok_or_else(|| unknown_identity(spec, fqdn))?;
            Ok(vec![status(server)])
        }
    }
}

pub(super) fn windows_services(spec: &Spec, bound: &Bound, pool: &Pool) -> Outcome {
    let computer = bound.text("ComputerName").unwrap_or("localhost");
    let server = pool.server(computer).filter(|server| server.alive);
    let server = server.ok_or_else(|| {
        let message = format!(
            "Cannot open Service Control Manager on computer '{computer}'. The RPC server is unavailable."
        );
        spec.refuse("ComputerUnavailable", "ResourceUnavailable", message)
    })?;
    let product = if pool.version < 7 {
        "Lync Server"
    } else {
        "Skype for Business Server"
    };
    let service = |name: &str, display: &str, role: Value, running: bool| {
        object(json!({
            "Name": name,
            "DisplayName": format!("{product} {display}"),
            "RoleName": role,
            "Status": if running { "Running" } else { "Stopped" },
        }))
    };
    let mut services = vec![
        service(
            CHAT_SERVICE,
            "Persistent Chat",
            json!(["PersistentChatServer"]),
            server.chat_service,
        ),
        service("REPLICA", "Replica Replicator Agent", json!([]), true),
    ];
    if pool.databases.keys().any(|instance| instance.compliance) {
        services.push(service(
            COMPLIANCE_SERVICE,
            "Persistent Chat Compliance",
            json!(["PersistentChatServer"]),
            server.compliance_service,
        ));
    }
    if let Some(name) = bound.text("Name") {
        services.retain(|service| {
            let own = service["Name"].as_str().unwrap_or_default();
            own.eq_ignore_ascii_case(name)
        });
        if services.is_empty() {
            return Err(unknown_identity(spec, name));
        }
    }
    Ok(services)
}

pub(super) fn computers(spec: &Spec, bound: &Bound, pool: &Pool) -> Outcome {
    if let Some(identity) = bound.text("Identity")
        && !identity.eq_ignore_ascii_case(&pool.fqdn)
    {
        return Err(unknown_identity(spec, identity));
    }
    let servers: Vec<_> = pool.servers.iter().map(|server| &server.fqdn).collect();
    Ok(vec![object(json!({
        "Identity": pool.fqdn,
        "Fqdn": pool.fqdn,
        "Site": "Site:1",
        "Services": [pool.identity()],
        "Computers": servers,
    }))])
}
