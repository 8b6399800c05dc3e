SELECT COUNT_BIG(*) AS waiting FROM {database}.dbo.tblComplianceData WHERE cmplType <> 9
