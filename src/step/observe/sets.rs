//! The sets of a backup file, as an instance reads them: D3. One reader for all answers of
//! `RESTORE HEADERONLY` (`sql-server.md` 2.1).

use serde::{Deserialize, Serialize};

use super::Observed;
use super::database::whole_seconds;
use crate::access::Access;
use crate::access::sql::{Query, Row, SqlError, Table};
use crate::model::header::BackupKind;
use crate::model::{BackupHeader, Instance, Lsn, Problem, Role};

/// The instance cannot open the file.
const CANNOT_OPEN: u32 = 3201;

/// The file is no backup, or not a whole one (`sql-server.md` 2.5).
pub(super) const NO_BACKUP: [u32; 9] = [3241, 3242, 3243, 3254, 3255, 3256, 3266, 3208, 3203];

/// A read of the file failed.
const READ_FAILED: u32 = 3203;

/// What the last row of a file is called whose last set was broken off (`backup-files.md`).
const INCOMPLETE: &str = "*** INCOMPLETE ***";

const HEADER_ONLY: &str = include_str!("../../sql/header_only.sql");
const LABEL_ONLY: &str = include_str!("../../sql/label_only.sql");

/// Files that are asked of an instance in one round trip.
const AT_ONCE: usize = 16;

/// One set of a backup file, as `RESTORE HEADERONLY` shows it.
#[expect(clippy::struct_excessive_bools, reason = "columns of HEADERONLY")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetHeader {
    /// 1 full, 2 log, 5 differential.
    pub kind: i64,
    /// Database.
    pub database: String,
    /// Place in the file, from 1.
    pub position: i64,
    /// First LSN.
    pub first_lsn: Lsn,
    /// LSN behind the last record.
    pub last_lsn: Lsn,
    /// `FamilyGUID`
    pub family: Option<String>,
    /// `FirstRecoveryForkID`
    pub first_fork: Option<String>,
    /// `RecoveryForkID`
    pub fork: Option<String>,
    /// `BackupSetGUID`
    pub set: Option<String>,
    /// `HasBackupChecksums`
    pub checksums: bool,
    /// `IsDamaged`
    pub damaged: bool,
    /// `IsCopyOnly`
    pub copy_only: bool,
    /// A tail taken WITH NORECOVERY: nothing was written after it.
    pub force_offline: bool,
    /// Major version of the software that wrote it.
    pub major: Option<i64>,
    /// Certificate without which it cannot be read, where it is encrypted.
    pub encryptor: Option<String>,
    /// What its plain header would say; none of a backup of files or filegroups.
    #[serde(skip)]
    pub header: Option<BackupHeader>,
}

impl SetHeader {
    /// The sets of an answer, without one that was broken off.
    fn all(answer: &Table) -> Option<Vec<Self>> {
        answer
            .rows()
            .filter(|row| row.text("BackupName").as_deref() != Some(INCOMPLETE))
            .map(Self::read)
            .collect()
    }

    fn read(row: Row<'_>) -> Option<Self> {
        Some(Self {
            kind: row.int("BackupType")?,
            database: row.text("DatabaseName")?,
            position: row.int("Position")?,
            first_lsn: row.parse("FirstLSN")?,
            last_lsn: row.parse("LastLSN")?,
            family: row.text("FamilyGUID"),
            first_fork: row.text("FirstRecoveryForkID"),
            fork: row.text("RecoveryForkID"),
            set: row.text("BackupSetGUID"),
            checksums: row.bit("HasBackupChecksums") == Some(true),
            damaged: row.bit("IsDamaged") == Some(true),
            copy_only: row.bit("IsCopyOnly") == Some(true),
            force_offline: row.bit("IsForceOffline") == Some(true),
            major: row.int("SoftwareVersionMajor"),
            encryptor: row.text("EncryptorThumbprint"),
            header: header(row),
        })
    }
}

/// A row of RESTORE HEADERONLY as a plain header.
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
        database_created: row.parse("DatabaseCreationDate").map(whole_seconds)?,
        started: row.parse("BackupStartDate").map(whole_seconds)?,
        finished: row.parse("BackupFinishDate").map(whole_seconds),
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

/// The sets of a file as that instance sees it. Absent when the file is not there; no set when it is
/// no whole backup.
pub async fn sets(access: &Access, instance: Instance, path: &str) -> Observed<Vec<SetHeader>> {
    let query = Query::of(HEADER_ONLY, path);
    match Box::pin(access.sql.read(instance, query)).await {
        Err(error) => refused(&error),
        Ok(table) => SetHeader::all(&table).map_or_else(lacking, Observed::Seen),
    }
}

fn lacking<T>() -> Observed<T> {
    Observed::unseen("the answer lacks a column")
}

/// A file that cannot be opened because it is not there is absent; every other refusal is unknown.
pub(super) fn refused<T: Default>(error: &SqlError) -> Observed<T> {
    let text = error.to_string();
    // The message ends with the system error. 2 is a file that is not there; 3, a folder that is not
    // there, is another matter: somebody has to look at the path.
    let missing = text.contains("error 2(");
    match error.number() {
        Some(CANNOT_OPEN) if missing => Observed::Absent,
        Some(number) if NO_BACKUP.contains(&number) => Observed::Seen(T::default()),
        _ => Observed::unseen(error),
    }
}

/// A file that the backup instance is asked about.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Its path, as the instance sees it.
    pub(super) path: String,
    /// Over its size and both ends.
    pub(super) fingerprint: [u8; 32],
}

/// What the backup instance says of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Its whole sets; none where it is no backup, or not a whole one. And whether one more was begun
    /// behind them, and broken off.
    Sets(Vec<SetHeader>, bool),
    /// One of several files that hold its sets together: how many, and their media set.
    Stripe {
        /// Files.
        of: i64,
        /// This one, from 1.
        number: i64,
        /// `MediaSetId`
        media_set: String,
        /// What they hold together.
        sets: Vec<SetHeader>,
    },
    /// It could not say.
    Unknown(Problem),
}

/// Asks the backup instance about files, several in one round trip: HEADERONLY and LABELONLY of each.
/// What it answered is kept, for the whole run. The order is that of the files.
pub(super) async fn ask(access: &Access, files: &[Asked]) -> Vec<Told> {
    let mut told = Vec::with_capacity(files.len());
    for chunk in files.chunks(AT_ONCE) {
        let unknown: Vec<&Asked> = chunk
            .iter()
            .filter(|file| {
                access
                    .headers
                    .answer(&file.path, &file.fingerprint)
                    .is_none()
            })
            .collect();
        let answered = match unknown.as_slice() {
            [] | [_] => false,
            several => ask_at_once(access, several).await,
        };
        for file in chunk {
            told.push(match access.headers.answer(&file.path, &file.fingerprint) {
                Some(tables) => understand(&tables),
                None if answered => Told::Unknown("the answer lacks a result".into()),
                // One that fails ends the whole batch.
                None => ask_one(access, file).await,
            });
        }
    }
    told
}

/// True where all of them were answered.
async fn ask_at_once(access: &Access, files: &[&Asked]) -> bool {
    let numbered = (1..=files.len()).map(|n| {
        let parameter = format!("@P{n}");
        let one = |text: &str| text.trim().replace("@P1", &parameter);
        format!("{};\n{};", one(HEADER_ONLY), one(LABEL_ONLY))
    });
    let text = numbered.collect::<Vec<_>>().join("\n");
    let query = Query {
        text: &text,
        parameters: files.iter().map(|file| Some(file.path.as_str())).collect(),
    };
    let answer = Box::pin(access.sql.read_all(Instance::chat(Role::Backup), query)).await;
    let Ok(tables) = answer else { return false };
    if tables.len() != 2 * files.len() {
        return false;
    }
    for (file, pair) in files.iter().zip(tables.chunks(2)) {
        access
            .headers
            .keep_answer(&file.path, file.fingerprint, pair.to_vec());
    }
    true
}

async fn ask_one(access: &Access, file: &Asked) -> Told {
    let text = format!("{};\n{};", HEADER_ONLY.trim(), LABEL_ONLY.trim());
    let query = Query::of(&text, &file.path);
    let answer = Box::pin(access.sql.read_all(Instance::chat(Role::Backup), query)).await;
    match answer {
        Ok(tables) => {
            let told = understand(&tables);
            access
                .headers
                .keep_answer(&file.path, file.fingerprint, tables);
            told
        }
        Err(error) => match error.number() {
            // A read that failed says nothing of the file.
            Some(number) if NO_BACKUP.contains(&number) && number != READ_FAILED => {
                // So it will say again.
                access
                    .headers
                    .keep_answer(&file.path, file.fingerprint, vec![Table::default(); 2]);
                Told::Sets(Vec::new(), false)
            }
            _ => Told::Unknown(error.into()),
        },
    }
}

fn understand(tables: &[Table]) -> Told {
    let [headers, label] = tables else {
        return Told::Unknown("the answer lacks a result".into());
    };
    let stripes = label.rows().next().and_then(|row| {
        Some(Told::Stripe {
            of: row.int("FamilyCount").filter(|count| *count > 1)?,
            number: row.int("FamilySequenceNumber").unwrap_or_default(),
            media_set: row.text("MediaSetId").unwrap_or_default(),
            sets: SetHeader::all(headers).unwrap_or_default(),
        })
    });
    match (stripes, SetHeader::all(headers)) {
        (Some(stripe), _) => stripe,
        (None, Some(sets)) => {
            let broken_off = headers.rows().count() > sets.len();
            Told::Sets(sets, broken_off)
        }
        (None, None) => Told::Unknown("RESTORE HEADERONLY lacks a column".into()),
    }
}

/// Asks the backup instance about one set of a file (D3).
pub async fn set_facts(
    access: &Access,
    path: &str,
    fingerprint: [u8; 32],
    position: u16,
) -> Observed<SetHeader> {
    let asked = Asked {
        path: path.to_owned(),
        fingerprint,
    };
    match ask(access, &[asked]).await.pop() {
        Some(Told::Sets(sets, _)) => sets
            .into_iter()
            .find(|set| set.position == i64::from(position))
            .map_or(Observed::Absent, Observed::Seen),
        Some(Told::Stripe { .. }) | None => Observed::Absent,
        Some(Told::Unknown(why)) => Observed::Unknown(why),
    }
}
