//! Runs the statements of a batch.

use std::time::Duration;

use crate::model::Instance;
use crate::rehearsal::catalog::{Variables, View, open};
use crate::rehearsal::hex::parse_hex;
use crate::rehearsal::message::message;
use crate::rehearsal::select::{Catalog, implicit, select, show};
use crate::rehearsal::tds::Reply;
use crate::rehearsal::tsql::{Expr, Statement, delay};
use crate::rehearsal::value::{Datum, Relation, ServerError, SqlType};
use crate::rehearsal::world::instance::SqlInstance;
use crate::rehearsal::world::{State, World};

/// The errors with which a statement fails, in order: the telling one first.
pub(super) type Failure = Vec<ServerError>;

/// Errors that mean: the world does not know this.
const UNKNOWN: [u32; 8] = [102, 137, 156, 195, 207, 208, 2812, 8145];

/// Conversions that fail end the batch (`sql-server.md` 10.2).
const CONVERSIONS: [u32; 4] = [241, 242, 245, 8114];

/// The class from which an error ends the batch (`sql-server.md` 10.2).
const ENDS_BATCH: u8 = 19;

pub(super) struct Batch<'a> {
    pub(super) world: &'a World,
    pub(super) instance: Instance,
    pub(super) spid: i64,
    pub(super) variables: Variables,
    pub(super) reply: &'a mut dyn Reply,
    rows: i64,
    error: i64,
    answered: bool,
    pub(super) failed: Option<u32>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(
        world: &'a World,
        instance: Instance,
        spid: i64,
        variables: Variables,
        reply: &'a mut dyn Reply,
    ) -> Self {
        Self {
            world,
            instance,
            spid,
            variables,
            reply,
            rows: 0,
            error: 0,
            answered: false,
            failed: None,
        }
    }

    /// Runs all statements: behind one that fails the next one runs, unless its error ends the batch
    /// (`sql-server.md` 10.2). Gives the number of the first error.
    pub(super) async fn run(&mut self, statements: &[Statement]) -> Option<u32> {
        let mut waiting: Vec<&Statement> = statements.iter().rev().collect();
        while let Some(statement) = waiting.pop() {
            if *statement == Statement::Return {
                break;
            }
            let outcome = if let Statement::If { condition, yes, no } = statement {
                self.holds(condition).map(|holds| {
                    waiting.extend((if holds { yes } else { no }).iter().rev());
                })
            } else {
                self.statement(statement).await
            };
            match outcome {
                Ok(()) => {
                    self.error = i64::from(self.failed.filter(|_| is_exec(statement)).unwrap_or(0));
                }
                Err(errors) => {
                    self.fail(&errors);
                    self.done(None);
                    if self.ends_batch(statement, &errors) {
                        break;
                    }
                    self.error = errors.first().map_or(0, |error| i64::from(error.number));
                }
            }
        }
        if !self.answered {
            self.done(None);
        }
        self.failed
    }

    /// THROW ends it, a failed conversion, what could not be compiled, and any error while `XACT_ABORT`
    /// is on. What a condition does that fails is not known.
    fn ends_batch(&self, statement: &Statement, errors: &[ServerError]) -> bool {
        let aborts = |error: &ServerError| {
            error.class >= ENDS_BATCH
                || UNKNOWN.contains(&error.number)
                || CONVERSIONS.contains(&error.number)
        };
        let xact_abort = self.world.with(|state| {
            let server = state.instances.get(&self.instance);
            server
                .and_then(|it| it.processes.get(&self.spid))
                .is_none_or(|process| process.xact_abort)
        });
        xact_abort
            || matches!(statement, Statement::Throw { .. } | Statement::If { .. })
            || errors.iter().any(aborts)
    }

    /// Sends errors, and notes what the world does not know.
    pub(super) fn fail(&mut self, errors: &[ServerError]) {
        for error in errors {
            let told = self.world.in_language(self.instance, self.spid, error);
            self.reply.error(&told);
            self.failed.get_or_insert(error.number);
            if UNKNOWN.contains(&error.number) {
                self.world.with(|state| state.not_known(error.to_string()));
            }
        }
    }

    pub(super) fn done(&mut self, rows: Option<u64>) {
        self.answered = true;
        self.reply.done(rows);
    }

    async fn statement(&mut self, statement: &Statement) -> Result<(), Failure> {
        match statement {
            Statement::Select(sql) => {
                let relation = self.select(sql)?;
                self.send(&relation);
            }
            Statement::Assign { variables, sql } => {
                let relation = self.select(sql)?;
                self.rows = i64::try_from(relation.rows.len()).unwrap_or(0);
                if let Some(row) = relation.rows.last() {
                    for ((name, value), column) in variables.iter().zip(row).zip(&relation.columns)
                    {
                        self.assign(name, column.sql_type, value)?;
                    }
                }
                self.done(None);
            }
            Statement::Declare(variables) => {
                for (name, sql_type, value) in variables {
                    let to = (*sql_type, Datum::Null);
                    self.variables.insert(name.clone(), to);
                    if let Some(expression) = value {
                        let (from, value) = self.value(expression)?;
                        self.assign(name, from, &value)?;
                    }
                }
            }
            Statement::SetVariable(name, expression) => {
                let (from, value) = self.value(expression)?;
                self.assign(name, from, &value)?;
                self.done(None);
            }
            Statement::SetOption(option, words) => {
                if option == "CONTEXT_INFO" {
                    let bytes = context_bytes(words);
                    self.with_process(|p| p.context = bytes);
                } else if option == "XACT_ABORT" {
                    let on = words.trim().eq_ignore_ascii_case("ON");
                    self.with_process(|p| p.xact_abort = on);
                } else if option == "LANGUAGE" {
                    // Another is not known here (`sql-server.md` 10.3).
                    let german = match words.trim().to_lowercase().as_str() {
                        "us_english" => false,
                        "german" => true,
                        _ => return Err(vec![message(102, &[words.trim()])]),
                    };
                    self.with_process(|p| p.german = german);
                    self.reply.info(&message(5703, &[words.trim()]));
                }
                self.done(None);
            }
            Statement::Use(name) => {
                self.change_database(name)?;
                self.done(None);
            }
            Statement::Print(expression) => {
                let (_, value) = self.value(expression)?;
                self.reply.info(&ServerError {
                    number: 0,
                    class: 0,
                    state: 1,
                    message: show(&value),
                });
                self.done(None);
            }
            Statement::WaitFor(expression) => {
                let (_, value) = self.value(expression)?;
                let time =
                    delay(&show(&value)).ok_or_else(|| vec![message(102, &[&show(&value)])])?;
                wait(time).await;
                self.done(None);
            }
            Statement::Exec {
                result,
                name,
                arguments,
            } => self.execute(result.as_deref(), name, arguments).await?,
            Statement::Restore(media) => self.restore(media).await?,
            Statement::Backup(media) => self.backup(media).await?,
            Statement::Kill {
                session,
                status_only,
            } => {
                self.kill(*session, *status_only)?;
                self.done(None);
            }
            Statement::AlterDatabase { .. }
            | Statement::AlterAuthorization { .. }
            | Statement::AlterUser { .. }
            | Statement::DropDatabase(_) => {
                let time = self.world.with(|state| state.service.command);
                wait(time).await;
                self.alter(statement)?;
                self.done(None);
            }
            Statement::CreateTable { name, columns, key } => {
                self.create_table(name, columns, key)?;
                self.done(None);
            }
            Statement::Insert { name, columns, sql } => self.insert(name, columns, sql)?,
            Statement::Throw {
                number,
                text,
                state,
            } => return Err(self.thrown(number, text, state)),
            Statement::Begin => self.transactions(|n| n + 1),
            Statement::Commit => self.transactions(|n| (n - 1).max(0)),
            Statement::Rollback => self.transactions(|_| 0),
            // Taken apart where the batch runs.
            Statement::If { .. } | Statement::Return => {}
        }
        Ok(())
    }

    fn transactions(&mut self, change: impl FnOnce(i64) -> i64) {
        self.with_process(|p| p.transactions = change(p.transactions));
        self.done(None);
    }

    fn with_process(&self, change: impl FnOnce(&mut crate::rehearsal::world::instance::Process)) {
        self.world.with(|state| {
            if let Some(process) = state
                .instances
                .get_mut(&self.instance)
                .and_then(|i| i.processes.get_mut(&self.spid))
            {
                change(process);
            }
        });
    }

    fn change_database(&mut self, name: &str) -> Result<(), Failure> {
        let found = self.with_server(|server| {
            open(server, name, self.spid)?;
            Ok(server.database(name).map(|d| d.name.clone()))
        })?;
        if let Some(database) = found {
            self.with_process(|p| p.database = database);
        }
        Ok(())
    }

    /// Looks at this session's instance.
    pub(super) fn with_server<T>(
        &self,
        look: impl FnOnce(&mut SqlInstance) -> Result<T, ServerError>,
    ) -> Result<T, Failure> {
        self.world.with(|state| {
            let server = state
                .instances
                .get_mut(&self.instance)
                .filter(|s| s.up)
                .ok_or_else(|| vec![message(596, &[])])?;
            look(server).map_err(|e| vec![e])
        })
    }

    fn view<T>(&self, look: impl FnOnce(&View<'_>) -> T) -> Result<T, Failure> {
        let now = self.world.now();
        self.world.with(|state: &mut State| {
            let state: &State = state;
            let found = state
                .instances
                .get(&self.instance)
                .and_then(|server| Some((server, server.processes.get(&self.spid)?)));
            let (server, process) = found.ok_or_else(|| vec![message(596, &[])])?;
            Ok(look(&View {
                state,
                instance: server,
                me: process,
                now,
                rows: self.rows,
                error: self.error,
                variables: &self.variables,
            }))
        })
    }

    pub(super) fn select(&mut self, sql: &str) -> Result<Relation, Failure> {
        self.view(|view| select(sql, view))?.map_err(|e| vec![e])
    }

    pub(super) fn send(&mut self, relation: &Relation) {
        self.reply.columns(&relation.columns);
        for row in &relation.rows {
            self.reply.row(row);
        }
        self.rows = i64::try_from(relation.rows.len()).unwrap_or(i64::MAX);
        self.done(Some(relation.rows.len() as u64));
    }

    fn holds(&mut self, condition: &str) -> Result<bool, Failure> {
        let sql = format!("SELECT CASE WHEN {condition} THEN 1 ELSE 0 END AS holds");
        let relation = self.select(&sql)?;
        Ok(relation.rows.first().and_then(|r| r.first()) == Some(&Datum::Int(1)))
    }

    /// Evaluates an expression.
    pub(super) fn value(&mut self, expression: &Expr) -> Result<(SqlType, Datum), Failure> {
        match expression {
            Expr::Literal(sql_type, value) => Ok((*sql_type, value.clone())),
            Expr::Variable(name) => self
                .view(|view| view.variable(name))?
                .ok_or_else(|| vec![message(137, &[name])]),
            Expr::Sql(sql) => {
                // `@@NAME` alone needs no evaluator.
                if let Some(found) = self.view(|view| view.variable(&sql.to_uppercase()))? {
                    return Ok(found);
                }
                let relation = self.select(&format!("SELECT {sql}"))?;
                match (
                    relation.columns.first(),
                    relation.rows.first().and_then(|r| r.first()),
                ) {
                    (Some(column), Some(value)) => Ok((column.sql_type, value.clone())),
                    _ => Ok((SqlType::NVarChar(Some(1)), Datum::Null)),
                }
            }
        }
    }

    /// The same as a text.
    pub(super) fn text(&mut self, expression: &Expr) -> Result<String, Failure> {
        Ok(show(&self.value(expression)?.1))
    }

    pub(super) fn assign(
        &mut self,
        name: &str,
        from: SqlType,
        value: &Datum,
    ) -> Result<(), Failure> {
        let Some((sql_type, held)) = self.variables.get_mut(name) else {
            return Err(vec![message(137, &[name])]);
        };
        *held = implicit(value, from, *sql_type).map_err(|error| vec![error])?;
        Ok(())
    }
}

/// Lets simulated time pass.
pub(super) async fn wait(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

/// The constant of `SET CONTEXT_INFO`, up to 128 bytes (`sql-server.md` 8).
fn context_bytes(words: &str) -> Option<Vec<u8>> {
    let mut bytes = parse_hex(words.trim().strip_prefix("0x")?)?;
    bytes.truncate(128);
    Some(bytes)
}

fn is_exec(statement: &Statement) -> bool {
    matches!(statement, Statement::Exec { .. })
}
