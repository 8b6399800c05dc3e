SELECT CAST(family_guid AS nvarchar(36)) AS family_guid,
       CAST(recovery_fork_guid AS nvarchar(36)) AS recovery_fork_guid,
       CAST(fork_point_lsn AS varchar(25)) AS fork_point_lsn
FROM sys.database_recovery_status
WHERE database_id = DB_ID(@P1)
