//! Sessions, requests, locks, services, logins, endpoints.

use super::{CHAR, NAME, SHORT, SID, View, maybe, number, relation, text};
use crate::rehearsal::value::{Datum, Relation, SqlType};
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

    fn database_id(&self, name: &str) -> Datum {
        maybe(self.instance.database(name), |d| number(d.id))
    }

    fn status(&self, process: &Process) -> &'static str {
        if process.running.is_some() || process.spid == self.me.spid {
            "running"
        } else {
            "sleeping"
        }
    }

    fn sessions(&self) -> Relation {
        let mut rows = vec![vec![
            number(9),
            Datum::DateTime(self.instance.agent_started),
            Datum::Null,
            Datum::Null,
            text("sa"),
            text("sa"),
            text("background"),
            Datum::Null,
            number(0),
            number(1),
            number(0),
            Datum::DateTime(self.instance.agent_started),
        ]];
        for p in self.instance.processes.values() {
            rows.push(vec![
                number(p.spid),
                Datum::DateTime(utc(p.login_time)),
                text(&p.host_name),
                text(&p.program_name),
                text(&p.login_name),
                text(&p.login_name),
                text(self.status(p)),
                maybe(p.context.clone(), Datum::Bytes),
                number(1),
                self.database_id(&p.database),
                number(p.transactions),
                Datum::DateTime(utc(p.running.as_ref().map_or(p.login_time, |r| r.started))),
            ]);
        }
        relation(
            &[
                ("session_id", SqlType::SmallInt),
                ("login_time", SqlType::DateTime),
                ("host_name", NAME),
                ("program_name", NAME),
                ("login_name", NAME),
                ("original_login_name", NAME),
                ("status", SqlType::NVarChar(Some(30))),
                ("context_info", SqlType::VarBinary(Some(128))),
                ("is_user_process", SqlType::Bit),
                ("database_id", SqlType::SmallInt),
                ("open_transaction_count", SqlType::Int),
                ("last_request_start_time", SqlType::DateTime),
            ],
            rows,
        )
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
        let mut rows = Vec::new();
        for p in self.instance.processes.values() {
            let (command, percent, left, gone, started) = match &p.running {
                Some(running) => {
                    let (percent, left, gone) = self.progress(running);
                    (running.command, percent, left, gone, running.started)
                }
                None if p.spid == self.me.spid => ("SELECT", 0.0, 0, 0, self.now),
                None => continue,
            };
            rows.push(vec![
                number(p.spid),
                number(0),
                Datum::DateTime(utc(started)),
                text("running"),
                text(command),
                self.database_id(&p.database),
                number(0),
                Datum::Null,
                number(0),
                Datum::Float(percent),
                number(left),
                number(gone),
                number(p.transactions),
            ]);
        }
        relation(
            &[
                ("session_id", SqlType::SmallInt),
                ("request_id", SqlType::Int),
                ("start_time", SqlType::DateTime),
                ("status", SqlType::NVarChar(Some(30))),
                ("command", SqlType::NVarChar(Some(32))),
                ("database_id", SqlType::SmallInt),
                ("blocking_session_id", SqlType::SmallInt),
                ("wait_type", SHORT),
                ("wait_time", SqlType::Int),
                ("percent_complete", SqlType::Float),
                ("estimated_completion_time", SqlType::BigInt),
                ("total_elapsed_time", SqlType::Int),
                ("open_transaction_count", SqlType::Int),
            ],
            rows,
        )
    }

    fn connections(&self) -> Relation {
        let rows = self.instance.processes.values().map(|p| {
            vec![
                number(p.spid),
                Datum::DateTime(utc(p.login_time)),
                text("TCP"),
                text("TRUE"),
                text("SQL"),
                number(4096),
                text("127.0.0.1"),
                number(49_152 + p.spid),
            ]
        });
        relation(
            &[
                ("session_id", SqlType::Int),
                ("connect_time", SqlType::DateTime),
                ("net_transport", SqlType::NVarChar(Some(40))),
                ("encrypt_option", SqlType::NVarChar(Some(40))),
                ("auth_scheme", SqlType::NVarChar(Some(40))),
                ("net_packet_size", SqlType::Int),
                ("client_net_address", SqlType::VarChar(Some(48))),
                ("client_tcp_port", SqlType::Int),
            ],
            rows.collect(),
        )
    }

    /// Every user of a database holds a shared lock on it, a RESTORE an exclusive one
    /// (`sql-server.md` 3.1, 3.2).
    fn locks(&self) -> Relation {
        let lock =
            |kind: &str, database: Datum, description: String, mode: &str, spid, owner: &str| {
                vec![
                    text(kind),
                    text(""),
                    database,
                    text(description),
                    text(mode),
                    text("LOCK"),
                    text("GRANT"),
                    number(spid),
                    text(owner),
                ]
            };
        let shared = "SHARED_TRANSACTION_WORKSPACE";
        let mut rows = Vec::new();
        for p in self.instance.processes.values() {
            if self
                .instance
                .database(&p.database)
                .is_some_and(|d| d.id > 2)
            {
                let id = self.database_id(&p.database);
                rows.push(lock("DATABASE", id, String::new(), "S", p.spid, shared));
            }
            if let Some(target) = p.running.as_ref().and_then(|r| r.target.as_ref()) {
                let id = self.database_id(target);
                rows.push(lock("DATABASE", id, String::new(), "X", p.spid, shared));
            }
        }
        for ((database, resource), (spid, _)) in &self.instance.locks {
            let shown: String = resource.chars().take(32).collect();
            rows.push(lock(
                "APPLICATION",
                self.database_id(database),
                format!("0:[{shown}]:(a1b2c3d4)"),
                "X",
                *spid,
                "SESSION",
            ));
        }
        relation(
            &[
                ("resource_type", SHORT),
                ("resource_subtype", SHORT),
                ("resource_database_id", SqlType::Int),
                ("resource_description", SqlType::NVarChar(Some(256))),
                ("request_mode", SHORT),
                ("request_type", SHORT),
                ("request_status", SHORT),
                ("request_session_id", SqlType::Int),
                ("request_owner_type", SHORT),
            ],
            rows,
        )
    }

    fn services(&self) -> Relation {
        let instance = self
            .instance
            .instance_name
            .as_deref()
            .unwrap_or("MSSQLSERVER")
            .to_uppercase();
        let row = |name: String, up: bool, account: String| {
            vec![
                text(name),
                number(2),
                text("Automatic"),
                number(if up { 4 } else { 1 }),
                text(if up { "Running" } else { "Stopped" }),
                maybe(up.then_some(4711), number),
                text(account),
                text("N"),
            ]
        };
        relation(
            &[
                ("servicename", SqlType::NVarChar(Some(256))),
                ("startup_type", SqlType::Int),
                ("startup_type_desc", SqlType::NVarChar(Some(256))),
                ("status", SqlType::Int),
                ("status_desc", SqlType::NVarChar(Some(256))),
                ("process_id", SqlType::Int),
                ("service_account", SqlType::NVarChar(Some(256))),
                ("is_clustered", SqlType::NVarChar(Some(1))),
            ],
            vec![
                row(
                    format!("SQL Server ({instance})"),
                    true,
                    r"LITWAREINC\sqlengine".to_owned(),
                ),
                row(
                    format!("SQL Server Agent ({instance})"),
                    self.instance.agent,
                    r"LITWAREINC\sqlagent".to_owned(),
                ),
            ],
        )
    }

    fn certificates(&self) -> Relation {
        let rows = self.instance.certificates.iter().zip(256_i64..);
        let rows = rows.map(|(thumbprint, id)| {
            vec![
                text(format!("certificate {id}")),
                number(id),
                Datum::Bytes(thumbprint.clone()),
            ]
        });
        relation(
            &[
                ("name", NAME),
                ("certificate_id", SqlType::Int),
                ("thumbprint", SqlType::VarBinary(Some(32))),
            ],
            rows.collect(),
        )
    }

    fn logins(&self) -> Relation {
        let rows = self.instance.logins.iter().zip(1_i64..).map(|(name, n)| {
            let windows = name.contains('\\');
            vec![
                text(name),
                number(if n == 1 { 1 } else { 255 + n }),
                Datum::Bytes(SqlInstance::sid(name)),
                text(if windows { "U" } else { "S" }),
                text(if windows {
                    "WINDOWS_LOGIN"
                } else {
                    "SQL_LOGIN"
                }),
                number(0),
                text("master"),
            ]
        });
        relation(
            &[
                ("name", NAME),
                ("principal_id", SqlType::Int),
                ("sid", SID),
                ("type", CHAR),
                ("type_desc", SHORT),
                ("is_disabled", SqlType::Bit),
                ("default_database_name", NAME),
            ],
            rows.collect(),
        )
    }

    fn parameters(&self) -> Relation {
        let mut rows = vec![vec![
            number(DROP_SECONDARY),
            text("@secondary_database"),
            number(1),
        ]];
        if self.instance.knows_ignore_monitor {
            rows.push(vec![
                number(DROP_SECONDARY),
                text("@ignoreremotemonitor"),
                number(2),
            ]);
        }
        relation(
            &[
                ("object_id", SqlType::Int),
                ("name", NAME),
                ("parameter_id", SqlType::Int),
            ],
            rows,
        )
    }
}

fn mirroring_endpoints(started: bool) -> Relation {
    relation(
        &[
            ("name", NAME),
            ("endpoint_id", SqlType::Int),
            ("principal_id", SqlType::Int),
            ("protocol", SqlType::TinyInt),
            ("type", SqlType::TinyInt),
            ("state", SqlType::TinyInt),
            ("state_desc", SHORT),
            ("role", SqlType::TinyInt),
            ("role_desc", SHORT),
            ("is_encryption_enabled", SqlType::Bit),
            ("connection_auth", SqlType::TinyInt),
        ],
        vec![vec![
            text("mirroring_endpoint"),
            number(65_536),
            number(1),
            number(2),
            number(4),
            number(i64::from(!started)),
            text(if started { "STARTED" } else { "STOPPED" }),
            number(1),
            text("PARTNER"),
            number(1),
            number(3),
        ]],
    )
}

fn tcp_endpoints() -> Relation {
    relation(
        &[
            ("name", NAME),
            ("endpoint_id", SqlType::Int),
            ("principal_id", SqlType::Int),
            ("port", SqlType::Int),
            ("is_dynamic_port", SqlType::Bit),
        ],
        vec![
            vec![
                text("TSQL Default TCP"),
                number(4),
                number(1),
                number(0),
                number(1),
            ],
            vec![
                text("mirroring_endpoint"),
                number(65_536),
                number(1),
                number(5022),
                number(0),
            ],
        ],
    )
}
