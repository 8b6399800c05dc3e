SELECT TOP (1) CONVERT(varchar(33), b.backup_finish_date, 126) AS finished
FROM msdb.dbo.backupset AS b
WHERE b.database_name = @P1 AND b.type = 'L'
  AND b.backup_set_id > ISNULL((SELECT MAX(h.backup_set_id) FROM msdb.dbo.restorehistory AS h
                                WHERE h.destination_database_name = @P1 AND h.restore_type <> 'V'), 0)
ORDER BY b.backup_set_id DESC
