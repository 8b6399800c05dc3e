//! Result sets, free of the driver's types.

use jiff::civil::{DateTime, date};

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// NULL.
    Null,
    /// bit and all integers.
    Int(i64),
    /// float, real
    Float(f64),
    /// Text, GUID (upper case), numeric (plain digits), date (ISO), binary (`0x…`).
    Text(String),
}

/// A result set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
}

/// One row of a table, with the names of its columns.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    columns: &'a [String],
    values: &'a [Value],
}

impl Table {
    /// An empty result set with these columns.
    pub(super) fn new(columns: Vec<String>) -> Self {
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    /// A result set with these rows.
    #[cfg(test)]
    pub(crate) fn with_rows(columns: &[&str], rows: Vec<Vec<Value>>) -> Self {
        let columns = columns.iter().map(|&name| name.to_owned()).collect();
        Self { columns, rows }
    }

    pub(super) fn push(&mut self, row: Vec<Value>) {
        self.rows.push(row);
    }

    /// Its rows.
    pub fn rows(&self) -> impl DoubleEndedIterator<Item = Row<'_>> {
        self.rows.iter().map(|values| Row {
            columns: &self.columns,
            values,
        })
    }

    /// Whether it has that column.
    pub fn has(&self, column: &str) -> bool {
        let mut columns = self.columns.iter();
        columns.any(|name| name.eq_ignore_ascii_case(column))
    }

    /// True without rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl<'a> Row<'a> {
    fn value(&self, column: &str) -> Option<&'a Value> {
        let index = self
            .columns
            .iter()
            .position(|name| name.eq_ignore_ascii_case(column))?;
        self.values.get(index)
    }

    /// The value as text, whatever its type; `None` for NULL and for a column that is not there.
    pub fn text(&self, column: &str) -> Option<String> {
        match self.value(column)? {
            Value::Null => None,
            Value::Int(number) => Some(number.to_string()),
            Value::Float(number) => Some(number.to_string()),
            Value::Text(text) => Some(text.clone()),
        }
    }

    /// The value as a whole number; `None` for NULL, for anything else, and for no such column.
    pub fn int(&self, column: &str) -> Option<i64> {
        match self.value(column)? {
            Value::Int(number) => Some(*number),
            Value::Text(text) => text.parse().ok(),
            Value::Null | Value::Float(_) => None,
        }
    }

    /// The value as a bit.
    pub fn bit(&self, column: &str) -> Option<bool> {
        self.int(column).map(|number| number != 0)
    }

    /// The value as a float.
    pub fn float(&self, column: &str) -> Option<f64> {
        match self.value(column)? {
            Value::Float(number) => Some(*number),
            Value::Text(text) => text.parse().ok(),
            Value::Int(_) | Value::Null => None,
        }
    }

    /// The value read as any type with a text form.
    pub fn parse<T: std::str::FromStr>(&self, column: &str) -> Option<T> {
        self.text(column)?.parse().ok()
    }
}

/// `0x` and hexadecimal digits.
pub(super) fn binary(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::from("0x");
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02X}");
    }
    text
}

/// A numeric in plain digits.
pub(super) fn decimal(unscaled: i128, scale: u8) -> String {
    if scale == 0 {
        return unscaled.to_string();
    }
    let scale = usize::from(scale);
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if unscaled < 0 { "-" } else { "" };
    format!("{sign}{whole}.{fraction}")
}

/// A date and time in ISO notation: days since 1900-01-01, nanoseconds since midnight.
pub(super) fn datetime(days: i64, nanoseconds: u64) -> String {
    let nanoseconds = i64::try_from(nanoseconds).unwrap_or(i64::MAX);
    let moment: Option<DateTime> = date(1900, 1, 1)
        .at(0, 0, 0, 0)
        .checked_add(
            jiff::SignedDuration::from_hours(24)
                .saturating_mul(i32::try_from(days).unwrap_or(i32::MAX)),
        )
        .and_then(|moment| moment.checked_add(jiff::SignedDuration::from_nanos(nanoseconds)))
        .ok();
    moment.map_or_else(|| "(no date)".to_owned(), |moment| moment.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_dates_read_as_the_server_shows_them() {
        assert_eq!(decimal(36_000_000_016_800_037, 0), "36000000016800037");
        assert_eq!(decimal(-5, 2), "-0.05");
        assert_eq!(datetime(0, 0), "1900-01-01T00:00:00");
        assert_eq!(datetime(46_000, 1_000_000_000), "2025-12-11T00:00:01");
        assert_eq!(datetime(i64::MAX, u64::MAX), "(no date)");
        assert_eq!(binary(&[0, 255]), "0x00FF");
    }
}
