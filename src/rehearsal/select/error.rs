//! The errors of a SELECT whose number or values depend on what is wrong.

use std::fmt::Display;

use crate::rehearsal::message::{message, shortened};
use crate::rehearsal::value::{ServerError, SqlType};

/// What a part of the evaluator gives.
pub(super) type Outcome<T> = Result<T, ServerError>;

/// 191: deeper than the evaluator goes.
pub(super) fn too_deep() -> ServerError {
    message(191, &[])
}

/// 195, or 4121 for a name of several parts.
pub(super) fn unknown_function(name: &str) -> ServerError {
    match name.split_once('.') {
        None => message(195, &[name, "built-in function name"]),
        Some((first, _)) => message(4121, &[first, name]),
    }
}

/// 174
pub(super) fn argument_count(function: &str, wanted: usize) -> ServerError {
    message(174, &[&function.to_lowercase(), &wanted.to_string()])
}

/// 4145
pub(super) fn not_a_condition(near: impl Display) -> ServerError {
    message(4145, &[&shortened(near)])
}

/// 529, or 257 where the conversion was not asked for by name.
pub(super) fn not_convertible(from: SqlType, to: SqlType, explicit: bool) -> ServerError {
    let number = if explicit { 529 } else { 257 };
    message(number, &[from.name(), to.name()])
}

/// 8115
pub(super) fn overflow(to: SqlType) -> ServerError {
    message(8115, &[to.name()])
}

/// 245 for int and below, 8114 for the wider numbers.
pub(super) fn bad_text(text: &str, from: SqlType, to: SqlType) -> ServerError {
    match to {
        SqlType::BigInt | SqlType::Float | SqlType::Numeric(..) => {
            message(8114, &[from.name(), to.name()])
        }
        _ => message(245, &[from.name(), text, to.name()]),
    }
}
