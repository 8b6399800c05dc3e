//! D1 to D3 and the chain: the log backups of the share and of the copy folder, from redo start on
//! (`steps.md` 2, `sql-server.md` 2.3).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Observed, table};
use crate::access::Access;
use crate::access::headers::FolderFile;
use crate::access::sql::{Query, Row};
use crate::model::chain::LogFile;
use crate::model::header::{BackupKind, Unreadable};
use crate::model::{BackupHeader, Instance, LogChain, Lsn, Role, SharePath};
use crate::site::Site;

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
        Observed::Seen(seen) if seen.names.is_empty() => Observed::Unknown(format!(
            "`{folder}` looks empty; a folder that may not be read looks the same"
        )),
        other => other,
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
        Err(error) => return Observed::Unknown(error.to_string()),
    };
    let mut seen = Folder {
        files: Vec::new(),
        unreadable: Vec::new(),
        names: listed.iter().map(|file| file.name.clone()).collect(),
    };
    for file in listed {
        match &file.read {
            Ok(read) => seen.files.push(Arc::clone(read)),
            Err(why) if asks_instance(why) => {
                match ask_instance(access, &file, &engine.join(&file.name)).await {
                    Ok(sets) => seen.files.extend(sets),
                    Err(cause) => seen.unreadable.push((file.name, format!("{why}; {cause}"))),
                }
            }
            // What is no backup at all is no log backup either.
            Err(Unreadable::NotABackup { .. } | Unreadable::OtherKind { .. }) => {}
            Err(why) => seen.unreadable.push((file.name, why.to_string())),
        }
    }
    Observed::Seen(seen)
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
) -> Result<Vec<Arc<LogFile>>, String> {
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

/// A set of the chain that needs a RESTORE, with the places where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// First LSN.
    pub first_lsn: Lsn,
    /// Last LSN.
    pub last_lsn: Lsn,
    /// Place in its file.
    pub position: u16,
    /// Bytes of its file.
    pub size: u64,
    /// Name in the copy folder, where it is there.
    pub in_copy: Option<String>,
    /// Name in the share, where it is there.
    pub in_share: Option<String>,
    /// `server\instance` that wrote it.
    pub server: String,
    /// When it ended, that server's local time.
    pub finished: Option<jiff::civil::DateTime>,
    /// Major version of the software that wrote it.
    pub major: u8,
}

/// The chain from redo start on.
#[derive(Clone, Debug, Serialize)]
pub struct Chain {
    /// Where it begins.
    pub from: Lsn,
    /// Where it ends.
    pub to: Lsn,
    /// Sets that need a RESTORE.
    pub sets_to_apply: usize,
    /// When the last set ended, empty ones too: the recovery point, in the time of the server that wrote it.
    pub last_finished: Option<jiff::civil::DateTime>,
    /// Holes.
    pub gaps: Vec<crate::model::chain::Gap>,
    /// True when no file names log beyond the end.
    pub whole: bool,
    /// Log backups of this database that are in no link, beyond redo start: path and reason.
    pub left_out: Vec<(String, String)>,
    /// Log backups that could not be read: name and reason.
    pub unreadable: Vec<(String, String)>,
    /// Path, as the backup instance sees it, of the last set.
    pub last_path: Option<(String, u16)>,
    /// The sets.
    #[serde(skip)]
    pub sets: Vec<Set>,
    /// Names taken in the copy folder.
    #[serde(skip)]
    pub taken: Vec<String>,
}

/// The chain over the two folders; a folder that is unknown adds nothing, and its caller looks at that.
pub fn chain(site: &Site, share: &Observed<Folder>, copies: &Observed<Folder>, redo: Lsn) -> Chain {
    let database = site.database.chat.as_str();
    let of = |folder: &Observed<Folder>| -> Vec<Arc<LogFile>> {
        folder
            .seen()
            .map_or_else(Vec::new, |folder| folder.files.clone())
    };
    let in_copy = of(copies);
    let border = in_copy.len();
    let files: Vec<LogFile> = in_copy
        .iter()
        .chain(&of(share))
        .map(|file| LogFile::clone(file))
        .collect();
    let chain = LogChain::build(&files, database, redo);
    let name = |index: usize| -> String {
        let path = &files[index].path;
        path.rsplit(['\\', '/']).next().unwrap_or(path).to_owned()
    };
    let place = |link: &crate::model::chain::Link| {
        let copy = link.files.iter().copied().find(|file| *file < border);
        let share = link.files.iter().copied().find(|file| *file >= border);
        (copy, share)
    };
    let sets = chain
        .applicable()
        .filter_map(|link| {
            let header = &files.get(*link.files.first()?)?.header;
            let (copy, share) = place(link);
            Some(Set {
                first_lsn: link.first_lsn,
                last_lsn: link.last_lsn,
                position: header.position,
                size: files[*link.files.first()?].size,
                in_copy: copy.map(name),
                in_share: share.map(name),
                server: header.server.clone(),
                finished: header.finished,
                major: header.software.0,
            })
        })
        .collect::<Vec<_>>();
    // A recovery point even where nothing is left to apply: the newest set at or before the end.
    let last = files
        .iter()
        .filter(|file| {
            file.header.kind == BackupKind::Log
                && file.header.complete
                && site.database.chat.is(&file.header.database)
                && file.header.last_lsn == chain.to
        })
        .max_by_key(|file| file.header.finished);
    let last_path = last.map(|file| {
        let name = file
            .path
            .rsplit(['\\', '/'])
            .next()
            .unwrap_or(&file.path)
            .to_owned();
        let in_copy = in_copy.iter().any(|copy| copy.path == file.path);
        let folder = if in_copy {
            &site.shares.copy_local
        } else {
            &site.shares.backup
        };
        (folder.join(&name), file.header.position)
    });
    Chain {
        from: chain.from,
        to: chain.to,
        sets_to_apply: sets.len(),
        last_finished: last.and_then(|file| file.header.finished),
        gaps: chain.gaps.clone(),
        whole: chain.is_whole(),
        left_out: chain
            .left_out
            .iter()
            .filter(|left| {
                let header = &files[left.file].header;
                header.kind == BackupKind::Log
                    && site.database.chat.is(&header.database)
                    && header.last_lsn > redo
            })
            .map(|left| (files[left.file].path.clone(), left.reason.clone()))
            .collect(),
        unreadable: share
            .seen()
            .into_iter()
            .chain(copies.seen())
            .flat_map(|folder| folder.unreadable.clone())
            .collect(),
        last_path,
        sets,
        taken: copies
            .seen()
            .map_or_else(Vec::new, |folder| folder.names.clone()),
    }
}

impl Chain {
    /// Name under which a set of the share is copied: its own, or, where the copy folder has that
    /// name with other content, one with its LSN (`steps.md` 4: never overwritten).
    pub fn copy_name(&self, set: &Set) -> Option<String> {
        let name = set.in_share.clone()?;
        let taken = |name: &str| {
            self.taken
                .iter()
                .any(|other| other.eq_ignore_ascii_case(name))
        };
        if !taken(&name) {
            return Some(name);
        }
        let stem = name.strip_suffix(".trn").unwrap_or(&name);
        Some(format!("{stem}_{}.trn", set.first_lsn))
    }

    /// Sets that the copy folder lacks.
    pub fn to_copy(&self) -> impl Iterator<Item = &Set> {
        self.sets.iter().filter(|set| set.in_copy.is_none())
    }
}
