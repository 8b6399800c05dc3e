-- O1 identity
SELECT CAST(@@SERVERNAME AS nvarchar(256)) AS at_servername, CAST(SERVERPROPERTY('ServerName') AS nvarchar(256)) AS server_name,
       CAST(SERVERPROPERTY('InstanceName') AS nvarchar(128)) AS instance_name, CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(64)) AS product_version,
       CAST(SERVERPROPERTY('EngineEdition') AS int) AS engine_edition, CAST(SERVERPROPERTY('Collation') AS nvarchar(128)) AS collation,
       IS_SRVROLEMEMBER('sysadmin') AS is_sysadmin, CONVERT(varchar(33), SYSUTCDATETIME(), 126) AS utc_now
-- O2 database and mirroring (mirroring_guid NULL = not mirrored)
SELECT d.database_id, CAST(d.state AS int) AS state, CAST(d.is_in_standby AS int) AS is_in_standby, CAST(d.is_read_only AS int) AS is_read_only, CAST(d.user_access AS int) AS user_access,
       CAST(d.recovery_model AS int) AS recovery_model, d.collation_name, CAST(d.compatibility_level AS int) AS compatibility_level, CAST(d.is_trustworthy_on AS int) AS is_trustworthy_on,
       CAST(d.is_broker_enabled AS int) AS is_broker_enabled, SUSER_SNAME(d.owner_sid) AS owner_name, d.log_reuse_wait_desc, CONVERT(varchar(33), d.create_date, 126) AS create_date,
       CAST(m.mirroring_guid AS nvarchar(36)) AS mirroring_guid, CAST(m.mirroring_state AS int) AS mirroring_state, CAST(m.mirroring_role AS int) AS mirroring_role, m.mirroring_partner_instance, m.mirroring_witness_name
FROM sys.databases AS d LEFT JOIN sys.database_mirroring AS m ON m.database_id = d.database_id WHERE d.name = @db
-- O3 files and redo start: the minimum over type = 0
SELECT CAST(file_id AS int) AS file_id, CAST(type AS int) AS type, CAST(state AS int) AS state, name, physical_name, CAST(size AS bigint) * 8192 AS bytes,
       CAST(redo_start_lsn AS varchar(25)) AS redo_start_lsn, CAST(redo_start_fork_guid AS nvarchar(36)) AS redo_start_fork_guid FROM sys.master_files WHERE database_id = DB_ID(@db)
-- O4 lineage: all NULL while RESTORING, then use O5
SELECT CAST(family_guid AS nvarchar(36)) AS family_guid, CAST(recovery_fork_guid AS nvarchar(36)) AS recovery_fork_guid, CAST(first_recovery_fork_guid AS nvarchar(36)) AS first_recovery_fork_guid,
       CAST(fork_point_lsn AS varchar(25)) AS fork_point_lsn, CAST(last_log_backup_lsn AS varchar(25)) AS last_log_backup_lsn FROM sys.database_recovery_status WHERE database_id = DB_ID(@db)
-- O5 what was restored here (types D, I, L count; V is a mere verification)
SELECT TOP (10) h.restore_history_id, CONVERT(varchar(33), h.restore_date, 126) AS restore_date, h.restore_type, CAST(h.recovery AS int) AS recovery, CAST(h.[replace] AS int) AS [replace],
       CAST(b.first_lsn AS varchar(25)) AS first_lsn, CAST(b.last_lsn AS varchar(25)) AS last_lsn, CAST(b.backup_set_uuid AS nvarchar(36)) AS backup_set_uuid, CAST(b.family_guid AS nvarchar(36)) AS family_guid,
       CAST(b.last_recovery_fork_guid AS nvarchar(36)) AS last_recovery_fork_guid, b.server_name, CONVERT(varchar(33), b.backup_finish_date, 126) AS backup_finish_date, f.physical_device_name
FROM msdb.dbo.restorehistory AS h LEFT JOIN msdb.dbo.backupset AS b ON b.backup_set_id = h.backup_set_id
LEFT JOIN msdb.dbo.backupmediafamily AS f ON f.media_set_id = b.media_set_id WHERE h.destination_database_name = @db ORDER BY h.restore_history_id DESC
-- O6 log shipping, secondary half (siblings under one secondary_id come along)
SELECT CAST(s.secondary_id AS nvarchar(36)) AS secondary_id, s.primary_server, s.primary_database, s.backup_source_directory, s.backup_destination_directory, s.file_retention_period,
       CAST(s.copy_job_id AS nvarchar(36)) AS copy_job_id, CAST(s.restore_job_id AS nvarchar(36)) AS restore_job_id, s.monitor_server, CAST(s.monitor_server_security_mode AS int) AS monitor_security,
       s.last_copied_file, d.secondary_database, d.restore_delay, CAST(d.restore_all AS int) AS restore_all, CAST(d.restore_mode AS int) AS restore_mode, CAST(d.disconnect_users AS int) AS disconnect_users,
       d.block_size, d.buffer_count, d.max_transfer_size, d.last_restored_file, m.restore_threshold, m.threshold_alert, CAST(m.threshold_alert_enabled AS int) AS threshold_alert_enabled,
       m.history_retention_period, CONVERT(varchar(33), m.last_copied_date_utc, 126) AS last_copied_utc, CONVERT(varchar(33), m.last_restored_date_utc, 126) AS last_restored_utc
FROM msdb.dbo.log_shipping_secondary AS s LEFT JOIN msdb.dbo.log_shipping_secondary_databases AS d ON d.secondary_id = s.secondary_id
LEFT JOIN msdb.dbo.log_shipping_monitor_secondary AS m ON m.secondary_id = d.secondary_id AND m.secondary_database = d.secondary_database
WHERE s.primary_database = @db OR s.secondary_id IN (SELECT secondary_id FROM msdb.dbo.log_shipping_secondary_databases WHERE secondary_database = @db)
-- O7 log shipping, primary half (P and PM each have one)
SELECT CAST(p.primary_id AS nvarchar(36)) AS primary_id, p.backup_directory, p.backup_share, p.backup_retention_period, CAST(p.backup_job_id AS nvarchar(36)) AS backup_job_id, p.monitor_server,
       CAST(p.monitor_server_security_mode AS int) AS monitor_security, p.last_backup_file, CAST(p.backup_compression AS int) AS backup_compression, x.secondary_server, x.secondary_database,
       m.backup_threshold, m.threshold_alert, CAST(m.threshold_alert_enabled AS int) AS threshold_alert_enabled, m.history_retention_period
FROM msdb.dbo.log_shipping_primary_databases AS p LEFT JOIN msdb.dbo.log_shipping_primary_secondaries AS x ON x.primary_id = p.primary_id
LEFT JOIN msdb.dbo.log_shipping_monitor_primary AS m ON m.primary_id = p.primary_id WHERE p.primary_database = @db
-- O8 jobs (on P, PM: backup_job_id and primary_id): running = started set, stopped NULL, in the newest Agent session, and the Agent runs (O12)
SELECT CAST(j.job_id AS nvarchar(36)) AS job_id, j.name, CAST(j.enabled AS int) AS enabled, SUSER_SNAME(j.owner_sid) AS owner_name, c.name AS category, t.step_id, t.subsystem, t.command, t.proxy_id,
       CONVERT(varchar(33), a.start_execution_date, 126) AS started, CONVERT(varchar(33), a.stop_execution_date, 126) AS stopped
FROM msdb.dbo.sysjobs AS j JOIN msdb.dbo.syscategories AS c ON c.category_id = j.category_id JOIN msdb.dbo.sysjobsteps AS t ON t.job_id = j.job_id
LEFT JOIN msdb.dbo.sysjobactivity AS a ON a.job_id = j.job_id AND a.session_id = (SELECT MAX(session_id) FROM msdb.dbo.syssessions)
WHERE j.job_id IN (@copy_job_id, @restore_job_id) OR t.command LIKE N'%sqllogship%' + @secondary_id + N'%'
-- O9 their schedules (sp_delete_job drops schedules that no other job uses: save them)
SELECT CAST(js.job_id AS nvarchar(36)) AS job_id, s.name, CAST(s.enabled AS int) AS enabled, s.freq_type, s.freq_interval, s.freq_subday_type, s.freq_subday_interval, s.freq_relative_interval,
       s.freq_recurrence_factor, s.active_start_date, s.active_end_date, s.active_start_time, s.active_end_time
FROM msdb.dbo.sysjobschedules AS js JOIN msdb.dbo.sysschedules AS s ON s.schedule_id = js.schedule_id WHERE js.job_id IN (@copy_job_id, @restore_job_id)
-- O10 a RESTORE that holds @db now
SELECT CAST(r.session_id AS int) AS session_id, r.command, CAST(r.percent_complete AS float) AS percent_complete, s.program_name, s.host_name, s.login_name, CONVERT(varchar(33), s.login_time, 126) AS login_time
FROM sys.dm_exec_requests AS r JOIN sys.dm_exec_sessions AS s ON s.session_id = r.session_id
WHERE r.command LIKE N'RESTORE%' AND EXISTS (SELECT 1 FROM sys.dm_tran_locks AS l WHERE l.request_session_id = r.session_id AND l.resource_type = N'DATABASE' AND l.resource_database_id = DB_ID(@db))
-- O11 sessions that hold @db
SELECT CAST(s.session_id AS int) AS session_id, CONVERT(varchar(33), s.login_time, 126) AS login_time, s.login_name, s.host_name, s.program_name, s.status, s.open_transaction_count
FROM sys.dm_exec_sessions AS s WHERE s.is_user_process = 1 AND s.session_id <> @@SPID AND (s.database_id = DB_ID(@db)
  OR EXISTS (SELECT 1 FROM sys.dm_tran_locks AS l WHERE l.resource_type = N'DATABASE' AND l.resource_database_id = DB_ID(@db) AND l.request_session_id = s.session_id))
-- O12 services
SELECT servicename, CAST(status AS int) AS status, CAST(startup_type AS int) AS startup_type, service_account FROM sys.dm_server_services
-- O13 mirroring endpoint
SELECT e.name, CAST(e.role AS int) AS role, CAST(e.state AS int) AS state, CAST(t.port AS int) AS port, SUSER_SNAME(p.sid) AS owner_name
FROM sys.database_mirroring_endpoints AS e JOIN sys.tcp_endpoints AS t ON t.endpoint_id = e.endpoint_id LEFT JOIN sys.server_principals AS p ON p.principal_id = e.principal_id
-- O14 who took log backups (on the source): a device outside the share, 'NUL' or a GUID is another tool breaking the chain
SELECT TOP (50) CAST(b.first_lsn AS varchar(25)) AS first_lsn, CAST(b.last_lsn AS varchar(25)) AS last_lsn, CONVERT(varchar(33), b.backup_finish_date, 126) AS finished, f.physical_device_name, b.user_name
FROM msdb.dbo.backupset AS b JOIN msdb.dbo.backupmediafamily AS f ON f.media_set_id = b.media_set_id WHERE b.database_name = @db AND b.type = 'L' ORDER BY b.backup_set_id DESC
-- O15 chat content, ONLINE only: the last message of every room (documented schema, reading allowed; names quoted from the site)
SELECT channelId, MAX(chatId) AS last_chat_id FROM mgc.dbo.tblChat GROUP BY channelId
-- O16 compliance events that no adapter has processed (type 9 = placeholders of file transfers, they may stay)
SELECT COUNT_BIG(*) AS waiting FROM mgccomp.dbo.tblComplianceData WHERE cmplType <> 9
-- O17 users of an ONLINE mgc without a login here
SELECT dp.name FROM mgc.sys.database_principals AS dp LEFT JOIN sys.server_principals AS sp ON sp.sid = dp.sid
WHERE dp.type IN ('S', 'U', 'G') AND dp.principal_id > 4 AND dp.authentication_type IN (1, 3) AND sp.sid IS NULL
