//! SQL Server's messages (`sql-server.md`, key ERR).

use std::fmt::Display;

use super::value::ServerError;

/// How much of what is not known a message repeats.
const NEAR: usize = 60;

/// Number, severity, state and text of every message; `{}` where a value goes.
macro_rules! messages {
    ($($number:literal $class:literal $state:literal $text:literal)*) => {
        const MESSAGES: &[(u32, u8, u8, &str)] = &[$(($number, $class, $state, $text)),*];
    };
}

messages! {
    53 16 1 "Named Pipes Provider: Could not open a connection to SQL Server [53]. "
    102 15 1 "Incorrect syntax near '{}'."
    105 15 1 "Unclosed quotation mark after the character string '{}'."
    107 15 1 "The column prefix '{}' does not match with a table name or alias name used in the query."
    108 15 1 "The ORDER BY position number {} is out of range of the number of items in the select list."
    113 15 1 "Missing end comment mark '*/'."
    116 16 1 "Only one expression can be specified in the select list when the subquery is not introduced with EXISTS."
    127 15 1 "A TOP N or FETCH rowcount value may not be negative."
    130 15 1 "Cannot perform an aggregate function on an expression containing an aggregate or a subquery."
    137 15 2 "Must declare the scalar variable \"{}\"."
    145 15 1 "ORDER BY items must appear in the select list if SELECT DISTINCT is specified."
    147 15 1 "An aggregate may not appear in the WHERE clause unless it is in a subquery contained in a HAVING clause or a select list, and the column being aggregated is an outer reference."
    164 15 1 "Each GROUP BY expression must contain at least one column that is not an outer reference."
    174 15 1 "The {} function requires {} argument(s)."
    191 15 1 "Some part of your SQL statement is nested too deeply. Rewrite the query or break it up into smaller queries."
    195 15 10 "'{}' is not a recognized {}."
    201 16 1 "Procedure or function '{}' expects parameter '{}', which was not supplied."
    205 16 1 "All queries combined using a UNION, INTERSECT or EXCEPT operator must have an equal number of expressions in their target lists."
    206 16 2 "Operand type clash: {} is incompatible with {}"
    207 16 1 "Invalid column name '{}'."
    208 16 1 "Invalid object name '{}'."
    209 16 1 "Ambiguous column name '{}'."
    213 16 1 "Column name or number of supplied values does not match table definition."
    214 16 1 "Procedure expects parameter '{}' of type '{}'."
    220 16 1 "Arithmetic overflow error for data type {}, value = {}."
    226 16 1 "{} statement not allowed within multi-statement transaction."
    241 16 1 "Conversion failed when converting date and/or time from character string."
    242 16 1 "The conversion of a varchar data type to a datetime data type resulted in an out-of-range value."
    245 16 1 "Conversion failed when converting the {} value '{}' to data type {}."
    248 16 1 "The conversion of the {} value '{}' overflowed an {} column."
    257 16 3 "Implicit conversion from data type {} to {} is not allowed. Use the CONVERT function to run this query."
    263 16 1 "Must specify table to select from."
    408 16 1 "A constant expression was encountered in the ORDER BY list."
    512 16 1 "Subquery returned more than 1 value. This is not permitted when the subquery follows =, !=, <, <= , >, >= or when the subquery is used as an expression."
    529 16 2 "Explicit conversion from data type {} to {} is not allowed."
    536 16 1 "Invalid length parameter passed to the {} function."
    537 16 1 "Invalid length parameter passed to the LEFT or SUBSTRING function."
    596 21 1 "Cannot continue the execution because the session is in the kill state."
    911 16 1 "Database '{}' does not exist. Make sure that the name is entered correctly."
    922 14 1 "Database '{}' is being recovered. Waiting until recovery is finished."
    924 14 1 "Database '{}' is already open and can only have one user at a time."
    927 14 1 "Database '{}' cannot be opened. It is in the middle of a restore."
    942 14 1 "Database '{}' cannot be opened because it is offline."
    945 14 1 "Database '{}' cannot be opened due to inaccessible files or insufficient memory or disk space."
    954 14 1 "The database \"{}\" cannot be opened. It is acting as a mirror database."
    1013 16 1 "The objects \"{}\" and \"{}\" in the FROM clause have the same exposed names. Use correlation names to distinguish them."
    1033 15 1 "The ORDER BY clause is invalid in views, inline functions, derived tables, subqueries, and common table expressions, unless TOP, OFFSET or FOR XML is also specified."
    1060 15 1 "The number of rows provided for a TOP or FETCH clauses row count parameter must be an integer."
    1205 13 1 "Transaction was deadlocked on lock resources with another process and has been chosen as the deadlock victim. Rerun the transaction."
    1222 16 1 "Lock request time out period exceeded."
    1223 16 1 "Cannot release the application lock (Database Principal: 'public', Resource: '{}') because it is not currently held."
    1404 16 1 "The command failed because the database mirror is busy. Reissue the command later."
    1416 16 1 "Database \"{}\" is not configured for database mirroring."
    1422 16 1 "The mirror server instance is not caught up to the recent changes to database \"{}\". Unable to fail over."
    1455 16 1 "The database mirroring service cannot be forced for database \"{}\" because the database is not in the correct state to become the principal database."
    1468 16 1 "The operation cannot be performed on database \"{}\" because it is involved in a database mirroring session or an availability group."
    1911 16 1 "Column name '{}' does not exist in the target table or view."
    2627 14 1 "Violation of PRIMARY KEY constraint 'PK_{}'. Cannot insert duplicate key in object 'dbo.{}'."
    2714 16 6 "There is already an object named '{}' in the database."
    2812 16 1 "Could not find stored procedure '{}'."
    3013 16 1 "{} is terminating abnormally."
    3014 10 1 "{} successfully processed {} pages in {} seconds."
    3021 16 1 "Cannot perform a backup or restore operation within a transaction."
    3023 16 1 "Backup, file manipulation operations (such as ALTER DATABASE ADD FILE) and encryption changes on a database must be serialized. Reissue the statement after the current backup or file manipulation operation is completed."
    3036 16 1 "The database \"{}\" is in warm-standby state (set by executing RESTORE WITH STANDBY) and cannot be backed up until the entire restore sequence is completed."
    3059 16 1 "This BACKUP or RESTORE command is not supported on a database mirror or secondary replica."
    3101 16 1 "Exclusive access could not be obtained because the database is in use."
    3102 16 1 "RESTORE cannot process database '{}' because it is in use by this session. It is recommended that the master database be used when performing this operation."
    3104 16 1 "RESTORE cannot operate on database '{}' because it is configured for database mirroring or has joined an availability group. If you intend to restore the database, use ALTER DATABASE to remove mirroring or to remove the database from its availability group."
    3110 14 1 "User does not have permission to RESTORE database '{}'."
    3117 16 1 "The log or differential backup cannot be restored because no files are ready to rollforward."
    3118 16 1 "The database \"{}\" does not exist. RESTORE can only create a database when restoring either a full backup or a file backup of the primary file."
    3119 16 1 "Problems were identified while planning for the RESTORE statement. Previous messages provide details."
    3132 16 1 "The media set has {} media families but only {} are provided. All members must be provided."
    3135 16 1 "The backup set in file '{}' was created by {} and cannot be used for this restore operation."
    // Msg 3153, level 16, state 2 (`sql-server.md` 4).
    3153 16 2 "The database is already fully recovered."
    3154 16 1 "The backup set holds a backup of a database other than the existing '{}' database."
    3156 16 1 "File '{}' cannot be restored to '{}'. Use WITH MOVE to identify a valid location for the file."
    3159 16 1 "The tail of the log for the database \"{}\" has not been backed up. Use BACKUP LOG WITH NORECOVERY to backup the log if it contains work you do not want to lose. Use the WITH REPLACE or WITH STOPAT clause of the RESTORE statement to just overwrite the contents of the log."
    3169 16 1 "The database was backed up on a server running version {}. That version is incompatible with this server, which is running version {}. Either restore the database on a server that supports the backup, or use a backup that is compatible with this server."
    3183 16 1 "RESTORE detected an error on page (1:{}) in database \"{}\" as read from the backup set."
    3187 16 1 "RESTORE WITH CHECKSUM cannot be specified because the backup set does not contain checksum information."
    3189 16 1 "Damage to the backup set was detected."
    3201 16 1 "Cannot open backup device '{}'. Operating system error {}."
    3202 16 1 "Write on \"{}\" failed: {}."
    3203 16 1 "Read on \"{}\" failed: {}"
    3208 16 1 "Unexpected end of file while reading beginning of backup set. Confirm that the media contains a complete SQL Server backup set."
    3211 10 1 "{} percent processed."
    3234 16 1 "Logical file '{}' is not part of database '{}'. Use RESTORE FILELISTONLY to list the logical file names."
    3241 16 1 "The media family on device '{}' is incorrectly formed. SQL Server cannot process this media family."
    3256 16 1 "The backup set on device '{}' was terminated while it was being created and is incomplete. RESTORE sequence is terminated abnormally."
    3262 10 1 "The backup set on file {} is valid."
    3271 16 1 "A nonrecoverable I/O error occurred on file \"{}:\" {}."
    3701 11 1 "Cannot drop the database '{}', because it does not exist or you do not have permission."
    3702 16 1 "Cannot drop database \"{}\" because it is currently in use."
    3743 16 1 "The database '{}' is enabled for database mirroring. Database mirroring must be removed before you drop the database."
    3902 16 1 "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION."
    3903 16 1 "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION."
    4002 16 1 "The incoming tabular data stream (TDS) protocol stream is incorrect: {}."
    4038 16 1 "Cannot find file ID {} on device '{}'."
    4060 11 1 "Cannot open database \"{}\" requested by the login. The login failed."
    4104 16 1 "The multi-part identifier \"{}\" could not be bound."
    4121 16 1 "Cannot find either column \"{}\" or the user-defined function or aggregate \"{}\", or the name is ambiguous."
    4127 16 1 "At least one of the arguments to COALESCE must be an expression that is not the NULL constant."
    4145 15 1 "An expression of non-boolean type specified in a context where a condition is expected, near '{}'."
    4208 16 1 "The statement BACKUP LOG is not allowed while the recovery model is SIMPLE. Use BACKUP DATABASE or change the recovery model using ALTER DATABASE."
    4214 16 1 "BACKUP LOG cannot be performed because there is no current database backup."
    4305 16 1 "The log in this backup set begins at LSN {}, which is too recent to apply to the database. An earlier log backup that includes LSN {} can be restored."
    4319 16 1 "A previous restore operation was interrupted and did not complete processing on file '{}'. Either restore the backup set that was interrupted or restart the restore sequence."
    4326 16 1 "The log in this backup set terminates at LSN {}, which is too early to apply to the database. A more recent log backup that includes LSN {} can be restored."
    4330 16 1 "This backup set cannot be applied because it is on a recovery path that is inconsistent with the database. The recovery path is the sequence of data and log backups that have brought the database to a particular recovery point. Find a compatible backup to restore, or restore the rest of the database to match a recovery point within this backup set, which will restore the database to a different point in time. For more information about recovery paths, see SQL Server Books Online."
    4333 16 1 "The database cannot be recovered because the log was not restored."
    5011 14 1 "User does not have permission to alter database '{}', the database does not exist, or the database is not in a state that allows access checks."
    5052 16 1 "ALTER DATABASE is not permitted while a database is in the {} state."
    5064 16 1 "Changes to the state or options of database '{}' cannot be made at this time. The database is in single-user mode, and a user is currently connected to it."
    5069 16 1 "ALTER DATABASE statement failed."
    5070 16 1 "Database state cannot be changed while other users are using the database '{}'."
    5701 0 2 "Changed database context to '{}'."
    5703 0 1 "Changed language setting to {}."
    6101 16 1 "Session ID {} is not valid."
    6104 16 1 "Cannot use KILL to kill your own process."
    6106 16 1 "Process ID {} is not an active process ID."
    6107 14 1 "Only user processes can be killed."
    6115 16 1 "KILL command cannot be used inside user transactions."
    6120 16 1 "Status report cannot be obtained. Rollback operation for Process ID {} is not in progress."
    7303 16 1 "Cannot initialize the data source object of OLE DB provider \"SQLNCLI11\" for linked server \"{}\"."
    7412 10 1 "OLE DB provider \"SQLNCLI11\" for linked server \"LOGSHIPLINK\" returned message \"{}\"."
    8003 16 1 "The incoming tabular data stream (TDS) remote procedure call (RPC) protocol stream is incorrect. Too many parameters were provided."
    8004 16 1 "The incoming tabular data stream (TDS) remote procedure call (RPC) protocol stream is incorrect. The RPC name is invalid."
    8009 16 1 "The incoming tabular data stream (TDS) remote procedure call (RPC) protocol stream is incorrect. Parameter {}: Data type {} is unknown."
    8114 16 5 "Error converting data type {} to {}."
    8115 16 2 "Arithmetic overflow error converting expression to data type {}."
    8117 16 1 "Operand data type {} is invalid for {} operator."
    8120 16 1 "Column '{}' is invalid in the select list because it is not contained in either an aggregate function or the GROUP BY clause."
    8121 16 1 "Column '{}' is invalid in the HAVING clause because it is not contained in either an aggregate function or the GROUP BY clause."
    8127 16 1 "Column \"{}\" is invalid in the ORDER BY clause because it is not contained in either an aggregate function or the GROUP BY clause."
    8133 16 1 "At least one of the result expressions in a CASE specification must be an expression other than the NULL constant."
    8134 16 1 "Divide by zero error encountered."
    8144 16 1 "Procedure or function {} has too many arguments specified."
    8145 16 1 "{} is not a parameter for procedure {}."
    8152 16 1 "String or binary data would be truncated."
    8169 16 1 "Conversion failed when converting from a character string to uniqueidentifier."
    8170 16 1 "Insufficient result space to convert uniqueidentifier value to char."
    8179 16 1 "Could not find prepared statement with handle {}."
    9004 21 1 "An error occurred while processing the log for database '{}'. If possible, restore from backup. If a backup is not available, it might be necessary to rebuild the log."
    11801 16 1 "Operation was aborted because RESTORE detected one or more corrupted pages in the backup set. Please resolve the issue by performing another BACKUP, preferably with CHECKSUM enabled, and try again."
    14256 16 1 "Cannot start the job \"{}\" (ID {}) because it does not have any job server or servers defined. Associate the job with a job server by calling sp_add_jobserver."
    14261 16 1 "The specified {} ('{}') already exists."
    14262 16 1 "The specified {} ('{}') does not exist."
    14269 16 1 "Job '{}' is already targeted at server '{}'."
    15151 16 1 "Cannot find the {} '{}', because it does not exist or you do not have permission."
    17142 14 1 "SQL Server service has been paused. No new connections will be allowed."
    18456 14 1 "Login failed for user '{}'."
    22022 16 1 "SQLServerAgent Error: {}"
    32007 16 1 "Database {} is not ONLINE."
    32008 10 1 "Database {} is not ONLINE. The backup job will not perform the backup until this database is brought online."
    32009 16 1 "A log shipping primary entry already exists for database {}."
    32010 16 1 "Database {} does not exist as log shipping primary."
    32011 16 1 "Primary Database {} has active log shipping secondary database(s). Drop the secondary database(s) first."
    32012 16 1 "Secondary {}.{} already exists for primary {}."
    32013 16 1 "A log shipping entry already exists for secondary database {}."
    32014 16 1 "Database {} does not exist as log shipping Secondary."
    32015 16 1 "The primary database {} cannot have SIMPLE recovery for log shipping to work properly."
    32023 16 1 "An entry for primary server {}, primary database {} does not exist on this secondary. Register the primary first."
    32024 16 1 "An entry for primary server {}, primary database {} already exists."
    32053 16 1 "The server name, given by '@@servername', is currently null."
    32054 16 1 "There was an error establishing a link to the remote monitor server."
}

/// The text of a message, with `{}` where a value goes.
pub(super) fn text_of(number: u32) -> Option<&'static str> {
    let (.., text) = MESSAGES.iter().find(|(known, ..)| *known == number)?;
    Some(text)
}

/// A message with its values. A number that is not in the table, as a fault may name, has severity
/// 16 and no text of its own.
pub fn message(number: u32, values: &[&str]) -> ServerError {
    let Some((_, class, state, text)) = MESSAGES.iter().find(|(known, ..)| *known == number) else {
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
        state: *state,
        message: filled,
    }
}

/// Error 102 at something that is wrong, or that nothing here knows.
pub fn syntax(near: impl Display) -> ServerError {
    message(102, &[&shortened(near)])
}

/// The beginning of a text, as a message repeats it.
pub fn shortened(text: impl Display) -> String {
    text.to_string().chars().take(NEAR).collect()
}

/// The text of an operating system's error.
pub fn system_text(number: u32) -> &'static str {
    match number {
        2 => "The system cannot find the file specified.",
        3 => "The system cannot find the path specified.",
        5 => "Access is denied.",
        13 => "The data is invalid.",
        17 => "The system cannot move the file to a different disk drive.",
        23 => "Data error (cyclic redundancy check).",
        32 => "The process cannot access the file because it is being used by another process.",
        38 => "Reached the end of the file.",
        53 => "The network path was not found.",
        64 => "The specified network name is no longer available.",
        67 => "The network name cannot be found.",
        80 => "The file exists.",
        87 => "The parameter is incorrect.",
        1920 => "The file cannot be accessed by the system.",
        112 => "There is not enough space on the disk.",
        183 => "Cannot create a file when that file already exists.",
        223 => "The file size exceeds the limit allowed and cannot be saved.",
        1117 => "The request could not be performed because of an I/O device error.",
        1326 => "The user name or password is incorrect.",
        _ => "failed to retrieve text for this error",
    }
}

/// An operating system's error as message 3201 shows it.
pub fn system_error(number: u32) -> String {
    format!("{number}({})", system_text(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_stands_once_and_in_its_place() {
        assert!(MESSAGES.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn values_go_where_the_text_has_room_for_them() {
        let error = message(195, &["NOSUCH", "built-in function name"]);
        assert_eq!((error.class, error.state), (15, 10));
        assert_eq!(
            error.message,
            "'NOSUCH' is not a recognized built-in function name."
        );
        assert_eq!(message(7, &[]).message, "Error 7.");
    }
}
