SELECT servicename, CAST(status AS int) AS status, CAST(startup_type AS int) AS startup_type,
       service_account, filename
FROM sys.dm_server_services
