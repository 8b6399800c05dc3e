//! A parameter's type and value, as a call brings them.

use super::codepage;
use super::date::{from_datetime, from_datetime2};
use super::reader::{Malformed, Reader, utf16};
use super::types::{MAX, tds};
use crate::rehearsal::hex::reordered;
use crate::rehearsal::message::message;
use crate::rehearsal::value::{Datum, ServerError, SqlType};

const BAD_LENGTH: Malformed = Malformed("a value has a length that its type has not");
const BAD_DATE: Malformed = Malformed("a date does not exist");

/// Reads `TYPE_INFO` and a value. `None` as type: a NULL that came without one.
///
/// # Errors
/// 4002 for bytes that break the protocol, 8009 for a type that is not simulated.
pub(super) fn typed_value(
    reader: &mut Reader<'_>,
    ordinal: usize,
) -> Result<(Option<SqlType>, Datum), ServerError> {
    let kind = reader.u8()?;
    let (sql_type, datum) = match kind {
        tds::NULL => return Ok((None, Datum::Null)),
        tds::BIT | tds::INT1 | tds::INT2 | tds::INT4 | tds::INT8 => {
            let (sql_type, length) = match kind {
                tds::BIT => (SqlType::Bit, 1),
                tds::INT1 => (SqlType::TinyInt, 1),
                tds::INT2 => (SqlType::SmallInt, 2),
                tds::INT4 => (SqlType::Int, 4),
                _ => (SqlType::BigInt, 8),
            };
            (sql_type, integer(reader.take(length)?)?)
        }
        tds::BIT_N => {
            reader.u8()?;
            (SqlType::Bit, integer(short(reader)?)?)
        }
        tds::INT_N => {
            let sql_type = match reader.u8()? {
                1 => SqlType::TinyInt,
                2 => SqlType::SmallInt,
                4 => SqlType::Int,
                8 => SqlType::BigInt,
                _ => return Err(BAD_LENGTH.into()),
            };
            (sql_type, integer(short(reader)?)?)
        }
        tds::FLOAT => (SqlType::Float, float(reader.take(8)?)?),
        tds::REAL => (SqlType::Float, float(reader.take(4)?)?),
        tds::FLOAT_N => {
            reader.u8()?;
            (SqlType::Float, float(short(reader)?)?)
        }
        tds::NUMERIC | tds::DECIMAL => {
            reader.u8()?;
            let (precision, scale) = (reader.u8()?, reader.u8()?);
            if !(1..=38).contains(&precision) || scale > precision {
                return Err(Malformed("a numeric has an impossible precision").into());
            }
            let sql_type = SqlType::Numeric(precision, scale);
            (sql_type, numeric(short(reader)?)?)
        }
        tds::DATETIME => (SqlType::DateTime, datetime(reader.take(8)?)?),
        tds::DATETIME_N => {
            reader.u8()?;
            (SqlType::DateTime, datetime(short(reader)?)?)
        }
        tds::DATETIME2 => {
            let scale = reader.u8()?;
            (SqlType::DateTime2, datetime2(short(reader)?, scale)?)
        }
        tds::GUID => {
            reader.u8()?;
            (SqlType::UniqueIdentifier, guid(short(reader)?)?)
        }
        tds::NVARCHAR | tds::NCHAR => {
            let limit = reader.u16()?;
            reader.take(5)?; // collation
            let text = long(reader, limit)?.map(|bytes| utf16(&bytes));
            let length = (limit != MAX).then_some(limit / 2);
            (
                SqlType::NVarChar(length),
                or_null(text.transpose()?, Datum::Text),
            )
        }
        tds::VARCHAR | tds::CHAR => {
            let limit = reader.u16()?;
            reader.take(5)?; // collation: taken for ours
            let text = long(reader, limit)?.map(|bytes| codepage::decode(&bytes));
            let length = (limit != MAX).then_some(limit);
            (SqlType::VarChar(length), or_null(text, Datum::Text))
        }
        // How Microsoft's ODBC driver sends a statement and its declarations.
        tds::NTEXT | tds::TEXT => {
            reader.take(9)?; // limit, collation
            let bytes = match reader.u32()? {
                u32::MAX => None,
                length => Some(reader.take(usize::try_from(length).map_err(|_| BAD_LENGTH)?)?),
            };
            if kind == tds::TEXT {
                let text = bytes.map(codepage::decode);
                (SqlType::VarChar(None), or_null(text, Datum::Text))
            } else {
                let text = bytes.map(utf16).transpose()?;
                (SqlType::NVarChar(None), or_null(text, Datum::Text))
            }
        }
        tds::VARBINARY | tds::BINARY => {
            let limit = reader.u16()?;
            let bytes = long(reader, limit)?;
            let length = (limit != MAX).then_some(limit);
            (SqlType::VarBinary(length), or_null(bytes, Datum::Bytes))
        }
        unknown => {
            return Err(message(
                8009,
                &[&ordinal.to_string(), &format!("0x{unknown:02X}")],
            ));
        }
    };
    Ok((Some(sql_type), datum))
}

fn or_null<T>(value: Option<T>, datum: fn(T) -> Datum) -> Datum {
    value.map_or(Datum::Null, datum)
}

/// A value whose length stands before it in one byte; none = NULL.
fn short<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    let length = reader.u8()?;
    reader.take(length.into())
}

/// A string's bytes: in one piece, or in chunks where the type is max. `None` = NULL.
fn long(reader: &mut Reader<'_>, limit: u16) -> Result<Option<Vec<u8>>, Malformed> {
    if limit != MAX {
        return match reader.u16()? {
            0xFFFF => Ok(None),
            length => reader.take(length.into()).map(|bytes| Some(bytes.to_vec())),
        };
    }
    // The length of the whole may be unknown; the chunks say it again.
    if reader.u64()? == u64::MAX {
        return Ok(None);
    }
    let mut value = Vec::new();
    loop {
        let length = reader.u32()?;
        if length == 0 {
            return Ok(Some(value));
        }
        let length = usize::try_from(length).map_err(|_| BAD_LENGTH)?;
        value.extend_from_slice(reader.take(length)?);
    }
}

fn integer(bytes: &[u8]) -> Result<Datum, Malformed> {
    let mut reader = Reader::new(bytes);
    Ok(Datum::Int(match bytes.len() {
        0 => return Ok(Datum::Null),
        1 => reader.u8()?.into(),
        2 => i16::from_le_bytes(reader.array()?).into(),
        4 => i32::from_le_bytes(reader.array()?).into(),
        8 => i64::from_le_bytes(reader.array()?),
        _ => return Err(BAD_LENGTH),
    }))
}

fn float(bytes: &[u8]) -> Result<Datum, Malformed> {
    let mut reader = Reader::new(bytes);
    Ok(Datum::Float(match bytes.len() {
        0 => return Ok(Datum::Null),
        4 => f32::from_le_bytes(reader.array()?).into(),
        8 => f64::from_le_bytes(reader.array()?),
        _ => return Err(BAD_LENGTH),
    }))
}

fn numeric(bytes: &[u8]) -> Result<Datum, Malformed> {
    let (sign, magnitude) = match bytes {
        [] => return Ok(Datum::Null),
        [sign @ (0 | 1), magnitude @ ..] if matches!(magnitude.len(), 4 | 8 | 12 | 16) => {
            (sign, magnitude)
        }
        _ => return Err(BAD_LENGTH),
    };
    let mut number = [0; 16];
    number[..magnitude.len()].copy_from_slice(magnitude);
    let number = i128::try_from(u128::from_le_bytes(number))
        .map_err(|_| Malformed("a numeric has more than 38 digits"))?;
    Ok(Datum::Numeric(if *sign == 0 { -number } else { number }))
}

fn datetime(bytes: &[u8]) -> Result<Datum, Malformed> {
    let mut reader = Reader::new(bytes);
    let (days, ticks) = match bytes.len() {
        0 => return Ok(Datum::Null),
        // smalldatetime: days and minutes
        4 => (reader.u16()?.into(), u32::from(reader.u16()?) * 60 * 300),
        8 => (i32::from_le_bytes(reader.array()?), reader.u32()?),
        _ => return Err(BAD_LENGTH),
    };
    from_datetime(days, ticks)
        .map(Datum::DateTime)
        .ok_or(BAD_DATE)
}

fn datetime2(bytes: &[u8], scale: u8) -> Result<Datum, Malformed> {
    let length = match scale {
        0..=2 => 3,
        3 | 4 => 4,
        5..=7 => 5,
        _ => return Err(BAD_LENGTH),
    };
    if bytes.is_empty() {
        return Ok(Datum::Null);
    }
    let Some((time, &[a, b, c])) = bytes.split_at_checked(length) else {
        return Err(BAD_LENGTH);
    };
    let mut units = [0; 8];
    units[..length].copy_from_slice(time);
    let days = u32::from_le_bytes([a, b, c, 0]);
    from_datetime2(days, u64::from_le_bytes(units), scale)
        .map(Datum::DateTime)
        .ok_or(BAD_DATE)
}

fn guid(bytes: &[u8]) -> Result<Datum, Malformed> {
    if bytes.is_empty() {
        return Ok(Datum::Null);
    }
    let guid = bytes.try_into().map_err(|_| BAD_LENGTH)?;
    Ok(Datum::Guid(reordered(guid)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::types::{put_type, put_value};
    use super::*;
    use jiff::civil::DateTime;
    use proptest::prelude::*;

    fn back(sql_type: SqlType, datum: &Datum) -> (Option<SqlType>, Datum) {
        let mut bytes = Vec::new();
        put_type(&mut bytes, sql_type);
        put_value(&mut bytes, sql_type, datum).unwrap();
        for length in 0..bytes.len() {
            let cut = typed_value(&mut Reader::new(&bytes[..length]), 1);
            assert_eq!(cut.unwrap_err().number, 4002, "{sql_type:?}");
        }
        let mut reader = Reader::new(&bytes);
        let read = typed_value(&mut reader, 1).unwrap();
        assert_eq!(reader.peek(), None);
        read
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = |text: &str| Datum::Text(text.to_owned());
        let when = DateTime::constant(2016, 2, 29, 13, 14, 15, 123_456_700);
        for (sql_type, datum) in [
            (SqlType::Bit, Datum::Int(1)),
            (SqlType::TinyInt, Datum::Int(255)),
            (SqlType::SmallInt, Datum::Int(-32_768)),
            (SqlType::Int, Datum::Int(i32::MIN.into())),
            (SqlType::BigInt, Datum::Int(i64::MAX)),
            (SqlType::Float, Datum::Float(-0.1)),
            (SqlType::Numeric(9, 2), Datum::Numeric(-999_999_999)),
            (SqlType::Numeric(10, 0), Datum::Numeric(1)),
            (
                SqlType::Numeric(25, 0),
                Datum::Numeric(34_000_000_012_300_001),
            ),
            (
                SqlType::Numeric(38, 38),
                Datum::Numeric(10_i128.pow(38) - 1),
            ),
            (SqlType::NVarChar(Some(3)), text("ä😀")),
            (SqlType::NVarChar(None), text("")),
            (SqlType::NVarChar(None), text(&"x".repeat(9000))),
            (SqlType::VarChar(Some(8000)), text("€")),
            (SqlType::VarChar(None), text("é")),
            (SqlType::VarBinary(Some(2)), Datum::Bytes(vec![0, 255])),
            (SqlType::VarBinary(None), Datum::Bytes(Vec::new())),
            (SqlType::DateTime2, Datum::DateTime(when)),
            (SqlType::UniqueIdentifier, Datum::Guid(*b"0123456789abcdef")),
        ] {
            assert_eq!(back(sql_type, &datum), (Some(sql_type), datum));
            assert_eq!(back(sql_type, &Datum::Null), (Some(sql_type), Datum::Null));
        }
    }

    #[test]
    fn old_long_texts_are_read() {
        let head = [4, 0, 0, 0, 9, 4, 0xD0, 0, 0x34];
        for (kind, sql_type) in [
            (tds::TEXT, SqlType::VarChar(None)),
            (tds::NTEXT, SqlType::NVarChar(None)),
        ] {
            for (value, datum) in [
                (&[2, 0, 0, 0, b'x', 0][..], text_of(kind)),
                (&[0xFF; 4], Datum::Null),
            ] {
                let bytes = [&[kind][..], &head, value].concat();
                let read = typed_value(&mut Reader::new(&bytes), 1).unwrap();
                assert_eq!(read, (Some(sql_type), datum));
                let cut = &bytes[..bytes.len() - 1];
                assert!(typed_value(&mut Reader::new(cut), 1).is_err());
            }
        }
    }

    fn text_of(kind: u8) -> Datum {
        Datum::Text(if kind == tds::TEXT { "x\0" } else { "x" }.to_owned())
    }

    #[test]
    fn the_length_of_a_numeric_follows_its_declared_precision() {
        for (precision, length) in [
            (1, 5),
            (9, 5),
            (10, 9),
            (19, 9),
            (20, 13),
            (28, 13),
            (29, 17),
        ] {
            let mut bytes = Vec::new();
            put_value(
                &mut bytes,
                SqlType::Numeric(precision, 0),
                &Datum::Numeric(7),
            )
            .unwrap();
            assert_eq!(usize::from(bytes[0]), length, "{precision}");
            assert_eq!(bytes.len(), length + 1, "{precision}");
        }
    }

    #[test]
    fn what_a_column_cannot_hold_is_an_error() {
        let text = Datum::Text("abcd".to_owned());
        for (sql_type, datum, number) in [
            (SqlType::TinyInt, Datum::Int(256), 8115),
            (SqlType::Int, Datum::Int(1 << 31), 8115),
            (SqlType::Numeric(3, 0), Datum::Numeric(1000), 8115),
            (
                SqlType::DateTime,
                Datum::DateTime(DateTime::constant(1, 1, 1, 0, 0, 0, 0)),
                8115,
            ),
            (SqlType::NVarChar(Some(3)), text.clone(), 8152),
            (SqlType::Int, text.clone(), 8114),
            (SqlType::VarBinary(None), text, 8114),
        ] {
            let error = put_value(&mut Vec::new(), sql_type, &datum).unwrap_err();
            assert_eq!(error.number, number, "{sql_type:?} {datum:?}");
        }
    }

    #[test]
    fn a_type_that_is_not_simulated_is_named() {
        let error = typed_value(&mut Reader::new(&[0xF1, 0]), 3).unwrap_err();
        assert_eq!(error.number, 8009);
        assert!(error.message.contains("Parameter 3: Data type 0xF1"));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = typed_value(&mut Reader::new(&bytes), 1);
        }
    }
}
