IF OBJECT_ID(N'msdb.dbo.pchadr_fence', N'U') IS NOT NULL
SELECT TOP (1) f.number, f.run FROM msdb.dbo.pchadr_fence AS f WHERE f.pool = @P1 ORDER BY f.number DESC
