//! Tables of `msdb`: log shipping and backup history; jobs are in [`super::jobs`].

use super::{CHAR, PATH, SHORT, View, jobs};
use crate::rehearsal::value::SqlType::{Bit, DateTime, Int, NVarChar, Numeric, SmallInt, TinyInt};
use crate::rehearsal::value::{Datum, GUID, LSN, NAME, Relation, relation};
use crate::rehearsal::world::msdb::{Secondary, SecondaryDatabase};

impl View<'_> {
    pub(super) fn msdb_table(&self, object: &str) -> Option<Relation> {
        Some(match object {
            "log_shipping_secondary" => self.secondary(),
            "log_shipping_secondary_databases" => self.secondary_databases(),
            "log_shipping_monitor_secondary" => self.monitor_secondary(),
            "log_shipping_primary_databases" => self.primary_databases(),
            "log_shipping_primary_secondaries" => self.primary_secondaries(),
            "log_shipping_monitor_primary" => self.monitor_primary(),
            "sysjobs" => self.jobs(),
            "sysjobsteps" => self.job_steps(),
            "sysjobservers" => self.job_servers(),
            "sysjobschedules" => self.job_schedules(),
            "sysschedules" => self.schedules(),
            "syscategories" => jobs::categories(),
            "sysjobactivity" => self.job_activity(),
            "syssessions" => self.agent_sessions(),
            "backupset" => self.backupset(),
            "backupmediafamily" => self.media(),
            "restorehistory" => self.restores(),
            _ => {
                let table = self.instance.msdb.table(object)?;
                Relation {
                    columns: table.columns.clone(),
                    rows: table.rows.clone(),
                }
            }
        })
    }

    fn secondary(&self) -> Relation {
        relation! {
            for s in &self.instance.msdb.secondaries;
            "secondary_id": GUID => s.id,
            "primary_server": NAME => &s.primary_server,
            "primary_database": NAME => &s.primary_database,
            "backup_source_directory": PATH => &s.source,
            "backup_destination_directory": PATH => &s.destination,
            "file_retention_period": Int => s.file_retention,
            "copy_job_id": GUID => s.copy_job,
            "restore_job_id": GUID => s.restore_job,
            "monitor_server": NAME => &s.monitor_server,
            "monitor_server_security_mode": Bit => s.monitor_security,
            "last_copied_file": PATH => s.last_copied_file.as_ref(),
            "last_copied_date": DateTime => s.last_copied,
        }
    }

    /// Every secondary database, under its secondary.
    fn secondaries(&self) -> impl Iterator<Item = (&Secondary, &SecondaryDatabase)> {
        let secondaries = self.instance.msdb.secondaries.iter();
        secondaries.flat_map(|s| s.databases.iter().map(move |d| (s, d)))
    }

    fn secondary_databases(&self) -> Relation {
        relation! {
            for (s, d) in self.secondaries();
            "secondary_database": NAME => &d.database,
            "secondary_id": GUID => s.id,
            "restore_delay": Int => d.restore_delay,
            "restore_all": Bit => d.restore_all,
            "restore_mode": Bit => d.standby,
            "disconnect_users": Bit => d.disconnect_users,
            "block_size": Int => -1,
            "buffer_count": Int => -1,
            "max_transfer_size": Int => -1,
            "last_restored_file": PATH => d.last_restored_file.as_ref(),
            "last_restored_date": DateTime => d.last_restored,
        }
    }

    fn monitor_secondary(&self) -> Relation {
        relation! {
            for (s, d) in self.secondaries();
            "secondary_server": NAME => self.instance.at_servername(),
            "secondary_database": NAME => &d.database,
            "secondary_id": GUID => s.id,
            "primary_server": NAME => &s.primary_server,
            "primary_database": NAME => &s.primary_database,
            "restore_threshold": Int => d.restore_threshold,
            "threshold_alert": Int => 14_421,
            "threshold_alert_enabled": Bit => d.threshold_alert_enabled,
            "last_copied_file": PATH => s.last_copied_file.as_ref(),
            "last_copied_date": DateTime => s.last_copied,
            "last_copied_date_utc": DateTime => s.last_copied,
            "last_restored_file": PATH => d.last_restored_file.as_ref(),
            "last_restored_date": DateTime => d.last_restored,
            "last_restored_date_utc": DateTime => d.last_restored,
            "last_restored_latency": Int => 10,
            "history_retention_period": Int => d.history_retention,
        }
    }

    fn primary_databases(&self) -> Relation {
        relation! {
            for p in &self.instance.msdb.primaries;
            "primary_id": GUID => p.id,
            "primary_database": NAME => &p.database,
            "backup_directory": PATH => &p.directory,
            "backup_share": PATH => &p.share,
            "backup_retention_period": Int => p.retention,
            "backup_job_id": GUID => p.job,
            "monitor_server": NAME => &p.monitor_server,
            "monitor_server_security_mode": Bit => p.monitor_security,
            "last_backup_file": PATH => p.last_backup_file.as_ref(),
            "last_backup_date": DateTime => p.last_backup,
            "backup_compression": TinyInt => p.compression,
        }
    }

    fn primary_secondaries(&self) -> Relation {
        let primaries = self.instance.msdb.primaries.iter();
        let rows = primaries.flat_map(|p| p.secondaries.iter().map(move |to| (p, to)));
        relation! {
            for (p, (server, database)) in rows;
            "primary_id": GUID => p.id,
            "secondary_server": NAME => server,
            "secondary_database": NAME => database,
        }
    }

    fn monitor_primary(&self) -> Relation {
        relation! {
            for p in &self.instance.msdb.primaries;
            "primary_id": GUID => p.id,
            "primary_server": NAME => self.instance.at_servername(),
            "primary_database": NAME => &p.database,
            "backup_threshold": Int => p.backup_threshold,
            "threshold_alert": Int => 14_420,
            "threshold_alert_enabled": Bit => p.threshold_alert_enabled,
            "last_backup_file": PATH => p.last_backup_file.as_ref(),
            "last_backup_date": DateTime => p.last_backup,
            "last_backup_date_utc": DateTime => p.last_backup,
            "history_retention_period": Int => p.history_retention,
        }
    }

    fn backupset(&self) -> Relation {
        relation! {
            for row in &self.instance.msdb.backups;
            let set = &row.set;
            let size = Datum::Numeric(i128::from(row.size));
            "backup_set_id": Int => row.id,
            "backup_set_uuid": GUID => set.set_guid,
            "media_set_id": Int => row.id,
            "database_name": NAME => &set.database,
            "server_name": NAME => &set.server,
            "type": CHAR => set.kind.letter(),
            "user_name": NAME => &row.user,
            "position": Int => set.position,
            "first_lsn": LSN => set.first_lsn,
            "last_lsn": LSN => set.last_lsn,
            "checkpoint_lsn": LSN => set.checkpoint_lsn,
            "database_backup_lsn": LSN => set.database_backup_lsn,
            "database_creation_date": DateTime => set.database_created,
            "backup_start_date": DateTime => set.started,
            "backup_finish_date": DateTime => set.finished,
            "backup_size": Numeric(20, 0) => size.clone(),
            "compressed_backup_size": Numeric(20, 0) => size,
            "recovery_model": SHORT => "FULL",
            "is_damaged": Bit => set.damaged,
            "has_backup_checksums": Bit => set.checksums,
            "is_copy_only": Bit => set.copy_only,
            "is_force_offline": Bit => set.force_offline,
            "family_guid": GUID => set.family,
            "first_recovery_fork_guid": GUID => set.first_fork,
            "last_recovery_fork_guid": GUID => set.fork,
            "fork_point_lsn": LSN => set.fork_point,
            "software_major_version": TinyInt => set.software.0,
            "time_zone": SmallInt => 0,
        }
    }

    fn media(&self) -> Relation {
        relation! {
            for row in &self.instance.msdb.backups;
            "media_set_id": Int => row.id,
            "family_sequence_number": TinyInt => 1,
            "logical_device_name": NAME => Datum::Null,
            "physical_device_name": NVarChar(Some(260)) => &row.device,
            "device_type": TinyInt => 2,
        }
    }

    fn restores(&self) -> Relation {
        relation! {
            for row in &self.instance.msdb.restores;
            "restore_history_id": Int => row.id,
            "restore_date": DateTime => row.date,
            "destination_database_name": NAME => &row.database,
            "user_name": NAME => &row.user,
            "backup_set_id": Int => row.backup_set_id,
            "restore_type": CHAR => row.kind,
            "replace": Bit => row.replace,
            "recovery": Bit => row.recovery,
            "restart": Bit => 0,
            "stop_at": DateTime => Datum::Null,
        }
    }
}
