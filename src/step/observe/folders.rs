//! D1 to D3: the log backups of the share and of the copy folder, and the chain that they give from
//! redo start on (`steps.md` 2, `sql-server.md` 2.3).

mod chain;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Observed, table};
use crate::access::Access;
use crate::access::headers::{FolderFile, NotRead};
use crate::access::sql::{Query, Row};
use crate::model::chain::LogFile;
use crate::model::header::{BackupKind, Unreadable};
use crate::model::{BackupHeader, Instance, Lsn, Problem, Role, SharePath};
use crate::site::Site;
pub use chain::{Chain, Set, chain};

/// Files of a folder as the tool sees it; compressed ones as the backup instance reads them.
#[derive(Clone, Debug)]
pub struct Folder {
    /// The readable ones.
    pub files: Vec<Arc<LogFile>>,
    /// Log backups that could not be read at all: name and reason.
    pub unreadable: Vec<(String, String)>,
    /// Names of all files that are no work files.
    pub names: Vec<String>,
}

/// D1: the log-shipping share. An empty listing is unknown: a denied folder looks the same
/// (`steps.md` 1.1).
pub async fn share(access: &Access, site: &Site) -> Observed<Folder> {
    let folder = &site.shares.backup;
    match read(access, folder, folder).await {
        Observed::Seen(seen) if seen.names.is_empty() => Observed::unseen(format!(
            "`{folder}` looks empty; a folder that may not be read looks the same"
        )),
        other @ (Observed::Seen(_) | Observed::Absent | Observed::Unknown(_)) => other,
    }
}

/// D2: the copy folder. It may be empty: what a denied one hides is copied again, or refused.
pub async fn copies(access: &Access, site: &Site) -> Observed<Folder> {
    read(access, &site.shares.copy, &site.shares.copy_local).await
}

async fn read(access: &Access, folder: &SharePath, engine: &SharePath) -> Observed<Folder> {
    let listed = access
        .headers
        .folder(&*access.shares, folder.as_str(), |name| folder.join(name))
        .await;
    let listed = match listed {
        Ok(listed) => listed,
        Err(error) => return Observed::unseen(&error),
    };
    let mut seen = Folder {
        files: Vec::new(),
        unreadable: Vec::new(),
        names: listed.iter().map(|file| file.name.clone()).collect(),
    };
    for file in listed {
        match &file.read {
            Ok(read) => seen.files.push(Arc::clone(read)),
            Err(NotRead::Header(why)) if asks_instance(why) => {
                match ask_instance(access, &file, &engine.join(&file.name)).await {
                    Ok(sets) => seen.files.extend(sets),
                    Err(cause) => seen.unreadable.push((file.name, format!("{why}; {cause}"))),
                }
            }
            Err(NotRead::Header(why)) if is_no_log_backup(why, &file.name) => {}
            Err(NotRead::Undo | NotRead::Folder) => {}
            Err(why) => seen.unreadable.push((file.name, why.to_string())),
        }
    }
    Observed::Seen(seen)
}

/// What is no log backup. A `.trn` without a header may be one whose beginning was lost.
fn is_no_log_backup(why: &Unreadable, name: &str) -> bool {
    match why {
        Unreadable::OtherKind { .. } => true,
        Unreadable::NotABackup { .. } | Unreadable::Empty => !name.to_lowercase().ends_with(".trn"),
        Unreadable::TooShort { .. }
        | Unreadable::Compressed
        | Unreadable::Damaged { .. }
        | Unreadable::Disagreement { .. }
        | Unreadable::BlockSize { .. }
        | Unreadable::NoBlocks
        | Unreadable::NoClosingCopy
        | Unreadable::SeveralSets { .. } => false,
    }
}

/// Headers that only an instance can read (`backup-files.md`).
fn asks_instance(why: &Unreadable) -> bool {
    matches!(
        why,
        Unreadable::Compressed
            | Unreadable::BlockSize { .. }
            | Unreadable::NoBlocks
            | Unreadable::NoClosingCopy
            | Unreadable::SeveralSets { .. }
    )
}

const HEADER_ONLY: &str = include_str!("../../sql/header_only.sql");

async fn ask_instance(
    access: &Access,
    file: &FolderFile,
    engine_path: &str,
) -> Result<Vec<Arc<LogFile>>, Problem> {
    let query = Query::of(HEADER_ONLY, engine_path);
    let answer = table(access, Instance::chat(Role::Backup), query).await?;
    answer
        .rows()
        .map(|row| {
            let header = header(row).ok_or("RESTORE HEADERONLY lacks a column")?;
            Ok(Arc::new(LogFile {
                path: file.path.clone(),
                size: file.size,
                // Equal only for the same file: copies are told apart by their bytes elsewhere.
                fingerprint: fingerprint(&header, file.size),
                header,
            }))
        })
        .collect()
}

fn fingerprint(header: &BackupHeader, size: u64) -> [u8; 32] {
    use sha2::{Digest as _, Sha256};
    let mut digest = Sha256::new();
    digest.update(size.to_le_bytes());
    digest.update(format!("{header:?}"));
    digest.finalize().into()
}

/// A row of RESTORE HEADERONLY as a header.
fn header(row: Row<'_>) -> Option<BackupHeader> {
    let kind = match row.int("BackupType")? {
        1 => BackupKind::Full,
        2 => BackupKind::Log,
        5 => BackupKind::Differential,
        _ => return None,
    };
    let part = |name| row.int(name).and_then(|number| u8::try_from(number).ok());
    Some(BackupHeader {
        server: row.text("ServerName")?,
        database: row.text("DatabaseName")?,
        kind,
        position: u16::try_from(row.int("Position")?).ok()?,
        first_lsn: row.parse("FirstLSN")?,
        last_lsn: row.parse("LastLSN")?,
        checkpoint_lsn: row.parse("CheckpointLSN")?,
        database_backup_lsn: row.parse("DatabaseBackupLSN").unwrap_or(Lsn::ZERO),
        database_created: row.parse("DatabaseCreationDate")?,
        started: row.parse("BackupStartDate")?,
        finished: row.parse("BackupFinishDate"),
        software: (
            part("SoftwareVersionMajor")?,
            part("SoftwareVersionMinor")?,
            u16::try_from(row.int("SoftwareVersionBuild")?).ok()?,
        ),
        compatibility_level: part("CompatibilityLevel")?,
        database_version: u16::try_from(row.int("DatabaseVersion")?).ok()?,
        complete: true,
    })
}

/// What RESTORE HEADERONLY says beyond the plain header (`sql-server.md` 2.1, 2.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetFacts {
    /// `FirstRecoveryForkID`
    pub first_fork: Option<String>,
    /// `RecoveryForkID`
    pub fork: Option<String>,
    /// `FamilyGUID`
    pub family: Option<String>,
    /// `IsDamaged`
    pub damaged: bool,
    /// A tail taken WITH NORECOVERY: nothing was written after it.
    pub force_offline: bool,
    /// Major version of the software that wrote it.
    pub major: Option<i64>,
}

/// Asks the backup instance about one set of a file, by the path by which it sees it (D3).
pub async fn set_facts(access: &Access, engine_path: &str, position: u16) -> Observed<SetFacts> {
    let query = Query::of(HEADER_ONLY, engine_path);
    match table(access, Instance::chat(Role::Backup), query).await {
        Err(why) => Observed::Unknown(why),
        Ok(table) => table
            .rows()
            .find(|row| row.int("Position") == Some(i64::from(position)))
            .map_or(Observed::Absent, |row| {
                Observed::Seen(SetFacts {
                    first_fork: row.text("FirstRecoveryForkID"),
                    fork: row.text("RecoveryForkID"),
                    family: row.text("FamilyGUID"),
                    damaged: row.bit("IsDamaged") == Some(true),
                    force_offline: row.bit("IsForceOffline") == Some(true),
                    major: row.int("SoftwareVersionMajor"),
                })
            }),
    }
}
