//! An instance in memory that knows the texts of this door, and nothing else.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use pchadr::access::ByteStream;
use pchadr::access::secret::Password;
use pchadr::access::sql::{Dial, Failure, SignIn, SqlDoor};
use pchadr::model::Instance;
use pchadr::rehearsal::tds::{Flow, Login, Parameter, Reply, Request, Server, Session, serve};
use pchadr::rehearsal::value::{Column, Datum, ServerError, SqlType};

use super::{BACKUP, limits};

/// The instance.
#[derive(Clone, Default)]
pub(super) struct Toy(Arc<Mutex<State>>);

/// What it holds; tests set and read it.
#[derive(Default)]
pub(super) struct State {
    pub(super) processes: BTreeMap<i64, Process>,
    /// Resource and session.
    pub(super) lock: Option<(String, i64)>,
    /// Every KILL.
    pub(super) kills: Vec<String>,
    /// How often it was dialed.
    pub(super) dials: usize,
    /// A dial takes so long, …
    pub(super) dial_takes: Duration,
    /// … and then fails.
    pub(super) down: bool,
    /// A session outlives its connection by so much.
    pub(super) lingers: Duration,
    /// A KILL has no effect.
    pub(super) unkillable: bool,
    /// The login lacks VIEW SERVER STATE.
    pub(super) blind: bool,
    /// Errors of the sign-in.
    pub(super) refuses: Option<ServerError>,
    last: i64,
}

/// A session.
#[derive(Clone)]
pub(super) struct Process {
    pub(super) login_time: String,
    pub(super) command: Option<String>,
    pub(super) login: Login,
    pub(super) cut: CancellationToken,
}

impl Toy {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// A door to it, as the backup.
    pub(super) fn door(&self) -> SqlDoor {
        let servers = BTreeMap::from([(BACKUP, r"sql3\chat".to_owned())]);
        let sign_in = SignIn::clear("pchadr", Password::new("geheim".to_owned()));
        SqlDoor::new(Arc::new(self.clone()), servers, sign_in, limits())
    }

    fn running(&self, spid: i64, command: Option<String>) {
        self.state().processes.get_mut(&spid).unwrap().command = command;
    }

    fn answer(&self, spid: i64, sql: &str, parameters: &[Parameter], reply: &mut dyn Reply) {
        let parameter = match parameters.first().map(|p| &p.value) {
            Some(Datum::Text(text)) => text.clone(),
            _ => String::new(),
        };
        let mut state = self.state();
        let text = |text: &str| Datum::Text(text.to_owned());
        let maybe = |text: Option<&String>| text.map_or(Datum::Null, |t| Datum::Text(t.clone()));
        if sql.contains("@@SPID AS int") {
            let login_time = &state.processes[&spid].login_time;
            table(
                reply,
                &["spid int", "login_time"],
                &[vec![Datum::Int(spid), text(login_time)]],
            );
        } else if sql.contains("HAS_PERMS_BY_NAME") {
            let row = state
                .processes
                .get(&parameter.parse().unwrap())
                .map(|p| vec![text(&p.login_time), maybe(p.command.as_ref()), Datum::Null]);
            let rows: Vec<_> = row.filter(|_| !state.blind).into_iter().collect();
            table(reply, &["login_time", "command", "wait_type"], &rows);
            let sees_all = i64::from(!state.blind);
            table(reply, &["sees_all int"], &[vec![Datum::Int(sees_all)]]);
        } else if sql.contains("percent_complete") {
            let running = state.processes.get(&parameter.parse().unwrap());
            let rows: Vec<_> = running
                .filter(|p| p.command.is_some())
                .map(|_| vec![Datum::Float(42.5)])
                .into_iter()
                .collect();
            table(reply, &["percent_complete float"], &rows);
        } else if sql.contains("sp_getapplock") {
            let free = state
                .lock
                .as_ref()
                .is_none_or(|(held, _)| *held != parameter);
            if free {
                state.lock = Some((parameter, spid));
            }
            table(
                reply,
                &["rc int"],
                &[vec![Datum::Int(if free { 0 } else { -1 })]],
            );
        } else if sql.contains("APPLOCK_MODE") {
            let held = state.lock == Some((parameter, spid));
            table(
                reply,
                &["mode"],
                &[vec![text(if held { "Exclusive" } else { "NoLock" })]],
            );
        } else if sql.contains("resource_description") {
            let rows: Vec<_> = state
                .lock
                .iter()
                .map(|(resource, holder)| {
                    let shown: String = resource.chars().take(32).collect();
                    let process = &state.processes[holder];
                    vec![
                        text(&format!("0:[{shown}]:(6de3cd2c)")),
                        Datum::Int(*holder),
                        text("ADMIN2"),
                        text(&process.login.user),
                        text(&process.login.program_name),
                        text(&process.login_time),
                    ]
                })
                .collect();
            let columns = [
                "resource_description",
                "session_id int",
                "host_name",
                "login_name",
                "program_name",
                "login_time",
            ];
            table(reply, &columns, &rows);
        } else if let Some(killed) = sql.strip_prefix("KILL ") {
            state.kills.push(sql.to_owned());
            if !state.unkillable {
                state.processes.remove(&killed.parse().unwrap());
            }
            reply.done(None);
        } else if sql.starts_with("SET LANGUAGE ") {
            reply.done(None);
        } else if sql == "READ" {
            table(reply, &["n int"], &[vec![Datum::Int(7)]]);
        } else if let Some(number) = sql.strip_prefix("FAIL ") {
            reply.error(&ServerError::new(number.parse().unwrap(), "As you wish."));
        } else {
            reply.error(&ServerError::new(
                102,
                format!("Incorrect syntax near '{sql}'."),
            ));
        }
    }
}

fn table(reply: &mut dyn Reply, columns: &[&str], rows: &[Vec<Datum>]) {
    let columns: Vec<_> = columns
        .iter()
        .map(|column| match column.split_once(' ') {
            Some((name, "int")) => Column::new(name, SqlType::Int),
            Some((name, _)) => Column::new(name, SqlType::Float),
            None => Column::new(column, SqlType::NVarChar(Some(256))),
        })
        .collect();
    reply.columns(&columns);
    for row in rows {
        reply.row(row);
    }
    reply.done(u64::try_from(rows.len()).ok());
}

impl Dial for Toy {
    fn dial(&self, _: Instance) -> BoxFuture<'_, io::Result<Box<dyn ByteStream>>> {
        let (takes, down) = {
            let mut state = self.state();
            state.dials += 1;
            (state.dial_takes, state.down)
        };
        async move {
            tokio::time::sleep(takes).await;
            if down {
                let address = "10.2.0.3:1433".to_owned();
                return Err(io::Error::other(Failure::ConnectionRefused { address }));
            }
            let (ours, theirs) = tokio::io::duplex(4096);
            let server: Arc<dyn Server> = Arc::new(self.clone());
            tokio::spawn(serve(server, theirs));
            Ok(Box::new(ours) as Box<dyn ByteStream>)
        }
        .boxed()
    }
}

impl Server for Toy {
    fn name(&self) -> String {
        r"SQL3\CHAT".to_owned()
    }

    fn login(&self, login: &Login) -> Result<Box<dyn Session>, ServerError> {
        let mut state = self.state();
        if let Some(error) = &state.refuses {
            return Err(error.clone());
        }
        state.last += 1;
        let spid = 50 + state.last;
        let cut = CancellationToken::new();
        let process = Process {
            login_time: format!("2016-02-29T13:14:{spid}.123"),
            command: None,
            login: login.clone(),
            cut: cut.clone(),
        };
        state.processes.insert(spid, process);
        drop(state);
        let toy = self.clone();
        Ok(Box::new(Connection { toy, spid, cut }))
    }
}

struct Connection {
    toy: Toy,
    spid: i64,
    cut: CancellationToken,
}

impl Session for Connection {
    fn run<'a>(&'a mut self, request: Request, reply: &'a mut dyn Reply) -> BoxFuture<'a, Flow> {
        async move {
            let Request::Batch { sql, parameters } = request else {
                return Flow::Cut;
            };
            match sql.as_str() {
                "RESTORE" => {
                    let command = Some("RESTORE LOG".to_owned());
                    self.toy.running(self.spid, command);
                    futures_util::future::pending().await
                }
                "CUT" => Flow::Cut,
                _ => {
                    self.toy.answer(self.spid, &sql, &parameters, reply);
                    Flow::Go
                }
            }
        }
        .boxed()
    }

    fn killed(&self) -> CancellationToken {
        self.cut.clone()
    }
}

/// The session goes with its connection, or lingers.
impl Drop for Connection {
    fn drop(&mut self) {
        let (toy, spid) = (self.toy.clone(), self.spid);
        let leave = move || {
            let mut state = toy.state();
            state.processes.remove(&spid);
            if state
                .lock
                .as_ref()
                .is_some_and(|(_, holder)| *holder == spid)
            {
                state.lock = None;
            }
        };
        let lingers = self.toy.state().lingers;
        if lingers.is_zero() {
            leave();
        } else if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                tokio::time::sleep(lingers).await;
                leave();
            });
        }
    }
}
