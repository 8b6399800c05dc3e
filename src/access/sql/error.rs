//! Errors of the SQL Server door: where, what, and whether the statement took effect.

use std::fmt;
use std::time::Duration;

use super::table::Table;
use crate::model::{Instance, IntoRemedies as _, Place, Problem, Remedy};

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
    /// The host name has no address.
    NameNotFound {
        /// As the site file has it.
        host: String,
        /// The resolver's words.
        why: String,
    },
    /// The host refused the connection: nothing listens on that port.
    ConnectionRefused {
        /// IP address and port.
        address: String,
    },
    /// Nothing answered the TCP connect within its limit.
    ConnectTimedOut {
        /// What was waited for.
        waited_for: String,
        /// How long.
        limit: Duration,
    },
    /// SQL Server Browser did not answer, so that the port of a named instance is not known.
    BrowserSilent {
        /// Its host.
        host: String,
        /// The port at which it was last seen, where it was: that one is refused now, and the
        /// instance may listen at another.
        refused: Option<u16>,
    },
    /// SQL Server Browser does not know the instance.
    NotListed {
        /// Its host.
        host: String,
        /// The name that was looked for.
        instance: String,
        /// Those that it knows.
        known: Vec<String>,
    },
    /// SQL Server Browser knows the instance, and no port of it: TCP is turned off.
    NoTcp {
        /// The name that was looked for.
        instance: String,
    },
    /// The network says that there is no way to the host.
    Unreachable(String),
    /// This machine could not try to connect: of the other one that says nothing.
    NotTried(String),
    /// What listens there does not speak SQL Server's protocol.
    NotSqlServer,
    /// The certificate of the server was not accepted.
    Certificate(Certificate),
    /// The server has no encryption to give, and the site file wants it.
    EncryptionRefused,
    /// The server takes no connection without encryption, and the site file has it off.
    EncryptionDemanded,
    /// The server ended a strict connection at the first byte.
    NoStrict,
    /// The server has no TLS version of ours.
    TlsTooOld(String),
    /// TLS broke off otherwise.
    Tls(String),
    /// The server took the connection and did not finish the sign-in.
    SignInTimedOut(Duration),
    /// Windows or Kerberos sign-in failed on this side.
    SignIn(String),
    /// The login may not see what was asked for: an empty answer would say nothing.
    NotAllowed(&'static str),
    /// The server sends its clients elsewhere.
    Routed {
        /// `host,port`
        to: String,
    },
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

/// Why the certificate of a server was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// No known authority signed it.
    UnknownAuthority,
    /// It is past its time.
    Expired {
        /// Its last second, in UTC, where the message tells.
        since: Option<String>,
    },
    /// Its time has not come.
    NotYetValid {
        /// Its first second, in UTC, where the message tells.
        from: Option<String>,
    },
    /// It was issued for another name.
    OtherName {
        /// The names that it is for, where the message tells.
        names: String,
    },
    /// It names no host: at most its subject does, which nobody reads for that any more.
    NoName,
    /// It is that of an authority, and stands for a server.
    Authority,
    /// Its signature is of a kind that is not accepted any more.
    Weak,
    /// The certificates of `[sql.tls] ca`, or of this machine, cannot be used.
    Authorities(String),
    /// Anything else.
    Other(String),
}

/// A statement that failed.
#[derive(Clone, Debug, PartialEq)]
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
    /// Whole result sets of a read that came before it.
    pub before: Vec<Table>,
}

impl SqlError {
    /// Number of the server's error, where it was one.
    pub fn number(&self) -> Option<u32> {
        self.failure.number()
    }

    /// True after a plain server error, which leaves the connection usable. Severity 20 and above
    /// ends it (`reference/sql-server.md` 10.2).
    pub(super) fn keeps_connection(&self) -> bool {
        matches!(self.failure, Failure::Server { class, .. } if class < 20)
    }

    /// What to do, as the number or the kind tells; empty where neither does.
    pub fn remedies(&self) -> Vec<Remedy> {
        self.hint().into_remedies()
    }

    /// The same in words: an imperative clause without a full stop.
    pub fn hint(&self) -> &'static str {
        match &self.failure {
            Failure::NoInstance => "add the instance to `[sql]` of the site file",
            Failure::NameNotFound { .. } => {
                "see the spelling in `[sql]` of the site file, and that this machine's DNS knows the name"
            }
            Failure::ConnectionRefused { .. } => {
                "see that the SQL Server service runs, has TCP/IP enabled, and listens on that port"
            }
            Failure::ConnectTimedOut { .. } | Failure::Unreachable(_) => {
                "see that the server is up, the SQL Server service runs and the port is open from here"
            }
            Failure::BrowserSilent { .. } => {
                r"start SQL Server Browser there and open UDP 1434 from here, or name the port: 'host\instance,port'"
            }
            Failure::NotListed { .. } => {
                r"see the instance name in `[sql]`, that its service runs and is not hidden, or name the port: 'host\instance,port'"
            }
            Failure::NoTcp { .. } => {
                "enable TCP/IP for that instance in SQL Server Configuration Manager and restart it"
            }
            Failure::NotTried(_) => {
                "see this machine: its network, its firewall, how many files it may open"
            }
            Failure::NotSqlServer => "see the port in `[sql]` of the site file",
            Failure::Certificate(certificate) => certificate.hint(),
            Failure::EncryptionRefused => {
                "give the instance a certificate, or, on a network that you trust, set `[sql.tls] encrypt = \"off\"`"
            }
            Failure::EncryptionDemanded => "set `[sql.tls] encrypt = \"required\"`",
            Failure::NoStrict => {
                "set `[sql.tls] encrypt = \"required\"`: strict needs SQL Server 2022 with a certificate"
            }
            Failure::TlsTooOld(_) => {
                "update that SQL Server and its Windows to TLS 1.2 (Microsoft KB 3135244), or, on a network that you trust, set `[sql.tls] encrypt = \"off\"`"
            }
            Failure::Tls(_) => {
                "see the SQL Server error log and the System event log (Schannel) there of that time"
            }
            Failure::SignInTimedOut(_) => {
                "see that the instance is not starting or overloaded, and that the port is SQL Server's"
            }
            Failure::SignIn(_) => {
                "see `[sql.auth]`; for Kerberos that there is a ticket (klist) and that the instance's SPN is registered (setspn -L)"
            }
            Failure::NotAllowed(_) => "sign in as a member of sysadmin on that instance",
            Failure::Routed { .. } => "name the address in the message in `[sql]` of the site file",
            Failure::Cut(_) => "see the SQL Server error log of that time",
            Failure::TimedOut(_) => "see what the instance is waiting for (sys.dm_exec_requests)",
            Failure::Garbled(_) => {
                "this is a defect of pchadr or of the driver; keep the run folder"
            }
            Failure::Server { number, .. } => hint_for(*number),
        }
    }
}

/// What a failure says of the one that was asked (`design.md` 3, rule 16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// Nothing takes a connection there.
    Dead,
    /// Something took the connection, or answered for it: it may serve.
    Lives,
    /// Neither was seen.
    Unknown,
}

impl Failure {
    /// Whether what was asked is dead. Only silence is death, and a refusal of the connect.
    pub fn life(&self) -> Life {
        match self {
            Self::ConnectionRefused { .. }
            | Self::ConnectTimedOut { .. }
            | Self::Unreachable(_) => Life::Dead,
            // Nobody was asked.
            Self::NoInstance
            | Self::NameNotFound { .. }
            | Self::BrowserSilent { .. }
            | Self::NotTried(_) => Life::Unknown,
            Self::NotListed { .. }
            | Self::NoTcp { .. }
            | Self::NotSqlServer
            | Self::Certificate(_)
            | Self::EncryptionRefused
            | Self::EncryptionDemanded
            | Self::NoStrict
            | Self::TlsTooOld(_)
            | Self::Tls(_)
            | Self::SignInTimedOut(_)
            | Self::SignIn(_)
            | Self::NotAllowed(_)
            | Self::Routed { .. }
            | Self::Server { .. }
            | Self::Cut(_)
            | Self::TimedOut(_)
            | Self::Garbled(_) => Life::Lives,
        }
    }

    /// Number of the server's own error; `None` where the server did not get to say one.
    pub fn number(&self) -> Option<u32> {
        if let Self::Server { number, .. } = self {
            Some(*number)
        } else {
            None
        }
    }
}

impl Certificate {
    fn hint(&self) -> &'static str {
        match self {
            Self::UnknownAuthority => {
                "name the authority's certificate in `[sql.tls] ca`; for the certificate that SQL Server makes itself there is none: give the instance a real one, or, on a network that you trust, set `trust_server_certificate = true`"
            }
            Self::Expired { .. } => {
                "renew the certificate of that instance and restart it; if it is not old, see the clock of this machine"
            }
            Self::NotYetValid { .. } => "see the clock of this machine and of the server",
            Self::OtherName { .. } => {
                "write the host in `[sql]` as the certificate names it, or issue a certificate for that name"
            }
            Self::NoName => {
                "issue a certificate with the host in its subject alternative name, or, on a network that you trust, set `trust_server_certificate = true`"
            }
            Self::Authority => {
                "give the instance a certificate of its own, signed by that authority, or, on a network that you trust, set `trust_server_certificate = true`"
            }
            Self::Weak => "issue it again with SHA-256 and RSA 2048 or better",
            Self::Authorities(_) => {
                "see that `[sql.tls] ca` names a PEM file of the authority's certificates"
            }
            Self::Other(_) => {
                "give that instance a certificate for server authentication (X.509 version 3, SHA-256, RSA 2048 or better)"
            }
        }
    }
}

/// Remedies by error number (`reference/sql-server.md` 2.5, 1.8, 3.1, 5).
fn hint_for(number: u32) -> &'static str {
    match number {
        229 | 297 | 300 | 3110 | 6102 | 15247 => "sign in as a member of sysadmin on that instance",
        911 | 4060 => "see that the database exists on that instance",
        921 | 922 | 952 => "the database is still starting: wait",
        3101 => "end the sessions that hold the database",
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
        17142 | 18401 => "the instance is paused, starting or stopping: wait",
        18452 => {
            "the server does not trust this Windows account: sign in from its domain, or use a SQL login (`[sql.auth] mode = \"sql\"`)"
        }
        18456 => {
            "see the user and the password of `[sql.auth]`; the reason stands only in the SQL Server error log there, as the state of error 18456 (58: the instance takes no SQL logins)"
        }
        18461 => "the instance is in single-user mode; end the other connection first",
        18470 => "the login is disabled; enable it with ALTER LOGIN … ENABLE, or use another",
        18486 => "the login is locked; unlock it with ALTER LOGIN … UNLOCK",
        18487 | 18488 => {
            "set a new password with ALTER LOGIN … WITH PASSWORD, and put it where `[sql.auth] password` says"
        }
        32053 => "the instance has no name of its own (@@SERVERNAME); run sp_addserver there",
        32054 | 32055 => "the monitor server does not answer; see the reference for a dead monitor",
        _ => "",
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoInstance => f.write_str("the site has no such instance"),
            Self::NameNotFound { host, why } => {
                write!(f, "the host name `{host}` has no address: {why}")
            }
            Self::ConnectionRefused { address } => {
                write!(f, "not reachable: {address} refused the connection")
            }
            Self::ConnectTimedOut { waited_for, limit } => {
                let limit = limit.as_secs_f64();
                write!(
                    f,
                    "not reachable: no answer from {waited_for} within {limit} s"
                )
            }
            Self::BrowserSilent { host, refused } => {
                write!(
                    f,
                    "the port is not known: SQL Server Browser on `{host}` did not answer"
                )?;
                if let Some(port) = refused {
                    write!(f, ", and port {port}, where it was last seen, is refused")?;
                }
                Ok(())
            }
            Self::NotListed {
                host,
                instance,
                known,
            } => write!(
                f,
                "SQL Server Browser on `{host}` knows no instance `{instance}`, only {}",
                known.join(", ")
            ),
            Self::NoTcp { instance } => {
                write!(f, "the instance `{instance}` does not listen on TCP")
            }
            Self::Unreachable(why) => write!(f, "not reachable: {why}"),
            Self::NotTried(why) => write!(f, "no connection was tried: {why}"),
            Self::NotSqlServer => f.write_str("what listens on that port is no SQL Server"),
            Self::Certificate(certificate) => write!(f, "certificate not accepted: {certificate}"),
            Self::EncryptionRefused => f.write_str("the server has no encryption"),
            Self::EncryptionDemanded => {
                f.write_str("the server takes no connection without encryption")
            }
            Self::NoStrict => f.write_str(
                "the server ended the strict connection (TDS 8.0) before anything was said",
            ),
            Self::TlsTooOld(why) => {
                write!(f, "the server could not agree on TLS 1.2 or newer ({why})")
            }
            Self::Tls(why) => write!(f, "encryption failed: {why}"),
            Self::SignInTimedOut(limit) => write!(
                f,
                "connected, but not signed in within {} s",
                limit.as_secs()
            ),
            Self::SignIn(why) => write!(f, "sign-in could not be prepared: {why}"),
            Self::NotAllowed(right) => write!(f, "the login lacks the right {right}"),
            Self::Routed { to } => write!(f, "the server sends its clients on to `{to}`"),
            Self::Server { number, text, .. } => write!(f, "error {number}: {text}"),
            Self::Cut(why) => write!(f, "the connection broke: {why}"),
            Self::TimedOut(limit) => write!(f, "no answer within {} s", limit.as_secs()),
            Self::Garbled(why) => write!(f, "the answer was not understood: {why}"),
        }
    }
}

impl std::error::Error for Failure {}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownAuthority => f.write_str("no authority known here signed it"),
            Self::Expired { since } => match since {
                Some(since) => write!(f, "it expired on {since}"),
                None => f.write_str("it has expired"),
            },
            Self::NotYetValid { from } => match from {
                Some(from) => write!(f, "it is valid from {from} on"),
                None => f.write_str("it is not valid yet"),
            },
            Self::OtherName { names } if names.is_empty() => {
                f.write_str("it is not for this host name")
            }
            Self::OtherName { names } => write!(f, "it is not for this host name, but for {names}"),
            Self::NoName => f.write_str("it names no host (no subject alternative name)"),
            Self::Authority => f.write_str("it is the certificate of an authority, not of a server"),
            Self::Weak => f.write_str("its signature is of a kind that is not accepted (SHA-1, or a key that is too short)"),
            Self::Authorities(why) => write!(f, "the authorities cannot be used: {why}"),
            Self::Other(why) => f.write_str(why),
        }
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.instance, self.server, self.failure)
    }
}

impl std::error::Error for SqlError {}

impl From<&SqlError> for Problem {
    fn from(error: &SqlError) -> Self {
        let problem = Self {
            what: error.statement.clone(),
            number: error.number(),
            ..Self::new(error.failure.to_string(), error.remedies())
        };
        problem.at(Place::Instance {
            instance: error.instance,
            server: error.server.clone(),
        })
    }
}

impl From<SqlError> for Problem {
    fn from(error: SqlError) -> Self {
        Self::from(&error)
    }
}

/// What goes before every batch of a run, in it (`design.md` 3, rule 17), and how it ends. It says
/// nothing of the batch, and is not shown.
const GUARD: (&str, &str) = ("IF EXISTS (SELECT 1 FROM msdb.dbo.pchadr_fence ", "', 1; ");

/// First line of a statement, at most 160 characters.
pub(crate) fn first_line(statement: &str) -> String {
    let whole = statement.trim();
    let guarded = whole.strip_prefix(GUARD.0);
    let effect = guarded.and_then(|rest| Some(rest.split_once(GUARD.1)?.1));
    let statement = effect.unwrap_or(whole);
    let line = statement.lines().next().unwrap_or_default();
    let mut short: String = line.chars().take(160).collect();
    if short.len() < statement.len() {
        short.push('…');
    }
    short
}
