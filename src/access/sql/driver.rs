//! The driver: the one file that names it (`design.md` 9, `tds.md` 7.2).

use tiberius::error::{Error, IoErrorKind};
use tiberius::{AuthMethod, Client, ColumnData, EncryptionLevel};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

use super::error::Failure;
use super::sign_in::{Channel, Identity, Scope, SignIn, Trust};
use super::table::{Table, Value};
use super::witness::{Notes, Witness};
use super::{Peer, Query, tls_text};
use crate::access::ByteStream;

/// Target of what the servers say beside their answers. Keep it at `DEBUG` or above: below, the driver
/// writes whole rows (`tds.md` 5.1).
pub const SERVER_MESSAGES: &str = "tiberius::tds::stream::token";

/// Longest answer that is read, in bytes: many times what any question here can have.
const ANSWER: usize = 64 << 20;

/// One signed-in connection. After any failure but a plain server error it is to be dropped: the
/// driver would answer the next question with the rest of the last answer (`tds.md` 5.3).
pub(super) struct Driver {
    client: Client<Compat<Witness>>,
    notes: Notes,
    /// Whole result sets of the last answer that came before it failed.
    before: Vec<Table>,
}

impl Driver {
    /// Negotiates encryption and signs in, without a time limit.
    pub(super) async fn connect(
        stream: Box<dyn ByteStream>,
        sign_in: &SignIn,
        peer: Option<Peer>,
        application: &str,
    ) -> Result<Self, Failure> {
        let witness = Witness::new(stream, &sign_in.channel);
        let notes = witness.notes();
        // Boxed: the driver's future for this is large, and rarely made.
        Box::pin(Client::connect(
            config(sign_in, peer, application),
            witness.compat(),
        ))
        .await
        .map_err(|cause| of_sign_in(cause, &notes, &sign_in.channel))
        .map(|client| Self {
            client,
            notes: notes.clone(),
            before: Vec::new(),
        })
    }

    /// Sends a literal batch and reads its answer to the end.
    pub(super) async fn send(&mut self, batch: &str) -> Result<Vec<Table>, Failure> {
        self.notes.allow(ANSWER);
        let answer = match self.client.simple_query(batch).await {
            Ok(stream) => collect(stream, &mut self.before).await,
            Err(cause) => Err(cause),
        };
        answer.map_err(|cause| self.failure(cause))
    }

    fn failure(&self, cause: Error) -> Failure {
        if self.notes.is_too_long() {
            return Failure::Garbled(format!("it is longer than {} MiB", ANSWER >> 20));
        }
        failure(cause)
    }

    /// The whole result sets that came before the last answer failed.
    pub(super) fn take_before(&mut self) -> Vec<Table> {
        std::mem::take(&mut self.before)
    }

    /// Sends a read, with its parameters where it has some, and reads its answer to the end.
    pub(super) async fn ask(&mut self, query: &Query<'_>) -> Result<Vec<Table>, Failure> {
        if query.parameters.is_empty() {
            return self.send(query.text).await;
        }
        let parameters: Vec<&dyn tiberius::ToSql> = query
            .parameters
            .iter()
            .map(|value| value as &dyn tiberius::ToSql)
            .collect();
        self.notes.allow(ANSWER);
        let answer = match self.client.query(query.text, &parameters).await {
            Ok(stream) => collect(stream, &mut self.before).await,
            Err(cause) => Err(cause),
        };
        answer.map_err(|cause| self.failure(cause))
    }
}

fn config(sign_in: &SignIn, peer: Option<Peer>, application: &str) -> tiberius::Config {
    let mut config = tiberius::Config::new();
    config.database("master");
    config.application_name(application);
    // The driver's own limits leave a dead connection behind; the door has its own.
    config.command_timeout(None);
    config.handshake_timeout(None);
    // The certificate is checked against the host as written; the SPN needs the real port.
    if let Some(Peer { host, port }) = peer {
        config.host(host);
        config.port(port);
    }
    config.authentication(match &sign_in.identity {
        Identity::Login { user, password } => AuthMethod::sql_server(user, password.expose()),
        #[cfg(any(windows, feature = "ntlm"))]
        Identity::Windows { user, password } => AuthMethod::windows(user, password.expose()),
        #[cfg(any(windows, feature = "kerberos"))]
        Identity::Integrated => AuthMethod::Integrated,
    });
    config.encryption(match &sign_in.channel {
        Channel::Clear => EncryptionLevel::NotSupported,
        Channel::Tls { scope, .. } => match scope {
            Scope::Strict => EncryptionLevel::Strict,
            Scope::All => EncryptionLevel::Required,
            Scope::Login => EncryptionLevel::Off,
        },
    });
    match &sign_in.channel {
        Channel::Clear
        | Channel::Tls {
            trust: Trust::System,
            ..
        } => {}
        Channel::Tls {
            trust: Trust::Bundle(bytes),
            ..
        } => config.trust_cert_ca_bundle(bytes.to_vec()),
        Channel::Tls {
            trust: Trust::Any, ..
        } => config.trust_cert(),
    }
    config
}

/// Why a sign-in failed. What the first answer told comes before the driver's words.
fn of_sign_in(cause: Error, notes: &Notes, channel: &Channel) -> Failure {
    if let Some(verdict) = notes.verdict() {
        return verdict;
    }
    if notes.is_too_long() {
        return Failure::NotSqlServer;
    }
    match cause {
        Error::Tls(text) => tls_text::read(&text).unwrap_or(Failure::Tls(text)),
        Error::Io { kind, message } => {
            if let Some(read) = tls_text::read(&message) {
                return read;
            }
            let ended = matches!(
                kind,
                IoErrorKind::UnexpectedEof
                    | IoErrorKind::ConnectionReset
                    | IoErrorKind::ConnectionAborted
                    | IoErrorKind::BrokenPipe
            );
            match channel {
                Channel::Tls {
                    scope: Scope::Strict,
                    ..
                } if ended && notes.is_silent() => Failure::NoStrict,
                _ if ended && notes.is_silent() => {
                    Failure::Cut("it was closed before the first answer".to_owned())
                }
                // Schannel without a common version closes without a word, or resets (`tds.md` 5.4).
                Channel::Tls { .. } if ended && notes.ended_after_first() => {
                    Failure::TlsTooOld("the server ended the TLS handshake".to_owned())
                }
                Channel::Clear | Channel::Tls { .. } => cut(kind, message),
            }
        }
        Error::Server(_) | Error::Routing { .. } => failure(cause),
        // Kerberos and NTLM libraries have variants of their own, where they are built in.
        #[cfg(all(unix, feature = "kerberos"))]
        Error::Gssapi(text) => Failure::SignIn(text),
        #[cfg(all(unix, feature = "ntlm"))]
        Error::SspiRs(text) => Failure::SignIn(text),
        other => failure(other),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the kinds of another library, which grow"
)]
fn failure(cause: Error) -> Failure {
    match cause {
        Error::Server(token) => Failure::Server {
            number: token.code(),
            state: token.state(),
            class: token.class(),
            text: token.message().to_owned(),
        },
        Error::Io { kind, message } => cut(kind, message),
        Error::Tls(text) => Failure::Tls(text),
        Error::Routing { host, port } => Failure::Routed {
            to: format!("{host},{port}"),
        },
        other => {
            tracing::info!(%other, "an answer that the driver does not understand");
            Failure::Garbled("it does not follow SQL Server's protocol".to_owned())
        }
    }
}

/// A connection that broke, in words of the field: the libraries have words for programmers.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the kinds of the standard library, which grow"
)]
fn cut(kind: IoErrorKind, message: String) -> Failure {
    tracing::info!(?kind, message, "a connection broke");
    Failure::Cut(match kind {
        IoErrorKind::UnexpectedEof | IoErrorKind::BrokenPipe | IoErrorKind::WriteZero => {
            "the server closed it".to_owned()
        }
        IoErrorKind::ConnectionReset => "it was reset".to_owned(),
        IoErrorKind::ConnectionAborted => "it was given up on this side".to_owned(),
        IoErrorKind::TimedOut => {
            "what was sent was not taken within the network's limit".to_owned()
        }
        IoErrorKind::InvalidData => "what came is damaged".to_owned(),
        // The system's own.
        _ => message,
    })
}

/// Reads an answer to its end. The driver tells a server error behind all result sets.
async fn collect(
    mut stream: tiberius::QueryStream<'_>,
    before: &mut Vec<Table>,
) -> Result<Vec<Table>, Error> {
    use futures_util::TryStreamExt as _;
    before.clear();
    let mut tables = Vec::new();
    loop {
        let item = match stream.try_next().await {
            Ok(Some(item)) => item,
            Ok(None) => return Ok(tables),
            Err(error) => {
                *before = tables;
                return Err(error);
            }
        };
        match item {
            tiberius::QueryItem::Metadata(metadata) => {
                let names = metadata
                    .columns()
                    .iter()
                    .map(|column| column.name().to_owned())
                    .collect();
                tables.push(Table::new(names));
            }
            tiberius::QueryItem::Row(row) => {
                if let Some(table) = tables.last_mut() {
                    table.push(row.into_iter().map(value).collect());
                }
            }
        }
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the kinds of another library, which grow"
)]
fn value(data: ColumnData<'static>) -> Value {
    use super::table::{binary, datetime, decimal};
    let read = match data {
        ColumnData::U8(v) => v.map(|v| Value::Int(v.into())),
        ColumnData::I16(v) => v.map(|v| Value::Int(v.into())),
        ColumnData::I32(v) => v.map(|v| Value::Int(v.into())),
        ColumnData::I64(v) => v.map(Value::Int),
        ColumnData::F32(v) => v.map(|v| Value::Float(v.into())),
        ColumnData::F64(v) => v.map(Value::Float),
        ColumnData::Bit(v) => v.map(|v| Value::Int(v.into())),
        ColumnData::String(v) => v.map(|v| Value::Text(v.into_owned())),
        ColumnData::Guid(v) => v.map(|v| Value::Text(v.to_string().to_uppercase())),
        ColumnData::Binary(v) => v.map(|v| Value::Text(binary(&v))),
        ColumnData::Numeric(v) => v.map(|v| Value::Text(decimal(v.value(), v.scale()))),
        ColumnData::DateTime(v) => {
            // Days since 1900, 1/300 s since midnight.
            v.map(|v| {
                let nanoseconds = u64::from(v.seconds_fragments()) * 10_000_000 / 3;
                Value::Text(datetime(v.days().into(), nanoseconds))
            })
        }
        ColumnData::DateTime2(v) => v.map(|v| {
            let scale = u32::from(v.time().scale()).min(9);
            let nanoseconds = v.time().increments().saturating_mul(10_u64.pow(9 - scale));
            // Days since 0001-01-01; 693595 days lie before 1900.
            Value::Text(datetime(i64::from(v.date().days()) - 693_595, nanoseconds))
        }),
        // No read of ours asks for another type: all are cast.
        _ => Some(Value::Text("(another type)".to_owned())),
    };
    read.unwrap_or(Value::Null)
}
