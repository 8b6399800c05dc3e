//! Errors of the SQL Server door: where, what, and whether the statement took effect.

use std::fmt;
use std::time::Duration;

use crate::model::Instance;

/// What became of a statement that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The server never saw it.
    NotSent,
    /// The server answered with an error.
    Refused,
    /// It may have taken effect; only a look at the site tells.
    Unknown,
}

/// Why a statement failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The site file names no such instance.
    NoInstance,
    /// No connection.
    Unreachable(String),
    /// The server's own error: the first of its answer, which is the specific one
    /// (`reference/tds.md` 5.2).
    Server {
        /// Error number.
        number: u32,
        /// State.
        state: u8,
        /// Severity.
        class: u8,
        /// Text.
        text: String,
    },
    /// The connection broke.
    Cut(String),
    /// Nothing came within the limit.
    TimedOut(Duration),
    /// The answer was not understood.
    Garbled(String),
}

/// A statement that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlError {
    /// Where.
    pub instance: Instance,
    /// Its address.
    pub server: String,
    /// First line of the statement.
    pub statement: String,
    /// Why.
    pub failure: Failure,
    /// Whether it took effect.
    pub fate: Fate,
}

impl SqlError {
    /// Number of the server's error, where it was one.
    pub fn number(&self) -> Option<u32> {
        match self.failure {
            Failure::Server { number, .. } => Some(number),
            _ => None,
        }
    }

    /// True after a plain server error, which leaves the connection usable. Severity 20 and above
    /// ends it (`reference/sql-server.md` 10.2).
    pub(super) fn keeps_connection(&self) -> bool {
        matches!(self.failure, Failure::Server { class, .. } if class < 20)
    }

    /// What to do, where the number or the kind tells.
    pub fn hint(&self) -> &'static str {
        match &self.failure {
            Failure::NoInstance => "add the instance to `[sql]` of the site file",
            Failure::Unreachable(_) => {
                "see that the server is up, the SQL Server service runs and the port is open from here"
            }
            Failure::Cut(_) => {
                "see the SQL Server error log of that time, then go on with --resume"
            }
            Failure::TimedOut(_) => {
                "see what the instance is waiting for (sys.dm_exec_requests), then go on with --resume"
            }
            Failure::Garbled(_) => {
                "this is a defect of pchadr or of the driver; keep the run folder"
            }
            Failure::Server { number, .. } => hint_for(*number),
        }
    }
}

/// Remedies by error number (`reference/sql-server.md` 2.5, 1.8, 3.1, 5).
fn hint_for(number: u32) -> &'static str {
    match number {
        229 | 297 | 300 | 3110 | 6102 | 15247 => "sign in as a member of sysadmin on that instance",
        911 | 4060 => "see that the database exists on that instance",
        921 | 922 | 952 => "the database is still starting; wait, then go on with --resume",
        3101 => "end the sessions that hold the database, then go on with --resume",
        3104 => "remove mirroring of that database first",
        3117 => "the database is already recovered; see `pchadr status`",
        3183 | 3189 | 3242 | 3243 | 3203 | 3241 => {
            "the file is damaged or incomplete: find another copy of it, and put it in the copy folder; where there is none, move it out of both folders, and the chain ends before it"
        }
        3201 => "see that the service account of that instance can read the path in the message",
        3257 => "make room on the disk that the message names",
        4305 => "a log backup is missing before this one; find it (also in the mirror share)",
        4326 => "the set is already applied; nothing is lost",
        4330 => "the log comes from another recovery fork; it can never be applied here",
        15281 => "turn on the component that the message names (sp_configure)",
        18456 | 18452 => "see the login name, its password and `[sql.auth]` of the site file",
        32053 => "the instance has no name of its own (@@SERVERNAME); run sp_addserver there",
        32054 | 32055 => "the monitor server does not answer; see the reference for a dead monitor",
        _ => "see the message and the SQL Server error log",
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoInstance => f.write_str("the site has no such instance"),
            Self::Unreachable(why) => write!(f, "not reachable: {why}"),
            Self::Server { number, text, .. } => write!(f, "error {number}: {text}"),
            Self::Cut(why) => write!(f, "the connection broke: {why}"),
            Self::TimedOut(limit) => write!(f, "no answer within {} s", limit.as_secs()),
            Self::Garbled(why) => write!(f, "the answer was not understood: {why}"),
        }
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.instance, self.server, self.failure)
    }
}

impl std::error::Error for SqlError {}

/// First line of a statement, at most 160 characters.
pub(super) fn first_line(statement: &str) -> String {
    let line = statement.trim().lines().next().unwrap_or_default();
    let mut short: String = line.chars().take(160).collect();
    if short.len() < statement.trim().len() {
        short.push('…');
    }
    short
}
