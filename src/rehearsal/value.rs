//! Values and tables as the simulated instances hold them.

use jiff::civil::DateTime;

use crate::model::Lsn;

/// The type of most names.
pub const NAME: SqlType = SqlType::NVarChar(Some(128));
/// A log sequence number.
pub const LSN: SqlType = SqlType::Numeric(25, 0);
/// A GUID.
pub const GUID: SqlType = SqlType::UniqueIdentifier;

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

impl SqlType {
    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bit => "bit",
            Self::TinyInt => "tinyint",
            Self::SmallInt => "smallint",
            Self::Int => "int",
            Self::BigInt => "bigint",
            Self::Float => "float",
            Self::Numeric(..) => "numeric",
            Self::NVarChar(_) => "nvarchar",
            Self::VarChar(_) => "varchar",
            Self::DateTime => "datetime",
            Self::DateTime2 => "datetime2",
            Self::UniqueIdentifier => "uniqueidentifier",
            Self::VarBinary(_) => "varbinary",
            Self::Variant => "sql_variant",
        }
    }
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

impl From<i64> for Datum {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

/// Conversions of what an integer column takes; what is beyond 64 bits becomes the largest.
macro_rules! from_integers {
    ($($integer:ty),*) => {
        $(impl From<$integer> for Datum {
            fn from(number: $integer) -> Self {
                Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
            }
        })*
    };
}

from_integers!(bool, u8, u16, i32, u64);

impl From<f64> for Datum {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl From<Lsn> for Datum {
    fn from(lsn: Lsn) -> Self {
        Self::Numeric(i128::try_from(lsn.to_u128()).unwrap_or(i128::MAX))
    }
}

impl From<String> for Datum {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&String> for Datum {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<&str> for Datum {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<DateTime> for Datum {
    fn from(moment: DateTime) -> Self {
        Self::DateTime(moment)
    }
}

impl From<[u8; 16]> for Datum {
    fn from(guid: [u8; 16]) -> Self {
        Self::Guid(guid)
    }
}

impl From<Vec<u8>> for Datum {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl<T: Into<Self>> From<Option<T>> for Datum {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
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

/// A [`Relation`] with a row for each item: a column is its name, its type and its value there.
macro_rules! relation {
    (
        for $row:pat in $rows:expr;
        $(let $name:pat = $bound:expr;)*
        $($column:literal: $sql_type:expr => $value:expr,)*
    ) => {
        $crate::rehearsal::value::Relation {
            columns: vec![$($crate::rehearsal::value::Column::new($column, $sql_type)),*],
            rows: Iterator::map($rows.into_iter(), |$row| {
                $(let $name = $bound;)*
                vec![$($crate::rehearsal::value::Datum::from($value)),*]
            })
            .collect(),
        }
    };
}

pub(super) use relation;

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
