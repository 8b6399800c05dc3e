//! CAST and CONVERT, asked for or implied.

use crate::rehearsal::hex::{guid_text, hex, parse_guid, reordered};
use crate::rehearsal::message::{message, syntax};
use crate::rehearsal::value::{Datum, SqlType};

use super::error::{Outcome, bad_text, not_convertible, overflow};
use super::{dates, text, types, value};

/// Converts a value from one type to another.
///
/// `style` is CONVERT's third argument; `explicit` says that the statement asks for the conversion,
/// which more pairs of types allow.
pub(super) fn convert(
    datum: &Datum,
    from: SqlType,
    to: SqlType,
    style: Option<i64>,
    explicit: bool,
) -> Outcome<Datum> {
    if from == SqlType::Variant && to != SqlType::Variant {
        return match (datum, explicit) {
            (_, false) => Err(not_convertible(from, to, false)),
            (Datum::Null, true) => Ok(Datum::Null),
            _ => convert(datum, value::inner_type(datum), to, style, true),
        };
    }
    check(from, to, explicit)?;
    if *datum == Datum::Null {
        return Ok(Datum::Null);
    }
    match to {
        SqlType::Variant => match (datum, from) {
            // The scale is not kept beside the value.
            (Datum::Numeric(_), SqlType::Numeric(_, 1..)) => Err(syntax("sql_variant")),
            _ => Ok(datum.clone()),
        },
        SqlType::Bit | SqlType::TinyInt | SqlType::SmallInt | SqlType::Int | SqlType::BigInt => {
            to_integer(datum, from, to)
        }
        SqlType::Float => to_float(datum, from, to),
        SqlType::Numeric(precision, scale) => to_numeric(datum, from, to, precision, scale),
        SqlType::NVarChar(length) | SqlType::VarChar(length) => {
            to_text(datum, from, to, length, style)
        }
        SqlType::DateTime | SqlType::DateTime2 => match datum {
            Datum::DateTime(moment) => dates::fit(*moment, from, to).map(Datum::DateTime),
            Datum::Text(text) => dates::parse(text, to).map(Datum::DateTime),
            _ => Err(syntax(to.name())),
        },
        SqlType::UniqueIdentifier => match datum {
            Datum::Guid(_) => Ok(datum.clone()),
            Datum::Text(text) => parse_guid(text)
                .map(Datum::Guid)
                .ok_or_else(|| message(8169, &[])),
            Datum::Bytes(bytes) => match bytes.first_chunk::<16>() {
                Some(bytes) => Ok(Datum::Guid(reordered(*bytes))),
                None => Err(message(8169, &[])),
            },
            _ => Err(not_convertible(from, to, explicit)),
        },
        SqlType::VarBinary(length) => to_bytes(datum, from, length, style),
    }
}

/// Whether the pair of types may be converted at all.
pub(super) fn check(from: SqlType, to: SqlType, explicit: bool) -> Outcome<()> {
    let fine = match (from, to) {
        (_, SqlType::Variant) => !matches!(
            from,
            SqlType::NVarChar(None) | SqlType::VarChar(None) | SqlType::VarBinary(None)
        ),
        (SqlType::Variant, _) => explicit,
        (a, b) if types::is_text(a) => explicit || !matches!(b, SqlType::VarBinary(_)),
        (SqlType::VarBinary(_), SqlType::UniqueIdentifier | SqlType::VarBinary(_)) => true,
        (SqlType::VarBinary(_), b) => types::is_integer(b) || types::is_text(b),
        (SqlType::UniqueIdentifier, b) => {
            types::is_text(b) || matches!(b, SqlType::UniqueIdentifier | SqlType::VarBinary(_))
        }
        (a, b) if types::is_date(a) => types::is_date(b) || types::is_text(b),
        (a, SqlType::VarBinary(_)) => types::is_integer(a),
        (_, b) => types::is_number(b) || types::is_text(b),
    };
    if fine {
        return Ok(());
    }
    // The server has numbers for dates, and bytes for what is not an integer; we do not.
    let ours = matches!(
        (from, to),
        (SqlType::DateTime, b) if types::is_number(b)
    ) || (types::is_number(from) && to == SqlType::DateTime);
    if ours || from == SqlType::Variant {
        return Err(if ours {
            syntax(to.name())
        } else {
            not_convertible(from, to, explicit)
        });
    }
    Err(if explicit {
        not_convertible(from, to, true)
    } else {
        message(206, &[from.name(), to.name()])
    })
}

fn to_integer(datum: &Datum, from: SqlType, to: SqlType) -> Outcome<Datum> {
    let number: i128 = match datum {
        Datum::Int(number) => i128::from(*number),
        Datum::Numeric(number) => number / power(scale_of(from)).unwrap_or(1),
        #[allow(clippy::cast_possible_truncation)] // saturates; the range is checked below
        Datum::Float(number) => number.trunc() as i128,
        Datum::Text(text) => return text_to_integer(text, from, to),
        Datum::Bytes(bytes) => {
            let width = match to {
                SqlType::BigInt => 8,
                SqlType::Int => 4,
                SqlType::SmallInt => 2,
                _ => 1,
            };
            let last = &bytes[bytes.len().saturating_sub(width)..];
            let unsigned = last
                .iter()
                .fold(0_i128, |sum, byte| sum << 8 | i128::from(*byte));
            let bits = width * 8;
            let negative =
                to != SqlType::TinyInt && to != SqlType::Bit && unsigned >> (bits - 1) == 1;
            if negative {
                unsigned - (1 << bits)
            } else {
                unsigned
            }
        }
        _ => return Err(not_convertible(from, to, true)),
    };
    integer(number, to)
}

/// Puts a number into an integer type; every number but 0 is a bit of 1.
pub(super) fn integer(number: i128, to: SqlType) -> Outcome<Datum> {
    if to == SqlType::Bit {
        return Ok(Datum::Int(i64::from(number != 0)));
    }
    let (low, high) = types::range(to).unwrap_or((i64::MIN, i64::MAX));
    match i64::try_from(number) {
        Ok(number) if (low..=high).contains(&number) => Ok(Datum::Int(number)),
        _ if matches!(to, SqlType::TinyInt | SqlType::SmallInt) => {
            Err(message(220, &[to.name(), &number.to_string()]))
        }
        _ => Err(overflow(to)),
    }
}

fn text_to_integer(text: &str, from: SqlType, to: SqlType) -> Outcome<Datum> {
    let trimmed = text.trim_matches(' ');
    if to == SqlType::Bit {
        match trimmed.to_ascii_lowercase().as_str() {
            "true" => return Ok(Datum::Int(1)),
            "false" => return Ok(Datum::Int(0)),
            _ => {}
        }
    }
    if trimmed.is_empty() {
        return Ok(Datum::Int(0));
    }
    let digits = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad_text(text, from, to));
    }
    match trimmed.parse::<i128>() {
        Ok(number) => integer(number, to).map_err(|error| match to {
            SqlType::Int => message(248, &[from.name(), text, to.name()]),
            _ => error,
        }),
        Err(_) if to == SqlType::Int => Err(message(248, &[from.name(), text, to.name()])),
        Err(_) => Err(overflow(to)),
    }
}

#[allow(clippy::cast_precision_loss)] // a float holds what it holds
fn to_float(datum: &Datum, from: SqlType, to: SqlType) -> Outcome<Datum> {
    let number = match datum {
        Datum::Int(number) => *number as f64,
        Datum::Numeric(number) => *number as f64 / 10_f64.powi(i32::from(scale_of(from))),
        Datum::Float(number) => *number,
        Datum::Text(text) => {
            let trimmed = text.trim_matches(' ');
            let plain = trimmed
                .bytes()
                .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
            match trimmed.parse::<f64>() {
                Ok(number) if plain && number.is_finite() => number,
                _ if trimmed.is_empty() => 0.0,
                _ => return Err(bad_text(text, from, to)),
            }
        }
        _ => return Err(not_convertible(from, to, true)),
    };
    Ok(Datum::Float(number))
}

fn to_numeric(
    datum: &Datum,
    from: SqlType,
    to: SqlType,
    precision: u8,
    scale: u8,
) -> Outcome<Datum> {
    let number = match datum {
        Datum::Int(number) => rescale(i128::from(*number), 0, scale),
        Datum::Numeric(number) => rescale(*number, scale_of(from), scale),
        Datum::Float(number) => {
            // Seventeen digits are all that a float has.
            let digits = format!("{number:.*}", usize::from(scale));
            parse_decimal(&digits).and_then(|(number, given)| rescale(number, given, scale))
        }
        Datum::Text(text) => {
            let (number, given) =
                parse_decimal(text.trim_matches(' ')).ok_or_else(|| bad_text(text, from, to))?;
            rescale(number, given, scale)
        }
        _ => return Err(not_convertible(from, to, true)),
    };
    let number = number.ok_or_else(|| overflow(to))?;
    fits(number, precision)
        .then_some(Datum::Numeric(number))
        .ok_or_else(|| overflow(to))
}

/// Whether a number has at most so many digits.
pub(super) fn fits(number: i128, precision: u8) -> bool {
    power(precision).is_none_or(|limit| number.unsigned_abs() < limit.unsigned_abs())
}

/// Scale of a numeric type, 0 for the others.
pub(super) fn scale_of(sql_type: SqlType) -> u8 {
    types::precision(sql_type).map_or(0, |(_, scale)| scale)
}

/// 10^n, where an i128 holds it.
pub(super) fn power(exponent: u8) -> Option<i128> {
    10_i128.checked_pow(u32::from(exponent))
}

/// The same number at another scale, rounded half away from zero.
pub(super) fn rescale(number: i128, from: u8, to: u8) -> Option<i128> {
    if to >= from {
        return number.checked_mul(power(to - from)?);
    }
    let divisor = power(from - to)?;
    let (quotient, rest) = (number / divisor, number % divisor);
    let up = rest.unsigned_abs() * 2 >= divisor.unsigned_abs();
    Some(quotient + if up { number.signum() } else { 0 })
}

/// `12.50` as (1250, 2).
pub(super) fn parse_decimal(text: &str) -> Option<(i128, u8)> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction}");
    if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: i128 = all.parse().ok()?;
    let scale = u8::try_from(fraction.len()).ok()?;
    Some((if negative { -number } else { number }, scale))
}

/// A numeric in plain digits.
pub(super) fn show_numeric(number: i128, scale: u8) -> String {
    let digits = number.unsigned_abs().to_string();
    let scale = usize::from(scale);
    let sign = if number < 0 { "-" } else { "" };
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    format!("{sign}{whole}.{fraction}")
}

fn to_text(
    datum: &Datum,
    from: SqlType,
    to: SqlType,
    length: Option<u16>,
    style: Option<i64>,
) -> Outcome<Datum> {
    let text = match datum {
        Datum::Text(text) => text.clone(),
        Datum::Int(number) => number.to_string(),
        Datum::Numeric(number) => show_numeric(*number, scale_of(from)),
        Datum::Float(number) => match style {
            None | Some(0) => show_float(*number),
            Some(other) => return Err(syntax(other)),
        },
        Datum::DateTime(moment) => dates::show(*moment, from, style)?,
        Datum::Guid(guid) => guid_text(guid),
        Datum::Bytes(bytes) => match style {
            Some(1) => format!("0x{}", hex(bytes)),
            Some(2) => hex(bytes),
            other => return Err(syntax(other.unwrap_or(0))),
        },
        Datum::Null => return Ok(Datum::Null),
    };
    let Some(length) = length.map(usize::from) else {
        return Ok(Datum::Text(text));
    };
    if text::units(&text) <= length {
        return Ok(Datum::Text(text));
    }
    match datum {
        // A number is never cut: a short varchar shows a star.
        Datum::Int(_) if from != SqlType::BigInt && matches!(to, SqlType::VarChar(_)) => {
            Ok(Datum::Text("*".to_owned()))
        }
        Datum::Int(_) | Datum::Numeric(_) | Datum::Float(_) => Err(overflow(to)),
        Datum::Guid(_) => Err(message(8170, &[])),
        _ => Ok(Datum::Text(text::slice(&text, 0, length))),
    }
}

/// A float as style 0 shows it: at most six digits, scientific where they do not do.
fn show_float(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{number:.5e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |digits: &str| {
        if !digits.contains('.') {
            return digits.to_owned();
        }
        let digits = digits.trim_end_matches('0');
        digits.trim_end_matches('.').to_owned()
    };
    if (-5..6).contains(&exponent) {
        let decimals = usize::try_from(5 - exponent).unwrap_or(0);
        return trim(&format!("{number:.decimals$}"));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:03}", trim(mantissa), exponent.abs())
}

fn to_bytes(
    datum: &Datum,
    from: SqlType,
    length: Option<u16>,
    style: Option<i64>,
) -> Outcome<Datum> {
    let mut bytes = match datum {
        Datum::Bytes(bytes) => bytes.clone(),
        Datum::Guid(guid) => reordered(*guid).to_vec(),
        Datum::Text(text) => match (style, from) {
            (None | Some(0), SqlType::NVarChar(_)) => {
                text.encode_utf16().flat_map(u16::to_le_bytes).collect()
            }
            (None | Some(0), _) if text.is_ascii() => text.clone().into_bytes(),
            (other, _) => return Err(syntax(other.unwrap_or(0))),
        },
        Datum::Int(number) => {
            let all = number.to_be_bytes();
            let width = match from {
                SqlType::BigInt => 8,
                SqlType::Int => 4,
                SqlType::SmallInt => 2,
                _ => 1,
            };
            // A number keeps its last bytes, everything else its first.
            let width = length.map_or(width, |length| width.min(usize::from(length)));
            all[all.len() - width..].to_vec()
        }
        _ => return Err(syntax("varbinary")),
    };
    if let Some(length) = length {
        bytes.truncate(usize::from(length));
    }
    Ok(Datum::Bytes(bytes))
}
