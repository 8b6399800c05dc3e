//! RESTORE HEADERONLY, FILELISTONLY, LABELONLY, VERIFYONLY (`sql-server.md` 2.1; columns of major
//! version 13).

use super::batch::{Batch, Failure, wait};
use super::media::abnormal;
use super::messages::message;
use crate::model::Lsn;
use crate::rehearsal::backup_set::{BackupSet, SetKind};
use crate::rehearsal::tsql::{Media, Subject};
use crate::rehearsal::value::{Column, Datum, Relation, SqlType};

const NAME: SqlType = SqlType::NVarChar(Some(128));
const LSN: SqlType = SqlType::Numeric(25, 0);
const GUID: SqlType = SqlType::UniqueIdentifier;

impl Batch<'_> {
    pub(super) async fn media_info(&mut self, media: &Media) -> Result<(), Failure> {
        let what = format!("RESTORE {}", media.subject.word());
        let device = self.device(media)?;
        let view = self.open_file(&device.path).map_err(abnormal(&what))?;
        let chosen: Vec<&BackupSet> = if media.has("FILE") || media.subject != Subject::HeaderOnly {
            view.sets
                .iter()
                .filter(|s| i64::from(s.position) == device.position)
                .collect()
        } else {
            view.sets.iter().collect()
        };
        let Some(set) = chosen.first() else {
            let error = message(4038, &[&device.position.to_string(), &device.path]);
            return Err(abnormal(&what)(error));
        };
        match media.subject {
            Subject::HeaderOnly => {
                let size = view.size / view.sets.len().max(1) as u64;
                let rows = chosen.iter().map(|s| header_row(s, size)).collect();
                self.send(&table(HEADER, rows));
            }
            Subject::FileListOnly => self.send(&table(FILES, file_rows(set))),
            Subject::LabelOnly => self.send(&table(LABEL, vec![label_row(set)])),
            _ => {
                if media.has("CHECKSUM") && !set.checksums {
                    return Err(abnormal(&what)(message(3187, &[])));
                }
                if set.damaged || view.damaged {
                    return Err(abnormal(&what)(message(3189, &[])));
                }
                // It reads the whole file.
                let takes = self.world.with(|state| state.service.for_bytes(view.size));
                wait(takes).await;
                self.reply
                    .info(&message(3262, &[&device.position.to_string()]));
                self.done(None);
            }
        }
        Ok(())
    }
}

fn table(columns: &[(&str, SqlType)], rows: Vec<Vec<Datum>>) -> Relation {
    Relation {
        columns: columns
            .iter()
            .map(|(name, sql_type)| Column::new(name, *sql_type))
            .collect(),
        rows,
    }
}

/// In the documented order.
const HEADER: &[(&str, SqlType)] = &[
    ("BackupName", NAME),
    ("BackupDescription", SqlType::NVarChar(Some(255))),
    ("BackupType", SqlType::SmallInt),
    ("ExpirationDate", SqlType::DateTime),
    ("Compressed", SqlType::Bit),
    ("Position", SqlType::SmallInt),
    ("DeviceType", SqlType::TinyInt),
    ("UserName", NAME),
    ("ServerName", NAME),
    ("DatabaseName", NAME),
    ("DatabaseVersion", SqlType::Int),
    ("DatabaseCreationDate", SqlType::DateTime),
    ("BackupSize", SqlType::Numeric(20, 0)),
    ("FirstLSN", LSN),
    ("LastLSN", LSN),
    ("CheckpointLSN", LSN),
    ("DatabaseBackupLSN", LSN),
    ("BackupStartDate", SqlType::DateTime),
    ("BackupFinishDate", SqlType::DateTime),
    ("SortOrder", SqlType::SmallInt),
    ("CodePage", SqlType::SmallInt),
    ("UnicodeLocaleId", SqlType::Int),
    ("UnicodeComparisonStyle", SqlType::Int),
    ("CompatibilityLevel", SqlType::TinyInt),
    ("SoftwareVendorId", SqlType::Int),
    ("SoftwareVersionMajor", SqlType::Int),
    ("SoftwareVersionMinor", SqlType::Int),
    ("SoftwareVersionBuild", SqlType::Int),
    ("MachineName", NAME),
    ("Flags", SqlType::Int),
    ("BindingID", GUID),
    ("RecoveryForkID", GUID),
    ("Collation", NAME),
    ("FamilyGUID", GUID),
    ("HasBulkLoggedData", SqlType::Bit),
    ("IsSnapshot", SqlType::Bit),
    ("IsReadOnly", SqlType::Bit),
    ("IsSingleUser", SqlType::Bit),
    ("HasBackupChecksums", SqlType::Bit),
    ("IsDamaged", SqlType::Bit),
    ("BeginsLogChain", SqlType::Bit),
    ("HasIncompleteMetaData", SqlType::Bit),
    ("IsForceOffline", SqlType::Bit),
    ("IsCopyOnly", SqlType::Bit),
    ("FirstRecoveryForkID", GUID),
    ("ForkPointLSN", LSN),
    ("RecoveryModel", SqlType::NVarChar(Some(60))),
    ("DifferentialBaseLSN", LSN),
    ("DifferentialBaseGUID", GUID),
    ("BackupTypeDescription", SqlType::NVarChar(Some(60))),
    ("BackupSetGUID", GUID),
    ("CompressedBackupSize", SqlType::BigInt),
    ("Containment", SqlType::TinyInt),
    ("KeyAlgorithm", SqlType::NVarChar(Some(32))),
    ("EncryptorThumbprint", SqlType::VarBinary(Some(20))),
    ("EncryptorType", SqlType::NVarChar(Some(32))),
];

fn lsn(value: Lsn) -> Datum {
    Datum::Numeric(i128::try_from(value.to_u128()).unwrap_or(i128::MAX))
}

fn bit(value: bool) -> Datum {
    Datum::Int(i64::from(value))
}

fn int(value: impl Into<i64>) -> Datum {
    Datum::Int(value.into())
}

fn text(value: &str) -> Datum {
    Datum::Text(value.to_owned())
}

fn header_row(set: &BackupSet, size: u64) -> Vec<Datum> {
    let (kind, words) = match set.kind {
        SetKind::Full => (1, "Database"),
        SetKind::Log => (2, "Transaction Log"),
        SetKind::Differential => (5, "Database Differential"),
    };
    let flags = if set.checksums { 16 } else { 0 } + if set.force_offline { 256 } else { 0 };
    vec![
        Datum::Null,
        Datum::Null,
        int(kind),
        Datum::Null,
        bit(false),
        int(set.position),
        int(2),
        text("sa"),
        text(&set.server),
        text(&set.database),
        int(set.database_version),
        Datum::DateTime(set.database_created),
        Datum::Numeric(i128::from(size)),
        lsn(set.first_lsn),
        lsn(set.last_lsn),
        lsn(set.checkpoint_lsn),
        lsn(set.database_backup_lsn),
        Datum::DateTime(set.started),
        Datum::DateTime(set.finished),
        int(52),
        int(0),
        int(1033),
        int(196_609),
        int(set.compatibility_level),
        int(4608),
        int(set.software.0),
        int(set.software.1),
        int(set.software.2),
        text(set.server.split('\\').next().unwrap_or_default()),
        int(flags),
        Datum::Guid(set.family),
        Datum::Guid(set.fork),
        text("Latin1_General_CI_AS"),
        Datum::Guid(set.family),
        bit(false),
        bit(false),
        bit(false),
        bit(false),
        bit(set.checksums),
        // Only backups taken of a damaged database WITH CONTINUE_AFTER_ERROR say so.
        bit(false),
        bit(false),
        bit(false),
        bit(set.force_offline),
        bit(set.copy_only),
        Datum::Guid(set.first_fork),
        set.fork_point.map_or(Datum::Null, lsn),
        text("FULL"),
        Datum::Null,
        Datum::Null,
        text(words),
        Datum::Guid(set.set_guid),
        int(i64::try_from(size).unwrap_or(i64::MAX)),
        int(0),
        Datum::Null,
        Datum::Null,
        Datum::Null,
    ]
}

const FILES: &[(&str, SqlType)] = &[
    ("LogicalName", NAME),
    ("PhysicalName", SqlType::NVarChar(Some(260))),
    ("Type", SqlType::VarChar(Some(1))),
    ("FileGroupName", NAME),
    ("Size", SqlType::Numeric(20, 0)),
    ("MaxSize", SqlType::Numeric(20, 0)),
    ("FileId", SqlType::BigInt),
    ("CreateLSN", LSN),
    ("DropLSN", LSN),
    ("UniqueId", GUID),
    ("ReadOnlyLSN", LSN),
    ("ReadWriteLSN", LSN),
    ("BackupSizeInBytes", SqlType::BigInt),
    ("SourceBlockSize", SqlType::Int),
    ("FileGroupId", SqlType::Int),
    ("LogGroupGUID", GUID),
    ("DifferentialBaseLSN", LSN),
    ("DifferentialBaseGUID", GUID),
    ("IsReadOnly", SqlType::Bit),
    ("IsPresent", SqlType::Bit),
    ("TDEThumbprint", SqlType::VarBinary(Some(32))),
    ("SnapshotUrl", SqlType::NVarChar(Some(360))),
];

fn file_rows(set: &BackupSet) -> Vec<Vec<Datum>> {
    (1_i64..)
        .zip(&set.files)
        .map(|(id, (name, path, bytes))| {
            let log = path.to_lowercase().ends_with(".ldf");
            vec![
                text(name),
                text(path),
                text(if log { "L" } else { "D" }),
                if log { Datum::Null } else { text("PRIMARY") },
                Datum::Numeric(i128::from(*bytes)),
                Datum::Numeric(35_184_372_080_640),
                int(id),
                lsn(Lsn::ZERO),
                lsn(Lsn::ZERO),
                Datum::Guid(set.family),
                lsn(Lsn::ZERO),
                lsn(Lsn::ZERO),
                int(i64::try_from(*bytes).unwrap_or(i64::MAX)),
                int(512),
                int(i64::from(!log)),
                Datum::Null,
                lsn(Lsn::ZERO),
                Datum::Null,
                bit(false),
                bit(true),
                Datum::Null,
                Datum::Null,
            ]
        })
        .collect()
}

const LABEL: &[(&str, SqlType)] = &[
    ("MediaName", NAME),
    ("MediaSetId", GUID),
    ("FamilyCount", SqlType::Int),
    ("FamilySequenceNumber", SqlType::Int),
    ("MediaFamilyId", GUID),
    ("MediaSequenceNumber", SqlType::Int),
    ("MediaLabelPresent", SqlType::TinyInt),
    ("MediaDescription", SqlType::NVarChar(Some(255))),
    ("SoftwareName", NAME),
    ("SoftwareVendorId", SqlType::Int),
    ("MediaDate", SqlType::DateTime),
    ("MirrorCount", SqlType::Int),
    ("IsCompressed", SqlType::Bit),
];

fn label_row(set: &BackupSet) -> Vec<Datum> {
    vec![
        Datum::Null,
        Datum::Guid(set.set_guid),
        int(1),
        int(1),
        Datum::Guid(set.set_guid),
        int(1),
        int(0),
        Datum::Null,
        text("Microsoft SQL Server"),
        int(4608),
        Datum::DateTime(set.started),
        int(1),
        bit(false),
    ]
}
