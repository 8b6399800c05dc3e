//! How far log shipping is (`steps.md` 7, lag), and when an instance last took a log backup of its own.

use jiff::civil::DateTime;

use super::{Observed, first, table};
use crate::access::Access;
use crate::access::sql::Query;
use crate::model::{DatabaseName, Instance};

/// When the secondary last copied and restored a file, UTC; `None` where it never did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shipped {
    /// Of the copy job.
    pub copied: Option<DateTime>,
    /// Of the restore job.
    pub restored: Option<DateTime>,
}

/// What the secondary's own monitor rows say.
pub async fn shipped(
    access: &Access,
    instance: Instance,
    name: &DatabaseName,
) -> Observed<Shipped> {
    let query = Query::of(include_str!("../../sql/shipped.sql"), name.as_str());
    first(table(access, instance, query).await, |row| {
        Some(Shipped {
            copied: row.parse("last_copied_utc"),
            restored: row.parse("last_restored_utc"),
        })
    })
}

/// End of the newest log backup that an instance took since the database was last restored there, by its
/// own clock.
pub async fn own_log_backup(
    access: &Access,
    instance: Instance,
    name: &DatabaseName,
) -> Observed<DateTime> {
    let query = Query::of(
        include_str!("../../sql/newest_log_backup.sql"),
        name.as_str(),
    );
    first(table(access, instance, query).await, |row| {
        row.parse("finished")
    })
}
