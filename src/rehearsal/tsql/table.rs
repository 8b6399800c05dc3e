//! CREATE TABLE, INSERT … SELECT, THROW: as much of them as a table of one's own in `msdb` needs.

use super::cursor::Cursor;
use super::parse::type_name;
use super::{Expr, Statement};
use crate::rehearsal::value::{Column, ServerError};

/// `CREATE TABLE x (column type [NOT NULL], …, PRIMARY KEY (a, b))`, its first word taken.
pub(super) fn create(cursor: &mut Cursor<'_>) -> Result<Statement, ServerError> {
    cursor.expect_word("TABLE")?;
    let name = cursor.dotted_name()?;
    cursor.expect_mark('(')?;
    let (mut columns, mut key) = (Vec::new(), Vec::new());
    loop {
        if cursor.take_word("PRIMARY") {
            cursor.expect_word("KEY")?;
            key = names(cursor)?;
        } else {
            let column = cursor.identifier()?;
            let sql_type = type_name(cursor)?;
            columns.push(Column::new(&column, sql_type));
            // No column here takes NULL.
            cursor.expect_word("NOT")?;
            cursor.expect_word("NULL")?;
        }
        if !cursor.take_mark(',') {
            break;
        }
    }
    cursor.expect_mark(')')?;
    Ok(Statement::CreateTable { name, columns, key })
}

/// `INSERT INTO x (a, b) SELECT …`, its first word taken.
pub(super) fn insert(cursor: &mut Cursor<'_>) -> Result<Statement, ServerError> {
    cursor.take_word("INTO");
    let name = cursor.dotted_name()?;
    let columns = names(cursor)?;
    if !cursor.is_word("SELECT") {
        return Err(cursor.wrong());
    }
    let (start, end) = (cursor.position(), cursor.select_end());
    let sql = cursor.text(start, end);
    cursor.go_to(end);
    Ok(Statement::Insert { name, columns, sql })
}

/// `THROW number, text, state`, its first word taken. Its number is 50000 or above, and the batch
/// ends with it (`sql-server.md` 10.2).
pub(super) fn throw(cursor: &mut Cursor<'_>) -> Result<Statement, ServerError> {
    let number = cursor.simple_value()?;
    cursor.expect_mark(',')?;
    let text = cursor.simple_value()?;
    cursor.expect_mark(',')?;
    let state = cursor.simple_value()?;
    let is_own =
        matches!(&number, Expr::Literal(_, crate::rehearsal::value::Datum::Int(n)) if *n >= 50_000);
    if is_own {
        Ok(Statement::Throw {
            number,
            text,
            state,
        })
    } else {
        Err(cursor.wrong())
    }
}

fn names(cursor: &mut Cursor<'_>) -> Result<Vec<String>, ServerError> {
    cursor.expect_mark('(')?;
    let mut names = vec![cursor.identifier()?];
    while cursor.take_mark(',') {
        names.push(cursor.identifier()?);
    }
    cursor.expect_mark(')')?;
    Ok(names)
}
