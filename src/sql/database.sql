SELECT CAST(d.state AS int) AS state, CAST(d.is_in_standby AS int) AS is_in_standby,
       CAST(d.is_read_only AS int) AS is_read_only, CAST(d.user_access AS int) AS user_access,
       CAST(d.recovery_model AS int) AS recovery_model, d.collation_name,
       CAST(d.compatibility_level AS int) AS compatibility_level,
       CAST(d.is_trustworthy_on AS int) AS is_trustworthy_on,
       CAST(d.is_broker_enabled AS int) AS is_broker_enabled, SUSER_SNAME(d.owner_sid) AS owner_name,
       d.log_reuse_wait_desc, CONVERT(varchar(33), d.create_date, 126) AS create_date,
       CAST(m.mirroring_guid AS nvarchar(36)) AS mirroring_guid,
       CAST(m.mirroring_state AS int) AS mirroring_state, CAST(m.mirroring_role AS int) AS mirroring_role,
       m.mirroring_partner_instance, m.mirroring_witness_name
FROM sys.databases AS d
LEFT JOIN sys.database_mirroring AS m ON m.database_id = d.database_id
WHERE LOWER(d.name) = LOWER(@P1)
