//! Commands of T-SQL as the simulated instances read them: a parser of their own, for what is not a
//! SELECT (`design.md` 10). A SELECT is only cut out, for [`super::select`].
//!
//! As on SQL Server the whole batch is parsed before anything of it runs.

mod command;
mod cursor;
mod parse;
mod table;
pub mod token;

use std::time::Duration;

use super::value::{Column, Datum, SqlType};

pub use parse::{guard_end, parse};

/// A value in a statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A literal, or an identifier that stands for its name.
    Literal(SqlType, Datum),
    /// `@name`, upper case.
    Variable(String),
    /// Anything else, for the SELECT evaluator.
    Sql(String),
}

impl Expr {
    /// A Unicode text.
    pub fn text(text: &str) -> Self {
        let length = u16::try_from(text.encode_utf16().count().max(1)).ok();
        Self::Literal(
            SqlType::NVarChar(length.filter(|n| *n <= 4000)),
            Datum::Text(text.to_owned()),
        )
    }
}

/// An argument of a procedure.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    /// `@name`, upper case; empty where it goes by position.
    pub name: String,
    /// What is passed.
    pub value: Expr,
    /// Passed with OUTPUT.
    pub output: bool,
}

/// What a BACKUP or RESTORE is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// `DATABASE`
    Database,
    /// `LOG`
    Log,
    /// `HEADERONLY`
    HeaderOnly,
    /// `FILELISTONLY`
    FileListOnly,
    /// `LABELONLY`
    LabelOnly,
    /// `VERIFYONLY`
    VerifyOnly,
}

impl Subject {
    /// The word of the statement.
    pub fn word(self) -> &'static str {
        match self {
            Self::Database => "DATABASE",
            Self::Log => "LOG",
            Self::HeaderOnly => "HEADERONLY",
            Self::FileListOnly => "FILELISTONLY",
            Self::LabelOnly => "LABELONLY",
            Self::VerifyOnly => "VERIFYONLY",
        }
    }
}

/// An option after WITH.
#[derive(Clone, Debug, PartialEq)]
pub struct WithOption {
    /// Upper case.
    pub name: String,
    /// After `=`, or the logical name of MOVE.
    pub value: Option<Expr>,
    /// The path of MOVE.
    pub to: Option<Expr>,
}

/// A BACKUP or RESTORE statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Media {
    /// What it is about.
    pub subject: Subject,
    /// The database, for DATABASE and LOG.
    pub database: Option<Expr>,
    /// `DISK = …`; none in `RESTORE DATABASE x WITH RECOVERY`.
    pub disk: Option<Expr>,
    /// In the order written.
    pub options: Vec<WithOption>,
}

impl Media {
    /// True when the option was written.
    pub fn has(&self, name: &str) -> bool {
        self.options.iter().any(|o| o.name == name)
    }

    /// The value of an option.
    pub fn value(&self, name: &str) -> Option<&Expr> {
        self.options
            .iter()
            .find(|o| o.name == name)
            .and_then(|o| o.value.as_ref())
    }
}

/// `ALTER DATABASE … SET …`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// `MULTI_USER`
    MultiUser,
    /// `SINGLE_USER`
    SingleUser,
    /// `RESTRICTED_USER`
    RestrictedUser,
    /// `PARTNER OFF`
    PartnerOff,
    /// `PARTNER FAILOVER`
    PartnerFailover,
    /// `PARTNER FORCE_SERVICE_ALLOW_DATA_LOSS`
    PartnerForce,
    /// `OFFLINE`
    Offline,
    /// `ONLINE`
    Online,
    /// `TRUSTWORTHY ON | OFF`
    Trustworthy(bool),
    /// `ENABLE_BROKER | DISABLE_BROKER`
    Broker(bool),
    /// `RECOVERY FULL | BULK_LOGGED | SIMPLE`, by its number in the catalog.
    Recovery(u8),
}

/// One statement of a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// A SELECT, whole.
    Select(String),
    /// `SELECT @a = …, @b = …`: the same SELECT without the assignments.
    Assign {
        /// Upper case, in order.
        variables: Vec<String>,
        /// The SELECT.
        sql: String,
    },
    /// `DECLARE @x type [= value], …`
    Declare(Vec<(String, SqlType, Option<Expr>)>),
    /// `SET @x = value`
    SetVariable(String, Expr),
    /// `SET LOCK_TIMEOUT 0` and the like: the option's name, upper case, and the words behind it.
    SetOption(String, String),
    /// `USE x`
    Use(String),
    /// `PRINT value`
    Print(Expr),
    /// `WAITFOR DELAY`
    WaitFor(Expr),
    /// `KILL n [WITH STATUSONLY]`
    Kill {
        /// As written.
        session: i64,
        /// Only asks how far a rollback is.
        status_only: bool,
    },
    /// `EXEC [@rc =] name arguments`
    Exec {
        /// Variable that receives the return code, upper case.
        result: Option<String>,
        /// The parts of its name.
        name: Vec<String>,
        /// What it is given.
        arguments: Vec<Argument>,
    },
    /// RESTORE
    Restore(Media),
    /// BACKUP
    Backup(Media),
    /// `ALTER DATABASE x SET y [WITH …]`
    AlterDatabase {
        /// The database.
        database: String,
        /// What is set.
        setting: Setting,
        /// `WITH ROLLBACK …`: others are thrown out.
        rollback: bool,
    },
    /// `ALTER AUTHORIZATION ON DATABASE::x TO y`
    AlterAuthorization {
        /// The database.
        database: String,
        /// The new owner.
        login: String,
    },
    /// `ALTER USER x WITH LOGIN = y`, in the current database.
    AlterUser {
        /// The user.
        user: String,
        /// Its login.
        login: String,
    },
    /// `DROP DATABASE x`
    DropDatabase(String),
    /// `CREATE TABLE x (…)`
    CreateTable {
        /// The parts of its name.
        name: Vec<String>,
        /// Its columns.
        columns: Vec<Column>,
        /// The columns of its primary key.
        key: Vec<String>,
    },
    /// `INSERT INTO x (…) SELECT …`
    Insert {
        /// The parts of the table's name.
        name: Vec<String>,
        /// The columns that are given.
        columns: Vec<String>,
        /// The SELECT.
        sql: String,
    },
    /// `THROW number, text, state`
    Throw {
        /// 50000 or above.
        number: Expr,
        /// What it says.
        text: Expr,
        /// Its state.
        state: Expr,
    },
    /// `BEGIN TRANSACTION`
    Begin,
    /// `COMMIT`
    Commit,
    /// `ROLLBACK`
    Rollback,
    /// `RETURN`, without a value: ends the batch.
    Return,
    /// `IF condition statement [ELSE statement]`
    If {
        /// For the SELECT evaluator.
        condition: String,
        /// When true.
        yes: Vec<Statement>,
        /// When not.
        no: Vec<Statement>,
    },
}

impl Statement {
    /// True when the statement can change the site: all but reads, session settings, locks and
    /// waits.
    pub fn is_effect(&self) -> bool {
        match self {
            Self::Select(_)
            | Self::Assign { .. }
            | Self::Declare(_)
            | Self::SetVariable(..)
            | Self::SetOption(..)
            | Self::Use(_)
            | Self::Print(_)
            | Self::WaitFor(_)
            | Self::Throw { .. }
            | Self::Begin
            | Self::Commit
            | Self::Rollback
            | Self::Return => false,
            Self::Kill { status_only, .. } => !status_only,
            Self::Restore(media) => {
                matches!(media.subject, Subject::Database | Subject::Log)
            }
            Self::Exec { name, .. } => !name.last().is_some_and(|n| {
                [
                    "sp_getapplock",
                    "sp_releaseapplock",
                    "sp_who",
                    "sp_who2",
                    "xp_fileexist",
                ]
                .iter()
                .any(|quiet| n.eq_ignore_ascii_case(quiet))
            }),
            Self::If { yes, no, .. } => yes.iter().chain(no).any(Self::is_effect),
            Self::Backup(_)
            | Self::AlterDatabase { .. }
            | Self::AlterAuthorization { .. }
            | Self::AlterUser { .. }
            | Self::CreateTable { .. }
            | Self::Insert { .. }
            | Self::DropDatabase(_) => true,
        }
    }
}

/// Reads the text of WAITFOR DELAY, `hh:mm[:ss[.mmm]]`.
pub fn delay(text: &str) -> Option<Duration> {
    let mut parts = text.trim().split(':');
    let hours: u64 = parts.next()?.parse().ok()?;
    let minutes: u64 = parts.next()?.parse().ok()?;
    let seconds: f64 = parts.next().map_or(Some(0.0), |s| s.parse().ok())?;
    let fits = hours < 24 && minutes < 60 && (0.0..60.0).contains(&seconds);
    (fits && parts.next().is_none()).then(|| {
        Duration::from_secs(hours * 3600 + minutes * 60) + Duration::from_secs_f64(seconds)
    })
}

#[cfg(test)]
mod tests;
