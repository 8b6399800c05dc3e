SELECT CAST(last_log_backup_lsn AS varchar(25)) AS last_log_backup_lsn
FROM sys.database_recovery_status
WHERE database_id = DB_ID(@P1)
