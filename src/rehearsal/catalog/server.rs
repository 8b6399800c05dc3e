//! Sessions, requests, locks, services, logins, endpoints.

use super::{CHAR, SHORT, SID, View};
use crate::rehearsal::value::SqlType::{
    BigInt, Bit, DateTime, Float, Int, NVarChar, SmallInt, TinyInt, VarBinary, VarChar,
};
use crate::rehearsal::value::{Datum, NAME, Relation, relation};
use crate::rehearsal::world::instance::{Process, Running, SqlInstance};
use crate::rehearsal::world::utc;

/// `object_id` of the procedure whose parameters are asked for.
pub(super) const DROP_SECONDARY: i64 = -523_410_877;

impl View<'_> {
    pub(super) fn server_view(&self, object: &str) -> Option<Relation> {
        Some(match object {
            "dm_exec_sessions" => self.sessions(),
            "dm_exec_requests" => self.requests(),
            "dm_exec_connections" => self.connections(),
            "dm_tran_locks" => self.locks(),
            "dm_server_services" => self.services(),
            "certificates" => self.certificates(),
            "server_principals" => self.logins(),
            "database_mirroring_endpoints" => mirroring_endpoints(self.instance.endpoint),
            "tcp_endpoints" => tcp_endpoints(),
            "all_parameters" => self.parameters(),
            _ => return None,
        })
    }

    fn database_id(&self, name: &str) -> Option<i64> {
        self.instance.database(name).map(|d| d.id)
    }

    fn status(&self, process: &Process) -> &'static str {
        if process.running.is_some() || process.spid == self.me.spid {
            "running"
        } else {
            "sleeping"
        }
    }

    /// A session of the server's own stands before those of its users.
    fn sessions(&self) -> Relation {
        let users = self.instance.processes.values().map(Some);
        relation! {
            for p in [None].into_iter().chain(users);
            let began = p.map_or(self.instance.agent_started, |p| utc(p.login_time));
            let login = p.map_or("sa", |p| p.login_name.as_str());
            let request = p.and_then(|p| p.running.as_ref());
            "session_id": SmallInt => p.map_or(9, |p| p.spid),
            "login_time": DateTime => began,
            "host_name": NAME => p.map(|p| &p.host_name),
            "program_name": NAME => p.map(|p| &p.program_name),
            "login_name": NAME => login,
            "original_login_name": NAME => login,
            "status": NVarChar(Some(30)) => p.map_or("background", |p| self.status(p)),
            "context_info": VarBinary(Some(128)) => p.and_then(|p| p.context.clone()),
            "is_user_process": Bit => p.is_some(),
            "database_id": SmallInt => p.map_or(Some(1), |p| self.database_id(&p.database)),
            "open_transaction_count": Int => p.map_or(0, |p| p.transactions),
            "last_request_start_time": DateTime => request.map_or(began, |r| utc(r.started)),
        }
    }

    /// Percent done of a request, and milliseconds to go and gone.
    fn progress(&self, running: &Running) -> (f64, i64, i64) {
        let gone = self
            .now
            .duration_since(running.started)
            .as_millis()
            .clamp(0, i128::from(i32::MAX));
        let whole = i128::try_from(running.takes.as_millis()).unwrap_or(i128::MAX);
        let gone = i64::try_from(gone).unwrap_or(0);
        let whole = i64::try_from(whole).unwrap_or(i64::MAX);
        if whole == 0 {
            return (0.0, 0, gone);
        }
        #[expect(clippy::cast_precision_loss, reason = "a percentage")]
        let percent = (gone as f64 / whole as f64 * 100.0).min(100.0);
        (percent, (whole - gone).max(0), gone)
    }

    fn requests(&self) -> Relation {
        let rows = self.instance.processes.values().filter_map(|p| {
            let mine = p.spid == self.me.spid;
            match &p.running {
                Some(running) => {
                    Some((p, running.command, running.started, self.progress(running)))
                }
                None => mine.then_some((p, "SELECT", self.now, (0.0, 0, 0))),
            }
        });
        relation! {
            for (p, command, started, (percent, left, gone)) in rows;
            "session_id": SmallInt => p.spid,
            "request_id": Int => 0,
            "start_time": DateTime => utc(started),
            "status": NVarChar(Some(30)) => "running",
            "command": NVarChar(Some(32)) => command,
            "database_id": SmallInt => self.database_id(&p.database),
            "blocking_session_id": SmallInt => 0,
            "wait_type": SHORT => Datum::Null,
            "wait_time": Int => 0,
            "percent_complete": Float => percent,
            "estimated_completion_time": BigInt => left,
            "total_elapsed_time": Int => gone,
            "open_transaction_count": Int => p.transactions,
        }
    }

    fn connections(&self) -> Relation {
        relation! {
            for p in self.instance.processes.values();
            "session_id": Int => p.spid,
            "connect_time": DateTime => utc(p.login_time),
            "net_transport": NVarChar(Some(40)) => "TCP",
            "encrypt_option": NVarChar(Some(40)) => "TRUE",
            "auth_scheme": NVarChar(Some(40)) => "SQL",
            "net_packet_size": Int => 4096,
            "client_net_address": VarChar(Some(48)) => "127.0.0.1",
            "client_tcp_port": Int => 49_152 + p.spid,
        }
    }

    /// Every user of a database holds a shared lock on it, a RESTORE an exclusive one
    /// (`sql-server.md` 3.1, 3.2).
    fn locks(&self) -> Relation {
        let shared = "SHARED_TRANSACTION_WORKSPACE";
        let mut rows = Vec::new();
        for p in self.instance.processes.values() {
            let used = self.database_id(&p.database).filter(|id| *id > 2);
            rows.extend(used.map(|id| ("DATABASE", Some(id), String::new(), "S", p.spid, shared)));
            if let Some(target) = p.running.as_ref().and_then(|r| r.target.as_ref()) {
                let id = self.database_id(target);
                rows.push(("DATABASE", id, String::new(), "X", p.spid, shared));
            }
        }
        for ((database, resource), (spid, _)) in &self.instance.locks {
            let shown: String = resource.chars().take(32).collect();
            let shown = format!("0:[{shown}]:(a1b2c3d4)");
            let id = self.database_id(database);
            rows.push(("APPLICATION", id, shown, "X", *spid, "SESSION"));
        }
        relation! {
            for (kind, database, description, mode, spid, owner) in rows;
            "resource_type": SHORT => kind,
            "resource_subtype": SHORT => "",
            "resource_database_id": Int => database,
            "resource_description": NVarChar(Some(256)) => description,
            "request_mode": SHORT => mode,
            "request_type": SHORT => "LOCK",
            "request_status": SHORT => "GRANT",
            "request_session_id": Int => spid,
            "request_owner_type": SHORT => owner,
        }
    }

    fn services(&self) -> Relation {
        let instance = self.instance.instance_name.as_deref();
        let instance = instance.unwrap_or("MSSQLSERVER").to_uppercase();
        let agent = self.instance.agent;
        // Localized, all but the program (`sql-server.md` 10).
        let agent_name = if self.instance.german {
            "SQL Server-Agent"
        } else {
            "SQL Server Agent"
        };
        let rows = [
            ("SQL Server", true, r"LITWAREINC\sqlengine", "sqlservr.exe"),
            (agent_name, agent, r"LITWAREINC\sqlagent", "SQLAGENT.EXE"),
        ];
        relation! {
            for (name, up, account, program) in rows;
            "servicename": NVarChar(Some(256)) => format!("{name} ({instance})"),
            "startup_type": Int => 2,
            "startup_type_desc": NVarChar(Some(256)) => "Automatic",
            "status": Int => if up { 4 } else { 1 },
            "status_desc": NVarChar(Some(256)) => if up { "Running" } else { "Stopped" },
            "process_id": Int => up.then_some(4711),
            "service_account": NVarChar(Some(256)) => account,
            "filename": NVarChar(Some(256)) => format!(
                "\"C:\\Program Files\\Microsoft SQL Server\\MSSQL13.{instance}\\MSSQL\\Binn\\{program}\" -i {instance}"
            ),
            "is_clustered": NVarChar(Some(1)) => "N",
        }
    }

    fn certificates(&self) -> Relation {
        relation! {
            for (thumbprint, id) in self.instance.certificates.iter().zip(256_i64..);
            "name": NAME => format!("certificate {id}"),
            "certificate_id": Int => id,
            "pvt_key_encryption_type": NVarChar(Some(2)) => "MK",
            "thumbprint": VarBinary(Some(32)) => thumbprint.clone(),
        }
    }

    fn logins(&self) -> Relation {
        relation! {
            for (name, n) in self.instance.logins.iter().zip(1_i64..);
            let windows = name.contains('\\');
            "name": NAME => name,
            "principal_id": Int => if n == 1 { 1 } else { 255 + n },
            "sid": SID => SqlInstance::sid(name),
            "type": CHAR => if windows { "U" } else { "S" },
            "type_desc": SHORT => if windows { "WINDOWS_LOGIN" } else { "SQL_LOGIN" },
            "is_disabled": Bit => 0,
            "default_database_name": NAME => "master",
        }
    }

    fn parameters(&self) -> Relation {
        let known = if self.instance.knows_ignore_monitor {
            2
        } else {
            1
        };
        let names = ["@secondary_database", "@ignoreremotemonitor"];
        relation! {
            for (id, name) in (1..=known).zip(names);
            "object_id": Int => DROP_SECONDARY,
            "name": NAME => name,
            "parameter_id": Int => id,
        }
    }
}

/// Name, `endpoint_id` and port of the endpoint that serves mirroring.
const MIRRORING: (&str, i64, i64) = ("mirroring_endpoint", 65_536, 5022);

fn mirroring_endpoints(started: bool) -> Relation {
    relation! {
        for (name, id, _) in [MIRRORING];
        "name": NAME => name,
        "endpoint_id": Int => id,
        "principal_id": Int => 1,
        "protocol": TinyInt => 2,
        "type": TinyInt => 4,
        "state": TinyInt => !started,
        "state_desc": SHORT => if started { "STARTED" } else { "STOPPED" },
        "role": TinyInt => 1,
        "role_desc": SHORT => "PARTNER",
        "is_encryption_enabled": Bit => 1,
        "connection_auth": TinyInt => 3,
    }
}

fn tcp_endpoints() -> Relation {
    relation! {
        for (name, id, port) in [("TSQL Default TCP", 4, 0), MIRRORING];
        "name": NAME => name,
        "endpoint_id": Int => id,
        "principal_id": Int => 1,
        "port": Int => port,
        "is_dynamic_port": Bit => port == 0,
    }
}
