SELECT encryptor_thumbprint
FROM sys.dm_database_encryption_keys
WHERE database_id = DB_ID(@P1)
