SELECT e.name, CAST(e.role AS int) AS role, CAST(e.state AS int) AS state, CAST(t.port AS int) AS port
FROM sys.database_mirroring_endpoints AS e
JOIN sys.tcp_endpoints AS t ON t.endpoint_id = e.endpoint_id
