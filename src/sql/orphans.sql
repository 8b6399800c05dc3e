SELECT dp.name
FROM {database}.sys.database_principals AS dp
LEFT JOIN sys.server_principals AS sp ON sp.sid = dp.sid
WHERE dp.type IN ('S', 'U', 'G') AND dp.principal_id > 4 AND dp.authentication_type IN (1, 3)
  AND sp.sid IS NULL
