//! `+ - * / % & | ^` over numbers: types of the results, and the results.

use crate::rehearsal::message::{message, syntax};
use crate::rehearsal::type_name::MAX_PRECISION;
use crate::rehearsal::value::{Datum, SqlType};

use super::convert::{fits, integer, power, rescale, scale_of};
use super::error::{Outcome, overflow};
use super::plan::Operator;
use super::types;

/// Name of an operator in messages.
fn name(operator: Operator) -> &'static str {
    match operator {
        Operator::Add => "add",
        Operator::Subtract => "subtract",
        Operator::Multiply => "multiply",
        Operator::Divide => "divide",
        Operator::Modulo => "modulo",
        Operator::And => "'&'",
        Operator::Or => "'|'",
        Operator::Xor => "'^'",
    }
}

/// Types to which both operands are converted, and that of the result.
///
/// The rules for numerics are the documented ones ("Precision, scale, and length").
pub(super) fn result_type(
    operator: Operator,
    left: SqlType,
    right: SqlType,
) -> Outcome<(SqlType, SqlType, SqlType)> {
    let common = types::common(left, right);
    let bits = matches!(operator, Operator::And | Operator::Or | Operator::Xor);
    match common {
        SqlType::Bit if bits => Ok((common, common, common)),
        SqlType::TinyInt | SqlType::SmallInt | SqlType::Int | SqlType::BigInt => {
            Ok((common, common, common))
        }
        SqlType::Float if !bits && operator != Operator::Modulo => Ok((common, common, common)),
        SqlType::Numeric(..) if !bits => {
            let exact = |sql_type| match types::precision(sql_type) {
                Some((precision, scale)) => SqlType::Numeric(precision, scale),
                // Text beside a numeric takes its type.
                None => common,
            };
            let (left, right) = (exact(left), exact(right));
            Ok((left, right, numeric_result(operator, left, right)))
        }
        // Days may be added to a datetime; nothing here needs it.
        SqlType::DateTime | SqlType::DateTime2 if left != right => Err(syntax(name(operator))),
        other => Err(message(8117, &[other.name(), name(operator)])),
    }
}

fn numeric_result(operator: Operator, left: SqlType, right: SqlType) -> SqlType {
    let (p1, s1) = types::precision(left).unwrap_or_default();
    let (p2, s2) = types::precision(right).unwrap_or_default();
    let [p1, s1, p2, s2] = [p1, s1, p2, s2].map(i32::from);
    let (precision, scale) = match operator {
        Operator::Multiply => (p1 + p2 + 1, s1 + s2),
        Operator::Divide => {
            let scale = 6.max(s1 + p2 + 1);
            (p1 - s1 + s2 + scale, scale)
        }
        Operator::Modulo => ((p1 - s1).min(p2 - s2) + s1.max(s2), s1.max(s2)),
        _ => ((p1 - s1).max(p2 - s2) + s1.max(s2) + 1, s1.max(s2)),
    };
    let most = i32::from(MAX_PRECISION);
    let whole = precision - scale;
    let scale = match operator {
        _ if precision <= most => scale,
        Operator::Multiply | Operator::Divide if whole < 32 => scale.min(most - whole),
        Operator::Multiply | Operator::Divide => scale.min(6),
        _ => scale.min((most - whole).max(0)),
    };
    let narrow = |number: i32| u8::try_from(number).unwrap_or(MAX_PRECISION);
    SqlType::Numeric(narrow(precision.clamp(1, most)), narrow(scale))
}

/// Applies an operator to two values of the types that [`result_type`] names.
pub(super) fn apply(
    operator: Operator,
    (left, left_type): (&Datum, SqlType),
    (right, right_type): (&Datum, SqlType),
    to: SqlType,
) -> Outcome<Datum> {
    match (left, right) {
        (Datum::Null, _) | (_, Datum::Null) => Ok(Datum::Null),
        (Datum::Int(a), Datum::Int(b)) => {
            integer(whole(operator, i128::from(*a), i128::from(*b))?, to)
        }
        (Datum::Float(a), Datum::Float(b)) => float(operator, *a, *b, to),
        (Datum::Numeric(a), Datum::Numeric(b)) => {
            let (s1, s2, scale) = (scale_of(left_type), scale_of(right_type), scale_of(to));
            let number =
                numeric(operator, (*a, s1), (*b, s2), scale)?.ok_or_else(|| overflow(to))?;
            let precision = types::precision(to).map_or(MAX_PRECISION, |(precision, _)| precision);
            fits(number, precision)
                .then_some(Datum::Numeric(number))
                .ok_or_else(|| overflow(to))
        }
        _ => Err(syntax(name(operator))),
    }
}

fn whole(operator: Operator, a: i128, b: i128) -> Outcome<i128> {
    Ok(match operator {
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        // Both come from 64 bits: the product fits.
        Operator::Multiply => a * b,
        Operator::Divide | Operator::Modulo if b == 0 => return Err(message(8134, &[])),
        Operator::Divide => a / b,
        Operator::Modulo => a % b,
        Operator::And => a & b,
        Operator::Or => a | b,
        Operator::Xor => a ^ b,
    })
}

fn float(operator: Operator, a: f64, b: f64, to: SqlType) -> Outcome<Datum> {
    let number = match operator {
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide if b == 0.0 => return Err(message(8134, &[])),
        Operator::Divide => a / b,
        _ => return Err(message(8117, &[to.name(), name(operator)])),
    };
    if number.is_finite() {
        Ok(Datum::Float(number))
    } else {
        Err(overflow(to))
    }
}

/// Inner `None` = overflow.
fn numeric(
    operator: Operator,
    (a, s1): (i128, u8),
    (b, s2): (i128, u8),
    scale: u8,
) -> Outcome<Option<i128>> {
    let wide = s1.max(s2);
    let both = || Some((rescale(a, s1, wide)?, rescale(b, s2, wide)?));
    Ok(match operator {
        Operator::Add => both().and_then(|(a, b)| rescale(a.checked_add(b)?, wide, scale)),
        Operator::Subtract => both().and_then(|(a, b)| rescale(a.checked_sub(b)?, wide, scale)),
        Operator::Multiply => a
            .checked_mul(b)
            .and_then(|product| rescale(product, s1.saturating_add(s2), scale)),
        Operator::Divide | Operator::Modulo if b == 0 => return Err(message(8134, &[])),
        Operator::Divide => {
            // a / 10^s1 / (b / 10^s2) * 10^scale; digits beyond the scale are cut off.
            let up = i16::from(scale) + i16::from(s2) - i16::from(s1);
            match u8::try_from(up) {
                Ok(up) => power(up)
                    .and_then(|factor| a.checked_mul(factor))
                    .map(|a| a / b),
                Err(_) => u8::try_from(-up)
                    .ok()
                    .and_then(power)
                    .and_then(|factor| b.checked_mul(factor))
                    .map(|b| a / b),
            }
        }
        Operator::Modulo => both().and_then(|(a, b)| rescale(a % b, wide, scale)),
        _ => None,
    })
}
