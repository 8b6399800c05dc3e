//! Texts of the server's messages (`sql-server.md`, key ERR).

use crate::rehearsal::value::ServerError;

/// Number, severity, text; `{}` where a value goes.
const TEXTS: &[(u32, u8, &str)] = &[
    (102, 15, "Incorrect syntax near '{}'."),
    (137, 15, "Must declare the scalar variable \"{}\"."),
    (
        226,
        16,
        "{} statement not allowed within multi-statement transaction.",
    ),
    (
        596,
        21,
        "Cannot continue the execution because the session is in the kill state.",
    ),
    (
        911,
        16,
        "Database '{}' does not exist. Make sure that the name is entered correctly.",
    ),
    (
        1205,
        13,
        "Transaction was deadlocked on lock resources with another process and has been chosen as the deadlock victim. Rerun the transaction.",
    ),
    (1222, 16, "Lock request time out period exceeded."),
    (
        1223,
        16,
        "Cannot release the application lock (Database Principal: 'public', Resource: '{}') because it is not currently held.",
    ),
    (
        1404,
        16,
        "The command failed because the database mirror is busy. Reissue the command later.",
    ),
    (
        1416,
        16,
        "Database \"{}\" is not configured for database mirroring.",
    ),
    (
        1422,
        16,
        "The mirror server instance is not caught up to the recent changes to database \"{}\". Unable to fail over.",
    ),
    (
        1468,
        16,
        "The operation cannot be performed on database \"{}\" because it is involved in a database mirroring session or an availability group.",
    ),
    (2812, 16, "Could not find stored procedure '{}'."),
    (3013, 16, "{} is terminating abnormally."),
    (
        3014,
        10,
        "{} successfully processed {} pages in {} seconds.",
    ),
    (
        3021,
        16,
        "Cannot perform a backup or restore operation within a transaction.",
    ),
    (
        3023,
        16,
        "Backup, file manipulation operations (such as ALTER DATABASE ADD FILE) and encryption changes on a database must be serialized. Reissue the statement after the current backup or file manipulation operation is completed.",
    ),
    (
        3036,
        16,
        "The database \"{}\" is in warm-standby state (set by executing RESTORE WITH STANDBY) and cannot be backed up until the entire restore sequence is completed.",
    ),
    (
        3059,
        16,
        "This BACKUP or RESTORE command is not supported on a database mirror or secondary replica.",
    ),
    (
        3101,
        16,
        "Exclusive access could not be obtained because the database is in use.",
    ),
    (
        3102,
        16,
        "RESTORE cannot process database '{}' because it is in use by this session. It is recommended that the master database be used when performing this operation.",
    ),
    (
        3104,
        16,
        "RESTORE cannot operate on database '{}' because it is configured for database mirroring or has joined an availability group. If you intend to restore the database, use ALTER DATABASE to remove mirroring or to remove the database from its availability group.",
    ),
    (
        3110,
        14,
        "User does not have permission to RESTORE database '{}'.",
    ),
    (
        3117,
        16,
        "The log or differential backup cannot be restored because no files are ready to rollforward.",
    ),
    (
        3118,
        16,
        "The database \"{}\" does not exist. RESTORE can only create a database when restoring either a full backup or a file backup of the primary file.",
    ),
    (
        3119,
        16,
        "Problems were identified while planning for the RESTORE statement. Previous messages provide details.",
    ),
    (
        3135,
        16,
        "The backup set in file '{}' was created by {} and cannot be used for this restore operation.",
    ),
    (3153, 16, "The database is already fully recovered."),
    (
        3154,
        16,
        "The backup set holds a backup of a database other than the existing '{}' database.",
    ),
    (
        3156,
        16,
        "File '{}' cannot be restored to '{}'. Use WITH MOVE to identify a valid location for the file.",
    ),
    (
        3159,
        16,
        "The tail of the log for the database \"{}\" has not been backed up. Use BACKUP LOG WITH NORECOVERY to backup the log if it contains work you do not want to lose. Use the WITH REPLACE or WITH STOPAT clause of the RESTORE statement to just overwrite the contents of the log.",
    ),
    (
        3169,
        16,
        "The database was backed up on a server running version {}. That version is incompatible with this server, which is running version {}. Either restore the database on a server that supports the backup, or use a backup that is compatible with this server.",
    ),
    (
        3183,
        16,
        "RESTORE detected an error on page (1:{}) in database \"{}\" as read from the backup set.",
    ),
    (
        3187,
        16,
        "RESTORE WITH CHECKSUM cannot be specified because the backup set does not contain checksum information.",
    ),
    (3189, 16, "Damage to the backup set was detected."),
    (
        3201,
        16,
        "Cannot open backup device '{}'. Operating system error {}.",
    ),
    (3202, 16, "Write on \"{}\" failed: {}."),
    (3211, 10, "{} percent processed."),
    (
        3234,
        16,
        "Logical file '{}' is not part of database '{}'. Use RESTORE FILELISTONLY to list the logical file names.",
    ),
    (
        3241,
        16,
        "The media family on device '{}' is incorrectly formed. SQL Server cannot process this media family.",
    ),
    (3262, 10, "The backup set on file {} is valid."),
    (4038, 16, "Cannot find file ID {} on device '{}'."),
    (
        4060,
        11,
        "Cannot open database \"{}\" requested by the login. The login failed.",
    ),
    (
        4208,
        16,
        "The statement BACKUP LOG is not allowed while the recovery model is SIMPLE. Use BACKUP DATABASE or change the recovery model using ALTER DATABASE.",
    ),
    (
        4214,
        16,
        "BACKUP LOG cannot be performed because there is no current database backup.",
    ),
    (
        4305,
        16,
        "The log in this backup set begins at LSN {}, which is too recent to apply to the database. An earlier log backup that includes LSN {} can be restored.",
    ),
    (
        4319,
        16,
        "A previous restore operation was interrupted and did not complete processing on file '{}'. Either restore the backup set that was interrupted or restart the restore sequence.",
    ),
    (
        4326,
        16,
        "The log in this backup set terminates at LSN {}, which is too early to apply to the database. A more recent log backup that includes LSN {} can be restored.",
    ),
    (
        4330,
        16,
        "This backup set cannot be applied because it is on a recovery path that is inconsistent with the database. The recovery path is the sequence of data and log backups that have brought the database to a particular recovery point. Find a compatible backup to restore, or restore the rest of the database to match a recovery point within this backup set, which will restore the database to a different point in time. For more information about recovery paths, see SQL Server Books Online.",
    ),
    (
        4333,
        16,
        "The database cannot be recovered because the log was not restored.",
    ),
    (
        5011,
        14,
        "User does not have permission to alter database '{}', the database does not exist, or the database is not in a state that allows access checks.",
    ),
    (
        5052,
        16,
        "ALTER DATABASE is not permitted while a database is in the {} state.",
    ),
    (
        5064,
        16,
        "Changes to the state or options of database '{}' cannot be made at this time. The database is in single-user mode, and a user is currently connected to it.",
    ),
    (5069, 16, "ALTER DATABASE statement failed."),
    (
        5070,
        16,
        "Database state cannot be changed while other users are using the database '{}'.",
    ),
    (
        3701,
        11,
        "Cannot drop the database '{}', because it does not exist or you do not have permission.",
    ),
    (
        3702,
        16,
        "Cannot drop database \"{}\" because it is currently in use.",
    ),
    (
        3743,
        16,
        "The database '{}' is enabled for database mirroring. Database mirroring must be removed before you drop the database.",
    ),
    (6101, 16, "Session ID {} is not valid."),
    (6104, 16, "Cannot use KILL to kill your own process."),
    (6106, 16, "Process ID {} is not an active process ID."),
    (6107, 14, "Only user processes can be killed."),
    (
        6115,
        16,
        "KILL command cannot be used inside user transactions.",
    ),
    (
        6120,
        16,
        "Status report cannot be obtained. Rollback operation for Process ID {} is not in progress.",
    ),
    (
        8144,
        16,
        "Procedure or function {} has too many arguments specified.",
    ),
    (8145, 16, "{} is not a parameter for procedure {}."),
    (
        201,
        16,
        "Procedure or function '{}' expects parameter '{}', which was not supplied.",
    ),
    (14262, 16, "The specified {} ('{}') does not exist."),
    (
        15151,
        16,
        "Cannot find the {} '{}', because it does not exist or you do not have permission.",
    ),
    (
        17142,
        14,
        "SQL Server service has been paused. No new connections will be allowed.",
    ),
    (18456, 14, "Login failed for user '{}'."),
    (22022, 16, "SQLServerAgent Error: {}"),
    (
        32008,
        10,
        "Database {} is not ONLINE. The backup job will not perform the backup until this database is brought online.",
    ),
    (
        32009,
        16,
        "A log shipping primary entry already exists for database {}.",
    ),
    (
        32010,
        16,
        "Database {} does not exist as log shipping primary.",
    ),
    (
        32011,
        16,
        "Primary Database {} has active log shipping secondary database(s). Drop the secondary database(s) first.",
    ),
    (32012, 16, "Secondary {}.{} already exists for primary {}."),
    (
        32013,
        16,
        "A log shipping entry already exists for secondary database {}.",
    ),
    (
        32014,
        16,
        "Database {} does not exist as log shipping Secondary.",
    ),
    (
        32015,
        16,
        "The primary database {} cannot have SIMPLE recovery for log shipping to work properly.",
    ),
    (32007, 16, "Database {} is not ONLINE."),
    (
        32023,
        16,
        "An entry for primary server {}, primary database {} does not exist on this secondary. Register the primary first.",
    ),
    (
        32024,
        16,
        "An entry for primary server {}, primary database {} already exists.",
    ),
    (
        32053,
        16,
        "The server name, given by '@@servername', is currently null.",
    ),
    (
        32054,
        16,
        "There was an error establishing a link to the remote monitor server.",
    ),
];

/// A message with its values. A number that is not in the table, as a fault may name, has severity
/// 16 and no text of its own.
pub(super) fn message(number: u32, values: &[&str]) -> ServerError {
    let Some((_, class, text)) = TEXTS.iter().find(|(n, _, _)| *n == number) else {
        return ServerError::new(number, format!("Error {number}."));
    };
    let mut parts = text.split("{}");
    let mut filled = parts.next().unwrap_or_default().to_owned();
    let mut values = values.iter();
    for part in parts {
        filled.push_str(values.next().copied().unwrap_or_default());
        filled.push_str(part);
    }
    ServerError {
        number,
        class: *class,
        state: 1,
        message: filled,
    }
}

/// An operating system's error as message 3201 shows it.
pub(super) fn system_error(number: u32) -> String {
    let words = match number {
        2 => "The system cannot find the file specified.",
        3 => "The system cannot find the path specified.",
        5 => "Access is denied.",
        32 => "The process cannot access the file because it is being used by another process.",
        53 => "The network path was not found.",
        64 => "The specified network name is no longer available.",
        67 => "The network name cannot be found.",
        112 => "There is not enough space on the disk.",
        1326 => "The user name or password is incorrect.",
        _ => "failed to retrieve text for this error",
    };
    format!("{number}({words})")
}
