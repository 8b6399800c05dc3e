SELECT TOP (10) h.restore_history_id, CONVERT(varchar(33), h.restore_date, 126) AS restore_date,
       CONVERT(varchar(33), GETDATE(), 126) AS now_local,
       h.restore_type, CAST(h.recovery AS int) AS recovery,
       CAST(b.first_lsn AS varchar(25)) AS first_lsn, CAST(b.last_lsn AS varchar(25)) AS last_lsn,
       CAST(b.family_guid AS nvarchar(36)) AS family_guid,
       CAST(b.last_recovery_fork_guid AS nvarchar(36)) AS last_recovery_fork_guid, b.server_name,
       CONVERT(varchar(33), b.database_creation_date, 126) AS database_creation_date,
       CONVERT(varchar(33), b.backup_finish_date, 126) AS backup_finish_date, f.physical_device_name
FROM msdb.dbo.restorehistory AS h
LEFT JOIN msdb.dbo.backupset AS b ON b.backup_set_id = h.backup_set_id
LEFT JOIN msdb.dbo.backupmediafamily AS f ON f.media_set_id = b.media_set_id
WHERE h.destination_database_name = @P1 AND h.restore_type <> 'V'
ORDER BY h.restore_history_id DESC
