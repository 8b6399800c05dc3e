//! The doors outside. Live and rehearsal differ in one value, [`Access`], made in one place
//! (`design.md` 9, 10); everything above is the same code.

// A wildcard once took a primary that lives for a silent one.
#![warn(clippy::wildcard_enum_match_arm)]

pub mod clock;
pub mod copy;
pub mod files;
pub mod headers;
pub mod patient;
pub mod powershell;
pub mod secret;
pub mod shares;
pub mod sql;

use std::sync::Arc;

pub use clock::Clock;

/// Everything outside the program that a run reads or changes.
#[derive(Clone)]
pub struct Access {
    /// SQL Server.
    pub sql: Arc<sql::SqlDoor>,
    /// The Skype cmdlets.
    pub powershell: Arc<powershell::PowerShellDoor>,
    /// Files on shares.
    pub shares: Arc<dyn shares::Shares>,
    /// Backup headers read so far.
    pub headers: Arc<headers::Headers>,
    /// What time it is.
    pub clock: Clock,
}

/// An ordered, reliable stream of bytes: a socket, or a pipe in memory.
pub trait ByteStream: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}

impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> ByteStream for T {}
