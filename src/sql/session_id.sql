SELECT CAST(@@SPID AS int) AS spid, CONVERT(varchar(33), s.login_time, 126) AS login_time
FROM sys.dm_exec_sessions AS s
WHERE s.session_id = @@SPID
