//! How far log shipping is (`steps.md` 7, lag), and when an instance last took a log backup of its own.

use jiff::civil::DateTime;

use super::{Observed, first, table};
use crate::access::Access;
use crate::access::sql::Query;
use crate::model::{DatabaseName, Instance};

/// The last file that the secondary copied and restored, a path there; `None` where it never did. The
/// dates beside them are those of the last operation, which a job that is days behind does too
/// (`sql-server.md` 1.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shipped {
    /// By the copy job.
    pub copied: Option<String>,
    /// By the restore job.
    pub restored: Option<String>,
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
            copied: row.text("last_copied_file"),
            restored: row.text("last_restored_file"),
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
