SELECT command, CAST(percent_complete AS float) AS percent_complete
FROM sys.dm_exec_requests
WHERE session_id = CAST(@P1 AS int)
