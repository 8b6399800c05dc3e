SELECT TOP (1) CAST(b.backup_set_id AS int) AS backup_set_id
FROM msdb.dbo.backupset AS b
JOIN msdb.dbo.backupmediafamily AS f ON f.media_set_id = b.media_set_id
WHERE b.database_name = @P1 AND CAST(b.backup_set_uuid AS nvarchar(36)) = @P2
  AND f.physical_device_name = @P3
