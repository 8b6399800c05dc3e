SELECT m.last_copied_file, m.last_restored_file
FROM msdb.dbo.log_shipping_monitor_secondary AS m
WHERE m.secondary_database = @P1
