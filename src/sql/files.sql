SELECT CAST(file_id AS int) AS file_id, CAST(type AS int) AS type, name, physical_name,
       CAST(size AS bigint) * 8192 AS bytes, CAST(redo_start_lsn AS varchar(25)) AS redo_start_lsn,
       CAST(redo_start_fork_guid AS nvarchar(36)) AS redo_start_fork_guid
FROM sys.master_files
WHERE database_id = DB_ID(@P1)
