//! A connection from its first byte to its last: login, then request after request.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

use super::login::{self, Login7};
use super::packet::{Message, Wire, kind};
use super::prelogin::{self, Opened};
use super::prepared::Prepared;
use super::reader::{Malformed, Reader};
use super::rpc::{self, Call};
use super::tls::Channel;
use super::token::{self, Answer};
use super::{Encryption, Flow, Login, Reply, Request, Server, Session};
use crate::rehearsal::message::message;
use crate::rehearsal::value::ServerError;

/// Serves one connection over `stream`, without TLS: see [`serve_with`].
///
/// # Errors
/// As [`serve_with`].
pub async fn serve<S>(server: Arc<dyn Server>, stream: S) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    serve_with(server, stream, Encryption::NotSupported, None).await
}

/// Serves one connection over `stream` until either side ends it. `config` is what
/// [`tls_config`](super::tls_config) makes for the same `encryption`.
///
/// It has no timers and no tasks of its own: all that takes time is [`Session::run`]. An answer is
/// sent when its request has run to its end; until then the stream is watched for an Attention and
/// for the client's going.
///
/// # Errors
/// When the stream fails, as it does under an answer that the client no longer takes, or when the
/// client sends what is not TDS 7.3 or later or no TLS (`InvalidData`), or does not trust the
/// certificate, or when there is encryption and no `config` (`InvalidInput`). A client that goes away
/// between answers, is refused, killed or cut off is no error.
pub async fn serve_with<S>(
    server: Arc<dyn Server>,
    stream: S,
    encryption: Encryption,
    config: Option<Arc<ServerConfig>>,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let Some(Opened {
        mut wire,
        login_only,
    }) = prelogin::negotiate(stream, encryption, config).await?
    else {
        return Ok(());
    };
    let Some(message) = wire.message().await? else {
        return Ok(());
    };
    if message.kind != kind::LOGIN {
        return Err(Malformed("PRELOGIN is not followed by a login").into());
    }
    if login_only {
        wire = wire.map(Channel::end_tls);
    }
    let login7 = Login7::decode(&message.body)?;
    wire.set_packet_size(login7.packet_size);
    let name = server.name();
    match server.login(&login7.login) {
        Ok(session) => {
            wire.send(&login7.accept(&name)).await?;
            let connection = Connection {
                server,
                name,
                login: login7.login,
                killed: session.killed(),
                session,
                wire,
                transactions: Transactions::default(),
                prepared: Prepared::default(),
            };
            connection.run().await
        }
        Err(error) => {
            wire.send(&login::refuse(&error, &name)).await?;
            wire.close().await
        }
    }
}

/// A signed-in connection.
struct Connection<S> {
    server: Arc<dyn Server>,
    /// The server's name in messages.
    name: String,
    login: Login,
    session: Box<dyn Session>,
    killed: CancellationToken,
    wire: Wire<S>,
    transactions: Transactions,
    prepared: Prepared,
}

/// What ended a request.
enum End {
    Ran(Flow),
    Attention,
    Killed,
    ClientGone,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    async fn run(mut self) -> io::Result<()> {
        loop {
            let message = tokio::select! {
                biased;
                // Nothing runs, so nobody reads an error: the connection just ends.
                () = self.killed.cancelled() => return self.wire.close().await,
                message = self.wire.message() => message?,
            };
            let Some(message) = message else {
                return Ok(());
            };
            if !self.answer(message).await? {
                return Ok(());
            }
        }
    }

    /// Answers one message; `false` when the connection ends with it.
    async fn answer(&mut self, message: Message) -> io::Result<bool> {
        let mut answer = match message.kind {
            kind::RPC => Answer::to_call(&self.name),
            _ => Answer::to_batch(&self.name),
        };
        match message.kind {
            kind::ATTENTION => return self.acknowledge().await,
            _ if message.ignored => return self.send(&answer.cut_short()).await,
            kind::BATCH | kind::RPC | kind::TRANSACTION => {}
            _ => return Err(Malformed("a message has no place here").into()),
        }
        if message.reset {
            answer.change(token::RESET, &[], &[]);
            if let Err(error) = self.reset() {
                answer.error(&error);
                self.send(&answer.finish()).await?;
                self.wire.close().await?;
                return Ok(false);
            }
        }
        let request = match message.kind {
            kind::BATCH => rpc::batch(&message.body).map(Some),
            kind::RPC => rpc::call(&message.body).and_then(|call| self.resolve(call, &mut answer)),
            _ => self
                .transactions
                .request(&message.body, &mut answer)
                .map(|()| None),
        };
        match request {
            Ok(Some(request)) => return self.request(request, answer).await,
            Ok(None) => {}
            Err(error) => answer.error(&error),
        }
        self.send(&answer.finish()).await
    }

    /// The request that a call comes to, if any: with statements that the client prepared the
    /// protocol deals itself.
    fn resolve(&mut self, call: Call, answer: &mut Answer) -> Result<Option<Request>, ServerError> {
        let resolved = self.prepared.resolve(call)?;
        if let Some(handle) = resolved.handle {
            answer.output(handle);
        }
        Ok(resolved.request)
    }

    /// Runs a request and answers it.
    async fn request(&mut self, request: Request, mut answer: Answer) -> io::Result<bool> {
        self.transactions.used = true;
        // The future of the request is dropped at the end of the select, whichever branch wins.
        let end = tokio::select! {
            biased;
            () = self.killed.cancelled() => End::Killed,
            flow = self.session.run(request, &mut answer) => End::Ran(flow),
            packet = self.wire.packet() => match packet? {
                None => End::ClientGone,
                Some(packet) if packet.kind == kind::ATTENTION => End::Attention,
                Some(_) => return Err(Malformed("a request is sent while another runs").into()),
            },
        };
        match end {
            End::Ran(Flow::Go) => self.send(&answer.finish()).await,
            End::Ran(Flow::Cut) | End::ClientGone => Ok(false),
            End::Attention => {
                // Two messages, as SQL Server does it: the end of the answer, then the
                // acknowledgement (`tds.md` 2.1).
                Ok(self.send(&answer.cut_short()).await? && self.acknowledge().await?)
            }
            End::Killed => {
                self.wire.send(&answer.kill()).await?;
                self.wire.close().await?;
                Ok(false)
            }
        }
    }

    /// Acknowledges an Attention.
    async fn acknowledge(&mut self) -> io::Result<bool> {
        let mut out = Vec::new();
        token::done(&mut out, token::DONE, token::ATTENTION);
        self.send(&out).await
    }

    /// Sends an answer; `false` when the session was killed before the client had taken it.
    async fn send(&mut self, answer: &[u8]) -> io::Result<bool> {
        tokio::select! {
            biased;
            sent = self.wire.send(answer) => sent.map(|()| true),
            () = self.killed.cancelled() => Ok(false),
        }
    }

    /// Makes the session as new, for a pooled connection that is used again.
    fn reset(&mut self) -> Result<(), ServerError> {
        self.session = self.server.login(&self.login)?;
        self.killed = self.session.killed();
        self.transactions = Transactions::default();
        self.prepared = Prepared::default();
        Ok(())
    }
}

/// Transactions begun through the protocol. A session has none, so they only count: a request
/// takes effect when it runs, and a rollback says that it undoes nothing.
#[derive(Debug, Default)]
struct Transactions {
    begun: u64,
    depth: u32,
    /// Something ran in the one that is open.
    used: bool,
}

impl Transactions {
    /// Answers a transaction manager request.
    fn request(&mut self, body: &[u8], answer: &mut Answer) -> Result<(), ServerError> {
        const BEGIN: u16 = 5;
        const COMMIT: u16 = 7;
        const ROLLBACK: u16 = 8;

        let mut reader = Reader::new(body);
        reader.skip_headers()?;
        let descriptor = self.begun.to_le_bytes();
        match reader.u16()? {
            BEGIN => self.begin(answer),
            COMMIT if self.depth > 1 => self.depth -= 1,
            COMMIT if self.depth == 1 => {
                self.depth = 0;
                answer.change(token::COMMIT_TRANSACTION, &[], &descriptor);
            }
            ROLLBACK if self.depth > 0 => {
                self.depth = 0;
                answer.change(token::ROLLBACK_TRANSACTION, &[], &descriptor);
                if self.used {
                    answer.info(&ServerError {
                        class: 10,
                        ..ServerError::new(0, "The simulation does not undo what was run.")
                    });
                }
            }
            COMMIT => {
                return Err(message(3902, &[]));
            }
            ROLLBACK => {
                return Err(message(3903, &[]));
            }
            other => {
                return Err(ServerError::new(
                    102,
                    format!("Transaction manager request {other} is not simulated."),
                ));
            }
        }
        Ok(())
    }

    fn begin(&mut self, answer: &mut Answer) {
        self.depth = self.depth.saturating_add(1);
        if self.depth == 1 {
            self.begun += 1;
            self.used = false;
            answer.change(token::BEGIN_TRANSACTION, &self.begun.to_le_bytes(), &[]);
        }
    }
}
