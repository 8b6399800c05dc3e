#![allow(clippy::unwrap_used)]

mod errors;
mod expressions;
mod instance;
mod observations;
mod queries;
mod robustness;

use std::cell::Cell;
use std::collections::HashMap;

use jiff::civil::{DateTime, date};

use super::super::value::{Column, Datum, Relation, ServerError, SqlType};
use super::{Catalog, scalar, select};

/// An instance of a few tables.
#[derive(Default)]
struct Fake {
    tables: HashMap<String, Relation>,
    variables: HashMap<String, (SqlType, Datum)>,
    reads: Cell<usize>,
}

impl Catalog for Fake {
    fn table(&self, name: &[String]) -> Option<Result<Relation, ServerError>> {
        self.reads.set(self.reads.get() + 1);
        let name = name.join(".").to_lowercase();
        let name = name.strip_prefix("master.").unwrap_or(&name);
        self.tables.get(name).cloned().map(Ok)
    }

    fn function(
        &self,
        name: &str,
        arguments: &[Datum],
    ) -> Option<Result<(SqlType, Datum), ServerError>> {
        Some(Ok(match (name, arguments) {
            ("SYSUTCDATETIME" | "CURRENT_TIMESTAMP", []) => (SqlType::DateTime2, moment(12, 5, 0)),
            ("IS_SRVROLEMEMBER", [_]) => (SqlType::Int, Datum::Int(1)),
            ("SERVERPROPERTY", [Datum::Text(name)]) => {
                let value = match name.to_uppercase().as_str() {
                    "SERVERNAME" => text(r"SQL3\CHAT"),
                    "INSTANCENAME" => text("CHAT"),
                    "PRODUCTVERSION" => text("13.0.5026.0"),
                    "COLLATION" => text("SQL_Latin1_General_CP1_CI_AS"),
                    "ENGINEEDITION" => Datum::Int(3),
                    _ => Datum::Null,
                };
                (SqlType::Variant, value)
            }
            ("SUSER_SNAME", [Datum::Bytes(sid)]) => {
                let name = if sid == &[1] { text("sa") } else { Datum::Null };
                (SqlType::NVarChar(Some(128)), name)
            }
            ("SUSER_SNAME", [_]) => (SqlType::NVarChar(Some(128)), Datum::Null),
            ("DB_ID", [Datum::Text(name)]) => {
                let id = match name.to_lowercase().as_str() {
                    "master" => Datum::Int(1),
                    "mgc" => Datum::Int(5),
                    _ => Datum::Null,
                };
                (SqlType::SmallInt, id)
            }
            ("DB_ID", [_]) => (SqlType::SmallInt, Datum::Null),
            ("MSDB.DBO.TWICE", [value]) => match value {
                Datum::Int(number) => (SqlType::Int, Datum::Int(number * 2)),
                _ => (SqlType::Int, Datum::Null),
            },
            _ => return None,
        }))
    }

    fn variable(&self, name: &str) -> Option<(SqlType, Datum)> {
        self.variables.get(name).cloned()
    }
}

impl Fake {
    /// Adds a table: `name type` per column, and its rows.
    fn with(mut self, name: &str, columns: &[(&str, SqlType)], rows: Vec<Vec<Datum>>) -> Self {
        assert!(rows.iter().all(|row| row.len() == columns.len()), "{name}");
        let columns = columns
            .iter()
            .map(|(name, sql_type)| Column::new(name, *sql_type))
            .collect();
        self.tables
            .insert(name.to_owned(), Relation { columns, rows });
        self
    }

    fn set(mut self, name: &str, sql_type: SqlType, value: Datum) -> Self {
        self.variables.insert(name.to_owned(), (sql_type, value));
        self
    }
}

const TEXT: SqlType = SqlType::NVarChar(Some(128));

fn text(value: &str) -> Datum {
    Datum::Text(value.to_owned())
}

fn int(value: i64) -> Datum {
    Datum::Int(value)
}

fn lsn(value: i128) -> Datum {
    Datum::Numeric(value)
}

/// A moment of one day.
fn moment(hour: i8, minute: i8, second: i8) -> Datum {
    Datum::DateTime(at(hour, minute, second))
}

fn at(hour: i8, minute: i8, second: i8) -> DateTime {
    date(2026, 11, 24).at(hour, minute, second, 0)
}

/// People and the rooms that they own, with gaps.
fn people() -> Fake {
    let person = |id, name: &str, age, boss| vec![int(id), text(name), age, boss];
    Fake::default()
        .with(
            "dbo.person",
            &[
                ("id", SqlType::Int),
                ("name", TEXT),
                ("age", SqlType::TinyInt),
                ("boss", SqlType::Int),
            ],
            vec![
                person(1, "Ann", int(40), Datum::Null),
                person(2, "bob", int(30), int(1)),
                person(3, "Cid", Datum::Null, int(1)),
                person(4, "Dan", int(30), int(2)),
            ],
        )
        .with(
            "dbo.room",
            &[
                ("id", SqlType::Int),
                ("owner", SqlType::Int),
                ("title", TEXT),
            ],
            vec![
                vec![int(10), int(1), text("Lobby")],
                vec![int(11), int(1), text("attic")],
                vec![int(12), int(4), text("Cellar")],
                vec![int(13), Datum::Null, text("Yard")],
            ],
        )
        .set("@NAME", SqlType::NVarChar(Some(4000)), text("ANN"))
        .set("@@SPID", SqlType::SmallInt, int(51))
}

fn rows(sql: &str) -> Vec<Vec<Datum>> {
    select(sql, &people())
        .unwrap_or_else(|error| panic!("{sql}: {error}"))
        .rows
}

/// First column of the rows.
fn column(sql: &str) -> Vec<Datum> {
    rows(sql).into_iter().map(|mut row| row.remove(0)).collect()
}

fn value(expression: &str) -> (SqlType, Datum) {
    scalar(expression, &people()).unwrap_or_else(|error| panic!("{expression}: {error}"))
}

fn number(sql: &str) -> u32 {
    match select(sql, &people()) {
        Ok(rows) => panic!("{sql}: {rows:?}"),
        Err(error) => error.number,
    }
}
