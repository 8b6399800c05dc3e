//! Types: their names, their precedence, and what two of them become together.

use sqlparser::ast::DataType;

use crate::rehearsal::message::syntax;
use crate::rehearsal::type_name::{MAX_NVARCHAR, MAX_PRECISION, MAX_VARCHAR, read_type};
use crate::rehearsal::value::SqlType;

use super::error::Outcome;

/// Length of varchar, nvarchar and varbinary in CAST and CONVERT when none is given.
const CAST_LENGTH: u16 = 30;

/// Rank in the documented precedence; the lower operand is converted to the higher one's type.
fn rank(sql_type: SqlType) -> u8 {
    match sql_type {
        SqlType::Variant => 13,
        SqlType::DateTime2 => 12,
        SqlType::DateTime => 11,
        SqlType::Float => 10,
        SqlType::Numeric(..) => 9,
        SqlType::BigInt => 8,
        SqlType::Int => 7,
        SqlType::SmallInt => 6,
        SqlType::TinyInt => 5,
        SqlType::Bit => 4,
        SqlType::UniqueIdentifier => 3,
        SqlType::NVarChar(_) => 2,
        SqlType::VarChar(_) => 1,
        SqlType::VarBinary(_) => 0,
    }
}

/// bit and the integers.
pub(super) fn is_integer(sql_type: SqlType) -> bool {
    matches!(
        sql_type,
        SqlType::Bit | SqlType::TinyInt | SqlType::SmallInt | SqlType::Int | SqlType::BigInt
    )
}

/// nvarchar and varchar.
pub(super) fn is_text(sql_type: SqlType) -> bool {
    matches!(sql_type, SqlType::NVarChar(_) | SqlType::VarChar(_))
}

/// datetime and datetime2.
pub(super) fn is_date(sql_type: SqlType) -> bool {
    matches!(sql_type, SqlType::DateTime | SqlType::DateTime2)
}

/// Integers, numeric, float.
pub(super) fn is_number(sql_type: SqlType) -> bool {
    is_integer(sql_type) || matches!(sql_type, SqlType::Float | SqlType::Numeric(..))
}

/// Precision and scale of an exact number's type.
pub(super) fn precision(sql_type: SqlType) -> Option<(u8, u8)> {
    Some(match sql_type {
        SqlType::Bit => (1, 0),
        SqlType::TinyInt => (3, 0),
        SqlType::SmallInt => (5, 0),
        SqlType::Int => (10, 0),
        SqlType::BigInt => (19, 0),
        SqlType::Numeric(precision, scale) => (precision, scale),
        _ => return None,
    })
}

/// Smallest and largest value of an integer type.
pub(super) fn range(sql_type: SqlType) -> Option<(i64, i64)> {
    Some(match sql_type {
        SqlType::Bit => (0, 1),
        SqlType::TinyInt => (0, 255),
        SqlType::SmallInt => (i64::from(i16::MIN), i64::from(i16::MAX)),
        SqlType::Int => (i64::from(i32::MIN), i64::from(i32::MAX)),
        SqlType::BigInt => (i64::MIN, i64::MAX),
        _ => return None,
    })
}

/// Type of a comparison, a CASE, a COALESCE or a UNION column over both.
pub(super) fn common(left: SqlType, right: SqlType) -> SqlType {
    use SqlType::{NVarChar, Numeric, VarBinary, VarChar};
    match (left, right) {
        (NVarChar(a), NVarChar(b)) => NVarChar(longest(a, b)),
        (NVarChar(a), VarChar(b)) | (VarChar(b), NVarChar(a)) => {
            let b = b.filter(|length| *length <= MAX_NVARCHAR);
            NVarChar(longest(a, b))
        }
        (VarChar(a), VarChar(b)) => VarChar(longest(a, b)),
        (VarBinary(a), VarBinary(b)) => VarBinary(longest(a, b)),
        (Numeric(..), other) | (other, Numeric(..)) if precision(other).is_some() => {
            let (p1, s1) = precision(left).unwrap_or_default();
            let (p2, s2) = precision(right).unwrap_or_default();
            let scale = s1.max(s2);
            let digits = (p1 - s1).max(p2 - s2) + scale;
            Numeric(digits.min(MAX_PRECISION), scale)
        }
        _ if rank(left) >= rank(right) => left,
        _ => right,
    }
}

fn longest(a: Option<u16>, b: Option<u16>) -> Option<u16> {
    Some(a?.max(b?))
}

/// Type of `left + right` of two texts.
pub(super) fn concatenated(left: SqlType, right: SqlType) -> SqlType {
    let sum = |limit: u16, a: Option<u16>, b: Option<u16>| Some(a?.saturating_add(b?).min(limit));
    match (left, right) {
        (SqlType::VarChar(a), SqlType::VarChar(b)) => SqlType::VarChar(sum(MAX_VARCHAR, a, b)),
        (
            SqlType::NVarChar(a) | SqlType::VarChar(a),
            SqlType::NVarChar(b) | SqlType::VarChar(b),
        ) => SqlType::NVarChar(sum(MAX_NVARCHAR, a, b)),
        _ => left,
    }
}

/// Type of a literal of so many characters.
pub(super) fn literal_text(units: usize, national: bool) -> SqlType {
    let limit = if national { MAX_NVARCHAR } else { MAX_VARCHAR };
    let length = u16::try_from(units.max(1))
        .ok()
        .filter(|length| *length <= limit);
    if national {
        SqlType::NVarChar(length)
    } else {
        SqlType::VarChar(length)
    }
}

/// The same text type at its full length, as REPLACE gives it.
pub(super) fn widest(sql_type: SqlType) -> SqlType {
    match sql_type {
        SqlType::NVarChar(Some(_)) => SqlType::NVarChar(Some(MAX_NVARCHAR)),
        SqlType::VarChar(Some(_)) => SqlType::VarChar(Some(MAX_VARCHAR)),
        other => other,
    }
}

/// Type that a CAST or CONVERT names; 102 for one that is not known here.
pub(super) fn from_syntax(data_type: &DataType) -> Outcome<SqlType> {
    read_type(&data_type.to_string(), CAST_LENGTH).ok_or_else(|| syntax(data_type))
}
