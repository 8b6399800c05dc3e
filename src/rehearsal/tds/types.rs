//! Column types and their values on the wire.

use super::codepage;
use super::date::{to_datetime, to_datetime2};
use super::token::COLLATION;
use crate::rehearsal::hex::reordered;
use crate::rehearsal::message::message;
use crate::rehearsal::value::{Datum, ServerError, SqlType};

/// Type bytes of `TYPE_INFO`.
pub(super) mod tds {
    pub(crate) const NULL: u8 = 0x1F;
    pub(crate) const TEXT: u8 = 0x23;
    pub(crate) const GUID: u8 = 0x24;
    pub(crate) const INT_N: u8 = 0x26;
    pub(crate) const DATETIME2: u8 = 0x2A;
    pub(crate) const INT1: u8 = 0x30;
    pub(crate) const BIT: u8 = 0x32;
    pub(crate) const INT2: u8 = 0x34;
    pub(crate) const INT4: u8 = 0x38;
    pub(crate) const REAL: u8 = 0x3B;
    pub(crate) const DATETIME: u8 = 0x3D;
    pub(crate) const FLOAT: u8 = 0x3E;
    pub(crate) const VARIANT: u8 = 0x62;
    pub(crate) const NTEXT: u8 = 0x63;
    pub(crate) const BIT_N: u8 = 0x68;
    pub(crate) const DECIMAL: u8 = 0x6A;
    pub(crate) const NUMERIC: u8 = 0x6C;
    pub(crate) const FLOAT_N: u8 = 0x6D;
    pub(crate) const DATETIME_N: u8 = 0x6F;
    pub(crate) const INT8: u8 = 0x7F;
    pub(crate) const VARBINARY: u8 = 0xA5;
    pub(crate) const VARCHAR: u8 = 0xA7;
    pub(crate) const BINARY: u8 = 0xAD;
    pub(crate) const CHAR: u8 = 0xAF;
    pub(crate) const NVARCHAR: u8 = 0xE7;
    pub(crate) const NCHAR: u8 = 0xEF;
}

/// Length that says "max": the value comes in chunks.
pub(super) const MAX: u16 = 0xFFFF;
/// Longest value, in bytes, of a type that is not max.
const LONGEST: u16 = 8000;
/// Longest `sql_variant`, its own head included.
const VARIANT_LENGTH: u32 = 8009;

/// Writes `TYPE_INFO`.
pub(super) fn put_type(out: &mut Vec<u8>, sql_type: SqlType) {
    match sql_type {
        SqlType::Bit => out.extend_from_slice(&[tds::BIT_N, 1]),
        SqlType::TinyInt => out.extend_from_slice(&[tds::INT_N, 1]),
        SqlType::SmallInt => out.extend_from_slice(&[tds::INT_N, 2]),
        SqlType::Int => out.extend_from_slice(&[tds::INT_N, 4]),
        SqlType::BigInt => out.extend_from_slice(&[tds::INT_N, 8]),
        SqlType::Float => out.extend_from_slice(&[tds::FLOAT_N, 8]),
        SqlType::Numeric(precision, scale) => {
            out.extend_from_slice(&[tds::NUMERIC, 17, precision, scale]);
        }
        SqlType::NVarChar(_) | SqlType::VarChar(_) => {
            let kind = match sql_type {
                SqlType::NVarChar(_) => tds::NVARCHAR,
                _ => tds::VARCHAR,
            };
            out.push(kind);
            out.extend_from_slice(&bytes_of(sql_type).unwrap_or(MAX).to_le_bytes());
            out.extend_from_slice(&COLLATION);
        }
        SqlType::VarBinary(_) => {
            out.push(tds::VARBINARY);
            out.extend_from_slice(&bytes_of(sql_type).unwrap_or(MAX).to_le_bytes());
        }
        SqlType::DateTime => out.extend_from_slice(&[tds::DATETIME_N, 8]),
        SqlType::DateTime2 => out.extend_from_slice(&[tds::DATETIME2, 7]),
        SqlType::UniqueIdentifier => out.extend_from_slice(&[tds::GUID, 16]),
        SqlType::Variant => {
            out.push(tds::VARIANT);
            out.extend_from_slice(&VARIANT_LENGTH.to_le_bytes());
        }
    }
}

/// Length in bytes of a type of strings; `None` for max, and for a length that only max holds.
fn bytes_of(sql_type: SqlType) -> Option<u16> {
    let bytes = match sql_type {
        SqlType::NVarChar(length) => length?.checked_mul(2)?,
        SqlType::VarChar(length) | SqlType::VarBinary(length) => length?,
        _ => return None,
    };
    (bytes <= LONGEST).then_some(bytes)
}

/// Writes a value of a column. What the column cannot hold is the error that SQL Server has for a
/// conversion that fails: 8114, 8115, 8152.
pub(super) fn put_value(
    out: &mut Vec<u8>,
    sql_type: SqlType,
    datum: &Datum,
) -> Result<(), ServerError> {
    match (sql_type, datum) {
        (SqlType::Variant, _) => put_variant(out, datum),
        (_, Datum::Null) => {
            put_null(out, sql_type);
            Ok(())
        }
        (
            SqlType::NVarChar(_) | SqlType::VarChar(_) | SqlType::VarBinary(_),
            Datum::Text(_) | Datum::Bytes(_),
        ) => {
            let bytes = string(sql_type, datum)?;
            match bytes_of(sql_type) {
                None => put_chunked(out, &bytes),
                Some(limit) => match u16::try_from(bytes.len()) {
                    Ok(length) if length <= limit => {
                        out.extend_from_slice(&length.to_le_bytes());
                        out.extend_from_slice(&bytes);
                    }
                    _ => return Err(message(8152, &[])),
                },
            }
            Ok(())
        }
        _ => {
            let bytes = fixed(sql_type, datum)?;
            out.push(u8::try_from(bytes.len()).map_err(|_| message(8115, &[sql_type.name()]))?);
            out.extend_from_slice(&bytes);
            Ok(())
        }
    }
}

fn put_null(out: &mut Vec<u8>, sql_type: SqlType) {
    match sql_type {
        SqlType::NVarChar(_) | SqlType::VarChar(_) | SqlType::VarBinary(_) => {
            let length = if bytes_of(sql_type).is_some() { 2 } else { 8 };
            out.resize(out.len() + length, 0xFF);
        }
        _ => out.push(0),
    }
}

/// A value of a max type: its length, one chunk, the empty chunk that ends it.
fn put_chunked(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut chunks = bytes.chunks(1 << 30);
    out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    for chunk in &mut chunks {
        let length = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(chunk);
    }
    out.extend_from_slice(&0_u32.to_le_bytes());
}

/// The bytes of a string of text or bytes.
fn string(sql_type: SqlType, datum: &Datum) -> Result<Vec<u8>, ServerError> {
    match (sql_type, datum) {
        (SqlType::NVarChar(_), Datum::Text(text)) => {
            Ok(text.encode_utf16().flat_map(u16::to_le_bytes).collect())
        }
        (SqlType::VarChar(_), Datum::Text(text)) => Ok(codepage::encode(text)),
        (SqlType::VarBinary(_), Datum::Bytes(bytes)) => Ok(bytes.clone()),
        _ => Err(no_conversion(sql_type, datum)),
    }
}

/// The bytes of a value whose length its type says.
fn fixed(sql_type: SqlType, datum: &Datum) -> Result<Vec<u8>, ServerError> {
    let overflow = || message(8115, &[sql_type.name()]);
    Ok(match (sql_type, datum) {
        (SqlType::Bit, Datum::Int(number)) => vec![u8::from(*number != 0)],
        (SqlType::TinyInt, Datum::Int(number)) => {
            vec![u8::try_from(*number).map_err(|_| overflow())?]
        }
        (SqlType::SmallInt, Datum::Int(number)) => {
            let number = i16::try_from(*number).map_err(|_| overflow())?;
            number.to_le_bytes().to_vec()
        }
        (SqlType::Int, Datum::Int(number)) => {
            let number = i32::try_from(*number).map_err(|_| overflow())?;
            number.to_le_bytes().to_vec()
        }
        (SqlType::BigInt, Datum::Int(number)) => number.to_le_bytes().to_vec(),
        (SqlType::Float, Datum::Float(number)) => number.to_le_bytes().to_vec(),
        (SqlType::Numeric(precision, _), Datum::Numeric(number)) => {
            numeric(precision, *number).ok_or_else(overflow)?
        }
        (SqlType::DateTime, Datum::DateTime(value)) => {
            let (days, ticks) = to_datetime(*value).ok_or_else(overflow)?;
            [days.to_le_bytes(), ticks.to_le_bytes()].concat()
        }
        (SqlType::DateTime2, Datum::DateTime(value)) => {
            let (days, units) = to_datetime2(*value).ok_or_else(overflow)?;
            [&units.to_le_bytes()[..5], &days.to_le_bytes()[..3]].concat()
        }
        (SqlType::UniqueIdentifier, Datum::Guid(guid)) => reordered(*guid).to_vec(),
        _ => return Err(no_conversion(sql_type, datum)),
    })
}

/// Sign and magnitude; how long, the declared precision says (`tds.md` 2.1).
fn numeric(precision: u8, number: i128) -> Option<Vec<u8>> {
    let limit = 10_u128.checked_pow(precision.into())?;
    let magnitude = number.unsigned_abs();
    if magnitude >= limit {
        return None;
    }
    let length = match precision {
        0..=9 => 4,
        10..=19 => 8,
        20..=28 => 12,
        _ => 16,
    };
    let mut bytes = vec![u8::from(number >= 0)];
    bytes.extend_from_slice(&magnitude.to_le_bytes()[..length]);
    Some(bytes)
}

/// A `sql_variant`: length of all, base type, length of what describes it, that, the value.
fn put_variant(out: &mut Vec<u8>, datum: &Datum) -> Result<(), ServerError> {
    let (kind, description, value) = match datum {
        Datum::Null => {
            out.extend_from_slice(&0_u32.to_le_bytes());
            return Ok(());
        }
        Datum::Int(number) => match i32::try_from(*number) {
            Ok(_) => (tds::INT4, Vec::new(), fixed(SqlType::Int, datum)?),
            Err(_) => (tds::INT8, Vec::new(), fixed(SqlType::BigInt, datum)?),
        },
        Datum::Float(_) => (tds::FLOAT, Vec::new(), fixed(SqlType::Float, datum)?),
        Datum::Numeric(_) => {
            let value = fixed(SqlType::Numeric(38, 0), datum)?;
            (tds::NUMERIC, vec![38, 0], value)
        }
        Datum::DateTime(_) => (tds::DATETIME, Vec::new(), fixed(SqlType::DateTime, datum)?),
        Datum::Guid(_) => (
            tds::GUID,
            Vec::new(),
            fixed(SqlType::UniqueIdentifier, datum)?,
        ),
        Datum::Text(_) => {
            let value = string(SqlType::NVarChar(None), datum)?;
            let description = [&COLLATION[..], &LONGEST.to_le_bytes()].concat();
            (tds::NVARCHAR, description, value)
        }
        Datum::Bytes(bytes) => (
            tds::VARBINARY,
            LONGEST.to_le_bytes().to_vec(),
            bytes.clone(),
        ),
    };
    if value.len() > usize::from(LONGEST) {
        return Err(message(8152, &[]));
    }
    let length = u32::try_from(2 + description.len() + value.len()).unwrap_or(VARIANT_LENGTH);
    out.extend_from_slice(&length.to_le_bytes());
    out.push(kind);
    out.push(u8::try_from(description.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(&description);
    out.extend_from_slice(&value);
    Ok(())
}

fn no_conversion(sql_type: SqlType, datum: &Datum) -> ServerError {
    let from = match datum {
        Datum::Null => "NULL",
        Datum::Int(_) => "bigint",
        Datum::Float(_) => "float",
        Datum::Numeric(_) => "numeric",
        Datum::Text(_) => "nvarchar",
        Datum::DateTime(_) => "datetime2",
        Datum::Guid(_) => "uniqueidentifier",
        Datum::Bytes(_) => "varbinary",
    };
    message(8114, &[from, sql_type.name()])
}
