//! BACKUP, RESTORE, ALTER, DROP, KILL.

use super::cursor::Cursor;
use super::token::Kind;
use super::{Expr, Media, Setting, Statement, Subject, WithOption};
use crate::rehearsal::value::ServerError;

/// Options of RESTORE that the engine knows; STOPAT is not among them and is 102, and STANDBY is known of
/// RESTORE LOG alone.
const RESTORE: [&str; 18] = [
    "FILE",
    "RECOVERY",
    "NORECOVERY",
    "REPLACE",
    "MOVE",
    "CHECKSUM",
    "NO_CHECKSUM",
    "STATS",
    "RESTART",
    "NOUNLOAD",
    "NOREWIND",
    "UNLOAD",
    "BUFFERCOUNT",
    "MAXTRANSFERSIZE",
    "BLOCKSIZE",
    "STOP_ON_ERROR",
    "LOADHISTORY",
    "STANDBY",
];

const BACKUP: [&str; 21] = [
    "INIT",
    "NOINIT",
    "FORMAT",
    "NOFORMAT",
    "SKIP",
    "NOSKIP",
    "CHECKSUM",
    "NO_CHECKSUM",
    "COPY_ONLY",
    "COMPRESSION",
    "NO_COMPRESSION",
    "NAME",
    "DESCRIPTION",
    "STATS",
    "NORECOVERY",
    "NOUNLOAD",
    "NOREWIND",
    "MEDIANAME",
    "BUFFERCOUNT",
    "MAXTRANSFERSIZE",
    "BLOCKSIZE",
];

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement, ServerError> {
    match cursor.any_word()?.as_str() {
        "RESTORE" => restore(cursor),
        "BACKUP" => backup(cursor),
        "ALTER" => alter(cursor),
        "KILL" => kill(cursor),
        "DROP" => {
            cursor.expect_word("DATABASE")?;
            Ok(Statement::DropDatabase(cursor.identifier()?))
        }
        _ => Err(cursor.wrong()),
    }
}

fn restore(cursor: &mut Cursor<'_>) -> Result<Statement, ServerError> {
    let subject = match cursor.any_word()?.as_str() {
        "DATABASE" => Subject::Database,
        "LOG" => Subject::Log,
        "HEADERONLY" => Subject::HeaderOnly,
        "FILELISTONLY" => Subject::FileListOnly,
        "LABELONLY" => Subject::LabelOnly,
        "VERIFYONLY" => Subject::VerifyOnly,
        _ => return Err(cursor.wrong()),
    };
    let named = matches!(subject, Subject::Database | Subject::Log);
    let database = named.then(|| database(cursor)).transpose()?;
    let disk = if cursor.take_word("FROM") {
        Some(disk(cursor)?)
    } else if subject == Subject::Database {
        None
    } else {
        return Err(cursor.wrong());
    };
    let options = options(cursor, &RESTORE)?;
    let standby = options.iter().find(|option| option.name == "STANDBY");
    if standby.is_some_and(|it| subject != Subject::Log || it.value.is_none()) {
        return Err(cursor.wrong());
    }
    Ok(Statement::Restore(Media {
        subject,
        database,
        disk,
        options,
    }))
}

fn backup(cursor: &mut Cursor<'_>) -> Result<Statement, ServerError> {
    let subject = match cursor.any_word()?.as_str() {
        "DATABASE" => Subject::Database,
        "LOG" => Subject::Log,
        _ => return Err(cursor.wrong()),
    };
    let database = Some(database(cursor)?);
    cursor.expect_word("TO")?;
    let disk = Some(disk(cursor)?);
    Ok(Statement::Backup(Media {
        subject,
        database,
        disk,
        options: options(cursor, &BACKUP)?,
    }))
}

fn database(cursor: &mut Cursor<'_>) -> Result<Expr, ServerError> {
    match cursor.peek() {
        Some(Kind::Word(_) | Kind::Quoted(_) | Kind::Variable(_)) => cursor.simple_value(),
        _ => Err(cursor.wrong()),
    }
}

/// One device; a second one (a striped set) is not known.
fn disk(cursor: &mut Cursor<'_>) -> Result<Expr, ServerError> {
    cursor.expect_word("DISK")?;
    cursor.expect_mark('=')?;
    let value = match cursor.peek() {
        Some(Kind::Text(_) | Kind::Variable(_)) => cursor.simple_value()?,
        _ => return Err(cursor.wrong()),
    };
    if cursor.is_mark(',') {
        return Err(cursor.wrong());
    }
    Ok(value)
}

fn options(cursor: &mut Cursor<'_>, known: &[&str]) -> Result<Vec<WithOption>, ServerError> {
    let mut options = Vec::new();
    if !cursor.take_word("WITH") {
        return Ok(options);
    }
    loop {
        if !matches!(cursor.peek(), Some(Kind::Word(w)) if known.iter().any(|k| w.eq_ignore_ascii_case(k)))
        {
            return Err(cursor.wrong());
        }
        let name = cursor.any_word()?;
        let (mut value, mut to) = (None, None);
        if name == "MOVE" {
            value = Some(cursor.simple_value()?);
            cursor.expect_word("TO")?;
            to = Some(cursor.simple_value()?);
        } else if cursor.take_mark('=') {
            value = Some(cursor.simple_value()?);
        }
        options.push(WithOption { name, value, to });
        if !cursor.take_mark(',') {
            return Ok(options);
        }
    }
}

fn alter(cursor: &mut Cursor<'_>) -> Result<Statement, ServerError> {
    match cursor.any_word()?.as_str() {
        "AUTHORIZATION" => {
            cursor.expect_word("ON")?;
            cursor.expect_word("DATABASE")?;
            cursor.expect_mark(':')?;
            cursor.expect_mark(':')?;
            let database = cursor.identifier()?;
            cursor.expect_word("TO")?;
            let login = cursor.identifier()?;
            Ok(Statement::AlterAuthorization { database, login })
        }
        "USER" => {
            let user = cursor.identifier()?;
            cursor.expect_word("WITH")?;
            cursor.expect_word("LOGIN")?;
            cursor.expect_mark('=')?;
            let login = cursor.identifier()?;
            Ok(Statement::AlterUser { user, login })
        }
        "DATABASE" => {
            let database = cursor.identifier()?;
            cursor.expect_word("SET")?;
            let setting = setting(cursor)?;
            let mut rollback = false;
            if cursor.take_word("WITH") {
                if cursor.take_word("ROLLBACK") {
                    if cursor.take_word("AFTER") {
                        cursor.simple_value()?;
                        cursor.take_word("SECONDS");
                    } else {
                        cursor.expect_word("IMMEDIATE")?;
                    }
                    rollback = true;
                } else {
                    cursor.expect_word("NO_WAIT")?;
                }
            }
            Ok(Statement::AlterDatabase {
                database,
                setting,
                rollback,
            })
        }
        _ => Err(cursor.wrong()),
    }
}

fn setting(cursor: &mut Cursor<'_>) -> Result<Setting, ServerError> {
    let word = cursor.any_word()?;
    Ok(match word.as_str() {
        "MULTI_USER" => Setting::MultiUser,
        "SINGLE_USER" => Setting::SingleUser,
        "RESTRICTED_USER" => Setting::RestrictedUser,
        "OFFLINE" => Setting::Offline,
        "ONLINE" => Setting::Online,
        "ENABLE_BROKER" => Setting::Broker(true),
        "DISABLE_BROKER" => Setting::Broker(false),
        "PARTNER" => {
            if cursor.take_word("OFF") {
                Setting::PartnerOff
            } else if cursor.take_word("FORCE_SERVICE_ALLOW_DATA_LOSS") {
                Setting::PartnerForce
            } else {
                cursor.expect_word("FAILOVER")?;
                Setting::PartnerFailover
            }
        }
        "TRUSTWORTHY" => {
            if cursor.take_word("ON") {
                Setting::Trustworthy(true)
            } else {
                cursor.expect_word("OFF")?;
                Setting::Trustworthy(false)
            }
        }
        "RECOVERY" => match cursor.any_word()?.as_str() {
            "FULL" => Setting::Recovery(1),
            "BULK_LOGGED" => Setting::Recovery(2),
            "SIMPLE" => Setting::Recovery(3),
            _ => return Err(cursor.wrong()),
        },
        _ => return Err(cursor.wrong()),
    })
}

fn kill(cursor: &mut Cursor<'_>) -> Result<Statement, ServerError> {
    let negative = cursor.take_mark('-');
    let session = match cursor.peek() {
        // KILL takes a literal, never a variable (`sql-server.md` 3.1).
        Some(Kind::Number(n)) => n.parse::<i64>().map_err(|_| cursor.wrong())?,
        _ => return Err(cursor.wrong()),
    };
    cursor.advance();
    let status_only = cursor.take_word("WITH");
    if status_only {
        cursor.expect_word("STATUSONLY")?;
    }
    Ok(Statement::Kill {
        session: if negative { -session } else { session },
        status_only,
    })
}
