SELECT TOP (100) h.restore_type, CAST(b.backup_set_uuid AS nvarchar(36)) AS backup_set_uuid
FROM msdb.dbo.restorehistory AS h
LEFT JOIN msdb.dbo.backupset AS b ON b.backup_set_id = h.backup_set_id
WHERE h.destination_database_name = @P1 AND h.restore_type <> 'V'
ORDER BY h.restore_history_id DESC
