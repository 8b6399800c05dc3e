//! What steps look at: the observations O1 to O17, K1 to K6 and D1 to D3 of `reference/steps.md` 2,
//! as checked values. Reads only.

pub mod backups;
pub mod database;
pub mod folders;
pub mod instance;
pub mod log_shipping;
pub mod own_job;
pub mod pool;
pub mod sessions;
pub mod sets;
pub mod shipped;
pub mod space;
pub mod writable;

use serde::{Deserialize, Serialize};

use crate::access::Access;
use crate::access::sql::{Query, SqlError, Table};
use crate::model::{Instance, Problem};

/// Something looked at. Unknown is never taken for absent (`steps.md` 1.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observed<T> {
    /// It is there.
    Seen(T),
    /// It is not there, and what answered would have shown it.
    Absent,
    /// It could not be looked at, and why.
    Unknown(Problem),
}

impl<T> Observed<T> {
    /// Not looked at, for that reason.
    pub fn unseen(why: impl Into<Problem>) -> Self {
        Self::Unknown(why.into())
    }

    /// The value, where seen.
    pub fn seen(&self) -> Option<&T> {
        match self {
            Self::Seen(value) => Some(value),
            Self::Absent | Self::Unknown(_) => None,
        }
    }

    /// The same with another value, where seen.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Observed<U> {
        match self {
            Self::Seen(value) => Observed::Seen(change(value)),
            Self::Absent => Observed::Absent,
            Self::Unknown(why) => Observed::Unknown(why),
        }
    }

    /// Why it is unknown.
    pub fn unknown(&self) -> Option<&Problem> {
        match self {
            Self::Unknown(why) => Some(why),
            Self::Seen(_) | Self::Absent => None,
        }
    }

    /// True when it is known not to be there.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

/// A failed look.
impl<T> From<SqlError> for Observed<T> {
    fn from(error: SqlError) -> Self {
        Self::Unknown(error.into())
    }
}

/// Reads one table; the error as the reason why it is unknown.
async fn table(access: &Access, instance: Instance, query: Query<'_>) -> Result<Table, Problem> {
    // The driver's futures are large, and a look awaits many of them.
    Box::pin(access.sql.read(instance, query))
        .await
        .map_err(Problem::from)
}

/// Seen when there is a row, absent when there is none.
fn first<T>(
    answer: Result<Table, Problem>,
    read: impl Fn(crate::access::sql::Row<'_>) -> Option<T>,
) -> Observed<T> {
    match answer {
        Err(why) => Observed::Unknown(why),
        Ok(table) => match table.rows().next() {
            None => Observed::Absent,
            Some(row) => read(row).map_or_else(
                || Observed::unseen("the answer lacks a column"),
                Observed::Seen,
            ),
        },
    }
}

/// Seen with all rows, also none; unknown when one of them cannot be read.
fn every<T>(
    answer: Result<Table, Problem>,
    read: impl Fn(crate::access::sql::Row<'_>) -> Option<T>,
) -> Observed<Vec<T>> {
    match answer {
        Err(why) => Observed::Unknown(why),
        Ok(table) => table
            .rows()
            .map(read)
            .collect::<Option<Vec<T>>>()
            .map_or_else(
                || Observed::unseen("the answer lacks a column"),
                Observed::Seen,
            ),
    }
}
