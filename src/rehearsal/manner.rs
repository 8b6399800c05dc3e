//! How an instance that is asked answers, beside well: each way in which one can be dead, alive and of
//! no use, or out of sight (`design.md` 3, rule 16; `tds.md` 2.1, 5.4; `skype-powershell.md` 9).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

use super::certificate::{Authority, NotIssued};
use super::message::message;
use super::tds::{self, Encryption, Flow, Login, Reply, Request, Server, Session};
use super::value::ServerError;
use crate::access::sql::Failure;

/// Declares every manner once: none can be had that has no name and no words.
macro_rules! manners {
    ($($kind:ident $name:literal $what:literal,)+) => {
        /// How an instance answers.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum Manner {
            /// As SQL Server does.
            #[default]
            Well,
            $(#[doc = $what] $kind,)+
        }

        impl Manner {
            /// All others: each with its name and what it is, for people.
            pub const OTHERS: &[(Self, &str, &str)] = &[$((Self::$kind, $name, $what),)+];
        }
    };
}

manners! {
    Refused "refused" "nothing listens: the connection is refused",
    Unreachable "unreachable" "the network says that there is no way to the host",
    NoAnswer "no-answer" "the connect is never answered",
    NoSuchName "no-such-name" "its host name has no address",
    BrowserSilent "browser-silent" "SQL Server Browser does not answer",
    NotListed "not-listed" "SQL Server Browser does not know the instance",
    NoTcp "no-tcp" "SQL Server Browser knows it, and no port of it",
    Mute "mute" "it takes the connection and says nothing",
    Closes "closes" "it takes the connection and closes it at once",
    Garbage "garbage" "it answers what is no TDS",
    Expired "expired" "its certificate has expired",
    SelfSigned "self-signed" "its certificate is signed by nobody who is known",
    OtherName "other-name" "its certificate is for another name",
    OldTls "old-tls" "it knows no TLS version of today",
    NoEncryption "no-encryption" "it has no encryption",
    SignInRefused "sign-in-refused" "it lets nobody sign in (18456)",
    SignInHangs "sign-in-hangs" "it negotiates, and the sign-in is never answered",
    QueryHangs "query-hangs" "it lets everybody sign in, and answers no query",
    Cuts "cuts" "it breaks the connection in the middle of an answer",
}

impl Manner {
    /// The manner of that name, `well` among them.
    pub fn named(name: &str) -> Option<Self> {
        let others = Self::OTHERS.iter();
        let found = others.clone().find(|(_, it, _)| *it == name);
        found
            .map(|(manner, ..)| *manner)
            .or((name == "well").then_some(Self::Well))
    }

    /// True where a connection comes into being.
    pub fn takes_connections(self) -> bool {
        self != Self::NoAnswer && self.of_dial("").is_none()
    }

    /// What a dial ends with before there is a connection; `None` where there is one, or never an end.
    pub(super) fn of_dial(self, host: &str) -> Option<Failure> {
        let host = host.to_owned();
        let address = format!("{host}:50123");
        let instance = "CHAT".to_owned();
        Some(match self {
            Self::Refused => Failure::ConnectionRefused { address },
            Self::Unreachable => Failure::Unreachable(format!("{address}: no route to host")),
            Self::NoSuchName => Failure::NameNotFound {
                host,
                why: "name or service not known".to_owned(),
            },
            Self::BrowserSilent => Failure::BrowserSilent {
                host,
                refused: None,
            },
            Self::NotListed => Failure::NotListed {
                host,
                instance,
                known: vec!["OTHER".to_owned()],
            },
            Self::NoTcp => Failure::NoTcp { instance },
            Self::Well
            | Self::NoAnswer
            | Self::Mute
            | Self::Closes
            | Self::Garbage
            | Self::Expired
            | Self::SelfSigned
            | Self::OtherName
            | Self::OldTls
            | Self::NoEncryption
            | Self::SignInRefused
            | Self::SignInHangs
            | Self::QueryHangs
            | Self::Cuts => return None,
        })
    }
}

/// The certificates of a simulated site: the sound one, and each that is wrong.
pub struct Keys {
    /// What the instances do about encryption when they answer well.
    encryption: Encryption,
    sound: Option<Arc<ServerConfig>>,
    expired: Option<Arc<ServerConfig>>,
    self_signed: Option<Arc<ServerConfig>>,
    other_name: Option<Arc<ServerConfig>>,
    authority: String,
}

/// How long the certificates last.
const LIFE: SignedDuration = SignedDuration::from_hours(24 * 365);
/// How long before now they begin.
const BEFORE: SignedDuration = SignedDuration::from_hours(24);
/// What clients call the instances.
const NAMES: [&str; 2] = ["127.0.0.1", "localhost"];

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum NoKeys {
    /// No certificates.
    #[error(transparent)]
    NotIssued(#[from] NotIssued),
    /// No TLS with them.
    #[error("no TLS: {0}")]
    Tls(#[from] tokio_rustls::rustls::Error),
}

impl Keys {
    /// Makes them, valid now.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn new(now: Timestamp, encryption: Encryption) -> Result<Self, NoKeys> {
        let from = now.saturating_sub(BEFORE).unwrap_or(now);
        let to = now.saturating_add(LIFE).unwrap_or(now);
        let long_ago = from.saturating_sub(LIFE).unwrap_or(from);
        let (known, stranger) = (Authority::new(now)?, Authority::new(now)?);
        let config = |authority: &Authority, names: &[&str], from, to| {
            let certificate = authority.issue(names, from, to)?;
            Ok::<_, NoKeys>(tds::tls_config(encryption, &certificate)?)
        };
        Ok(Self {
            encryption,
            sound: config(&known, &NAMES, from, to)?,
            expired: config(&known, &NAMES, long_ago, from)?,
            self_signed: config(&stranger, &NAMES, from, to)?,
            other_name: config(&known, &["sql9.example.com"], from, to)?,
            authority: known.pem(),
        })
    }

    /// None: everything in clear.
    pub fn none() -> Self {
        Self {
            encryption: Encryption::NotSupported,
            sound: None,
            expired: None,
            self_signed: None,
            other_name: None,
            authority: String::new(),
        }
    }

    /// The authority that signed the sound one, as clients are given it.
    pub fn authority(&self) -> &str {
        &self.authority
    }
}

/// Serves a connection in that manner, until either side ends it.
///
/// # Errors
/// As [`tds::serve_with`].
pub async fn serve<S>(
    manner: Manner,
    server: Arc<dyn Server>,
    mut stream: S,
    keys: &Keys,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let with = |config: &Option<Arc<ServerConfig>>| config.clone();
    let encryption = keys.encryption;
    match manner {
        Manner::Well => tds::serve_with(server, stream, encryption, with(&keys.sound)).await,
        Manner::Expired => tds::serve_with(server, stream, encryption, with(&keys.expired)).await,
        Manner::SelfSigned => {
            tds::serve_with(server, stream, encryption, with(&keys.self_signed)).await
        }
        Manner::OtherName => {
            tds::serve_with(server, stream, encryption, with(&keys.other_name)).await
        }
        Manner::NoEncryption => tds::serve(server, stream).await,
        Manner::SignInRefused | Manner::QueryHangs => {
            let server = Arc::new(Bad { server, manner });
            tds::serve_with(server, stream, encryption, with(&keys.sound)).await
        }
        Manner::Cuts => {
            let cut = Arc::new(AtomicBool::new(false));
            let server = Arc::new(CutsLater(server, Arc::clone(&cut)));
            let stream = Cut { stream, cut };
            tds::serve_with(server, stream, encryption, with(&keys.sound)).await
        }
        // Where a connection comes into being at all, these have none to serve.
        Manner::Refused
        | Manner::Unreachable
        | Manner::NoSuchName
        | Manner::BrowserSilent
        | Manner::NotListed
        | Manner::NoTcp
        | Manner::Closes => Ok(()),
        Manner::NoAnswer | Manner::Mute => listen(&mut stream).await,
        Manner::Garbage => {
            heard(&mut stream).await?;
            let answer = b"HTTP/1.1 400 Bad Request\r\n\r\n";
            stream.write_all(answer).await?;
            stream.shutdown().await
        }
        Manner::SignInHangs => {
            prelogin(&mut stream).await?;
            listen(&mut stream).await
        }
        Manner::OldTls => {
            prelogin(&mut stream).await?;
            heard(&mut stream).await?;
            // The alert 70, protocol_version, in a packet.
            let alert = [0x12, 1, 0, 15, 0, 0, 1, 0, 0x15, 3, 1, 0, 2, 2, 70];
            stream.write_all(&alert).await?;
            stream.shutdown().await
        }
    }
}

/// Waits until the client has said something.
async fn heard(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    stream.read(&mut [0; 4096]).await.map(drop)
}

/// Reads for ever.
async fn listen(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    while stream.read(&mut [0; 4096]).await? > 0 {}
    Ok(())
}

/// Answers PRELOGIN: version 12, encryption on (`tds.md` 2.1).
async fn prelogin(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
    heard(stream).await?;
    let mut answer = vec![0x04, 0x01, 0, 26, 0, 0, 1, 0];
    answer.extend_from_slice(&[0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xFF]);
    answer.extend_from_slice(&[12, 0, 0x17, 0x88, 0, 0, 1]);
    stream.write_all(&answer).await
}

/// An instance that lets nobody sign in, or answers nobody.
struct Bad {
    server: Arc<dyn Server>,
    manner: Manner,
}

impl Server for Bad {
    fn name(&self) -> String {
        self.server.name()
    }

    fn login(&self, login: &Login) -> Result<Box<dyn Session>, ServerError> {
        if self.manner == Manner::SignInRefused {
            return Err(message(18456, &[&login.user]));
        }
        Ok(Box::new(Deaf(self.server.login(login)?)))
    }
}

struct Deaf(Box<dyn Session>);

impl Session for Deaf {
    fn run<'a>(&'a mut self, _: Request, _: &'a mut dyn Reply) -> BoxFuture<'a, Flow> {
        Box::pin(async {
            loop {
                tokio::time::sleep(Duration::from_hours(1)).await;
            }
        })
    }

    fn killed(&self) -> CancellationToken {
        self.0.killed()
    }
}

/// An instance whose answers are cut.
struct CutsLater(Arc<dyn Server>, Arc<AtomicBool>);

impl Server for CutsLater {
    fn name(&self) -> String {
        self.0.name()
    }

    fn login(&self, login: &Login) -> Result<Box<dyn Session>, ServerError> {
        let session = self.0.login(login)?;
        Ok(Box::new(CutSession(session, Arc::clone(&self.1))))
    }
}

struct CutSession(Box<dyn Session>, Arc<AtomicBool>);

impl Session for CutSession {
    fn run<'a>(&'a mut self, request: Request, reply: &'a mut dyn Reply) -> BoxFuture<'a, Flow> {
        Box::pin(async move {
            let flow = self.0.run(request, reply).await;
            self.1.store(true, Ordering::SeqCst);
            flow
        })
    }

    fn killed(&self) -> CancellationToken {
        self.0.killed()
    }
}

/// A stream that breaks in the middle of what is written once it is cut.
struct Cut<S> {
    stream: S,
    cut: Arc<AtomicBool>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Cut<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Cut<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.cut.load(Ordering::SeqCst) {
            return Pin::new(&mut self.stream).poll_write(context, bytes);
        }
        match bytes.len() {
            0 | 1 => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            length => Pin::new(&mut self.stream).poll_write(context, &bytes[..length / 2]),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_manner_is_found_by_its_name() {
        for (manner, name, _) in Manner::OTHERS {
            assert_eq!(Manner::named(name), Some(*manner));
        }
        assert_eq!(Manner::named("well"), Some(Manner::Well));
        assert_eq!(Manner::named("badly"), None);
    }
}
