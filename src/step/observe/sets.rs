//! The sets of a backup file, as an instance reads them: D3. One reader for all answers of
//! `RESTORE HEADERONLY` (`sql-server.md` 2.1).

mod refused;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::Observed;
use super::database::whole_seconds;
use crate::access::Access;
use crate::access::headers::Asking;
use crate::access::sql::{Query, Row, SqlError, Table};
use crate::model::header::BackupKind;
use crate::model::{BackupHeader, Instance, Lsn, Problem, Role};
pub(in crate::step) use refused::{is_content, system_error};
pub(super) use refused::{is_no_backup, refused};

/// What the last row of a file is called whose last set was broken off (`backup-files.md`).
const INCOMPLETE: &str = "*** INCOMPLETE ***";

/// Columns without which a row is no set.
const NEEDED: [&str; 5] = [
    "BackupType",
    "DatabaseName",
    "Position",
    "FirstLSN",
    "LastLSN",
];

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
    /// `ForkPointLSN`: where the one becomes the other, inside the set.
    #[serde(default)]
    pub fork_point: Option<Lsn>,
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
    /// The whole sets of an answer. A row without their columns is none of SQL Server's, or of a set
    /// that was broken off: it has no LSNs. `None` where the answer lacks such a column altogether.
    fn all(answer: &Table) -> Option<Vec<Self>> {
        let broken_off = |row: &Row<'_>| row.text("BackupName").as_deref() == Some(INCOMPLETE);
        let has = |column: &&str| answer.has(column);
        (answer.is_empty() || NEEDED.iter().all(has)).then(|| {
            let rows = answer.rows().filter(|row| !broken_off(row));
            rows.filter_map(Self::read).collect()
        })
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
            fork_point: row.parse("ForkPointLSN"),
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
    Observed::unseen("the instance did not answer what was asked")
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

/// Asks the backup instance about files: HEADERONLY and LABELONLY of each, once, several in one round
/// trip, and where there are many, over several connections. What it answered is kept, for the whole
/// run. The order is that of the files.
pub(super) async fn ask(access: &Access, files: &[Asked]) -> Vec<Told> {
    let mut open = HashSet::new();
    let open = files.iter().filter(|file| {
        let known = access.headers.answer(&file.path, &file.fingerprint);
        known.is_none() && open.insert((&file.path, file.fingerprint))
    });
    let queue = Queue::new(open.cloned().collect());
    let asking = access.headers.ask_about(queue.lock().open.len());
    let lanes = queue.lock().open.len().div_ceil(A_LANE).clamp(1, LANES);
    let lanes = (0..lanes).map(|lane| queue.work(access, &asking, lane > 0));
    futures_util::future::join_all(lanes).await;
    let unknown = std::mem::take(&mut queue.lock().unknown);
    let of = |file: &Asked| match access.headers.answer(&file.path, &file.fingerprint) {
        Some(tables) => understand(&tables),
        None => match unknown.get(&(file.path.clone(), file.fingerprint)) {
            Some(error) => Told::Unknown(error.clone().into()),
            None => Told::Unknown("the instance was not asked".into()),
        },
    };
    files.iter().map(of).collect()
}

/// Connections over which an instance is asked at most, and files that are worth one more.
const LANES: usize = 4;
const A_LANE: usize = 2 * AT_ONCE;

/// Files that are still to be asked about.
struct Queue(Mutex<Waiting>);

struct Waiting {
    open: VecDeque<Asked>,
    /// Those of which the instance could not say, by path and fingerprint.
    unknown: HashMap<(String, [u8; 32]), SqlError>,
}

impl Queue {
    fn new(open: VecDeque<Asked>) -> Self {
        let unknown = HashMap::new();
        Self(Mutex::new(Waiting { open, unknown }))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks until none is left. `own`: over a connection of its own, where there is one to be had.
    async fn work(&self, access: &Access, asking: &Asking<'_>, own: bool) {
        let backup = Instance::chat(Role::Backup);
        let mut session = None;
        if own {
            match Box::pin(access.sql.open(backup)).await {
                Ok(opened) => session = Some(opened),
                Err(_) => return,
            }
        }
        let mut at_once = AT_ONCE;
        loop {
            let chunk: Vec<Asked> = {
                let mut waiting = self.lock();
                let most = waiting.open.len().min(at_once);
                waiting.open.drain(..most).collect()
            };
            if chunk.is_empty() {
                return;
            }
            let text = batch_of(chunk.len());
            let query = Query {
                text: &text,
                parameters: chunk.iter().map(|file| Some(file.path.as_str())).collect(),
            };
            let answer = match &mut session {
                Some(session) => Box::pin(session.read_all(query)).await,
                None => Box::pin(access.sql.read_all(backup, query)).await,
            };
            let (tables, error) = match answer {
                Ok(tables) => (tables, None),
                Err(mut error) => (std::mem::take(&mut error.before), Some(error)),
            };
            let told = tables.len() / 2;
            let mut files = chunk.into_iter();
            for (pair, file) in tables.chunks_exact(2).zip(files.by_ref().take(told)) {
                let headers = &access.headers;
                headers.keep_answer(&file.path, file.fingerprint, pair.to_vec());
            }
            asking.told(told);
            // The next one is the one that failed; those behind it were not asked.
            let Some(file) = files.next() else { continue };
            let mut waiting = self.lock();
            for rest in files.rev() {
                waiting.open.push_front(rest);
            }
            let Some(error) = error else {
                // An answer that lacks a result.
                continue;
            };
            match error.number() {
                // So it will say again.
                Some(_) if is_no_backup(&error) => {
                    let nothing = vec![Table::default(); 2];
                    access
                        .headers
                        .keep_answer(&file.path, file.fingerprint, nothing);
                }
                Some(_) => {
                    waiting.unknown.insert((file.path, file.fingerprint), error);
                }
                // Too many at once for its limit, perhaps.
                None if at_once > 1 => {
                    at_once = 1;
                    waiting.open.push_front(file);
                }
                // It does not answer, and will not answer the others.
                None => {
                    let rest: Vec<Asked> = waiting.open.drain(..).collect();
                    for file in std::iter::once(file).chain(rest) {
                        let key = (file.path, file.fingerprint);
                        waiting.unknown.insert(key, error.clone());
                    }
                }
            }
        }
    }
}

/// Asks of so many files, and leaves where one fails: each is asked about once.
fn batch_of(files: usize) -> String {
    let numbered = (1..=files).flat_map(|n| {
        [HEADER_ONLY, LABEL_ONLY].map(|text| {
            let text = text.trim().replace("@P1", &format!("@P{n}"));
            format!("{text};\nIF @@ERROR <> 0 RETURN;\n")
        })
    });
    numbered.collect()
}

fn understand(tables: &[Table]) -> Told {
    let [headers, label] = tables else {
        return Told::Unknown("the instance did not answer for this file".into());
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
    let path = path.to_owned();
    let asked = [(Asked { path, fingerprint }, position)];
    let told = sets_facts(access, &asked).await.pop();
    told.unwrap_or(Observed::Absent)
}

/// The same of one set in each of several files.
pub(super) async fn sets_facts(
    access: &Access,
    asked: &[(Asked, u16)],
) -> Vec<Observed<SetHeader>> {
    let files: Vec<Asked> = asked.iter().map(|(file, _)| file.clone()).collect();
    let told = ask(access, &files).await;
    let of = |(told, (_, position)): (Told, &(Asked, u16))| match told {
        Told::Sets(sets, _) => sets
            .into_iter()
            .find(|set| set.position == i64::from(*position))
            .map_or(Observed::Absent, Observed::Seen),
        Told::Stripe { .. } => Observed::Absent,
        Told::Unknown(why) => Observed::Unknown(why),
    };
    told.into_iter().zip(asked).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::sql::Value;

    const COLUMNS: [&str; 6] = [
        "BackupName",
        "BackupType",
        "DatabaseName",
        "Position",
        "FirstLSN",
        "LastLSN",
    ];

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn set(position: i64) -> Vec<Value> {
        let (log, position) = (Value::Int(2), Value::Int(position));
        vec![
            Value::Null,
            log,
            text("mgc"),
            position,
            text("10"),
            text("20"),
        ]
    }

    fn told(rows: Vec<Vec<Value>>, columns: &[&str]) -> Told {
        let headers = Table::with_rows(columns, rows);
        let family = vec![vec![Value::Int(1)]];
        understand(&[headers, Table::with_rows(&["FamilyCount"], family)])
    }

    #[test]
    fn a_row_that_is_no_set_of_sql_server_is_told_and_takes_no_whole_set_with_it() {
        let nothing = || vec![Value::Null; COLUMNS.len()];
        let mut incomplete = set(2);
        incomplete[0] = text(INCOMPLETE);
        for (rows, whole, broken_off) in [
            (vec![set(1)], 1, false),
            (vec![set(1), nothing()], 1, true),
            (vec![nothing(), set(2)], 1, true),
            (vec![set(1), incomplete], 1, true),
            (vec![nothing()], 0, true),
            (vec![], 0, false),
        ] {
            match told(rows, &COLUMNS) {
                Told::Sets(sets, told) => assert_eq!((sets.len(), told), (whole, broken_off)),
                other @ (Told::Stripe { .. } | Told::Unknown(_)) => panic!("{other:?}"),
            }
        }
        let rows = vec![set(1)[..5].to_vec()];
        let lacking = told(rows, &COLUMNS[..5]);
        assert!(matches!(lacking, Told::Unknown(_)), "{lacking:?}");
    }
}
