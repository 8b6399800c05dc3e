//! D3, O14 and their kin: what an instance says of a backup file, and of the log backups it took
//! (`sql-server.md` 2.1; `steps.md` 2).

use serde::{Deserialize, Serialize};

use super::sets::{is_no_backup, refused};
use super::{Observed, every, table};
use crate::access::Access;
use crate::access::sql::Query;
use crate::model::{DatabaseName, Instance, Lsn, quote};

/// VERIFYONLY says that the data inside is damaged, or has no checksums.
const NOT_SOUND: [u32; 5] = [3183, 3187, 3189, 3184, 3186];

/// A database file inside a backup (`RESTORE FILELISTONLY`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedFile {
    /// Logical name.
    pub name: String,
    /// Path on the instance that was backed up.
    pub path: String,
    /// `D` data, `L` log.
    pub kind: String,
    /// Certificate of a database that is encrypted as such.
    pub thumbprint: Option<String>,
}

/// The database files inside a backup, as that instance sees it.
pub async fn listed_files(
    access: &Access,
    instance: Instance,
    path: &str,
) -> Observed<Vec<ListedFile>> {
    let query = Query::of(include_str!("../../sql/file_list_only.sql"), path);
    match Box::pin(access.sql.read(instance, query)).await {
        Err(error) => refused(&error),
        Ok(table) => every(Ok(table), |row| {
            Some(ListedFile {
                name: row.text("LogicalName")?,
                path: row.text("PhysicalName")?,
                kind: row.text("Type")?.trim().to_owned(),
                thumbprint: row.text("TDEThumbprint"),
            })
        }),
    }
}

/// Reads a whole backup and checks it (`RESTORE VERIFYONLY`): seen when it is sound, absent when it
/// is not. As long as a read of the file takes; there is no limit here.
pub async fn verified(access: &Access, instance: Instance, path: &str) -> Observed<()> {
    let statement = format!(
        "RESTORE VERIFYONLY FROM DISK = {} WITH CHECKSUM",
        quote::literal(path)
    );
    let answer = async {
        let mut session = Box::pin(access.sql.open(instance)).await?;
        Box::pin(session.send(&statement)).await
    };
    match answer.await {
        Ok(_) => Observed::Seen(()),
        // A read that failed for the network's sake says nothing of the file.
        Err(error) if is_no_backup(&error) => Observed::Absent,
        Err(error) => match error.number() {
            Some(number) if NOT_SOUND.contains(&number) => Observed::Absent,
            _ => Observed::unseen(&error),
        },
    }
}

/// O14: a log backup that an instance took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogBackup {
    /// First LSN.
    pub first_lsn: Lsn,
    /// LSN behind the last record.
    pub last_lsn: Lsn,
    /// Place in the file.
    pub position: i64,
    /// Taken WITH `COPY_ONLY`: it breaks no chain.
    pub copy_only: bool,
    /// The file.
    pub device: String,
}

/// O14, newest first: those that were taken since the database was last restored. Older ones are of
/// another life of it, whose LSNs say nothing here.
pub async fn log_backups(
    access: &Access,
    instance: Instance,
    name: &DatabaseName,
) -> Observed<Vec<LogBackup>> {
    let query = Query::of(include_str!("../../sql/log_backups.sql"), name.as_str());
    every(table(access, instance, query).await, |row| {
        Some(LogBackup {
            first_lsn: row.parse("first_lsn")?,
            last_lsn: row.parse("last_lsn")?,
            position: row.int("position")?,
            copy_only: row.bit("is_copy_only") == Some(true),
            device: row.text("physical_device_name")?,
        })
    })
}

/// O5: the sets that were restored into a database, newest first.
pub async fn restored_sets(
    access: &Access,
    instance: Instance,
    name: &DatabaseName,
) -> Observed<Vec<String>> {
    let query = Query::of(include_str!("../../sql/restored_sets.sql"), name.as_str());
    every(table(access, instance, query).await, |row| {
        Some(row.text("backup_set_uuid").unwrap_or_default())
    })
}

/// O5: the full backup that a database was restored from last; `None` inside where the newest hundred
/// restores name none.
pub async fn restored_from(
    access: &Access,
    instance: Instance,
    name: &DatabaseName,
) -> Observed<Option<String>> {
    let query = Query::of(include_str!("../../sql/restored_sets.sql"), name.as_str());
    let rows = every(table(access, instance, query).await, |row| {
        let kind = row.text("restore_type").unwrap_or_default();
        Some((kind, row.text("backup_set_uuid").unwrap_or_default()))
    });
    rows.map(|rows| {
        let full = rows.into_iter().find(|(kind, _)| kind.trim() == "D");
        full.map(|(_, set)| set)
    })
}

/// Whether a database is a copy of what `source` has: the set that was restored into it last is one
/// that `source` took of its own, after whatever was restored there. So `source` has had all of it
/// ever since.
pub async fn is_copy_of(
    access: &Access,
    copy: Instance,
    source: Instance,
    name: &DatabaseName,
) -> Observed<bool> {
    let newest = match restored_sets(access, copy, name).await {
        Observed::Seen(sets) => sets.into_iter().next().unwrap_or_default(),
        Observed::Absent => String::new(),
        Observed::Unknown(why) => return Observed::Unknown(why),
    };
    if newest.is_empty() {
        return Observed::Seen(false);
    }
    let query = Query {
        text: include_str!("../../sql/own_set.sql"),
        parameters: vec![Some(name.as_str()), Some(&newest)],
    };
    let own = super::first(table(access, source, query).await, |row| {
        row.int("backup_set_id")
    });
    match own {
        Observed::Seen(_) => Observed::Seen(true),
        Observed::Absent => Observed::Seen(false),
        Observed::Unknown(why) => Observed::Unknown(why),
    }
}

/// Whether a database holds what was restored from one of these files, which `source` wrote: by the set
/// that was restored into it last, whatever was restored on `source` since.
pub async fn is_restored_from(
    access: &Access,
    copy: Instance,
    source: Instance,
    name: &DatabaseName,
    files: &[String],
) -> Observed<bool> {
    let newest = match restored_sets(access, copy, name).await {
        Observed::Seen(sets) => sets.into_iter().next().unwrap_or_default(),
        Observed::Absent => String::new(),
        Observed::Unknown(why) => return Observed::Unknown(why),
    };
    for file in files.iter().filter(|_| !newest.is_empty()) {
        let query = Query {
            text: include_str!("../../sql/run_set.sql"),
            parameters: vec![Some(name.as_str()), Some(&newest), Some(file)],
        };
        let set = super::first(table(access, source, query).await, |row| {
            row.int("backup_set_id")
        });
        match set {
            Observed::Seen(_) => return Observed::Seen(true),
            Observed::Absent => {}
            Observed::Unknown(why) => return Observed::Unknown(why),
        }
    }
    Observed::Seen(false)
}

/// A file of a database on its instance (O3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedFile {
    /// Logical name.
    pub name: String,
    /// Its path.
    pub path: String,
    /// True for the transaction log.
    pub log: bool,
    /// Its size.
    pub bytes: u64,
}

/// O3: where the files of a database are.
pub async fn placed_files(
    access: &Access,
    instance: Instance,
    name: &DatabaseName,
) -> Observed<Vec<PlacedFile>> {
    let query = Query::of(include_str!("../../sql/files.sql"), name.as_str());
    every(table(access, instance, query).await, |row| {
        Some(PlacedFile {
            name: row.text("name")?,
            path: row.text("physical_name")?,
            log: row.int("type")? == 1,
            bytes: u64::try_from(row.int("bytes")?).ok()?,
        })
    })
}

/// O16: compliance events that no adapter has taken.
pub async fn compliance_waiting(
    access: &Access,
    instance: Instance,
    name: &DatabaseName,
) -> Observed<i64> {
    let text = include_str!("../../sql/compliance_waiting.sql")
        .replace("{database}", &quote::identifier(name.as_str()));
    super::first(table(access, instance, Query::plain(&text)).await, |row| {
        row.int("waiting")
    })
}

/// Names of the logins of an instance.
pub async fn logins(access: &Access, instance: Instance) -> Observed<Vec<String>> {
    let query = Query::plain(include_str!("../../sql/login_names.sql"));
    every(table(access, instance, query).await, |row| row.text("name"))
}
