SELECT CONVERT(varchar(33), m.last_copied_date_utc, 126) AS last_copied_utc,
       CONVERT(varchar(33), m.last_restored_date_utc, 126) AS last_restored_utc
FROM msdb.dbo.log_shipping_monitor_secondary AS m
WHERE m.secondary_database = @P1
