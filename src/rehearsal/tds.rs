//! A TDS server over any byte stream (`reference/tds.md`): packets, negotiation, login, requests,
//! answers. What the requests mean is the matter of a [`Server`].

pub mod browser;
mod codepage;
mod date;
mod login;
mod packet;
mod parameter;
mod prelogin;
mod prepared;
mod reader;
mod rpc;
mod session;
#[cfg(test)]
mod tests;
mod tls;
mod token;
mod types;

use std::fmt;

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::value::{Column, Datum, ServerError, SqlType};

pub use session::{serve, serve_with};
pub use tls::config as tls_config;

/// What a server does about encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// There is none, and a client that demands it goes away.
    NotSupported,
    /// As the client likes; at least the login is encrypted where it can. SQL Server's default.
    Optional,
    /// A client without encryption is refused.
    Required,
    /// TLS from the first byte (TDS 8.0), and nothing else.
    Strict,
}

/// What a client says of itself when it signs in.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Login {
    /// Login name; empty for integrated sign-in.
    pub user: String,
    /// Its password.
    pub password: String,
    /// `host_name` of the session.
    pub host_name: String,
    /// `program_name` of the session.
    pub program_name: String,
    /// Initial database; empty for the login's own.
    pub database: String,
}

/// Without the password.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("user", &self.user)
            .field("host_name", &self.host_name)
            .field("program_name", &self.program_name)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

/// A parameter of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// With its `@`; empty where it came without a name.
    pub name: String,
    /// Its type.
    pub sql_type: SqlType,
    /// Its value.
    pub value: Datum,
}

/// What a client asks.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// A SQL batch, or the statement of `sp_executesql` with its parameters.
    Batch {
        /// The text.
        sql: String,
        /// Empty for a plain batch.
        parameters: Vec<Parameter>,
    },
    /// Another procedure called by name.
    Procedure {
        /// As written.
        name: String,
        /// Its arguments.
        parameters: Vec<Parameter>,
    },
}

/// What a session does after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The answer is complete.
    Go,
    /// The connection breaks here: what was answered so far is not sent.
    Cut,
}

/// Receives an answer, in the order in which it goes over the wire. It is sent when the request has
/// run to its end.
pub trait Reply: Send {
    /// Begins a result set.
    fn columns(&mut self, columns: &[Column]);
    /// One row of it. A value that its column cannot hold goes out as the statement's error (8114,
    /// 8115, 8152), a row of another length as 213.
    fn row(&mut self, row: &[Datum]);
    /// An informational message (severity up to 10).
    fn info(&mut self, message: &ServerError);
    /// An error message.
    fn error(&mut self, error: &ServerError);
    /// Ends a statement; `rows` where it counts them.
    fn done(&mut self, rows: Option<u64>);
}

/// One signed-in connection.
pub trait Session: Send {
    /// Runs a request to its end. The future is dropped when the client goes away, sends an
    /// Attention, or is killed: what was not finished then is undone as the engine's rules say.
    fn run<'a>(&'a mut self, request: Request, reply: &'a mut dyn Reply) -> BoxFuture<'a, Flow>;

    /// Cancelled when another session kills this one: the client reads error 596 and the end.
    fn killed(&self) -> CancellationToken;
}

/// A simulated instance as its listener sees it.
pub trait Server: Send + Sync {
    /// Its name in messages.
    fn name(&self) -> String;

    /// Lets a client in, or says 18456, 4060, … why not.
    fn login(&self, login: &Login) -> Result<Box<dyn Session>, ServerError>;
}
