SELECT CAST(p.primary_id AS nvarchar(36)) AS primary_id, p.backup_directory, p.backup_share,
       p.backup_retention_period, CAST(p.backup_job_id AS nvarchar(36)) AS backup_job_id,
       p.monitor_server, CAST(p.monitor_server_security_mode AS int) AS monitor_security,
       p.last_backup_file, CAST(p.backup_compression AS int) AS backup_compression,
       x.secondary_server, x.secondary_database, m.backup_threshold, m.threshold_alert,
       CAST(m.threshold_alert_enabled AS int) AS threshold_alert_enabled, m.history_retention_period
FROM msdb.dbo.log_shipping_primary_databases AS p
LEFT JOIN msdb.dbo.log_shipping_primary_secondaries AS x ON x.primary_id = p.primary_id
LEFT JOIN msdb.dbo.log_shipping_monitor_primary AS m ON m.primary_id = p.primary_id
WHERE p.primary_database = @P1
