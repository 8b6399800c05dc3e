//! What each cmdlet does; those that only look are in [`look`].

use std::sync::MutexGuard;

use serde_json::Value;

use super::binding::{self, Bound, Cmdlet, Refusal, Spec};
use super::look;
use super::pool::{MOST_ACTIVE, Pool};
use super::{Cmdlets, FailOverDatabase, InstallMirror, Object};
use crate::model::Role;
use crate::model::states::PoolState;

pub(super) type Outcome = Result<Vec<Object>, Refusal>;

impl Cmdlets {
    /// Does what a bound call says, at once.
    pub(super) fn act(&self, spec: &Spec, bound: &Bound, sent: &Value) -> Outcome {
        let reachable = self.pool().store.reachable;
        // These two live from Active Directory and from the servers themselves, and a replica is
        // local (`skype-powershell.md` 1.8, 1.9).
        let needs_store = !matches!(
            spec.which,
            Cmdlet::ManagementConnection
                | Cmdlet::WindowsService
                | Cmdlet::StartService
                | Cmdlet::StopService
        ) && !bound.has("LocalStore");
        if needs_store && !reachable {
            return Err(spec.refuse(
                "ManagementStoreUnavailable",
                "ResourceUnavailable",
                "Cannot connect to the Central Management Store: the SQL Server instance that \
                 holds it was not found or was not accessible.",
            ));
        }
        match spec.which {
            Cmdlet::Service => look::services(spec, bound, &self.pool()),
            Cmdlet::State => look::state(spec, bound, &self.pool()),
            Cmdlet::ManagementConnection => Ok(vec![look::connection(&self.pool())]),
            Cmdlet::ReplicationStatus => look::replication(spec, bound, &self.pool()),
            Cmdlet::WindowsService => look::windows_services(spec, bound, &self.pool()),
            Cmdlet::StartService => self.set_service(spec, bound, sent, true),
            Cmdlet::StopService => self.set_service(spec, bound, sent, false),
            Cmdlet::Pool => look::computers(spec, bound, &self.pool()),
            Cmdlet::SetState => self.set_state(spec, bound, sent),
            Cmdlet::SetActiveServers => self.set_active_servers(spec, bound, sent),
            Cmdlet::InstallMirror => self.install_mirror(spec, bound, sent),
            Cmdlet::FailOverDatabase => self.fail_over_database(spec, bound, sent),
        }
    }

    /// The pool has changed: it is unlocked before anybody hears of it.
    fn pool_changed(&self, pool: MutexGuard<'_, Pool>, spec: &Spec, sent: &Value) {
        let after = pool.clone();
        drop(pool);
        self.happened(spec, sent, Some(&after));
    }

    fn set_state(&self, spec: &Spec, bound: &Bound, sent: &Value) -> Outcome {
        let mut pool = self.pool();
        let identity = bound.text("Identity");
        if !identity.is_some_and(|identity| is_service(&pool, identity)) {
            return Err(unknown_identity(spec, identity.unwrap_or("Global")));
        }
        // Left out it is Normal, by the documented default.
        let word = bound.text("PoolState").unwrap_or_default();
        let state = PoolState::from_word(word).unwrap_or(PoolState::Normal);
        if !bound.what_if {
            pool.set_state(state);
            self.pool_changed(pool, spec, sent);
        }
        Ok(Vec::new())
    }

    /// Starts or stops a service of a server, or all that it has where none is named. What runs, or
    /// stands, already is no error (`skype-powershell.md` 1.9).
    fn set_service(&self, spec: &Spec, bound: &Bound, sent: &Value, runs: bool) -> Outcome {
        let mut pool = self.pool();
        let services = look::windows_services(spec, bound, &pool)?;
        if !bound.what_if {
            let computer = bound.text("ComputerName").unwrap_or("localhost");
            if let Some(server) = pool.server_mut(computer) {
                for service in &services {
                    match service["Name"].as_str() {
                        Some(look::CHAT_SERVICE) => server.chat_service = runs,
                        Some(look::COMPLIANCE_SERVICE) => server.compliance_service = runs,
                        _ => {}
                    }
                }
            }
            self.pool_changed(pool, spec, sent);
        }
        Ok(Vec::new())
    }

    fn set_active_servers(&self, spec: &Spec, bound: &Bound, sent: &Value) -> Outcome {
        let mut pool = self.pool();
        if let Some(identity) = bound.text("Identity")
            && !is_service(&pool, identity)
        {
            return Err(unknown_identity(spec, identity));
        }
        let wanted = if bound.has("Swap") {
            pool.inactive()
        } else {
            let value = bound.value("ActiveServers");
            let value =
                value.ok_or_else(|| binding::missing_mandatory(spec, &["ActiveServers"]))?;
            modified(spec, &pool, value)?
        };
        if wanted.len() > MOST_ACTIVE {
            return Err(spec.refuse(
                "TooManyActiveServers",
                "InvalidArgument",
                format!(
                    "{} active servers were given; a pool has at most {MOST_ACTIVE}.",
                    wanted.len()
                ),
            ));
        }
        if !bound.what_if {
            pool.set_active(wanted);
            self.pool_changed(pool, spec, sent);
        }
        Ok(Vec::new())
    }

    fn install_mirror(&self, spec: &Spec, bound: &Bound, sent: &Value) -> Outcome {
        let compliance = is_compliance(spec, bound)?;
        let host = bound.text("SqlServerFqdn").unwrap_or_default();
        let instance = bound.text("SqlInstanceName").unwrap_or("MSSQLSERVER");
        let backup;
        let mut pairs: Vec<_> = {
            let pool = self.pool();
            let mut sides = [
                (Role::Primary, Role::PrimaryMirror),
                (Role::Backup, Role::BackupMirror),
            ];
            let failed_over = pool.state() == PoolState::FailedOver;
            if !compliance && failed_over {
                sides.reverse();
            }
            backup = pool
                .database(Role::Backup, false)
                .filter(|_| failed_over)
                .cloned();
            sides
                .into_iter()
                .filter_map(|(one, other)| {
                    let principal = pool.database(one, compliance)?;
                    let named = principal.instance.as_deref().unwrap_or("MSSQLSERVER");
                    let same = principal.host.eq_ignore_ascii_case(host)
                        && named.eq_ignore_ascii_case(instance);
                    same.then(|| (principal.clone(), pool.database(other, compliance).cloned()))
                })
                .collect()
        };
        // In the lab all instances have one address, and only what they hold tells which is meant:
        // of two chat databases that could be, the one that the pool uses.
        if pairs.len() > 1 {
            // Of the compliance databases the one beside the chat database that serves.
            if compliance && backup.is_some_and(|backup| self.databases.serves_chat(&backup)) {
                pairs.reverse();
            }
            let can = |server| self.databases.can_be_principal(compliance, server);
            let at = pairs.iter().position(|(principal, _)| can(principal));
            pairs.swap(0, at.unwrap_or_default());
        }
        let pair = pairs.into_iter().next();
        let (principal, mirror) = pair.ok_or_else(|| {
            let message = format!(
                "The topology has no such database on \"{host}\\{instance}\" that could be a principal."
            );
            spec.refuse("DatabaseNotFound", "ObjectNotFound", message)
        })?;
        let mirror = mirror.ok_or_else(|| {
            let message = format!("A mirror for \"{principal}\" is not present on pool.");
            spec.refuse("MirrorNotFound", "ObjectNotFound", message)
        })?;
        if !bound.what_if {
            let request = InstallMirror {
                compliance,
                principal,
                mirror,
                share: bound.text("FileShare").unwrap_or_default().to_owned(),
                drop_existing: bound.has("DropExistingDatabasesOnMirror"),
            };
            self.databases
                .install_mirror(request)
                .map_err(|text| spec.refuse("InstallMirrorFailed", "InvalidOperation", text))?;
            self.happened(spec, sent, None);
        }
        Ok(Vec::new())
    }

    fn fail_over_database(&self, spec: &Spec, bound: &Bound, sent: &Value) -> Outcome {
        let compliance = is_compliance(spec, bound)?;
        let pair = {
            let pool = self.pool();
            let fqdn = bound.text("PoolFqdn").unwrap_or_default();
            if !pool.fqdn.eq_ignore_ascii_case(fqdn) {
                return Err(unknown_identity(spec, fqdn));
            }
            // The pair that the pool uses now.
            let (one, other) = match pool.state() {
                PoolState::Normal => (Role::Primary, Role::PrimaryMirror),
                PoolState::FailedOver => (Role::Backup, Role::BackupMirror),
            };
            let server = |role| pool.database(role, compliance).cloned();
            server(one).zip(server(other))
        };
        let (primary, mirror) = pair.ok_or_else(|| {
            let message = "The mirror database is not present on pool.";
            spec.refuse("MirrorNotFound", "ObjectNotFound", message)
        })?;
        let (to, from) = if bound.text("NewPrincipal") == Some("Mirror") {
            (mirror, primary)
        } else {
            (primary, mirror)
        };
        if !bound.what_if {
            let request = FailOverDatabase {
                compliance,
                to,
                from,
                force: bound.has("Force"),
            };
            self.databases
                .fail_over_database(request)
                .map_err(|text| spec.refuse("FailoverFailed", "InvalidOperation", text))?;
            self.happened(spec, sent, None);
        }
        Ok(Vec::new())
    }
}

/// The identities that bind: `PersistentChatServer:<fqdn>`, and the how-to's `service:<fqdn>`
/// (`skype-powershell.md` 3). A space after the colon is a slip and binds nothing.
pub(super) fn is_service(pool: &Pool, identity: &str) -> bool {
    identity.split_once(':').is_some_and(|(role, fqdn)| {
        (role.eq_ignore_ascii_case("PersistentChatServer") || role.eq_ignore_ascii_case("service"))
            && fqdn.eq_ignore_ascii_case(&pool.fqdn)
    })
}

pub(super) fn unknown_identity(spec: &Spec, identity: &str) -> Refusal {
    let message = format!("Cannot find \"{identity}\" because it does not exist.");
    spec.refuse("IdentityNotFound", "ObjectNotFound", message)
}

fn is_compliance(spec: &Spec, bound: &Bound) -> Result<bool, Refusal> {
    match bound.text("DatabaseType").unwrap_or_default() {
        "PersistentChat" => Ok(false),
        "PersistentChatCompliance" => Ok(true),
        other => Err(spec.refuse(
            "DatabaseTypeNotFound",
            "ObjectNotFound",
            format!("The simulated topology has no database of type \"{other}\"."),
        )),
    }
}

/// The active servers after a list modifier (`skype-powershell.md` 1.2).
fn modified(spec: &Spec, pool: &Pool, value: &Value) -> Result<Vec<String>, Refusal> {
    let known = |value: &Value| -> Result<Vec<String>, Refusal> {
        let names = binding::texts(value).ok_or_else(|| {
            binding::cannot_convert(spec, "ActiveServers", value, "PSListModifier[Fqdn]")
        })?;
        let mut servers: Vec<String> = Vec::new();
        for name in names {
            let server = pool.server(&name).ok_or_else(|| {
                let message = format!("\"{name}\" is not a server of pool \"{}\".", pool.fqdn);
                spec.refuse("ServerNotFound", "ObjectNotFound", message)
            })?;
            if !servers.contains(&server.fqdn) {
                servers.push(server.fqdn.clone());
            }
        }
        Ok(servers)
    };
    let Value::Object(table) = value else {
        // `$null` removes all; a plain value replaces.
        return if value.is_null() {
            Ok(Vec::new())
        } else {
            known(value)
        };
    };
    let (mut add, mut remove, mut replace) = (Vec::new(), Vec::new(), None);
    for (key, value) in table {
        if key.eq_ignore_ascii_case("Add") {
            add = known(value)?;
        } else if key.eq_ignore_ascii_case("Remove") {
            remove = known(value)?;
        } else if key.eq_ignore_ascii_case("Replace") {
            replace = Some(known(value)?);
        } else {
            let message = format!(
                "Cannot bind parameter 'ActiveServers'. The dictionary has the disallowed key \"{key}\"."
            );
            return Err(spec.refuse("PSListModifierDisallowedKey", "InvalidArgument", message));
        }
    }
    match replace {
        Some(servers) if table.len() == 1 => Ok(servers),
        None if !table.is_empty() => {
            let mut servers = pool.active().to_vec();
            servers.retain(|server| !remove.iter().any(|r| r.eq_ignore_ascii_case(server)));
            for server in add {
                if !servers.iter().any(|s| s.eq_ignore_ascii_case(&server)) {
                    servers.push(server);
                }
            }
            Ok(servers)
        }
        _ => Err(binding::cannot_convert(
            spec,
            "ActiveServers",
            value,
            "PSListModifier[Fqdn]",
        )),
    }
}
