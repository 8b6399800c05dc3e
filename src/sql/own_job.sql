SELECT CAST(j.job_id AS nvarchar(36)) AS job_id, CAST(j.enabled AS int) AS enabled, j.description, t.command,
       CASE WHEN j.owner_sid = 0x01 THEN 1 ELSE 0 END AS owned_by_sa,
       CAST(s.enabled AS int) AS scheduled, s.freq_type, s.freq_subday_type, s.freq_subday_interval, v.server_id,
       CONVERT(varchar(33), a.start_execution_date, 126) AS started,
       CONVERT(varchar(33), a.stop_execution_date, 126) AS stopped
FROM msdb.dbo.sysjobs AS j
LEFT JOIN msdb.dbo.sysjobsteps AS t ON t.job_id = j.job_id
LEFT JOIN msdb.dbo.sysjobschedules AS p ON p.job_id = j.job_id
LEFT JOIN msdb.dbo.sysschedules AS s ON s.schedule_id = p.schedule_id
LEFT JOIN msdb.dbo.sysjobservers AS v ON v.job_id = j.job_id
LEFT JOIN msdb.dbo.sysjobactivity AS a
  ON a.job_id = j.job_id AND a.session_id = (SELECT MAX(session_id) FROM msdb.dbo.syssessions)
WHERE j.name = @P1
