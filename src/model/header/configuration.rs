//! The `SCIN` part of SQL Server's configuration: what `RESTORE HEADERONLY` answers.

use jiff::civil::DateTime;

use super::bytes::Bytes;
use super::{BackupHeader, BackupKind, Unreadable};
use crate::model::Lsn;

/// One copy of the configuration.
#[derive(Debug)]
pub(super) struct Configuration {
    length: u16,
    software: (u8, u8, u16),
    first_lsn: Lsn,
    last_lsn: Lsn,
    checkpoint_lsn: Lsn,
    database_backup_lsn: Lsn,
    created: DateTime,
    started: DateTime,
    finished: Option<DateTime>,
    kind: u8,
    compatibility_level: u8,
    database_version: u16,
    database: String,
    server: String,
}

impl Configuration {
    /// Reads a copy from its `SCIN` on.
    pub(super) fn read(scin: Bytes<'_>) -> Result<Self, Unreadable> {
        let damaged = |what, offset| move || scin.damaged(what, offset);
        let lsn = |what, offset| scin.lsn(offset).ok_or_else(damaged(what, offset));
        let date = |what, offset| scin.date(offset).ok_or_else(damaged(what, offset));
        let word = |what, offset| scin.u16(offset).ok_or_else(damaged(what, offset));
        let byte = |what, offset| scin.u8(offset).ok_or_else(damaged(what, offset));

        let length = word("length of the configuration", 0x04)?;
        let name = |what, offset| {
            scin.text(offset, usize::from(length))
                .filter(|name| !name.is_empty())
                .ok_or_else(damaged(what, offset))
        };
        let kind = byte("type", 0x57)?;
        if !kind.is_ascii_uppercase() {
            return Err(scin.damaged("type", 0x57));
        }
        let read = Self {
            length,
            software: (
                byte("software version", 0x1B)?,
                byte("software version", 0x1A)?,
                word("software version", 0x18)?,
            ),
            first_lsn: lsn("FirstLSN", 0x20)?,
            last_lsn: lsn("LastLSN", 0x2A)?,
            checkpoint_lsn: lsn("CheckpointLSN", 0x34)?,
            database_backup_lsn: lsn("DatabaseBackupLSN", 0x3E)?,
            created: date("creation date of the database", 0x48)?,
            started: date("start date", 0x4D)?,
            finished: scin.date(0x52),
            kind,
            compatibility_level: byte("compatibility level", 0x5B)?,
            database_version: word("database version", 0x5E)?,
            database: name("database name", 0x68)?,
            server: name("server name", 0x6C)?,
        };
        if read.last_lsn < read.first_lsn {
            return Err(scin.damaged("LastLSN before FirstLSN", 0x2A));
        }
        Ok(read)
    }

    /// Names the first field in which two copies differ, the finish date aside.
    pub(super) fn difference(&self, other: &Self) -> Option<&'static str> {
        let fields = [
            (
                "the length of the configuration",
                self.length == other.length,
            ),
            ("the software version", self.software == other.software),
            ("FirstLSN", self.first_lsn == other.first_lsn),
            ("LastLSN", self.last_lsn == other.last_lsn),
            ("CheckpointLSN", self.checkpoint_lsn == other.checkpoint_lsn),
            (
                "DatabaseBackupLSN",
                self.database_backup_lsn == other.database_backup_lsn,
            ),
            ("the creation date", self.created == other.created),
            ("the start date", self.started == other.started),
            ("the type", self.kind == other.kind),
            (
                "the compatibility level",
                self.compatibility_level == other.compatibility_level,
            ),
            (
                "the database version",
                self.database_version == other.database_version,
            ),
            ("the database name", self.database == other.database),
            ("the server name", self.server == other.server),
        ];
        fields.iter().find(|(_, same)| !same).map(|(name, _)| *name)
    }

    /// The finish date, which only a closing copy has.
    pub(super) fn finished(&self) -> Option<DateTime> {
        self.finished
    }

    /// Makes the header of it.
    pub(super) fn header(
        self,
        finished: Option<DateTime>,
        complete: bool,
    ) -> Result<BackupHeader, Unreadable> {
        let kind = match self.kind {
            b'L' => BackupKind::Log,
            b'D' => BackupKind::Full,
            b'I' => BackupKind::Differential,
            letter => return Err(Unreadable::OtherKind { letter }),
        };
        Ok(BackupHeader {
            server: self.server,
            database: self.database,
            kind,
            // Only a file with one set gets this far.
            position: 1,
            first_lsn: self.first_lsn,
            last_lsn: self.last_lsn,
            checkpoint_lsn: self.checkpoint_lsn,
            database_backup_lsn: self.database_backup_lsn,
            database_created: self.created,
            started: self.started,
            finished,
            software: self.software,
            compatibility_level: self.compatibility_level,
            database_version: self.database_version,
            complete,
        })
    }
}
