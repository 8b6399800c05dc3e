use super::*;

/// A table from `name type` pairs, and from rows with `|` between their values.
///
/// A uniqueidentifier is written as the one digit that fills it, a datetime as a time of the day.
fn table(fake: Fake, name: &str, columns: &str, lines: &[&str]) -> Fake {
    let columns: Vec<(&str, SqlType)> = columns
        .split(", ")
        .map(|column| {
            let (name, sql_type) = column.split_once(' ').unwrap();
            let sql_type = match sql_type {
                "bit" => SqlType::Bit,
                "tinyint" => SqlType::TinyInt,
                "smallint" => SqlType::SmallInt,
                "int" => SqlType::Int,
                "bigint" => SqlType::BigInt,
                "real" => SqlType::Float,
                "text" => SqlType::NVarChar(Some(500)),
                "char" => SqlType::VarChar(Some(1)),
                "lsn" => SqlType::Numeric(25, 0),
                "guid" => SqlType::UniqueIdentifier,
                "datetime" => SqlType::DateTime,
                "sid" => SqlType::VarBinary(Some(85)),
                other => panic!("{other}"),
            };
            (name, sql_type)
        })
        .collect();
    let rows = lines.iter().map(|line| {
        let values = line.split('|').zip(&columns);
        values
            .map(|(value, (_, sql_type))| match (value, sql_type) {
                ("NULL", _) => Datum::Null,
                (value, SqlType::NVarChar(_) | SqlType::VarChar(_)) => text(value),
                (value, SqlType::Float) => Datum::Float(value.parse().unwrap()),
                (value, SqlType::Numeric(..)) => lsn(value.parse().unwrap()),
                (value, SqlType::UniqueIdentifier) => guid(value.parse().unwrap()),
                (value, SqlType::DateTime) => {
                    Datum::DateTime(format!("2026-11-24T{value}").parse().unwrap())
                }
                (value, SqlType::VarBinary(_)) => Datum::Bytes(vec![value.parse().unwrap()]),
                (value, _) => int(value.parse().unwrap()),
            })
            .collect()
    });
    let rows = rows.collect();
    fake.with(name, &columns, rows)
}

fn guid(digit: u8) -> Datum {
    Datum::Guid([digit * 17; 16])
}

/// The same, as a CAST shows it.
pub(super) fn guid_text(digit: u8) -> Datum {
    let part = |length: usize| digit.to_string().repeat(length);
    let all = [part(8), part(4), part(4), part(4), part(12)];
    Datum::Text(all.join("-"))
}

/// A backup whose `mgc` is restoring, with a little of everything in its tables.
pub(super) fn instance() -> Fake {
    let mut fake = Fake::default()
        .set(
            "@@SERVERNAME",
            SqlType::NVarChar(Some(128)),
            text(r"SQL3\CHAT"),
        )
        .set("@@SPID", SqlType::SmallInt, int(60))
        .set("@DB", SqlType::NVarChar(Some(4000)), text("MGC"))
        .set("@COPY_JOB_ID", SqlType::NVarChar(Some(4000)), guid_text(3))
        .set("@RESTORE_JOB_ID", SqlType::UniqueIdentifier, guid(4))
        .set("@SECONDARY_ID", SqlType::NVarChar(Some(4000)), guid_text(1));
    for (name, columns, lines) in [
        (
            "sys.databases",
            "database_id int, name text, state tinyint, is_in_standby bit, is_read_only bit, user_access tinyint, recovery_model tinyint, collation_name text, compatibility_level tinyint, is_trustworthy_on bit, is_broker_enabled bit, owner_sid sid, log_reuse_wait_desc text, create_date datetime",
            &[
                "1|master|0|0|0|0|3|SQL_Latin1_General_CP1_CI_AS|130|0|0|1|NOTHING|01:00:00",
                "5|mgc|1|0|0|0|1|NULL|120|0|0|2|NOTHING|02:03:04.567",
            ][..],
        ),
        (
            "sys.database_mirroring",
            "database_id int, mirroring_guid guid, mirroring_state tinyint, mirroring_role tinyint, mirroring_partner_instance text, mirroring_witness_name text",
            &["1|NULL|NULL|NULL|NULL|NULL", "5|NULL|NULL|NULL|NULL|NULL"],
        ),
        (
            "sys.master_files",
            "database_id int, file_id int, type tinyint, state tinyint, name text, physical_name text, size int, redo_start_lsn lsn, redo_start_fork_guid guid",
            &[
                "1|1|0|0|master|C:\\m.mdf|512|NULL|NULL",
                "5|1|0|1|mgc|E:\\mgc.mdf|1000000|34000000026400001|7",
                "5|2|1|1|mgc_log|E:\\mgc.ldf|256|34000000026400001|7",
            ],
        ),
        (
            "sys.database_recovery_status",
            "database_id int, family_guid guid, recovery_fork_guid guid, first_recovery_fork_guid guid, fork_point_lsn lsn, last_log_backup_lsn lsn",
            &["1|1|1|1|NULL|NULL", "5|NULL|NULL|NULL|NULL|NULL"],
        ),
        (
            "msdb.dbo.restorehistory",
            "restore_history_id int, restore_date datetime, destination_database_name text, restore_type char, recovery bit, replace bit, backup_set_id int",
            &[
                "1|03:00:00|mgc|D|0|1|11",
                "2|03:10:00|other|L|0|0|12",
                "3|03:20:00|mgc|L|0|NULL|13",
                "4|03:30:00|mgc|L|0|NULL|99",
            ],
        ),
        (
            "msdb.dbo.backupset",
            "backup_set_id int, media_set_id int, database_name text, type char, first_lsn lsn, last_lsn lsn, backup_set_uuid guid, family_guid guid, last_recovery_fork_guid guid, server_name text, backup_finish_date datetime, user_name text",
            &[
                "11|21|mgc|D|100|200|5|6|7|SQL1\\CHAT|02:00:00|sa",
                "13|23|mgc|L|150|300|8|6|7|SQL1\\CHAT|02:15:00.250|sa",
            ],
        ),
        (
            "msdb.dbo.backupmediafamily",
            "media_set_id int, physical_device_name text",
            &["21|\\\\fs1\\a.bak", "23|\\\\fs1\\b.trn"],
        ),
        (
            "msdb.dbo.log_shipping_secondary",
            "secondary_id guid, primary_server text, primary_database text, backup_source_directory text, backup_destination_directory text, file_retention_period int, copy_job_id guid, restore_job_id guid, monitor_server text, monitor_server_security_mode bit, last_copied_file text",
            &[
                "1|SQL1\\CHAT|mgc|\\\\fs1|E:\\copy|4320|3|4|SQL3\\CHAT|1|NULL",
                "2|SQL1\\CHAT|else|\\\\fs1|E:\\copy|4320|5|6|SQL3\\CHAT|1|NULL",
            ],
        ),
        (
            "msdb.dbo.log_shipping_secondary_databases",
            "secondary_id guid, secondary_database text, restore_delay int, restore_all bit, restore_mode bit, disconnect_users bit, block_size int, buffer_count int, max_transfer_size int, last_restored_file text",
            &[
                "1|mgc|0|1|0|0|-1|-1|-1|b.trn",
                "2|else|0|1|0|0|-1|-1|-1|NULL",
            ],
        ),
        (
            "msdb.dbo.log_shipping_monitor_secondary",
            "secondary_id guid, secondary_database text, restore_threshold int, threshold_alert int, threshold_alert_enabled bit, history_retention_period int, last_copied_date_utc datetime, last_restored_date_utc datetime",
            &["1|mgc|45|14421|1|5760|04:00:00|04:05:00"],
        ),
        (
            "msdb.dbo.log_shipping_primary_databases",
            "primary_id guid, primary_database text, backup_directory text, backup_share text, backup_retention_period int, backup_job_id guid, monitor_server text, monitor_server_security_mode bit, last_backup_file text, backup_compression tinyint",
            &["2|mgc|E:\\b|\\\\fs1|4320|5|SQL3\\CHAT|1|NULL|2"],
        ),
        (
            "msdb.dbo.log_shipping_primary_secondaries",
            "primary_id guid, secondary_server text, secondary_database text",
            &["2|SQL3\\CHAT|mgc", "2|SQL5\\CHAT|mgc"],
        ),
        (
            "msdb.dbo.log_shipping_monitor_primary",
            "primary_id guid, backup_threshold int, threshold_alert int, threshold_alert_enabled bit, history_retention_period int",
            &["2|60|14420|1|5760"],
        ),
        (
            "msdb.dbo.sysjobs",
            "job_id guid, name text, enabled tinyint, owner_sid sid, category_id int",
            &[
                "3|LSCopy|1|1|6",
                "4|LSRestore|0|1|6",
                "8|other|1|1|0",
                "9|odd|1|1|0",
            ],
        ),
        (
            "msdb.dbo.syscategories",
            "category_id int, name text",
            &["0|[Uncategorized]", "6|Log Shipping"],
        ),
        (
            "msdb.dbo.sysjobsteps",
            "job_id guid, step_id int, subsystem text, command text, proxy_id int",
            &[
                "3|1|CMDEXEC|sqllogship.exe -Copy x|NULL",
                "4|1|CMDEXEC|sqllogship.exe -Restore x|NULL",
                "8|1|TSQL|SELECT 1|NULL",
                "9|1|CMDEXEC|\"SQLLogShip.exe\" -Copy 11111111-1111-1111-1111-111111111111 -server x|NULL",
            ],
        ),
        ("msdb.dbo.syssessions", "session_id int", &["100", "101"]),
        (
            "msdb.dbo.sysjobactivity",
            "session_id int, job_id guid, start_execution_date datetime, stop_execution_date datetime",
            &[
                "100|3|01:00:00|NULL",
                "101|3|04:00:00|04:01:00",
                "100|4|01:00:00|NULL",
            ],
        ),
        (
            "msdb.dbo.sysjobschedules",
            "schedule_id int, job_id guid",
            &["31|3", "32|4", "33|8"],
        ),
        (
            "msdb.dbo.sysschedules",
            "schedule_id int, name text, enabled int, freq_type int, freq_interval int, freq_subday_type int, freq_subday_interval int, freq_relative_interval int, freq_recurrence_factor int, active_start_date int, active_end_date int, active_start_time int, active_end_time int",
            &[
                "31|LSCopy_S|1|4|1|4|15|0|0|20260101|99991231|0|235900",
                "32|LSRestore_S|1|4|1|4|15|0|0|20260101|99991231|0|235900",
                "33|other|1|4|1|4|15|0|0|20260101|99991231|0|235900",
            ],
        ),
        (
            "sys.dm_exec_requests",
            "session_id smallint, command text, percent_complete real",
            &[
                "60|SELECT|0",
                "70|RESTORE LOG|42.5",
                "71|RESTORE DATABASE|1",
            ],
        ),
        (
            "sys.dm_exec_sessions",
            "session_id smallint, login_time datetime, login_name text, host_name text, program_name text, status text, open_transaction_count int, is_user_process bit, database_id smallint",
            &[
                "9|01:00:00|sa|NULL|NULL|background|0|0|5",
                "60|04:00:00|me|A|pchadr|running|0|1|5",
                "61|04:00:00|chat|PC5|chat|sleeping|1|1|5",
                "62|04:00:00|chat|PC6|chat|sleeping|0|1|1",
                "63|04:00:00|chat|PC7|chat|sleeping|0|1|1",
                "70|04:30:00|agent|SQL3|sqllogship|running|0|1|1",
                "71|04:30:00|agent|SQL3|other|running|0|1|1",
            ],
        ),
        (
            "sys.dm_tran_locks",
            "request_session_id int, resource_type text, resource_database_id int",
            &[
                "62|DATABASE|5",
                "63|OBJECT|5",
                "70|DATABASE|5",
                "71|DATABASE|6",
            ],
        ),
        (
            "sys.dm_server_services",
            "servicename text, status int, startup_type int, service_account text, filename text",
            &[
                "SQL Server (CHAT)|4|2|LITWARE\\sql|sqlservr.exe",
                "SQL Server Agent (CHAT)|1|3|NULL|SQLAGENT.EXE",
            ],
        ),
        (
            "sys.database_mirroring_endpoints",
            "name text, endpoint_id int, principal_id int, role tinyint, state tinyint",
            &["mirroring_endpoint|65536|1|3|0"],
        ),
        (
            "sys.tcp_endpoints",
            "endpoint_id int, port int",
            &["65536|5022", "2|1433"],
        ),
        (
            "sys.server_principals",
            "principal_id int, sid sid",
            &["1|1", "2|2"],
        ),
        (
            "mgc.dbo.tblchat",
            "channelId int, chatId bigint",
            &["1|10", "2|30", "1|20"],
        ),
        (
            "mgccomp.dbo.tblcompliancedata",
            "cmplType int",
            &["1", "9", "2", "NULL"],
        ),
        (
            "mgc.sys.database_principals",
            "name text, principal_id int, type char, authentication_type int, sid sid",
            &[
                "dbo|1|S|1|9",
                "known|5|S|1|1",
                "lost|6|U|3|8",
                "role|7|R|0|NULL",
                "alone|8|S|0|7",
            ],
        ),
    ] {
        fake = table(fake, name, columns, lines);
    }
    fake
}
