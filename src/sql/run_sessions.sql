SELECT CAST(s.session_id AS int) AS session_id, CONVERT(varchar(33), s.login_time, 126) AS login_time,
       s.host_name, s.login_name, s.program_name
FROM sys.dm_exec_sessions AS s
WHERE s.is_user_process = 1 AND CHARINDEX(@P1, s.program_name) = 1;
SELECT HAS_PERMS_BY_NAME(NULL, NULL, 'VIEW SERVER STATE') AS sees_all
