//! Executes T-SQL on the simulated instances: who signs in, what a batch does, what is recorded.
//!
//! A statement that takes time is begun under the world's lock, waits without it, and has its effect
//! at one instant at its end. When its future is dropped before, the database is left as SQL Server
//! leaves it (`sql-server.md` 10.2).

pub(in crate::rehearsal) mod agent;
mod alter;
mod backup;
mod batch;
mod info;
mod jobs;
mod media;
mod procedures;
mod restore;
mod shipping;
mod tables;

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use self::batch::Batch;
use super::catalog::{Variables, open};
use super::german::german;
use super::hex::guid_text;
use super::kept::Kept;
use super::message::message;
use super::tds::{Flow, Login, Reply, Request, Server, Session};
use super::tsql::{self, Statement};
use super::value::{Datum, ServerError};
use super::world::instance::{Kind, Process};
use super::world::{FaultKind, Outcome, Shared, World};
use crate::model::Instance;

/// How long a batch runs that is cut in the middle.
const AMID: Duration = Duration::from_millis(100);

/// An instance as its listener sees it.
pub struct Listener {
    world: Shared,
    instance: Instance,
}

impl World {
    /// The server behind an instance, up or down; who dials asks [`World::is_up`] first.
    pub fn server(self: &Arc<Self>, instance: Instance) -> Arc<dyn Server> {
        Arc::new(Listener {
            world: self.clone(),
            instance,
        })
    }
}

impl World {
    /// An error as a session is told it.
    fn in_language(&self, instance: Instance, spid: i64, error: &ServerError) -> ServerError {
        let is_german = self.with(|state| {
            let server = state.instances.get(&instance);
            let process = server.and_then(|it| it.processes.get(&spid));
            process.is_some_and(|process| process.german)
        });
        if is_german {
            german(error)
        } else {
            error.clone()
        }
    }
}

impl Server for Listener {
    fn name(&self) -> String {
        self.world.with(|state| {
            state
                .instances
                .get(&self.instance)
                .map(|i| i.server_name.clone())
                .unwrap_or_default()
        })
    }

    fn login(&self, login: &Login) -> Result<Box<dyn Session>, ServerError> {
        let now = self.world.now();
        let user = if login.user.is_empty() {
            r"LITWAREINC\administrator"
        } else {
            &login.user
        };
        if !login.user.is_empty()
            && self
                .world
                .password
                .as_ref()
                .is_some_and(|p| *p != login.password)
        {
            return Err(message(18456, &[user]));
        }
        let database = if login.database.is_empty() {
            "master"
        } else {
            &login.database
        };
        self.world.with(|state| {
            let Some(server) = state.instances.get_mut(&self.instance).filter(|i| i.up) else {
                return Err(message(17142, &[]));
            };
            open(server, database, 0).map_err(|_| message(4060, &[database]))?;
            server.add_login(user);
            let spid = server.free_spid();
            let token = CancellationToken::new();
            server.processes.insert(
                spid,
                Process {
                    spid,
                    kind: Kind::Client,
                    login_time: now,
                    login_name: user.to_owned(),
                    host_name: login.host_name.clone(),
                    program_name: login.program_name.clone(),
                    database: database.to_owned(),
                    running: None,
                    transactions: 0,
                    context: None,
                    xact_abort: false,
                    german: server.german,
                    token: token.clone(),
                },
            );
            Ok(Box::new(Connection {
                world: self.world.clone(),
                instance: self.instance,
                spid,
                token,
            }) as Box<dyn Session>)
        })
    }
}

struct Connection {
    world: Shared,
    instance: Instance,
    spid: i64,
    token: CancellationToken,
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut state = self.world.lock();
        // Another session may have the number since this one's instance went down.
        if let Some(server) = state.instances.get_mut(&self.instance)
            && server
                .processes
                .get(&self.spid)
                .is_some_and(|p| p.kind == Kind::Client)
            && !self.is_gone(server)
        {
            server.end(self.spid);
        }
    }
}

impl Session for Connection {
    fn run<'a>(&'a mut self, request: Request, reply: &'a mut dyn Reply) -> BoxFuture<'a, Flow> {
        Box::pin(self.execute(request, reply))
    }

    fn killed(&self) -> CancellationToken {
        self.token.clone()
    }
}

impl Connection {
    /// The instance went down, and forgot this session.
    fn is_gone(&self, server: &super::world::instance::SqlInstance) -> bool {
        !server.up
            || server
                .processes
                .get(&self.spid)
                .is_none_or(|p| p.token.is_cancelled() != self.token.is_cancelled())
    }

    fn alive(&self) -> bool {
        self.world.with(|state| {
            state
                .instances
                .get(&self.instance)
                .is_some_and(|server| !self.is_gone(server))
        })
    }

    async fn execute(&mut self, request: Request, reply: &mut dyn Reply) -> Flow {
        if !self.alive() {
            return Flow::Cut;
        }
        let (text, statements, variables) = prepare(request);
        let fault = self.world.with(|state| state.strike(self.instance, &text));
        match fault {
            Some(FaultKind::ErrorBefore(number)) => {
                self.refuse(&text, &message(number, &[]), reply);
                return Flow::Go;
            }
            Some(FaultKind::CutBefore) => return Flow::Cut,
            Some(FaultKind::SilenceBefore) => return pending().await,
            _ => {}
        }
        let statements = match statements {
            Ok(_) if self.world.with(|state| state.answer_102_to_everything) => {
                Err(message(102, &["everything"]))
            }
            other => other,
        };
        let statements = match statements {
            Ok(statements) => statements,
            Err(error) => {
                self.world
                    .with(|state| state.not_known(format!("{error}: {text}")));
                self.refuse(&text, &error, reply);
                return Flow::Go;
            }
        };
        let entry = Entry {
            world: &self.world,
            instance: self.instance,
            spid: self.spid,
            text: &text,
            effect: statements.iter().any(Statement::is_effect),
            ended: false,
        };
        let mut batch = Batch::new(&self.world, self.instance, self.spid, variables, reply);
        let running = batch.run(&statements);
        let failed = if fault == Some(FaultKind::CutAmid) {
            let Ok(failed) = tokio::time::timeout(AMID, running).await else {
                return Flow::Cut;
            };
            failed
        } else {
            running.await
        };
        entry.end(failed.map_or(Outcome::Done, Outcome::Failed));
        match fault {
            Some(FaultKind::ErrorAfter(number)) => {
                let error = message(number, &[]);
                reply.error(&self.world.in_language(self.instance, self.spid, &error));
                reply.done(None);
            }
            Some(FaultKind::CutAfter | FaultKind::CutAmid) => return Flow::Cut,
            Some(FaultKind::SilenceAfter) => return pending().await,
            _ => {}
        }
        if self.alive() { Flow::Go } else { Flow::Cut }
    }

    fn refuse(&self, text: &str, error: &ServerError, reply: &mut dyn Reply) {
        reply.error(&self.world.in_language(self.instance, self.spid, error));
        reply.done(None);
        self.world.record(
            self.instance,
            self.spid,
            text,
            false,
            Outcome::Failed(error.number),
        );
    }
}

/// A batch on its way into the history.
struct Entry<'a> {
    world: &'a World,
    instance: Instance,
    spid: i64,
    text: &'a str,
    effect: bool,
    ended: bool,
}

impl Entry<'_> {
    fn end(mut self, outcome: Outcome) {
        self.ended = true;
        self.world
            .record(self.instance, self.spid, self.text, self.effect, outcome);
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.world.record(
                self.instance,
                self.spid,
                self.text,
                self.effect,
                Outcome::Interrupted,
            );
        }
    }
}

type Parsed = Result<Vec<Statement>, ServerError>;

thread_local! {
    static PARSED: Kept<Parsed> = Kept::default();
}

/// The text of a request, its statements, and the variables that its parameters are.
fn prepare(request: Request) -> (String, Parsed, Variables) {
    match request {
        Request::Batch { sql, parameters } => {
            let statements = PARSED.with(|kept| kept.of(&sql, tsql::parse));
            let variables = parameters
                .into_iter()
                .map(|p| (p.name.to_uppercase(), (p.sql_type, p.value)))
                .collect();
            (sql, statements, variables)
        }
        Request::Procedure { name, parameters } => {
            let shown: Vec<String> = parameters
                .iter()
                .map(|p| {
                    let value = match &p.value {
                        Datum::Text(text) => crate::model::quote::literal(text),
                        Datum::Int(number) => number.to_string(),
                        Datum::Guid(guid) => format!("'{}'", guid_text(guid)),
                        _ => "NULL".to_owned(),
                    };
                    if p.name.is_empty() {
                        value
                    } else {
                        format!("{} = {value}", p.name)
                    }
                })
                .collect();
            let text = format!("EXEC {name} {}", shown.join(", "));
            let statements = tsql::parse(&format!("EXEC {name}")).map(|mut statements| {
                if let Some(Statement::Exec { arguments, .. }) = statements.first_mut() {
                    *arguments = parameters
                        .into_iter()
                        .map(|p| tsql::Argument {
                            name: p.name.to_uppercase(),
                            value: tsql::Expr::Literal(p.sql_type, p.value),
                            output: false,
                        })
                        .collect();
                }
                statements
            });
            (text.trim_end().to_owned(), statements, Variables::new())
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
