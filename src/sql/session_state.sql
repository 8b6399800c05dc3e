SELECT CONVERT(varchar(33), s.login_time, 126) AS login_time, r.command, r.wait_type
FROM sys.dm_exec_sessions AS s
LEFT JOIN sys.dm_exec_requests AS r ON r.session_id = s.session_id
WHERE s.session_id = CAST(@P1 AS int);
SELECT HAS_PERMS_BY_NAME(NULL, NULL, 'VIEW SERVER STATE') AS sees_all
