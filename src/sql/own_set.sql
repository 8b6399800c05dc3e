SELECT CAST(b.backup_set_id AS int) AS backup_set_id
FROM msdb.dbo.backupset AS b
WHERE b.database_name = @P1 AND CAST(b.backup_set_uuid AS nvarchar(36)) = @P2
  AND b.backup_set_id > ISNULL((SELECT MAX(h.backup_set_id) FROM msdb.dbo.restorehistory AS h
                                WHERE h.destination_database_name = @P1 AND h.restore_type <> 'V'), 0)
