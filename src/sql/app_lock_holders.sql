SELECT l.resource_description, CAST(s.session_id AS int) AS session_id, s.host_name, s.login_name,
       s.program_name, CONVERT(varchar(33), s.login_time, 126) AS login_time
FROM sys.dm_tran_locks AS l
JOIN sys.dm_exec_sessions AS s ON s.session_id = l.request_session_id
WHERE l.resource_type = N'APPLICATION' AND l.resource_database_id = DB_ID(N'master')
  AND l.request_status = N'GRANT'
