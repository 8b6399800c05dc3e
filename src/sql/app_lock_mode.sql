SELECT APPLOCK_MODE(N'public', @P1, N'Session') AS mode
