SELECT CAST(r.percent_complete AS float) AS percent_complete
FROM sys.dm_exec_requests AS r
WHERE CAST(r.session_id AS nvarchar(11)) = @P1
