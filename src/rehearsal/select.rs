//! SELECTs over the world's tables, parsed by sqlparser's SQL Server dialect.
//!
//! A statement is parsed, bound (every name found, every type known, what is not evaluated here
//! refused with error 102), and run. What is evaluated: select lists, TOP, FROM with inner, LEFT and
//! CROSS joins and derived tables, WHERE, EXISTS, IN, scalar subqueries, GROUP BY, HAVING, DISTINCT,
//! UNION, ORDER BY, and expressions over the types of [`SqlType`].

mod aggregate;
mod arithmetic;
mod bind;
mod condition;
mod convert;
mod dates;
mod error;
mod evaluate;
mod expression;
mod from;
mod function;
mod plan;
mod projection;
mod query;
mod run;
#[cfg(test)]
mod tests;
mod text;
mod types;
mod union;
mod value;

use std::rc::Rc;

use sqlparser::ast::{Query, Statement};
use sqlparser::dialect::MsSqlDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::kept::Kept;
use super::message::syntax;
use super::tsql::token::parser_tokens;
use super::value::{Datum, Relation, ServerError, SqlType};
use bind::{Binder, Role};
use evaluate::{Frame, evaluate};
pub use value::inner_type;

/// How many operators and names a statement may have. A chain of operators becomes a tree as deep as
/// the chain is long, which the parser's types take apart by recursion.
const TOKENS: usize = 5_000;

/// What a SELECT can read.
pub trait Catalog {
    /// A table or view by the parts of its name as written (`["sys","databases"]`,
    /// `["msdb","dbo","sysjobs"]`); `None` = error 208.
    fn table(&self, name: &[String]) -> Option<Result<Relation, ServerError>>;

    /// A scalar function that asks the server (`SERVERPROPERTY`, `DB_ID`, …),
    /// name in upper case; `None` = unknown, error 195.
    ///
    /// A name of several parts comes with its dots. A call whose arguments depend on rows is also
    /// made once with NULLs, for the type of its answer; one that depends on no row is made once.
    fn function(
        &self,
        name: &str,
        arguments: &[Datum],
    ) -> Option<Result<(SqlType, Datum), ServerError>>;

    /// `@name` and `@@NAME`, upper case; `None` = error 137.
    fn variable(&self, name: &str) -> Option<(SqlType, Datum)>;
}

/// Evaluates one SELECT.
///
/// # Errors
///
/// What the server would answer; 102 for every clause, option or expression that is not evaluated
/// here.
pub fn select(sql: &str, catalog: &dyn Catalog) -> Result<Relation, ServerError> {
    let query = PARSED.with(|kept| kept.of(sql, |sql| parsed(sql).map(Rc::new)))?;
    let (query, _) = Binder::new(catalog).query(&query, Role::Statement)?;
    run::query(&query, None, catalog)
}

thread_local! {
    static PARSED: Kept<Result<Rc<Query>, ServerError>> = Kept::default();
}

fn parsed(sql: &str) -> Result<Query, ServerError> {
    let mut statements = parser(sql)?
        .parse_statements()
        .map_err(|error| not_parsed(&error))?;
    match (statements.pop(), statements.pop()) {
        (Some(Statement::Query(query)), None) => Ok(*query),
        (Some(other), None) => Err(syntax(other)),
        (None, _) => Err(syntax("")),
        (Some(last), Some(_)) => Err(syntax(last)),
    }
}

/// Evaluates one expression that stands outside of any query: the value of DECLARE, SET, EXEC.
///
/// # Errors
///
/// As [`select`].
pub fn scalar(
    sql_expression: &str,
    catalog: &dyn Catalog,
) -> Result<(SqlType, Datum), ServerError> {
    let mut parser = parser(sql_expression)?;
    let expr = parser.parse_expr().map_err(|error| not_parsed(&error))?;
    let next = parser.next_token();
    if next.token != Token::EOF {
        return Err(syntax(next));
    }
    let node = Binder::new(catalog).value(&expr)?;
    let value = evaluate(&node, &Frame::EMPTY, catalog)?.into_owned();
    Ok((node.sql_type, value))
}

/// Converts a value as the server does without being asked: the value of a variable, an argument.
///
/// # Errors
///
/// What the server would answer: 206, 257 for types, 220, 245, 8114, 8115, … for values.
pub fn implicit(value: &Datum, from: SqlType, to: SqlType) -> Result<Datum, ServerError> {
    match value {
        Datum::Null => Ok(Datum::Null),
        value => convert::convert(value, from, to, None, false),
    }
}

/// A value as a text.
pub fn show(value: &Datum) -> String {
    let to = SqlType::NVarChar(None);
    match implicit(value, value::inner_type(value), to) {
        Ok(Datum::Text(text)) => text,
        _ => String::new(),
    }
}

fn parser(sql: &str) -> Result<Parser<'static>, ServerError> {
    const DIALECT: &MsSqlDialect = &MsSqlDialect {};
    let tokens = parser_tokens(sql)?;
    let counts = |token: &&TokenWithSpan| {
        !matches!(
            token.token,
            Token::Whitespace(_)
                | Token::Comma
                | Token::Number(..)
                | Token::SingleQuotedString(_)
                | Token::NationalStringLiteral(_)
        )
    };
    if tokens.iter().filter(counts).count() > TOKENS {
        return Err(error::too_deep());
    }
    Ok(Parser::new(DIALECT).with_tokens_with_locations(tokens))
}

/// The parser's complaint as error 102, with the token at which it stopped.
fn not_parsed(problem: &ParserError) -> ServerError {
    match problem {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => {
            let found = text
                .split_once("found: ")
                .map_or(text.as_str(), |(_, found)| found);
            let near = found
                .rsplit_once(" at Line:")
                .map_or(found, |(near, _)| near);
            syntax(near)
        }
        ParserError::RecursionLimitExceeded => error::too_deep(),
    }
}
