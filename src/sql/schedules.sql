SELECT CAST(js.job_id AS nvarchar(36)) AS job_id, s.name, CAST(s.enabled AS int) AS enabled, s.freq_type,
       s.freq_interval, s.freq_subday_type, s.freq_subday_interval, s.freq_relative_interval,
       s.freq_recurrence_factor, s.active_start_date, s.active_end_date, s.active_start_time,
       s.active_end_time
FROM msdb.dbo.sysjobschedules AS js
JOIN msdb.dbo.sysschedules AS s ON s.schedule_id = js.schedule_id
WHERE CAST(js.job_id AS nvarchar(36)) IN (@P1, @P2)
