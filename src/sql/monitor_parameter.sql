SELECT CAST(1 AS int) AS known
FROM master.sys.all_parameters
WHERE object_id = OBJECT_ID(N'master.sys.sp_delete_log_shipping_secondary_database')
  AND name = N'@ignoreremotemonitor'
