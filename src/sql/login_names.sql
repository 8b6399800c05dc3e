SELECT sp.name FROM sys.server_principals AS sp
