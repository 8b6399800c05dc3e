SELECT CAST(r.percent_complete AS float) AS percent_complete
FROM sys.dm_exec_requests AS r
WHERE r.session_id = CAST(@P1 AS int)
