SELECT CAST(r.session_id AS int) AS session_id, r.command,
       CAST(r.percent_complete AS float) AS percent_complete, s.program_name, s.host_name, s.login_name,
       CONVERT(varchar(33), s.login_time, 126) AS login_time
FROM sys.dm_exec_requests AS r
JOIN sys.dm_exec_sessions AS s ON s.session_id = r.session_id
WHERE r.command LIKE N'RESTORE%'
  AND EXISTS (SELECT 1 FROM sys.dm_tran_locks AS l
              WHERE l.request_session_id = r.session_id AND l.resource_type = N'DATABASE'
                AND l.resource_database_id = DB_ID(@P1))
