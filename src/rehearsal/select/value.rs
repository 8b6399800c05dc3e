//! Comparing values: for `=` and `<`, for sorting, and as keys of hash tables.

use std::cmp::Ordering;

use jiff::civil::DateTime;

use crate::rehearsal::value::{Datum, SqlType};

use super::text;

/// A value such that equal values have equal keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Null,
    Number(i128),
    Float(u64),
    Text(String),
    DateTime(DateTime),
    Guid([u8; 16]),
    Bytes(Vec<u8>),
}

impl Key {
    /// Key of a value among values of the same type.
    pub(super) fn of(value: &Datum) -> Self {
        match value {
            Datum::Null => Self::Null,
            Datum::Int(number) => Self::Number(i128::from(*number)),
            // Adding zero makes the negative zero the positive one.
            Datum::Float(number) => Self::Float((number + 0.0).to_bits()),
            Datum::Numeric(number) => Self::Number(*number),
            Datum::Text(value) => Self::Text(text::key(value)),
            Datum::DateTime(value) => Self::DateTime(*value),
            Datum::Guid(value) => Self::Guid(*value),
            Datum::Bytes(value) => Self::Bytes(value.clone()),
        }
    }
}

/// Whether two values of one type, neither NULL, are equal.
pub(super) fn equal(left: &Datum, right: &Datum) -> bool {
    match (left, right) {
        (Datum::Text(left), Datum::Text(right)) => text::equal(left, right),
        _ => compare(left, right) == Ordering::Equal,
    }
}

/// Order of two values of one type; NULL comes first, as in ORDER BY.
pub(super) fn compare(left: &Datum, right: &Datum) -> Ordering {
    match (left, right) {
        (Datum::Int(left), Datum::Int(right)) => left.cmp(right),
        (Datum::Float(left), Datum::Float(right)) => {
            left.partial_cmp(right).unwrap_or(Ordering::Equal)
        }
        (Datum::Numeric(left), Datum::Numeric(right)) => left.cmp(right),
        // Both stand in a sql_variant, whose numerics have no scale here.
        (Datum::Int(left), Datum::Numeric(right)) => i128::from(*left).cmp(right),
        (Datum::Numeric(left), Datum::Int(right)) => left.cmp(&i128::from(*right)),
        (Datum::Text(left), Datum::Text(right)) => text::compare(left, right),
        (Datum::DateTime(left), Datum::DateTime(right)) => left.cmp(right),
        (Datum::Guid(left), Datum::Guid(right)) => guid_order(left).cmp(&guid_order(right)),
        (Datum::Bytes(left), Datum::Bytes(right)) => left.cmp(right),
        _ => family(left).cmp(&family(right)),
    }
}

/// The order in which a uniqueidentifier's bytes weigh: the last group first.
fn guid_order(guid: &[u8; 16]) -> [u8; 16] {
    const WEIGHT: [usize; 16] = [10, 11, 12, 13, 14, 15, 8, 9, 7, 6, 5, 4, 3, 2, 1, 0];
    WEIGHT.map(|at| guid[at])
}

/// Rank of a value's family in the order of `sql_variant`.
fn family(value: &Datum) -> u8 {
    match value {
        Datum::Null => 0,
        Datum::Bytes(_) => 1,
        Datum::Guid(_) => 2,
        Datum::Text(_) => 3,
        Datum::Int(_) | Datum::Numeric(_) => 4,
        Datum::Float(_) => 5,
        Datum::DateTime(_) => 6,
    }
}

/// Type of a value inside a `sql_variant`.
pub fn inner_type(value: &Datum) -> SqlType {
    match value {
        Datum::Null | Datum::Int(_) => SqlType::BigInt,
        Datum::Float(_) => SqlType::Float,
        Datum::Numeric(_) => SqlType::Numeric(38, 0),
        Datum::Text(_) => SqlType::NVarChar(Some(4000)),
        Datum::DateTime(_) => SqlType::DateTime,
        Datum::Guid(_) => SqlType::UniqueIdentifier,
        Datum::Bytes(_) => SqlType::VarBinary(Some(8000)),
    }
}
