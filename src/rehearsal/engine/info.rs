//! RESTORE HEADERONLY, FILELISTONLY, LABELONLY, VERIFYONLY (`sql-server.md` 2.1; columns of major
//! version 13).

use super::batch::{Batch, Failure, wait};
use super::media::abnormal;
use crate::model::Lsn;
use crate::rehearsal::backup_set::{BackupSet, SetKind};
use crate::rehearsal::message::message;
use crate::rehearsal::tsql::{Media, Subject};
use crate::rehearsal::value::SqlType::{
    BigInt, Bit, DateTime, Int, NVarChar, Numeric, SmallInt, TinyInt, VarBinary, VarChar,
};
use crate::rehearsal::value::{Datum, GUID, LSN, NAME, Relation, relation};
use crate::rehearsal::world::FileView;

impl Batch<'_> {
    pub(super) async fn media_info(&mut self, media: &Media) -> Result<(), Failure> {
        let what = format!("RESTORE {}", media.subject.word());
        let device = self.device(media)?;
        let takes = self.world.with(|state| {
            state.headers_asked += usize::from(media.subject == Subject::HeaderOnly);
            state.service.command
        });
        wait(takes).await;
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
                let mut rows = headers(&chosen, size);
                if view.form.broken_off && !media.has("FILE") {
                    rows.rows.extend(incomplete(&view, size).rows);
                }
                self.send(&rows);
            }
            Subject::FileListOnly => self.send(&files(set)),
            Subject::LabelOnly => self.send(&label(set, view.form.stripe)),
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

/// The row of a set that was broken off: nothing of it is known but its place (`backup-files.md`).
fn incomplete(view: &FileView, size: u64) -> Relation {
    let Some(last) = view.sets.last() else {
        return headers(&[], size);
    };
    let mut rows = headers(&[last], size);
    for (column, value) in rows.columns.iter().zip(rows.rows.iter_mut().flatten()) {
        *value = match column.name.as_str() {
            "BackupName" => "*** INCOMPLETE ***".into(),
            "Position" => (last.position + 1).into(),
            _ => Datum::Null,
        };
    }
    rows
}

/// In the documented order.
fn headers(sets: &[&BackupSet], size: u64) -> Relation {
    relation! {
        for set in sets;
        let (kind, words) = match set.kind {
            SetKind::Full => (1, "Database"),
            SetKind::Log => (2, "Transaction Log"),
            SetKind::Differential => (5, "Database Differential"),
        };
        let flags = if set.checksums { 16 } else { 0 } + if set.force_offline { 256 } else { 0 };
        "BackupName": NAME => Datum::Null,
        "BackupDescription": NVarChar(Some(255)) => Datum::Null,
        "BackupType": SmallInt => kind,
        "ExpirationDate": DateTime => Datum::Null,
        "Compressed": Bit => false,
        "Position": SmallInt => set.position,
        "DeviceType": TinyInt => 2,
        "UserName": NAME => "sa",
        "ServerName": NAME => &set.server,
        "DatabaseName": NAME => &set.database,
        "DatabaseVersion": Int => set.database_version,
        "DatabaseCreationDate": DateTime => set.database_created,
        "BackupSize": Numeric(20, 0) => Datum::Numeric(i128::from(size)),
        "FirstLSN": LSN => set.first_lsn,
        "LastLSN": LSN => set.last_lsn,
        "CheckpointLSN": LSN => set.checkpoint_lsn,
        "DatabaseBackupLSN": LSN => set.database_backup_lsn,
        "BackupStartDate": DateTime => set.started,
        "BackupFinishDate": DateTime => set.finished,
        "SortOrder": SmallInt => 52,
        "CodePage": SmallInt => 0,
        "UnicodeLocaleId": Int => 1033,
        "UnicodeComparisonStyle": Int => 196_609,
        "CompatibilityLevel": TinyInt => set.compatibility_level,
        "SoftwareVendorId": Int => 4608,
        "SoftwareVersionMajor": Int => set.software.0,
        "SoftwareVersionMinor": Int => set.software.1,
        "SoftwareVersionBuild": Int => set.software.2,
        "MachineName": NAME => set.server.split('\\').next().unwrap_or_default(),
        "Flags": Int => flags,
        "BindingID": GUID => set.family,
        "RecoveryForkID": GUID => set.fork,
        "Collation": NAME => "Latin1_General_CI_AS",
        "FamilyGUID": GUID => set.family,
        "HasBulkLoggedData": Bit => false,
        "IsSnapshot": Bit => false,
        "IsReadOnly": Bit => false,
        "IsSingleUser": Bit => false,
        "HasBackupChecksums": Bit => set.checksums,
        // Only backups taken of a damaged database WITH CONTINUE_AFTER_ERROR say so.
        "IsDamaged": Bit => false,
        "BeginsLogChain": Bit => false,
        "HasIncompleteMetaData": Bit => false,
        "IsForceOffline": Bit => set.force_offline,
        "IsCopyOnly": Bit => set.copy_only,
        "FirstRecoveryForkID": GUID => set.first_fork,
        "ForkPointLSN": LSN => set.fork_point,
        "RecoveryModel": NVarChar(Some(60)) => "FULL",
        "DifferentialBaseLSN": LSN => Datum::Null,
        "DifferentialBaseGUID": GUID => Datum::Null,
        "BackupTypeDescription": NVarChar(Some(60)) => words,
        "BackupSetGUID": GUID => set.set_guid,
        "CompressedBackupSize": BigInt => size,
        "Containment": TinyInt => 0,
        "KeyAlgorithm": NVarChar(Some(32)) => Datum::Null,
        "EncryptorThumbprint": VarBinary(Some(20)) => Datum::Null,
        "EncryptorType": NVarChar(Some(32)) => Datum::Null,
    }
}

fn files(set: &BackupSet) -> Relation {
    relation! {
        for (id, (name, path, bytes)) in (1_i64..).zip(&set.files);
        let log = path.to_lowercase().ends_with(".ldf");
        "LogicalName": NAME => name,
        "PhysicalName": NVarChar(Some(260)) => path,
        "Type": VarChar(Some(1)) => if log { "L" } else { "D" },
        "FileGroupName": NAME => (!log).then_some("PRIMARY"),
        "Size": Numeric(20, 0) => Datum::Numeric(i128::from(*bytes)),
        "MaxSize": Numeric(20, 0) => Datum::Numeric(35_184_372_080_640),
        "FileId": BigInt => id,
        "CreateLSN": LSN => Lsn::ZERO,
        "DropLSN": LSN => Lsn::ZERO,
        "UniqueId": GUID => set.family,
        "ReadOnlyLSN": LSN => Lsn::ZERO,
        "ReadWriteLSN": LSN => Lsn::ZERO,
        "BackupSizeInBytes": BigInt => *bytes,
        "SourceBlockSize": Int => 512,
        "FileGroupId": Int => !log,
        "LogGroupGUID": GUID => Datum::Null,
        "DifferentialBaseLSN": LSN => Lsn::ZERO,
        "DifferentialBaseGUID": GUID => Datum::Null,
        "IsReadOnly": Bit => false,
        "IsPresent": Bit => true,
        "TDEThumbprint": VarBinary(Some(32)) => Datum::Null,
        "SnapshotUrl": NVarChar(Some(360)) => Datum::Null,
    }
}

fn label(set: &BackupSet, (stripe, stripes): (u16, u16)) -> Relation {
    relation! {
        for set in [set];
        "MediaName": NAME => Datum::Null,
        "MediaSetId": GUID => set.set_guid,
        "FamilyCount": Int => stripes.max(1),
        "FamilySequenceNumber": Int => stripe.max(1),
        "MediaFamilyId": GUID => set.set_guid,
        "MediaSequenceNumber": Int => 1,
        "MediaLabelPresent": TinyInt => 0,
        "MediaDescription": NVarChar(Some(255)) => Datum::Null,
        "SoftwareName": NAME => "Microsoft SQL Server",
        "SoftwareVendorId": Int => 4608,
        "MediaDate": DateTime => set.started,
        "MirrorCount": Int => 1,
        "IsCompressed": Bit => false,
    }
}
