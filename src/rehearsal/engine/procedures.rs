//! EXEC: binding of arguments, application locks, and who answers what.

mod known;

use std::collections::BTreeMap;
use std::time::Duration;

use self::known::KNOWN;
use super::batch::{Batch, Failure, wait};
use crate::rehearsal::message::message;
use crate::rehearsal::select::{inner_type, show};
use crate::rehearsal::tsql::{Argument, Expr};
use crate::rehearsal::value::{Datum, NAME, Relation, ServerError, SqlType, relation};

/// A procedure's arguments.
pub(super) struct Bound {
    procedure: &'static str,
    /// By parameter name, lower case without `@`.
    values: BTreeMap<&'static str, Datum>,
}

impl Bound {
    /// An argument as it was given.
    pub(super) fn get(&self, name: &str) -> Option<&Datum> {
        self.values.get(name)
    }

    /// An argument as a text; `None` where it is NULL or not given.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name).filter(|v| **v != Datum::Null).map(show)
    }

    /// An argument as a number.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            Some(Datum::Int(n)) => Some(*n),
            Some(Datum::Text(text)) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// The same with its default.
    pub(super) fn number_or(&self, name: &str, default: i64) -> i64 {
        self.number(name).unwrap_or(default)
    }

    /// An argument of 0 or 1 with its default.
    pub(super) fn flag(&self, name: &str, default: bool) -> bool {
        self.number_or(name, i64::from(default)) == 1
    }

    /// An argument that must be given. Errors: 201.
    pub(super) fn needed(&self, name: &str) -> Result<String, ServerError> {
        let missing = || message(201, &[self.procedure, &format!("@{name}")]);
        self.text(name).ok_or_else(missing)
    }
}

/// What a procedure answers: its return code, errors that it raised, values of OUTPUT parameters.
#[derive(Default)]
pub(super) struct Answer {
    pub(super) code: i64,
    pub(super) errors: Vec<ServerError>,
    pub(super) output: Vec<(&'static str, Datum)>,
}

impl Answer {
    /// An error raised, with return code 1.
    pub(super) fn refused(error: ServerError) -> Self {
        Self {
            errors: vec![error],
            ..Self::code(1)
        }
    }

    /// A return code.
    fn code(code: i64) -> Self {
        Self {
            code,
            ..Self::default()
        }
    }
}

/// Errors of a linked server that does not answer; what its provider says stands before them
/// (`sql-server.md` 1.1).
const LINK: [u32; 4] = [53, 10060, 11001, 7303];

impl Batch<'_> {
    /// Runs a procedure. Errors that it raises are sent here, and the batch goes on with its return
    /// code; only an unknown procedure or parameter ends the batch.
    pub(super) async fn execute(
        &mut self,
        result: Option<&str>,
        name: &[String],
        arguments: &[Argument],
    ) -> Result<(), Failure> {
        let written = name.join(".");
        let last = name.last().map(|n| n.to_lowercase()).unwrap_or_default();
        let Some((known, parameters)) = KNOWN.iter().find(|(known, _)| *known == last) else {
            return Err(vec![message(2812, &[&written])]);
        };
        if let [database, ..] = name
            && name.len() == 3
            && !database.eq_ignore_ascii_case("master")
            && !database.eq_ignore_ascii_case("msdb")
        {
            return Err(vec![message(2812, &[&written])]);
        }
        let bound = self.bind(known, parameters, arguments)?;
        if result.is_some_and(|r| !self.variables.contains_key(r)) {
            return Err(vec![message(137, &[result.unwrap_or_default()])]);
        }
        let answer = match *known {
            "sp_getapplock" => self.get_lock(&bound).await,
            "sp_releaseapplock" => self.release_lock(&bound)?,
            "sp_who" | "sp_who2" => {
                let relation = self.who(*known == "sp_who2")?;
                self.send(&relation);
                Answer::default()
            }
            _ => {
                let time = self.world.with(|state| state.service.command);
                wait(time).await;
                self.change(known, &bound)?
            }
        };
        if answer.errors.iter().any(|it| LINK.contains(&it.number)) {
            self.reply.info(&message(7412, &["Login timeout expired"]));
        }
        self.fail(&answer.errors);
        for (argument, position) in arguments.iter().zip(0..) {
            let Expr::Variable(variable) = &argument.value else {
                continue;
            };
            let parameter = parameter_name(parameters, argument, position);
            if let Some((_, value)) = answer
                .output
                .iter()
                .find(|(name, _)| argument.output && Some(*name) == parameter)
            {
                self.assign(variable, inner_type(value), value)?;
            }
        }
        if let Some(result) = result {
            self.assign(result, SqlType::Int, &Datum::Int(answer.code))?;
        }
        self.done(None);
        Ok(())
    }

    /// Errors: 8144, 8145.
    fn bind(
        &mut self,
        procedure: &'static str,
        parameters: &[&'static str],
        arguments: &[Argument],
    ) -> Result<Bound, Failure> {
        let ignores = self.with_server(|server| Ok(server.knows_ignore_monitor))?;
        let mut values = BTreeMap::new();
        for (position, argument) in arguments.iter().enumerate() {
            if argument.name.is_empty() && position >= parameters.len() {
                return Err(vec![message(8144, &[procedure])]);
            }
            let parameter = parameter_name(parameters, argument, position)
                .filter(|name| *name != "ignoreremotemonitor" || ignores);
            let Some(parameter) = parameter else {
                let name = argument.name.to_lowercase();
                // A probe for the parameter is legitimate: it is no gap of the world.
                if name == "@ignoreremotemonitor" {
                    self.reply.error(&message(8145, &[&name, procedure]));
                    self.failed.get_or_insert(8145);
                    return Err(Vec::new());
                }
                return Err(vec![message(8145, &[&name, procedure])]);
            };
            let value = self.value(&argument.value)?.1;
            values.insert(parameter, value);
        }
        Ok(Bound { procedure, values })
    }

    async fn get_lock(&mut self, bound: &Bound) -> Answer {
        let resource = bound.text("resource");
        let mode = bound.text("lockmode").unwrap_or_default();
        let owner = bound.text("lockowner").unwrap_or_default();
        // The world's locks are exclusive and belong to sessions; all else is refused as a bad
        // parameter would be (`sql-server.md` 8).
        let Some(resource) = resource else {
            return Answer::code(-999);
        };
        if !mode.eq_ignore_ascii_case("Exclusive") || !owner.eq_ignore_ascii_case("Session") {
            self.world
                .with(|state| state.not_known(format!("sp_getapplock {mode} {owner}")));
            return Answer::code(-999);
        }
        let limit = match bound.get("locktimeout") {
            Some(Datum::Int(n)) if *n >= 0 => u64::try_from(*n).ok().map(Duration::from_millis),
            _ => None,
        };
        let step = Duration::from_millis(100);
        let mut waited = Duration::ZERO;
        loop {
            if self.try_lock(&resource) {
                return Answer::code(i64::from(!waited.is_zero()));
            }
            if limit.is_some_and(|limit| waited >= limit) {
                return Answer::code(-1);
            }
            wait(step).await;
            waited += step;
        }
    }

    fn try_lock(&mut self, resource: &str) -> bool {
        let spid = self.spid;
        self.with_server(|server| {
            let Some(process) = server.processes.get(&spid) else {
                return Ok(false);
            };
            let key = (process.database.to_lowercase(), resource.to_owned());
            let (holder, count) = server.locks.entry(key).or_insert((spid, 0));
            let mine = *holder == spid;
            *count += u32::from(mine);
            Ok(mine)
        })
        .unwrap_or(false)
    }

    fn release_lock(&mut self, bound: &Bound) -> Result<Answer, Failure> {
        let resource = bound.text("resource").unwrap_or_default();
        let spid = self.spid;
        self.with_server(|server| {
            let Some(process) = server.processes.get(&spid) else {
                return Err(message(596, &[]));
            };
            let key = (process.database.to_lowercase(), resource.clone());
            match server.locks.get_mut(&key) {
                Some((holder, count)) if *holder == spid => {
                    *count -= 1;
                    if *count == 0 {
                        server.locks.remove(&key);
                    }
                    Ok(Answer::default())
                }
                _ => Ok(Answer {
                    code: -999,
                    ..Answer::refused(message(1223, &[&resource]))
                }),
            }
        })
    }

    fn who(&mut self, two: bool) -> Result<Relation, Failure> {
        self.with_server(|server| {
            let rows = server.processes.values().map(|p| {
                let running = p.running.as_ref();
                let status = if running.is_some() {
                    "RUNNABLE"
                } else {
                    "sleeping"
                };
                (p, status, running.map_or("AWAITING COMMAND", |r| r.command))
            });
            if two {
                return Ok(relation! {
                    for (p, status, command) in rows;
                    "SPID": NAME => format!("{:<5}", p.spid),
                    "Status": NAME => status,
                    "Login": NAME => &p.login_name,
                    "HostName": NAME => &p.host_name,
                    "BlkBy": NAME => "  .",
                    "DBName": NAME => &p.database,
                    "Command": NAME => command,
                    "ProgramName": NAME => &p.program_name,
                });
            }
            Ok(relation! {
                for (p, status, command) in rows;
                "spid": SqlType::SmallInt => p.spid,
                "ecid": SqlType::SmallInt => 0,
                "status": NAME => status,
                "loginame": NAME => &p.login_name,
                "hostname": NAME => &p.host_name,
                "blk": NAME => "0",
                "dbname": NAME => &p.database,
                "cmd": NAME => command,
                "request_id": SqlType::Int => 0,
            })
        })
    }
}

fn parameter_name(
    parameters: &[&'static str],
    argument: &Argument,
    position: usize,
) -> Option<&'static str> {
    if argument.name.is_empty() {
        parameters.get(position).copied()
    } else {
        let name = argument.name.trim_start_matches('@');
        parameters
            .iter()
            .find(|p| p.eq_ignore_ascii_case(name))
            .copied()
    }
}

/// What a procedure gives back through OUTPUT parameters.
pub(super) type Output = Result<Vec<(&'static str, Datum)>, ServerError>;

/// Compares names as the instance collation does.
pub(super) fn same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}
