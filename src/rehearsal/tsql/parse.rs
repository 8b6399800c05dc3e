//! Batches, variables, control flow, EXEC; the commands are in [`super::command`].

use super::cursor::Cursor;
use super::token::Kind;
use super::{Argument, Expr, Statement, command, table};
use crate::rehearsal::message::message;
use crate::rehearsal::type_name::declared_type;
use crate::rehearsal::value::{ServerError, SqlType};

/// Words that begin a statement which the simulated instances do not know: error 102, where any
/// other first word is taken for a procedure.
const UNKNOWN: [&str; 19] = [
    "UPDATE",
    "DELETE",
    "MERGE",
    "TRUNCATE",
    "GRANT",
    "DENY",
    "REVOKE",
    "DBCC",
    "CHECKPOINT",
    "WITH",
    "OPEN",
    "CLOSE",
    "FETCH",
    "DEALLOCATE",
    "GOTO",
    "WHILE",
    "RAISERROR",
    "RECONFIGURE",
    "SHUTDOWN",
];

/// Nested IF and BEGIN deeper than this are refused instead of overflowing the stack.
const DEPTH: usize = 32;

/// Reads a batch. Errors: 102, 105, 113, 195; nothing of a batch with an error may run.
pub fn parse(sql: &str) -> Result<Vec<Statement>, ServerError> {
    let mut cursor = Cursor::new(sql)?;
    let mut statements = Vec::new();
    let mut first = true;
    loop {
        while cursor.take_mark(';') {}
        if cursor.at_end() {
            return Ok(statements);
        }
        // EXEC may be left out at the beginning of a batch.
        if first
            && !cursor.at_starter()
            && let Some(Kind::Word(word) | Kind::Quoted(word)) = cursor.peek()
            && !UNKNOWN.iter().any(|u| word.eq_ignore_ascii_case(u))
        {
            statements.push(execute(&mut cursor)?);
        } else {
            statement(&mut cursor, DEPTH, &mut statements)?;
        }
        first = false;
    }
}

/// Where in a batch the first statement ends that only throws, or not: what is behind it runs when it
/// does not. 0 where there is none.
pub fn guard_end(sql: &str) -> usize {
    let mut first = Vec::new();
    let Ok(mut cursor) = Cursor::new(sql) else {
        return 0;
    };
    if !cursor.is_word("IF") || statement(&mut cursor, DEPTH, &mut first).is_err() {
        return 0;
    }
    while cursor.take_mark(';') {}
    match first.as_slice() {
        [Statement::If { yes, no, .. }]
            if no.is_empty() && matches!(yes.as_slice(), [Statement::Throw { .. }]) =>
        {
            cursor.offset()
        }
        _ => 0,
    }
}

fn statement(
    cursor: &mut Cursor<'_>,
    depth: usize,
    into: &mut Vec<Statement>,
) -> Result<(), ServerError> {
    if depth == 0 {
        return Err(cursor.wrong());
    }
    if cursor.is_word("SELECT") {
        into.push(select(cursor)?);
        return Ok(());
    }
    let start = cursor.position();
    let word = cursor.any_word()?;
    let made = match word.as_str() {
        "DECLARE" => declare(cursor)?,
        "SET" => set(cursor)?,
        "USE" => Statement::Use(cursor.identifier()?),
        "PRINT" => Statement::Print(cursor.expression(false, &[])?),
        "WAITFOR" => {
            cursor.expect_word("DELAY")?;
            Statement::WaitFor(cursor.simple_value()?)
        }
        "EXEC" | "EXECUTE" => execute(cursor)?,
        "BEGIN" if !takes_transaction(cursor) => return block(cursor, depth, into),
        "BEGIN" => Statement::Begin,
        "COMMIT" | "ROLLBACK" => {
            takes_transaction(cursor);
            if word == "COMMIT" {
                Statement::Commit
            } else {
                Statement::Rollback
            }
        }
        "IF" => conditional(cursor, depth)?,
        "RETURN" => Statement::Return,
        "CREATE" => table::create(cursor)?,
        "INSERT" => table::insert(cursor)?,
        "THROW" => table::throw(cursor)?,
        other => {
            cursor.go_to(start);
            match other {
                "ALTER" | "BACKUP" | "RESTORE" | "KILL" | "DROP" => command::parse(cursor)?,
                _ => return Err(cursor.wrong()),
            }
        }
    };
    into.push(made);
    Ok(())
}

fn takes_transaction(cursor: &mut Cursor<'_>) -> bool {
    cursor.take_word("TRAN") || cursor.take_word("TRANSACTION")
}

fn block(
    cursor: &mut Cursor<'_>,
    depth: usize,
    into: &mut Vec<Statement>,
) -> Result<(), ServerError> {
    loop {
        while cursor.take_mark(';') {}
        if cursor.take_word("END") {
            return Ok(());
        }
        statement(cursor, depth - 1, into)?;
    }
}

fn conditional(cursor: &mut Cursor<'_>, depth: usize) -> Result<Statement, ServerError> {
    let start = cursor.position();
    let end = cursor.scan(Cursor::begins_at);
    let condition = cursor.text(start, end);
    if condition.is_empty() {
        return Err(cursor.wrong());
    }
    cursor.go_to(end);
    let mut yes = Vec::new();
    statement(cursor, depth - 1, &mut yes)?;
    let mut no = Vec::new();
    // A `;` may stand before ELSE only where a block ended; be as strict as SQL Server.
    if cursor.take_word("ELSE") {
        statement(cursor, depth - 1, &mut no)?;
    }
    Ok(Statement::If { condition, yes, no })
}

fn select(cursor: &mut Cursor<'_>) -> Result<Statement, ServerError> {
    let start = cursor.position();
    let end = cursor.select_end();
    let assigns = matches!(cursor.peek_at(1), Some(Kind::Variable(v)) if !v.starts_with("@@"))
        && cursor.peek_at(2) == Some(&Kind::Mark('='));
    if !assigns {
        let sql = cursor.text(start, end);
        cursor.go_to(end);
        return Ok(Statement::Select(sql));
    }
    // `SELECT @a = x, @b = y FROM t` is `SELECT x, y FROM t` with its last row kept.
    cursor.advance();
    let mut variables = Vec::new();
    let mut items = Vec::new();
    loop {
        let Some(Kind::Variable(name)) = cursor.advance() else {
            return Err(cursor.wrong());
        };
        cursor.expect_mark('=')?;
        let from = cursor.position();
        let to = cursor.scan(|c, at| {
            at >= end
                || matches!(c.kind_at(at), Some(Kind::Mark(',')))
                || matches!(c.kind_at(at), Some(Kind::Word(w)) if w.eq_ignore_ascii_case("FROM"))
        });
        if to == from {
            return Err(cursor.wrong());
        }
        items.push(format!("{} AS a{}", cursor.text(from, to), items.len()));
        variables.push(name);
        cursor.go_to(to);
        if !cursor.take_mark(',') {
            break;
        }
    }
    let rest = if cursor.position() < end {
        cursor.text(cursor.position(), end)
    } else {
        String::new()
    };
    cursor.go_to(end.max(cursor.position()));
    let sql = format!("SELECT {} {rest}", items.join(", "));
    Ok(Statement::Assign {
        variables,
        sql: sql.trim_end().to_owned(),
    })
}

fn declare(cursor: &mut Cursor<'_>) -> Result<Statement, ServerError> {
    let mut variables = Vec::new();
    loop {
        let name = match cursor.peek() {
            Some(Kind::Variable(name)) if !name.starts_with("@@") => name.clone(),
            _ => return Err(cursor.wrong()),
        };
        cursor.advance();
        cursor.take_word("AS");
        let sql_type = type_name(cursor)?;
        let value = if cursor.take_mark('=') {
            Some(cursor.expression(true, &[])?)
        } else {
            None
        };
        variables.push((name, sql_type, value));
        if !cursor.take_mark(',') {
            return Ok(Statement::Declare(variables));
        }
    }
}

pub(super) fn type_name(cursor: &mut Cursor<'_>) -> Result<SqlType, ServerError> {
    let mut text = cursor.identifier()?;
    let from = cursor.position();
    if cursor.take_mark('(') {
        let end = cursor.scan(|_, _| false);
        cursor.go_to(end);
        cursor.expect_mark(')')?;
        text.push_str(&cursor.text(from, end + 1));
    }
    declared_type(&text).ok_or_else(|| cursor.wrong())
}

/// Session options that clients set; what they change is of no account here.
const OPTIONS: [&str; 27] = [
    "ANSI_DEFAULTS",
    "ANSI_NULLS",
    "ANSI_NULL_DFLT_ON",
    "ANSI_NULL_DFLT_OFF",
    "ANSI_PADDING",
    "ANSI_WARNINGS",
    "ARITHABORT",
    "ARITHIGNORE",
    "CONCAT_NULL_YIELDS_NULL",
    "CONTEXT_INFO",
    "CURSOR_CLOSE_ON_COMMIT",
    "DATEFIRST",
    "DATEFORMAT",
    "DEADLOCK_PRIORITY",
    "FMTONLY",
    "IMPLICIT_TRANSACTIONS",
    "LANGUAGE",
    "LOCK_TIMEOUT",
    "NOCOUNT",
    "NOEXEC",
    "NUMERIC_ROUNDABORT",
    "QUERY_GOVERNOR_COST_LIMIT",
    "QUOTED_IDENTIFIER",
    "ROWCOUNT",
    "TEXTSIZE",
    "TRANSACTION",
    "XACT_ABORT",
];

fn set(cursor: &mut Cursor<'_>) -> Result<Statement, ServerError> {
    if let Some(Kind::Variable(name)) = cursor.peek() {
        let name = name.clone();
        cursor.advance();
        cursor.expect_mark('=')?;
        return Ok(Statement::SetVariable(name, cursor.expression(false, &[])?));
    }
    let start = cursor.position();
    let option = cursor.any_word()?;
    if !OPTIONS.contains(&option.as_str()) {
        return Err(ServerError {
            state: 1,
            ..message(195, &[&option, "SET option"])
        });
    }
    let end = cursor.scan(Cursor::begins_at);
    let words = cursor.text(start + 1, end);
    cursor.go_to(end);
    Ok(Statement::SetOption(option, words))
}

fn execute(cursor: &mut Cursor<'_>) -> Result<Statement, ServerError> {
    let result = receiver(cursor);
    let name = cursor.dotted_name()?;
    let mut arguments = Vec::new();
    while !cursor.at_end()
        && !cursor.is_mark(';')
        && (arguments.is_empty() || cursor.take_mark(','))
    {
        if arguments.is_empty() && cursor.at_starter() {
            break;
        }
        arguments.push(argument(cursor)?);
        if !cursor.is_mark(',') {
            break;
        }
    }
    Ok(Statement::Exec {
        result,
        name,
        arguments,
    })
}

/// `@x =`, where it stands next.
fn receiver(cursor: &mut Cursor<'_>) -> Option<String> {
    match cursor.peek() {
        Some(Kind::Variable(name)) if cursor.peek_at(1) == Some(&Kind::Mark('=')) => {
            let name = name.clone();
            cursor.advance();
            cursor.advance();
            Some(name)
        }
        _ => None,
    }
}

fn argument(cursor: &mut Cursor<'_>) -> Result<Argument, ServerError> {
    let name = receiver(cursor).unwrap_or_default();
    let value = match cursor.peek() {
        Some(Kind::Variable(v)) if v.starts_with("@@") => {
            let v = v.clone();
            cursor.advance();
            Expr::Sql(v)
        }
        _ => cursor.simple_value()?,
    };
    let output = cursor.take_word("OUTPUT") || cursor.take_word("OUT");
    Ok(Argument {
        name,
        value,
        output,
    })
}
