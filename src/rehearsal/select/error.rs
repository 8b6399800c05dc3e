//! The errors of a SELECT, in the server's words.

use std::fmt::Display;

use crate::rehearsal::value::{ServerError, SqlType};

use super::types;

/// How much of an unknown clause a message repeats.
const NEAR: usize = 60;

/// What a part of the evaluator gives.
pub(super) type Outcome<T> = Result<T, ServerError>;

fn error(number: u32, class: u8, state: u8, message: impl Into<String>) -> ServerError {
    ServerError {
        number,
        class,
        state,
        message: message.into(),
    }
}

/// 102: wrong, or outside of what is evaluated here.
pub(super) fn syntax(near: impl Display) -> ServerError {
    let text = near.to_string();
    let short: String = text.chars().take(NEAR).collect();
    error(102, 15, 1, format!("Incorrect syntax near '{short}'."))
}

/// 191: deeper than the evaluator goes.
pub(super) fn too_deep() -> ServerError {
    error(
        191,
        15,
        1,
        "Some part of your SQL statement is nested too deeply. Rewrite the query or break it up into smaller queries.",
    )
}

/// 207
pub(super) fn unknown_column(name: &str) -> ServerError {
    error(207, 16, 1, format!("Invalid column name '{name}'."))
}

/// 208
pub(super) fn unknown_table(name: &str) -> ServerError {
    error(208, 16, 1, format!("Invalid object name '{name}'."))
}

/// 209
pub(super) fn ambiguous_column(name: &str) -> ServerError {
    error(209, 16, 1, format!("Ambiguous column name '{name}'."))
}

/// 4104: the qualifier names no table in reach.
pub(super) fn unbound(name: &str) -> ServerError {
    let text = format!("The multi-part identifier \"{name}\" could not be bound.");
    error(4104, 16, 1, text)
}

/// 107
pub(super) fn unknown_prefix(name: &str) -> ServerError {
    let text = format!(
        "The column prefix '{name}' does not match with a table name or alias name used in the query."
    );
    error(107, 15, 1, text)
}

/// 1013
pub(super) fn same_names(name: &str) -> ServerError {
    let text = format!(
        "The objects \"{name}\" and \"{name}\" in the FROM clause have the same exposed names. Use correlation names to distinguish them."
    );
    error(1013, 16, 1, text)
}

/// 195, or 4121 for a name of several parts.
pub(super) fn unknown_function(name: &str) -> ServerError {
    match name.split_once('.') {
        None => error(
            195,
            15,
            10,
            format!("'{name}' is not a recognized built-in function name."),
        ),
        Some((first, _)) => error(
            4121,
            16,
            1,
            format!(
                "Cannot find either column \"{first}\" or the user-defined function or aggregate \"{name}\", or the name is ambiguous."
            ),
        ),
    }
}

/// 174
pub(super) fn argument_count(function: &str, wanted: usize) -> ServerError {
    let name = function.to_lowercase();
    let text = format!("The {name} function requires {wanted} argument(s).");
    error(174, 15, 1, text)
}

/// 137
pub(super) fn undeclared(variable: &str) -> ServerError {
    let text = format!("Must declare the scalar variable \"{variable}\".");
    error(137, 15, 2, text)
}

/// 4145
pub(super) fn not_a_condition(near: impl Display) -> ServerError {
    let short: String = near.to_string().chars().take(NEAR).collect();
    let text = format!(
        "An expression of non-boolean type specified in a context where a condition is expected, near '{short}'."
    );
    error(4145, 15, 1, text)
}

/// 206
pub(super) fn clash(left: SqlType, right: SqlType) -> ServerError {
    let (left, right) = (types::name(left), types::name(right));
    let text = format!("Operand type clash: {left} is incompatible with {right}");
    error(206, 16, 2, text)
}

/// 529, or 257 where the conversion was not asked for by name.
pub(super) fn not_convertible(from: SqlType, to: SqlType, explicit: bool) -> ServerError {
    let (from, to) = (types::name(from), types::name(to));
    if explicit {
        let text = format!("Explicit conversion from data type {from} to {to} is not allowed.");
        return error(529, 16, 2, text);
    }
    let text = format!(
        "Implicit conversion from data type {from} to {to} is not allowed. Use the CONVERT function to run this query."
    );
    error(257, 16, 3, text)
}

/// 8117
pub(super) fn invalid_operand(sql_type: SqlType, operator: &str) -> ServerError {
    let name = types::name(sql_type);
    let text = format!("Operand data type {name} is invalid for {operator} operator.");
    error(8117, 16, 1, text)
}

/// 8115
pub(super) fn overflow(to: SqlType) -> ServerError {
    let to = types::name(to);
    let text = format!("Arithmetic overflow error converting expression to data type {to}.");
    error(8115, 16, 2, text)
}

/// 8120, 8121, 8127, by clause.
pub(super) fn not_grouped(column: &str, clause: Clause) -> ServerError {
    let (number, quote, place) = match clause {
        Clause::Output => (8120, '\'', "select list"),
        Clause::Having => (8121, '\'', "HAVING clause"),
        Clause::Order => (8127, '"', "ORDER BY clause"),
    };
    let text = format!(
        "Column {quote}{column}{quote} is invalid in the {place} because it is not contained in either an aggregate function or the GROUP BY clause."
    );
    error(number, 16, 1, text)
}

/// Where an expression stands in a grouped query.
#[derive(Clone, Copy, Debug)]
pub(super) enum Clause {
    /// The select list.
    Output,
    /// HAVING
    Having,
    /// ORDER BY
    Order,
}

/// The errors whose text never varies.
pub(super) fn fixed(number: u32) -> ServerError {
    let (class, text) = match number {
        116 => (
            16,
            "Only one expression can be specified in the select list when the subquery is not introduced with EXISTS.",
        ),
        127 => (15, "A TOP N or FETCH rowcount value may not be negative."),
        130 => (
            15,
            "Cannot perform an aggregate function on an expression containing an aggregate or a subquery.",
        ),
        145 => (
            15,
            "ORDER BY items must appear in the select list if SELECT DISTINCT is specified.",
        ),
        147 => (
            15,
            "An aggregate may not appear in the WHERE clause unless it is in a subquery contained in a HAVING clause or a select list, and the column being aggregated is an outer reference.",
        ),
        164 => (
            15,
            "Each GROUP BY expression must contain at least one column that is not an outer reference.",
        ),
        205 => (
            16,
            "All queries combined using a UNION, INTERSECT or EXCEPT operator must have an equal number of expressions in their target lists.",
        ),
        241 => (
            16,
            "Conversion failed when converting date and/or time from character string.",
        ),
        242 => (
            16,
            "The conversion of a varchar data type to a datetime data type resulted in an out-of-range value.",
        ),
        263 => (16, "Must specify table to select from."),
        408 => (
            16,
            "A constant expression was encountered in the ORDER BY list.",
        ),
        512 => (
            16,
            "Subquery returned more than 1 value. This is not permitted when the subquery follows =, !=, <, <= , >, >= or when the subquery is used as an expression.",
        ),
        1033 => (
            15,
            "The ORDER BY clause is invalid in views, inline functions, derived tables, subqueries, and common table expressions, unless TOP, OFFSET or FOR XML is also specified.",
        ),
        1060 => (
            15,
            "The number of rows provided for a TOP or FETCH clauses row count parameter must be an integer.",
        ),
        4127 => (
            16,
            "At least one of the arguments to COALESCE must be an expression that is not the NULL constant.",
        ),
        8133 => (
            16,
            "At least one of the result expressions in a CASE specification must be an expression other than the NULL constant.",
        ),
        8134 => (16, "Divide by zero error encountered."),
        8169 => (
            16,
            "Conversion failed when converting from a character string to uniqueidentifier.",
        ),
        8170 => (
            16,
            "Insufficient result space to convert uniqueidentifier value to char.",
        ),
        _ => (16, "Error."),
    };
    error(number, class, 1, text)
}

/// 536, or 537 for SUBSTRING.
pub(super) fn invalid_length(function: &str) -> ServerError {
    let (number, name) = match function {
        "substring" => (537, "LEFT or SUBSTRING"),
        other => (536, other),
    };
    let text = format!("Invalid length parameter passed to the {name} function.");
    error(number, 16, 1, text)
}

/// 108
pub(super) fn order_position(position: &str) -> ServerError {
    let text = format!(
        "The ORDER BY position number {position} is out of range of the number of items in the select list."
    );
    error(108, 15, 1, text)
}

/// 245 for int and below, 8114 for the wider numbers.
pub(super) fn bad_text(text: &str, from: SqlType, to: SqlType) -> ServerError {
    let (from_name, to_name) = (types::name(from), types::name(to));
    match to {
        SqlType::BigInt | SqlType::Float | SqlType::Numeric(..) => error(
            8114,
            16,
            5,
            format!("Error converting data type {from_name} to {to_name}."),
        ),
        _ => error(
            245,
            16,
            1,
            format!(
                "Conversion failed when converting the {from_name} value '{text}' to data type {to_name}."
            ),
        ),
    }
}

/// 248: digits that no int holds.
pub(super) fn text_overflow(text: &str, from: SqlType, to: SqlType) -> ServerError {
    let (from, to) = (types::name(from), types::name(to));
    let text = format!("The conversion of the {from} value '{text}' overflowed an {to} column.");
    error(248, 16, 1, text)
}

/// 220
pub(super) fn small_overflow(value: i128, to: SqlType) -> ServerError {
    let to = types::name(to);
    let text = format!("Arithmetic overflow error for data type {to}, value = {value}.");
    error(220, 16, 1, text)
}
