DECLARE @rc int;
EXEC @rc = sp_getapplock @Resource = @P1, @LockMode = N'Exclusive', @LockOwner = N'Session',
                         @LockTimeout = 0;
SELECT @rc AS rc
