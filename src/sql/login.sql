SELECT sp.name FROM sys.server_principals AS sp WHERE sp.name = @P1
