SELECT TOP (50) CAST(b.first_lsn AS varchar(25)) AS first_lsn, CAST(b.last_lsn AS varchar(25)) AS last_lsn,
       CAST(b.position AS int) AS position, CAST(b.is_copy_only AS int) AS is_copy_only, f.physical_device_name
FROM msdb.dbo.backupset AS b
JOIN msdb.dbo.backupmediafamily AS f ON f.media_set_id = b.media_set_id
WHERE b.database_name = @P1 AND b.type = 'L'
  AND b.backup_set_id > ISNULL((SELECT MAX(h.backup_set_id) FROM msdb.dbo.restorehistory AS h
                                WHERE h.destination_database_name = @P1 AND h.restore_type <> 'V'), 0)
ORDER BY b.backup_set_id DESC
