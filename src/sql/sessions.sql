SELECT CAST(s.session_id AS int) AS session_id, CONVERT(varchar(33), s.login_time, 126) AS login_time,
       s.login_name, s.host_name, s.program_name, s.status, s.open_transaction_count
FROM sys.dm_exec_sessions AS s
WHERE s.is_user_process = 1 AND s.session_id <> @@SPID
  AND (s.database_id = DB_ID(@P1)
       OR EXISTS (SELECT 1 FROM sys.dm_tran_locks AS l
                  WHERE l.resource_type = N'DATABASE' AND l.resource_database_id = DB_ID(@P1)
                    AND l.request_session_id = s.session_id))
