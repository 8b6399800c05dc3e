//! Tables that somebody made in `msdb`.

use super::batch::{Batch, Failure};
use crate::rehearsal::message::message;
use crate::rehearsal::select::implicit;
use crate::rehearsal::tsql::Expr;
use crate::rehearsal::value::{Column, Datum, ServerError};
use crate::rehearsal::world::msdb::UserTable;

impl Batch<'_> {
    /// Errors: 208 for another place than `msdb.dbo`, 2714, 1911.
    pub(super) fn create_table(
        &self,
        name: &[String],
        columns: &[Column],
        key: &[String],
    ) -> Result<(), Failure> {
        let object = in_msdb(name)?;
        let place = |column: &String| {
            let found = columns
                .iter()
                .position(|it| it.name.eq_ignore_ascii_case(column));
            found.ok_or_else(|| vec![message(1911, &[column])])
        };
        let key = key.iter().map(place).collect::<Result<Vec<_>, _>>()?;
        self.with_server(|server| {
            if server.msdb.table(object).is_some() {
                return Err(message(2714, &[object]));
            }
            server.msdb.tables.push(UserTable {
                name: object.to_owned(),
                columns: columns.to_vec(),
                key,
                rows: Vec::new(),
            });
            Ok(())
        })
    }

    /// Errors: 208, 207, 213, 2627, and those of the SELECT.
    pub(super) fn insert(
        &mut self,
        name: &[String],
        columns: &[String],
        sql: &str,
    ) -> Result<(), Failure> {
        let object = in_msdb(name)?;
        let selected = self.select(sql)?;
        let inserted = self.with_server(|server| {
            let table = server.msdb.tables.iter_mut();
            let table = table
                .into_iter()
                .find(|it| it.is(object))
                .ok_or_else(|| message(208, &[&name.join(".")]))?;
            if columns.len() != table.columns.len() || columns.len() != selected.columns.len() {
                return Err(message(213, &[]));
            }
            for row in &selected.rows {
                let mut made = vec![Datum::Null; table.columns.len()];
                for ((column, value), from) in columns.iter().zip(row).zip(&selected.columns) {
                    let mut own = table.columns.iter();
                    let at = own
                        .position(|it| it.name.eq_ignore_ascii_case(column))
                        .ok_or_else(|| message(207, &[column]))?;
                    made[at] = implicit(value, from.sql_type, table.columns[at].sql_type)?;
                }
                let keyed = |row: &Vec<Datum>| -> Vec<Datum> {
                    table.key.iter().map(|at| row[*at].clone()).collect()
                };
                if !table.key.is_empty() && table.rows.iter().any(|it| keyed(it) == keyed(&made)) {
                    return Err(message(2627, &[&table.name, &table.name]));
                }
                table.rows.push(made);
            }
            Ok(selected.rows.len())
        })?;
        self.done(Some(inserted as u64));
        Ok(())
    }

    /// The error that a THROW raises.
    pub(super) fn thrown(&mut self, number: &Expr, text: &Expr, state: &Expr) -> Failure {
        let mut whole = |expression| match self.value(expression) {
            Ok((_, Datum::Int(n))) => n,
            Ok(_) | Err(_) => 0,
        };
        let (number, state) = (whole(number), whole(state));
        let text = self.text(text).unwrap_or_default();
        vec![ServerError {
            number: u32::try_from(number).unwrap_or(50_000),
            class: 16,
            state: u8::try_from(state).unwrap_or(1),
            message: text,
        }]
    }
}

fn in_msdb(name: &[String]) -> Result<&str, Failure> {
    match name {
        [database, schema, object]
            if database.eq_ignore_ascii_case("msdb") && schema.eq_ignore_ascii_case("dbo") =>
        {
            Ok(object)
        }
        _ => Err(vec![message(208, &[&name.join(".")])]),
    }
}
