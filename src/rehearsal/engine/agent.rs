//! The Agent runs the T-SQL step of a job: at one instant, in a session of its own
//! (`sql-server.md` 1.9).

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::backup::{end_backup, may_begin};
use super::media::Device;
use crate::model::Instance;
use crate::rehearsal::backup_set::Guid;
use crate::rehearsal::catalog::{Variables, View};
use crate::rehearsal::message::message;
use crate::rehearsal::select::{Catalog as _, implicit, select, show};
use crate::rehearsal::tsql::{self, Expr, Media, Statement, Subject};
use crate::rehearsal::value::{Datum, ServerError, SqlType};
use crate::rehearsal::world::State;
use crate::rehearsal::world::instance::{Kind, Process};

/// The account of the Agent.
const AGENT: &str = "NT SERVICE\\SQLSERVERAGENT";

/// Runs the step of a job. An error ends it: on a server the job's history shows it. What the world
/// does not know is noted.
pub(in crate::rehearsal) fn run_step(
    state: &mut State,
    instance: Instance,
    id: &Guid,
    at: Timestamp,
) {
    let Some(server) = state.instances.get_mut(&instance).filter(|it| it.up) else {
        return;
    };
    let Some(command) = server.msdb.job(id).map(|job| job.command.clone()) else {
        return;
    };
    let spid = server.free_spid();
    server.processes.insert(
        spid,
        Process {
            spid,
            kind: Kind::Job,
            login_time: at,
            login_name: AGENT.to_owned(),
            host_name: String::new(),
            program_name: "SQLAgent - TSQL JobStep".to_owned(),
            database: "master".to_owned(),
            running: None,
            transactions: 0,
            context: None,
            xact_abort: false,
            german: false,
            token: CancellationToken::new(),
        },
    );
    let mut step = Step {
        state,
        instance,
        spid,
        at,
        variables: Variables::new(),
    };
    let ended = tsql::parse(&command).and_then(|statements| step.run(&statements));
    if let Err(error) = ended
        && [102, 137, 195, 207, 208, 2812].contains(&error.number)
    {
        state.not_known(format!("{error}: {command}"));
    }
    if let Some(server) = state.instances.get_mut(&instance) {
        server.end(spid);
    }
}

struct Step<'a> {
    state: &'a mut State,
    instance: Instance,
    spid: i64,
    at: Timestamp,
    variables: Variables,
}

impl Step<'_> {
    fn run(&mut self, statements: &[Statement]) -> Result<(), ServerError> {
        for statement in statements {
            match statement {
                Statement::Declare(variables) => {
                    for (name, sql_type, value) in variables {
                        let value = match value {
                            Some(expression) => {
                                let (from, value) = self.value(expression)?;
                                implicit(&value, from, *sql_type)?
                            }
                            None => Datum::Null,
                        };
                        self.variables.insert(name.clone(), (*sql_type, value));
                    }
                }
                Statement::If { condition, yes, no } => {
                    let sql = format!("CASE WHEN {condition} THEN 1 ELSE 0 END");
                    let (_, holds) = self.value(&Expr::Sql(sql))?;
                    self.run(if holds == Datum::Int(1) { yes } else { no })?;
                }
                Statement::Backup(media) if media.subject == Subject::Log => self.backup(media)?,
                other => return Err(message(102, &[&format!("{other:?}")])),
            }
        }
        Ok(())
    }

    fn value(&self, expression: &Expr) -> Result<(SqlType, Datum), ServerError> {
        let gone = || message(596, &[]);
        let server = self.state.instances.get(&self.instance).ok_or_else(gone)?;
        let view = View {
            state: self.state,
            instance: server,
            me: server.processes.get(&self.spid).ok_or_else(gone)?,
            now: self.at,
            rows: 0,
            error: 0,
            variables: &self.variables,
        };
        match expression {
            Expr::Literal(sql_type, value) => Ok((*sql_type, value.clone())),
            Expr::Variable(name) => view.variable(name).ok_or_else(|| message(137, &[name])),
            Expr::Sql(sql) => {
                let relation = select(&format!("SELECT {sql}"), &view)?;
                let value = relation.rows.first().and_then(|row| row.first());
                match (relation.columns.first(), value) {
                    (Some(column), Some(value)) => Ok((column.sql_type, value.clone())),
                    _ => Ok((SqlType::NVarChar(Some(1)), Datum::Null)),
                }
            }
        }
    }

    fn backup(&mut self, media: &Media) -> Result<(), ServerError> {
        let text = |expression: &Option<Expr>| match expression {
            Some(expression) => self.value(expression).map(|(_, value)| show(&value)),
            None => Ok(String::new()),
        };
        let device = Device {
            database: text(&media.database)?,
            path: text(&media.disk)?,
            position: 1,
        };
        let at = (self.instance, self.spid);
        may_begin(self.state.instance(at.0)?, at.1, media, &device.database)?;
        end_backup(self.state, at, self.at, media, &device).map(|_| ())
    }
}
