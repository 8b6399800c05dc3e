SELECT CAST(j.job_id AS nvarchar(36)) AS job_id, j.name, CAST(j.enabled AS int) AS enabled,
       SUSER_SNAME(j.owner_sid) AS owner_name, c.name AS category, t.step_id, t.subsystem, t.command,
       t.proxy_id, CONVERT(varchar(33), a.start_execution_date, 126) AS started,
       CONVERT(varchar(33), a.stop_execution_date, 126) AS stopped
FROM msdb.dbo.sysjobs AS j
JOIN msdb.dbo.syscategories AS c ON c.category_id = j.category_id
JOIN msdb.dbo.sysjobsteps AS t ON t.job_id = j.job_id
LEFT JOIN msdb.dbo.sysjobactivity AS a
  ON a.job_id = j.job_id AND a.session_id = (SELECT MAX(session_id) FROM msdb.dbo.syssessions)
WHERE CAST(j.job_id AS nvarchar(36)) IN (@P1, @P2) OR t.command LIKE N'%sqllogship%' + @P3 + N'%'
