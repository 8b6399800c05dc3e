//! Values and tables as the simulated instances hold them.

use jiff::civil::DateTime;

/// A column type of T-SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlType {
    /// `bit`
    Bit,
    /// `tinyint`
    TinyInt,
    /// `smallint`
    SmallInt,
    /// `int`
    Int,
    /// `bigint`
    BigInt,
    /// `float`
    Float,
    /// `numeric(precision, scale)`
    Numeric(u8, u8),
    /// `nvarchar(n)`, n in characters; `None` = max
    NVarChar(Option<u16>),
    /// `varchar(n)`, likewise
    VarChar(Option<u16>),
    /// `datetime`
    DateTime,
    /// `datetime2(7)`
    DateTime2,
    /// `uniqueidentifier`
    UniqueIdentifier,
    /// `varbinary(n)`, n in bytes; `None` = max
    VarBinary(Option<u16>),
    /// `sql_variant`: what SERVERPROPERTY gives without a CAST.
    Variant,
}

/// One value. Numbers keep their type with the column.
#[derive(Clone, Debug, PartialEq)]
pub enum Datum {
    /// NULL of any type.
    Null,
    /// bit and the integers.
    Int(i64),
    /// float
    Float(f64),
    /// numeric: the unscaled number; the scale is the column's.
    Numeric(i128),
    /// nvarchar, varchar
    Text(String),
    /// datetime, datetime2
    DateTime(DateTime),
    /// uniqueidentifier, in the order in which it is shown
    Guid([u8; 16]),
    /// varbinary
    Bytes(Vec<u8>),
}

/// A named column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name; empty where an expression has none.
    pub name: String,
    /// Its type.
    pub sql_type: SqlType,
}

impl Column {
    /// Makes one.
    pub fn new(name: &str, sql_type: SqlType) -> Self {
        Self {
            name: name.to_owned(),
            sql_type,
        }
    }
}

/// A table, a view, or a result set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Relation {
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows, each as long as `columns`.
    pub rows: Vec<Vec<Datum>>,
}

/// An error message as the server sends it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error {number}, severity {class}: {message}")]
pub struct ServerError {
    /// Error number.
    pub number: u32,
    /// Severity.
    pub class: u8,
    /// State.
    pub state: u8,
    /// Text.
    pub message: String,
}

impl ServerError {
    /// An error of severity 16, state 1: the usual case.
    pub fn new(number: u32, message: impl Into<String>) -> Self {
        Self {
            number,
            class: 16,
            state: 1,
            message: message.into(),
        }
    }
}
