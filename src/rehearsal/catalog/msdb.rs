//! Tables of `msdb`: log shipping and backup history; jobs are in [`super::jobs`].

use super::{CHAR, LSN, NAME, PATH, SHORT, View, jobs, lsn, maybe, number, relation, text};
use crate::rehearsal::backup_set::SetKind;
use crate::rehearsal::value::{Datum, Relation, SqlType};

const GUID: SqlType = SqlType::UniqueIdentifier;

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
            "sysjobschedules" => self.job_schedules(),
            "sysschedules" => self.schedules(),
            "syscategories" => jobs::categories(),
            "sysjobactivity" => self.job_activity(),
            "syssessions" => self.agent_sessions(),
            "backupset" => self.backupset(),
            "backupmediafamily" => self.media(),
            "restorehistory" => self.restores(),
            _ => return None,
        })
    }

    fn secondary(&self) -> Relation {
        let rows = self.instance.msdb.secondaries.iter().map(|s| {
            vec![
                Datum::Guid(s.id),
                text(&s.primary_server),
                text(&s.primary_database),
                text(&s.source),
                text(&s.destination),
                number(s.file_retention),
                Datum::Guid(s.copy_job),
                Datum::Guid(s.restore_job),
                text(&s.monitor_server),
                number(i64::from(s.monitor_security)),
                maybe(s.last_copied_file.as_ref(), text),
                maybe(s.last_copied, Datum::DateTime),
            ]
        });
        relation(
            &[
                ("secondary_id", GUID),
                ("primary_server", NAME),
                ("primary_database", NAME),
                ("backup_source_directory", PATH),
                ("backup_destination_directory", PATH),
                ("file_retention_period", SqlType::Int),
                ("copy_job_id", GUID),
                ("restore_job_id", GUID),
                ("monitor_server", NAME),
                ("monitor_server_security_mode", SqlType::Bit),
                ("last_copied_file", PATH),
                ("last_copied_date", SqlType::DateTime),
            ],
            rows.collect(),
        )
    }

    fn secondary_databases(&self) -> Relation {
        let rows = self.instance.msdb.secondaries.iter().flat_map(|s| {
            s.databases.iter().map(|d| {
                vec![
                    text(&d.database),
                    Datum::Guid(s.id),
                    number(d.restore_delay),
                    number(i64::from(d.restore_all)),
                    number(i64::from(d.standby)),
                    number(i64::from(d.disconnect_users)),
                    number(-1),
                    number(-1),
                    number(-1),
                    maybe(d.last_restored_file.as_ref(), text),
                    maybe(d.last_restored, Datum::DateTime),
                ]
            })
        });
        relation(
            &[
                ("secondary_database", NAME),
                ("secondary_id", GUID),
                ("restore_delay", SqlType::Int),
                ("restore_all", SqlType::Bit),
                ("restore_mode", SqlType::Bit),
                ("disconnect_users", SqlType::Bit),
                ("block_size", SqlType::Int),
                ("buffer_count", SqlType::Int),
                ("max_transfer_size", SqlType::Int),
                ("last_restored_file", PATH),
                ("last_restored_date", SqlType::DateTime),
            ],
            rows.collect(),
        )
    }

    fn monitor_secondary(&self) -> Relation {
        let server = self.instance.at_servername();
        let rows = self.instance.msdb.secondaries.iter().flat_map(|s| {
            s.databases.iter().map(move |d| {
                vec![
                    maybe(server, text),
                    text(&d.database),
                    Datum::Guid(s.id),
                    text(&s.primary_server),
                    text(&s.primary_database),
                    number(d.restore_threshold),
                    number(14_421),
                    number(i64::from(d.threshold_alert_enabled)),
                    maybe(s.last_copied_file.as_ref(), text),
                    maybe(s.last_copied, Datum::DateTime),
                    maybe(s.last_copied, Datum::DateTime),
                    maybe(d.last_restored_file.as_ref(), text),
                    maybe(d.last_restored, Datum::DateTime),
                    maybe(d.last_restored, Datum::DateTime),
                    number(10),
                    number(d.history_retention),
                ]
            })
        });
        relation(
            &[
                ("secondary_server", NAME),
                ("secondary_database", NAME),
                ("secondary_id", GUID),
                ("primary_server", NAME),
                ("primary_database", NAME),
                ("restore_threshold", SqlType::Int),
                ("threshold_alert", SqlType::Int),
                ("threshold_alert_enabled", SqlType::Bit),
                ("last_copied_file", PATH),
                ("last_copied_date", SqlType::DateTime),
                ("last_copied_date_utc", SqlType::DateTime),
                ("last_restored_file", PATH),
                ("last_restored_date", SqlType::DateTime),
                ("last_restored_date_utc", SqlType::DateTime),
                ("last_restored_latency", SqlType::Int),
                ("history_retention_period", SqlType::Int),
            ],
            rows.collect(),
        )
    }

    fn primary_databases(&self) -> Relation {
        let rows = self.instance.msdb.primaries.iter().map(|p| {
            vec![
                Datum::Guid(p.id),
                text(&p.database),
                text(&p.directory),
                text(&p.share),
                number(p.retention),
                Datum::Guid(p.job),
                text(&p.monitor_server),
                number(i64::from(p.monitor_security)),
                maybe(p.last_backup_file.as_ref(), text),
                maybe(p.last_backup, Datum::DateTime),
                number(p.compression),
            ]
        });
        relation(
            &[
                ("primary_id", GUID),
                ("primary_database", NAME),
                ("backup_directory", PATH),
                ("backup_share", PATH),
                ("backup_retention_period", SqlType::Int),
                ("backup_job_id", GUID),
                ("monitor_server", NAME),
                ("monitor_server_security_mode", SqlType::Bit),
                ("last_backup_file", PATH),
                ("last_backup_date", SqlType::DateTime),
                ("backup_compression", SqlType::TinyInt),
            ],
            rows.collect(),
        )
    }

    fn primary_secondaries(&self) -> Relation {
        let rows = self.instance.msdb.primaries.iter().flat_map(|p| {
            p.secondaries
                .iter()
                .map(|(server, database)| vec![Datum::Guid(p.id), text(server), text(database)])
        });
        relation(
            &[
                ("primary_id", GUID),
                ("secondary_server", NAME),
                ("secondary_database", NAME),
            ],
            rows.collect(),
        )
    }

    fn monitor_primary(&self) -> Relation {
        let server = self.instance.at_servername();
        let rows = self.instance.msdb.primaries.iter().map(|p| {
            vec![
                Datum::Guid(p.id),
                maybe(server, text),
                text(&p.database),
                number(p.backup_threshold),
                number(14_420),
                number(i64::from(p.threshold_alert_enabled)),
                maybe(p.last_backup_file.as_ref(), text),
                maybe(p.last_backup, Datum::DateTime),
                maybe(p.last_backup, Datum::DateTime),
                number(p.history_retention),
            ]
        });
        relation(
            &[
                ("primary_id", GUID),
                ("primary_server", NAME),
                ("primary_database", NAME),
                ("backup_threshold", SqlType::Int),
                ("threshold_alert", SqlType::Int),
                ("threshold_alert_enabled", SqlType::Bit),
                ("last_backup_file", PATH),
                ("last_backup_date", SqlType::DateTime),
                ("last_backup_date_utc", SqlType::DateTime),
                ("history_retention_period", SqlType::Int),
            ],
            rows.collect(),
        )
    }

    fn backupset(&self) -> Relation {
        let rows = self.instance.msdb.backups.iter().map(|row| {
            let set = &row.set;
            let size = Datum::Numeric(i128::from(row.size));
            vec![
                number(row.id),
                Datum::Guid(set.set_guid),
                number(row.id),
                text(&set.database),
                text(&set.server),
                text(match set.kind {
                    SetKind::Full => "D",
                    SetKind::Log => "L",
                    SetKind::Differential => "I",
                }),
                text(&row.user),
                number(i64::from(set.position)),
                lsn(set.first_lsn),
                lsn(set.last_lsn),
                lsn(set.checkpoint_lsn),
                lsn(set.database_backup_lsn),
                Datum::DateTime(set.database_created),
                Datum::DateTime(set.started),
                Datum::DateTime(set.finished),
                size.clone(),
                size,
                text("FULL"),
                number(i64::from(set.damaged)),
                number(i64::from(set.checksums)),
                number(i64::from(set.copy_only)),
                number(i64::from(set.force_offline)),
                Datum::Guid(set.family),
                Datum::Guid(set.first_fork),
                Datum::Guid(set.fork),
                maybe(set.fork_point, lsn),
                number(i64::from(set.software.0)),
                number(0),
            ]
        });
        relation(
            &[
                ("backup_set_id", SqlType::Int),
                ("backup_set_uuid", GUID),
                ("media_set_id", SqlType::Int),
                ("database_name", NAME),
                ("server_name", NAME),
                ("type", CHAR),
                ("user_name", NAME),
                ("position", SqlType::Int),
                ("first_lsn", LSN),
                ("last_lsn", LSN),
                ("checkpoint_lsn", LSN),
                ("database_backup_lsn", LSN),
                ("database_creation_date", SqlType::DateTime),
                ("backup_start_date", SqlType::DateTime),
                ("backup_finish_date", SqlType::DateTime),
                ("backup_size", SqlType::Numeric(20, 0)),
                ("compressed_backup_size", SqlType::Numeric(20, 0)),
                ("recovery_model", SHORT),
                ("is_damaged", SqlType::Bit),
                ("has_backup_checksums", SqlType::Bit),
                ("is_copy_only", SqlType::Bit),
                ("is_force_offline", SqlType::Bit),
                ("family_guid", GUID),
                ("first_recovery_fork_guid", GUID),
                ("last_recovery_fork_guid", GUID),
                ("fork_point_lsn", LSN),
                ("software_major_version", SqlType::TinyInt),
                ("time_zone", SqlType::SmallInt),
            ],
            rows.collect(),
        )
    }

    fn media(&self) -> Relation {
        let rows = self.instance.msdb.backups.iter().map(|row| {
            vec![
                number(row.id),
                number(1),
                Datum::Null,
                text(&row.device),
                number(2),
            ]
        });
        relation(
            &[
                ("media_set_id", SqlType::Int),
                ("family_sequence_number", SqlType::TinyInt),
                ("logical_device_name", NAME),
                ("physical_device_name", SqlType::NVarChar(Some(260))),
                ("device_type", SqlType::TinyInt),
            ],
            rows.collect(),
        )
    }

    fn restores(&self) -> Relation {
        let rows = self.instance.msdb.restores.iter().map(|row| {
            vec![
                number(row.id),
                Datum::DateTime(row.date),
                text(&row.database),
                text(&row.user),
                number(row.backup_set_id),
                text(row.kind),
                number(i64::from(row.replace)),
                number(i64::from(row.recovery)),
                number(0),
                Datum::Null,
            ]
        });
        relation(
            &[
                ("restore_history_id", SqlType::Int),
                ("restore_date", SqlType::DateTime),
                ("destination_database_name", NAME),
                ("user_name", NAME),
                ("backup_set_id", SqlType::Int),
                ("restore_type", CHAR),
                ("replace", SqlType::Bit),
                ("recovery", SqlType::Bit),
                ("restart", SqlType::Bit),
                ("stop_at", SqlType::DateTime),
            ],
            rows.collect(),
        )
    }
}
