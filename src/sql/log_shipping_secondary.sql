SELECT CAST(s.secondary_id AS nvarchar(36)) AS secondary_id, s.primary_server, s.primary_database,
       s.backup_source_directory, s.backup_destination_directory, s.file_retention_period,
       CAST(s.copy_job_id AS nvarchar(36)) AS copy_job_id,
       CAST(s.restore_job_id AS nvarchar(36)) AS restore_job_id, s.monitor_server,
       CAST(s.monitor_server_security_mode AS int) AS monitor_security, s.last_copied_file,
       d.secondary_database, d.restore_delay, CAST(d.restore_all AS int) AS restore_all,
       CAST(d.restore_mode AS int) AS restore_mode, CAST(d.disconnect_users AS int) AS disconnect_users,
       d.block_size, d.buffer_count, d.max_transfer_size, d.last_restored_file, m.restore_threshold,
       m.threshold_alert, CAST(m.threshold_alert_enabled AS int) AS threshold_alert_enabled,
       m.history_retention_period, CONVERT(varchar(33), m.last_copied_date_utc, 126) AS last_copied_utc,
       CONVERT(varchar(33), m.last_restored_date_utc, 126) AS last_restored_utc
FROM msdb.dbo.log_shipping_secondary AS s
LEFT JOIN msdb.dbo.log_shipping_secondary_databases AS d ON d.secondary_id = s.secondary_id
LEFT JOIN msdb.dbo.log_shipping_monitor_secondary AS m
  ON m.secondary_id = d.secondary_id AND m.secondary_database = d.secondary_database
WHERE s.primary_database = @P1
   OR s.secondary_id IN (SELECT secondary_id FROM msdb.dbo.log_shipping_secondary_databases
                         WHERE secondary_database = @P1)
