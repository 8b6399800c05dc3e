//! Types: their names, their precedence, and what two of them become together.

use sqlparser::ast::{BinaryLength, CharacterLength, DataType, ExactNumberInfo};

use crate::rehearsal::message::syntax;
use crate::rehearsal::value::SqlType;

use super::error::Outcome;

/// Most digits of a numeric.
pub(super) const MAX_PRECISION: u8 = 38;
/// Longest nvarchar(n), in characters.
const MAX_NVARCHAR: u16 = 4000;
/// Longest varchar(n).
const MAX_VARCHAR: u16 = 8000;
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
    let unknown = || syntax(data_type);
    Ok(match data_type {
        DataType::Bit(None) => SqlType::Bit,
        DataType::TinyInt(None) => SqlType::TinyInt,
        DataType::SmallInt(None) => SqlType::SmallInt,
        DataType::Int(None) | DataType::Integer(None) => SqlType::Int,
        DataType::BigInt(None) => SqlType::BigInt,
        DataType::Float(info) => match info {
            ExactNumberInfo::None => SqlType::Float,
            // float(1) to float(24) is a real, which is no type of the world.
            ExactNumberInfo::Precision(bits) if (25..=53).contains(bits) => SqlType::Float,
            _ => return Err(unknown()),
        },
        DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => {
            let (digits, scale) = match info {
                ExactNumberInfo::None => (18, 0),
                ExactNumberInfo::Precision(digits) => (*digits, 0),
                ExactNumberInfo::PrecisionAndScale(digits, scale) => (*digits, *scale),
            };
            let digits = u8::try_from(digits).map_err(|_| unknown())?;
            let scale = u8::try_from(scale).map_err(|_| unknown())?;
            if digits == 0 || digits > MAX_PRECISION || scale > digits {
                return Err(unknown());
            }
            SqlType::Numeric(digits, scale)
        }
        DataType::Nvarchar(length) => {
            SqlType::NVarChar(text_length(length.as_ref(), MAX_NVARCHAR, data_type)?)
        }
        DataType::Varchar(length) => {
            SqlType::VarChar(text_length(length.as_ref(), MAX_VARCHAR, data_type)?)
        }
        DataType::Varbinary(length) => SqlType::VarBinary(match length {
            None => Some(CAST_LENGTH),
            Some(BinaryLength::Max) => None,
            Some(BinaryLength::IntegerLength { length }) => {
                Some(checked_length(*length, MAX_VARCHAR).ok_or_else(unknown)?)
            }
        }),
        DataType::Datetime(None) => SqlType::DateTime,
        DataType::Custom(name, modifiers) => {
            let name = name.to_string().to_lowercase();
            match (name.as_str(), modifiers.as_slice()) {
                ("datetime2", []) => SqlType::DateTime2,
                ("datetime2", [digits]) if digits.to_string() == "7" => SqlType::DateTime2,
                ("uniqueidentifier", []) => SqlType::UniqueIdentifier,
                ("sysname", []) => SqlType::NVarChar(Some(128)),
                ("sql_variant", []) => SqlType::Variant,
                _ => return Err(unknown()),
            }
        }
        _ => return Err(unknown()),
    })
}

/// Length of a text type; the error where it is out of range.
fn text_length(
    length: Option<&CharacterLength>,
    limit: u16,
    data_type: &DataType,
) -> Outcome<Option<u16>> {
    match length {
        None => Ok(Some(CAST_LENGTH)),
        Some(CharacterLength::Max) => Ok(None),
        Some(CharacterLength::IntegerLength { length, unit: None }) => {
            let length = checked_length(*length, limit);
            length.map(Some).ok_or_else(|| syntax(data_type))
        }
        Some(CharacterLength::IntegerLength { unit: Some(_), .. }) => Err(syntax(data_type)),
    }
}

fn checked_length(length: u64, limit: u16) -> Option<u16> {
    u16::try_from(length)
        .ok()
        .filter(|length| (1..=limit).contains(length))
}
