//! Statements that a client prepares and runs by their handle: `sp_executesql`, `sp_prepare` and
//! their kin become the batches that they run (`tds.md` 3).
//!
//! A statement is first read when it runs, so it is then that its errors show.

use std::collections::HashMap;

use super::Request;
use super::rpc::{Argument, Call, bind};
use crate::rehearsal::message::message;
use crate::rehearsal::value::{Datum, ServerError};

/// The statements that a session has prepared.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    statements: HashMap<i64, Statement>,
    last: i32,
}

#[derive(Clone, Debug)]
struct Statement {
    sql: String,
    /// `@P1 int,@P2 nvarchar(30)`
    declared: String,
}

/// What a call comes to.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Resolved {
    /// To be run.
    pub(super) request: Option<Request>,
    /// To be given back.
    pub(super) handle: Option<Handle>,
}

/// The handle of a prepared statement, in the parameter that asks for it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Handle {
    pub(super) parameter: String,
    pub(super) number: i32,
}

impl Prepared {
    /// Resolves a call.
    ///
    /// # Errors
    /// 214 for an argument of another type, 8179 for a handle that does not exist.
    pub(super) fn resolve(&mut self, call: Call) -> Result<Resolved, ServerError> {
        let mut arguments = call.arguments.into_iter();
        let procedure = last_part(&call.name).to_ascii_lowercase();
        let request = match procedure.as_str() {
            "sp_executesql" => {
                let sql = text(arguments.next(), "@statement")?;
                let declared = optional_text(arguments.next(), "@params")?;
                bind(sql, &declared, arguments)
            }
            "sp_prepare" | "sp_prepexec" => {
                let handle = arguments.next().ok_or_else(|| expected("@handle", "int"))?;
                let declared = optional_text(arguments.next(), "@params")?;
                let sql = text(arguments.next(), "@stmt")?;
                // A client that gives an old handle does not want it any more.
                if let Datum::Int(old) = handle.value {
                    self.statements.remove(&old);
                }
                let run =
                    (procedure == "sp_prepexec").then(|| bind(sql.clone(), &declared, arguments));
                return Ok(Resolved {
                    request: run,
                    handle: Some(Handle {
                        parameter: handle.name,
                        number: self.keep(Statement { sql, declared }),
                    }),
                });
            }
            "sp_execute" => {
                let handle = number(arguments.next())?;
                let statement = self.statements.get(&handle).cloned();
                let Statement { sql, declared } = statement.ok_or_else(|| unknown(handle))?;
                bind(sql, &declared, arguments)
            }
            "sp_unprepare" => {
                let handle = number(arguments.next())?;
                self.statements
                    .remove(&handle)
                    .ok_or_else(|| unknown(handle))?;
                return Ok(Resolved::default());
            }
            // An empty answer: clients then take the types of their values.
            "sp_describe_undeclared_parameters" => return Ok(Resolved::default()),
            _ => Request::Procedure {
                name: call.name,
                parameters: arguments.map(|argument| argument.declared(&[])).collect(),
            },
        };
        Ok(Resolved {
            request: Some(request),
            handle: None,
        })
    }

    fn keep(&mut self, statement: Statement) -> i32 {
        self.last = self.last.wrapping_add(1);
        self.statements.insert(self.last.into(), statement);
        self.last
    }
}

/// The procedure's own name, without schema and brackets.
fn last_part(name: &str) -> &str {
    let last = name.rsplit('.').next().unwrap_or(name);
    last.strip_prefix('[')
        .and_then(|inner| inner.strip_suffix(']'))
        .unwrap_or(last)
}

fn expected(parameter: &str, sql_type: &str) -> ServerError {
    message(214, &[parameter, sql_type])
}

fn unknown(handle: i64) -> ServerError {
    message(8179, &[&handle.to_string()])
}

fn text(argument: Option<Argument>, parameter: &str) -> Result<String, ServerError> {
    match argument.map(|argument| argument.value) {
        Some(Datum::Text(text)) => Ok(text),
        _ => Err(expected(parameter, "ntext/nchar/nvarchar")),
    }
}

fn optional_text(argument: Option<Argument>, parameter: &str) -> Result<String, ServerError> {
    match argument {
        None
        | Some(Argument {
            value: Datum::Null, ..
        }) => Ok(String::new()),
        given => text(given, parameter),
    }
}

fn number(argument: Option<Argument>) -> Result<i64, ServerError> {
    match argument.map(|argument| argument.value) {
        Some(Datum::Int(number)) => Ok(number),
        _ => Err(expected("@handle", "int")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::Parameter;
    use super::*;
    use crate::rehearsal::value::SqlType;

    fn call(name: &str, values: Vec<Datum>) -> Call {
        let argument = |(at, value)| Argument {
            name: if at == 0 {
                "@first".to_owned()
            } else {
                String::new()
            },
            sql_type: None,
            value,
        };
        Call {
            name: name.to_owned(),
            arguments: values.into_iter().enumerate().map(argument).collect(),
        }
    }

    fn text(text: &str) -> Datum {
        Datum::Text(text.to_owned())
    }

    fn batch(sql: &str, parameters: &[(&str, Datum)]) -> Resolved {
        let parameter = |(name, value): &(&str, Datum)| Parameter {
            name: (*name).to_owned(),
            sql_type: SqlType::BigInt,
            value: value.clone(),
        };
        Resolved {
            request: Some(Request::Batch {
                sql: sql.to_owned(),
                parameters: parameters.iter().map(parameter).collect(),
            }),
            handle: None,
        }
    }

    fn with_handle(resolved: Resolved, number: i32) -> Resolved {
        let parameter = "@first".to_owned();
        Resolved {
            handle: Some(Handle { parameter, number }),
            ..resolved
        }
    }

    #[test]
    fn executesql_is_known_by_any_spelling_of_its_name() {
        for name in [
            "sp_executesql",
            "sys.SP_ExecuteSQL",
            "[sys].[sp_executesql]",
        ] {
            let values = vec![text("SELECT @a"), text("@a bigint"), Datum::Int(5)];
            let resolved = Prepared::default().resolve(call(name, values)).unwrap();
            assert_eq!(resolved, batch("SELECT @a", &[("@a", Datum::Int(5))]));
        }
        let alone = Prepared::default().resolve(call("sp_executesql", vec![text("x")]));
        assert_eq!(alone.unwrap(), batch("x", &[]));
    }

    #[test]
    fn a_prepared_statement_runs_by_its_handle_until_it_is_given_up() {
        let mut prepared = Prepared::default();
        let mut resolve = |name: &str, values| prepared.resolve(call(name, values));
        let values = vec![Datum::Null, text("@a bigint"), text("one"), Datum::Int(1)];
        let first = resolve("sp_prepare", values).unwrap();
        assert_eq!(first, with_handle(Resolved::default(), 1));
        let values = vec![Datum::Null, Datum::Null, text("two")];
        let second = resolve("sp_prepare", values).unwrap();
        assert_eq!(second, with_handle(Resolved::default(), 2));

        let again = resolve("sp_execute", vec![Datum::Int(1), Datum::Int(7)]).unwrap();
        assert_eq!(again, batch("one", &[("@a", Datum::Int(7))]));

        let gone = resolve("sp_unprepare", vec![Datum::Int(1)]).unwrap();
        assert_eq!(gone, Resolved::default());
        for name in ["sp_execute", "sp_unprepare"] {
            let error = resolve(name, vec![Datum::Int(1)]).unwrap_err();
            assert_eq!(error.number, 8179);
        }
        let other = resolve("sp_execute", vec![Datum::Int(2)]).unwrap();
        assert_eq!(other, batch("two", &[]));
    }

    #[test]
    fn prepexec_runs_at_once_and_gives_up_an_old_handle() {
        let mut prepared = Prepared::default();
        let mut resolve = |name: &str, values| prepared.resolve(call(name, values));
        let statement = |old| vec![old, text("@a bigint"), text("x"), Datum::Int(3)];
        let first = resolve("sp_prepexec", statement(Datum::Null)).unwrap();
        let run = || batch("x", &[("@a", Datum::Int(3))]);
        assert_eq!(first, with_handle(run(), 1));
        let second = resolve("sp_prepexec", statement(Datum::Int(1))).unwrap();
        assert_eq!(second, with_handle(run(), 2));
        assert!(resolve("sp_execute", vec![Datum::Int(1)]).is_err());
        assert!(resolve("sp_execute", vec![Datum::Int(2)]).is_ok());
    }

    #[test]
    fn arguments_of_another_type_are_refused() {
        for (name, values) in [
            ("sp_executesql", vec![]),
            ("sp_executesql", vec![Datum::Int(1)]),
            ("sp_executesql", vec![text("x"), Datum::Int(1)]),
            ("sp_prepare", vec![]),
            ("sp_prepare", vec![Datum::Null, text("")]),
            ("sp_prepexec", vec![Datum::Null, text(""), Datum::Null]),
            ("sp_execute", vec![]),
            ("sp_unprepare", vec![Datum::Null]),
        ] {
            let error = Prepared::default().resolve(call(name, values.clone()));
            assert_eq!(error.unwrap_err().number, 214, "{name} {values:?}");
        }
    }

    #[test]
    fn other_procedures_are_passed_on() {
        let other = call("msdb.dbo.sp_help_job", vec![text("copy")]);
        let resolved = Prepared::default().resolve(other).unwrap();
        assert!(matches!(
            resolved.request,
            Some(Request::Procedure { name, parameters })
                if name == "msdb.dbo.sp_help_job" && parameters.len() == 1
        ));
        let described = call("sp_describe_undeclared_parameters", vec![text("x")]);
        let resolved = Prepared::default().resolve(described).unwrap();
        assert_eq!(resolved, Resolved::default());
    }
}
